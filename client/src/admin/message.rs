//! Single messages: by the id their broker gave them, by the id their producer gave them.

use bytes::Bytes;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;
use protocol::message_id::OffsetMessageId;

use super::Admin;
use super::group::RELAY_TIMEOUT;
use crate::error::{AnswerError, ClientError};
use crate::received_message::ReceivedMessage;

/// A search for messages of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageQuery<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The unique id, or one of the keys.
    pub key: &'a str,
    /// Whether `key` is a unique id.
    pub is_unique_id: bool,
    /// Messages wanted at most.
    pub count_max: i32,
}

/// By which of a message's names it is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexType {
    /// One of its keys.
    Key,
    /// The id its producer gave it.
    UniqueId,
    /// Its tag; brokers before 5.5 look for a key then.
    Tag,
}

/// A search for messages of a topic, within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySearch<'a> {
    /// The topic.
    pub topic: &'a str,
    /// What is searched for.
    pub key: &'a str,
    /// What that is.
    pub index: IndexType,
    /// Messages wanted at most.
    pub count_max: i32,
    /// Stored at or after, in ms since 1970.
    pub begin_timestamp: i64,
    /// Stored at or before.
    pub end_timestamp: i64,
    /// Where the answer before ended, of brokers that say so.
    pub last_key: Option<&'a str>,
}

impl Admin {
    /// The message at a place in a broker's CommitLog.
    ///
    /// # Errors
    /// The broker's refusal (SYSTEM_ERROR when no message starts there), or why it could not be asked.
    pub async fn view_message(
        &self,
        broker_address: &str,
        physical_offset: i64,
        topic: Option<&str>,
    ) -> Result<ReceivedMessage, ClientError> {
        let fields = |header: &mut CommandEncoder<'_>| {
            header.field("offset", physical_offset);
            if let Some(topic) = topic {
                header.field("topic", topic);
            }
        };
        let mut answer = self.request(broker_address, RequestCode::VIEW_MESSAGE_BY_ID, fields).await?;
        let body = Bytes::from(std::mem::take(&mut answer.command.body));
        let messages = ReceivedMessage::decode_all(&body).map_err(|source| answer.unreadable(source))?;
        messages.into_iter().next().ok_or_else(|| answer.unreadable(AnswerError::NoRecord))
    }

    /// The message an offset message id names, from the broker whose address is in it.
    ///
    /// # Errors
    /// As [`Admin::view_message`].
    pub async fn view_message_by_id(
        &self,
        id: &OffsetMessageId,
        topic: Option<&str>,
    ) -> Result<ReceivedMessage, ClientError> {
        self.view_message(&id.store_host.to_string(), id.physical_offset, topic).await
    }

    /// Messages that a broker's key index finds, oldest first. Empty when there is none.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn query_messages(
        &self,
        broker_address: &str,
        query: MessageQuery<'_>,
    ) -> Result<Vec<ReceivedMessage>, ClientError> {
        let index = if query.is_unique_id { IndexType::UniqueId } else { IndexType::Key };
        let search = KeySearch {
            topic: query.topic,
            key: query.key,
            index,
            count_max: query.count_max,
            begin_timestamp: 0,
            end_timestamp: i64::MAX,
            last_key: None,
        };
        self.search_messages(broker_address, search).await
    }

    /// The same within a time, and by tag too.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn search_messages(
        &self,
        broker_address: &str,
        search: KeySearch<'_>,
    ) -> Result<Vec<ReceivedMessage>, ClientError> {
        let fields = |header: &mut CommandEncoder<'_>| {
            header
                .field("topic", search.topic)
                .field("key", search.key)
                .field("maxNum", search.count_max)
                .field("beginTimestamp", search.begin_timestamp)
                .field("endTimestamp", search.end_timestamp)
                .field("_UNIQUE_KEY_QUERY", search.index == IndexType::UniqueId);
            if search.index == IndexType::Tag {
                header.field("indexType", "T");
            }
            if let Some(last_key) = search.last_key {
                header.field("lastKey", last_key);
            }
        };
        let mut answer = self.client.request(broker_address, RequestCode::QUERY_MESSAGE, &[], fields).await?;
        if answer.response() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(Vec::new());
        }
        answer = answer.success()?;
        let body = Bytes::from(std::mem::take(&mut answer.command.body));
        let mut messages = ReceivedMessage::decode_all(&body).map_err(|source| answer.unreadable(source))?;
        // The index compares hashes; a message with another key may come along.
        messages.retain(|message| has_key(message, search));
        messages.sort_by_key(|message| message.store_timestamp);
        Ok(messages)
    }

    /// Has a consumer consume a message now, and returns what its broker says came of it, as JSON text.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn consume_directly(
        &self,
        id: &OffsetMessageId,
        group: &str,
        client_id: &str,
        topic: &str,
    ) -> Result<String, ClientError> {
        let answer = self
            .client
            .request_within(
                &id.store_host.to_string(),
                RequestCode::CONSUME_MESSAGE_DIRECTLY,
                RELAY_TIMEOUT,
                &[],
                |header| {
                    header
                        .field("consumerGroup", group)
                        .field("clientId", client_id)
                        .field("msgId", id.to_string().as_str())
                        .field("topic", topic);
                },
            )
            .await?
            .success()?;
        Ok(String::from_utf8_lossy(&answer.command.body).into_owned())
    }
}

fn has_key(message: &ReceivedMessage, search: KeySearch<'_>) -> bool {
    if *message.topic != *search.topic {
        return false;
    }
    match search.index {
        IndexType::UniqueId => message.unique_id() == Some(search.key),
        IndexType::Key => message.keys().is_some_and(|keys| keys.split(' ').any(|key| key == search.key)),
        IndexType::Tag => message.tags() == Some(search.key),
    }
}
