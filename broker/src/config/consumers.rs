//! What the broker remembers of clients and their groups.

use std::time::Duration;

use super::values::Values;

/// What the broker remembers of clients and their groups.
#[derive(Debug, Clone)]
pub struct Consumers {
    /// A client without heartbeat for this long is gone. Default 120 s, four heartbeats.
    /// RocketMQ: `channelExpiredTimeout`.
    pub client_expiry: Duration,
    /// Members of a group are told when it changes, so that they share out queues at once. Default true.
    /// RocketMQ: `notifyConsumerIdsChangedEnable`.
    pub notify_ids_changed: bool,
    /// Subscriptions may be SQL92 expressions over message properties. Default false, as in RocketMQ: such a consumer reads
    /// every message's properties here. RocketMQ: `enablePropertyFilter`.
    pub property_filter: bool,
    /// A consumer that filters its retry topic by an expression gets there what passes the expression of each message's
    /// first topic instead. Default false. RocketMQ: `filterSupportRetry`.
    pub filter_retries: bool,
    /// Committed offsets are made durable this often. Default 5 s. RocketMQ: `flushConsumerOffsetInterval`.
    pub offset_flush_interval: Duration,
    /// An operator's reset of offsets is done by the broker, also for groups that are offline; else members are told to do it.
    /// Default true. RocketMQ: `useServerSideResetOffset`.
    pub resets_offsets_itself: bool,
}

impl Consumers {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            client_expiry: values.millis("channelExpiredTimeout"),
            notify_ids_changed: values.bool("notifyConsumerIdsChangedEnable"),
            property_filter: values.bool("enablePropertyFilter"),
            filter_retries: values.bool("filterSupportRetry"),
            offset_flush_interval: values.millis("flushConsumerOffsetInterval"),
            resets_offsets_itself: values.bool("useServerSideResetOffset"),
        }
    }
}
