//! Bodies that are not what their request says they are, and such that would make an answer too large.

use std::net::SocketAddr;

use interop::broker_start::BrokerStart;
use interop::raw_client::{RawClient, Received};
use interop::requests::{self, of_group, with_body};
use interop::resident_memory::{peak_bytes, reset_peak, resident_bytes};
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;

const SYSTEM_ERROR: i32 = 1;

/// Requests whose body is JSON, and a member of it with the wrong type.
const JSON_BODIES: [(RequestCode, &str); 5] = [
    (RequestCode::HEART_BEAT, r#"{"clientID":{"a":1},"consumerDataSet":[{"groupName":7}]}"#),
    (RequestCode::LOCK_BATCH_MQ, r#"{"clientId":"c","consumerGroup":"g","mqSet":[{"queueId":"many"}]}"#),
    (RequestCode::UNLOCK_BATCH_MQ, r#"{"clientId":"c","consumerGroup":"g","mqSet":7}"#),
    (RequestCode::CHECK_CLIENT_CONFIG, r#"{"clientId":["#),
    (RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, r#"{"groupName":"never-made","retryMaxTimes":"often"}"#),
];

fn malformed() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = ["{", "{]", "{\"a\"}", "\"text\"", "[1,2,3]", "12", "not JSON"]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    bodies.push(vec![0xff, 0xfe, 0x00]);
    bodies.push(vec![0; 1000]);
    bodies.push("[".repeat(200_000).into_bytes());
    bodies.push("{\"a\":".repeat(200_000).into_bytes());
    bodies
}

#[test]
fn malformed_bodies_are_answered_with_1_and_change_nothing() {
    let scratch = Scratch::new("bodies");
    let broker = BrokerStart::new("bodies", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    for (code, wrong_type) in JSON_BODIES {
        let mut bodies = malformed();
        bodies.push(wrong_type.as_bytes().to_vec());
        for body in bodies {
            let answer = client.ask(with_body(code, &body));
            let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.code, SYSTEM_ERROR, "{code} with {start}: {answer:?}");
            assert!(answer.remark.is_some_and(|remark| remark.len() > 4), "{code} with {start}: why?");
        }
    }
    let online = of_group(RequestCode::GET_CONSUMER_LIST_BY_GROUP, "consumerGroup", "g");
    assert_eq!(client.ask(online).code, SYSTEM_ERROR, "nobody of the group is online");
    let groups = client.ask(with_body(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &[]));
    assert!(!String::from_utf8_lossy(&groups.body).contains("never-made"));
    witness.exchanges(5);
    broker.terminate();
}

#[test]
fn malformed_bodies_do_a_name_server_no_harm() {
    let scratch = Scratch::new("namesrv-bodies");
    let broker = BrokerStart::new("namesrv-bodies", &scratch).ready();
    let mut client = RawClient::connect(broker.name_server());
    let known = client.ask(with_body(RequestCode::GET_BROKER_CLUSTER_INFO, &[]));
    let registration = |body: &[u8]| {
        with_body(RequestCode::REGISTER_BROKER, body)
            .with_field("brokerName", "forged")
            .with_field("brokerAddr", "192.0.2.1:10911")
            .with_field("clusterName", "forged")
            .with_field("haServerAddr", "192.0.2.1:10912")
            .with_field("brokerId", 0)
    };
    let mut bodies = malformed();
    // A zlib stream of nothing sensible, and one whose parts claim to be longer than they are.
    bodies.push(vec![0x78, 0x9c, 0xff, 0xff, 0xff]);
    bodies.push(vec![0x78]);
    for body in &bodies {
        let answer = client.ask(registration(body));
        assert_eq!(answer.code, SYSTEM_ERROR, "{answer:?}");
        let wrong_sum = client.ask(registration(body).with_field("bodyCrc32", 7));
        assert_eq!((wrong_sum.code, wrong_sum.remark.as_deref()), (SYSTEM_ERROR, Some("crc32 not match")));
    }
    for field in ["brokerName", "brokerAddr", "clusterName", "brokerId"] {
        let answer = client.ask(requests::without(registration(b"{}"), field));
        assert_eq!(answer.code, SYSTEM_ERROR, "without {field}: {answer:?}");
        assert!(answer.remark.unwrap_or_default().contains(field));
    }
    for value in ["first", "1.5", "9223372036854775808"] {
        let answer = client.ask(requests::with(registration(b"{}"), "brokerId", value));
        assert_eq!(answer.code, SYSTEM_ERROR, "{answer:?}");
    }
    let version = requests::without(RemotingCommand { code: 322, ..registration(b"{") }, "haServerAddr");
    assert_eq!(client.ask(version).code, SYSTEM_ERROR);
    let after = client.ask(with_body(RequestCode::GET_BROKER_CLUSTER_INFO, &[]));
    assert_eq!(after.body, known.body, "nobody else is registered");
    Witness::new(broker.main(), "witness").exchanges(5);
    broker.terminate();
}

/// Each group may keep some 30 kB of settings; all of them together are more than a frame takes.
#[test]
fn an_answer_that_fits_no_frame_is_refused_and_its_parts_are_served() {
    const GROUPS: usize = 600;
    let scratch = Scratch::new("large-answer");
    let broker = BrokerStart::new("large-answer", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let mut client = RawClient::connect(broker.main());
    let policy = "p".repeat(30_000);
    for number in 0..GROUPS {
        let body =
            format!(r#"{{"groupName":"large-{number}","groupRetryPolicy":{{"customizedRetryPolicy":"{policy}"}}}}"#);
        client.start(with_body(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, body.as_bytes()));
    }
    for _ in 0..GROUPS {
        assert!(matches!(client.receive(), Received::Command(RemotingCommand { code: 0, .. })));
    }
    let all = client.ask(with_body(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &[]));
    assert_eq!((all.code, all.body.len()), (SYSTEM_ERROR, 0), "18 MB fit no frame");
    assert!(all.remark.unwrap_or_default().contains("bytes"));
    let part = with_body(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &[])
        .with_field("groupSeq", 0)
        .with_field("maxGroupNum", 100);
    let part = client.ask(part);
    assert!(part.code == 0 && part.body.len() > 1_000_000, "{:?}", part.remark);
    witness.exchanges(5);
    broker.terminate();
}

/// Bodies up to a frame's size that are small things many times over.
#[test]
fn a_body_of_millions_of_small_things_takes_little_more_memory_than_itself() {
    /// The frame, and a few times as much while it is looked at.
    const GROWTH_MAX: u64 = 32 << 20;
    const BODY_BYTES: usize = 4 << 20;
    let scratch = Scratch::new("millions");
    let broker = BrokerStart::new("millions", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let before = resident_bytes(broker.pid());
    reset_peak(broker.pid());
    let many = |head: &str, item: &str, tail: &str| {
        let count = (BODY_BYTES - head.len() - tail.len()) / (item.len() + 1);
        let mut body = head.to_owned();
        for number in 0..count {
            body.push_str(if number == 0 { "" } else { "," });
            body.push_str(item);
        }
        body + tail
    };
    let small = [
        (RequestCode::CHECK_CLIENT_CONFIG, many("{\"x\":[", "0", "]}")),
        (RequestCode::CHECK_CLIENT_CONFIG, many("{\"x\":[", "[]", "]}")),
        (RequestCode::CHECK_CLIENT_CONFIG, many("{\"x\":[", "{\"a\":0}", "]}")),
        (RequestCode::HEART_BEAT, many("{\"x\":[", "[]", "]}")),
        (RequestCode::LOCK_BATCH_MQ, many("{\"x\":[", "{}", "]}")),
        (RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, many("{\"x\":[", "0", "]}")),
    ];
    for (code, body) in small {
        // Some of these are sound: what counts is that there is an answer.
        let answer = ask(broker.main(), with_body(code, body.as_bytes()));
        assert!([0, SYSTEM_ERROR, 29].contains(&answer.code), "{code}: {answer:?}");
        let growth = peak_bytes(broker.pid()).saturating_sub(before);
        println!("{code} with {}…: {growth} bytes more at most so far", &body[..20]);
        assert!(growth < GROWTH_MAX, "{code} with {}…: {growth} bytes", &body[..20]);
    }
    witness.exchanges(5);
    broker.terminate();
}

fn ask(to: SocketAddr, request: RemotingCommand) -> RemotingCommand {
    RawClient::connect(to).ask(request)
}
