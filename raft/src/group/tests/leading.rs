//! A leader: proposals, handovers, followers that lag.

use super::*;

#[test]
fn the_only_voter_leads_by_itself_and_commits_what_is_persisted() {
    let mut group = group(1, &[1]);
    (0..ELECTION_TICKS_MAX).for_each(|_| group.tick());
    let works = settle(&mut group);
    let writes = works[0].writes.clone().unwrap();
    assert_eq!(writes.save_state.map(|state| (state.term, state.vote)), Some((1, 1)));
    assert_eq!(writes.entries, [NewEntry { index: 1, term: 1, source: Source::Empty }]);
    assert!(group.is_leader() && group.committed() == 0);
    group.persisted(1);
    assert_eq!(settle(&mut group).last().unwrap().committed, 1);
}

#[test]
fn a_replica_with_unpersisted_entries_does_not_campaign() {
    let mut group = group(2, &[2]);
    group.step(append(1, 2, 1, (0, 0), 0), &[info(1, 1)]).unwrap();
    settle(&mut group);
    for _ in 0..10 * ELECTION_TICKS_MAX {
        group.tick();
        settle(&mut group);
    }
    assert_eq!(group.role().role, StateRole::Follower);
    group.persisted(1);
    group.tick();
    settle(&mut group);
    assert!(group.is_leader());
}

#[test]
fn proposals_are_the_next_entry_of_a_leader() {
    let mut group = leader();
    assert_eq!(group.next_entry(), Ok(EntryId { term: 1, index: 2 }));
    group.propose(&info(2, 1)).unwrap();
    group.propose(&info(3, 1)).unwrap();
    let work = group.next_work().unwrap();
    let sources: Vec<_> = work.writes.unwrap().entries.into_iter().map(|entry| entry.source).collect();
    assert_eq!(sources, [Source::Proposed(info(2, 1)), Source::Proposed(info(3, 1))]);
    assert_eq!(group.next_entry(), Err(ProposeError::WorkDue));
    group.finish_work(vec![]);
    let to_2 = group.take_messages().into_iter().filter(|out| out.message.to == 2);
    assert_eq!(to_2.flat_map(|out| out.entries).collect::<Vec<_>>(), [info(2, 1), info(3, 1)]);
}

#[test]
#[should_panic(expected = "proposals are the next entry")]
fn a_proposal_elsewhere_is_a_mistake_of_the_caller() {
    leader().propose(&info(7, 1)).unwrap();
}

#[test]
fn nothing_is_proposed_before_the_first_entry_of_a_new_leader_is_in_the_log() {
    let mut group = group(1, &[1]);
    assert_eq!(group.next_entry(), Err(ProposeError::NotLeader { leader: 0 }));
    (0..ELECTION_TICKS_MAX).for_each(|_| group.tick());
    assert_eq!(group.next_entry(), Err(ProposeError::WorkDue));
    settle(&mut group);
    assert_eq!(group.next_entry(), Ok(EntryId { term: 1, index: 2 }));
}

#[test]
fn proposals_of_a_leader_that_lost_its_place_are_cut_from_the_log() {
    let mut group = leader();
    group.propose(&info(2, 1)).unwrap();
    group.propose(&info(3, 1)).unwrap();
    group.step(append(2, 1, 2, (1, 1), 1), &[info(2, 2)]).unwrap();
    let writes = group.next_work().unwrap().writes.unwrap();
    assert_eq!(writes.truncate_after, Some(1));
    assert_eq!(writes.entries, [NewEntry { index: 2, term: 2, source: Source::Received(info(2, 2)) }]);
}

#[test]
fn leadership_goes_to_another_voter_and_nothing_is_proposed_meanwhile() {
    let mut group = leader();
    assert_eq!(group.transfer_to(1), Err(TransferError::NotVoter { to: 1 }));
    assert_eq!(group.transfer_to(9), Err(TransferError::NotVoter { to: 9 }));
    assert_eq!(follower().transfer_to(3), Err(TransferError::NotLeader { leader: 1 }));
    group.transfer_to(2).unwrap();
    assert_eq!(group.next_entry(), Err(ProposeError::TransferUnderWay));
    settle(&mut group);
    assert!(kinds(&mut group).contains(&MessageType::MsgTimeoutNow));
    (0..10).for_each(|_| group.tick());
    settle(&mut group);
    assert_eq!(group.next_entry().is_ok(), group.is_leader());
}

#[test]
fn only_the_leader_hands_over_and_only_to_a_log_that_is_persisted() {
    let mut group = follower();
    let hand_over = |from, term| message(MessageType::MsgTimeoutNow, from, 2, term);
    let stranger = |from| Err(Refusal::Stranger { kind: MessageType::MsgTimeoutNow, from });
    assert_eq!(group.step(hand_over(3, 1), &[]), stranger(3));
    assert_eq!(group.step(hand_over(1, 2), &[]), stranger(1));
    group.step(append(1, 2, 1, (1, 3), 2), &[info(4, 1)]).unwrap();
    settle(&mut group);
    assert_eq!(group.step(hand_over(1, 1), &[]), Err(Refusal::NotReady));
    group.persisted(4);
    group.step(hand_over(1, 1), &[]).unwrap();
    assert_eq!(group.role().role, StateRole::Candidate);
}

#[test]
fn a_follower_that_needs_what_is_not_in_memory_gets_a_snapshot_message_again_and_again() {
    let mut group = leader();
    for index in 2..10 {
        group.propose(&info(index, 1)).unwrap();
    }
    settle_all(&mut group);
    group.step(ack(2, 1, 1, 9), &[]).unwrap();
    settle_all(&mut group);
    group.set_available_from(8);
    settle_all(&mut group);
    let mut rejection = ack(3, 1, 1, 0);
    (rejection.reject, rejection.reject_hint) = (true, 0);
    let mut snapshots = 0;
    for _ in 0..100 {
        group.tick();
        group.step(message(MessageType::MsgHeartbeatResponse, 2, 1, 1), &[]).unwrap();
        group.step(message(MessageType::MsgHeartbeatResponse, 3, 1, 1), &[]).unwrap();
        let _ = group.step(rejection.clone(), &[]);
        settle(&mut group);
        let is_snapshot = |kind: &MessageType| *kind == MessageType::MsgSnapshot;
        snapshots += kinds(&mut group).iter().filter(|kind| is_snapshot(kind)).count();
    }
    assert!((2..10).contains(&snapshots), "{snapshots}");
    assert!(group.progress()[1].is_catching_up);
    // It has caught up: the leader goes on from where its log ends.
    group.peer_report(report(3, 7, (1, 8), true)).unwrap();
    settle(&mut group);
    let appends = group.take_messages();
    assert!(appends.iter().any(|out| out.message.to == 3 && out.entries == [info(9, 1)]));
}

#[test]
fn large_batches_leave_in_several_messages() {
    let mut group = leader();
    let large = |index| EntryInfo { bytes: 700_000, position: index * 1_000_000, ..info(index, 1) };
    (2..5).for_each(|index| group.propose(&large(index)).unwrap());
    settle(&mut group);
    let appends = group.take_messages();
    let counts: Vec<_> = appends.iter().filter(|out| out.message.to == 2).map(|out| out.entries.len()).collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn a_commit_index_is_told_with_the_next_entries_or_a_tick_later() {
    let mut group = leader();
    group.options.commit_is_told_at_once = false;
    group.node.raft.skip_bcast_commit(true);
    (2..=3).for_each(|follower| group.step(ack(follower, 1, 1, 1), &[]).unwrap());
    settle_all(&mut group);
    group.take_messages();
    let appends = |group: &mut Group| -> Vec<(u64, u64, usize)> {
        settle(group);
        let sent = group.take_messages().into_iter();
        let appends = sent.filter(|out| out.message.get_msg_type() == MessageType::MsgAppend);
        appends.map(|out| (out.message.to, out.message.commit, out.entries.len())).collect()
    };
    group.propose(&info(2, 1)).unwrap();
    assert_eq!(appends(&mut group), [(2, 1, 1), (3, 1, 1)]);
    (2..=3).for_each(|follower| group.step(ack(follower, 1, 1, 2), &[]).unwrap());
    assert_eq!((appends(&mut group), group.committed()), (vec![], 2));
    group.propose(&info(3, 1)).unwrap();
    assert_eq!(appends(&mut group), [(2, 2, 1), (3, 2, 1)]);
    group.step(ack(2, 1, 1, 3), &[]).unwrap();
    group.step(Message { commit: 2, ..ack(3, 1, 1, 3) }, &[]).unwrap();
    group.tick();
    assert!(appends(&mut group).is_empty(), "entries may follow");
    group.step(Message { commit: 3, ..ack(2, 1, 1, 3) }, &[]).unwrap();
    group.tick();
    assert_eq!(appends(&mut group), [(3, 3, 0)], "replica 2 knows it already");
}
