//! Locks of orderly consumers (41, 42).

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::message_queue::MessageQueue;

/// Which queues a client wants to lock or unlock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchRequest {
    /// The owner.
    pub client_id: String,
    /// Its group.
    pub consumer_group: String,
    /// The queues.
    pub mq_set: BTreeSet<MessageQueue>,
    /// Do not ask the replicas; the Go client never says.
    pub only_this_broker: bool,
}

/// Which of them it has locked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LockBatchResponse {
    /// The queues.
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: BTreeSet<MessageQueue>,
}

json_body!(LockBatchRequest, LockBatchResponse);
