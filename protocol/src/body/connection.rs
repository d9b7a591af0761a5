//! Who is connected (203, 204).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::heartbeat::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use crate::language::Language;

/// One connection of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    /// `ip:port`.
    pub client_addr: String,
    /// The client.
    pub client_id: String,
    /// What it is written in.
    pub language: Language,
    /// Its version, an ordinal.
    pub version: i32,
}

/// The connections of a consumer group. Set and table are written even when empty: tools use them unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerConnection {
    /// The connections.
    pub connection_set: Vec<Connection>,
    /// Where the group starts.
    pub consume_from_where: ConsumeFromWhere,
    /// How it gets messages.
    pub consume_type: ConsumeType,
    /// Who of it gets a message.
    pub message_model: MessageModel,
    /// What it listens to, by topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// The connections of a producer group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    /// The connections.
    pub connection_set: Vec<Connection>,
}

json_body!(ConsumerConnection, ProducerConnection);
