//! CONSUMER_SEND_MSG_BACK (36): a copy of a message that could not be consumed goes to the group's retry topic after a
//! delay, or to its dead letters.

use std::rc::Rc;
use std::time::Duration;

use protocol::code::ResponseCode;
use protocol::message_id::OffsetMessageId;
use protocol::record::{RecordFields, decode_record};
use protocol::topic_name::{SCHEDULE_TOPIC, dlq_topic, retry_topic};
use storage::AppendError;
use storage::store::Appended;

use crate::delay_levels::queue_id_of_level;
use crate::env::Env;
use crate::request::{Halt, Refusal, Request};
use crate::send_properties::{SendBackCopy, SendBackFate, append_send_back_properties, send_back_fate};
use crate::shard::Shard;
use crate::topic_table::perm;

/// How long a task waits for a log that is full before it gives up.
const APPEND_TRIES: u32 = 1000;
const APPEND_WAIT: Duration = Duration::from_millis(2);

struct SendBack {
    group: String,
    physical_offset: i64,
    delay_level: i32,
    reconsume_times_max: i32,
    retry_queue_nums: i32,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let group = header.require_str("group")?;
    let physical_offset: i64 = header.require("offset")?;
    let delay_level: i32 = header.require("delayLevel")?;
    let asked: Option<i32> = header.optional("maxReconsumeTimes")?;
    shard.admit_change()?;
    let (retry_times_max, retry_queue_nums) = {
        let mut tables = shard.tables.borrow_mut();
        let config = tables.groups.auto_create(group, shard.env.now_ms());
        let config = config.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
        (config.retry_max_times, config.retry_queue_nums)
    };
    if retry_queue_nums <= 0 {
        request.ticket().succeed(shard);
        return Ok(());
    }
    let reconsume_times_max = asked.filter(|_| header.version >= 121).unwrap_or(retry_times_max);
    let group = group.to_owned();
    let send_back = SendBack { group, physical_offset, delay_level, reconsume_times_max, retry_queue_nums };
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    let bytes = shard.config.sends.body_bytes_max as usize;
    shard.spawn_read(ticket, bytes, async move {
        match store_copy(&task_shard, &send_back).await {
            Ok(()) => task_shard.succeed_when_copied(ticket),
            Err(refusal) => ticket.refuse(&task_shard, &refusal),
        }
        task_shard.sweep_end();
    })
}

async fn store_copy<E: Env>(shard: &Rc<Shard<E>>, send_back: &SendBack) -> Result<(), Refusal> {
    let failed = |remark: String| Refusal::new(ResponseCode::SYSTEM_ERROR, remark);
    let at = send_back.physical_offset;
    let bytes = u64::try_from(at).map_err(|_| failed(format!("look message by offset failed, {at}")))?;
    let bytes = shard.read_record_at(bytes).await;
    let bytes = bytes.map_err(|error| failed(format!("look message by offset failed, {at}: {error}")))?;
    let (record, _) = decode_record(&bytes).map_err(|error| failed(error.to_string()))?;
    let id = OffsetMessageId { store_host: shard.store_host, physical_offset: at }.to_string();
    let levels = &shard.config.topics.delay_levels;
    let fate = send_back_fate(record.reconsume_times, send_back.reconsume_times_max, send_back.delay_level);
    let retry = retry_topic(&send_back.group);
    let dead_letter = dlq_topic(&send_back.group);
    let (topic, queue_id, copy, delay_ms) = match fate {
        SendBackFate::DeadLetter => {
            ensure_topic(shard, &dead_letter, 1).map_err(refusal_of)?;
            let delay_level = send_back.delay_level;
            let copy = SendBackCopy { topic: record.topic, offset_message_id: &id, delay_level, real_target: None };
            (dead_letter.as_str(), 0, copy, 0)
        }
        SendBackFate::Retry { delay_level } => {
            ensure_topic(shard, &retry, send_back.retry_queue_nums).map_err(refusal_of)?;
            let delay_level = levels.clamp(delay_level).unwrap_or(1);
            let queue_id = shard.env.random_below(send_back.retry_queue_nums as u32) as i32;
            let real_target = Some((retry.as_str(), queue_id));
            let copy = SendBackCopy { topic: record.topic, offset_message_id: &id, delay_level, real_target };
            (SCHEDULE_TOPIC, queue_id_of_level(delay_level), copy, levels.delay_ms(delay_level))
        }
    };
    let mut properties = Vec::new();
    let seen = append_send_back_properties(record.properties, &copy, &mut properties)
        .map_err(|error| failed(error.to_string()))?;
    let now_ms = shard.env.now_ms();
    let tags_code = if delay_ms > 0 { now_ms + delay_ms } else { seen.tags_code };
    let fields = RecordFields {
        queue_id,
        reconsume_times: record.reconsume_times + 1,
        store_timestamp: now_ms,
        store_host: shard.store_host,
        topic,
        properties: &properties,
        ..record.to_fields()
    };
    append_patiently(shard, fields, tags_code, &[]).await.map_err(|error| refusal_of(error.into()))?;
    shard.metrics.traffic.borrow_mut().sent_back(record.topic, &send_back.group);
    Ok(())
}

fn refusal_of(halt: Halt) -> Refusal {
    match halt {
        Halt::Refuse(refusal) => refusal,
        Halt::Stall => Refusal::new(ResponseCode::SYSTEM_BUSY, "[TIMEOUT_CLEAN_QUEUE]the log takes no more for now"),
    }
}

/// Makes a retry or dead letter topic that is not there yet.
pub(crate) fn ensure_topic<E: Env>(shard: &Shard<E>, topic: &str, queue_nums: i32) -> Result<(), Halt> {
    if shard.tables.borrow().topics.get(topic).is_some() {
        return Ok(());
    }
    shard.admit_change()?;
    let mut tables = shard.tables.borrow_mut();
    let ensured = tables.topics.ensure(topic, queue_nums, perm::READ_WRITE, shard.env.now_ms());
    ensured.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    Ok(())
}

/// Appends one record from a task of the shard's own, waiting while the log is full.
pub(crate) async fn append_patiently<E: Env>(
    shard: &Rc<Shard<E>>,
    mut fields: RecordFields<'_>,
    tags_code: i64,
    control: &[u8],
) -> Result<Appended, AppendError> {
    let (topic, queue_id) = (fields.topic, fields.queue_id);
    let mut tries = 0;
    loop {
        if !shard.may_change() {
            return Err(AppendError::Failed { cause: "this replica does not lead any more".to_owned() });
        }
        let appended = shard.append(topic, queue_id, std::slice::from_mut(&mut fields), |_| tags_code, control);
        match appended {
            Err(AppendError::Backlog { .. } | AppendError::SegmentPending) if tries < APPEND_TRIES => {
                tries += 1;
                shard.sweep_end();
                shard.env.sleep(APPEND_WAIT).await;
            }
            appended => return appended,
        }
    }
}
