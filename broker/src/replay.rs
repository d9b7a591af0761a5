//! What the broker makes of its log at start.

use std::sync::Arc;

use protocol::record::RecordView;
use protocol::topic_name::{SCHEDULE_TOPIC, TIMER_TOPIC};
use storage::consume_queue::ConsumeQueues;
use storage::store::{OpenProgress, Replay};

use crate::config::{BrokerConfig, ShardIdentity};
use crate::control_record::ControlRecord;
use crate::control_tables::{ControlTables, ControlTablesSnapshot};
use crate::delay_levels::{DelayLevels, level_of_queue_id};
use crate::metrics::RecoveryProgress;
use crate::send_properties::SendProperties;
use crate::stored_tags;
use crate::subscription_group_table::GroupOptions;
use crate::timers::timer_properties;
use crate::topic_table::TopicOptions;

/// Rebuilds a shard's tables from checkpoint and control records.
pub struct TableReplay {
    topics: TopicOptions,
    groups: GroupOptions,
    delay_levels: DelayLevels,
    tables: ControlTables,
    recovery: Arc<RecoveryProgress>,
}

impl TableReplay {
    /// Starts from empty tables.
    pub fn new(topics: TopicOptions, groups: GroupOptions, delay_levels: DelayLevels, now_ms: i64) -> Self {
        let tables = ControlTables::new(topics.clone(), groups.clone(), now_ms);
        Self { topics, groups, delay_levels, tables, recovery: Arc::default() }
    }

    /// As the settings of a shard want it.
    pub fn for_shard(config: &BrokerConfig, identity: &ShardIdentity, now_ms: i64) -> Self {
        let topics = TopicOptions {
            cluster_name: config.identity.cluster_name.clone(),
            broker_name: identity.broker_name.clone(),
            auto_create: config.topics.auto_create,
            default_queue_nums: config.topics.default_queues as i32,
            cluster_topic: config.topics.cluster_topic,
            broker_topic: config.topics.broker_topic,
            trace_topic: config.topics.trace_topic.then(|| config.topics.trace_topic_name.clone()),
            delay_level_max: config.topics.delay_levels.level_max(),
        };
        let groups = GroupOptions { auto_create: config.topics.auto_create_group };
        Self::new(topics, groups, config.topics.delay_levels.clone(), now_ms)
    }

    /// The same, telling `recovery` how far it is.
    pub(crate) fn shown_in(self, recovery: Arc<RecoveryProgress>) -> Self {
        Self { recovery, ..self }
    }

    /// The tables, with the system's topics and groups in them.
    pub fn into_tables(mut self, now_ms: i64) -> ControlTables {
        self.tables.create_system_entries(now_ms);
        self.tables
    }

    /// The tables with nothing in them but what was replayed.
    pub fn into_replayed_tables(self) -> ControlTables {
        self.tables
    }
}

impl Replay for TableReplay {
    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(state.len());
        aligned.extend_from_slice(state);
        let snapshot = rkyv::from_bytes::<ControlTablesSnapshot, rkyv::rancor::Error>(&aligned);
        let snapshot = snapshot.map_err(|error| format!("the tables in it: {error}"))?;
        self.tables = ControlTables::restore(self.topics.clone(), self.groups.clone(), &snapshot);
        Ok(())
    }

    fn control(&mut self, record: &[u8], queues: &mut ConsumeQueues) -> Result<(), String> {
        let record = ControlRecord::decode(record).map_err(|error| error.to_string())?;
        if let ControlRecord::TopicDelete(delete) = &record {
            queues.remove_topic(&delete.topic);
        }
        self.tables.apply(&record);
        Ok(())
    }

    fn message(&mut self, record: &RecordView<'_>) {
        self.tables.half_messages.note_record(record);
    }

    fn progress(&mut self, progress: OpenProgress) {
        self.recovery.opening(progress);
    }

    fn tags_code(&self, record: &RecordView<'_>) -> i64 {
        tags_code(record, &self.delay_levels)
    }
}

/// What a message's unit holds as tags code.
pub(crate) fn tags_code(record: &RecordView<'_>, delay_levels: &DelayLevels) -> i64 {
    if record.topic == TIMER_TOPIC {
        return timer_properties::unit_code(record.properties);
    }
    if let Some(code) = stored_tags::of_undelayed(record.properties) {
        return code;
    }
    let Ok(seen) = SendProperties::scan(record.properties, 0) else { return 0 };
    if record.topic == SCHEDULE_TOPIC && seen.delay_level > 0 {
        return record.store_timestamp + delay_levels.delay_ms(level_of_queue_id(record.queue_id));
    }
    seen.tags_code
}
