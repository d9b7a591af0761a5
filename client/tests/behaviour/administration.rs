//! Administration calls. The shapes of the answers are those a live broker and name server gave.

use client::{Admin, ClientError, FakeServer, MessageQuery, MessageQueue, ORDER_TOPIC_CONFIG, Reply};
use protocol::body::TopicConfig;
use protocol::message_id::OffsetMessageId;
use protocol::{RequestCode, ResponseCode};

use crate::cluster::client_of;

/// A server that gives this answer to every request, and an admin that knows it as its name server.
async fn admin_of(reply: Reply) -> (FakeServer, Admin) {
    let server = FakeServer::start(move |_| reply.clone()).await;
    let admin = client_of(&[&server]).await.admin();
    (server, admin)
}

/// A record of topic TR1 as a broker stored it.
const RECORD: &str = "000000d5daa320a74fd3c2380000000000000000000000000000000100000000048002a300000000000001a1fda8f71a\
    7f0000010000cef0000001a1fda8f71b7f000001000078bf0000000000000000000000000000000776696577206d650354523100704d53475f5\
    24547494f4e0144656661756c74526567696f6e02554e49515f4b45590137463030303030313641324331323334353637383441454436313938\
    3030303202434c55535445520144656661756c74436c7573746572024b455953016b320254524143455f4f4e017472756502";
const RECORD_UNIQUE_ID: &str = "7F0000016A2C123456784AED61980002";

fn record() -> Vec<u8> {
    let digits: Vec<_> = RECORD.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[tokio::test]
async fn a_topic_is_created_with_all_its_settings() {
    let (broker, admin) = admin_of(Reply::ok()).await;
    let config = TopicConfig {
        topic_name: "TR2".to_owned(),
        read_queue_nums: 2,
        write_queue_nums: 3,
        topic_sys_flag: 1,
        ..TopicConfig::default()
    };
    admin.create_topic(&broker.address(), &config, "+message.type=FIFO").await.unwrap();
    let request = &broker.received_with(RequestCode::UPDATE_AND_CREATE_TOPIC)[0];
    let keys = ["topic", "defaultTopic", "readQueueNums", "writeQueueNums", "perm", "topicFilterType", "topicSysFlag"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), ["TR2", "TBW102", "2", "3", "6", "SINGLE_TAG", "1"]);
    assert_eq!((request.get("order"), request.get("attributes")), (Some("false"), Some("+message.type=FIFO")));
}

#[tokio::test]
async fn a_topic_is_deleted_at_a_broker_and_at_every_name_server() {
    let (first, second, broker) =
        (FakeServer::agreeing().await, FakeServer::agreeing().await, FakeServer::agreeing().await);
    let admin = client_of(&[&first, &second]).await.admin();
    admin.delete_topic_in_broker(&broker.address(), "T").await.unwrap();
    admin.delete_topic_in_name_servers("T").await.unwrap();
    assert_eq!(broker.received_with(RequestCode::DELETE_TOPIC_IN_BROKER)[0].get("topic"), Some("T"));
    for server in [first, second] {
        assert_eq!(server.received_with(RequestCode::DELETE_TOPIC_IN_NAMESRV)[0].get("topic"), Some("T"));
    }
}

#[tokio::test]
async fn one_failing_name_server_does_not_keep_the_others_from_being_told() {
    let refusing = FakeServer::start(|_| Reply::code(ResponseCode::NO_PERMISSION, "no")).await;
    let agreeing = FakeServer::agreeing().await;
    let admin = client_of(&[&refusing, &agreeing]).await.admin();
    let error = admin.delete_topic_in_name_servers("T").await.unwrap_err();
    assert_eq!(error.response_code(), Some(ResponseCode::NO_PERMISSION));
    assert_eq!(agreeing.received().len(), 1);
}

#[tokio::test]
async fn topics_and_groups_are_listed() {
    let (_names, admin) = admin_of(Reply::body(r#"{"topicList":["TR1","%RETRY%g"]}"#)).await;
    assert_eq!(admin.topic_list().await.unwrap().topic_list, ["TR1", "%RETRY%g"]);
    let (broker, admin) = admin_of(Reply::body(r#"{"groupList":["tr_g"]}"#)).await;
    assert_eq!(admin.topic_groups(&broker.address(), "TR1").await.unwrap(), ["tr_g"]);
}

#[tokio::test]
async fn a_topic_s_configuration_and_statistics_are_read() {
    let config = r#"{"attributes":{},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"TR2","topicSysFlag":0,"writeQueueNums":2}"#;
    let (broker, admin) = admin_of(Reply::body(config)).await;
    assert_eq!(admin.topic_config(&broker.address(), "TR2").await.unwrap().read_queue_nums, 2);

    let stats = r#"{"offsetTable":{{"brokerName":"broker-v","queueId":1,"topic":"TR1"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0},{"brokerName":"broker-v","queueId":0,"topic":"TR1"}:{"lastUpdateTimestamp":1795257071387,"maxOffset":2,"minOffset":0}},"topicPutTps":0.0}"#;
    let (broker, admin) = admin_of(Reply::body(stats)).await;
    let stats = admin.topic_stats(&broker.address(), "TR1").await.unwrap();
    assert_eq!(stats.offset_table[&MessageQueue::new("TR1", "broker-v", 0)].max_offset, 2);
}

#[tokio::test]
async fn the_cluster_s_brokers_are_read_from_unquoted_ids() {
    let info = r#"{"brokerAddrTable":{"broker-v":{"brokerAddrs":{0:"127.0.0.1:30911"},"brokerName":"broker-v","cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-v"]}}"#;
    let (_names, admin) = admin_of(Reply::body(info)).await;
    let info = admin.cluster_info().await.unwrap();
    assert_eq!(info.broker_addr_table["broker-v"].broker_addrs[&0], "127.0.0.1:30911");
    assert!(info.cluster_addr_table["DefaultCluster"].contains("broker-v"));
}

#[tokio::test]
async fn a_broker_s_runtime_information_is_text_by_name() {
    let (broker, admin) = admin_of(Reply::body(r#"{"table":{"brokerVersionDesc":"V5_5_0"}}"#)).await;
    let info = admin.broker_runtime_info(&broker.address()).await.unwrap();
    assert_eq!(info.table["brokerVersionDesc"], "V5_5_0");
}

#[tokio::test]
async fn a_message_is_viewed_at_the_broker_its_id_names() {
    let (broker, admin) = admin_of(Reply::body(record())).await;
    let id = OffsetMessageId { store_host: broker.socket_address(), physical_offset: 75_498_147 };
    let message = admin.view_message_by_id(&id, Some("TR1")).await.unwrap();
    let request = &broker.received_with(RequestCode::VIEW_MESSAGE_BY_ID)[0];
    assert_eq!((request.get("offset"), request.get("topic")), (Some("75498147"), Some("TR1")));
    assert_eq!((message.body().unwrap(), message.keys()), ("view me".into(), Some("k2")));
    assert_eq!((message.queue_offset, message.physical_offset, message.store_bytes), (1, 75_498_147, 213));
    assert_eq!(message.born_timestamp, 1_795_257_071_386);
}

#[tokio::test]
async fn an_answer_without_a_record_is_told_from_a_refusal() {
    let (broker, admin) = admin_of(Reply::ok()).await;
    let error = admin.view_message(&broker.address(), 1, None).await.unwrap_err();
    assert!(matches!(error, ClientError::Answer { .. }), "{error}");
    let remark = "can not find message by the offset, 1";
    let (broker, admin) = admin_of(Reply::code(ResponseCode::SYSTEM_ERROR, remark)).await;
    let error = admin.view_message(&broker.address(), 1, None).await.unwrap_err();
    assert!(error.to_string().ends_with(remark), "{error}");
}

#[tokio::test]
async fn a_query_keeps_only_messages_with_the_key() {
    let (broker, admin) = admin_of(Reply::body(record())).await;
    let query = MessageQuery { topic: "TR1", key: RECORD_UNIQUE_ID, is_unique_id: true, count_max: 32 };
    assert_eq!(admin.query_messages(&broker.address(), query).await.unwrap().len(), 1);
    let request = &broker.received_with(RequestCode::QUERY_MESSAGE)[0];
    let keys = ["topic", "key", "maxNum", "beginTimestamp", "endTimestamp", "_UNIQUE_KEY_QUERY"];
    let expected = ["TR1", RECORD_UNIQUE_ID, "32", "0", "9223372036854775807", "true"];
    assert_eq!(keys.map(|key| request.get(key).unwrap()), expected);

    let by_key = |key| MessageQuery { key, is_unique_id: false, ..query };
    assert_eq!(admin.query_messages(&broker.address(), by_key("k2")).await.unwrap().len(), 1);
    assert_eq!(admin.query_messages(&broker.address(), by_key("k")).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_query_that_finds_nothing_is_empty() {
    let (broker, admin) = admin_of(Reply::code(ResponseCode::QUERY_NOT_FOUND, "")).await;
    let query = MessageQuery { topic: "TR1", key: "k", is_unique_id: false, count_max: 32 };
    assert_eq!(admin.query_messages(&broker.address(), query).await.unwrap(), []);
}

#[tokio::test]
async fn small_settings_are_stored_read_and_removed() {
    let server = FakeServer::start(|request| match (RequestCode(request.code), request.get("key")) {
        (RequestCode::GET_KV_CONFIG, Some("TR1")) => Reply::fields(&[("value", "broker-v:4")]),
        (RequestCode::GET_KV_CONFIG, _) => Reply::code(ResponseCode::QUERY_NOT_FOUND, "No config item"),
        _ => Reply::ok(),
    })
    .await;
    let admin = client_of(&[&server]).await.admin();
    admin.put_key_value(ORDER_TOPIC_CONFIG, "TR1", "broker-v:4").await.unwrap();
    assert_eq!(admin.key_value(ORDER_TOPIC_CONFIG, "TR1").await.unwrap().as_deref(), Some("broker-v:4"));
    assert_eq!(admin.key_value(ORDER_TOPIC_CONFIG, "other").await.unwrap(), None);
    admin.delete_key_value(ORDER_TOPIC_CONFIG, "TR1").await.unwrap();
    let put = &server.received_with(RequestCode::PUT_KV_CONFIG)[0];
    assert_eq!((put.get("namespace"), put.get("value")), (Some("ORDER_TOPIC_CONFIG"), Some("broker-v:4")));
    assert_eq!(server.received_with(RequestCode::DELETE_KV_CONFIG).len(), 1);
}
