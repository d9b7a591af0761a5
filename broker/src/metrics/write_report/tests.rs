use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use observe::{RpcLatency, ShardSample};

use super::super::group_report::{ConnectionKind, GroupReport, Lag};
use super::super::later_metrics::LaterReport;
use super::super::shard_metrics::ShardMetrics;
use super::super::traffic::{GroupVolume, TopicVolume, Volume};
use super::super::write_groups::write_groups;
use super::*;
use crate::config::{BrokerConfig, MachineDefaults, Mode, Sources};
use crate::statistics::Totals;

fn endpoint(text: &str) -> EndpointConfig {
    let mut sources = Sources::new(Mode::Standalone, None);
    sources.add_text("broker.conf", text).unwrap();
    BrokerConfig::load(&sources, MachineDefaults::gather()).unwrap_or_else(|errors| panic!("{errors}")).0.endpoint
}

fn volume(messages: u64) -> Volume {
    Volume { messages, bytes: 100 * messages }
}

fn report() -> ShardReport {
    let started = Instant::now();
    let metrics = ShardMetrics::new(started);
    metrics.message_sizes.borrow_mut().add(1_024, 3);
    let mut latency = RpcLatency::new(route_table::numbers(), started);
    latency.sweep_began(started);
    for (code, answer) in [(RequestCode::SEND_MESSAGE_V2, 0), (RequestCode::PULL_MESSAGE, 19), (RequestCode(9_999), 3)]
    {
        latency.answered(RpcAnswer::new(route_table::number(code.0), answer), latency.read_at());
    }
    latency.sweep_sent(|| started + Duration::from_micros(700));
    let topics = [("orders", 5), ("%RETRY%g", 2), ("%DLQ%g", 1), ("SCHEDULE_TOPIC_XXXX", 4)];
    let topic = |(topic, messages): (&str, u64)| TopicVolume { topic: topic.to_owned(), volume: volume(messages) };
    let groups = vec![GroupVolume { group: "g".to_owned(), topic: "orders".to_owned(), volume: volume(7) }];
    ShardReport {
        load: ShardSample {
            name: "a-1".to_owned(),
            index: 1,
            cpu: Some(3),
            unsynced_bytes: 4_096,
            ..ShardSample::default()
        },
        totals: Totals { put: 12, ..Totals::default() },
        topics: topics.map(topic).into(),
        groups,
        message_sizes: metrics.message_sizes.into_inner(),
        later: LaterReport::example(),
        latency: latency.series(),
        topic_count: 15,
        group_count: 9,
        queue_count: 4,
        offset_count: 2,
        producers: 1,
        consumers: 1,
        waiting_answers: 6,
        reads: 0,
        sweeps: 10,
        log_first: 0,
        has_ring: true,
        is_failed: false,
        is_disk_full: false,
        pops: super::super::shard_report::PopCounts::default(),
        replication: None,
    }
}

fn group_report() -> GroupReport {
    let kind = |group: &str, mode| ConnectionKind { group: group.to_owned(), language: "JAVA", version: 513, mode };
    let lag = |topic: &str, is_retry| Lag { group: "g".to_owned(), topic: topic.to_owned(), is_retry, messages: 8 };
    GroupReport {
        lags: vec![lag("orders", false), lag("%RETRY%g", true)],
        lags_left_out: 0,
        producers: BTreeMap::from([(kind("", ""), 2)]),
        consumers: BTreeMap::from([(kind("g", "push"), 1)]),
        first_stored_ms: Some(1_000),
    }
}

fn text(endpoint: &EndpointConfig) -> String {
    let labels = ShardLabels { cluster: "C", shard: "1", name: "a-1" };
    let mut families = Families::default();
    write_report(&mut families, &labels, &report(), 6, endpoint);
    write_groups(&mut families, &labels, &group_report(), 61_000, endpoint);
    String::from_utf8(families.encode()).unwrap()
}

/// Name, label names and value of every series, in the order they stand.
fn series(text: &str) -> Vec<(&str, BTreeSet<&str>, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split(',').filter_map(|pair| Some(pair.split_once('=')?.0));
            (name, labels.collect(), value)
        })
        .collect()
}

/// What Apache RocketMQ 5.5.0 showed with metricsExporterType=PROM: names, and labels besides those of every series
/// (cluster, node_type, node_id, and otel_scope_name, which only says who wrote the text).
const REFERENCE: &[(&str, &str)] = &[
    ("rocketmq_broker_permission", ""),
    ("rocketmq_topic_number", ""),
    ("rocketmq_consumer_group_number", ""),
    ("rocketmq_processor_watermark", "processor"),
    ("rocketmq_messages_in_total", "topic message_type is_system"),
    ("rocketmq_throughput_in_total", "topic message_type is_system"),
    ("rocketmq_messages_out_total", "topic consumer_group is_system"),
    ("rocketmq_throughput_out_total", "topic consumer_group is_system"),
    ("rocketmq_message_size_count", ""),
    ("rocketmq_send_to_dlq_messages_total", "topic consumer_group is_system"),
    ("rocketmq_producer_connections", "language version protocol_type"),
    ("rocketmq_consumer_connections", "consumer_group language version consume_mode protocol_type is_system"),
    ("rocketmq_consumer_lag_messages", "topic consumer_group is_retry is_system"),
    ("rocketmq_rpc_latency_milliseconds_bucket", "protocol_type request_code response_code is_long_polling result le"),
    ("rocketmq_storage_flush_behind_bytes", "storage_type storage_medium"),
    ("rocketmq_storage_dispatch_behind_bytes", "storage_type storage_medium"),
    ("rocketmq_storage_message_reserve_time_milliseconds", "storage_type storage_medium"),
    ("rocketmq_timer_enqueue_lag", "storage_type storage_medium"),
    ("rocketmq_timer_enqueue_latency_milliseconds", "storage_type storage_medium"),
    ("rocketmq_timer_dequeue_latency_milliseconds", "storage_type storage_medium"),
    ("rocketmq_timing_messages", "storage_type storage_medium topic"),
    ("rocketmq_timer_enqueue_total", "storage_type storage_medium topic"),
    ("rocketmq_timer_dequeue_total", "storage_type storage_medium topic"),
    ("rocketmq_delay_message_latency_seconds_bucket", "storage_type storage_medium le"),
    ("rocketmq_commit_messages_total", "topic"),
    ("rocketmq_rollback_messages_total", "topic"),
];

#[test]
fn names_and_labels_are_those_of_the_reference_and_a_shard() {
    let text = text(&endpoint(""));
    let series = series(&text);
    for (name, labels) in REFERENCE {
        let expected: BTreeSet<&str> =
            labels.split_whitespace().chain(["cluster", "node_type", "node_id", "shard"]).collect();
        let found = series.iter().find(|(found, ..)| found == name);
        assert_eq!(found.map(|(_, labels, _)| labels), Some(&expected), "{name}: {text}");
    }
}

#[test]
fn every_series_is_there_once() {
    let text = text(&endpoint(""));
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(seen.insert(line.rsplit_once(' ').unwrap().0), "{line}");
    }
}

#[test]
fn retry_and_dead_letter_topics_are_no_topics_of_users() {
    let text = text(&endpoint(""));
    let has = |line: &str| text.lines().any(|each| each == line);
    let common = "cluster=\"C\",node_type=\"broker\",node_id=\"a-1\",shard=\"1\"";
    assert!(has(&format!(
        "rocketmq_messages_in_total{{{common},topic=\"orders\",message_type=\"normal\",is_system=\"false\"}} 5"
    )));
    assert!(has(&format!(
        "rocketmq_messages_in_total{{{common},topic=\"SCHEDULE_TOPIC_XXXX\",message_type=\"delay\",is_system=\"true\"}} 4"
    )));
    assert!(!text.contains(
        "rocketmq_messages_in_total{cluster=\"C\",node_type=\"broker\",node_id=\"a-1\",shard=\"1\",topic=\"%"
    ));
    assert!(has(&format!(
        "rocketmq_send_to_dlq_messages_total{{{common},consumer_group=\"g\",topic=\"%DLQ%g\",is_system=\"false\"}} 1"
    )));
    assert!(has(&format!(
        "rocketmq_consumer_lag_messages{{{common},consumer_group=\"g\",topic=\"%RETRY%g\",is_retry=\"true\",is_system=\"false\"}} 8"
    )));
    assert!(has(&format!(
        "rocketmq_storage_message_reserve_time_milliseconds{{{common},storage_type=\"local\",storage_medium=\"disk\"}} 60000"
    )));
}

#[test]
fn requests_and_answers_have_their_names() {
    let text = text(&endpoint(""));
    for codes in [
        "request_code=\"send_message_v2\",response_code=\"success\"",
        "request_code=\"pull_message\",response_code=\"pull_not_found\"",
        "request_code=\"unsupported\",response_code=\"request_code_not_supported\"",
    ] {
        let counts = text.lines().filter(|line| line.contains("_count{") && line.contains(codes));
        assert_eq!(counts.map(|line| line.rsplit_once(' ').unwrap().1).collect::<Vec<_>>(), ["1"], "{codes}: {text}");
    }
    assert!(text.contains("le=\"1\"} 1\n") && text.contains("le=\"0.5\"} 0\n"), "0.7 ms");
}

#[test]
fn each_switch_of_the_reference_takes_its_metrics_away() {
    for (switch, prefixes) in [
        (
            "enableStatsMetrics",
            vec!["rocketmq_processor_watermark", "rocketmq_broker_permission", "rocketmq_topic_number"],
        ),
        ("enableRequestMetrics", vec!["rocketmq_messages_", "rocketmq_throughput_", "rocketmq_message_size"]),
        ("enableConnectionMetrics", vec!["rocketmq_producer_connections", "rocketmq_consumer_connections"]),
        ("enableLagAndDlqMetrics", vec!["rocketmq_consumer_lag_messages", "rocketmq_send_to_dlq"]),
        ("enableRemotingMetrics", vec!["rocketmq_rpc_latency"]),
        ("enableMessageStoreMetrics", vec!["rocketmq_storage_", "rocketmq_tim", "rocketmq_delay_"]),
        ("enableTransactionMetrics", vec!["rocketmq_half_", "rocketmq_commit_", "rocketmq_rollback_"]),
    ] {
        let (with, without) = (text(&endpoint("")), text(&endpoint(&format!("{switch}=false"))));
        for prefix in prefixes {
            let line = format!("\n{prefix}");
            assert!(with.contains(&line) && !without.contains(&line), "{switch}: {prefix}");
        }
        assert!(without.contains("\nturbopump_connections{"), "what the reference does not have stays");
    }
}
