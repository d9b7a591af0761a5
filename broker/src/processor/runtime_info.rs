//! GET_BROKER_RUNTIME_INFO (28) and GET_BROKER_CONFIG (26).

use std::rc::Rc;

use protocol::body::KvTable;
use protocol::code::{RequestCode, ResponseCode};
use protocol::topic_name::{SCHEDULE_TOPIC, TIMER_TOPIC};

use crate::delay_levels::queue_id_of_level;
use crate::env::Env;
use crate::metrics::{AnswerTimes, Span, What};
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// The release whose behaviour clients and tools are to expect.
const VERSION_TEXT: &str = "V5_5_0";

/// The table of behaviour.md §17. Thread pools and page cache are not there; their keys are, since tools
/// fail on a missing one, and say 0. A replica adds the rows of [`protocol::body::replication_status`].
pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let mut kv = KvTable::default();
    let mut set = |key: &str, value: String| {
        kv.table.insert(key.to_owned(), value);
    };
    let now_ms = shard.env.now_ms();
    let statistics = shard.statistics.borrow();
    let totals = statistics.totals();
    set("brokerVersionDesc", VERSION_TEXT.to_owned());
    set("brokerActive", "true".to_owned());
    set("bootTimestamp", statistics.started_ms().to_string());
    set("runtime", run_time(now_ms - statistics.started_ms()));
    set("putTps", statistics.rates(now_ms, |totals| totals.put));
    set("getFoundTps", statistics.rates(now_ms, |totals| totals.get_found));
    set("getMissTps", statistics.rates(now_ms, |totals| totals.get_miss));
    set("getTotalTps", statistics.rates(now_ms, |totals| totals.get_found + totals.get_miss));
    // Consoles of 4.x read the old spelling.
    set("getTransferredTps", statistics.rates(now_ms, |totals| totals.transferred));
    set("getTransferedTps", statistics.rates(now_ms, |totals| totals.transferred));
    set("msgPutTotalTodayNow", totals.put.to_string());
    set("msgGetTotalTodayNow", totals.transferred.to_string());
    let mornings = statistics.mornings();
    set("msgPutTotalYesterdayMorning", mornings.yesterday.put.to_string());
    set("msgPutTotalTodayMorning", mornings.today.put.to_string());
    set("msgGetTotalYesterdayMorning", mornings.yesterday.transferred.to_string());
    set("msgGetTotalTodayMorning", mornings.today.transferred.to_string());
    set("putMessageTimesTotal", totals.put.to_string());
    set("putMessageSizeTotal", totals.put_bytes.to_string());
    set("putMessageAverageSize", (totals.put_bytes as f64 / totals.put.max(1) as f64).to_string());
    set("putMessageFailedTimes", totals.put_failed.to_string());
    let log = shard.store.log();
    set("commitLogMinOffset", log.first().to_string());
    set("commitLogMaxOffset", log.end().position.to_string());
    let first_stored = shard.metrics.first_stored.get().filter(|(of, _)| *of == log.first());
    set("earliestMessageTimeStamp", first_stored.map_or(0, |(_, stored_ms)| stored_ms).to_string());
    set("remainHowManyDataToFlush", format!("{} B", log.waiting_bytes()));
    for (level, _) in shard.config.topics.delay_levels.iter() {
        let next = shard.tables.borrow().schedule.next_offset(level);
        let queues = shard.store.queues().borrow();
        let queue = queues.find(SCHEDULE_TOPIC, queue_id_of_level(level) as u32);
        if let Some(queue) = queue.and_then(|queue| queues.get(queue)) {
            set(&format!("scheduleMessageOffset_{level}"), format!("{next},{}", queue.readable()));
        }
    }
    let (used_ratio, capacity) = disk(&shard.config.store.root);
    set("commitLogDiskRatio", used_ratio.clone());
    set("consumeQueueDiskRatio", used_ratio);
    set("commitLogDirCapacity", capacity);
    let series = shard.metrics.latency.borrow().series();
    let sends = AnswerTimes::of(&series, &SENDS);
    set("putMessageEntireTimeMax", sends.longest_ms().to_string());
    set("putMessageDistributeTime", sends.distribution());
    set("putLatency99", sends.percentile_ms(0.99));
    set("putLatency999", sends.percentile_ms(0.999));
    set("getMessageEntireTimeMax", AnswerTimes::of(&series, &PULLS).longest_ms().to_string());
    for key in ZERO_KEYS {
        set(key, "0".to_owned());
    }
    for pool in ["send", "pull", "litePull", "query", "ack"] {
        for what in ["QueueSize", "QueueCapacity", "QueueHeadWaitTimeMills"] {
            set(&format!("{pool}ThreadPool{what}"), "0".to_owned());
        }
    }
    set("timerOffsetBehind", shard.timers.behind().to_string());
    set("timerCongestNum", shard.tables.borrow().timers.count().to_string());
    let traffic = shard.metrics.traffic.borrow();
    let timers = traffic.topic_rates(TIMER_TOPIC, What::Messages, Span::Minute, shard.uptime_ms());
    set("timerEnqueueTps", format!("{:?}", timers.map_or(0.0, |rates| rates.per_second)));
    drop(traffic);
    set("timerDequeueTps", "0.0".to_owned());
    drop(statistics);
    if let Some(status) = shard.replication_status() {
        status.write(&mut kv.table);
    }
    request.ticket().succeed_with_body(shard, &kv.encode());
    Ok(())
}

/// What `putMessage…` and `putLatency…` are about.
const SENDS: [RequestCode; 3] =
    [RequestCode::SEND_MESSAGE, RequestCode::SEND_MESSAGE_V2, RequestCode::SEND_BATCH_MESSAGE];
/// What `getMessage…` is about.
const PULLS: [RequestCode; 2] = [RequestCode::PULL_MESSAGE, RequestCode::LITE_PULL_MESSAGE];

const ZERO_KEYS: &[&str] = &[
    "dispatchMaxBuffer",
    "dispatchBehindBytes",
    "pageCacheLockTimeMills",
    "startAcceptSendRequestTimeStamp",
    "timerReadBehind",
    "remainTransientStoreBufferNumbs",
    "EndTransactionQueueSize",
    "EndTransactionThreadPoolQueueCapacity",
];

fn run_time(elapsed_ms: i64) -> String {
    let seconds = elapsed_ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60)
}

/// Share of the store's disk in use, and its capacity as text.
fn disk(path: &std::path::Path) -> (String, String) {
    let Ok(stat) = rustix::fs::statvfs(path) else { return ("-1".to_owned(), String::new()) };
    let gib = |blocks: u64| (blocks * stat.f_frsize) as f64 / (1u64 << 30) as f64;
    let used = 1.0 - stat.f_bavail as f64 / stat.f_blocks.max(1) as f64;
    let capacity = format!("Total : {:.1} GiB, Free : {:.1} GiB.", gib(stat.f_blocks), gib(stat.f_bavail));
    (format!("{used:.2}"), capacity)
}

/// GET_BROKER_CONFIG (26).
pub(crate) fn config<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let text = shard.config.format_properties_of(&shard.identity);
    let version = shard.tables.borrow().topics.version();
    let fields = |encoder: &mut protocol::command::CommandEncoder<'_>| {
        encoder.field("version", String::from_utf8_lossy(&version.encode()).as_ref());
    };
    request.ticket().answer_with_body(shard, ResponseCode::SUCCESS, None, fields, text.as_bytes());
    Ok(())
}
