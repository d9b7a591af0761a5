//! What other replicas wrote comes into queues and tables once a majority has it.

use protocol::record::RecordView;
use storage::commit_log::LogPosition;
use storage::commit_log::entry::{EntryHeader, HEADER_BYTES, crc_of};
use storage::consume_queue::{ConsumeQueues, QueueIndex};
use storage::error::DamageReason;
use storage::store::Replay;

use crate::arrivals::Arrivals;
use crate::control_record::ControlRecord;
use crate::control_tables::ControlTables;
use crate::delay_levels::DelayLevels;
use crate::env::Env;
use crate::processor::pull::PullJob;
use crate::replay::tags_code;
use crate::shard::Shard;
use crate::subscription_filter::SubscriptionFilter;

/// Changes the tables of a shard that serves.
struct LiveReplay<'a> {
    tables: &'a mut ControlTables,
    delay_levels: &'a DelayLevels,
    /// Whether topics changed, which name servers want to know.
    topics_changed: bool,
}

impl Replay for LiveReplay<'_> {
    fn restore(&mut self, _: &[u8]) -> Result<(), String> {
        unreachable!("entries are applied one by one")
    }

    fn control(&mut self, record: &[u8], queues: &mut ConsumeQueues) -> Result<(), String> {
        let record = ControlRecord::decode(record).map_err(|error| error.to_string())?;
        if let ControlRecord::TopicDelete(delete) = &record {
            queues.remove_topic(&delete.topic);
        }
        self.topics_changed |= matches!(record, ControlRecord::TopicPut(_) | ControlRecord::TopicDelete(_));
        self.tables.apply(&record);
        Ok(())
    }

    fn message(&mut self, record: &RecordView<'_>) {
        self.tables.half_messages.note_record(record);
    }

    fn tags_code(&self, record: &RecordView<'_>) -> i64 {
        tags_code(record, self.delay_levels)
    }
}

impl<E: Env> Shard<E> {
    /// Applies one entry, whole as it lies in the log, and wakes pulls that wait for its messages. Returns where the log
    /// stands behind it.
    /// # Errors
    /// It does not decode, or does not continue a queue: this replica's state is not what the log says.
    pub(crate) fn apply_entry(
        &self,
        bytes: &[u8],
        position: u64,
        woken: &mut Vec<PullJob>,
    ) -> Result<LogPosition, DamageReason> {
        let header = EntryHeader::decode(self.store.log().id(), position, bytes)?;
        self.apply_decoded(&header, &bytes[HEADER_BYTES..], woken)?;
        let (index, term, previous) = (header.index, header.term, crc_of(bytes));
        Ok(LogPosition { position: header.end(), index, term, previous })
    }

    /// As [`Self::apply_entry`].
    pub(crate) fn apply_decoded(
        &self,
        header: &EntryHeader,
        payload: &[u8],
        woken: &mut Vec<PullJob>,
    ) -> Result<(), DamageReason> {
        let mut tables = self.tables.borrow_mut();
        let delay_levels = &self.config.topics.delay_levels;
        let mut replay = LiveReplay { tables: &mut tables, delay_levels, topics_changed: false };
        let mut grown: Vec<(QueueIndex, u64)> = Vec::new();
        self.store.apply(header, payload, &mut replay, |queue, at| {
            if self.parked.borrow().parked_in(queue) > 0 {
                grown.push((queue, at));
            }
        })?;
        if replay.topics_changed {
            self.note_topics_changed();
        }
        let now_ms = self.env.now_ms();
        let arrivals = Arrivals::new(&self.store);
        for (queue, at) in grown {
            let Some(unit) = self.store.unit(queue, at) else { continue };
            let passes = |filter: &SubscriptionFilter| arrivals.passes(unit, filter);
            self.parked.borrow_mut().wake(queue, at as i64 + 1, passes, now_ms, woken);
        }
        Ok(())
    }
}
