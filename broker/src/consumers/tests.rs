//! Membership, subscriptions and who is told, as the reference does it.

use super::*;
use protocol::Language;

fn connection(id: u64) -> ClientConnection {
    let port = if id == 1 { 52_976 } else { 52_992 };
    ClientConnection { id, remote: ([127, 0, 0, 1], port).into(), language: Language::JAVA, version: 513 }
}

fn subscription(topic: &str, expression: &str, version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: topic.to_owned(),
        sub_string: expression.to_owned(),
        sub_version: version,
        ..SubscriptionData::default()
    }
}

fn data(group: &str, subscriptions: &[SubscriptionData]) -> ConsumerData {
    ConsumerData {
        group_name: group.to_owned(),
        subscription_data_set: subscriptions.to_vec(),
        ..ConsumerData::default()
    }
}

fn register(consumers: &mut Consumers, data: &ConsumerData, client_id: &str, id: u64, now_ms: i64) {
    let connection = connection(id);
    let heartbeat = ConsumerHeartbeat {
        client_id,
        connection: &connection,
        fingerprint: 0,
        lists_subscriptions: true,
        notifies_changes: true,
    };
    consumers.register(data, &heartbeat, now_ms).unwrap();
}

fn told(consumers: &mut Consumers) -> Vec<(u64, String)> {
    consumers.take_ids_changed().into_iter().map(|told| (told.connection, told.group.to_string())).collect()
}

fn tr_g() -> ConsumerData {
    data("tr_g", &[subscription("TR1", "*", 100)])
}

#[test]
fn ids_and_connections_are_listed_as_the_reference_lists_them() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &tr_g(), "tr_c1", 1, 0);
    register(&mut consumers, &tr_g(), "tr_c2", 2, 0);
    let ids = consumers.ids("tr_g").unwrap().encode();
    assert_eq!(String::from_utf8(ids).unwrap(), r#"{"consumerIdList":["tr_c1","tr_c2"]}"#);
    let body = String::from_utf8(consumers.connections("tr_g").unwrap().encode()).unwrap();
    let expected = r#"{"connectionSet":[{"clientAddr":"127.0.0.1:52976","clientId":"tr_c1","language":"JAVA","version":513},{"clientAddr":"127.0.0.1:52992","clientId":"tr_c2","language":"JAVA","version":513}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{"TR1":{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*","subVersion":100,"tagsSet":[],"topic":"TR1"}}}"#;
    assert_eq!(body, expected);
    assert_eq!(consumers.ids("tr_nobody"), None);
    assert_eq!(consumers.connections("tr_off"), None);
}

#[test]
fn a_client_id_on_two_connections_is_listed_twice() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &tr_g(), "tr_c1", 1, 0);
    register(&mut consumers, &tr_g(), "tr_c1", 2, 0);
    assert_eq!(consumers.ids("tr_g").unwrap().consumer_id_list, ["tr_c1", "tr_c1"]);
    assert_eq!(consumers.member("tr_g", "tr_c1").unwrap().0, 2);
}

#[test]
fn every_member_is_told_once_of_all_changes_since_the_last_time() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &tr_g(), "a", 1, 0);
    register(&mut consumers, &tr_g(), "b", 2, 0);
    register(&mut consumers, &data("other", &[]), "a", 1, 0);
    let all = [(1, "other".to_owned()), (1, "tr_g".to_owned()), (2, "tr_g".to_owned())];
    assert_eq!(told(&mut consumers), all);
    assert!(told(&mut consumers).is_empty());
    register(&mut consumers, &tr_g(), "a", 1, 1);
    assert!(told(&mut consumers).is_empty(), "a heartbeat that changes nothing tells nobody");
}

#[test]
fn members_that_stay_are_told_of_those_that_leave() {
    let mut consumers = Consumers::new();
    for id in 1..=4 {
        register(&mut consumers, &tr_g(), "c", id, 0);
    }
    register(&mut consumers, &tr_g(), "c", 4, 100_000);
    told(&mut consumers);
    consumers.unregister("tr_g", 1);
    assert_eq!(told(&mut consumers).len(), 3);
    consumers.closed(2);
    assert_eq!(told(&mut consumers).len(), 2);
    let mut expired = BTreeSet::new();
    consumers.expire(120_001, 120_000, &mut expired);
    assert_eq!(expired, BTreeSet::from([3]));
    assert_eq!(told(&mut consumers), [(4, "tr_g".to_owned())]);
    consumers.closed(4);
    assert!(told(&mut consumers).is_empty());
    assert!(!consumers.is_online("tr_g"));
}

#[test]
fn broadcasting_groups_and_those_that_switched_it_off_are_told_nothing() {
    let mut consumers = Consumers::new();
    let broadcasting = ConsumerData { message_model: MessageModel::Broadcasting, ..tr_g() };
    register(&mut consumers, &broadcasting, "a", 1, 0);
    assert!(told(&mut consumers).is_empty());
    let connection = connection(2);
    let silent = ConsumerHeartbeat {
        client_id: "b",
        connection: &connection,
        fingerprint: 0,
        lists_subscriptions: true,
        notifies_changes: false,
    };
    consumers.register(&data("silent", &[]), &silent, 0).unwrap();
    assert!(told(&mut consumers).is_empty());
}

#[test]
fn topics_that_come_or_go_are_told_and_newer_expressions_are_not() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &tr_g(), "a", 1, 0);
    told(&mut consumers);
    register(&mut consumers, &data("tr_g", &[subscription("TR1", "TagA", 101)]), "a", 1, 0);
    assert!(told(&mut consumers).is_empty());
    register(
        &mut consumers,
        &data("tr_g", &[subscription("TR1", "TagA", 101), subscription("TR2", "*", 1)]),
        "a",
        1,
        0,
    );
    assert_eq!(told(&mut consumers).len(), 1);
    register(&mut consumers, &data("tr_g", &[subscription("TR2", "*", 1)]), "a", 1, 0);
    assert_eq!(told(&mut consumers).len(), 1);
    assert_eq!(consumers.pull_filter("tr_g", "TR1", 0, true), Err(SubscriptionError::TopicNotSubscribed));
}

#[test]
fn only_a_newer_subscription_replaces_the_group_s() {
    let mut consumers = Consumers::new();
    let expression =
        |consumers: &Consumers| consumers.subscription("g", "T").subscription_data.map(|data| data.sub_string).unwrap();
    register(&mut consumers, &data("g", &[subscription("T", "TagA", 10)]), "a", 1, 0);
    register(&mut consumers, &data("g", &[subscription("T", "TagB", 10)]), "b", 2, 0);
    assert_eq!(expression(&consumers), "TagA");
    register(&mut consumers, &data("g", &[subscription("T", "TagB", 11)]), "b", 2, 0);
    assert_eq!(expression(&consumers), "TagB");
    assert_eq!(
        Ok(&*consumers.pull_filter("g", "T", 11, true).unwrap()),
        SubscriptionFilter::parse("TAG", "TagB").as_ref()
    );
}

#[test]
fn a_pull_that_knows_a_newer_subscription_than_the_heartbeat_gets_everything() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &data("g", &[subscription("T", "TagA", 10)]), "a", 1, 0);
    assert_ne!(*consumers.pull_filter("g", "T", 10, true).unwrap(), SubscriptionFilter::all());
    assert_eq!(*consumers.pull_filter("g", "T", 11, true).unwrap(), SubscriptionFilter::all());
}

fn sql(topic: &str, expression: &str, version: i64) -> SubscriptionData {
    SubscriptionData { expression_type: "SQL92".to_owned(), ..subscription(topic, expression, version) }
}

#[test]
fn an_expression_is_compiled_once_a_version() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &data("g", &[sql("T", "a > 1", 1)]), "a", 1, 0);
    let first = consumers.pull_filter("g", "T", 0, false).unwrap();
    assert!(!first.is_by_tag());
    register(&mut consumers, &data("g", &[sql("T", "a > 1", 1)]), "a", 1, 1);
    assert!(Rc::ptr_eq(&first, &consumers.pull_filter("g", "T", 1, false).unwrap()));
    register(&mut consumers, &data("g", &[sql("T", "a > 2", 2)]), "a", 1, 2);
    assert!(*first != *consumers.pull_filter("g", "T", 2, false).unwrap());
}

#[test]
fn pulls_of_a_wrong_expression_are_refused_with_its_place() {
    let mut consumers = Consumers::new();
    let unknown = SubscriptionData { expression_type: "CLASS".to_owned(), ..subscription("V", "x", 1) };
    register(&mut consumers, &data("g", &[sql("T", "a >", 1), subscription("U", "*", 1), unknown]), "a", 1, 0);
    let error = consumers.pull_filter("g", "T", 0, false).unwrap_err();
    assert_eq!(error.response_code(), ResponseCode::FILTER_DATA_NOT_EXIST);
    assert_eq!(
        error.to_string(),
        "The broker's consumer filter data is not exist!Your expression may be wrong! \
         line 1, column 4: found the end, expected a property, a value, NOT, a sign or `(`"
    );
    assert_eq!(*consumers.pull_filter("g", "U", 0, true).unwrap(), SubscriptionFilter::all());
    let error = consumers.pull_filter("g", "V", 0, false).unwrap_err();
    assert_eq!(error.response_code(), ResponseCode::FILTER_DATA_NOT_EXIST);
}

/// Clients look again at tags, and at nothing else.
#[test]
fn a_pull_waits_for_the_heartbeat_when_its_newer_subscription_is_not_by_tags_or_was_not() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &data("g", &[sql("T", "a > 1", 10), subscription("U", "TagA", 10)]), "a", 1, 0);
    for (topic, is_by_tag) in [("T", false), ("T", true), ("U", false)] {
        let error = consumers.pull_filter("g", topic, 11, is_by_tag).unwrap_err();
        assert_eq!(error, SubscriptionError::NotLatest { version: 10, request_version: 11 });
        assert_eq!(error.response_code(), ResponseCode::SUBSCRIPTION_NOT_LATEST);
    }
    assert!(consumers.pull_filter("g", "T", 10, false).is_ok());
}

#[test]
fn a_retry_topic_finds_the_expressions_of_its_group() {
    let mut consumers = Consumers::new();
    let listed = [sql("T", "a > 1", 1), sql("V", "a >", 1), subscription("U", "*", 1)];
    register(&mut consumers, &data("g", &listed), "a", 1, 0);
    let filters = consumers.filters_by_topic("g");
    assert_eq!(filters.keys().collect::<Vec<_>>(), ["T"]);
    assert!(consumers.filters_by_topic("other").is_empty());
}

#[test]
fn an_expression_without_tags_is_compiled_from_the_tags_listed_or_lets_everything_pass() {
    let tags_only = SubscriptionData { tags_set: ["TagA".to_owned()].into(), ..subscription("T", "||", 1) };
    assert_eq!(filter_of(&tags_only), SubscriptionFilter::parse("TAG", "TagA"));
    assert_eq!(filter_of(&subscription("T", "||", 1)), Ok(SubscriptionFilter::all()));
}

#[test]
fn a_pull_of_a_group_without_heartbeats_is_told_so() {
    let error = Consumers::new().pull_filter("tr_nohb", "TR1", 0, true).unwrap_err();
    assert_eq!(error.response_code(), ResponseCode::SUBSCRIPTION_NOT_EXIST);
    assert_eq!(
        error.to_string(),
        "the consumer's group info not exist\n\
         See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
    );
}

#[test]
fn a_pull_with_its_own_subscription_is_noted_but_no_member() {
    let mut consumers = Consumers::new();
    consumers.note_header_subscription("TOOLS_CONSUMER", "TR1", "*", 0);
    consumers.note_header_subscription("TOOLS_CONSUMER", "TR1", "TagA", 1);
    assert_eq!(consumers.ids("TOOLS_CONSUMER"), None);
    assert!(!consumers.is_online("TOOLS_CONSUMER"));
    assert_eq!(consumers.groups_of_topic("TR1").count(), 0);
    let body = String::from_utf8(consumers.subscription("TOOLS_CONSUMER", "TR1").encode()).unwrap();
    assert!(body.starts_with(r#"{"group":"TOOLS_CONSUMER","subscriptionData":{"#), "{body}");
    assert!(body.contains(r#""subString":"TagA""#), "{body}");
    consumers.expire(HEADER_SUBSCRIPTION_EXPIRY_MS + 2, 120_000, &mut BTreeSet::new());
    let body = String::from_utf8(consumers.subscription("TOOLS_CONSUMER", "TR1").encode()).unwrap();
    assert_eq!(body, r#"{"group":"TOOLS_CONSUMER","topic":"TR1"}"#);
}

#[test]
fn groups_are_found_by_what_they_subscribe_to() {
    let mut consumers = Consumers::new();
    register(&mut consumers, &data("g2", &[subscription("T", "*", 1)]), "a", 1, 0);
    register(&mut consumers, &data("g1", &[subscription("T", "*", 1), subscription("U", "*", 1)]), "a", 1, 0);
    assert_eq!(consumers.groups_of_topic("T").collect::<Vec<_>>(), ["g1", "g2"]);
    assert_eq!(consumers.groups_of_topic("U").collect::<Vec<_>>(), ["g1"]);
    assert_eq!(consumers.groups().collect::<Vec<_>>(), ["g1", "g2"]);
    assert_eq!(consumers.message_model("g1"), Some(MessageModel::Clustering));
}

#[test]
fn heartbeats_beyond_reason_are_refused_and_change_nothing() {
    let mut consumers = Consumers::new();
    let many: Vec<_> = (0..=SUBSCRIPTIONS_PER_GROUP_MAX).map(|n| subscription(&n.to_string(), "*", 1)).collect();
    let long = subscription("T", &"x".repeat(SUBSCRIPTION_BYTES_MAX), 1);
    let connection = connection(1);
    let heartbeat = ConsumerHeartbeat {
        client_id: "a",
        connection: &connection,
        fingerprint: 0,
        lists_subscriptions: true,
        notifies_changes: true,
    };
    for data in [data("g", &many), data("g", &[long])] {
        assert!(consumers.register(&data, &heartbeat, 0).is_err());
    }
    assert!(consumers.is_empty() && !consumers.is_online("g"));
}
