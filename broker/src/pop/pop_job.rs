//! A request that looks for messages to pop, and can be run again.

use std::rc::Rc;

use protocol::pop_handle::PopSource;

use crate::metrics::GroupSlot;
use crate::request::Ticket;
use crate::subscription_filter::SubscriptionFilter;

/// What becomes of what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PopKind {
    /// It is given out and invisible from then on.
    Take,
    /// It is given out and stays as it is.
    Peek,
    /// Its consumer is told that there is something.
    Notify,
}

/// Where a group without a position begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At the first message.
    First,
    /// At the last one.
    Last,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct PopJob {
    pub(crate) ticket: Ticket,
    pub(crate) kind: PopKind,
    pub(crate) group: Rc<str>,
    pub(crate) topic: Rc<str>,
    /// -1: any.
    pub(crate) queue_id: i32,
    pub(crate) messages_max: usize,
    pub(crate) invisible_ms: i64,
    pub(crate) begin: Begin,
    /// Of the topic; retry topics have none.
    pub(crate) filter: Rc<SubscriptionFilter>,
    pub(crate) is_ordered: bool,
    /// Empty: none.
    pub(crate) attempt_id: String,
    /// Where messages of the topic go that were not acknowledged in time.
    pub(crate) retries: Vec<(PopSource, Rc<str>)>,
    /// For the metrics.
    pub(crate) slot: GroupSlot,
}
