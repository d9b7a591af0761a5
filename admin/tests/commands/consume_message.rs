use std::net::SocketAddr;

use client::Reply;
use protocol::{RemotingCommand, RequestCode, ResponseCode};

use crate::cluster::{Cluster, cells, record, unique_id};

/// Messages in queue 2: numbers 3 to 9, one a second from `STORED` on.
const QUEUE: std::ops::Range<i64> = 3..10;
const STORED: i64 = 1_700_000_000_000;

/// A broker with messages in one queue; it gives two a pull.
pub(crate) fn broker(request: &RemotingCommand) -> Reply {
    let number = |key: &str| -> i64 { request.get(key).unwrap().parse().unwrap() };
    let range = if number("queueId") == 2 { QUEUE } else { 0..0 };
    let offset_answer = |offset: i64| Reply::fields(&[("offset", &offset.to_string())]);
    match RequestCode(request.code) {
        RequestCode::GET_MIN_OFFSET => offset_answer(range.start),
        RequestCode::GET_MAX_OFFSET => offset_answer(range.end),
        RequestCode::SEARCH_OFFSET_BY_TIMESTAMP => {
            let seconds = (number("timestamp") - STORED + 999).div_euclid(1000);
            offset_answer((range.start + seconds).clamp(range.start, range.end))
        }
        RequestCode::PULL_MESSAGE => {
            let from = number("queueOffset");
            let code = if from < range.start { ResponseCode::PULL_OFFSET_MOVED } else { ResponseCode::SUCCESS };
            let next = if from < range.start { range.start } else { (from + 2).min(range.end) };
            let host = SocketAddr::from(([127, 0, 0, 1], 10911));
            let body: Vec<u8> =
                (from.max(range.start)..next).flat_map(|at| record(host, at, format!("m{at}").as_bytes())).collect();
            let (next, min, max) = (next.to_string(), range.start.to_string(), range.end.to_string());
            let fields =
                [("suggestWhichBrokerId", "0"), ("nextBeginOffset", &next), ("minOffset", &min), ("maxOffset", &max)];
            Reply::code(code, "").with_fields(&fields).with_body(if code == ResponseCode::SUCCESS {
                body
            } else {
                vec![]
            })
        }
        other => panic!("{other}"),
    }
}

async fn bodies(line: &[&str]) -> Vec<String> {
    let cluster = Cluster::start(broker).await;
    let result = cluster.json(&[&["consumeMessage", "-t", "TR1"], line].concat()).await;
    let messages = result["messages"].as_array().unwrap();
    messages.iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn all_messages_of_all_queues_are_shown() {
    let cluster = Cluster::start(broker).await;
    let text = cluster.run(&["consumeMessage", "-t", "TR1"]).await.unwrap();
    let rows = cells(&text);
    assert_eq!(rows[0], ["BROKER", "QID", "OFFSET", "STORED", "MSG ID", "TAGS", "KEYS", "BODY"]);
    assert_eq!(rows.len(), 8);
    assert_eq!(rows[1][..3], ["broker-v", "2", "3"]);
    assert_eq!(rows[7][4..], [unique_id(9).as_str(), "TagA", "k9", "m9"]);
    let pulls = cluster.broker.received_with(RequestCode::PULL_MESSAGE);
    let sys_flags: Vec<_> = pulls.iter().map(|pull| (pull.get("consumerGroup"), pull.get("sysFlag"))).collect();
    assert_eq!(sys_flags[0], (Some("TOOLS_CONSUMER"), Some("4")), "no commit, no wait");
}

#[tokio::test]
async fn json_carries_each_message_in_full() {
    let cluster = Cluster::start(broker).await;
    let result = cluster.json(&["consumeMessage", "-t", "TR1", "-c", "1"]).await;
    let message = &result["messages"][0];
    for (key, value) in [("brokerName", "broker-v"), ("topic", "TR1"), ("tags", "TagA"), ("keys", "k3"), ("body", "m3")]
    {
        assert_eq!(message[key], value, "{key}");
    }
    assert_eq!((&message["queueId"], &message["queueOffset"]), (&2.into(), &3.into()));
    assert_eq!((&message["storeTimestamp"], &message["commitLogOffset"]), (&(STORED + 1).into(), &4099.into()));
    assert_eq!(message["offsetMsgId"], "7F00000100002A9F0000000000001003");
    assert_eq!(message["properties"]["UNIQ_KEY"], unique_id(3));
}

#[tokio::test]
async fn the_count_is_a_limit_over_all_queues() {
    assert_eq!(bodies(&["-c", "3"]).await, ["m3", "m4", "m5"]);
}

#[tokio::test]
async fn a_queue_and_an_offset_can_be_chosen() {
    assert_eq!(bodies(&["-b", "broker-v", "-i", "2", "-o", "8"]).await, ["m8", "m9"]);
    assert_eq!(bodies(&["-b", "broker-v", "-i", "1"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_offset_before_the_first_message_begins_at_the_first() {
    assert_eq!(bodies(&["-b", "broker-v", "-i", "2", "-o", "0", "-c", "1"]).await, ["m3"]);
}

#[tokio::test]
async fn a_time_range_has_both_ends_in_it() {
    let (begin, end) = ((STORED + 1000).to_string(), (STORED + 3000).to_string());
    assert_eq!(bodies(&["-s", &begin, "-e", &end]).await, ["m4", "m5", "m6"]);
    let cluster = Cluster::start(broker).await;
    let failure = cluster.failure(&["consumeMessage", "-t", "TR1", "-s", &end, "-e", &begin]).await;
    assert_eq!(failure, "-s is later than -e: no message can be between them");
}
