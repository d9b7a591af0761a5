//! What of POP stands in control records and checkpoints.

use storage::encode_fields_in_turns;

use super::OrderedPop;

/// Messages of one queue that were popped by one group and are invisible alike.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredPop {
    /// The group.
    pub group: String,
    /// The topic that they lie in, which may be a retry topic.
    pub topic: String,
    /// Their queue.
    pub queue_id: i32,
    /// When they were popped, or their time changed last, ms since 1970.
    pub pop_ms: i64,
    /// When they are visible again, ms since 1970.
    pub due_ms: i64,
    /// Being visible again does not count as consumed in vain.
    pub is_suspended: bool,
    /// Their queue offsets, ascending.
    pub offsets: Vec<u64>,
}

/// Messages that are invisible no more: acknowledged, or stored anew.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredPopEnds {
    /// The group.
    pub group: String,
    /// The topic that they lie in.
    pub topic: String,
    /// Their queue.
    pub queue_id: i32,
    /// Their queue offsets, ascending.
    pub offsets: Vec<u64>,
}

/// The ordered pop of one queue and group, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredOrderedPop {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The queue.
    pub queue_id: i32,
    /// `None`: there is none any more.
    pub state: Option<OrderedPop>,
}

/// All that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PopTableSnapshot {
    /// Invisible messages, ascending by group, topic, queue, pop time and offset.
    pub invisible: Vec<StoredPop>,
    /// Ordered pops, ascending by group, topic and queue.
    pub ordered: Vec<StoredOrderedPop>,
}

encode_fields_in_turns!(PopTableSnapshot, PopTableSnapshotResolver { invisible, ordered });
