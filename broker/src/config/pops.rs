//! POP consumption.

use super::values::Values;
use crate::pop::HeldPopsLimits;

/// POP consumption.
#[derive(Debug, Clone)]
pub struct Pops {
    /// Retry topics are named `%RETRY%group+topic`. Default false. RocketMQ: `enableRetryTopicV2`.
    pub retry_topic_v2: bool,
    /// With the former, those named `%RETRY%group_topic` are popped too. Default true.
    /// RocketMQ: `retrieveMessageFromPopRetryTopicV1`.
    pub also_retry_topic_v1: bool,
    /// How many pops of a hundred look into retry topics first. Default 20. RocketMQ: `popFromRetryProbability`.
    pub retry_first_percent: u32,
    /// Messages of retry topics are given out as they are stored, under the name of the retry topic. Default false.
    /// RocketMQ: `popResponseReturnActualRetryTopic`.
    pub shows_retry_topic: bool,
    /// A group that begins at the end begins at the first message of a queue that is all in memory. Default true.
    /// RocketMQ: `initPopOffsetByCheckMsgInMem`.
    pub young_queues_from_first: bool,
    /// Messages of a queue that may be invisible to a group; `None`: as many as a shard keeps. Default none.
    /// RocketMQ: `enablePopMessageThreshold`, `popInflightMessageThreshold`.
    pub invisible_of_queue_max: Option<usize>,
    /// Requests that are held at a time, a shard. Default 100,000. RocketMQ: `maxPopPollingSize`. Of one group, topic and queue.
    /// Default 1,024. RocketMQ: `popPollingSize`.
    pub held: HeldPopsLimits,
}

impl Pops {
    pub(super) fn from_values(values: &Values) -> Self {
        let count = |name: &'static str| values.int(name) as usize;
        let is_limited = values.bool("enablePopMessageThreshold");
        Self {
            retry_topic_v2: values.bool("enableRetryTopicV2"),
            also_retry_topic_v1: values.bool("retrieveMessageFromPopRetryTopicV1"),
            retry_first_percent: values.number("popFromRetryProbability"),
            shows_retry_topic: values.bool("popResponseReturnActualRetryTopic"),
            young_queues_from_first: values.bool("initPopOffsetByCheckMsgInMem"),
            invisible_of_queue_max: is_limited.then(|| count("popInflightMessageThreshold")),
            held: HeldPopsLimits { all_max: count("maxPopPollingSize"), of_queue_max: count("popPollingSize") },
        }
    }
}
