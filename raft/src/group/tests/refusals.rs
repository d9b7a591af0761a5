//! What arrives and makes no sense is refused with the reason, and changes nothing.

use super::*;
use crate::NUMBER_MAX;
use MessageType::*;

/// Steps a message at [`follower`]: in term 1, with entries 1 to 3, two of them committed.
fn refusal(message: Message, entries: &[EntryInfo]) -> Refusal {
    let mut group = follower();
    let before = (group.role(), group.end(), group.committed());
    let refusal = group.step(message, entries).expect_err("it makes no sense");
    assert_eq!((group.role(), group.end(), group.committed()), before);
    assert_eq!((settle(&mut group), kinds(&mut group)), (vec![], vec![]));
    refusal
}

fn sample(kind: MessageType) -> Message {
    message(kind, 1, 2, 1)
}

#[test]
fn kinds_that_only_a_replica_itself_makes_or_nobody_uses() {
    for kind in [
        MsgHup,
        MsgBeat,
        MsgPropose,
        MsgUnreachable,
        MsgSnapStatus,
        MsgCheckQuorum,
        MsgTransferLeader,
        MsgReadIndex,
        MsgReadIndexResp,
    ] {
        assert_eq!(refusal(sample(kind), &[]), Refusal::NotServed { kind });
    }
}

#[test]
fn messages_from_nobody_or_for_somebody_else() {
    let kind = MsgHeartbeat;
    assert_eq!(refusal(message(kind, 1, 3, 1), &[]), Refusal::NotForUs { to: 3 });
    assert_eq!(refusal(message(kind, 0, 2, 1), &[]), Refusal::Stranger { kind, from: 0 });
    assert_eq!(refusal(message(kind, 2, 2, 1), &[]), Refusal::Stranger { kind, from: 2 });
    let kind = MsgAppendResponse;
    assert_eq!(refusal(message(kind, 9, 2, 1), &[]), Refusal::Stranger { kind, from: 9 });
}

#[test]
fn numbers_that_raft_cannot_count_with() {
    let kind = MsgAppend;
    let value = NUMBER_MAX + 1;
    let number = |field| Refusal::Number { kind, field, value };
    assert_eq!(refusal(append(1, 2, 1, (1, value), 0), &[]), number("index"));
    assert_eq!(refusal(append(1, 2, value, (1, 3), 0), &[]), number("term"));
    assert_eq!(refusal(append(1, 2, 1, (1, 3), value), &[]), number("commit"));
    let kind = MsgHeartbeat;
    assert_eq!(refusal(message(kind, 1, 2, 0), &[]), Refusal::Number { kind, field: "term", value: 0 });
    let kind = MsgSnapshot;
    let at_0 = refusal(snapshot(1, 2, 1, (0, 0)), &[]);
    assert_eq!(at_0, Refusal::Number { kind, field: "snapshot index", value: 0 });
}

#[test]
fn what_does_not_belong_into_a_message() {
    let superfluous = |kind, what| Refusal::Superfluous { kind, what };
    assert_eq!(refusal(sample(MsgHeartbeat), &[info(4, 1)]), superfluous(MsgHeartbeat, "entries"));
    let mut own_form = append(1, 2, 1, (1, 3), 2);
    own_form.mut_entries().push(crate::entry::named(&info(4, 1)));
    assert_eq!(refusal(own_form, &[]), superfluous(MsgAppend, "raft's own form of entries"));
    let mut request = sample(MsgAppendResponse);
    request.request_snapshot = 3;
    assert_eq!(refusal(request, &[]), superfluous(MsgAppendResponse, "a request for a snapshot"));
    let mut read = sample(MsgHeartbeat);
    read.context = b"read"[..].into();
    assert_eq!(refusal(read, &[]), superfluous(MsgHeartbeat, "a context"));
}

#[test]
fn entries_that_do_not_follow_each_other() {
    let before = |entries: &[EntryInfo]| refusal(append(1, 2, 1, (1, 3), 2), entries);
    assert_eq!(before(&[info(3, 1)]), Refusal::Gap { expected: 4, found: 3 });
    assert_eq!(before(&[info(4, 1), info(6, 1)]), Refusal::Gap { expected: 5, found: 6 });
    assert_eq!(before(&[info(4, 0)]), Refusal::Term { index: 4, term: 0, low: 1, high: 1 });
    assert_eq!(before(&[info(4, 2)]), Refusal::Term { index: 4, term: 2, low: 1, high: 1 });
    let log_term = refusal(append(1, 2, 1, (2, 3), 2), &[]);
    assert_eq!(log_term, Refusal::Term { index: 3, term: 2, low: 0, high: 1 });
    let snapshot_term = refusal(snapshot(1, 2, 1, (2, 9)), &[]);
    assert_eq!(snapshot_term, Refusal::Term { index: 9, term: 2, low: 0, high: 1 });
}

#[test]
fn entries_that_lie_where_they_cannot() {
    let before = |entries: &[EntryInfo]| refusal(append(1, 2, 1, (1, 3), 2), entries);
    let empty = EntryInfo { bytes: 0, ..info(4, 1) };
    assert_eq!(before(&[empty]), Refusal::Place { index: 4, position: 400, bytes: 0 });
    let overlap = EntryInfo { position: 450, ..info(5, 1) };
    assert_eq!(before(&[info(4, 1), overlap]), Refusal::Place { index: 5, position: 450, bytes: 100 });
    let end = EntryInfo { position: u64::MAX, ..info(4, 1) };
    assert_eq!(before(&[end]), Refusal::Place { index: 4, position: u64::MAX, bytes: 100 });
    let elsewhere = EntryInfo { position: 301, ..info(3, 1) };
    let other = refusal(append(1, 2, 1, (1, 2), 2), &[elsewhere]);
    assert_eq!(other, Refusal::Place { index: 3, position: 301, bytes: 100 });
}

#[test]
fn membership_changes_that_cannot_be_read() {
    let change = EntryInfo { membership: Some(vec![0xFF; 3]), ..info(4, 1) };
    let refusal = refusal(append(1, 2, 1, (1, 3), 2), &[change]);
    assert!(matches!(refusal, Refusal::Membership { index: 4, .. }), "{refusal}");
}

#[test]
fn leaders_that_contradict_what_is_committed_or_who_leads() {
    let conflict = |index, term| Refusal::ConflictsWithCommitted { index, committed_term: 1, term };
    assert_eq!(refusal(append(3, 2, 4, (2, 2), 2), &[]), conflict(2, 2));
    assert_eq!(refusal(append(3, 2, 4, (1, 1), 2), &[info(2, 3)]), conflict(2, 3));
    assert_eq!(refusal(snapshot(3, 2, 4, (4, 2)), &[]), conflict(2, 4));
    let second = Refusal::SecondLeader { from: 3, term: 1, leader: 1 };
    for message in [append(3, 2, 1, (1, 3), 2), message(MsgHeartbeat, 3, 2, 1), snapshot(3, 2, 1, (1, 9))] {
        assert_eq!(refusal(message, &[]), second);
    }
}

#[test]
fn indexes_beyond_the_log() {
    let mut heartbeat = sample(MsgHeartbeat);
    heartbeat.commit = 4;
    let beyond = |kind, field, index, last| Refusal::BeyondLog { kind, field, index, last };
    assert_eq!(refusal(heartbeat, &[]), beyond(MsgHeartbeat, "commit", 4, 3));
    let mut group = leader();
    let refused = group.step(ack(2, 1, 1, 9), &[]);
    assert_eq!(refused, Err(beyond(MsgAppendResponse, "index", 9, 1)));
}

#[test]
fn reports_that_make_no_sense() {
    let mut group = follower();
    let end = (1, 3);
    for report in [report(0, 5, end, true), report(2, 5, end, true), report(1, 0, end, true)] {
        assert!(group.peer_report(report).is_err(), "{report:?}");
    }
    assert!(group.peer_report(report(1, 5, (u64::MAX, 3), true)).is_err());
}

#[test]
fn old_terms_are_answered_and_not_followed() {
    let mut group = follower();
    group.step(message(MsgHeartbeat, 3, 2, 5), &[]).unwrap();
    settle_all(&mut group);
    group.take_messages();
    // Leader 1 does not know of term 5; what it says is no contradiction, only late.
    group.step(append(1, 2, 1, (1, 3), 2), &[info(4, 1)]).unwrap();
    settle(&mut group);
    let answers = group.take_messages();
    assert_eq!(answers.iter().map(|out| (out.message.to, out.message.term)).collect::<Vec<_>>(), [(1, 5)]);
    assert_eq!(group.end().index, 3);
}
