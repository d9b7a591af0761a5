//! Fields that are missing, or that are no values of their type.

use interop::broker_start::BrokerStart;
use interop::raw_client::RawClient;
use interop::requests;
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;

const SYSTEM_ERROR: i32 = 1;
const INVALID_PARAMETER: i32 = 29;
const NO_NUMBERS: [&str; 6] = ["x", "1.5", "1e3", " 1", "99999999999999999999", "0x10"];

/// A good request, its fields that are numbers, and those of all that must be there.
struct Form {
    request: RemotingCommand,
    numbers: &'static [&'static str],
    required: &'static [&'static str],
}

fn forms(topic: &str) -> Vec<Form> {
    let form = |request, numbers, required| Form { request, numbers, required };
    let of_queue = |code| requests::of_queue(code, topic, 0);
    let retried = |command: RemotingCommand, times: &str, times_max: &str| {
        requests::with(requests::with(command, times, "0"), times_max, "0")
    };
    vec![
        form(
            retried(requests::send(topic, 0, b"spoilt"), "j", "l"),
            &["d", "e", "f", "g", "h", "j", "l"],
            &["b", "d", "e", "f", "g", "h"],
        ),
        form(
            retried(requests::send_v1(topic, 0, b"spoilt"), "reconsumeTimes", "maxReconsumeTimes"),
            &[
                "defaultTopicQueueNums",
                "queueId",
                "sysFlag",
                "bornTimestamp",
                "flag",
                "reconsumeTimes",
                "maxReconsumeTimes",
            ],
            &["topic", "queueId", "sysFlag", "bornTimestamp", "flag"],
        ),
        form(
            requests::pull(topic, 0, 0),
            &["queueId", "queueOffset", "maxMsgNums", "sysFlag", "suspendTimeoutMillis"],
            &["consumerGroup", "topic", "queueId", "queueOffset", "maxMsgNums", "sysFlag"],
        ),
        form(requests::query_offset("group", topic, 0), &["queueId"], &["consumerGroup", "topic", "queueId"]),
        form(requests::search_offset(topic, 0, 0), &["queueId", "timestamp"], &["topic", "queueId", "timestamp"]),
        form(of_queue(RequestCode::GET_MAX_OFFSET), &["queueId"], &["topic", "queueId"]),
        form(of_queue(RequestCode::GET_MIN_OFFSET), &["queueId"], &["topic", "queueId"]),
        form(of_queue(RequestCode::GET_EARLIEST_MSG_STORETIME), &["queueId"], &["topic", "queueId"]),
        form(requests::view(0), &["offset"], &["offset"]),
        form(requests::send_back("group", 0, 0), &["offset", "delayLevel"], &["group", "offset", "delayLevel"]),
        form(
            requests::create_topic("never-made", 4),
            &["readQueueNums", "writeQueueNums", "perm", "topicSysFlag"],
            &["topic", "readQueueNums", "writeQueueNums", "perm"],
        ),
        form(
            requests::of_group(RequestCode::GET_CONSUMER_LIST_BY_GROUP, "consumerGroup", "group"),
            &[],
            &["consumerGroup"],
        ),
    ]
}

#[test]
fn a_field_that_is_missing_or_no_number_is_answered_with_1_and_its_name() {
    let scratch = Scratch::new("fields");
    let broker = BrokerStart::new("fields", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    for encoding in [HeaderEncoding::Json, HeaderEncoding::RocketMq] {
        let mut client = RawClient::connect(broker.main()).speaking(encoding);
        let mut refused = |request: &RemotingCommand, field: &str, why: &str| {
            let answer = client.ask(request.clone());
            assert_eq!(answer.code, SYSTEM_ERROR, "{} with {field} {why}: {answer:?}", request.code);
            let remark = answer.remark.unwrap_or_default();
            assert!(remark.contains(&format!("`{field}`")), "{} with {field} {why}: {remark:?}", request.code);
        };
        for Form { request, numbers, required } in forms("witness") {
            for field in numbers {
                for value in NO_NUMBERS {
                    refused(&requests::with(request.clone(), field, value), field, value);
                }
            }
            for field in required {
                refused(&requests::without(request.clone(), field), field, "missing");
            }
        }
    }
    let mut client = RawClient::connect(broker.main());
    let topic = RemotingCommand::request(RequestCode::GET_TOPIC_CONFIG.0, 0).with_field("topic", "never-made");
    assert_eq!(client.ask(topic).code, 17, "a refused topic is not made");
    witness.exchanges(5);
    witness.expect_nothing_else_stored();
    broker.terminate();
}

/// A commit is the one request with a code of its own for what is missing.
#[test]
fn a_commit_without_queue_or_offset_is_answered_with_29() {
    let scratch = Scratch::new("commit");
    let broker = BrokerStart::new("commit", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    let commit = requests::commit_offset("pullers", "witness", 0, 1);
    for field in ["queueId", "commitOffset"] {
        let answer = client.ask(requests::without(commit.clone(), field));
        assert_eq!(answer.code, INVALID_PARAMETER, "without {field}: {answer:?}");
        assert!(answer.remark.unwrap_or_default().contains(field));
    }
    for (request, code) in [
        (requests::with(commit.clone(), "consumerGroup", "nobody"), 26),
        (requests::with(commit.clone(), "topic", "nowhere"), 17),
        // A queue that the topic does not have is stored all the same.
        (requests::with(commit.clone(), "queueId", "2147483647"), 0),
        (requests::with(commit.clone(), "queueId", "-2147483648"), 0),
        (requests::with(commit.clone(), "commitOffset", "-9223372036854775808"), 0),
        (commit, 0),
    ] {
        let answer = client.ask(request.clone());
        assert_eq!(answer.code, code, "{request:?}: {answer:?}");
    }
    let committed = client.ask(requests::query_offset("pullers", "witness", 0));
    assert_eq!((committed.code, committed.get("offset")), (0, Some("1")));
    witness.exchanges(5);
    broker.terminate();
}

/// The C++ client leaves the quotes of many fields out.
#[test]
fn numbers_and_booleans_without_quotes_are_values_and_nested_ones_are_missing() {
    let scratch = Scratch::new("unquoted");
    let broker = BrokerStart::new("unquoted", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    let mut ask = |queue_id: &str| {
        let header = format!(
            "{{\"code\":30,\"opaque\":5,\"flag\":0,\"language\":\"CPP\",\"version\":0,\
             \"extFields\":{{\"topic\":\"witness\",\"queueId\":{queue_id},\"lo\":true}}}}"
        );
        let length = u32::try_from(4 + header.len()).expect("a short header");
        let frame = [&length.to_be_bytes()[..], &(length - 4).to_be_bytes(), header.as_bytes()].concat();
        client.write(&frame).unwrap_or_else(|error| panic!("{error}"));
        match client.receive() {
            interop::raw_client::Received::Command(answer) => (answer.code, answer.remark.unwrap_or_default()),
            closed => panic!("{closed:?}"),
        }
    };
    assert_eq!(ask("0").0, 0);
    assert_eq!(ask("\"0\"").0, 0);
    for nested in ["null", "[0]", "{\"queueId\":0}", "\"\""] {
        let (code, remark) = ask(nested);
        assert_eq!(code, SYSTEM_ERROR, "{nested}");
        assert!(remark.contains("`queueId`"), "{remark}");
    }
    let (code, remark) = ask("true");
    assert_eq!(code, SYSTEM_ERROR);
    assert!(remark.contains("`queueId`"), "{remark}");
    witness.exchanges(5);
    broker.terminate();
}
