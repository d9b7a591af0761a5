//! What a shard counts while it works.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use observe::{Histogram, ReadAt, RpcAnswer, RpcLatency};
use storage::consume_queue::QueueIndex;

use super::later_metrics::LaterMetrics;
use super::traffic::{GroupSlot, Traffic};
use crate::route_table;

/// Those of the reference, 1, 4, 512 KiB and 1, 2, 4 MiB, and more between and below.
static SIZE_BOUNDS: [u64; 13] =
    [128, 256, 512, 1 << 10, 2 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20];

/// Sizes of stored messages.
pub(crate) type MessageSizes = Histogram<13>;

/// Plain fields of one shard. The hot path adds to a few of them.
pub(crate) struct ShardMetrics {
    pub(crate) latency: RefCell<RpcLatency>,
    pub(crate) traffic: RefCell<Traffic>,
    pub(crate) message_sizes: RefCell<MessageSizes>,
    pub(crate) later: RefCell<LaterMetrics>,
    /// Open connections.
    pub(crate) connections: Cell<u64>,
    /// Those that are not read for now.
    pub(crate) stalled: Cell<usize>,
    /// Turns of the shard's loop that had something to do.
    pub(crate) sweeps: Cell<u64>,
    /// Time that sweeps took which answered requests.
    pub(crate) swept: Cell<Duration>,
    sweep_began: Cell<Option<Instant>>,
    /// Time that went into looking for work that was not there.
    pub(crate) looked: Cell<Duration>,
    /// A [`super::GroupReport`] is being gathered.
    pub(crate) gathers_groups: Cell<bool>,
    /// Changes of topics and groups up to which counters of deleted ones were forgotten.
    pub(crate) retained_at: Cell<(i64, i64)>,
    /// When the log's first message was stored, by the physical offset at which the log began then.
    pub(crate) first_stored: Cell<Option<(u64, i64)>>,
}

impl ShardMetrics {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            latency: RefCell::new(RpcLatency::new(route_table::numbers(), now)),
            traffic: RefCell::new(Traffic::new()),
            message_sizes: RefCell::new(MessageSizes::new(&SIZE_BOUNDS)),
            later: RefCell::new(LaterMetrics::new()),
            connections: Cell::new(0),
            stalled: Cell::new(0),
            sweeps: Cell::new(0),
            swept: Cell::new(Duration::ZERO),
            sweep_began: Cell::new(None),
            looked: Cell::new(Duration::ZERO),
            gathers_groups: Cell::new(false),
            retained_at: Cell::default(),
            first_stored: Cell::new(None),
        }
    }

    pub(crate) fn sweep_began(&self, now: Instant) {
        self.sweeps.set(self.sweeps.get() + 1);
        self.sweep_began.set(Some(now));
        self.latency.borrow_mut().sweep_began(now);
    }

    pub(crate) fn sweep_sent(&self, stalled: usize, now: impl FnOnce() -> Instant) {
        self.stalled.set(stalled);
        self.latency.borrow_mut().sweep_sent(|| {
            let now = now();
            let took = self.sweep_began.get().map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
            self.swept.set(self.swept.get() + took);
            now
        });
    }

    /// When a request that is read now is read.
    pub(crate) fn read_at(&self) -> ReadAt {
        self.latency.borrow().read_at()
    }

    /// A request was answered, by a sweep or at the moment that `now` tells.
    pub(crate) fn answered(&self, answer: RpcAnswer, read_at: ReadAt, now: impl FnOnce() -> Instant) {
        let mut latency = self.latency.borrow_mut();
        latency.refresh(now);
        latency.answered(answer, read_at);
    }

    /// Messages were stored as one unit.
    pub(crate) fn stored(&self, queue: QueueIndex, topic: &str, messages: u64, bytes: u64) {
        self.traffic.borrow_mut().stored(queue, || Some(topic), messages, bytes);
        self.message_sizes.borrow_mut().add(bytes / messages.max(1), messages);
    }

    /// The number of a group, for [`Self::pulled`].
    pub(crate) fn group(&self, group: &str) -> GroupSlot {
        self.traffic.borrow_mut().group(group)
    }

    /// That number, if the group has one of its own.
    pub(crate) fn find_group(&self, group: &str) -> Option<GroupSlot> {
        self.traffic.borrow().find_group(group)
    }

    /// The name of the group in this slot, shared; a new one where the slot has none.
    pub(crate) fn group_name(&self, slot: GroupSlot, group: &str) -> Rc<str> {
        self.traffic.borrow().group_name(slot).unwrap_or_else(|| group.into())
    }
}
