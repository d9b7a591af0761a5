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
    assert_eq!((group.conf_state().voters.len(), group.next_membership()), (4, None));
}

#[test]
fn members_that_were_told_say_nothing_of_what_is_committed_here() {
    // Entries 2 and 3 are of a leader whom nobody followed; others have gone on to entry 60 meanwhile, and told the members.
    let members = ConfState::from((vec![1, 2, 3, 4], vec![]));
    let saved = SavedState { term: 1, vote: 1, members_index: 60, members: members.clone() };
    let entries = vec![info(1, 1), info(2, 1), info(3, 1)];
    let again = Start { saved, applied: EntryId { term: 1, index: 0 }, entries, ..start(&[1, 2, 3]) };
    let mut group = group_on(1, again);
    assert_eq!((group.conf_state(), group.committed()), (&members, 0));
    group.step(append(2, 1, 2, (1, 1), 2), &[info(2, 2)]).unwrap();
    let writes =
        settle(&mut group).into_iter().find_map(|work| work.writes.filter(|writes| !writes.entries.is_empty()));
    assert_eq!(writes.unwrap().truncate_after, Some(1));

    let entries = vec![info(1, 1), info(2, 1), info(3, 1)];
    let damaged = Start { memory: Memory::Nothing, entries, ..start(&[1, 2, 3]) };
    let mut group = group_on(1, damaged);
    assert_eq!(group.learn_members(60, members), Ok(true));
    assert_eq!(group.committed(), 0);
}

#[test]
fn a_change_after_which_the_members_are_the_same_is_saved_too() {
    let mut group = leader();
    // Replica 2 is said to listen elsewhere: only the caller knows that.
    group.propose_membership(&change(&[(2, ConfChangeType::AddNode)])).unwrap();
    settle(&mut group);
    group.persisted(2);
    group.step(ack(2, 1, 1, 2), &[]).unwrap();
    settle(&mut group);
    group.apply_membership(2).unwrap();
    assert!(group.has_unsaved_members());
    let saved = settle(&mut group)[0].writes.clone().unwrap().save_state.unwrap();
    assert_eq!((saved.members_index, group.has_unsaved_members()), (2, false));
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

#[test]
fn a_replica_without_a_past_takes_part_once_it_knows_the_members_and_a_leader_lets_it_in() {
    let nowhere = Start { memory: Memory::Nothing, ..start(&[]) };
    let mut group = group_on(4, nowhere);
    let report = |from, term| PeerReport { current_term: term, ..report(from, 7, (1, 3), true) };
    group.peer_report(report(1, 5)).unwrap();
    let heartbeat = || message(MessageType::MsgHeartbeat, 1, 4, 5);
    assert_eq!(group.step(heartbeat(), &[]), Err(Refusal::TermsUnknown), "nobody said who the members are");
    (0..ELECTION_TICKS_MAX * 2).for_each(|_| group.tick());
    assert_eq!(group.role().role, StateRole::Follower, "it founds no group of its own");
    let members = ConfState::from((vec![1, 2, 3], vec![4]));
    assert_eq!(group.learn_members(9, members.clone()), Ok(true));
    assert_eq!(group.step(heartbeat(), &[]), Err(Refusal::TermsUnknown), "nobody has let it in");
    assert_eq!(group.learn_members(9, members.clone()), Ok(false), "once");
    (1..4).for_each(|from| group.peer_report(report(from, 6)).unwrap());
    assert_eq!(group.step(heartbeat(), &[]), Err(Refusal::TermsUnknown), "what voters say is not enough");
    group.peer_report(PeerReport { lets_in: true, ..report(2, 6) }).unwrap();
    assert_eq!((group.role().term, group.knows_terms(), group.is_trusted()), (6, true, false));
    group.step(message(MessageType::MsgHeartbeat, 1, 4, 6), &[]).unwrap();
    let saved = settle(&mut group)[0].writes.clone().unwrap().save_state.unwrap();
    assert_eq!((saved.members_index, &saved.members), (9, &members));
    assert_eq!(group.learn_members(12, members), Ok(false), "from here on its log says it");
}

#[test]
fn a_founder_that_has_lost_its_disk_is_told_who_founded_the_group() {
    let mut group = group_on(3, Start { memory: Memory::Nothing, ..start(&[]) });
    let founders = ConfState::from((vec![1, 2, 3], vec![]));
    assert_eq!(group.learn_members(0, founders.clone()), Ok(true));
    assert_eq!((group.learn_members(0, founders.clone()), group.conf_state()), (Ok(false), &founders));
}

#[test]
fn members_that_are_newer_than_what_was_pulled_hold_from_the_end_of_a_catch_up() {
    let mut group = follower();
    group.step(snapshot(1, 2, 1, (1, 50)), &[]).unwrap();
    settle(&mut group);
    let members = ConfState::from((vec![1, 2, 3, 4], vec![]));
    let applied = EntryId { term: 1, index: 50 };
    group.reset_log_with_members(60, members.clone(), applied, vec![]).unwrap();
    assert_eq!((group.conf_state(), group.members_up_to()), (&members, 60));
    let bytes = change(&[(4, ConfChangeType::AddNode)]).write_to_bytes().unwrap();
    let entry = EntryInfo { membership: Some(bytes), ..info(51, 1) };
    group.step(append(1, 2, 1, (1, 50), 51), &[entry]).unwrap();
    settle(&mut group);
    assert_eq!(group.next_membership(), None, "they hold its change already");
}
