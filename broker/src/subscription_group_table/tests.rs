//! Groups as the reference answers them.

use super::*;

fn table(auto_create: bool) -> SubscriptionGroupTable {
    let mut table = SubscriptionGroupTable::new(GroupOptions { auto_create }, 1);
    table.create_system_groups(1);
    table
}

#[test]
fn a_broker_starts_with_the_groups_of_the_system() {
    let table = table(true);
    assert_eq!(table.len(), GROUPS_AT_START.len());
    assert!(table.get("TOOLS_CONSUMER").is_some() && table.get("CID_RMQ_SYS_TRANS").is_some());
    assert!(!table.config_table().subscription_group_table.is_empty());
}

#[test]
fn a_group_is_created_with_the_defaults_when_it_is_first_used() {
    let mut table = table(true);
    let version = table.version();
    assert_eq!(table.auto_create("jcg", 5).unwrap(), &config_of("jcg"));
    assert_eq!((table.version().counter, table.version().timestamp), (version.counter + 1, 5));
    table.auto_create("jcg", 6).unwrap();
    assert_eq!(table.version().timestamp, 5, "once");
}

#[test]
fn a_group_that_may_not_be_created_does_not_exist() {
    let mut strict = table(false);
    let error = strict.auto_create("tr_unknown", 1).unwrap_err();
    assert_eq!(error.response_code(), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
    assert_eq!(error.to_string(), "Group tr_unknown not exist!");
    strict.auto_create("CID_RMQ_SYS_ANY", 1).expect("the system's may");
    let mut lenient = table(true);
    assert!(lenient.auto_create(&"g".repeat(120), 1).is_ok());
    for group in ["g".repeat(121), "a b".to_owned(), String::new()] {
        let error = lenient.auto_create(&group, 1).unwrap_err();
        assert_eq!(error.response_code(), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, "{group}");
    }
}

#[test]
fn an_operator_s_settings_are_answered_as_the_reference_answers_them() {
    let mut table = table(true);
    let body = br#"{"groupName":"tr_ag","consumeEnable":true,"retryMaxTimes":3}"#;
    let config = SubscriptionGroupConfig::decode(body).unwrap();
    assert_eq!(table.update(config.clone(), 1), Ok(true));
    assert_eq!(table.update(config, 1), Ok(false), "it is like that already");
    let expected = r#"{"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"tr_ag","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,"notifyConsumerIdsChangedEnable":true,"retryMaxTimes":3,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}"#;
    assert_eq!(String::from_utf8(table.get("tr_ag").unwrap().encode()).unwrap(), expected);
}

#[test]
fn bad_settings_are_refused() {
    let mut table = table(true);
    let refused = |table: &mut SubscriptionGroupTable, config| table.update(config, 1).unwrap_err().response_code();
    assert_eq!(refused(&mut table, config_of("a b")), ResponseCode::INVALID_PARAMETER);
    let queues = SubscriptionGroupConfig { retry_queue_nums: 1_000_000, ..config_of("g") };
    assert_eq!(refused(&mut table, queues), ResponseCode::INVALID_PARAMETER);
    let attributes = [("+x".to_owned(), "1".to_owned())].into();
    assert_eq!(
        refused(&mut table, SubscriptionGroupConfig { attributes, ..config_of("g") }),
        ResponseCode::SYSTEM_ERROR
    );
    let subscription_data_set = Some(vec!["x".repeat(PASSED_THROUGH_BYTES_MAX).into()]);
    let long = SubscriptionGroupConfig { subscription_data_set, ..config_of("g") };
    assert_eq!(refused(&mut table, long), ResponseCode::INVALID_PARAMETER);
    assert!(table.get("g").is_none());
}

#[test]
fn a_deleted_group_is_gone() {
    let mut table = table(true);
    table.auto_create("jcg", 1).unwrap();
    assert!(table.delete("jcg", 2));
    assert!(!table.delete("jcg", 3));
    assert!(table.require("jcg").is_err());
    assert_eq!(table.version().timestamp, 2);
}

#[test]
fn everything_a_group_has_survives_a_restart() {
    let mut table = table(true);
    let body = br#"{"groupName":"g","consumeEnable":false,"consumeTimeoutMinute":1,"brokerId":2,"groupSysFlag":1,
        "groupRetryPolicy":{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":5000,"max":7200000}},
        "subscriptionDataSet":[{"topic":"T","subString":"*"}],"retryQueueNums":2,"consumeMessageOrderly":true}"#;
    table.update(SubscriptionGroupConfig::decode(body).unwrap(), 7).unwrap();
    let restored = SubscriptionGroupTable::restore(GroupOptions::default(), &table.snapshot());
    assert_eq!(restored.get("g"), table.get("g"));
    assert_eq!(restored.config_table(), table.config_table());
}
