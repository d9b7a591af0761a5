//! Reading messages: pulls and positions here, what a group's members have to tell brokers in `group`.
//!
//! This is the plain part every consumer is built on. There is no rebalance and no listener: the caller says which
//! queue to read from where.

mod group;
mod offsets;

use std::sync::Arc;
use std::time::Duration;

use protocol::body::MessageQueue;
use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use protocol::sys_flag::PullSysFlag;

use crate::client::Client;
use crate::error::ClientError;
use crate::filter::Filter;
use crate::pull_result::PullResult;

pub use self::group::Subscription;

/// Time a broker may take on top of the hold time: the reference finds held pulls that have run out by a sweep every
/// five seconds.
const HOLD_SLACK: Duration = Duration::from_secs(10);

/// A consumer of one group.
#[derive(Clone, Debug)]
pub struct Consumer {
    client: Client,
    group: Arc<str>,
}

/// What a pull may do besides reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// How long the broker may hold the request when there is no message; `None` answers at once.
    pub hold: Option<Duration>,
    /// A consumer offset to store along with the pull.
    pub commit_offset: Option<i64>,
    /// The replica to read from; the one the last answer suggested.
    pub broker_id: i64,
}

impl Consumer {
    /// A consumer of `group`.
    #[must_use]
    pub fn new(client: &Client, group: &str) -> Self {
        Self { client: client.clone(), group: Arc::from(group) }
    }

    /// Its group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The queues of a topic that can be read, in the order every client sees them.
    ///
    /// # Errors
    /// When the topic has no route, or no readable queue.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        let route = self.client.route(topic).await?;
        match route.readable_queues() {
            [] => Err(ClientError::NoQueue { topic: topic.to_owned(), access: "readable" }),
            queues => Ok(queues.to_vec()),
        }
    }

    /// Reads up to `count_max` messages from `offset` on, and answers at once.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn pull(
        &self,
        queue: &MessageQueue,
        offset: i64,
        count_max: i32,
        filter: &Filter,
    ) -> Result<PullResult, ClientError> {
        self.pull_with(queue, offset, count_max, filter, PullOptions::default()).await
    }

    /// The same; when there is no message, waits up to `hold` for one.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn pull_held(
        &self,
        queue: &MessageQueue,
        offset: i64,
        count_max: i32,
        filter: &Filter,
        hold: Duration,
    ) -> Result<PullResult, ClientError> {
        let options = PullOptions { hold: Some(hold), ..PullOptions::default() };
        self.pull_with(queue, offset, count_max, filter, options).await
    }

    /// The same with all options.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn pull_with(
        &self,
        queue: &MessageQueue,
        offset: i64,
        count_max: i32,
        filter: &Filter,
        options: PullOptions,
    ) -> Result<PullResult, ClientError> {
        let address = self.client.replica_address(queue, options.broker_id).await?;
        let hold = options.hold.unwrap_or_default();
        // The subscription travels with the pull, so no heartbeat has to come first.
        let mut sys_flag = PullSysFlag::SUBSCRIPTION;
        if options.hold.is_some() {
            sys_flag |= PullSysFlag::SUSPEND;
        }
        if options.commit_offset.is_some() {
            sys_flag |= PullSysFlag::COMMIT_OFFSET;
        }
        let fields = |header: &mut CommandEncoder<'_>| {
            self.write_queue(header, queue);
            header
                .field("queueOffset", offset)
                .field("maxMsgNums", count_max)
                .field("sysFlag", sys_flag)
                .field("commitOffset", options.commit_offset.unwrap_or(0))
                .field("suspendTimeoutMillis", u64::try_from(hold.as_millis()).unwrap_or(u64::MAX))
                .field("subscription", filter.expression())
                .field("subVersion", 0)
                .field("expressionType", filter.expression_type());
        };
        let mut deadline = self.client.options().request_timeout;
        if options.hold.is_some() {
            deadline += hold + HOLD_SLACK;
        }
        let answer = self.client.request_within(&address, RequestCode::PULL_MESSAGE, deadline, &[], fields).await;
        let result = answer.and_then(|answer| PullResult::from_answer(answer, filter));
        if result.as_ref().is_err_and(ClientError::is_transport) {
            self.client.expire_route(&queue.topic);
        }
        result
    }

    /// The fields of every request about this group and one queue.
    fn write_queue(&self, header: &mut CommandEncoder<'_>, queue: &MessageQueue) {
        header
            .field("consumerGroup", &*self.group)
            .field("topic", queue.topic.as_str())
            .field("queueId", queue.queue_id)
            .field("bname", queue.broker_name.as_str());
    }
}
