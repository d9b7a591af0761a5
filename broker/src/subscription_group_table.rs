//! The consumer groups of one shard and their settings.

use crate::attribute_changes::{AttributeChanges, AttributeError};
use crate::control_record::{CONTROL_RECORD_BYTES_MAX, ControlRecord, GroupDelete, GroupPut, StoredVersion};
use crate::topic_table::QUEUE_NUMS_MAX;
use protocol::ResponseCode;
use protocol::body::{
    DataVersion, GroupRetryPolicy, SubscriptionGroupConfig, SubscriptionGroupTable as GroupTableBody,
};
use protocol::topic_name::{self, NameError};
use std::collections::BTreeMap;
use storage::encode_fields_in_turns;
use thiserror::Error;

/// Groups of one shard. When full, no more are created.
pub const GROUPS_MAX: usize = 100_000;

/// Retry policy and fixed subscriptions of a group, as text: its record has to fit in one log entry's control part.
pub const PASSED_THROUGH_BYTES_MAX: usize = CONTROL_RECORD_BYTES_MAX / 2;

/// Groups a broker creates at its start. Consoles ask every broker for its groups, and take an empty table for a
/// failure.
const GROUPS_AT_START: [&str; 8] = [
    topic_name::TOOLS_GROUP,
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// From the broker's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOptions {
    /// `autoCreateSubscriptionGroup`: whether a group that is not known is created when it is first used.
    pub auto_create: bool,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { auto_create: true }
    }
}

/// Why a group cannot be used or changed. The text is the answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupError {
    /// The name is not one a group can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no such group, and it may not be created.
    #[error("Group {group} not exist!")]
    NotExist {
        /// Its name.
        group: String,
    },
    /// A number of retry queues that is none.
    #[error("group[{group}] cannot have {queue_nums} retry queues, wanted 0 to {QUEUE_NUMS_MAX}")]
    QueueNums {
        /// The group.
        group: String,
        /// As received.
        queue_nums: i32,
    },
    /// Parts that are only passed through, and longer than is kept.
    #[error("settings of group[{group}] take {bytes} bytes as text, at most {PASSED_THROUGH_BYTES_MAX} are kept")]
    TooLong {
        /// The group.
        group: String,
        /// As received.
        bytes: usize,
    },
    /// The attributes cannot be changed so.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// [`GROUPS_MAX`] is reached.
    #[error("group[{group}] was not created, this broker has {GROUPS_MAX} groups already")]
    Full {
        /// The one too many.
        group: String,
    },
}

impl GroupError {
    /// The code that tells a client so.
    pub fn response_code(&self) -> ResponseCode {
        match self {
            Self::Name(_) | Self::QueueNums { .. } | Self::TooLong { .. } => ResponseCode::INVALID_PARAMETER,
            Self::NotExist { .. } => ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            Self::Attribute(_) | Self::Full { .. } => ResponseCode::SYSTEM_ERROR,
        }
    }
}

/// A group as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredGroup {
    /// Name.
    pub name: String,
    /// Ascending by key.
    pub attributes: Vec<(String, String)>,
    /// Broker id to consume from.
    pub broker_id: i64,
    /// Broadcasting is allowed.
    pub consume_broadcast_enable: bool,
    /// Consuming is allowed.
    pub consume_enable: bool,
    /// A new group may start at the beginning.
    pub consume_from_min_enable: bool,
    /// In order.
    pub consume_message_orderly: bool,
    /// Minutes until a message counts as not consumed.
    pub consume_timeout_minute: i32,
    /// JSON text: its members are passed through, not understood.
    pub group_retry_policy: String,
    /// 1 unit.
    pub group_sys_flag: i32,
    /// Tell the members when one comes or goes.
    pub notify_consumer_ids_changed_enable: bool,
    /// Deliveries before a message is dead.
    pub retry_max_times: i32,
    /// Queues of the retry topic.
    pub retry_queue_nums: i32,
    /// JSON text, as above.
    pub subscription_data_set: Option<String>,
    /// Broker id to suggest to a consumer that is far behind.
    pub which_broker_when_consume_slowly: i64,
}

/// All that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct GroupTableSnapshot {
    /// Ascending by name.
    pub groups: Vec<StoredGroup>,
    /// Version of the table.
    pub version: StoredVersion,
}

encode_fields_in_turns!(GroupTableSnapshot, GroupTableSnapshotResolver { groups, version });

/// Groups by name. Every change counts up the version, by which replicas know that they are behind.
#[derive(Debug)]
pub struct SubscriptionGroupTable {
    groups: BTreeMap<String, SubscriptionGroupConfig>,
    options: GroupOptions,
    version: DataVersion,
    records: Vec<ControlRecord>,
}

impl SubscriptionGroupTable {
    /// Without any group: call [`SubscriptionGroupTable::create_system_groups`] once what was stored is back.
    pub fn new(options: GroupOptions, now_ms: i64) -> Self {
        let version = DataVersion { timestamp: now_ms, ..DataVersion::default() };
        Self { groups: BTreeMap::new(), options, version, records: Vec::new() }
    }

    /// The table as it was when the snapshot was taken. Nothing in it counts as changed.
    pub fn restore(options: GroupOptions, snapshot: &GroupTableSnapshot) -> Self {
        let mut table = Self::new(options, 0);
        table.version = snapshot.version.into();
        table.groups.extend(snapshot.groups.iter().map(|group| (group.name.clone(), group.into())));
        table
    }

    /// All that survives a restart.
    pub fn snapshot(&self) -> GroupTableSnapshot {
        let groups = self.groups.values().map(StoredGroup::from).collect();
        GroupTableSnapshot { groups, version: self.version.into() }
    }

    /// Creates those system groups that are missing. One that an operator changed stays as it is.
    pub fn create_system_groups(&mut self, now_ms: i64) {
        for group in GROUPS_AT_START {
            if !self.groups.contains_key(group) {
                self.put(config_of(group), now_ms);
            }
        }
    }

    /// The group's settings.
    pub fn get(&self, group: &str) -> Option<&SubscriptionGroupConfig> {
        self.groups.get(group)
    }

    /// The group's settings, or the error a commit or query answers.
    ///
    /// # Errors
    /// [`GroupError::NotExist`].
    pub fn require(&self, group: &str) -> Result<&SubscriptionGroupConfig, GroupError> {
        self.get(group).ok_or_else(|| GroupError::NotExist { group: group.to_owned() })
    }

    /// The group's settings, with the defaults if it is used for the first time and may be created.
    ///
    /// # Errors
    /// [`GroupError::NotExist`] if it may not, or its name is none a group can have; [`GroupError::Full`].
    pub fn auto_create(&mut self, group: &str, now_ms: i64) -> Result<&SubscriptionGroupConfig, GroupError> {
        if !self.groups.contains_key(group) {
            let may = self.options.auto_create || topic_name::is_system_group(group);
            if !may || topic_name::validate_group(group).is_err() {
                return Err(GroupError::NotExist { group: group.to_owned() });
            }
            self.insert(config_of(group), now_ms)?;
        }
        Ok(&self.groups[group])
    }

    /// All groups, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = &SubscriptionGroupConfig> {
        self.groups.values()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group, not even the system's.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Counts the changes.
    pub fn version(&self) -> DataVersion {
        self.version
    }

    /// An operator creates or changes a group (200, 225). Attributes of `config` are changes, `+key` and `-key`, to
    /// those the group has. False if it was like that already.
    ///
    /// # Errors
    /// [`GroupError`]; nothing is changed then.
    pub fn update(&mut self, config: SubscriptionGroupConfig, now_ms: i64) -> Result<bool, GroupError> {
        let Some(config) = self.updated(config)? else { return Ok(false) };
        self.insert(config, now_ms)?;
        Ok(true)
    }

    /// The group as [`SubscriptionGroupTable::update`] would leave it; `None` if it is like that already.
    ///
    /// # Errors
    /// [`GroupError`], but for [`GroupError::Full`].
    pub fn updated(&self, config: SubscriptionGroupConfig) -> Result<Option<SubscriptionGroupConfig>, GroupError> {
        topic_name::validate_group(&config.group_name)?;
        if !(0..=QUEUE_NUMS_MAX).contains(&config.retry_queue_nums) {
            let queue_nums = config.retry_queue_nums;
            return Err(GroupError::QueueNums { group: config.group_name, queue_nums });
        }
        let stored = StoredGroup::from(&config);
        let bytes = stored.group_retry_policy.len() + stored.subscription_data_set.map_or(0, |text| text.len());
        if bytes > PASSED_THROUGH_BYTES_MAX {
            return Err(GroupError::TooLong { group: config.group_name, bytes });
        }
        let current = self.get(&config.group_name);
        // This broker has no group attributes yet, so any change of one is refused by name.
        let changes = AttributeChanges::from_map(&config.attributes)?;
        let attributes = changes.apply(&[], current.map(|current| &current.attributes))?;
        let config = SubscriptionGroupConfig { attributes, ..config };
        Ok((current != Some(&config)).then_some(config))
    }

    /// Groups that can still be created.
    pub fn room(&self) -> usize {
        GROUPS_MAX.saturating_sub(self.groups.len())
    }

    /// Whether consumers create groups from now on.
    pub fn set_auto_create(&mut self, auto_create: bool) {
        self.options.auto_create = auto_create;
    }

    /// An operator deletes a group. False if there is none.
    pub fn delete(&mut self, group: &str, now_ms: i64) -> bool {
        if self.groups.remove(group).is_none() {
            return false;
        }
        self.version.advance(now_ms);
        let delete = GroupDelete { group: group.to_owned(), version: self.version.into() };
        self.records.push(ControlRecord::GroupDelete(delete));
        true
    }

    /// Body of request 201.
    pub fn config_table(&self) -> GroupTableBody {
        self.config_table_part(0, usize::MAX)
    }

    /// A part of the table for replicas that fetch it so: groups `first..first + groups_max`, ascending by name.
    pub fn config_table_part(&self, first: usize, groups_max: usize) -> GroupTableBody {
        let part = self.groups.iter().skip(first).take(groups_max);
        GroupTableBody {
            data_version: self.version,
            subscription_group_table: part.map(|(group, config)| (group.clone(), config.clone())).collect(),
            ..GroupTableBody::default()
        }
    }

    /// Moves all changes since the last call to the end of `records`.
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        records.append(&mut self.records);
    }

    /// Replays a change.
    pub(crate) fn apply_put(&mut self, put: &GroupPut) {
        self.groups.insert(put.group.name.clone(), (&put.group).into());
        self.version = put.version.into();
    }

    /// Replays a deletion.
    pub(crate) fn apply_delete(&mut self, delete: &GroupDelete) {
        self.groups.remove(&delete.group);
        self.version = delete.version.into();
    }

    /// Puts a group that [`SubscriptionGroupTable::updated`] gave.
    ///
    /// # Errors
    /// [`GroupError::Full`].
    pub(crate) fn insert(&mut self, config: SubscriptionGroupConfig, now_ms: i64) -> Result<(), GroupError> {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&config.group_name) {
            return Err(GroupError::Full { group: config.group_name });
        }
        self.put(config, now_ms);
        Ok(())
    }

    fn put(&mut self, config: SubscriptionGroupConfig, now_ms: i64) {
        self.version.advance(now_ms);
        let put = GroupPut { group: (&config).into(), version: self.version.into() };
        self.records.push(ControlRecord::GroupPut(put));
        self.groups.insert(config.group_name.clone(), config);
    }
}

fn config_of(group: &str) -> SubscriptionGroupConfig {
    SubscriptionGroupConfig { group_name: group.to_owned(), ..SubscriptionGroupConfig::default() }
}

impl From<&SubscriptionGroupConfig> for StoredGroup {
    fn from(config: &SubscriptionGroupConfig) -> Self {
        let text = |value: &serde_json::Value| value.to_string();
        let policy = serde_json::to_value(&config.group_retry_policy).unwrap_or_default();
        let subscriptions = config.subscription_data_set.clone().map(serde_json::Value::Array);
        Self {
            name: config.group_name.clone(),
            attributes: config.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            broker_id: config.broker_id,
            consume_broadcast_enable: config.consume_broadcast_enable,
            consume_enable: config.consume_enable,
            consume_from_min_enable: config.consume_from_min_enable,
            consume_message_orderly: config.consume_message_orderly,
            consume_timeout_minute: config.consume_timeout_minute,
            group_retry_policy: text(&policy),
            group_sys_flag: config.group_sys_flag,
            notify_consumer_ids_changed_enable: config.notify_consumer_ids_changed_enable,
            retry_max_times: config.retry_max_times,
            retry_queue_nums: config.retry_queue_nums,
            subscription_data_set: subscriptions.as_ref().map(text),
            which_broker_when_consume_slowly: config.which_broker_when_consume_slowly,
        }
    }
}

impl From<&StoredGroup> for SubscriptionGroupConfig {
    fn from(stored: &StoredGroup) -> Self {
        Self {
            group_name: stored.name.clone(),
            attributes: stored.attributes.iter().cloned().collect(),
            broker_id: stored.broker_id,
            consume_broadcast_enable: stored.consume_broadcast_enable,
            consume_enable: stored.consume_enable,
            consume_from_min_enable: stored.consume_from_min_enable,
            consume_message_orderly: stored.consume_message_orderly,
            consume_timeout_minute: stored.consume_timeout_minute,
            group_retry_policy: retry_policy_of(&stored.group_retry_policy),
            group_sys_flag: stored.group_sys_flag,
            notify_consumer_ids_changed_enable: stored.notify_consumer_ids_changed_enable,
            retry_max_times: stored.retry_max_times,
            retry_queue_nums: stored.retry_queue_nums,
            subscription_data_set: stored.subscription_data_set.as_deref().and_then(|t| serde_json::from_str(t).ok()),
            which_broker_when_consume_slowly: stored.which_broker_when_consume_slowly,
        }
    }
}

/// A text that a checksum let through and that still is no policy is the default: a group must not keep a store
/// from starting.
fn retry_policy_of(text: &str) -> GroupRetryPolicy {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
