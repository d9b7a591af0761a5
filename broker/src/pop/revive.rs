//! Messages that were not acknowledged in time: each is stored anew and its row ends, in one unit of the log.

use std::rc::Rc;
use std::time::Duration;

use protocol::code::ResponseCode;
use protocol::message_id::OffsetMessageId;
use protocol::record::{RecordFields, RecordView, decode_record};
use protocol::topic_name::{dlq_topic, is_retry_topic, pop_normal_topic, pop_retry_topic, pop_retry_topic_v2};
use storage::StorageError;

use super::revived_properties::append_revived;
use super::{DueMessage, Invisible, StoredPopEnds};
use crate::control_record::ControlRecord;
use crate::env::Env;
use crate::processor::admission::offer_patiently;
use crate::processor::send_back::ensure_topic;
use crate::request::{Halt, Refusal};
use crate::send_properties::{SendBackCopy, SendProperties, append_send_back_properties};
use crate::shard::{CONTROL_BYTES_MAX, Shard};

/// Messages of one turn.
const TURN_MESSAGES_MAX: usize = 256;
/// Between two turns: requests that came meanwhile go first.
const PAUSE: Duration = Duration::from_micros(200);
/// What failed is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// A message that cannot be read or stored, while others can, is tried again after this: another replica that could not be asked for
/// it may be back.
const POSTPONE_MS: i64 = 10_000;

/// What a message that nobody acknowledged says of itself.
enum Read {
    Record(Vec<u8>),
    /// It can never be read, and why.
    Lost(String),
}

impl<E: Env> Shard<E> {
    /// Begins to store anew what is visible again, unless that is being done.
    pub(super) fn begin_reviving(self: &Rc<Self>, now_ms: i64) {
        if !self.tables.borrow().pops.is_due(now_ms) || self.pops.is_reviving.replace(true) {
            return;
        }
        let shard = self.clone();
        self.env.spawn_background(async move {
            if let Err(refusal) = shard.revive_all().await {
                let broker = &shard.identity.broker_name;
                tracing::warn!(remark = refusal.remark, shard = broker, "popped messages wait to be visible again");
                shard.sweep_end();
                shard.env.sleep(RETRY).await;
            }
            shard.pops.is_reviving.set(false);
        });
    }

    async fn revive_all(self: &Rc<Self>) -> Result<(), Refusal> {
        while self.may_change() {
            let due = self.tables.borrow().pops.due(self.env.now_ms(), TURN_MESSAGES_MAX);
            if due.is_empty() {
                break;
            }
            for message in due {
                if !self.may_change() {
                    break;
                }
                self.revive(&message).await?;
            }
            self.sweep_end();
            self.env.sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn revive(self: &Rc<Self>, due: &DueMessage) -> Result<(), Refusal> {
        let why = match self.read_due(due).await {
            Ok(read) => match offer_patiently(self, || self.store_anew(due, &read)).await {
                Ok(()) => return Ok(()),
                // This one, not the log.
                Err(refusal) if refusal.code == ResponseCode::MESSAGE_ILLEGAL => refusal.remark,
                Err(refusal) => return Err(refusal),
            },
            Err(error) => error.to_string(),
        };
        self.postpone(due, &why);
        Ok(())
    }

    /// Lets others go on that are behind a message that cannot be stored now.
    fn postpone(&self, due: &DueMessage, why: &str) {
        let (at, topic, group, shard) = (due.offset, &*due.topic, &*due.group, &self.identity.broker_name);
        tracing::error!(at, topic, group, why, shard, "a popped message cannot be made visible again; tried later");
        let pops = &mut self.tables.borrow_mut().pops;
        if pops.get(due.key(), due.offset) == Some(due.row) {
            let due_ms = self.env.now_ms() + POSTPONE_MS;
            pops.put(due.key(), due.offset, Invisible { due_ms, ..due.row });
        }
    }

    async fn read_due(self: &Rc<Self>, due: &DueMessage) -> Result<Read, StorageError> {
        let Some((queue, _)) = self.queue_range(&due.topic, due.queue_id) else {
            return Ok(Read::Lost("its queue is gone".to_owned()));
        };
        let unit = match self.store.read_unit(queue, due.offset).await {
            Ok(unit) => unit,
            Err(error @ StorageError::OutOfRange { .. }) => return Ok(Read::Lost(error.to_string())),
            Err(error) => return Err(error),
        };
        match self.read_record(unit.physical_offset, unit.bytes as usize, <[u8]>::to_vec).await {
            Ok(bytes) => Ok(Read::Record(bytes)),
            Err(error @ StorageError::OutOfRange { .. }) => Ok(Read::Lost(error.to_string())),
            Err(error @ StorageError::DamagedRecord { .. }) if self.is_beyond_mending(unit.physical_offset) => {
                Ok(Read::Lost(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// In one turn of the shard: does nothing for what was acknowledged or changed meanwhile.
    fn store_anew(self: &Rc<Self>, due: &DueMessage, read: &Read) -> Result<(), Halt> {
        if self.tables.borrow().pops.get(due.key(), due.offset) != Some(due.row) {
            return Ok(());
        }
        // What was popped before goes first: a record of this row that came behind its end would bring it back.
        if !self.log_offsets() {
            self.store.log().admit(0, CONTROL_BYTES_MAX)?;
            return Err(Halt::Stall);
        }
        let ended = StoredPopEnds {
            group: due.group.to_string(),
            topic: due.topic.to_string(),
            queue_id: due.queue_id,
            offsets: vec![due.offset],
        };
        let mut control = Vec::new();
        ControlRecord::PopsEnded(vec![ended]).encode(&mut control);
        let retry_times_max = {
            let tables = self.tables.borrow();
            let group = tables.groups.get(&due.group);
            let has_topic = tables.topics.get(pop_normal_topic(&due.topic, &due.group)).is_some();
            group.filter(|_| has_topic).map(|group| group.retry_max_times)
        };
        let (at, topic, group) = (due.offset, &*due.topic, &*due.group);
        match (retry_times_max, read) {
            (Some(times_max), Read::Record(bytes)) => self.put(due, bytes, times_max, &control)?,
            (None, _) => {
                tracing::warn!(at, topic, group, "a popped message is dropped: its topic or group was deleted");
                self.append_control(&control)?;
            }
            (_, Read::Lost(why)) => {
                let shard = &self.identity.broker_name;
                tracing::error!(at, topic, group, why, shard, "a popped message is lost: it cannot be read any more");
                self.append_control(&control)?;
            }
        }
        self.tables.borrow_mut().pops.end_recorded(due.key(), due.offset);
        Ok(())
    }

    fn put(self: &Rc<Self>, due: &DueMessage, bytes: &[u8], times_max: i32, control: &[u8]) -> Result<(), Halt> {
        let Ok((record, _)) = decode_record(bytes) else { unreachable!("it was checked when it was read") };
        let normal_topic = pop_normal_topic(&due.topic, &due.group);
        let is_dead = times_max >= 0 && record.reconsume_times >= times_max && !due.row.is_suspended;
        let (mut topic, mut properties) = self.retried(due, normal_topic, &record);
        if is_dead {
            (topic, properties) = self.dead_letter(due, normal_topic, &record, properties);
        }
        ensure_topic(self, &topic, 1)?;
        let tags_code = SendProperties::scan(&properties, 0).map_or(0, |seen| seen.tags_code);
        let mut fields = [RecordFields {
            queue_id: 0,
            topic: &topic,
            reconsume_times: record.reconsume_times.saturating_add(i32::from(!due.row.is_suspended)),
            store_timestamp: self.env.now_ms(),
            born_host: self.store_host,
            store_host: self.store_host,
            properties: &properties,
            ..record.to_fields()
        }];
        self.append(&topic, 0, &mut fields, |_| tags_code, control)?;
        let counter = if is_dead { &self.pops.dead } else { &self.pops.revived };
        counter.set(counter.get() + 1);
        Ok(())
    }

    fn retried(&self, due: &DueMessage, normal_topic: &str, record: &RecordView<'_>) -> (String, Vec<u8>) {
        let topic = match (is_retry_topic(&due.topic), self.config.pops.retry_topic_v2) {
            (true, _) => due.topic.to_string(),
            (false, true) => pop_retry_topic_v2(&due.group, normal_topic),
            (false, false) => pop_retry_topic(&due.group, normal_topic),
        };
        let mut properties = Vec::new();
        append_revived(record.properties, &due.group, due.row.pop_ms, record.reconsume_times, &mut properties);
        (topic, properties)
    }

    /// As one that a consumer sends back for the last time; with the properties of a retry where those do not fit.
    fn dead_letter(
        &self,
        due: &DueMessage,
        normal_topic: &str,
        record: &RecordView<'_>,
        retried: Vec<u8>,
    ) -> (String, Vec<u8>) {
        let id = OffsetMessageId { store_host: self.store_host, physical_offset: record.physical_offset }.to_string();
        let copy = SendBackCopy { topic: normal_topic, offset_message_id: &id, delay_level: -1, real_target: None };
        let mut properties = Vec::new();
        let fits = append_send_back_properties(&retried, &copy, &mut properties).is_ok();
        (dlq_topic(&due.group), if fits { properties } else { retried })
    }
}
