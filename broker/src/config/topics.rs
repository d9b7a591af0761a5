//! Topics and subscription groups that come to be by themselves.

use super::values::Values;
use crate::delay_levels::DelayLevels;

/// Topics and subscription groups that come to be by themselves.
#[derive(Debug, Clone)]
pub struct Topics {
    /// A send to an unknown topic creates it from TBW102. Default true. RocketMQ: `autoCreateTopicEnable`.
    pub auto_create: bool,
    /// A heartbeat or pull of an unknown group creates it. Default true. RocketMQ: `autoCreateSubscriptionGroup`.
    pub auto_create_group: bool,
    /// Queues of TBW102, so the most an automatic topic gets a shard. Default 8. RocketMQ: `defaultTopicQueueNums`.
    pub default_queues: u32,
    /// With a topic go those in which retries of its messages lie that were popped. Default true. RocketMQ:
    /// `clearRetryTopicWhenDeleteTopic`.
    pub clears_pop_retries: bool,
    /// The cluster's name is a topic with 16 queues instead of one. Default true. RocketMQ: `clusterTopicEnable`.
    pub cluster_topic: bool,
    /// The broker's name is a topic that allows access. Default true. RocketMQ: `brokerTopicEnable`.
    pub broker_topic: bool,
    /// The trace topic exists. Default false. RocketMQ: `traceTopicEnable`.
    pub trace_topic: bool,
    /// Its name. Default `RMQ_SYS_TRACE_TOPIC`. RocketMQ: `msgTraceTopicName`.
    pub trace_topic_name: String,
    /// Delays of the delay levels, which retries use too. Default eighteen, 1 s to 2 h. RocketMQ: `messageDelayLevel`.
    pub delay_levels: DelayLevels,
}

impl Topics {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            auto_create: values.bool("autoCreateTopicEnable"),
            auto_create_group: values.bool("autoCreateSubscriptionGroup"),
            default_queues: values.number("defaultTopicQueueNums"),
            clears_pop_retries: values.bool("clearRetryTopicWhenDeleteTopic"),
            cluster_topic: values.bool("clusterTopicEnable"),
            broker_topic: values.bool("brokerTopicEnable"),
            trace_topic: values.bool("traceTopicEnable"),
            trace_topic_name: values.text("msgTraceTopicName").to_owned(),
            delay_levels: values.delay_levels("messageDelayLevel").clone(),
        }
    }
}
