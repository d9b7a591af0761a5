//! Positions: of a queue, and of a group in it.

use protocol::body::MessageQueue;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;

use super::Consumer;
use crate::error::ClientError;

impl Consumer {
    /// The first message of a queue that is still there.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked; as for all calls here.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.queue_offset(queue, RequestCode::GET_MIN_OFFSET, |_| {}).await
    }

    /// One past the last message of a queue.
    ///
    /// # Errors
    /// As [`Consumer::min_offset`].
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.queue_offset(queue, RequestCode::GET_MAX_OFFSET, |_| {}).await
    }

    /// The first message stored at or after a time, in ms since 1970; the queue's end if there is none.
    ///
    /// # Errors
    /// As [`Consumer::min_offset`].
    pub async fn offset_at(&self, queue: &MessageQueue, timestamp: i64) -> Result<i64, ClientError> {
        self.queue_offset(queue, RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, |header| {
            header.field("timestamp", timestamp);
        })
        .await
    }

    /// The group's offset in a queue; `None` when it has none yet.
    ///
    /// # Errors
    /// As [`Consumer::min_offset`].
    pub async fn consumer_offset(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        let address = self.client.queue_address(queue).await?;
        let fields = |header: &mut CommandEncoder<'_>| self.write_queue(header, queue);
        let answer = self.client.request(&address, RequestCode::QUERY_CONSUMER_OFFSET, &[], fields).await?;
        if answer.response() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(None);
        }
        answer.success()?.field("offset").map(Some)
    }

    /// Stores the group's offset in a queue: the number of the next message to consume.
    ///
    /// # Errors
    /// As [`Consumer::min_offset`].
    pub async fn commit_offset(&self, queue: &MessageQueue, offset: i64) -> Result<(), ClientError> {
        let address = self.client.queue_address(queue).await?;
        let fields = |header: &mut CommandEncoder<'_>| self.write_commit(header, queue, offset);
        self.client.request(&address, RequestCode::UPDATE_CONSUMER_OFFSET, &[], fields).await?.success()?;
        Ok(())
    }

    /// The same without waiting for an answer, as running consumers do every few seconds.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub async fn commit_offset_oneway(&self, queue: &MessageQueue, offset: i64) -> Result<(), ClientError> {
        let address = self.client.queue_address(queue).await?;
        let fields = |header: &mut CommandEncoder<'_>| self.write_commit(header, queue, offset);
        self.client.oneway(&address, RequestCode::UPDATE_CONSUMER_OFFSET, &[], fields).await
    }

    fn write_commit(&self, header: &mut CommandEncoder<'_>, queue: &MessageQueue, offset: i64) {
        self.write_queue(header, queue);
        header.field("commitOffset", offset);
    }

    async fn queue_offset(
        &self,
        queue: &MessageQueue,
        code: RequestCode,
        more: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<i64, ClientError> {
        let address = self.client.queue_address(queue).await?;
        let fields = |header: &mut CommandEncoder<'_>| {
            header
                .field("topic", queue.topic.as_str())
                .field("queueId", queue.queue_id)
                .field("bname", queue.broker_name.as_str());
            more(header);
        };
        self.client.request(&address, code, &[], fields).await?.success()?.field("offset")
    }
}
