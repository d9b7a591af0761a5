//! Fields that are missing or of another type, and names that nobody knows.

use protocol::{RequestCode, ResponseCode};

use crate::stand::{Stand, TOPIC};

type Fields = &'static [(&'static str, &'static str)];

/// Each request with all that it needs.
const WHOLE: &[(RequestCode, Fields)] = &[
    (RequestCode::GET_CONSUME_STATS, &[("consumerGroup", "g")]),
    (RequestCode::QUERY_CONSUME_TIME_SPAN, &[("topic", TOPIC), ("group", "g")]),
    (RequestCode::QUERY_CONSUME_QUEUE, &[("topic", TOPIC), ("queueId", "0"), ("index", "0"), ("count", "1")]),
    (RequestCode::QUERY_TOPICS_BY_CONSUMER, &[("group", "g")]),
    (RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER, &[("group", "g"), ("topic", TOPIC)]),
    (RequestCode::QUERY_CORRECTION_OFFSET, &[("topic", TOPIC), ("compareGroup", "g")]),
    (RequestCode::CLONE_GROUP_OFFSET, &[("srcGroup", "g"), ("destGroup", "h")]),
    (RequestCode::GET_CONSUMER_RUNNING_INFO, &[("consumerGroup", "g"), ("clientId", "c")]),
    (RequestCode::CONSUME_MESSAGE_DIRECTLY, &[("consumerGroup", "g"), ("clientId", "c"), ("msgId", "x")]),
    (RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, &[("topic", TOPIC), ("group", "g"), ("timestamp", "1")]),
    (RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, &[("topic", TOPIC), ("group", "g")]),
];

#[test]
fn a_field_that_is_missing_is_named() {
    let mut stand = Stand::start("missing-fields");
    for (code, whole) in WHOLE {
        for (key, _) in *whole {
            let fields: Vec<_> = whole.iter().copied().filter(|(other, _)| other != key).collect();
            let (answer, remark) = stand.refused(*code, &fields, &[]);
            assert_eq!(answer, ResponseCode::SYSTEM_ERROR, "{code:?} without {key}");
            assert_eq!(remark, format!("header field `{key}` is missing"), "{code:?}");
        }
    }
}

#[test]
fn a_field_of_another_type_is_named() {
    let mut stand = Stand::start("mistyped-fields");
    stand.make_group("g");
    let numbers = [
        (RequestCode::QUERY_CONSUME_QUEUE, "queueId"),
        (RequestCode::QUERY_CONSUME_QUEUE, "index"),
        (RequestCode::QUERY_CONSUME_QUEUE, "count"),
        (RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, "timestamp"),
        (RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, "queueId"),
        (RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, "offset"),
    ];
    for (code, key) in numbers {
        let (_, whole) = WHOLE.iter().find(|(each, _)| *each == code).expect("one of those above");
        for value in ["x", "99999999999999999999999", "1.5"] {
            let mut fields: Vec<_> = whole.iter().copied().filter(|(other, _)| *other != key).collect();
            fields.push((key, value));
            let (answer, remark) = stand.refused(code, &fields, &[]);
            assert_eq!(answer, ResponseCode::SYSTEM_ERROR, "{code:?} with {key}={value}");
            assert!(remark.starts_with(&format!("header field `{key}` is `{value}`")), "{remark}");
        }
    }
    assert_eq!(stand.committed("g", 0), None, "nothing is stored");
}

#[test]
fn names_and_numbers_that_nobody_knows_are_answered_as_the_protocol_has_it() {
    let mut stand = Stand::start("unknown-names");
    stand.make_group("g");
    let reset = RequestCode::INVOKE_BROKER_TO_RESET_OFFSET;
    let units = RequestCode::QUERY_CONSUME_QUEUE;
    let cases: [(RequestCode, Fields, ResponseCode, &str); 9] = [
        (RequestCode::QUERY_CONSUME_TIME_SPAN, &[("topic", "t"), ("group", "g")], ResponseCode::TOPIC_NOT_EXIST, "t"),
        (reset, &[("topic", "t"), ("group", "g"), ("timestamp", "1")], ResponseCode::TOPIC_NOT_EXIST, "Topic t"),
        (
            reset,
            &[("topic", TOPIC), ("group", "nobody"), ("timestamp", "1")],
            ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            "Group nobody",
        ),
        (
            reset,
            &[("topic", TOPIC), ("group", "g"), ("timestamp", "1"), ("queueId", "9")],
            ResponseCode::INVALID_PARAMETER,
            "`queueId` is 9",
        ),
        (
            units,
            &[("topic", "t"), ("queueId", "0"), ("index", "0"), ("count", "1")],
            ResponseCode::SYSTEM_ERROR,
            "0@t is not exist!",
        ),
        (
            units,
            &[("topic", TOPIC), ("queueId", "-1"), ("index", "0"), ("count", "1")],
            ResponseCode::SYSTEM_ERROR,
            "-1@operated is not exist!",
        ),
        (
            units,
            &[("topic", TOPIC), ("queueId", "0"), ("index", "0"), ("count", "2147483647")],
            ResponseCode::INVALID_PARAMETER,
            "`count` is 2147483647",
        ),
        (
            RequestCode::CLONE_GROUP_OFFSET,
            &[("srcGroup", "g"), ("destGroup", "no/name")],
            ResponseCode::INVALID_PARAMETER,
            "`destGroup`",
        ),
        (
            RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
            &[("topic", TOPIC), ("group", "nobody")],
            ResponseCode::SYSTEM_ERROR,
            "[nobody]",
        ),
    ];
    for (code, fields, wanted, reason) in cases {
        let (answer, remark) = stand.refused(code, fields, &[]);
        assert_eq!(answer, wanted, "{code:?} {fields:?}: {remark}");
        assert!(remark.contains(reason), "{remark}");
    }
    assert_eq!(stand.committed("g", 0), None, "nothing is stored");
}

#[test]
fn more_text_than_is_passed_on_to_a_client_is_refused() {
    let mut stand = Stand::start("long-fields");
    let mut consumer = stand.join("g", "c", protocol::VERSION);
    let long = "x".repeat(9_000);
    let fields = [("consumerGroup", "g"), ("clientId", "c"), ("jstackEnable", long.as_str())];
    let (answer, remark) = stand.refused(RequestCode::GET_CONSUMER_RUNNING_INFO, &fields, &[]);
    assert_eq!(answer, ResponseCode::SYSTEM_ERROR);
    assert!(remark.contains("at most 8192 are passed on"), "{remark}");
    let more = consumer.receive_before(std::time::Instant::now() + std::time::Duration::from_millis(100));
    assert!(more.is_none_or(|received| matches!(
        received,
        interop::raw_client::Received::Command(command) if command.code == RequestCode::NOTIFY_CONSUMER_IDS_CHANGED.0
    )));
}
