//! Replies to requests: pushed to the client that waits for them, and stored.

use std::time::Duration;

use interop::requests::{self, with};
use interop::until::until;
use protocol::record::decode_record;
use protocol::{RemotingCommand, RequestCode, ResponseCode, VERSION};

use crate::stand::{Stand, answer_to, asked};

const REPLIES: &str = "DefaultCluster_REPLY_TOPIC";
const STORED_WITHIN: Duration = Duration::from_secs(5);
const PROPERTIES: &str =
    "MSG_TYPE\u{1}reply\u{2}REPLY_TO_CLIENT\u{1}c1\u{2}UNIQ_KEY\u{1}u\u{2}TTL\u{1}3000\u{2}CORRELATION_ID\u{1}id\u{2}";

fn reply() -> RemotingCommand {
    let reply = with(requests::send(REPLIES, 0, b"the answer"), "i", PROPERTIES);
    RemotingCommand { code: RequestCode::SEND_REPLY_MESSAGE_V2.0, ..reply }
}

fn stored(stand: &mut Stand) -> i64 {
    let end = stand.done(RequestCode::GET_MAX_OFFSET, &[("topic", REPLIES), ("queueId", "0")], &[]);
    end.get("offset").expect("an offset").parse().expect("a number")
}

#[test]
fn a_reply_reaches_the_client_that_waits_for_it_whole_and_is_stored() {
    let mut stand = Stand::start("reply");
    let mut requester = stand.join("readers", "c1", VERSION);
    let v1 = requests::send_v1(REPLIES, 0, b"the answer").with_field("properties", PROPERTIES);
    let v1 = RemotingCommand { code: RequestCode::SEND_REPLY_MESSAGE.0, ..v1 };
    for (number, sent) in [reply(), v1].into_iter().enumerate() {
        let opaque = stand.operator.start(sent);
        let pushed = asked(&mut requester, RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT);
        assert!(!pushed.is_oneway());
        assert_eq!(pushed.body, b"the answer");
        for (key, value) in [
            ("topic", REPLIES),
            ("producerGroup", "group"),
            ("queueId", "0"),
            ("sysFlag", "0"),
            ("flag", "0"),
            ("reconsumeTimes", "0"),
            ("unitMode", "false"),
            ("bornTimestamp", "1795256200294"),
        ] {
            assert_eq!(pushed.get(key), Some(value), "{key}: {pushed:?}");
        }
        assert_eq!(pushed.get("storeHost"), Some(stand.address.to_string().as_str()));
        assert!(pushed.get("bornHost").is_some_and(|host| host.starts_with("127.0.0.1:")), "{pushed:?}");
        let properties = pushed.get("properties").expect("properties");
        for part in
            ["CORRELATION_ID\u{1}id\u{2}", "REPLY_TO_CLIENT\u{1}c1\u{2}", "TTL\u{1}3000\u{2}", "PUSH_REPLY_TIME\u{1}"]
        {
            assert!(properties.contains(part), "{part} in {properties}");
        }
        requester.send(&RemotingCommand::response(0, pushed.opaque, None));
        let answer = answer_to(&mut stand.operator, opaque);
        assert_eq!((answer.code, answer.get("queueOffset")), (0, Some(number.to_string().as_str())), "{answer:?}");
        assert!(answer.get("transactionId").is_none() && answer.get("MSG_REGION").is_some());
        let id = answer.get("msgId").expect("an id");
        let offset = i64::from_str_radix(&id[16..], 16).expect("hex").to_string();
        let seen = stand.done(RequestCode::VIEW_MESSAGE_BY_ID, &[("offset", &offset)], &[]);
        let (record, _) = decode_record(&seen.body).expect("a record");
        assert_eq!((record.topic, record.body), (REPLIES, &b"the answer"[..]));
    }
    assert_eq!(stored(&mut stand), 2);
}

#[test]
fn a_reply_that_nobody_takes_is_refused_with_the_reason_and_stored_all_the_same() {
    let mut stand = Stand::start("lost-reply");
    let refused = |answer: &RemotingCommand, reason: &str, offset: &str| {
        assert_eq!(answer.code, ResponseCode::SYSTEM_ERROR.0, "{answer:?}");
        assert!(answer.remark.as_ref().is_some_and(|remark| remark.contains(reason)), "{reason}: {answer:?}");
        assert_eq!(answer.get("queueOffset"), Some(offset), "{answer:?}");
    };
    let answer = stand.operator.ask(reply());
    refused(&answer, "push reply message fail, channel of <c1> not found.", "0");
    let answer = stand.operator.ask(with(reply(), "i", "MSG_TYPE\u{1}reply\u{2}"));
    refused(&answer, "REPLY_TO_CLIENT is missing", "1");

    let mut requester = stand.join("readers", "c1", VERSION);
    let opaque = stand.operator.start(reply());
    let pushed = asked(&mut requester, RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT);
    requester.send(&RemotingCommand::response(1, pushed.opaque, Some("nobody waits for that")));
    refused(&answer_to(&mut stand.operator, opaque), "push reply message to c1 fail. it answers 1", "2");
    let opaque = stand.operator.start(reply());
    asked(&mut requester, RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT);
    drop(requester);
    refused(&answer_to(&mut stand.operator, opaque), "its connection was closed", "3");
    assert_eq!(stored(&mut stand), 4);
}

#[test]
fn a_reply_that_is_wrong_is_neither_pushed_nor_stored() {
    let mut stand = Stand::start("wrong-reply");
    for (spoilt, code, reason) in [
        (requests::without(reply(), "b"), ResponseCode::SYSTEM_ERROR, "`b` is missing"),
        (requests::without(reply(), "e"), ResponseCode::SYSTEM_ERROR, "`e` is missing"),
        (with(reply(), "e", "x"), ResponseCode::SYSTEM_ERROR, "`e` is `x`"),
        (with(reply(), "e", "9"), ResponseCode::INVALID_PARAMETER, "9"),
        (with(reply(), "b", "no/topic"), ResponseCode::INVALID_PARAMETER, "contains `/`"),
        (reply().with_body(*b""), ResponseCode::SYSTEM_ERROR, "empty"),
    ] {
        let answer = stand.operator.ask(spoilt);
        assert_eq!(answer.code, code.0, "{answer:?}");
        assert!(answer.remark.as_ref().is_some_and(|remark| remark.contains(reason)), "{reason}: {answer:?}");
    }
    assert_eq!(stored(&mut stand), 0);
    // One-way, as some send it: there is no answer, and the broker goes on.
    stand.operator.send(&RemotingCommand { flag: protocol::header::FLAG_ONEWAY, ..reply() });
    until("the one-way reply to be stored", STORED_WITHIN, || match stored(&mut stand) {
        1 => Ok(()),
        other => Err(format!("{other} replies are stored")),
    });
}
