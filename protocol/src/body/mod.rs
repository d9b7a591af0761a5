//! JSON bodies, a family a file. Every type has `decode` and `encode`.
//!
//! Written: keys in alphabetical order, nothing for an absent value, no white space, integer map keys quoted, object
//! map keys in the reference's own form (see [`fastjson`]). Read: all of that, in the tolerant way the reference
//! reads: unknown keys are ignored, a missing key or `null` is the default, numbers may be quoted where some client
//! quotes them.

/// Implements `decode` and `encode` by way of serde.
macro_rules! json_body {
    ($($type:ident),* $(,)?) => {
        $(impl $type {
            /// Reads the JSON text of a body.
            ///
            /// # Errors
            /// [`crate::body::BodyError`] if it is no JSON, or not of this shape.
            pub fn decode(body: &[u8]) -> Result<Self, crate::body::BodyError> {
                crate::body::fastjson::decode(stringify!($type), body)
            }

            /// The JSON text.
            pub fn encode(&self) -> Vec<u8> {
                crate::body::fastjson::to_json(self)
            }
        })*
    };
}

pub mod assignment;
pub mod batch_ack;
pub mod broker_stats;
pub mod cluster_info;
pub mod connection;
pub mod consume_stats;
pub mod consume_time_span;
pub mod consumer_offset_table;
pub mod consumer_running_info;
pub mod data_version;
mod error;
pub mod fastjson;
pub mod ha_status;
pub mod heartbeat;
pub mod id_list;
pub mod kv_table;
pub mod lock_batch;
pub mod master_slave_state;
pub mod member_change;
pub mod message_queue;
pub mod message_request_mode;
mod named_enum;
pub mod producer_table;
pub mod queue_offsets;
pub mod queue_units;
pub mod register_broker;
pub mod replication_status;
pub mod route;
pub mod subscription_group;
pub mod timer_metrics;
pub mod topic_config;
pub mod topic_list;
pub mod topic_stats;

pub use assignment::{AssignmentQuery, Assignments, QueueAssignment};
pub use batch_ack::{BatchAck, QueueAcks};
pub use broker_stats::{BrokerStatsData, BrokerStatsItem};
pub use cluster_info::ClusterInfo;
pub use connection::{Connection, ConsumerConnection, ProducerConnection};
pub use consume_stats::{ConsumeOffsets, ConsumeStats, ConsumeStatsList};
pub use consume_time_span::{ConsumeTimeSpan, QueueTimeSpan};
pub use consumer_offset_table::{ConsumerOffsetTable, CorrectionOffsets, DelayOffsetTable};
pub use consumer_running_info::{ConsumeStatus, ConsumerRunningInfo, PopProcessQueueInfo, ProcessQueueInfo};
pub use data_version::DataVersion;
pub use error::BodyError;
pub use ha_status::{HaClientStatus, HaConnectionStatus, HaStatus};
pub use heartbeat::{
    ConsumeFromWhere, ConsumeType, ConsumerData, HeartbeatData, MessageModel, ProducerData, SubscriptionData,
};
pub use id_list::{ConsumerIdList, GroupList};
pub use kv_table::KvTable;
pub use lock_batch::{LockBatchRequest, LockBatchResponse};
pub use master_slave_state::{MasterSlavePart, MasterSlaveState};
pub use member_change::MemberChange;
pub use message_queue::MessageQueue;
pub use message_request_mode::{MessageRequestMode, MessageRequestModes};
pub use producer_table::{ProducerInfo, ProducerTable};
pub use queue_offsets::{ClientOffsets, ConsumerStatus, QueueOffsets};
pub use queue_units::{QueueUnit, QueueUnits};
pub use register_broker::RegisterBrokerBody;
pub use replication_status::{
    Extent, FollowerStatus, IN_SYNC_GAP_BYTES, Lag, LogPlace, MemberPlace, MembersStatus, ReplicaHistory, ReplicaRole,
    ReplicationStatus,
};
pub use route::{BrokerData, QueueData, TopicRouteData};
pub use subscription_group::{
    GroupRetryPolicy, SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupTable,
};
pub use timer_metrics::{TimerMetrics, TimingCount};
pub use topic_config::{TopicConfig, TopicConfigList, TopicConfigTable, TopicFilterType};
pub use topic_list::TopicList;
pub use topic_stats::{TopicOffsets, TopicStatsTable};
