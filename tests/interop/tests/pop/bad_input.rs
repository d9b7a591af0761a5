//! Requests of POP that no client should send: refused by the protocol's code with a remark that names what is wrong; nothing is
//! stored, and nobody else notices.

use interop::pops::{ack, batch_ack, change, of_queue, pop};
use interop::requests::{with, without};
use protocol::body::{BatchAck, QueueAcks};
use protocol::{RemotingCommand, RequestCode};

use crate::stand::{GROUP, LONG_MS, Stand, TOPIC};

/// What the remark names, what is spoilt, and the code.
type Spoilt = (&'static str, fn(&mut QueueAcks), i32);

fn refused(stand: &mut Stand, request: RemotingCommand, code: i32, named: &str) {
    let what = format!("{request:?}");
    let answer = stand.client.ask(request);
    assert_eq!(answer.code, code, "{what}: {answer:?}");
    assert!(answer.remark.as_deref().is_some_and(|remark| remark.contains(named)), "{named}: {what}: {answer:?}");
}

#[test]
fn wrong_pops_are_refused_and_take_nothing() {
    let mut stand = Stand::start("bad-pops", 2, "autoCreateSubscriptionGroup=false\n");
    let group = protocol::body::SubscriptionGroupConfig { group_name: GROUP.to_owned(), ..Default::default() };
    let request = interop::requests::with_body(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &group.encode());
    assert_eq!(stand.client.ask(request).code, 0);
    stand.send(0, "m");
    let good = pop(GROUP, TOPIC, LONG_MS, 0);
    for field in ["consumerGroup", "topic", "queueId", "maxMsgNums", "invisibleTime", "pollTime", "initMode"] {
        refused(&mut stand, without(good.clone(), field), 1, field);
    }
    for (field, value, code) in [
        ("queueId", "one", 1),
        ("queueId", "2", 29),
        ("queueId", "-2", 29),
        ("queueId", "99999999999", 1),
        ("maxMsgNums", "33", 29),
        ("maxMsgNums", "0", 29),
        ("maxMsgNums", "-1", 29),
        ("invisibleTime", "0", 29),
        ("invisibleTime", "-5", 29),
        ("invisibleTime", "9223372036854775807", 29),
        ("invisibleTime", "9223372036854775808", 1),
        ("pollTime", "soon", 1),
        ("bornTime", "x", 1),
        ("initMode", "2", 29),
        ("attemptId", &"a".repeat(200), 29),
        ("exp", "A ||", 0),
    ] {
        if code != 0 {
            refused(&mut stand, with(good.clone(), field, value), code, field);
        }
    }
    refused(&mut stand, with(good.clone(), "topic", "nowhere"), 17, "nowhere");
    refused(&mut stand, with(good.clone(), "consumerGroup", "nobody"), 26, "nobody");
    refused(&mut stand, with(with(good.clone(), "expType", "SQL92"), "exp", "a >"), 1, "SQL92");
    refused(&mut stand, with(with(good.clone(), "expType", "CLASS"), "exp", "x"), 1, "CLASS");
    // Whoever asked so long ago waits no more.
    refused(&mut stand, with(good.clone(), "bornTime", "1"), 210, "");
    refused(&mut stand, with(good.clone(), "bornTime", "-9223372036854775808"), 210, "");
    for (code, field) in [(RequestCode::PEEK_MESSAGE, "maxMsgNums"), (RequestCode::NOTIFICATION, "pollTime")] {
        refused(&mut stand, of_queue(code, GROUP, TOPIC, 0), 1, field);
    }
    refused(&mut stand, of_queue(RequestCode::POLLING_INFO, GROUP, "nowhere", 0), 17, "nowhere");
    refused(&mut stand, RemotingCommand::request(RequestCode::POP_ROLLBACK.0, 0), 3, "no second store");
    assert_eq!([stand.position(0), stand.position(1)], [-1, -1]);
    // The largest there are.
    let large = with(with(good, "bornTime", "9223372036854775807"), "invisibleTime", "31536000000");
    let answer = stand.client.ask(large);
    assert_eq!(stand.messages(&answer).len(), 1, "{answer:?}");
}

#[test]
fn wrong_handles_are_refused_and_the_message_stays_out() {
    let mut stand = Stand::start("bad-handles", 2, "");
    stand.send(0, "m");
    stand.send(0, "n");
    let popped = stand.pop(LONG_MS);
    let message = &popped[0];
    for good in [ack(GROUP, message), change(GROUP, message, LONG_MS)] {
        for field in ["consumerGroup", "topic", "queueId", "offset", "extraInfo"] {
            refused(&mut stand, without(good.clone(), field), 1, field);
        }
        let parts: Vec<&str> = message.handle.split(' ').collect();
        for wrong in 0..parts.len() {
            let mut parts = parts.clone();
            parts[wrong] = if wrong == 5 { "broker with spaces" } else { "x" };
            refused(&mut stand, with(good.clone(), "extraInfo", &parts.join(" ")), 1, "extraInfo");
        }
        refused(&mut stand, with(good.clone(), "extraInfo", "0 1 2"), 1, "extraInfo");
        refused(&mut stand, with(good.clone(), "extraInfo", &"9 ".repeat(5_000)), 1, "extraInfo");
        refused(&mut stand, with(good.clone(), "offset", "1"), 1, "extraInfo");
        for (field, value, code, named) in [
            ("queueId", "2", 13, "queueId"),
            ("queueId", "-1", 13, "queueId"),
            ("offset", "77", 208, "commit:77, store:0~2"),
            ("offset", "-1", 208, "commit:-1"),
            ("offset", "x", 1, "offset"),
            ("offset", "9223372036854775807", 208, "commit:9223372036854775807"),
            ("topic", "nowhere", 17, "nowhere"),
            ("consumerGroup", "nobody", 26, "nobody"),
        ] {
            refused(&mut stand, with(good.clone(), field, value), code, named);
        }
        // Given out at another time, in order, or long ago.
        let mut others = parts.clone();
        others[1] = "1";
        refused(&mut stand, with(good.clone(), "extraInfo", &others.join(" ")), 208, "another handle");
    }
    for time in ["-1", "9223372036854775807", "soon"] {
        let code = if time == "soon" { 1 } else { 29 };
        refused(&mut stand, with(change(GROUP, message, 1), "invisibleTime", time), code, "invisibleTime");
    }
    refused(&mut stand, with(change(GROUP, message, 1), "consumerGroup", "nobody"), 26, "nobody");
    let empty = RemotingCommand::request(RequestCode::BATCH_ACK_MESSAGE.0, 0);
    refused(&mut stand, empty.clone(), 208, "body");
    refused(&mut stand, empty.clone().with_body(&b"{}"[..]), 208, "acks");
    refused(&mut stand, empty.clone().with_body(&b"{\"acks\":7}"[..]), 1, "expected a sequence");
    let good = BatchAck::decode(&batch_ack(GROUP, &popped).body).expect("a body");
    let spoilt: [Spoilt; 6] = [
        ("`b`", |ack| ack.bits = "§".to_owned(), 1),
        ("`r`", |ack| ack.source = "7".to_owned(), 1),
        ("`so`", |ack| ack.start = -1, 1),
        ("queueId[9]", |ack| ack.queue_id = 9, 13),
        ("nowhere", |ack| ack.topic = "nowhere".to_owned(), 17),
        ("nobody", |ack| ack.group = "nobody".to_owned(), 26),
    ];
    for (named, spoil, code) in spoilt {
        let mut batch = good.clone();
        spoil(batch.acks.last_mut().expect("an entry"));
        refused(&mut stand, empty.clone().with_body(batch.encode()), code, named);
    }
    // Far away from what is out.
    let mut batch = good.clone();
    batch.acks.iter_mut().for_each(|ack| ack.start = i64::MAX);
    assert_eq!(stand.client.ask(empty.clone().with_body(batch.encode())).code, 0);
    for message in &popped {
        assert_eq!(stand.client.ask(change(GROUP, message, LONG_MS)).code, 0, "it is out still");
    }
}
