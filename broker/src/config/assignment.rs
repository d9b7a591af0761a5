//! Queues that the broker shares out among the members of a group.

use std::time::Duration;

use super::values::Values;
use crate::assignment::RequestMode;

/// Queues that the broker shares out among the members of a group.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Each member that asks gets its share; else all queues. Default true. RocketMQ: `serverLoadBalancerEnable`.
    pub shares_out: bool,
    /// How a group gets messages of a topic where nothing is set. Default PULL. RocketMQ: `defaultMessageRequestMode`.
    pub default_mode: RequestMode,
    /// With how many members behind it a member shares its queues, where it pops and nothing is set; 0 and less: with all.
    /// Default -1. RocketMQ: `defaultPopShareQueueNum`.
    pub default_share_queues: i32,
    /// Queues of a topic that members ask about are looked up at a name server this often. Default 30 s.
    /// RocketMQ: `loadBalancePollNameServerInterval`.
    pub poll_interval: Duration,
}

impl Assignment {
    pub(super) fn from_values(values: &Values) -> Self {
        let mode = values.text("defaultMessageRequestMode");
        Self {
            shares_out: values.bool("serverLoadBalancerEnable"),
            default_mode: RequestMode::from_name(mode)
                .unwrap_or_else(|| unreachable!("the row of defaultMessageRequestMode lists the modes")),
            default_share_queues: values.number("defaultPopShareQueueNum"),
            poll_interval: values.millis("loadBalancePollNameServerInterval"),
        }
    }
}
