//! Replicas that may have forgotten what they confirmed, and their leaders.

use super::*;

#[test]
fn a_forgetful_replica_withholds_its_vote_until_it_has_what_the_leader_committed() {
    let saved = SavedState { term: 1, ..SavedState::default() };
    let start = Start { memory: Memory::ShortLog, saved, entries: vec![info(1, 1)], ..start(&[1, 2, 3]) };
    let mut group = group_on(2, start);
    let mut request = vote(MessageType::MsgRequestVote, 3, 2, 2);
    (request.log_term, request.index) = (1, 9);
    assert_eq!(group.step(request.clone(), &[]), Err(Refusal::NotTrusted { candidate: 3 }));
    (0..2 * ELECTION_TICKS_MAX).for_each(|_| group.tick());
    assert_eq!(group.role().role, StateRole::Follower);
    group.peer_report(report(1, 7, (1, 3), true)).unwrap();
    // Entry 1 is of the leader's term and known to be committed, but the leader has committed more.
    group.step(append(1, 2, 1, (1, 1), 3), &[info(2, 1)]).unwrap();
    settle_all(&mut group);
    assert!(group.committed() == 2 && !group.is_trusted());
    group.step(append(1, 2, 1, (1, 2), 3), &[info(3, 1)]).unwrap();
    settle(&mut group);
    assert!(!group.is_trusted(), "not persisted");
    group.persisted(3);
    assert!(settle(&mut group).iter().any(|work| work.became_trusted));
    (0..ELECTION_TICKS_MAX).for_each(|_| group.tick()); // the leader is gone
    group.step(request, &[]).unwrap();
}

#[test]
fn a_leader_of_an_earlier_life_does_not_give_trust() {
    let start = Start { memory: Memory::ShortLog, ..start(&[1, 2, 3]) };
    let mut group = group_on(2, start);
    group.step(append(1, 2, 1, (0, 0), 1), &[info(1, 1)]).unwrap();
    settle_all(&mut group);
    assert!(!group.is_trusted(), "leader 1 may still count what this replica has forgotten");
}

#[test]
fn forgetful_replicas_elect_the_longest_log_when_all_are_heard() {
    let start = |entries| Start { memory: Memory::ShortLog, entries, ..start(&[1, 2]) };
    let mut short = group_on(1, start(vec![info(1, 1)]));
    let mut long = group_on(2, start(vec![info(1, 1), info(2, 1)]));
    short.peer_report(PeerReport { answers: 1, ..long.report_to(1) }).unwrap();
    long.peer_report(PeerReport { answers: 1, ..short.report_to(2) }).unwrap();
    for _ in 0..2 * ELECTION_TICKS_MAX {
        short.tick();
    }
    assert_eq!(short.role().role, StateRole::Follower);
    tick_until_candidate(&mut long);
    let request = long.take_messages().into_iter().find(|out| out.message.to == 1).unwrap().message;
    short.step(request, &[]).unwrap();
    settle(&mut short);
    assert_eq!(kinds(&mut short), [MessageType::MsgRequestPreVoteResponse]);
}

#[test]
fn a_leader_no_longer_counts_what_a_forgetful_replica_confirmed() {
    let mut group = leader();
    assert_eq!(group.progress()[0].matched, 1);
    group.peer_report(report(2, 7, (0, 0), true)).unwrap();
    assert_eq!(group.progress()[0].matched, 1, "it remembers");
    group.peer_report(report(2, 8, (0, 0), false)).unwrap();
    assert_eq!(group.progress()[0].matched, 0);
    settle(&mut group);
    let appends = group.take_messages();
    let again = appends.iter().rfind(|out| out.message.to == 2).unwrap();
    assert_eq!((again.message.index, again.entries.len()), (0, 1));
}

#[test]
fn a_lost_disk_takes_no_part_until_terms_are_known_and_does_not_vote_in_them() {
    let mut group = group_on(2, Start { memory: Memory::Nothing, ..start(&[1, 2, 3]) });
    assert_eq!(group.step(message(MessageType::MsgHeartbeat, 1, 2, 3), &[]), Err(Refusal::TermsUnknown));
    group.peer_report(PeerReport { current_term: 8, ..report(1, 7, (3, 9), true) }).unwrap();
    group.peer_report(PeerReport { current_term: 3, ..report(3, 7, (3, 4), true) }).unwrap();
    settle(&mut group);
    assert_eq!((group.saved.term, group.saved.vote, group.is_trusted()), (8, 2, false));
    let mut request = vote(MessageType::MsgRequestVote, 1, 2, 8);
    (request.log_term, request.index) = (3, 9);
    group.step(request, &[]).unwrap();
    settle(&mut group);
    assert!(group.take_messages().iter().all(|out| out.message.reject));
}

/// It voted again in a term, or confirmed what a candidate with its lost vote did not have.
#[test]
fn a_leader_lets_a_lost_disk_in_with_an_entry_that_the_others_have() {
    let mut group = leader();
    let newcomer = PeerReport { knows_terms: false, ..report(2, 8, (0, 0), false) };
    group.peer_report(newcomer).unwrap();
    assert!(!group.report_to(2).lets_in);
    group.tick();
    settle_all(&mut group);
    let appended = group.end().index;
    group.take_messages();
    assert_eq!(group.take_let_in(), [], "only this leader has the entry");
    group.tick();
    assert_eq!(group.end().index, appended, "one is enough");
    group.step(ack(3, 1, 1, appended), &[]).unwrap();
    settle(&mut group);
    assert_eq!(group.take_let_in(), [2]);
    assert!(group.take_let_in().is_empty() && group.report_to(2).lets_in && !group.report_to(3).lets_in);
    group.peer_report(PeerReport { life: 9, ..newcomer }).unwrap();
    assert!(!group.report_to(2).lets_in, "it has lost its disk again");
    group.peer_report(PeerReport { life: 9, knows_terms: true, ..newcomer }).unwrap();
    group.tick();
    assert_eq!(group.end().index, appended, "it was let in by another");
}

#[test]
fn the_only_voter_founds_its_group_with_an_empty_disk() {
    let alone = Start { memory: Memory::Nothing, ..start(&[1]) };
    let mut group = group_on(1, alone);
    for _ in 0..ELECTION_TICKS_MAX {
        group.tick();
        settle(&mut group);
    }
    settle_all(&mut group);
    assert!(group.has_own_commit() && group.is_trusted());
}
