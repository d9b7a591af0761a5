//! Sending messages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use protocol::batch::{BatchItem, encode_batch_item};
use protocol::body::{HeartbeatData, MessageQueue, ProducerData};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;
use protocol::properties;
use protocol::properties::PropertiesBuilder;
use tokio::task::JoinHandle;

use crate::client::{Client, now_ms};
use crate::error::ClientError;
use crate::message::Message;
use crate::queue_selection::QueueSelection;
use crate::send_result::SendResult;
use crate::topic_route::TopicRoute;

/// Settings of a producer.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Attempts after the first, each on another broker if there is one. RocketMQ: `retryTimesWhenSendFailed`.
    pub retries: u32,
    /// Template for topics that do not exist yet. RocketMQ: `createTopicKey`.
    pub default_topic: String,
    /// Queues a broker gives to a topic that it creates. RocketMQ: `defaultTopicQueueNums`.
    pub default_topic_queue_nums: i32,
    /// How long one attempt may take; the client's request timeout if not set. RocketMQ: `sendMsgTimeout`.
    pub timeout: Option<Duration>,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self { retries: 2, default_topic: "TBW102".to_owned(), default_topic_queue_nums: 4, timeout: None }
    }
}

/// Sends messages for one producer group; clones share its position in the queues. The topic's queues take turns, and
/// a failed attempt is repeated on another broker.
#[derive(Clone, Debug)]
pub struct Producer {
    client: Client,
    group: Arc<str>,
    options: Arc<ProducerOptions>,
    selection: Arc<Mutex<QueueSelection>>,
}

/// One message or batch in the form it is sent in, the same in every attempt: a repeated one keeps its unique id.
struct Outgoing<'a> {
    topic: &'a str,
    code: RequestCode,
    flag: i32,
    properties: String,
    body: Bytes,
    /// What [`SendResult::msg_id`] will be.
    msg_id: String,
}

impl Producer {
    /// A producer of `group` with the usual settings.
    #[must_use]
    pub fn new(client: &Client, group: &str) -> Self {
        Self::with_options(client, group, ProducerOptions::default())
    }

    /// A producer of `group`.
    #[must_use]
    pub fn with_options(client: &Client, group: &str, options: ProducerOptions) -> Self {
        // Any number that differs from process to process does: it only decides which queue comes first.
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos() >> 10;
        Self {
            client: client.clone(),
            group: Arc::from(group),
            options: Arc::new(options),
            selection: Arc::new(Mutex::new(QueueSelection::new(start as usize))),
        }
    }

    /// Sends a message to the next queue and waits until the broker has stored it. Many calls may run at once.
    ///
    /// # Errors
    /// The broker's refusal, or [`ClientError::NotSent`] with every attempt when more than one was made. After a lost
    /// connection or a timeout the message may have been stored all the same.
    pub async fn send(&self, message: &Message) -> Result<SendResult, ClientError> {
        self.send_with_retries(&self.outgoing(message)?).await
    }

    /// Starts sending a message and returns at once; the handle gives the result of [`Producer::send`].
    #[must_use]
    pub fn send_async(&self, message: Message) -> JoinHandle<Result<SendResult, ClientError>> {
        let producer = self.clone();
        tokio::spawn(async move { producer.send(&message).await })
    }

    /// Sends a message to one queue, without retries: who names a queue wants its order.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn send_to(&self, message: &Message, queue: &MessageQueue) -> Result<SendResult, ClientError> {
        let route = self.route(&queue.topic).await?;
        self.attempt(&self.outgoing(message)?, &route, queue).await
    }

    /// Sends a message to the next queue and wants no answer. Success means queued on the connection.
    ///
    /// # Errors
    /// When no broker can be reached.
    pub async fn send_oneway(&self, message: &Message) -> Result<(), ClientError> {
        let outgoing = self.outgoing(message)?;
        let route = self.route(&message.topic).await?;
        let queue = self.select(&route, None)?;
        let address = master_of(&route, &queue)?;
        let fields = |header: &mut CommandEncoder<'_>| self.write_header(header, &outgoing, &queue);
        self.client.oneway(address, outgoing.code, &outgoing.body, fields).await
    }

    /// Sends messages of one topic as one request, into one queue, next to each other.
    ///
    /// # Errors
    /// As [`Producer::send`]; also when the batch is empty, of several topics, or delayed.
    pub async fn send_batch(&self, messages: &[Message]) -> Result<SendResult, ClientError> {
        self.send_with_retries(&self.outgoing_batch(messages)?).await
    }

    /// The queues a message to `topic` may go to, for callers that choose with [`Producer::send_to`].
    ///
    /// # Errors
    /// When the topic has no route.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        Ok(self.route(topic).await?.writable_queues().to_vec())
    }

    /// Makes this producer known to the master of every broker in the routes at hand, which is what transaction
    /// checks and replies need.
    ///
    /// # Errors
    /// The first broker's failure; the others are told all the same.
    pub async fn heartbeat(&self) -> Result<(), ClientError> {
        let data = HeartbeatData {
            client_id: self.client.id().to_owned(),
            producer_data_set: vec![ProducerData { group_name: self.group.to_string() }],
            ..HeartbeatData::default()
        };
        self.client.tell_brokers(false, RequestCode::HEART_BEAT, &data.encode(), |_| {}).await
    }

    async fn route(&self, topic: &str) -> Result<Arc<TopicRoute>, ClientError> {
        let options = &self.options;
        self.client.route_to_send(topic, &options.default_topic, options.default_topic_queue_nums).await
    }

    fn select(&self, route: &TopicRoute, avoid: Option<&str>) -> Result<MessageQueue, ClientError> {
        let mut selection = self.selection.lock().unwrap_or_else(PoisonError::into_inner);
        match selection.next(route.topic(), route.writable_queues(), avoid) {
            Some(queue) => Ok(queue.clone()),
            None => Err(ClientError::NoQueue { topic: route.topic().to_owned(), access: "writable" }),
        }
    }

    async fn send_with_retries(&self, outgoing: &Outgoing<'_>) -> Result<SendResult, ClientError> {
        let mut attempts = Vec::new();
        let mut failed_broker = None;
        loop {
            let route = self.route(outgoing.topic).await?;
            let queue = self.select(&route, failed_broker.as_deref())?;
            let error = match self.attempt(outgoing, &route, &queue).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let again = is_worth_another_broker(&error);
            if error.is_transport() {
                self.client.expire_route(outgoing.topic);
            }
            attempts.push(error);
            if !again || attempts.len() > self.options.retries as usize {
                return Err(match attempts.pop() {
                    Some(only) if attempts.is_empty() => only,
                    last => {
                        attempts.extend(last);
                        ClientError::NotSent { topic: outgoing.topic.to_owned(), attempts }
                    }
                });
            }
            failed_broker = Some(queue.broker_name);
        }
    }

    async fn attempt(
        &self,
        outgoing: &Outgoing<'_>,
        route: &TopicRoute,
        queue: &MessageQueue,
    ) -> Result<SendResult, ClientError> {
        let address = master_of(route, queue)?;
        let timeout = self.options.timeout.unwrap_or(self.client.options().request_timeout);
        let fields = |header: &mut CommandEncoder<'_>| self.write_header(header, outgoing, queue);
        let answer = self.client.request_within(address, outgoing.code, timeout, &outgoing.body, fields).await?;
        SendResult::from_answer(answer, outgoing.msg_id.clone(), queue)
    }

    /// The short keys of SEND_MESSAGE_V2, which batches have too.
    fn write_header(&self, header: &mut CommandEncoder<'_>, outgoing: &Outgoing<'_>, queue: &MessageQueue) {
        header
            .field("a", &*self.group)
            .field("b", outgoing.topic)
            .field("c", self.options.default_topic.as_str())
            .field("d", self.options.default_topic_queue_nums)
            .field("e", queue.queue_id)
            .field("f", 0)
            .field("g", now_ms())
            .field("h", outgoing.flag)
            .field("i", outgoing.properties.as_str())
            .field("j", 0)
            .field("k", false)
            .field("m", outgoing.code == RequestCode::SEND_BATCH_MESSAGE)
            .field("n", queue.broker_name.as_str());
    }

    fn outgoing<'a>(&self, message: &'a Message) -> Result<Outgoing<'a>, ClientError> {
        let msg_id = self.client.unique_id().to_string();
        Ok(Outgoing {
            topic: &message.topic,
            code: RequestCode::SEND_MESSAGE_V2,
            flag: message.flag,
            properties: message.encode_properties(&msg_id)?,
            body: message.body.clone(),
            msg_id,
        })
    }

    fn outgoing_batch<'a>(&self, messages: &'a [Message]) -> Result<Outgoing<'a>, ClientError> {
        let Some(first) = messages.first() else {
            return Err(ClientError::Message { topic: String::new(), reason: "a batch of no messages".to_owned() });
        };
        let refused = |reason: &str| ClientError::Message { topic: first.topic.clone(), reason: reason.to_owned() };
        let mut body = Vec::new();
        let mut ids = Vec::with_capacity(messages.len());
        for message in messages {
            if message.topic != first.topic {
                return Err(refused("a batch goes to one topic"));
            }
            if message.delay_level > 0 {
                return Err(refused("a batch cannot be delayed"));
            }
            let id = self.client.unique_id().to_string();
            let properties = message.encode_properties(&id)?;
            let item = BatchItem { flag: message.flag, body: &message.body, properties: properties.as_bytes() };
            encode_batch_item(&mut body, &item);
            ids.push(id);
        }
        let mut outer = PropertiesBuilder::default();
        outer.set(properties::UNIQ_KEY, self.client.unique_id().as_str());
        outer.set(properties::WAIT, if first.skip_store_wait { "false" } else { "true" });
        Ok(Outgoing {
            topic: &first.topic,
            code: RequestCode::SEND_BATCH_MESSAGE,
            flag: 0,
            properties: String::from_utf8(outer.into_bytes()).map_err(|_| refused("properties are not UTF-8"))?,
            body: body.into(),
            msg_id: ids.join(","),
        })
    }
}

fn master_of<'a>(route: &'a TopicRoute, queue: &MessageQueue) -> Result<&'a str, ClientError> {
    route.master_address(&queue.broker_name).ok_or_else(|| ClientError::NoBroker {
        broker_name: queue.broker_name.clone(),
        topic: route.topic().to_owned(),
    })
}

/// Whether another broker may take what this one did not: it could not be reached, or its refusal is its own.
fn is_worth_another_broker(error: &ClientError) -> bool {
    const OWN_REFUSALS: [ResponseCode; 8] = [
        ResponseCode::SYSTEM_ERROR,
        ResponseCode::SYSTEM_BUSY,
        ResponseCode::SERVICE_NOT_AVAILABLE,
        ResponseCode::NO_PERMISSION,
        ResponseCode::TOPIC_NOT_EXIST,
        ResponseCode::NO_BUYER_ID,
        ResponseCode::NOT_IN_CURRENT_UNIT,
        ResponseCode::GO_AWAY,
    ];
    error.is_transport() || error.response_code().is_some_and(|code| OWN_REFUSALS.contains(&code))
}
