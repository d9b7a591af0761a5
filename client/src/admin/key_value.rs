//! Small settings that name servers keep for everybody, such as the queue order of ordered topics.

use protocol::code::{RequestCode, ResponseCode};

use super::Admin;
use crate::error::ClientError;

/// Namespace of the queue order of topics: topic to `broker:queues;broker:queues`.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

impl Admin {
    /// Stores a value at every name server.
    ///
    /// # Errors
    /// The first name server's failure; the others are told all the same.
    pub async fn put_key_value(&self, namespace: &str, key: &str, value: &str) -> Result<(), ClientError> {
        self.client
            .tell_name_servers(RequestCode::PUT_KV_CONFIG, |header| {
                header.field("namespace", namespace).field("key", key).field("value", value);
            })
            .await
    }

    /// A value, from one name server; `None` if there is none.
    ///
    /// # Errors
    /// The name server's refusal, or why none could be asked.
    pub async fn key_value(&self, namespace: &str, key: &str) -> Result<Option<String>, ClientError> {
        let answer = self
            .client
            .ask_name_server(RequestCode::GET_KV_CONFIG, |header| {
                header.field("namespace", namespace).field("key", key);
            })
            .await?;
        if answer.response() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(None);
        }
        answer.success()?.field("value").map(Some)
    }

    /// Removes a value at every name server.
    ///
    /// # Errors
    /// The first name server's failure; the others are told all the same.
    pub async fn delete_key_value(&self, namespace: &str, key: &str) -> Result<(), ClientError> {
        self.client
            .tell_name_servers(RequestCode::DELETE_KV_CONFIG, |header| {
                header.field("namespace", namespace).field("key", key);
            })
            .await
    }
}
