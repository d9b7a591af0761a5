//! A shard's report as metrics, under the names that Apache RocketMQ 5.5.0 shows to Prometheus where it has one.

use observe::{Families, Labels, RpcAnswer, write_rpc_latency};
use protocol::code::{RequestCode, ResponseCode};
use protocol::topic_name;

use super::shard_report::ShardReport;
use super::write_later::{write_timers, write_transactions};
use super::write_replication::write_replication;
use crate::config::EndpointConfig;
use crate::route_table;

/// What a shard's labels are made of besides its report.
pub(crate) struct ShardLabels<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) shard: &'a str,
    pub(crate) name: &'a str,
}

impl ShardLabels<'_> {
    /// The labels that every series of the shard has, and `more`.
    pub(crate) fn with<'b>(&'b self, more: &[(&'static str, &'b str)]) -> Vec<(&'static str, &'b str)> {
        let mut labels =
            vec![("cluster", self.cluster), ("node_type", "broker"), ("node_id", self.name), ("shard", self.shard)];
        labels.extend_from_slice(more);
        labels
    }
}

pub(crate) fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Adds one shard's report. `permission` is the broker's.
pub(crate) fn write_report(
    families: &mut Families,
    labels: &ShardLabels<'_>,
    report: &ShardReport,
    permission: i32,
    endpoint: &EndpointConfig,
) {
    if endpoint.stats {
        write_stats(families, labels, report, permission);
    }
    if endpoint.requests {
        write_requests(families, labels, report);
    }
    if endpoint.lag_and_dlq {
        write_dead_letters(families, labels, report);
    }
    if endpoint.remoting {
        write_rpc_latency(families, &labels.with(&[]), &report.latency, code_names);
    }
    if endpoint.store {
        write_store(families, labels, report);
        write_timers(families, labels, &report.later);
    }
    if endpoint.transactions {
        write_transactions(families, labels, &report.later);
    }
    write_pops(families, labels, report);
    write_shard(families, labels, report);
    if let Some(status) = &report.replication {
        write_replication(families, labels, status);
    }
}

fn write_stats(families: &mut Families, labels: &ShardLabels<'_>, report: &ShardReport, permission: i32) {
    let help = "Work taken and not finished: sends that wait for the log, reads of old messages under way";
    for (processor, waiting) in [("send", report.waiting_answers), ("pull", report.reads)] {
        let labels = labels.with(&[("processor", processor)]);
        families.gauge("rocketmq_processor_watermark", help, &labels, waiting as f64);
    }
    let all = labels.with(&[]);
    let help = "What clients may do, as bits: 4 read, 2 write";
    families.gauge("rocketmq_broker_permission", help, &all, f64::from(permission));
    families.gauge("rocketmq_topic_number", "Topics", &all, report.topic_count as f64);
    families.gauge("rocketmq_consumer_group_number", "Consumer groups", &all, report.group_count as f64);
}

/// The reference leaves retry and dead letter topics out here.
fn write_requests(families: &mut Families, labels: &ShardLabels<'_>, report: &ShardReport) {
    let is_own = |topic: &str| topic_name::is_retry_topic(topic) || topic_name::is_dlq_topic(topic);
    for seen in report.topics.iter().filter(|seen| !is_own(&seen.topic)) {
        let topic = seen.topic.as_str();
        let waits = matches!(topic, topic_name::SCHEDULE_TOPIC | topic_name::TIMER_TOPIC);
        let message_type = if waits { "delay" } else { "normal" };
        let labels = labels.with(&[
            ("topic", topic),
            ("message_type", message_type),
            ("is_system", flag(topic_name::is_system_topic(topic))),
        ]);
        let (messages, bytes) = (seen.volume.messages as f64, seen.volume.bytes as f64);
        families.counter("rocketmq_messages_in_total", "Messages stored", &labels, messages);
        families.counter("rocketmq_throughput_in_total", "Their bytes as stored", &labels, bytes);
    }
    for seen in report.groups.iter().filter(|seen| !is_own(&seen.topic)) {
        let (topic, group) = (seen.topic.as_str(), seen.group.as_str());
        let labels =
            labels.with(&[("topic", topic), ("consumer_group", group), ("is_system", flag(is_system(topic, group)))]);
        let (messages, bytes) = (seen.volume.messages as f64, seen.volume.bytes as f64);
        families.counter("rocketmq_messages_out_total", "Messages handed to consumers", &labels, messages);
        families.counter("rocketmq_throughput_out_total", "Their bytes as stored", &labels, bytes);
    }
    let help = "Bytes of a stored message, in a batch their mean";
    families.histogram("rocketmq_message_size", help, &labels.with(&[]), &report.message_sizes, 1.0);
}

fn write_dead_letters(families: &mut Families, labels: &ShardLabels<'_>, report: &ShardReport) {
    for seen in &report.topics {
        let Some(group) = seen.topic.strip_prefix(topic_name::DLQ_PREFIX) else { continue };
        let labels = labels.with(&[
            ("consumer_group", group),
            ("topic", seen.topic.as_str()),
            ("is_system", flag(is_system_group(group))),
        ]);
        let help = "Messages that became dead letters of the group";
        families.counter("rocketmq_send_to_dlq_messages_total", help, &labels, seen.volume.messages as f64);
    }
}

/// As the reference counts it here: tools' groups are nobody's system.
pub(crate) fn is_system(topic: &str, group: &str) -> bool {
    topic_name::is_system_topic(topic) || is_system_group(group)
}

fn is_system_group(group: &str) -> bool {
    let prefix = topic_name::SYSTEM_GROUP_PREFIX;
    group.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The reference's words, in lower case; a number that has none stands for itself.
pub(crate) fn code_names(answer: &RpcAnswer) -> (String, String) {
    let name = |name: Option<&str>, code: i32| name.map_or_else(|| code.to_string(), str::to_lowercase);
    let request = match route_table::code_of(answer.request) {
        Some(code) => name(RequestCode::name(code), code.0),
        None => "unsupported".to_owned(),
    };
    (request, name(ResponseCode(answer.code).name(), answer.code))
}

/// Labels of the store's metrics.
pub(crate) const STORAGE: Labels<'static> = &[("storage_type", "local"), ("storage_medium", "disk")];

fn write_store(families: &mut Families, labels: &ShardLabels<'_>, report: &ShardReport) {
    let all = labels.with(STORAGE);
    let help = "Bytes of the log that are not known to be on stable storage";
    families.gauge("rocketmq_storage_flush_behind_bytes", help, &all, report.load.unsynced_bytes as f64);
    let help = "Bytes of the log that its queues do not have yet: none, they get messages when the log does";
    families.gauge("rocketmq_storage_dispatch_behind_bytes", help, &all, 0.0);
}

/// The reference counts checkpoints, of up to 32 messages each, and retries by group and topic.
fn write_pops(families: &mut Families, labels: &ShardLabels<'_>, report: &ShardReport) {
    let (all, pops) = (labels.with(&[]), report.pops);
    let help = "Popped messages that are invisible to a group";
    families.gauge("rocketmq_pop_checkpoint_buffer_size", help, &all, pops.invisible as f64);
    let help = "How late the first message is that should be visible again, ms";
    families.gauge("rocketmq_pop_revive_latency", help, &all, pops.late_ms as f64);
    let help = "Messages that nobody acknowledged in time and that were stored in retry topics";
    families.counter("rocketmq_pop_revive_retry_messages_total", help, &all, pops.revived as f64);
    let help = "Messages that nobody acknowledged in time, too often, and that became dead letters";
    families.counter("turbopump_pop_dead_letters_total", help, &all, pops.dead as f64);
    families.gauge("turbopump_held_pops", "Pops and notifications that wait for a message", &all, pops.held as f64);
}

/// What only this broker has.
fn write_shard(families: &mut Families, labels: &ShardLabels<'_>, report: &ShardReport) {
    let (load, totals) = (&report.load, &report.totals);
    let all = labels.with(&[]);
    let mut gauge = |name, help, value: f64| families.gauge(name, help, &all, value);
    gauge("turbopump_connections", "Open connections", load.connections as f64);
    let help = "Connections that are not read, because the log or their own answers are full";
    gauge("turbopump_stalled_connections", help, load.stalled_connections as f64);
    gauge("turbopump_outbox_bytes", "Answers that clients have not read yet", load.outbox_bytes as f64);
    gauge("turbopump_parked_pulls", "Pulls that wait for a message", load.parked_pulls as f64);
    gauge("turbopump_log_first_offset", "Physical offset where the log begins", report.log_first as f64);
    gauge("turbopump_log_unwritten_bytes", "Not written to its file yet", load.unwritten_bytes as f64);
    gauge(
        "turbopump_log_failed",
        "1 when a write failed: the shard takes no more messages",
        f64::from(report.is_failed),
    );
    let help = "1 when acknowledgements come from the ring in shared memory";
    gauge("turbopump_log_ring", help, f64::from(report.has_ring));
    gauge("turbopump_disk_full", "1 when sends are refused for want of disk", f64::from(report.is_disk_full));
    gauge("turbopump_queues", "ConsumeQueues", report.queue_count as f64);
    gauge("turbopump_consumer_offsets", "Queues of groups with an offset", report.offset_count as f64);
    gauge("turbopump_producers", "Memberships of producers in groups", report.producers as f64);
    gauge("turbopump_consumers", "Memberships of consumers in groups", report.consumers as f64);
    let mut counter = |name, help, value: u64| families.counter(name, help, &all, value as f64);
    counter("turbopump_log_bytes_total", "Physical offset where the log ends", load.appended);
    counter("turbopump_messages_stored_total", "Messages stored, of all topics", totals.put);
    counter("turbopump_messages_stored_body_bytes_total", "Their bodies", totals.put_bytes);
    counter("turbopump_sends_refused_total", "Sends that were refused", totals.put_failed);
    counter("turbopump_pulls_found_total", "Pulls that found something", totals.get_found);
    counter("turbopump_pulls_missed_total", "Pulls that found nothing", totals.get_miss);
    counter("turbopump_messages_pulled_total", "Messages handed to consumers, of all topics", totals.transferred);
    counter("turbopump_sweeps_total", "Turns of the shard's loop that had something to do", report.sweeps);
    let seconds = |us: u64| us as f64 / 1e6;
    let help = "Processor time of the shard's thread";
    families.counter("turbopump_shard_cpu_seconds_total", help, &all, seconds(load.cpu_us));
    let help = "Of it, what went into looking for work that was not there: short pauses are sat out awake";
    families.counter("turbopump_shard_looked_seconds_total", help, &all, seconds(load.looked_us));
    if let Some(cpu) = load.cpu {
        let (cpu, help) = (cpu.to_string(), "The processor that the shard is pinned to");
        families.gauge("turbopump_shard_cpu_info", help, &labels.with(&[("cpu", cpu.as_str())]), 1.0);
    }
}

#[cfg(test)]
mod tests;
