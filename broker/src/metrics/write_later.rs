//! Timers and transactions of a shard as metrics.

use observe::Families;

use super::later_metrics::LaterReport;
use super::write_report::{STORAGE, ShardLabels};

/// Shows delays as seconds.
const SECONDS: f64 = 1_000.0;

/// Adds the shard's timers, which the reference counts to its store.
pub(super) fn write_timers(families: &mut Families, labels: &ShardLabels<'_>, report: &LaterReport) {
    let all = labels.with(STORAGE);
    let help = "Timers that the index does not have yet: none is delivered meanwhile";
    families.gauge("rocketmq_timer_enqueue_lag", help, &all, report.enqueue_lag as f64);
    let help = "How long the index has not had all timers";
    families.gauge("rocketmq_timer_enqueue_latency_milliseconds", help, &all, report.enqueue_latency_ms as f64);
    let help = "How long the next timer has been due";
    families.gauge("rocketmq_timer_dequeue_latency_milliseconds", help, &all, report.dequeue_latency_ms as f64);
    let of_topic = |topic| [labels.with(STORAGE), vec![("topic", topic)]].concat();
    for (topic, count) in &report.timing {
        families.gauge("rocketmq_timing_messages", "Timers that wait", &of_topic(topic), *count as f64);
    }
    for (topic, count) in report.timers_stored() {
        families.counter("rocketmq_timer_enqueue_total", "Timers stored", &of_topic(topic), count as f64);
    }
    for (topic, count) in report.timers_delivered() {
        families.counter("rocketmq_timer_dequeue_total", "Timers delivered", &of_topic(topic), count as f64);
    }
    let help = "How far away due times are that senders ask for";
    families.histogram("rocketmq_delay_message_latency_seconds", help, &all, report.delays(), SECONDS);
}

/// Adds the shard's transactions.
pub(super) fn write_transactions(families: &mut Families, labels: &ShardLabels<'_>, report: &LaterReport) {
    let help = "Half messages without an end, of all topics";
    families.gauge("rocketmq_half_messages", help, &labels.with(&[]), report.halves as f64);
    let of_topic = |topic| labels.with(&[("topic", topic)]);
    for (topic, count) in report.committed() {
        families.counter("rocketmq_commit_messages_total", "Half messages committed", &of_topic(topic), count as f64);
    }
    for (topic, count) in report.rolled_back() {
        let help = "Half messages rolled back";
        families.counter("rocketmq_rollback_messages_total", help, &of_topic(topic), count as f64);
    }
}
