//! Order of calls: writes, what leaves when, what is kept.

use super::*;

#[test]
fn the_same_seed_and_calls_give_the_same_messages() {
    let play = |seed| {
        let mut group = Group::new(GroupOptions::new(1, seed), start(&[1, 2, 3])).unwrap();
        let mut messages = Vec::new();
        for tick in 0..500 {
            group.tick();
            settle(&mut group);
            messages.extend(group.take_messages().into_iter().map(|out| (tick, out.message)));
        }
        messages
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

#[test]
fn nothing_leaves_before_the_state_is_saved() {
    let mut group = group(2, &[1, 2, 3]);
    let mut request = vote(MessageType::MsgRequestVote, 1, 2, 5);
    request.context = eraftpb::Message::default().context;
    group.step(request, &[]).unwrap();
    let writes = group.next_work().unwrap().writes.unwrap();
    assert_eq!(writes.save_state.map(|state| (state.term, state.vote)), Some((5, 1)));
    assert!(group.take_messages().is_empty());
    group.finish_work(vec![]);
    assert_eq!(kinds(&mut group), [MessageType::MsgRequestVoteResponse]);
}

#[test]
fn while_it_writes_messages_are_refused_and_reports_kept() {
    let mut group = group(2, &[1, 2, 3]);
    group.step(append(1, 2, 1, (0, 0), 0), &[info(1, 1)]).unwrap();
    group.next_work().unwrap();
    let heartbeat = message(MessageType::MsgHeartbeat, 1, 2, 1);
    assert_eq!(group.step(heartbeat.clone(), &[]), Err(Refusal::WorkUnderWay));
    assert_eq!(group.next_entry(), Err(ProposeError::NotLeader { leader: 1 }));
    group.peer_report(report(1, 7, (1, 1), true)).unwrap();
    assert_eq!(group.report_to(1).answers, 0);
    group.finish_work(vec![]);
    assert_eq!(group.report_to(1).answers, 7);
    assert_eq!(group.step(heartbeat, &[]), Ok(()));
}

#[test]
#[should_panic(expected = "finish_work comes first")]
fn a_tick_while_it_writes_is_a_mistake_of_the_caller() {
    let mut group = group(2, &[1, 2, 3]);
    group.step(append(1, 2, 1, (0, 0), 0), &[info(1, 1)]).unwrap();
    group.next_work().unwrap();
    group.tick();
}

#[test]
fn entries_are_confirmed_when_they_are_persisted_but_heartbeats_at_once() {
    let mut group = group(2, &[1, 2, 3]);
    group.step(append(1, 2, 1, (0, 0), 0), &[info(1, 1), info(2, 1)]).unwrap();
    settle(&mut group);
    group.step(message(MessageType::MsgHeartbeat, 1, 2, 1), &[]).unwrap();
    settle(&mut group);
    assert_eq!(kinds(&mut group), [MessageType::MsgHeartbeatResponse]);
    group.persisted(1);
    settle(&mut group);
    assert_eq!(kinds(&mut group), []);
    group.persisted(2);
    settle(&mut group);
    assert_eq!(group.take_messages()[0].message.index, 2);
}

#[test]
fn what_is_persisted_during_a_truncation_is_not_what_comes_after_it() {
    let mut group = follower();
    group.step(append(1, 2, 1, (1, 3), 2), &[info(4, 1)]).unwrap();
    settle(&mut group);
    group.step(append(3, 2, 2, (1, 3), 2), &[info(4, 2)]).unwrap();
    let writes = group.next_work().unwrap().writes.unwrap();
    assert_eq!(writes.truncate_after, Some(3));
    group.persisted(4); // the old one
    group.finish_work(vec![]);
    settle(&mut group);
    assert_eq!(kinds(&mut group), []);
    group.persisted(4);
    settle(&mut group);
    let acks = group.take_messages();
    assert_eq!(acks.iter().map(|out| (out.message.to, out.message.index)).collect::<Vec<_>>(), [(3, 4)]);
}

#[test]
fn a_log_of_a_later_term_than_the_state_file_raises_the_term() {
    let saved = SavedState { term: 3, vote: 1, ..SavedState::default() };
    let group = group_on(2, Start { saved, entries: vec![info(1, 2), info(2, 5)], ..start(&[1, 2, 3]) });
    assert_eq!((group.role().term, group.saved.term, group.saved.vote), (5, 5, 0));
}

#[test]
fn descriptors_are_forgotten_when_applied_and_no_longer_available() {
    let mut group = leader();
    (2..10).for_each(|index| group.propose(&info(index, 1)).unwrap());
    settle_all(&mut group);
    group.step(ack(2, 1, 1, 6), &[]).unwrap();
    settle_all(&mut group);
    group.set_available_from(5);
    settle_all(&mut group);
    assert_eq!((group.entry(4), group.entry(5)), (None, Some(&info(5, 1))));
    group.set_available_from(9);
    settle_all(&mut group);
    assert_eq!((group.entry(6), group.entry(7)), (None, Some(&info(7, 1))), "7 is not applied");
}

#[test]
fn settings_and_files_that_make_no_sense_are_refused() {
    let refuses = |options: GroupOptions, start: Start| Group::new(options, start).is_err();
    let options = || GroupOptions::new(1, 1);
    assert!(refuses(GroupOptions::new(0, 1), start(&[1])));
    assert!(refuses(GroupOptions { election_ticks: 2, ..options() }, start(&[1])));
    assert!(refuses(GroupOptions { heartbeat_ticks: 0, ..options() }, start(&[1])));
    assert!(refuses(GroupOptions { message_entries_max: 0, ..options() }, start(&[1])));
    assert!(refuses(GroupOptions { inflight_messages_max: 0, ..options() }, start(&[1])));
    assert!(refuses(options(), Start { life: 0, ..start(&[1]) }));
    assert!(refuses(options(), Start { entries: vec![info(2, 1)], ..start(&[1]) }));
    assert!(refuses(options(), Start { entries: vec![info(1, 2), info(2, 1)], ..start(&[1]) }));
    assert!(refuses(options(), Start { entries: vec![info(1, 0)], ..start(&[1]) }));
    let saved = SavedState { term: u64::MAX, ..SavedState::default() };
    assert!(refuses(options(), Start { saved, ..start(&[1]) }));
}
