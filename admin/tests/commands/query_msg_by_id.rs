use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use client::Reply;
use protocol::message_id::OffsetMessageId;
use protocol::{RequestCode, ResponseCode};

use crate::cluster::{Cluster, record, unique_id};

/// A broker that has message 7 of TR1, and answers `query` to searches by key.
async fn cluster(query: Reply) -> (Cluster, String) {
    // The record holds the broker's address, which is known once it listens.
    let host = Arc::new(OnceLock::<SocketAddr>::new());
    let cluster = Cluster::start({
        let host = Arc::clone(&host);
        move |request| match (RequestCode(request.code), request.get("offset")) {
            (RequestCode::VIEW_MESSAGE_BY_ID, Some("4103")) => Reply::body(record(*host.get().unwrap(), 7, b"view me")),
            (RequestCode::VIEW_MESSAGE_BY_ID, _) => {
                Reply::code(ResponseCode::SYSTEM_ERROR, "can not find message by the offset")
            }
            (RequestCode::QUERY_MESSAGE, _) => query.clone(),
            (RequestCode::SEND_MESSAGE_V2, _) => {
                Reply::fields(&[("msgId", "7F00000100002A9F0000000000001000"), ("queueId", "0"), ("queueOffset", "1")])
            }
            (RequestCode::CONSUME_MESSAGE_DIRECTLY, _) => Reply::body(r#"{"consumeResult":"CR_SUCCESS"}"#),
            (other, _) => panic!("{other}"),
        }
    })
    .await;
    host.set(cluster.broker.socket_address()).unwrap();
    let id = OffsetMessageId { store_host: cluster.broker.socket_address(), physical_offset: 4103 };
    (cluster, id.to_string())
}

fn nothing() -> Reply {
    Reply::code(ResponseCode::QUERY_NOT_FOUND, "")
}

#[tokio::test]
async fn a_message_is_shown_by_its_offset_id() {
    let (cluster, id) = cluster(nothing()).await;
    let text = cluster.run(&["queryMsgById", "-i", &id, "-t", "TR1"]).await.unwrap();
    for fact in [
        ("Msg id", unique_id(7).as_str()),
        ("Offset msg id", &id),
        ("Topic", "TR1"),
        ("Queue id", "2"),
        ("Queue offset", "7"),
        ("CommitLog offset", "4103"),
        ("KEYS", "k7"),
        ("Body", "view me"),
    ] {
        assert!(
            text.lines().any(|line| line.trim().starts_with(fact.0) && line.ends_with(fact.1)),
            "{fact:?} in\n{text}"
        );
    }
}

#[tokio::test]
async fn several_ids_give_several_messages() {
    let (cluster, id) = cluster(nothing()).await;
    let result = cluster.json(&["queryMsgById", "-i", &format!("{id},{id}"), "-t", "TR1"]).await;
    let messages = result["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!((&messages[1]["msgId"], &messages[1]["body"]), (&unique_id(7).into(), &"view me".into()));
}

#[tokio::test]
async fn the_body_can_be_shown_as_hex() {
    let (cluster, id) = cluster(nothing()).await;
    let result = cluster.json(&["queryMsgById", "-i", &id, "-t", "TR1", "-f", "hex"]).await;
    assert_eq!(result["messages"][0]["bodyHex"], "76696577206d65");
}

#[tokio::test]
async fn a_message_is_found_by_the_id_its_producer_gave_it() {
    let host = SocketAddr::from(([127, 0, 0, 1], 10911));
    let (cluster, _) = cluster(Reply::body(record(host, 7, b"by key"))).await;
    let result = cluster.json(&["queryMsgById", "-i", &unique_id(7), "-t", "TR1"]).await;
    assert_eq!(result["messages"][0]["body"], "by key");
    let query = &cluster.broker.received_with(RequestCode::QUERY_MESSAGE)[0];
    assert_eq!((query.get("key"), query.get("_UNIQUE_KEY_QUERY")), (Some(unique_id(7).as_str()), Some("true")));
}

#[tokio::test]
async fn an_id_that_nobody_knows_says_what_was_tried() {
    let (cluster, id) = cluster(nothing()).await;
    let failure = cluster.failure(&["queryMsgById", "-i", &unique_id(7), "-t", "TR1"]).await;
    let lines: Vec<_> = failure.lines().collect();
    assert_eq!(lines[0], format!("no message has the id {}", unique_id(7)));
    assert_eq!(lines[1], "  as an offset message id: message id has port 1781273140");
    assert_eq!(lines[2], "  as a unique message id: no broker of topic TR1 knows it");

    let failure = cluster.failure(&["queryMsgById", "-i", &unique_id(7)]).await;
    assert!(failure.ends_with("as a unique message id: give its topic with -t"), "{failure}");

    let elsewhere = id.replace(&format!("{:016X}", 4103), &format!("{:016X}", 4104));
    let failure = cluster.failure(&["queryMsgById", "-i", &elsewhere, "-t", "TR1"]).await;
    assert!(failure.ends_with("answered SYSTEM_ERROR(1): can not find message by the offset"), "{failure}");

    let failure = cluster.failure(&["queryMsgById", "-i", "nonsense", "-t", "TR1"]).await;
    assert!(failure.contains("message id has 8 characters, expected 32 or 56"), "{failure}");

    let failure = cluster.failure(&["queryMsgById", "-i", "7F00000100002A9F0000000000001000", "-t", "TR1"]).await;
    assert!(failure.contains("as an offset message id: no broker is registered at 127.0.0.1:10911"), "{failure}");
}

#[tokio::test]
async fn a_broker_without_a_key_index_is_told_from_a_missing_message() {
    let (cluster, _) = cluster(Reply::code(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, "")).await;
    let failure = cluster.failure(&["queryMsgById", "-i", &unique_id(7), "-t", "TR1"]).await;
    assert!(failure.ends_with("answered REQUEST_CODE_NOT_SUPPORTED(3)"), "{failure}");
}

#[tokio::test]
async fn a_message_can_be_sent_again_with_a_new_id() {
    let (cluster, id) = cluster(nothing()).await;
    let result = cluster.json(&["queryMsgById", "-i", &id, "-t", "TR1", "-s", "true"]).await;
    let sent = &cluster.broker.received_with(RequestCode::SEND_MESSAGE_V2)[0];
    let properties = sent.get("i").unwrap();
    assert_eq!((sent.get("a"), &*sent.body), (Some("ReSendMsgById"), &b"view me"[..]));
    assert!(properties.contains("KEYS\u{1}k7\u{2}") && !properties.contains(&unique_id(7)), "{properties:?}");
    let resent = result["messages"][0]["resentMsgId"].as_str().unwrap();
    assert!(properties.contains(&format!("UNIQ_KEY\u{1}{resent}\u{2}")));
}

#[tokio::test]
async fn a_consumer_can_be_made_to_consume_it() {
    let (cluster, id) = cluster(nothing()).await;
    let result = cluster.json(&["queryMsgById", "-i", &id, "-t", "TR1", "-g", "g", "-d", "c1"]).await;
    assert_eq!(result["messages"][0]["consumeResult"]["consumeResult"], "CR_SUCCESS");
    let request = &cluster.broker.received_with(RequestCode::CONSUME_MESSAGE_DIRECTLY)[0];
    let keys = ["consumerGroup", "clientId", "msgId", "topic"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["g", "c1", &id, "TR1"]);
}

#[tokio::test]
async fn an_id_is_decoded_without_asking_anybody() {
    let text =
        crate::cluster::run_at("127.0.0.1:1", &["DecodeMessageId", "-i", "7F00000100002A9F0000000000001000"]).await;
    assert_eq!(
        crate::cluster::cells(&text.unwrap()),
        [["Broker address", "127.0.0.1:10911"], ["Physical offset", "4096"]]
    );
}
