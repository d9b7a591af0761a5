//! A shard's report of its groups as metrics.

use std::collections::BTreeMap;

use observe::Families;

use super::group_report::{ConnectionKind, GroupReport};
use super::write_report::{STORAGE, ShardLabels, flag, is_system};
use crate::config::EndpointConfig;

/// Adds one shard's groups.
pub(crate) fn write_groups(
    families: &mut Families,
    labels: &ShardLabels<'_>,
    report: &GroupReport,
    now_ms: i64,
    endpoint: &EndpointConfig,
) {
    if endpoint.lag_and_dlq {
        write_lags(families, labels, report);
    }
    if endpoint.connections {
        write_producers(families, labels, &report.producers);
        write_consumers(families, labels, &report.consumers);
    }
    if let Some(stored_ms) = report.first_stored_ms
        && endpoint.store
    {
        let help = "Age of the oldest message in the log";
        let labels = labels.with(STORAGE);
        let age_ms = now_ms.saturating_sub(stored_ms).max(0);
        families.gauge("rocketmq_storage_message_reserve_time_milliseconds", help, &labels, age_ms as f64);
    }
}

fn write_lags(families: &mut Families, labels: &ShardLabels<'_>, report: &GroupReport) {
    for lag in &report.lags {
        let labels = labels.with(&[
            ("consumer_group", &lag.group),
            ("topic", &lag.topic),
            ("is_retry", flag(lag.is_retry)),
            ("is_system", flag(is_system(&lag.topic, &lag.group))),
        ]);
        let help = "Messages of the topic that the group has not committed";
        families.gauge("rocketmq_consumer_lag_messages", help, &labels, lag.messages as f64);
    }
    let help = "Groups and topics whose lag was not looked at, since there are so many";
    families.gauge("turbopump_consumer_lag_left_out", help, &labels.with(&[]), report.lags_left_out as f64);
}

fn write_producers(families: &mut Families, labels: &ShardLabels<'_>, kinds: &BTreeMap<ConnectionKind, u64>) {
    for (kind, count) in kinds {
        let (language, version) = (kind.language.to_lowercase(), kind.version.to_string());
        let labels = labels.with(&[("language", &language), ("version", &version), ("protocol_type", "remoting")]);
        let help = "Memberships of producers in groups";
        families.gauge("rocketmq_producer_connections", help, &labels, *count as f64);
    }
}

fn write_consumers(families: &mut Families, labels: &ShardLabels<'_>, kinds: &BTreeMap<ConnectionKind, u64>) {
    for (kind, count) in kinds {
        let (language, version) = (kind.language.to_lowercase(), kind.version.to_string());
        let labels = labels.with(&[
            ("consumer_group", &kind.group),
            ("language", &language),
            ("version", &version),
            ("consume_mode", kind.mode),
            ("protocol_type", "remoting"),
            ("is_system", flag(is_system("", &kind.group))),
        ]);
        let help = "Connected consumers of the group";
        families.gauge("rocketmq_consumer_connections", help, &labels, *count as f64);
    }
}
