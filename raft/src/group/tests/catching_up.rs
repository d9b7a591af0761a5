//! Followers that need what their leader no longer has in memory.

use super::*;

#[test]
fn a_known_snapshot_is_news_about_the_commit_index() {
    let mut group = follower();
    group.step(snapshot(1, 2, 1, (1, 3)), &[]).unwrap();
    let works = settle(&mut group);
    assert_eq!((works[0].committed, works[0].catch_up), (3, None));
}

#[test]
fn an_unknown_snapshot_makes_a_catch_up_due_until_the_log_joins_again() {
    let mut group = follower();
    group.step(snapshot(1, 2, 1, (1, 50)), &[]).unwrap();
    let target = EntryId { term: 1, index: 50 };
    let due = CatchUp { leader: 1, leader_term: 1, target };
    assert_eq!(settle(&mut group)[0].catch_up, Some(CatchUpNews::Due(due)));
    assert_eq!(kinds(&mut group), [MessageType::MsgHeartbeatResponse]);
    group.step(snapshot(1, 2, 1, (1, 50)), &[]).unwrap();
    assert_eq!(settle(&mut group), []);
    group.step(append(1, 2, 1, (1, 40), 2), &[info(41, 1)]).unwrap();
    assert_eq!(group.catch_up(), Some(due), "raft rejects it");
    group.step(append(1, 2, 1, (1, 3), 2), &[]).unwrap();
    assert_eq!(settle(&mut group)[0].catch_up, Some(CatchUpNews::Void));
    let log = vec![info(3, 1)];
    let reset = group.reset_log(ConfState::default(), EntryId { term: 1, index: 2 }, log);
    assert_eq!(reset, Err(StartError::CatchUpVoid));
    assert_eq!(group.cut_log(EntryId { term: 2, index: 3 }), Err(StartError::CatchUpVoid));
}

#[test]
fn a_catch_up_cuts_what_conflicts_and_goes_on_behind_it() {
    let mut group = follower();
    group.step(snapshot(3, 2, 4, (4, 6)), &[]).unwrap();
    settle(&mut group);
    let id = |term, index| EntryId { term, index };
    assert!(matches!(group.cut_log(id(1, 3)), Err(StartError::Other { index: 3, .. })), "the same entry");
    assert!(matches!(group.cut_log(id(4, 4)), Err(StartError::Other { index: 4, .. })), "there is none");
    assert_eq!(group.cut_log(id(4, 2)), Err(StartError::BelowCommit { last: 1, committed: 2 }));
    group.cut_log(id(4, 3)).unwrap();
    assert_eq!(group.step(message(MessageType::MsgHeartbeat, 3, 2, 4), &[]), Err(Refusal::WorkUnderWay));
    group.finish_work(vec![]);
    assert_eq!(group.end(), id(1, 2));
    let log = vec![info(3, 4), info(4, 4), info(5, 4), info(6, 4)];
    let members = ConfState::from((vec![1, 2, 3], vec![]));
    group.reset_log(members, id(1, 2), log).unwrap();
    assert_eq!((group.end(), group.catch_up(), group.role().term), (id(4, 6), None, 4));
    group.step(append(3, 2, 4, (4, 6), 6), &[info(7, 4)]).unwrap();
    settle_all(&mut group);
    assert_eq!(group.applied_index(), 6);
}

#[test]
fn a_catch_up_never_loses_what_the_log_had() {
    let mut group = follower();
    group.step(snapshot(1, 2, 1, (1, 50)), &[]).unwrap();
    settle(&mut group);
    let id = |term, index| EntryId { term, index };
    for (applied, log) in [(id(1, 2), vec![]), (id(1, 2), vec![info(3, 2)]), (id(1, 1), vec![])] {
        assert!(group.reset_log(ConfState::default(), applied, log).is_err());
    }
    assert_eq!(group.end(), id(1, 3));
}

#[test]
fn a_log_from_before_the_group_is_rejected_where_it_is_missing() {
    let mut group = group(2, &[1, 2, 3]);
    group.step(append(1, 2, 1, (0, 1000), 1000), &[]).unwrap();
    settle(&mut group);
    let answer = &group.take_messages()[0].message;
    assert!(answer.reject && answer.reject_hint == 0);
    let applied = EntryId { term: 0, index: 1000 };
    let mut group = group_on(2, Start { applied, ..start(&[1, 2, 3]) });
    group.step(append(1, 2, 1, (0, 1000), 1000), &[info(1001, 1)]).unwrap();
    settle_all(&mut group);
    assert_eq!(group.end(), EntryId { term: 1, index: 1001 });
}
