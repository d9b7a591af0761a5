//! The rules of single requests, seen from outside.

mod exchange;

use std::time::Duration;

use exchange::{Exchange, KV_PATH, MemoryFiles, config, request, table_body, text};
use namesrv::{Config, Connection};
use protocol::HeaderEncoding;

fn with(change: impl FnOnce(&mut Config)) -> Exchange {
    let mut config = config();
    change(&mut config);
    Exchange::with(config, MemoryFiles::default())
}

/// `broker-a` with topics T and U.
fn one_broker() -> Exchange {
    let mut exchange = Exchange::new();
    assert_eq!(exchange.register("broker-a", "a:1", &["T", "U"], &[]).code, 0);
    exchange
}

fn after(exchange: &mut Exchange, seconds: u64) -> Vec<Connection> {
    exchange.now += Duration::from_secs(seconds);
    exchange.server.scan(exchange.now)
}

const BROKER_A: [(&str, &str); 3] =
    [("clusterName", "DefaultCluster"), ("brokerName", "broker-a"), ("brokerAddr", "a:1")];

#[test]
fn a_route_query_without_a_topic_is_a_topic_without_a_route() {
    let mut exchange = one_broker();
    for fields in [&[][..], &[("topic", "")]] {
        let answer = exchange.ask(105, fields, b"");
        assert_eq!((answer.code, answer.body.len()), (17, 0));
        assert!(
            answer.remark.as_deref().unwrap().starts_with("No topic route info in name server for the topic: null\n")
        );
    }
}

#[test]
fn broker_ids_are_quoted_for_those_who_can_read_that() {
    let mut exchange = one_broker();
    let mut body = |version: i32, fields: &[(&str, &str)]| {
        let mut command = request(105, &[&[("topic", "T")], fields].concat(), b"");
        command.version = version;
        let mut frame = Vec::new();
        command.encode(&mut frame, HeaderEncoding::Json);
        text(&exchange.frame(&frame).unwrap())
    };
    let (quoted, old) = (r#""brokerAddrs":{"0":"a:1"}"#, r#""brokerAddrs":{0:"a:1"}"#);
    assert!(body(401, &[]).contains(quoted));
    assert!(body(400, &[]).contains(old));
    assert!(body(317, &[("acceptStandardJsonOnly", "true")]).contains(quoted));
    assert!(body(317, &[("acceptStandardJsonOnly", "false")]).contains(old));
}

#[test]
fn a_name_server_that_waits_for_brokers_answers_no_routes_at_first() {
    let mut exchange = with(|config| config.need_wait_for_service = true);
    exchange.register("broker-a", "a:1", &["T", "U"], &[]);
    exchange.now += Duration::from_secs(44);
    let answer = exchange.ask(105, &[("topic", "T")], b"");
    assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("name server not ready")));
    exchange.now += Duration::from_secs(1);
    assert!(exchange.route("T").is_some());
}

#[test]
fn the_order_of_a_topic_is_in_its_route_only_where_that_is_enabled() {
    for (enabled, expected) in [(true, true), (false, false)] {
        let mut exchange = with(|config| config.order_message_enable = enabled);
        exchange.register("broker-a", "a:1", &["T", "U"], &[]);
        exchange.ask(100, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T"), ("value", "broker-a:4")], b"");
        assert_eq!(exchange.route("T").unwrap().contains(r#""orderTopicConf":"broker-a:4""#), expected);
        assert!(!exchange.route("U").unwrap().contains("orderTopicConf"));
    }
}

#[test]
fn a_client_in_zone_mode_sees_its_zone_and_groups_without_a_master() {
    let mut exchange = Exchange::new();
    exchange.register("in-zone", "a:1", &["T", "U"], &[("__ZONE_NAME", "East")]);
    exchange.register("elsewhere", "b:1", &["T", "U"], &[("__ZONE_NAME", "west")]);
    exchange.register("slave", "c:1", &["T", "U"], &[("brokerId", "1"), ("enableActingMaster", "false")]);
    let mut brokers = |zone: &str, mode: &str| {
        let fields = [("topic", "T"), ("__ZONE_NAME", zone), ("__ZONE_MODE", mode)];
        let answer = exchange.ask(105, &fields, b"");
        assert_eq!(answer.code, 0);
        let body = text(&answer);
        let listed: Vec<_> = ["in-zone", "elsewhere", "slave"]
            .into_iter()
            .filter(|name| {
                let (data, queues) = body.split_once("queueDatas").unwrap();
                let name = format!(r#""brokerName":"{name}""#);
                assert_eq!(data.contains(&name), queues.contains(&name));
                data.contains(&name)
            })
            .collect();
        (listed, body.contains("{0:"))
    };
    assert_eq!(brokers("EAST", "true"), (vec!["in-zone", "slave"], true), "in the old form even for new clients");
    assert_eq!(brokers("north", "TRUE"), (vec!["slave"], false));
    assert_eq!(brokers("east", "false"), (vec!["in-zone", "elsewhere", "slave"], false));
    assert_eq!(brokers(" ", "true"), (vec!["in-zone", "elsewhere", "slave"], false));
}

#[test]
fn a_zone_without_brokers_is_an_empty_route_not_a_missing_one() {
    let mut exchange = one_broker();
    let answer = exchange.ask(105, &[("topic", "T"), ("__ZONE_NAME", "north"), ("__ZONE_MODE", "true")], b"");
    assert_eq!(answer.code, 0);
    assert_eq!(text(&answer), r#"{"brokerDatas":[],"filterServerTable":{},"queueDatas":[]}"#);
}

#[test]
fn a_registration_without_a_body_registers_no_topics() {
    let mut exchange = Exchange::new();
    let fields = [&BROKER_A[..], &[("brokerId", "0")]].concat();
    assert_eq!(exchange.ask(103, &fields, b"").code, 0);
    assert!(text(&exchange.ask(106, &[], b"")).contains("broker-a"));
}

#[test]
fn a_registration_that_cannot_be_read_is_refused() {
    let mut exchange = Exchange::new();
    let fields = [&BROKER_A[..], &[("brokerId", "0")]].concat();
    for body in [&b"{"[..], b"no json", b"\x78\xda\x00\x01", b"[]"] {
        let answer = exchange.ask(103, &fields, body);
        assert_eq!(answer.code, 1, "{body:?}");
        assert!(answer.remark.is_some());
    }
    for missing in ["clusterName", "brokerName", "brokerAddr", "brokerId"] {
        let fields: Vec<_> = fields.iter().copied().filter(|(key, _)| *key != missing).collect();
        let answer = exchange.ask(103, &fields, table_body(&["T", "U"], 1).as_bytes());
        assert_eq!(answer.code, 1);
        assert!(answer.remark.as_deref().unwrap().contains(missing));
    }
    let long = "x".repeat(2000);
    let long_name = [("brokerName", long.as_str()), ("clusterName", "C"), ("brokerAddr", "a:1"), ("brokerId", "0")];
    assert_eq!(exchange.ask(103, &long_name, b"").code, 1);
    assert_eq!(exchange.server.registry().liveness().count(), 0);
}

#[test]
fn a_very_old_broker_sends_the_bare_table() {
    let mut exchange = Exchange::new();
    let fields = [&BROKER_A[..], &[("brokerId", "0")]].concat();
    let table = r#"{"dataVersion":{"counter":1,"timestamp":5},"topicConfigTable":{"T":{"perm":6,"readQueueNums":4,"topicName":"T","writeQueueNums":4},"U":{"perm":6,"readQueueNums":4,"topicName":"U","writeQueueNums":4}}}"#;
    let mut command = request(103, &fields, table.as_bytes());
    command.version = 36;
    let mut frame = Vec::new();
    command.encode(&mut frame, HeaderEncoding::Json);
    assert_eq!(exchange.frame(&frame).unwrap().code, 0);
    assert!(exchange.route("T").is_some());
}

#[test]
fn order_lists_are_not_returned_where_that_is_disabled() {
    let mut exchange = with(|config| config.return_order_topic_config_to_broker = false);
    exchange.ask(100, &[("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T"), ("value", "broker-a:4")], b"");
    assert!(exchange.register("broker-a", "a:1", &["T", "U"], &[]).body.is_empty());
}

#[test]
fn a_broker_is_evicted_after_120_seconds_of_silence() {
    let mut exchange = one_broker();
    assert!(after(&mut exchange, 120).is_empty());
    assert!(exchange.route("T").is_some());
    assert_eq!(after(&mut exchange, 1), [Connection(1)]);
    assert_eq!(exchange.route("T"), None);
}

#[test]
fn a_broker_may_ask_for_a_shorter_silence() {
    let mut exchange = Exchange::new();
    exchange.register("broker-a", "a:1", &["T", "U"], &[("heartbeatTimeoutMillis", "1000")]);
    assert_eq!(after(&mut exchange, 2), [Connection(1)]);
}

#[test]
fn heartbeats_and_version_queries_are_signs_of_life() {
    for code in [904, 322] {
        let mut exchange = one_broker();
        after(&mut exchange, 100);
        assert_eq!(exchange.ask(code, &BROKER_A, b"").code, 0);
        assert!(after(&mut exchange, 100).is_empty());
        assert!(exchange.route("T").is_some());
    }
}

#[test]
fn a_version_query_says_whether_the_table_has_to_be_sent() {
    let mut exchange = one_broker();
    let same = br#"{"counter":1,"stateVersion":0,"timestamp":1700000000000}"#;
    let answer = exchange.ask(322, &BROKER_A, same);
    assert_eq!((answer.get("changed"), answer.body.as_slice()), (Some("false"), &same[..]));
    let answer = exchange.ask(322, &BROKER_A, br#"{"counter":1,"stateVersion":1,"timestamp":1700000000000}"#);
    assert_eq!(answer.get("changed"), Some("true"));
    let answer = exchange.ask(322, &BROKER_A, b"");
    assert_eq!(answer.get("changed"), Some("true"));
    let unknown = [("clusterName", "DefaultCluster"), ("brokerName", "broker-a"), ("brokerAddr", "x:1")];
    let answer = exchange.ask(322, &unknown, same);
    assert_eq!((answer.get("changed"), answer.body.len()), (Some("true"), 0));
    assert_eq!(exchange.ask(322, &BROKER_A, b"{").code, 1);
}

#[test]
fn a_closed_connection_ends_the_brokers_that_registered_over_it() {
    let mut exchange = one_broker();
    exchange.connection = Connection(2);
    exchange.register("broker-b", "b:1", &["T", "V"], &[]);
    exchange.server.connection_closed(Connection(1));
    assert!(!exchange.route("T").unwrap().contains("broker-a"));
    assert_eq!(exchange.route("U"), None);
    exchange.server.connection_closed(Connection(2));
    assert_eq!(text(&exchange.ask(106, &[], b"")), r#"{"brokerAddrTable":{},"clusterAddrTable":{}}"#);
}

#[test]
fn a_slave_is_told_where_its_master_is_and_a_leader_of_an_older_term_nothing() {
    let mut exchange = Exchange::new();
    exchange.register_replica("a:1", 0, 5);
    exchange.connection = Connection(2);
    let told = exchange.register_replica("b:1", 2, 5);
    assert_eq!((told.get("masterAddr"), told.get("haServerAddr")), (Some("a:1"), Some("a:11")));
    let elected = exchange.register_replica("b:1", 0, 6);
    assert_eq!((elected.code, elected.fields.len()), (0, 0));
    exchange.connection = Connection(1);
    let stale = exchange.register_replica("a:1", 0, 5);
    assert_eq!((stale.code, stale.fields.len(), stale.remark.as_deref()), (0, 0, None));
    assert!(exchange.route("T").unwrap().contains(r#""brokerAddrs":{"0":"b:1"}"#));
    let told = exchange.register_replica("a:1", 1, 6);
    assert_eq!((told.get("masterAddr"), told.get("haServerAddr")), (Some("b:1"), Some("b:11")));
    assert!(exchange.route("T").unwrap().contains(r#""brokerAddrs":{"0":"b:1","1":"a:1"}"#));
}

#[test]
fn followers_of_a_lost_leader_are_in_the_route_under_their_own_ids() {
    for support_acting_master in [false, true] {
        let mut exchange = with(|config| config.support_acting_master = support_acting_master);
        exchange.register_replica("a:1", 0, 5);
        exchange.connection = Connection(2);
        exchange.register_replica("b:1", 2, 5);
        exchange.server.connection_closed(Connection(1));
        let route = exchange.route("T").unwrap();
        assert!(route.contains(r#""brokerAddrs":{"2":"b:1"}"#) && route.contains(r#""perm":6"#), "{route}");
        assert!(route.contains(r#""enableActingMaster":false"#), "{route}");
    }
}

#[test]
fn topics_and_names_are_listed() {
    let mut exchange = one_broker();
    exchange.register("broker-b", "b:1", &["T", "V"], &[("clusterName", "Other")]);
    assert_eq!(text(&exchange.ask(206, &[], b"")), r#"{"topicList":["T","U","V"]}"#);
    assert_eq!(text(&exchange.ask(224, &[("cluster", "Other")], b"")), r#"{"topicList":["T","V"]}"#);
    assert_eq!(
        text(&exchange.ask(304, &[], b"")),
        r#"{"brokerAddr":"a:1","topicList":["DefaultCluster","broker-a","Other","broker-b"]}"#
    );
    for code in [311, 312, 313] {
        assert_eq!(text(&exchange.ask(code, &[], b"")), r#"{"topicList":[]}"#);
    }
}

#[test]
fn lists_can_be_disabled() {
    let mut exchange = with(|config| (config.enable_all_topic_list, config.enable_topic_list) = (false, false));
    for code in [206, 224, 311, 312, 313] {
        let answer = exchange.ask(code, &[("cluster", "C")], b"");
        assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("disable")));
    }
}

#[test]
fn write_permission_is_wiped_and_given_back() {
    let mut exchange = one_broker();
    let answer = exchange.ask(205, &[("brokerName", "broker-a")], b"");
    assert_eq!(answer.get("wipeTopicCount"), Some("2"));
    assert!(exchange.route("T").unwrap().contains(r#""perm":4"#));
    let answer = exchange.ask(327, &[("brokerName", "broker-a")], b"");
    assert_eq!(answer.get("addTopicCount"), Some("2"));
    assert!(exchange.route("T").unwrap().contains(r#""perm":6"#));
    assert_eq!(exchange.ask(205, &[("brokerName", "none")], b"").get("wipeTopicCount"), Some("0"));
}

#[test]
fn a_topic_is_deleted_everywhere_or_in_one_cluster() {
    let mut exchange = one_broker();
    exchange.register("broker-b", "b:1", &["T", "V"], &[("clusterName", "Other")]);
    assert_eq!(exchange.ask(216, &[("topic", "T"), ("clusterName", "Other")], b"").code, 0);
    let route = exchange.route("T").unwrap();
    assert!(route.contains("broker-a") && !route.contains("broker-b"));
    assert_eq!(exchange.ask(216, &[("topic", "T")], b"").code, 0);
    assert_eq!(exchange.route("T"), None);
    assert_eq!(exchange.ask(216, &[("topic", "T")], b"").code, 0, "unknown topics too");
}

#[test]
fn one_topic_is_registered_at_a_known_broker() {
    let mut exchange = one_broker();
    let body = r#"{"brokerDatas":[],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}"#;
    assert_eq!(exchange.ask(217, &[("topic", "N")], body.as_bytes()).code, 0);
    assert!(exchange.route("N").unwrap().contains(r#""readQueueNums":8"#));
    let unknown = body.replace("broker-a", "broker-x");
    assert_eq!(exchange.ask(217, &[("topic", "M")], unknown.as_bytes()).code, 0);
    assert_eq!(exchange.route("M"), None);
}

#[test]
fn a_member_group_is_listed_by_id_and_an_unknown_one_is_empty() {
    let mut exchange = one_broker();
    exchange.register("broker-a", "a:2", &["T", "U"], &[("brokerId", "1")]);
    let mut body = |name: &str| text(&exchange.ask(901, &[("clusterName", "C"), ("brokerName", name)], b""));
    assert_eq!(
        body("broker-a"),
        r#"{"brokerMemberGroup":{"brokerAddrs":{0:"a:1",1:"a:2"},"brokerName":"broker-a","cluster":"C"}}"#
    );
    assert_eq!(body("none"), r#"{"brokerMemberGroup":{"brokerAddrs":{},"brokerName":"none","cluster":"C"}}"#);
}

#[test]
fn kv_values_survive_a_restart() {
    let files = MemoryFiles::default();
    let mut exchange = Exchange::with(config(), files.clone());
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "")] {
        assert_eq!(exchange.ask(100, &[("namespace", "N"), ("key", key), ("value", value)], b"").code, 0);
    }
    assert_eq!(exchange.ask(102, &[("namespace", "N"), ("key", "a")], b"").code, 0);
    let mut exchange = Exchange::with(config(), files);
    assert_eq!(exchange.ask(101, &[("namespace", "N"), ("key", "a")], b"").code, 22);
    assert_eq!(exchange.ask(101, &[("namespace", "N"), ("key", "b")], b"").get("value"), Some("2"));
    assert_eq!(text(&exchange.ask(219, &[("namespace", "N")], b"")), r#"{"table":{"b":"2","c":""}}"#);
    assert_eq!(exchange.ask(219, &[("namespace", "none")], b"").code, 22);
}

#[test]
fn a_kv_value_that_cannot_be_kept_is_refused() {
    let mut exchange = Exchange::new();
    exchange.files.fill_up();
    let answer = exchange.ask(100, &[("namespace", "N"), ("key", "k"), ("value", "v")], b"");
    assert_eq!(answer.code, 1);
    assert!(answer.remark.as_deref().unwrap().contains(KV_PATH));
    assert_eq!(exchange.ask(101, &[("namespace", "N"), ("key", "k")], b"").code, 22);
    let answer = exchange.ask(100, &[("key", "k")], b"");
    assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("namespace or key is null")));
}

#[test]
fn a_damaged_kv_file_stops_the_start() {
    let files = MemoryFiles::default();
    files.put(KV_PATH, "{\"configTable\":");
    let error = namesrv::NameServer::new(config(), Box::new(files), Duration::ZERO).err().unwrap();
    assert!(error.to_string().starts_with(&format!("the KV table {KV_PATH} (kvConfigPath) is not JSON")));
}

#[test]
fn settings_are_shown_changed_and_kept() {
    let mut exchange = one_broker();
    let shown = text(&exchange.ask(319, &[], b""));
    assert!(shown.contains("listenPort=9876\n") && shown.contains("orderMessageEnable=false\n"));
    assert_eq!(exchange.ask(318, &[], b"orderMessageEnable=true\nsomethingNewer=1\n").code, 0);
    assert!(exchange.server.config().order_message_enable);
    let shown = text(&exchange.ask(319, &[], b""));
    assert!(shown.contains("orderMessageEnable=true\n"));
    assert_eq!(exchange.files.text("/home/mq/namesrv/namesrv.properties"), Some(shown));
    assert_eq!(exchange.ask(318, &[], b"").code, 0, "nothing to change");
}

#[test]
fn settings_that_no_request_may_change_are_refused() {
    let mut exchange = one_broker();
    for body in ["kvConfigPath=/tmp/x", "configStorePath=/tmp/x", "orderMessageEnable=true\nconfigBlackList="] {
        let answer = exchange.ask(318, &[], body.as_bytes());
        assert_eq!((answer.code, answer.remark.as_deref()), (16, Some("Can not update config in black list.")));
    }
    assert!(!exchange.server.config().order_message_enable);
}

#[test]
fn settings_that_cannot_be_read_or_kept_are_refused() {
    let mut exchange = one_broker();
    for body in [&b"orderMessageEnable=perhaps"[..], b"a=\\u12", b"\xff\xfe"] {
        assert_eq!(exchange.ask(318, &[], body).code, 1);
    }
    exchange.files.fill_up();
    assert_eq!(exchange.ask(318, &[], b"orderMessageEnable=true").code, 1);
    assert!(!exchange.server.config().order_message_enable);
}

#[test]
fn requests_are_answered_in_the_encoding_they_came_in() {
    let mut exchange = one_broker();
    let answer = exchange.send(105, &[("topic", "T")], b"", HeaderEncoding::RocketMq).unwrap();
    assert_eq!(answer.code, 0);
    let answer = exchange.send(3442, &[], b"", HeaderEncoding::RocketMq).unwrap();
    assert_eq!((answer.code, answer.remark.as_deref()), (3, Some(" request type 3442 not supported")));
}

#[test]
fn one_way_requests_are_done_and_not_answered() {
    let mut exchange = Exchange::new();
    for (code, fields) in [(100, &[("namespace", "N"), ("key", "k"), ("value", "v")][..]), (9999, &[]), (103, &[])] {
        let mut command = request(code, fields, b"");
        command.flag = 2;
        let mut frame = Vec::new();
        command.encode(&mut frame, HeaderEncoding::Json);
        assert!(exchange.frame(&frame).is_none());
    }
    assert_eq!(exchange.ask(101, &[("namespace", "N"), ("key", "k")], b"").get("value"), Some("v"));
}

#[test]
fn responses_are_not_answered() {
    let mut exchange = Exchange::new();
    let mut command = request(105, &[], b"");
    command.flag = 1;
    let mut frame = Vec::new();
    command.encode(&mut frame, HeaderEncoding::Json);
    assert!(exchange.frame(&frame).is_none());
}

#[test]
fn what_comes_from_outside_is_cut_in_a_remark() {
    let mut exchange = Exchange::new();
    let topic = "\u{1}".repeat(3 << 20);
    let answer = exchange.send(105, &[("topic", &topic)], b"", HeaderEncoding::RocketMq).unwrap();
    assert_eq!(answer.code, 17);
    assert!(answer.remark.as_deref().unwrap().len() <= 1024);
}

#[test]
fn a_list_that_does_not_fit_a_frame_is_refused() {
    let mut exchange = Exchange::new();
    let long = "x".repeat(60_000);
    for part in 0..3 {
        let names: Vec<_> = (0..100).map(|number| format!("{long}{part}-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let address = format!("a:{part}");
        let answer = exchange.register(&format!("broker-{part}"), &address, &names, &[]);
        assert_eq!(answer.code, 0);
    }
    let answer = exchange.ask(206, &[], b"");
    assert_eq!(answer.code, 1);
    assert!(answer.remark.as_deref().unwrap().starts_with("the answer has "));
}
