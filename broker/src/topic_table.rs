//! The topics of one shard.

use crate::attribute_changes::{AttributeChanges, AttributeError, AttributeRule};
use crate::control_record::{ControlRecord, StoredVersion, TopicDelete, TopicPut};
use protocol::ResponseCode;
use protocol::body::{DataVersion, TopicConfig, TopicConfigTable, TopicFilterType, TopicList};
use protocol::topic_name::{self, NameError};
use std::collections::{BTreeMap, BTreeSet};
use storage::encode_fields_in_turns;
use thiserror::Error;

/// Topics of one shard. When full, no more are created.
pub const TOPICS_MAX: usize = 100_000;

/// Queues a topic can be given. The reference has no limit; a mistyped number would make as many folders.
pub const QUEUE_NUMS_MAX: i32 = 16_384;

/// Queues of a topic that names no number: what the reference gives a cluster's topic.
const QUEUE_NUMS_DEFAULT: i32 = 16;

const BENCHMARK_QUEUE_NUMS: i32 = 1_024;
const REVIVE_QUEUE_NUMS: i32 = 8;
/// Never fewer, so that a store keeps its queues when levels are taken away.
const SCHEDULE_QUEUE_NUMS_MIN: i32 = 18;

/// Permission bits of a topic.
pub mod perm {
    /// Sends may create topics after its example.
    pub const INHERIT: i32 = 1;
    /// Producers send to it.
    pub const WRITE: i32 = 2;
    /// Consumers read it.
    pub const READ: i32 = 4;
    /// Both.
    pub const READ_WRITE: i32 = READ | WRITE;
}

/// Attributes of topics. Values that would need another store format are not offered.
const TOPIC_ATTRIBUTES: &[AttributeRule] = &[
    AttributeRule {
        key: "message.type",
        changeable: true,
        values: &["NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED", "UNSPECIFIED"],
    },
    AttributeRule { key: "queue.type", changeable: false, values: &["SimpleCQ"] },
    AttributeRule { key: "cleanup.policy", changeable: false, values: &["DELETE"] },
];

/// What the system topics depend on, from the broker's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOptions {
    /// `brokerClusterName`.
    pub cluster_name: String,
    /// `brokerName` of this shard.
    pub broker_name: String,
    /// `autoCreateTopicEnable`.
    pub auto_create: bool,
    /// `defaultTopicQueueNums`: queues of the template TBW102.
    pub default_queue_nums: i32,
    /// `clusterTopicEnable`: whether the topic named like the cluster can be written and read.
    pub cluster_topic: bool,
    /// `brokerTopicEnable`: the same for the topic named like the broker.
    pub broker_topic: bool,
    /// `msgTraceTopicName`, if `traceTopicEnable`.
    pub trace_topic: Option<String>,
    /// How many delay levels `messageDelayLevel` has.
    pub delay_level_max: i32,
}

impl TopicOptions {
    /// The defaults of a broker of this name.
    pub fn of_broker(cluster_name: &str, broker_name: &str) -> Self {
        Self {
            cluster_name: cluster_name.to_owned(),
            broker_name: broker_name.to_owned(),
            auto_create: true,
            default_queue_nums: 8,
            cluster_topic: true,
            broker_topic: true,
            trace_topic: None,
            delay_level_max: SCHEDULE_QUEUE_NUMS_MIN,
        }
    }
}

/// Why a topic cannot be used or changed. The text is the answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicError {
    /// The name is not one a topic can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The system's own topics are neither changed nor deleted.
    #[error("The topic[{topic}] is conflict with system topic.")]
    System {
        /// Its name.
        topic: String,
    },
    /// Clients may not send to it.
    #[error("Sending message to topic[{topic}] is forbidden.")]
    SendForbidden {
        /// Its name.
        topic: String,
    },
    /// There is no such topic, and the send could not create it.
    #[error(
        "topic[{topic}] not exist, apply first please! \n\
         See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
    )]
    NotExist {
        /// Its name.
        topic: String,
    },
    /// A number of queues that is none.
    #[error("topic[{topic}] cannot have {queue_nums} queues, wanted 0 to {QUEUE_NUMS_MAX}")]
    QueueNums {
        /// The topic.
        topic: String,
        /// As received.
        queue_nums: i32,
    },
    /// The attributes cannot be changed so.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// [`TOPICS_MAX`] is reached.
    #[error("topic[{topic}] was not created, this broker has {TOPICS_MAX} topics already")]
    Full {
        /// The one too many.
        topic: String,
    },
}

impl TopicError {
    /// The code that tells a client so.
    pub fn response_code(&self) -> ResponseCode {
        match self {
            Self::Name(_) | Self::System { .. } | Self::QueueNums { .. } => ResponseCode::INVALID_PARAMETER,
            Self::SendForbidden { .. } => ResponseCode::NO_PERMISSION,
            Self::NotExist { .. } => ResponseCode::TOPIC_NOT_EXIST,
            Self::Attribute(_) | Self::Full { .. } => ResponseCode::SYSTEM_ERROR,
        }
    }
}

/// A topic as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredTopic {
    /// Name.
    pub name: String,
    /// Queues consumers read.
    pub read_queue_nums: i32,
    /// Queues producers send to.
    pub write_queue_nums: i32,
    /// Bits of [`perm`].
    pub perm: i32,
    /// `SINGLE_TAG` or `MULTI_TAG`.
    pub filter_type: String,
    /// 1 unit, 2 has a unit subscription.
    pub topic_sys_flag: i32,
    /// Whether order counts more than availability.
    pub order: bool,
    /// Ascending by key.
    pub attributes: Vec<(String, String)>,
}

/// All that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct TopicTableSnapshot {
    /// Ascending by name.
    pub topics: Vec<StoredTopic>,
    /// Version of the table.
    pub version: StoredVersion,
}

encode_fields_in_turns!(TopicTableSnapshot, TopicTableSnapshotResolver { topics, version });

/// Topics by name. Every change counts up the version, by which name servers and replicas know that they are behind.
#[derive(Debug)]
pub struct TopicTable {
    topics: BTreeMap<String, TopicConfig>,
    options: TopicOptions,
    /// The system topics of this broker, those that are not in [`topic_name::SYSTEM_TOPICS`] too.
    system: BTreeSet<String>,
    version: DataVersion,
    records: Vec<ControlRecord>,
}

impl TopicTable {
    /// Without any topic: call [`TopicTable::create_system_topics`] once what was stored is back.
    pub fn new(options: TopicOptions, now_ms: i64) -> Self {
        let mut system: BTreeSet<String> = topic_name::SYSTEM_TOPICS.iter().map(|topic| (*topic).to_owned()).collect();
        system.extend(system_topics(&options).into_iter().map(|config| config.topic_name));
        let version = DataVersion { timestamp: now_ms, ..DataVersion::default() };
        Self { topics: BTreeMap::new(), options, system, version, records: Vec::new() }
    }

    /// The table as it was when the snapshot was taken. Nothing in it counts as changed.
    pub fn restore(options: TopicOptions, snapshot: &TopicTableSnapshot) -> Self {
        let mut table = Self::new(options, 0);
        table.version = snapshot.version.into();
        table.topics.extend(snapshot.topics.iter().map(|topic| (topic.name.clone(), topic.into())));
        table
    }

    /// All that survives a restart.
    pub fn snapshot(&self) -> TopicTableSnapshot {
        let topics = self.topics.values().map(StoredTopic::from).collect();
        TopicTableSnapshot { topics, version: self.version.into() }
    }

    /// Creates those system topics that are missing. One that an operator changed stays as it is.
    pub fn create_system_topics(&mut self, now_ms: i64) {
        for config in system_topics(&self.options) {
            if !self.topics.contains_key(&config.topic_name) {
                self.put(config, now_ms);
            }
        }
    }

    /// The topic's configuration.
    pub fn get(&self, topic: &str) -> Option<&TopicConfig> {
        self.topics.get(topic)
    }

    /// The topic's configuration, or the error a pull or query answers.
    ///
    /// # Errors
    /// [`TopicError::NotExist`].
    pub fn require(&self, topic: &str) -> Result<&TopicConfig, TopicError> {
        self.get(topic).ok_or_else(|| TopicError::NotExist { topic: topic.to_owned() })
    }

    /// All topics, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = &TopicConfig> {
        self.topics.values()
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether there is no topic, not even the system's.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Counts the changes.
    pub fn version(&self) -> DataVersion {
        self.version
    }

    /// Whether the system owns the topic, so that it is neither changed nor deleted.
    pub fn is_system(&self, topic: &str) -> bool {
        self.system.contains(topic) || topic_name::is_system_topic(topic)
    }

    /// Names of the system's topics (305).
    pub fn system_topic_list(&self) -> TopicList {
        TopicList { topic_list: self.system.iter().cloned().collect(), ..TopicList::default() }
    }

    /// Whether a client may send to a topic of this name, existing or not.
    ///
    /// # Errors
    /// [`TopicError::Name`] or [`TopicError::SendForbidden`].
    pub fn check_send(&self, topic: &str) -> Result<(), TopicError> {
        if topic_name::is_send_forbidden(topic) {
            return Err(TopicError::SendForbidden { topic: topic.to_owned() });
        }
        topic_name::validate_topic(topic)?;
        Ok(())
    }

    /// The topic of a send, created after the example of `default_topic` if it is new. Retry topics get one queue and
    /// need no example.
    ///
    /// # Errors
    /// [`TopicError::NotExist`] if the example does not exist or may not be followed; [`TopicError::Full`].
    pub fn auto_create(
        &mut self,
        topic: &str,
        default_topic: &str,
        default_queue_nums: i32,
        now_ms: i64,
    ) -> Result<&TopicConfig, TopicError> {
        if topic_name::is_retry_topic(topic) {
            return self.ensure(topic, 1, perm::READ_WRITE, now_ms);
        }
        if !self.topics.contains_key(topic) {
            let not_exist = || TopicError::NotExist { topic: topic.to_owned() };
            let example = self.example(default_topic).ok_or_else(not_exist)?;
            // None at all would be a topic nobody can use until an operator repairs it.
            let queue_nums = default_queue_nums.min(example.write_queue_nums).max(1);
            let config = TopicConfig {
                perm: example.perm & !perm::INHERIT,
                topic_filter_type: example.topic_filter_type,
                ..config_of(topic, queue_nums, perm::READ_WRITE)
            };
            self.insert(config, now_ms)?;
        }
        Ok(&self.topics[topic])
    }

    /// The topic, created with these queues if it is new: retry, dead letter and internal topics. The caller answers
    /// for the name.
    ///
    /// # Errors
    /// [`TopicError::Full`].
    pub fn ensure(&mut self, topic: &str, queue_nums: i32, perm: i32, now_ms: i64) -> Result<&TopicConfig, TopicError> {
        if !self.topics.contains_key(topic) {
            self.insert(config_of(topic, queue_nums, perm), now_ms)?;
        }
        Ok(&self.topics[topic])
    }

    /// Creates the topic as a sibling shard did. False if it is here already, as it is or otherwise.
    ///
    /// # Errors
    /// [`TopicError::Full`].
    pub fn create_like(&mut self, config: &TopicConfig, now_ms: i64) -> Result<bool, TopicError> {
        if self.topics.contains_key(&config.topic_name) {
            return Ok(false);
        }
        self.insert(config.clone(), now_ms)?;
        Ok(true)
    }

    /// An operator creates or changes a topic (17, 18). Attributes of `config` are ignored, `changes` applies to those
    /// it has. False if it was like that already.
    ///
    /// # Errors
    /// [`TopicError`]; nothing is changed then.
    pub fn update(&mut self, config: TopicConfig, changes: &AttributeChanges, now_ms: i64) -> Result<bool, TopicError> {
        let Some(config) = self.updated(config, changes)? else { return Ok(false) };
        self.insert(config, now_ms)?;
        Ok(true)
    }

    /// The topic as [`TopicTable::update`] would leave it; `None` if it is like that already.
    ///
    /// # Errors
    /// [`TopicError`], but for [`TopicError::Full`].
    pub fn updated(&self, config: TopicConfig, changes: &AttributeChanges) -> Result<Option<TopicConfig>, TopicError> {
        topic_name::validate_topic(&config.topic_name)?;
        if self.is_system(&config.topic_name) {
            return Err(TopicError::System { topic: config.topic_name });
        }
        for queue_nums in [config.read_queue_nums, config.write_queue_nums] {
            if !(0..=QUEUE_NUMS_MAX).contains(&queue_nums) {
                return Err(TopicError::QueueNums { topic: config.topic_name, queue_nums });
            }
        }
        let current = self.get(&config.topic_name);
        let attributes = changes.apply(TOPIC_ATTRIBUTES, current.map(|current| &current.attributes))?;
        let config = TopicConfig { attributes, ..config };
        Ok((current != Some(&config)).then_some(config))
    }

    /// Topics that can still be created.
    pub fn room(&self) -> usize {
        TOPICS_MAX.saturating_sub(self.topics.len())
    }

    /// Whether sends create topics from now on.
    pub fn set_auto_create(&mut self, auto_create: bool) {
        self.options.auto_create = auto_create;
    }

    /// Something that is registered with the topics changed.
    pub fn advance_version(&mut self, now_ms: i64) {
        self.version.advance(now_ms);
    }

    /// An operator deletes a topic. False if there is none.
    ///
    /// # Errors
    /// [`TopicError::System`].
    pub fn delete(&mut self, topic: &str, now_ms: i64) -> Result<bool, TopicError> {
        if self.is_system(topic) {
            return Err(TopicError::System { topic: topic.to_owned() });
        }
        if self.topics.remove(topic).is_none() {
            return Ok(false);
        }
        self.version.advance(now_ms);
        let delete = TopicDelete { topic: topic.to_owned(), version: self.version.into() };
        self.records.push(ControlRecord::TopicDelete(delete));
        Ok(true)
    }

    /// Body of request 21.
    pub fn config_table(&self) -> TopicConfigTable {
        self.table_of(self.topics.values().cloned())
    }

    /// The table a broker with this `brokerPermission` registers: one that is not to be read or written says so for
    /// every topic.
    pub fn registered_table(&self, broker_permission: i32) -> TopicConfigTable {
        let mask = if broker_permission & perm::READ_WRITE == perm::READ_WRITE { !0 } else { broker_permission };
        let masked = |config: &TopicConfig| TopicConfig { perm: config.perm & mask, ..config.clone() };
        self.table_of(self.topics.values().map(masked))
    }

    /// A part of the table for replicas that fetch it so: topics `first..first + topics_max`, ascending by name.
    pub fn config_table_part(&self, first: usize, topics_max: usize) -> TopicConfigTable {
        self.table_of(self.topics.values().skip(first).take(topics_max).cloned())
    }

    /// Moves all changes since the last call to the end of `records`.
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        records.append(&mut self.records);
    }

    /// Replays a change.
    pub(crate) fn apply_put(&mut self, put: &TopicPut) {
        self.topics.insert(put.topic.name.clone(), (&put.topic).into());
        self.version = put.version.into();
    }

    /// Replays a deletion.
    pub(crate) fn apply_delete(&mut self, delete: &TopicDelete) {
        self.topics.remove(&delete.topic);
        self.version = delete.version.into();
    }

    /// The topic that new ones are made after, if it may be followed.
    fn example(&self, default_topic: &str) -> Option<&TopicConfig> {
        if default_topic == topic_name::AUTO_CREATE_TOPIC && !self.options.auto_create {
            return None; // a store may still have it from when that was switched on
        }
        self.get(default_topic).filter(|example| example.perm & perm::INHERIT != 0)
    }

    /// Puts a topic that [`TopicTable::updated`] gave.
    ///
    /// # Errors
    /// [`TopicError::Full`].
    pub(crate) fn insert(&mut self, config: TopicConfig, now_ms: i64) -> Result<(), TopicError> {
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&config.topic_name) {
            return Err(TopicError::Full { topic: config.topic_name });
        }
        self.put(config, now_ms);
        Ok(())
    }

    fn put(&mut self, config: TopicConfig, now_ms: i64) {
        self.version.advance(now_ms);
        let put = TopicPut { topic: (&config).into(), version: self.version.into() };
        self.records.push(ControlRecord::TopicPut(put));
        self.topics.insert(config.topic_name.clone(), config);
    }

    fn table_of(&self, configs: impl Iterator<Item = TopicConfig>) -> TopicConfigTable {
        TopicConfigTable {
            data_version: self.version,
            topic_config_table: configs.map(|config| (config.topic_name.clone(), config)).collect(),
            ..TopicConfigTable::default()
        }
    }
}

fn config_of(topic: &str, queue_nums: i32, perm: i32) -> TopicConfig {
    TopicConfig {
        topic_name: topic.to_owned(),
        read_queue_nums: queue_nums,
        write_queue_nums: queue_nums,
        perm,
        ..TopicConfig::default()
    }
}

/// The topics a broker creates for itself at its start.
fn system_topics(options: &TopicOptions) -> Vec<TopicConfig> {
    let TopicOptions { cluster_name, broker_name, .. } = options;
    let template_perm = |usable: bool| if usable { perm::READ_WRITE | perm::INHERIT } else { perm::INHERIT };
    let read_write = |topic: &str, queue_nums| config_of(topic, queue_nums, perm::READ_WRITE);
    let mut topics = vec![
        read_write(topic_name::SELF_TEST_TOPIC, 1),
        read_write(topic_name::BENCHMARK_TOPIC, BENCHMARK_QUEUE_NUMS),
        config_of(cluster_name, QUEUE_NUMS_DEFAULT, template_perm(options.cluster_topic)),
        config_of(broker_name, 1, template_perm(options.broker_topic)),
        read_write(topic_name::OFFSET_MOVED_TOPIC, 1),
        read_write(topic_name::SCHEDULE_TOPIC, options.delay_level_max.max(SCHEDULE_QUEUE_NUMS_MIN)),
        read_write(&format!("{cluster_name}{}", topic_name::REPLY_TOPIC_SUFFIX), 1),
        read_write(&format!("{}{cluster_name}", topic_name::REVIVE_TOPIC_PREFIX), REVIVE_QUEUE_NUMS),
        config_of(&format!("rmq_sys_SYNC_BROKER_MEMBER_{broker_name}"), 1, perm::INHERIT),
        read_write(topic_name::TRANS_HALF_TOPIC, 1),
        read_write(topic_name::TRANS_OP_HALF_TOPIC, 1),
        read_write(topic_name::TIMER_TOPIC, 1),
    ];
    if options.auto_create {
        let queue_nums = options.default_queue_nums;
        topics.push(config_of(topic_name::AUTO_CREATE_TOPIC, queue_nums, template_perm(true)));
    }
    topics.extend(options.trace_topic.iter().map(|topic| read_write(topic, 1)));
    topics
}

impl From<&TopicConfig> for StoredTopic {
    fn from(config: &TopicConfig) -> Self {
        Self {
            name: config.topic_name.clone(),
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            filter_type: config.topic_filter_type.name().to_owned(),
            topic_sys_flag: config.topic_sys_flag,
            order: config.order,
            attributes: config.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

impl From<&StoredTopic> for TopicConfig {
    fn from(stored: &StoredTopic) -> Self {
        Self {
            topic_name: stored.name.clone(),
            read_queue_nums: stored.read_queue_nums,
            write_queue_nums: stored.write_queue_nums,
            perm: stored.perm,
            topic_filter_type: TopicFilterType::from_name(&stored.filter_type).unwrap_or_default(),
            topic_sys_flag: stored.topic_sys_flag,
            order: stored.order,
            attributes: stored.attributes.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
