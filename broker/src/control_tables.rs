//! The tables of a shard that survive a restart, together: what a checkpoint holds and what control records change.

mod encode;

use crate::assignment::{RequestModes, StoredRequestMode};
use crate::consumer_offsets::{ConsumerOffsets, ConsumerOffsetsSnapshot, FrozenOffsets};
use crate::control_record::ControlRecord;
use crate::pop::{PopTable, PopTableSnapshot};
use crate::schedule_progress::ScheduleProgress;
use crate::subscription_group_table::{GroupOptions, GroupTableSnapshot, SubscriptionGroupTable};
use crate::timers::{TimerTable, TimerTableSnapshot};
use crate::topic_table::{TopicOptions, TopicTable, TopicTableSnapshot};
use crate::transactions::{HalfMessages, StoredHalf};

/// Each table records its own changes. What [`ControlTables::take_records`] gives, applied in its order to tables as
/// they were at the call before, makes them equal to these.
#[derive(Debug)]
pub struct ControlTables {
    /// Topics.
    pub topics: TopicTable,
    /// Consumer groups.
    pub groups: SubscriptionGroupTable,
    /// Where groups continue.
    pub offsets: ConsumerOffsets,
    /// What was delivered of each delay level.
    pub schedule: ScheduleProgress,
    /// Half messages without an end. Its changes are appended by whoever makes them, with what they belong to.
    pub half_messages: HalfMessages,
    /// What was delivered of the timers, and how many wait. Its records go into the log with the messages that they are
    /// about, not by [`ControlTables::take_records`].
    pub timers: TimerTable,
    /// What POP made invisible.
    pub pops: PopTable,
    /// How groups get the messages of topics.
    pub request_modes: RequestModes,
}

/// All tables at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ControlTablesSnapshot {
    /// Topics.
    pub topics: TopicTableSnapshot,
    /// Consumer groups.
    pub groups: GroupTableSnapshot,
    /// Where groups continue.
    pub offsets: ConsumerOffsetsSnapshot,
    /// Delay level and next queue offset, ascending by level.
    pub schedule: Vec<(i32, i64)>,
    /// Half messages without an end, ascending by queue offset.
    pub half_messages: Vec<StoredHalf>,
    /// Timers.
    pub timers: TimerTableSnapshot,
    /// What POP made invisible.
    pub pops: PopTableSnapshot,
    /// How groups get the messages of topics, ascending by topic and group.
    pub request_modes: Vec<StoredRequestMode>,
}

/// All tables at one moment, of which the offsets are not written down yet: groups times queues, they are most of it.
#[derive(Debug)]
pub struct FrozenTables {
    /// The others.
    tables: ControlTablesSnapshot,
    offsets: FrozenOffsets,
}

impl ControlTables {
    /// Empty tables, of a store that is used for the first time.
    pub fn new(topics: TopicOptions, groups: GroupOptions, now_ms: i64) -> Self {
        Self {
            topics: TopicTable::new(topics, now_ms),
            groups: SubscriptionGroupTable::new(groups, now_ms),
            offsets: ConsumerOffsets::new(),
            schedule: ScheduleProgress::new(),
            half_messages: HalfMessages::new(),
            timers: TimerTable::default(),
            pops: PopTable::new(),
            request_modes: RequestModes::default(),
        }
    }

    /// The tables as they were when the snapshot was taken. Nothing in them counts as changed.
    pub fn restore(topics: TopicOptions, groups: GroupOptions, snapshot: &ControlTablesSnapshot) -> Self {
        Self {
            topics: TopicTable::restore(topics, &snapshot.topics),
            groups: SubscriptionGroupTable::restore(groups, &snapshot.groups),
            offsets: ConsumerOffsets::restore(&snapshot.offsets),
            schedule: ScheduleProgress::restore(&snapshot.schedule),
            half_messages: HalfMessages::restore(&snapshot.half_messages),
            timers: TimerTable::restore(&snapshot.timers),
            pops: PopTable::restore(&snapshot.pops),
            request_modes: RequestModes::restore(&snapshot.request_modes),
        }
    }

    /// All that survives a restart. Changes that were not yet taken are in it too; applying their records again later
    /// does no harm.
    pub fn snapshot(&self) -> ControlTablesSnapshot {
        ControlTablesSnapshot { offsets: self.offsets.snapshot(), ..self.snapshot_without_offsets() }
    }

    /// The same for who works on it in turns: of this moment, but what is most of it is not copied now.
    pub fn freeze(&self) -> FrozenTables {
        FrozenTables { tables: self.snapshot_without_offsets(), offsets: self.offsets.freeze() }
    }

    fn snapshot_without_offsets(&self) -> ControlTablesSnapshot {
        ControlTablesSnapshot {
            topics: self.topics.snapshot(),
            groups: self.groups.snapshot(),
            offsets: ConsumerOffsetsSnapshot::default(),
            schedule: self.schedule.snapshot(),
            half_messages: self.half_messages.snapshot(),
            timers: self.timers.snapshot(),
            pops: self.pops.snapshot(),
            request_modes: self.request_modes.snapshot(),
        }
    }

    /// Creates the topics and groups of the system that are missing: after replay, before the first request.
    pub fn create_system_entries(&mut self, now_ms: i64) {
        self.topics.create_system_topics(now_ms);
        self.groups.create_system_groups(now_ms);
    }

    /// Moves all changes since the last call to the end of `records`. The shard calls it at the end of every sweep, so
    /// that what gathers between is bounded by one sweep's requests.
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        self.topics.take_records(records);
        self.groups.take_records(records);
        self.request_modes.take_records(records);
        self.take_consumption_records(records);
        self.schedule.take_records(records);
    }

    /// As [`ControlTables::take_records`], of pops and offsets alone. Pops come first: a position that is in the log without them
    /// would pass messages over that nobody has.
    pub fn take_consumption_records(&mut self, records: &mut Vec<ControlRecord>) {
        self.pops.take_records(records);
        self.offsets.take_records(records);
    }

    /// Replays one change. It is not recorded again.
    pub fn apply(&mut self, record: &ControlRecord) {
        match record {
            ControlRecord::TopicPut(put) => self.topics.apply_put(put),
            ControlRecord::TopicDelete(delete) => {
                self.topics.apply_delete(delete);
                self.request_modes.drop_topic(&delete.topic);
            }
            ControlRecord::GroupPut(put) => self.groups.apply_put(put),
            ControlRecord::GroupDelete(delete) => {
                self.groups.apply_delete(delete);
                self.request_modes.drop_group(&delete.group);
            }
            ControlRecord::Offsets(changed) => self.offsets.apply_offsets(changed),
            ControlRecord::OffsetsReplaced(replaced) => self.offsets.replace(replaced),
            ControlRecord::OffsetReset(reset) => self.offsets.apply_reset(reset),
            ControlRecord::OffsetResetTaken(taken) => self.offsets.apply_reset_taken(taken),
            ControlRecord::OffsetsOfGroupRemoved(group) => _ = self.offsets.drop_group(group),
            ControlRecord::OffsetsOfTopicRemoved(topic) => _ = self.offsets.drop_topic(topic),
            ControlRecord::ScheduleProgressed(progressed) => self.schedule.apply(*progressed),
            ControlRecord::TransactionEnded(ended) => self.half_messages.apply_ended(*ended),
            ControlRecord::TransactionsChecked(checked) => self.half_messages.apply_checked(checked),
            ControlRecord::TimerStored(stored) => self.timers.apply_stored(stored),
            ControlRecord::TimerDone(done) => self.timers.apply_done(done),
            ControlRecord::TimersRolled(rolled) => self.timers.apply_rolled(*rolled),
            ControlRecord::PopsTaken(taken) => self.pops.apply_taken(taken),
            ControlRecord::PopsEnded(ended) => self.pops.apply_ended(ended),
            ControlRecord::OrderedPops(ordered) => self.pops.apply_ordered(ordered),
            ControlRecord::PopsOfTopicRemoved(topic) => _ = self.pops.drop_topic(topic),
            ControlRecord::PopsOfGroupRemoved(group) => _ = self.pops.drop_group(group),
            ControlRecord::RequestModePut(mode) => self.request_modes.apply(mode),
        }
    }
}

#[cfg(test)]
mod tests;
