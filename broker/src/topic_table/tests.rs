//! Names, numbers and refusals as the reference has them.

use super::*;

const NOW_MS: i64 = 1_795_256_531_784;

fn table() -> TopicTable {
    let mut table = TopicTable::new(TopicOptions::of_broker("DefaultCluster", "broker-v"), NOW_MS);
    table.create_system_topics(NOW_MS);
    table
}

fn config(topic: &str, queue_nums: i32) -> TopicConfig {
    config_of(topic, queue_nums, perm::READ_WRITE)
}

fn update(table: &mut TopicTable, config: TopicConfig, changes: &str) -> Result<bool, TopicError> {
    table.update(config, &AttributeChanges::parse(changes)?, NOW_MS)
}

#[test]
fn a_broker_starts_with_the_topics_of_the_system() {
    let table = table();
    let queues_and_perm = |topic: &str| {
        let config = table.get(topic).unwrap_or_else(|| panic!("no {topic}"));
        assert_eq!(config.read_queue_nums, config.write_queue_nums);
        (config.read_queue_nums, config.perm)
    };
    let expected = [
        ("TBW102", (8, 7)),
        ("SELF_TEST_TOPIC", (1, 6)),
        ("BenchmarkTest", (1_024, 6)),
        ("DefaultCluster", (16, 7)),
        ("broker-v", (1, 7)),
        ("OFFSET_MOVED_EVENT", (1, 6)),
        ("SCHEDULE_TOPIC_XXXX", (18, 6)),
        ("DefaultCluster_REPLY_TOPIC", (1, 6)),
        ("rmq_sys_REVIVE_LOG_DefaultCluster", (8, 6)),
        ("rmq_sys_SYNC_BROKER_MEMBER_broker-v", (1, 1)),
        ("RMQ_SYS_TRANS_HALF_TOPIC", (1, 6)),
        ("RMQ_SYS_TRANS_OP_HALF_TOPIC", (1, 6)),
        ("rmq_sys_wheel_timer", (1, 6)),
    ];
    for (topic, wanted) in expected {
        assert_eq!(queues_and_perm(topic), wanted, "{topic}");
        assert!(table.is_system(topic), "{topic}");
    }
    assert_eq!(table.len(), expected.len());
}

#[test]
fn what_is_switched_off_is_not_created_or_not_usable() {
    let options = TopicOptions {
        auto_create: false,
        cluster_topic: false,
        trace_topic: Some("RMQ_SYS_TRACE_TOPIC".to_owned()),
        ..TopicOptions::of_broker("C", "b")
    };
    let mut table = TopicTable::new(options, NOW_MS);
    table.create_system_topics(NOW_MS);
    assert!(table.get("TBW102").is_none());
    assert_eq!(table.get("C").unwrap().perm, perm::INHERIT);
    assert_eq!(table.get("RMQ_SYS_TRACE_TOPIC").unwrap().write_queue_nums, 1);
}

#[test]
fn a_system_topic_that_was_changed_survives_a_restart() {
    let mut table = table();
    let changed = TopicConfig { write_queue_nums: 4, ..table.get("TBW102").unwrap().clone() };
    table.put(changed, NOW_MS);
    let mut restored = TopicTable::restore(table.options.clone(), &table.snapshot());
    restored.create_system_topics(NOW_MS + 1);
    assert_eq!(restored.get("TBW102").unwrap().write_queue_nums, 4);
    assert_eq!(restored.snapshot(), table.snapshot());
    assert!(restored.records.is_empty());
}

#[test]
fn a_send_to_a_new_topic_creates_it_after_its_example() {
    let mut table = table();
    let before = table.version();
    let created = table.auto_create("JT", "TBW102", 4, NOW_MS + 5).unwrap();
    assert_eq!((created.read_queue_nums, created.write_queue_nums, created.perm), (4, 4, 6));
    assert_eq!((table.version().counter, table.version().timestamp), (before.counter + 1, NOW_MS + 5));
    assert_eq!(table.auto_create("JT2", "TBW102", 100, NOW_MS).unwrap().write_queue_nums, 8, "the template's");
    assert_eq!(table.auto_create("JT3", "DefaultCluster", 100, NOW_MS).unwrap().write_queue_nums, 16);
    assert_eq!(table.auto_create("JT4", "broker-v", 0, NOW_MS).unwrap().write_queue_nums, 1);
}

#[test]
fn a_send_to_a_known_topic_changes_nothing() {
    let mut table = table();
    table.auto_create("JT", "TBW102", 4, NOW_MS).unwrap();
    let version = table.version();
    assert_eq!(table.auto_create("JT", "TBW102", 8, NOW_MS + 1).unwrap().write_queue_nums, 4);
    assert_eq!(table.version(), version);
}

#[test]
fn without_an_example_to_follow_a_new_topic_is_unknown() {
    let mut table = table();
    for default_topic in ["NoSuchTopic", "BenchmarkTest", ""] {
        let error = table.auto_create("JT", default_topic, 4, NOW_MS).unwrap_err();
        assert_eq!(error.response_code(), ResponseCode::TOPIC_NOT_EXIST);
    }
    table.options.auto_create = false;
    let error = table.auto_create("NoSuchTopic", "TBW102", 4, NOW_MS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic[NoSuchTopic] not exist, apply first please! \n\
         See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
    );
}

#[test]
fn retry_topics_have_one_queue_whatever_the_send_asks_for() {
    let mut table = table();
    table.options.auto_create = false;
    let created = table.auto_create("%RETRY%jcg", "TBW102", 4, NOW_MS).unwrap();
    assert_eq!((created.write_queue_nums, created.perm), (1, 6));
    assert_eq!(table.ensure("%DLQ%jcg", 1, perm::READ_WRITE, NOW_MS).unwrap().write_queue_nums, 1);
}

#[test]
fn clients_may_not_send_to_what_the_broker_reads_itself() {
    let table = table();
    let error = table.check_send("SCHEDULE_TOPIC_XXXX").unwrap_err();
    assert_eq!(error.response_code(), ResponseCode::NO_PERMISSION);
    assert_eq!(error.to_string(), "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.");
    assert_eq!(table.check_send("a b").unwrap_err().response_code(), ResponseCode::INVALID_PARAMETER);
    assert_eq!(table.check_send("DefaultCluster_REPLY_TOPIC"), Ok(()));
}

#[test]
fn an_operator_creates_changes_and_deletes_a_topic() {
    let mut table = table();
    assert_eq!(update(&mut table, config("TR2", 2), "+message.type=FIFO"), Ok(true));
    assert_eq!(table.get("TR2").unwrap().attributes["message.type"], "FIFO");
    let version = table.version();
    assert_eq!(update(&mut table, config("TR2", 2), ""), Ok(false), "it is like that already");
    assert_eq!(table.version(), version);
    assert_eq!(update(&mut table, config("TR2", 3), ""), Ok(true));
    assert_eq!(table.get("TR2").unwrap().attributes["message.type"], "FIFO", "attributes stay");
    assert_eq!(table.delete("TR2", NOW_MS), Ok(true));
    assert_eq!(table.delete("TR2", NOW_MS), Ok(false));
    assert_eq!(table.version().counter, version.counter + 2);
}

#[test]
fn the_configuration_of_a_topic_is_written_as_the_reference_writes_it() {
    let mut table = table();
    update(&mut table, config("TR2", 2), "").unwrap();
    let expected = r#"{"attributes":{},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"TR2","topicSysFlag":0,"writeQueueNums":2}"#;
    assert_eq!(String::from_utf8(table.get("TR2").unwrap().encode()).unwrap(), expected);
}

#[test]
fn bad_names_system_topics_and_odd_numbers_are_refused() {
    let mut table = table();
    let refused = [
        (config("a b", 1), ResponseCode::INVALID_PARAMETER),
        (config("TBW102", 1), ResponseCode::INVALID_PARAMETER),
        (config("DefaultCluster", 1), ResponseCode::INVALID_PARAMETER),
        (config("T", -1), ResponseCode::INVALID_PARAMETER),
        (config("T", QUEUE_NUMS_MAX + 1), ResponseCode::INVALID_PARAMETER),
    ];
    for (config, code) in refused {
        let name = config.topic_name.clone();
        assert_eq!(update(&mut table, config, "").unwrap_err().response_code(), code, "{name}");
    }
    let error = update(&mut table, config("T", 1), "+x=1").unwrap_err();
    assert_eq!(
        (error.response_code(), error.to_string()),
        (ResponseCode::SYSTEM_ERROR, "unsupported key: x".to_owned())
    );
    assert!(table.get("T").is_none());
    assert!(table.delete("broker-v", NOW_MS).is_err());
}

#[test]
fn a_registration_takes_away_what_the_broker_may_not_do() {
    let table = table();
    assert_eq!(table.registered_table(6), table.config_table());
    let read_only = table.registered_table(perm::READ);
    assert!(read_only.topic_config_table.values().all(|config| config.perm & !perm::READ == 0));
    assert_eq!(table.config_table().topic_config_table["TBW102"].perm, 7);
}

#[test]
fn replicas_can_fetch_the_table_in_parts() {
    let table = table();
    let mut whole = table.config_table_part(0, 5);
    assert_eq!(whole.topic_config_table.len(), 5);
    whole.topic_config_table.extend(table.config_table_part(5, 2_000).topic_config_table);
    assert_eq!(whole, table.config_table());
}

#[test]
fn a_sibling_s_topic_is_created_alike_and_only_once() {
    let mut table = table();
    let sibling = TopicConfig { perm: perm::READ, ..config("JT", 3) };
    assert_eq!(table.create_like(&sibling, NOW_MS), Ok(true));
    assert_eq!(table.create_like(&config("JT", 9), NOW_MS), Ok(false));
    assert_eq!(table.get("JT"), Some(&sibling));
}

#[test]
fn a_full_table_creates_no_more() {
    let mut table = TopicTable::new(TopicOptions::of_broker("C", "b"), NOW_MS);
    for number in 0..TOPICS_MAX {
        table.topics.insert(number.to_string(), config(&number.to_string(), 1));
    }
    let error = table.ensure("one-more", 1, perm::READ_WRITE, NOW_MS).unwrap_err();
    assert_eq!(error, TopicError::Full { topic: "one-more".to_owned() });
    assert_eq!(update(&mut table, config("7", 2), ""), Ok(true), "what is there can still be changed");
}
