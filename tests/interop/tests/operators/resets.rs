//! Offsets reset by an operator: by the broker, and by the group's members.

use std::time::Duration;

use interop::requests;
use protocol::body::QueueOffsets;
use protocol::language::Language;
use protocol::{RemotingCommand, RequestCode, ResponseCode, VERSION};

use crate::stand::{QUEUES, Stand, TOPIC, answer_to, asked, request};

/// Longer than any test here: a held pull that is answered was not answered because its time was up.
const LONG_MS: i64 = 60_000;

fn reset(stand: &mut Stand, more: &[(&str, &str)]) -> QueueOffsets {
    let fields = [&[("topic", TOPIC), ("group", "pullers"), ("isForce", "true")], more].concat();
    let answer = stand.done(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &fields, &[]);
    QueueOffsets::decode(&answer.body).expect("a table")
}

fn held_pull(offset: i64) -> RemotingCommand {
    let flags = requests::PULL_WITH_SUBSCRIPTION | requests::PULL_MAY_WAIT;
    let pull = requests::with(requests::pull(TOPIC, 0, offset), "sysFlag", &flags.to_string());
    requests::with(pull, "suspendTimeoutMillis", &LONG_MS.to_string())
}

#[test]
fn the_next_pull_of_each_queue_is_sent_to_the_new_offset_once() {
    let mut stand = Stand::start("reset");
    stand.send(0, 5);
    stand.make_group("pullers");
    stand.commit("pullers", 0, 5);
    let table = reset(&mut stand, &[("timestamp", "1")]);
    assert_eq!(table.offset_table, [(stand.queue(0), 0), (stand.queue(1), 0)].into());
    assert_eq!(stand.committed("pullers", 0), Some(0));
    stand.commit("pullers", 0, 5);
    assert_eq!(stand.committed("pullers", 0), Some(0), "whoever still commits does not know of the reset");

    let moved = stand.operator.ask(requests::pull(TOPIC, 0, 5));
    assert_eq!((moved.code, moved.get("nextBeginOffset")), (ResponseCode::PULL_OFFSET_MOVED.0, Some("0")));
    let found = stand.operator.ask(requests::pull(TOPIC, 0, 0));
    assert_eq!((found.code, found.get("nextBeginOffset")), (0, Some("5")));
    stand.commit("pullers", 0, 3);
    assert_eq!(stand.committed("pullers", 0), Some(3));
}

#[test]
fn a_reset_goes_to_the_end_to_a_time_or_to_an_offset_of_one_queue() {
    let mut stand = Stand::start("reset-targets");
    stand.send(0, 5);
    stand.send(1, 2);
    stand.make_group("pullers");
    let ends = reset(&mut stand, &[("timestamp", "-1")]);
    assert_eq!(ends.offset_table, [(stand.queue(0), 5), (stand.queue(1), 2)].into());
    let one = reset(&mut stand, &[("timestamp", "0"), ("queueId", "1"), ("offset", "1")]);
    assert_eq!(one.offset_table, [(stand.queue(1), 1)].into());
    assert_eq!((stand.committed("pullers", 0), stand.committed("pullers", 1)), (Some(5), Some(1)));
    let future = reset(&mut stand, &[("timestamp", "9999999999999"), ("queueId", "0"), ("offset", "-1")]);
    assert_eq!(future.offset_table, [(stand.queue(0), 5)].into(), "nothing is stored that late");

    let fields = [
        ("topic", TOPIC),
        ("group", "pullers"),
        ("timestamp", "0"),
        ("isForce", "true"),
        ("queueId", "0"),
        ("offset", "6"),
    ];
    let (code, remark) = stand.refused(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &fields, &[]);
    assert_eq!(
        (code, remark.as_str()),
        (ResponseCode::SYSTEM_ERROR, "Target offset 6 not in consume queue range [0-5]")
    );
    assert_eq!(stand.committed("pullers", 0), Some(5), "nothing of it is stored");
}

#[test]
fn a_pull_that_is_held_hears_of_a_reset_at_once() {
    let mut stand = Stand::start("reset-held");
    stand.send(0, 5);
    let mut consumer = stand.join("pullers", "c1", VERSION);
    stand.commit("pullers", 0, 5);
    let opaque = consumer.start(held_pull(5));
    let mut other = stand.join("others", "c2", VERSION);
    let others = requests::with(held_pull(5), "consumerGroup", "others");
    let other_opaque = other.start(others);
    reset(&mut stand, &[("timestamp", "1")]);
    let moved = answer_to(&mut consumer, opaque);
    assert_eq!((moved.code, moved.get("nextBeginOffset")), (ResponseCode::PULL_OFFSET_MOVED.0, Some("0")));
    let unmoved = answer_to(&mut other, other_opaque);
    assert_eq!((unmoved.code, unmoved.get("nextBeginOffset")), (ResponseCode::PULL_NOT_FOUND.0, Some("5")));
}

#[test]
fn a_reset_that_is_answered_survives_a_kill() {
    let mut stand = Stand::start("reset-kill");
    stand.send(0, 5);
    stand.make_group("pullers");
    reset(&mut stand, &[("timestamp", "-1")]);
    stand.broker.kill_nine();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = interop::raw_client::RawClient::connect(stand.address);
    assert_eq!(stand.committed("pullers", 0), Some(5));
    let moved = stand.operator.ask(requests::pull(TOPIC, 0, 0));
    assert_eq!((moved.code, moved.get("nextBeginOffset")), (ResponseCode::PULL_OFFSET_MOVED.0, Some("5")));
}

#[test]
fn a_reset_that_nobody_was_told_of_swallows_nothing_once_the_broker_resets_no_more() {
    let mut stand = Stand::start("reset-switched-off");
    stand.send(0, 5);
    stand.send(1, 5);
    stand.make_group("pullers");
    reset(&mut stand, &[("timestamp", "1")]);
    stand.commit("pullers", 0, 5);
    assert_eq!(stand.committed("pullers", 0), Some(0), "whoever still commits does not know of the reset");
    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"useServerSideResetOffset=false");
    stand.commit("pullers", 0, 4);
    assert_eq!(stand.committed("pullers", 0), Some(4));
    let found = stand.operator.ask(requests::pull(TOPIC, 1, 3));
    assert_eq!((found.code, found.get("nextBeginOffset")), (0, Some("5")), "nobody is told any more");

    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"useServerSideResetOffset=true");
    let found = stand.operator.ask(requests::pull(TOPIC, 0, 4));
    assert_eq!((found.code, found.get("nextBeginOffset")), (0, Some("5")), "the commit has ended that reset");
    let moved = stand.operator.ask(requests::pull(TOPIC, 1, 3));
    assert_eq!((moved.code, moved.get("nextBeginOffset")), (ResponseCode::PULL_OFFSET_MOVED.0, Some("0")));
}

#[test]
fn members_reset_by_themselves_where_the_broker_does_not() {
    let mut stand = Stand::start("reset-by-members");
    stand.send(0, 5);
    stand.send(1, 5);
    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"useServerSideResetOffset=false");
    stand.make_group("pullers");
    let fields = [("topic", TOPIC), ("group", "pullers"), ("timestamp", "1"), ("isForce", "false")];
    let (code, remark) = stand.refused(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &fields, &[]);
    assert_eq!(code, ResponseCode::SYSTEM_ERROR, "it has no offset to compare with: {remark}");
    (0..QUEUES).for_each(|queue_id| stand.commit("pullers", queue_id, 4));
    let (code, remark) = stand.refused(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &fields, &[]);
    assert_eq!(code, ResponseCode::CONSUMER_NOT_ONLINE, "tools then go another way: {remark}");

    let mut member = stand.join("pullers", "c1", VERSION);
    let table = reset(&mut stand, &[("timestamp", "1")]);
    let told = asked(&mut member, RequestCode::RESET_CONSUMER_CLIENT_OFFSET);
    assert!(told.is_oneway());
    assert_eq!(
        (told.get("topic"), told.get("group"), told.get("timestamp")),
        (Some(TOPIC), Some("pullers"), Some("1"))
    );
    assert_eq!(QueueOffsets::decode(&told.body).expect("a table"), table);
    assert_eq!(table.offset_table, [(stand.queue(0), 0), (stand.queue(1), 0)].into());
    assert_eq!(stand.committed("pullers", 0), Some(4), "the member is to set it");

    stand.done(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &[&fields[..2], &[("timestamp", "-1")]].concat(), &[]);
    let told = asked(&mut member, RequestCode::RESET_CONSUMER_CLIENT_OFFSET);
    let unforced = QueueOffsets::decode(&told.body).expect("a table").offset_table;
    assert_eq!(unforced, [(stand.queue(0), 4), (stand.queue(1), 4)].into(), "unless forced it does not go forward");
    drop(member);

    let mut cpp = stand.join("pullers", "c2", VERSION);
    let opaque = cpp.start(RemotingCommand {
        language: Language::CPP,
        ..request(RequestCode::HEART_BEAT, &[]).with_body(
            *br#"{"clientID":"c2","consumerDataSet":[{"groupName":"pullers","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionDataSet":[]}]}"#,
        )
    });
    answer_to(&mut cpp, opaque);
    reset(&mut stand, &[("timestamp", "1")]);
    let told = asked(&mut cpp, RequestCode::RESET_CONSUMER_CLIENT_OFFSET);
    assert!(told.body.starts_with(br#"{"offsetTable":[{"brokerName":"#), "{told:?}");
    assert!(cpp.receive_before(std::time::Instant::now() + Duration::from_millis(50)).is_none(), "once");
}
