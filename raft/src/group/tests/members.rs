//! Membership changes.

use super::*;

#[test]
fn a_replica_never_goes_back_to_earlier_members() {
    let mut group = leader();
    group.propose_membership(&change(&[(4, ConfChangeType::AddNode)])).unwrap();
    let works = settle(&mut group);
    let Source::Membership(bytes) = &works[0].writes.as_ref().unwrap().entries[0].source else { panic!("{works:?}") };
    let entry = EntryInfo { membership: Some(bytes.clone()), ..info(2, 1) };
    group.persisted(2);
    group.step(ack(2, 1, 1, 2), &[]).unwrap();
    settle(&mut group);
    assert_eq!(group.next_membership(), Some(2));
    let members = group.apply_membership(2).unwrap();
    let saved = settle(&mut group)[0].writes.clone().unwrap().save_state.unwrap();
    assert_eq!((saved.members_index, &saved.members), (2, &members));
    // The same log, and a checkpoint from before.
    let again = Start { saved, entries: vec![info(1, 1), entry], ..start(&[1, 2, 3]) };
    let group = Group::new(GroupOptions::new(1, 1), again).unwrap();
    assert_eq!((group.conf_state().voters.len(), group.committed(), group.next_membership()), (4, 2, None));
}

#[test]
#[should_panic(expected = "applied before what follows it")]
fn a_membership_change_is_not_passed_over() {
    let mut group = group(2, &[1, 2, 3]);
    let bytes = change(&[(4, ConfChangeType::AddNode)]).write_to_bytes().unwrap();
    let entry = EntryInfo { membership: Some(bytes), ..info(1, 1) };
    group.step(append(1, 2, 1, (0, 0), 1), &[entry]).unwrap();
    settle(&mut group);
    group.applied(1);
}

#[test]
fn membership_changes_that_could_not_be_applied_are_not_proposed() {
    let mut group = leader();
    let propose = |group: &mut Group, changes: &[_]| group.propose_membership(&change(changes));
    let (add, remove) = (ConfChangeType::AddNode, ConfChangeType::RemoveNode);
    assert_eq!(propose(&mut group, &[(1, remove)]), Err(MembershipError::RemovesLeader { id: 1 }));
    assert!(matches!(propose(&mut group, &[]), Err(MembershipError::Impossible { .. })), "no joint one to leave");
    let nobody = [(1, remove), (2, remove), (3, remove)];
    assert!(matches!(propose(&mut group, &nobody), Err(MembershipError::Impossible { .. })));
    assert_eq!(propose(&mut follower(), &[(4, add)]), Err(MembershipError::NotLeader { leader: 1 }));
    propose(&mut group, &[(4, add)]).unwrap();
    assert_eq!(propose(&mut group, &[(5, add)]), Err(MembershipError::Pending { index: 2 }));
    group.transfer_to(2).unwrap();
    assert_eq!(propose(&mut group, &[(5, add)]), Err(MembershipError::TransferUnderWay));
}

#[test]
fn a_leader_that_is_removed_follows() {
    // Replica 2 proposed to remove replica 1, which then was elected with that entry in its log.
    let bytes = change(&[(1, ConfChangeType::RemoveNode)]).write_to_bytes().unwrap();
    let removal = EntryInfo { membership: Some(bytes), ..info(1, 1) };
    let saved = SavedState { term: 1, ..SavedState::default() };
    let mut group = group_on(1, Start { saved, entries: vec![removal], ..start(&[1, 2, 3]) });
    tick_until_candidate(&mut group);
    group.step(vote(MessageType::MsgRequestPreVoteResponse, 2, 1, 2), &[]).unwrap();
    settle(&mut group);
    group.step(vote(MessageType::MsgRequestVoteResponse, 2, 1, 2), &[]).unwrap();
    settle(&mut group);
    group.persisted(2);
    group.step(ack(2, 1, 2, 2), &[]).unwrap();
    settle(&mut group);
    assert!(group.is_leader() && group.committed() == 2);
    group.apply_membership(1).unwrap();
    settle_all(&mut group);
    assert_eq!(group.role().role, StateRole::Follower);
    // What would make raft-rs look for itself among the members.
    let _ = group.step(ack(3, 1, 2, 2), &[]);
    (0..ELECTION_TICKS_MAX * 2).for_each(|_| group.tick());
    assert_eq!(group.role().role, StateRole::Follower);
}
