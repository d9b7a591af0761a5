//! What a shard remembers of POP beside its table; not in the log.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use storage::consume_queue::{ConsumeQueues, QueueIndex};

use super::{HeldPops, PopJob};

/// A group, a topic and a queue.
pub(super) type GroupQueue = (Rc<str>, Rc<str>, i32);

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct PopState {
    /// Requests that wait.
    pub(crate) held: RefCell<HeldPops<PopJob>>,
    /// Queues that held requests listen to and that may have something for them.
    pub(super) arrived: RefCell<BTreeMap<Rc<str>, BTreeSet<i32>>>,
    /// A task tries them.
    pub(super) is_waking: Cell<bool>,
    /// Queues whose messages are being read from disk for a pop: others pass them over.
    pub(super) reading: RefCell<BTreeSet<GroupQueue>>,
    /// A task stores anew what is visible again.
    pub(super) is_reviving: Cell<bool>,
    /// Messages that went to retry topics.
    pub(crate) revived: Cell<u64>,
    /// Messages that became dead letters.
    pub(crate) dead: Cell<u64>,
}

impl PopState {
    /// Whether arrivals concern anybody.
    pub(crate) fn has_listeners(&self) -> bool {
        !self.held.borrow().is_empty()
    }

    /// Messages of a queue became readable.
    pub(crate) fn grew(&self, queues: &ConsumeQueues, queue: QueueIndex) {
        if let Some((topic, queue_id)) = queues.name(queue) {
            self.note_arrival(topic, queue_id as i32);
        }
    }

    /// A queue may have something.
    pub(crate) fn note_arrival(&self, topic: &str, queue_id: i32) {
        if !self.held.borrow().listens(topic) {
            return;
        }
        let mut arrived = self.arrived.borrow_mut();
        match arrived.get_mut(topic) {
            Some(queue_ids) => _ = queue_ids.insert(queue_id),
            None => _ = arrived.insert(topic.into(), BTreeSet::from([queue_id])),
        }
    }
}
