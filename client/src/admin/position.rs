//! Where groups are in their queues, and moving them.

use std::time::Duration;

use protocol::body::{
    ConsumeStats, ConsumeStatsList, ConsumerOffsetTable, ConsumerStatus, MessageQueue, QueueOffsets, QueueUnits,
    TimerMetrics,
};
use protocol::code::{RequestCode, ResponseCode};

use super::Admin;
use super::group::RELAY_TIMEOUT;
use crate::error::ClientError;

/// What a group is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetReset<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The group.
    pub group: &'a str,
    /// The first message stored from then on, in ms since 1970; -1 is the end.
    pub timestamp: i64,
    /// Also forward, past messages that are not consumed yet. Brokers that keep the reset to themselves do not look at it.
    pub is_forced: bool,
    /// One queue, else all.
    pub queue_id: Option<i32>,
    /// This offset instead of a time; brokers before 5.0 do not know it.
    pub offset: Option<i64>,
}

impl Admin {
    /// Where a group is in its queues on a broker; of one topic, or of all that it consumes. Empty for an unknown group.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked; as for all calls here.
    pub async fn consume_stats(
        &self,
        broker_address: &str,
        group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, ClientError> {
        let answer = self.request(broker_address, RequestCode::GET_CONSUME_STATS, |header| {
            header.field("consumerGroup", group);
            if let Some(topic) = topic {
                header.field("topic", topic);
            }
        });
        answer.await?.body(ConsumeStats::decode)
    }

    /// Where all groups of a broker are.
    ///
    /// # Errors
    /// As [`Admin::consume_stats`].
    pub async fn broker_consume_stats(
        &self,
        broker_address: &str,
        is_order: bool,
        deadline: Duration,
    ) -> Result<ConsumeStatsList, ClientError> {
        let code = RequestCode::GET_BROKER_CONSUME_STATS;
        let answer = self.client.request_within(broker_address, code, deadline, &[], |header| {
            header.field("isOrder", is_order);
        });
        answer.await?.success()?.body(ConsumeStatsList::decode)
    }

    /// The offsets of all groups of a broker.
    ///
    /// # Errors
    /// As [`Admin::consume_stats`].
    pub async fn consumer_offsets(&self, broker_address: &str) -> Result<ConsumerOffsetTable, ClientError> {
        let code = RequestCode::GET_ALL_CONSUMER_OFFSET;
        self.request(broker_address, code, |_| {}).await?.body(ConsumerOffsetTable::decode)
    }

    /// The timers of a broker that are not due yet, by topic; `None` of a broker that has no timers.
    ///
    /// # Errors
    /// Why the broker could not be asked.
    pub async fn timer_metrics(&self, broker_address: &str) -> Result<Option<TimerMetrics>, ClientError> {
        let answer = self.client.request(broker_address, RequestCode::GET_TIMER_METRICS, &[], |_| {}).await?;
        // An original broker without its wheel says 1, one of before 5.0 does not know the request.
        if matches!(answer.response(), ResponseCode::SYSTEM_ERROR | ResponseCode::REQUEST_CODE_NOT_SUPPORTED) {
            return Ok(None);
        }
        answer.success()?.body(TimerMetrics::decode).map(Some)
    }

    /// Sets a group's offsets on a broker and returns them.
    ///
    /// # Errors
    /// As [`Admin::consume_stats`]; CONSUMER_NOT_ONLINE from a broker that leaves the reset to the group's members.
    pub async fn reset_offset(
        &self,
        broker_address: &str,
        reset: OffsetReset<'_>,
    ) -> Result<QueueOffsets, ClientError> {
        let answer = self.request(broker_address, RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, |header| {
            header
                .field("topic", reset.topic)
                .field("group", reset.group)
                .field("timestamp", reset.timestamp)
                .field("isForce", reset.is_forced)
                .field("queueId", reset.queue_id.unwrap_or(-1));
            if let Some(offset) = reset.offset {
                header.field("offset", offset);
            }
        });
        answer.await?.body(QueueOffsets::decode)
    }

    /// Stores a group's offset in a queue.
    ///
    /// # Errors
    /// As [`Admin::consume_stats`].
    pub async fn commit_offset(
        &self,
        broker_address: &str,
        group: &str,
        queue: &MessageQueue,
        offset: i64,
    ) -> Result<(), ClientError> {
        self.request(broker_address, RequestCode::UPDATE_CONSUMER_OFFSET, |header| {
            header
                .field("consumerGroup", group)
                .field("topic", queue.topic.as_str())
                .field("queueId", queue.queue_id)
                .field("commitOffset", offset)
                .field("bname", queue.broker_name.as_str());
        })
        .await?;
        Ok(())
    }

    /// Where the members of a group say they are, by client; of one client, or of all.
    ///
    /// # Errors
    /// As [`Admin::consume_stats`].
    pub async fn consumer_status(
        &self,
        broker_address: &str,
        topic: &str,
        group: &str,
        client_id: Option<&str>,
    ) -> Result<ConsumerStatus, ClientError> {
        let code = RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS;
        let answer = self.client.request_within(broker_address, code, RELAY_TIMEOUT, &[], |header| {
            header.field("topic", topic).field("group", group);
            if let Some(client_id) = client_id {
                header.field("clientAddr", client_id);
            }
        });
        answer.await?.success()?.body(ConsumerStatus::decode)
    }

    /// Entries of a ConsumeQueue from `index` on.
    ///
    /// # Errors
    /// As [`Admin::consume_stats`].
    pub async fn queue_units(
        &self,
        broker_address: &str,
        queue: (&str, i32),
        index: i64,
        count: i32,
        group: Option<&str>,
    ) -> Result<QueueUnits, ClientError> {
        let answer = self.request(broker_address, RequestCode::QUERY_CONSUME_QUEUE, |header| {
            header.field("topic", queue.0).field("queueId", queue.1).field("index", index).field("count", count);
            if let Some(group) = group {
                header.field("consumerGroup", group);
            }
        });
        answer.await?.body(QueueUnits::decode)
    }
}
