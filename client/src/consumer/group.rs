//! What a member of a group tells brokers: that it lives and what it wants, which queues it has to itself, and which
//! messages to give to somebody else later.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use protocol::body::{
    ConsumeType, ConsumerData, ConsumerIdList, HeartbeatData, LockBatchRequest, LockBatchResponse, MessageQueue,
    SubscriptionData,
};
use protocol::code::RequestCode;
use protocol::command::CommandEncoder;

use super::Consumer;
use crate::client::now_ms;
use crate::error::ClientError;
use crate::filter::Filter;
use crate::received_message::ReceivedMessage;

/// A topic and what of it a group wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The topic.
    pub topic: String,
    /// What of it.
    pub filter: Filter,
}

impl Consumer {
    /// Makes this consumer known to every broker of the subscribed topics; repeat it every 30 seconds. Brokers forget
    /// a member after 120 seconds of silence, or when its connection closes.
    ///
    /// # Errors
    /// When a topic has no route, or the first broker's failure; the other brokers are told all the same.
    pub async fn heartbeat(&self, subscriptions: &[Subscription]) -> Result<(), ClientError> {
        for subscription in subscriptions {
            self.client.route(&subscription.topic).await?;
        }
        let body = self.heartbeat_data(subscriptions).encode();
        self.client.tell_brokers(true, RequestCode::HEART_BEAT, &body, |_| {}).await
    }

    /// Leaves the group on every known broker, so that the others take over at once.
    ///
    /// # Errors
    /// The first broker's failure; the others are told all the same.
    pub async fn unregister(&self) -> Result<(), ClientError> {
        let fields = |header: &mut CommandEncoder<'_>| {
            header.field("clientID", self.client.id()).field("consumerGroup", &*self.group);
        };
        self.client.tell_brokers(true, RequestCode::UNREGISTER_CLIENT, &[], fields).await
    }

    /// The client ids of the group's members, as a broker of `topic` knows them.
    ///
    /// # Errors
    /// When the topic has no broker, or the broker knows no member.
    pub async fn members(&self, topic: &str) -> Result<Vec<String>, ClientError> {
        let queues = self.queues(topic).await?;
        let address = self.client.queue_address(&queues[0]).await?;
        let fields = |header: &mut CommandEncoder<'_>| {
            header.field("consumerGroup", &*self.group);
        };
        let answer = self.client.request(&address, RequestCode::GET_CONSUMER_LIST_BY_GROUP, &[], fields).await?;
        Ok(answer.success()?.body(ConsumerIdList::decode)?.consumer_id_list)
    }

    /// Hands a message back to its broker, which delivers it to the group again later, or puts it among the dead
    /// letters. `delay_level` 0 lets the broker choose, a negative one asks for the dead letters.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn send_back(
        &self,
        message: &ReceivedMessage,
        broker_name: &str,
        delay_level: i32,
        reconsume_times_max: i32,
    ) -> Result<(), ClientError> {
        let queue = MessageQueue {
            topic: message.topic.to_string(),
            broker_name: broker_name.to_owned(),
            queue_id: message.queue_id,
        };
        let address = self.client.queue_address(&queue).await?;
        let fields = |header: &mut CommandEncoder<'_>| {
            header
                .field("offset", message.physical_offset)
                .field("group", &*self.group)
                .field("delayLevel", delay_level)
                .field("originMsgId", message.unique_id().unwrap_or_default())
                .field("originTopic", &*message.topic)
                .field("unitMode", false)
                .field("maxReconsumeTimes", reconsume_times_max)
                .field("bname", broker_name);
        };
        self.client.request(&address, RequestCode::CONSUMER_SEND_MSG_BACK, &[], fields).await?.success()?;
        Ok(())
    }

    /// Takes queues for this client alone and returns those it got. A lock lasts 60 seconds; repeat it every 20.
    ///
    /// # Errors
    /// The first broker that fails.
    pub async fn lock(&self, queues: &[MessageQueue]) -> Result<Vec<MessageQueue>, ClientError> {
        let mut locked = Vec::new();
        for (broker_name, (address, queues)) in self.by_broker(queues).await? {
            let body = self.lock_request(queues);
            let answer = self.client.request(&address, RequestCode::LOCK_BATCH_MQ, &body, |_| {}).await?;
            let response = answer.success()?.body(LockBatchResponse::decode)?;
            // A broker answers for itself only.
            locked.extend(response.lock_ok_mq_set.into_iter().filter(|queue| queue.broker_name == broker_name));
        }
        locked.sort_unstable();
        Ok(locked)
    }

    /// Gives locked queues back.
    ///
    /// # Errors
    /// The first broker that fails; the locks of the others run out by themselves.
    pub async fn unlock(&self, queues: &[MessageQueue]) -> Result<(), ClientError> {
        for (address, queues) in self.by_broker(queues).await?.into_values() {
            let body = self.lock_request(queues);
            self.client.request(&address, RequestCode::UNLOCK_BATCH_MQ, &body, |_| {}).await?.success()?;
        }
        Ok(())
    }

    fn heartbeat_data(&self, subscriptions: &[Subscription]) -> HeartbeatData {
        let sub_version = now_ms();
        let data = |subscription: &Subscription| SubscriptionData {
            expression_type: subscription.filter.expression_type().to_owned(),
            sub_string: subscription.filter.expression().to_owned(),
            sub_version,
            tags_set: subscription.filter.tag_list().into_iter().collect(),
            topic: subscription.topic.clone(),
            ..SubscriptionData::default()
        };
        let group = ConsumerData {
            // The program pulls; brokers change nothing by it, tools show it.
            consume_type: ConsumeType::Actively,
            group_name: self.group.to_string(),
            subscription_data_set: subscriptions.iter().map(data).collect(),
            ..ConsumerData::default()
        };
        HeartbeatData {
            client_id: self.client.id().to_owned(),
            consumer_data_set: vec![group],
            ..HeartbeatData::default()
        }
    }

    fn lock_request(&self, queues: BTreeSet<MessageQueue>) -> Vec<u8> {
        LockBatchRequest {
            consumer_group: self.group.to_string(),
            client_id: self.client.id().to_owned(),
            mq_set: queues,
            only_this_broker: false,
        }
        .encode()
    }

    /// The queues by the name of their broker, with its address.
    async fn by_broker<'a>(
        &self,
        queues: &'a [MessageQueue],
    ) -> Result<BTreeMap<&'a str, (String, BTreeSet<MessageQueue>)>, ClientError> {
        let mut brokers = BTreeMap::new();
        for queue in queues {
            let (_, of_broker) = match brokers.entry(queue.broker_name.as_str()) {
                Entry::Occupied(broker) => broker.into_mut(),
                Entry::Vacant(broker) => broker.insert((self.client.queue_address(queue).await?, BTreeSet::new())),
            };
            of_broker.insert(queue.clone());
        }
        Ok(brokers)
    }
}
