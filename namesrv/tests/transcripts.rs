//! Real exchanges with a 5.5.0 name server: the same requests have to get the same answers.

mod exchange;

use exchange::{Exchange, assert_header, table_body, text, unhex};

/// Body of the raw client's broker: topics FA and FB of two queues.
const FAKE_BODY: &str = r#"{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1700000000000},"mappingDataVersion":{"counter":0,"stateVersion":0,"timestamp":1700000000000},"topicConfigTable":{"FA":{"attributes":{},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"FA","topicSysFlag":0,"writeQueueNums":2},"FB":{"attributes":{},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"FB","topicSysFlag":0,"writeQueueNums":2}},"topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{}}}"#;

/// Compressed registration of topics CA and CB.
const COMPRESSED_BODY: &str = "789c636060b0a8564ace2fcd2b492d52b2b2d4512a2e492c490d4b2d2acecccf53b232d0512ac9cc4d050ae6162859199a1b\
    c081612d03030313108b393b2a1829182b9829047bfab9fbb8c68738ba2b548364859d9d3064409aa26381240300e0e21cf6";

/// Compressed registration of a 5.5.0 slave that says it is not compressed.
const COMPRESSED_SLAVE_BODY: &str = "78da8d526d4fc230105efc057e367e58a6d198a052646cf28d6de5256c2bae754a8cb920a981c000bba131c4ff6e8b211107\
    485faec9f5eee9d3e74ed3347b61f4a7f349c685512d168c34eb653ce6221d4e274b47364cb8742633a38aac5bb36456cc1b\
    64d9e52f4dd30ee52e44c11dd02e0516d5420acd9a5f07463a2d5747725674da0a1b3e06566be80b9573eef0497f90f4c488\
    495c1d154be51f930fb544f206e9672ae143179c88b47104010e1c79bc88e9888bcbf7e52b28977ac49c0789aadb725ab9db\
    f28a7344dc36f59c7db99b2b42118e5b31069f34c0e3afbdf93873c7f3546ab87c309f7842b182c694edc4bfa06e137bf7ca\
    a5a2e0510e1dd96a6d10f297f02ede897bb54e52d2eff8dddd555afdf463c0f9185413882da1d7eb0d403affeb686dd67f9f\
    d43352af53cc202031f600c738645b224fff540655d4ca37c3f15a2be5ef0f9e9ea5d5be015033df32";

/// A whole request for the route of NoSuchTopic.
const NO_ROUTE_FRAME: &str = "00000089000000857b22636f6465223a3130352c226578744669656c6473223a7b22746f706963223a224e6f53756368546f\
    706963227d2c22666c6167223a302c226c616e6775616765223a224a415641222c226f7061717565223a312c227365726961\
    6c697a655479706543757272656e74525043223a224a534f4e222c2276657273696f6e223a3531337d";

/// A name server as it was when the transcripts were taken: one master, one order topic.
fn recorded() -> Exchange {
    let mut exchange = Exchange::new();
    exchange.ask(100, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", "OT2"), ("value", "fake:4")], b"");
    let more = [("haServerAddr", "127.0.0.1:30912"), ("enableActingMaster", "false")];
    assert_eq!(exchange.register("broker-v", "127.0.0.1:30911", &["JT", "TBW102"], &more).code, 0);
    exchange
}

#[test]
fn transcript_1_route_for_a_current_client() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":105,"extFields":{"topic":"JT"},"flag":0,"language":"JAVA","opaque":39,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":39,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(
        text(&answer),
        r#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:30911"},"brokerName":"broker-v","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-v","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#
    );
}

#[test]
fn transcript_1_no_route() {
    let mut exchange = recorded();
    let answer = exchange.frame(&unhex(NO_ROUTE_FRAME)).unwrap();
    assert_header(
        &answer,
        r#"{"code":17,"flag":1,"language":"JAVA","opaque":1,"remark":"No topic route info in name server for the topic: NoSuchTopic\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.","serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty(), "clients fail on 17 with a body as on 0 without one");
}

#[test]
fn transcript_2_route_for_a_client_older_than_401() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":105,"language":"GO","version":317,"opaque":1,"flag":0,"remark":"","extFields":{"topic":"JT"}}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(
        text(&answer),
        r#"{"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:30911"},"brokerName":"broker-v","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-v","perm":6,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#
    );
}

/// The recorded table is shortened, so the table and its checksum are ours.
#[test]
fn transcript_26_registration_and_end_of_a_slave() {
    let mut exchange = recorded();
    exchange.connection = namesrv::Connection(2);
    let answer = exchange.raw(
        r#"{"code":103,"extFields":{"brokerId":"1","bodyCrc32":"0","clusterName":"DefaultCluster","brokerAddr":"127.0.0.1:31911","enableActingMaster":"false","haServerAddr":"127.0.0.1:31912","compressed":"false","brokerName":"broker-v"},"flag":0,"language":"JAVA","opaque":0,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        table_body(&["JT", "TBW102"], 1).as_bytes(),
    );
    assert_header(
        &answer,
        r#"{"code":0,"extFields":{"haServerAddr":"127.0.0.1:30912","masterAddr":"127.0.0.1:30911"},"flag":1,"language":"JAVA","opaque":0,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(text(&answer), r#"{"table":{"OT2":"fake:4"}}"#);
    let answer = exchange.raw(
        r#"{"code":104,"extFields":{"brokerId":"1","clusterName":"DefaultCluster","brokerAddr":"127.0.0.1:31911","brokerName":"broker-v"},"flag":0,"language":"JAVA","opaque":26,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":26,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
    assert_eq!(exchange.server.registry().routes().group("broker-v").unwrap().addresses.len(), 1);
}

/// The reference refuses this body of its own broker; the first byte tells what it is.
#[test]
fn transcript_26_compressed_body_under_a_header_that_denies_it() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":103,"extFields":{"brokerId":"1","bodyCrc32":"1363966529","clusterName":"DefaultCluster","brokerAddr":"127.0.0.1:31911","enableActingMaster":"false","haServerAddr":"127.0.0.1:31912","compressed":"false","brokerName":"broker-v"},"flag":0,"language":"JAVA","opaque":0,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        &unhex(COMPRESSED_SLAVE_BODY),
    );
    assert_eq!((answer.code, answer.get("masterAddr")), (0, Some("127.0.0.1:30911")));
}

#[test]
fn transcript_27_registration_by_a_raw_client() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":103,"extFields":{"brokerName":"fake","brokerAddr":"127.0.0.1:40911","clusterName":"FakeCluster","haServerAddr":"127.0.0.1:40912","brokerId":"0","enableActingMaster":"false","compressed":"false","bodyCrc32":"1837346270"},"flag":0,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        FAKE_BODY.as_bytes(),
    );
    assert_header(
        &answer,
        r#"{"code":0,"extFields":{},"flag":1,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(text(&answer), r#"{"table":{"OT2":"fake:4"}}"#);
    let answer = exchange.raw(
        r#"{"code":103,"extFields":{"brokerName":"fake","brokerAddr":"127.0.0.1:40911","clusterName":"FakeCluster","haServerAddr":"127.0.0.1:40912","brokerId":"0","enableActingMaster":"false","compressed":"false","bodyCrc32":"1"},"flag":0,"language":"JAVA","opaque":2,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        FAKE_BODY.as_bytes(),
    );
    assert_header(
        &answer,
        r#"{"code":1,"extFields":{},"flag":1,"language":"JAVA","opaque":2,"remark":"crc32 not match","serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
    let answer = exchange.raw(
        r#"{"code":103,"extFields":{"brokerName":"fakec","brokerAddr":"127.0.0.1:42911","clusterName":"FakeCluster","haServerAddr":"127.0.0.1:42912","brokerId":"0","enableActingMaster":"false","compressed":"true","bodyCrc32":"1078343072"},"flag":0,"language":"JAVA","opaque":3,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        &unhex(COMPRESSED_BODY),
    );
    assert_header(
        &answer,
        r#"{"code":0,"extFields":{},"flag":1,"language":"JAVA","opaque":3,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(text(&answer), r#"{"table":{"OT2":"fake:4"}}"#);
    let answer = exchange.raw(
        r#"{"code":105,"extFields":{"topic":"CB"},"flag":0,"language":"JAVA","opaque":4,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":4,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(
        text(&answer),
        r#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:42911"},"brokerName":"fakec","cluster":"FakeCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"fakec","perm":6,"readQueueNums":2,"topicSysFlag":0,"writeQueueNums":3}]}"#
    );
    let answer = exchange.raw(
        r#"{"code":322,"extFields":{"brokerName":"fake","brokerAddr":"127.0.0.1:40911","clusterName":"FakeCluster","brokerId":"0"},"flag":0,"language":"JAVA","opaque":4,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        br#"{"counter":2,"stateVersion":0,"timestamp":1700000000000}"#,
    );
    assert_header(
        &answer,
        r#"{"code":0,"extFields":{"changed":"true"},"flag":1,"language":"JAVA","opaque":4,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(text(&answer), r#"{"counter":1,"stateVersion":0,"timestamp":1700000000000}"#);
    let answer = exchange.raw(
        r#"{"code":104,"extFields":{"brokerName":"fakec","brokerAddr":"127.0.0.1:42911","clusterName":"FakeCluster","brokerId":"0"},"flag":0,"language":"JAVA","opaque":5,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":5,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
    assert_eq!(exchange.route("CB"), None);
}

#[test]
fn transcript_28_cluster_info() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":106,"flag":0,"language":"JAVA","opaque":2,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":2,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert_eq!(
        text(&answer),
        r#"{"brokerAddrTable":{"broker-v":{"brokerAddrs":{0:"127.0.0.1:30911"},"brokerName":"broker-v","cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-v"]}}"#
    );
}

#[test]
fn transcript_28_kv_config() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":100,"extFields":{"namespace":"ORDER_TOPIC_CONFIG","key":"TR1","value":"broker-v:4"},"flag":0,"language":"JAVA","opaque":5,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":5,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
    let answer = exchange.raw(
        r#"{"code":101,"extFields":{"namespace":"ORDER_TOPIC_CONFIG","key":"TR1"},"flag":0,"language":"JAVA","opaque":6,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"extFields":{"value":"broker-v:4"},"flag":1,"language":"JAVA","opaque":6,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
    let answer = exchange.raw(
        r#"{"code":102,"extFields":{"namespace":"ORDER_TOPIC_CONFIG","key":"TR1"},"flag":0,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":0,"flag":1,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
    let answer = exchange.raw(
        r#"{"code":101,"extFields":{"namespace":"ORDER_TOPIC_CONFIG","key":"TR1"},"flag":0,"language":"JAVA","opaque":8,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":22,"extFields":{},"flag":1,"language":"JAVA","opaque":8,"remark":"No config item, Namespace: ORDER_TOPIC_CONFIG Key: TR1","serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
}

#[test]
fn transcript_30_unsupported_code() {
    let mut exchange = recorded();
    let answer = exchange.raw(
        r#"{"code":9999,"extFields":{},"flag":0,"language":"JAVA","opaque":49,"serializeTypeCurrentRPC":"JSON","version":513}"#,
        b"",
    );
    assert_header(
        &answer,
        r#"{"code":3,"flag":1,"language":"JAVA","opaque":49,"remark":" request type 9999 not supported","serializeTypeCurrentRPC":"JSON","version":513}"#,
    );
    assert!(answer.body.is_empty());
}
