//! Long polling: pulls that found nothing new wait here until something arrives, or their time is up.

use crate::subscription_filter::SubscriptionFilter;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::rc::Rc;

/// Pulls parked in one shard at the same time. A pull that finds no room is answered at once, with "nothing new".
pub const PARKED_PULLS_MAX: usize = 131_072;

/// A message that arrived but did not match its filter wakes a pull after this long, so that its consumer's position
/// moves past what does not concern it.
pub const OVERTAKEN_WAIT_MS: i64 = 5_000;

/// A pull to park. `K` names the queue, `P` is what the caller needs to run the pull again.
#[derive(Debug)]
pub struct Pull<K, P> {
    /// The queue it waits for.
    pub queue: K,
    /// The connection that asked; the pull dies with it.
    pub connection: u64,
    /// The queue offset it waits for; the queue ended here when it was parked.
    pub offset: i64,
    /// When it is answered although nothing came.
    pub deadline_ms: i64,
    /// Which messages wake it.
    pub filter: Rc<SubscriptionFilter>,
    /// Handed back when it wakes.
    pub payload: P,
}

/// There is no room; the pull comes back untouched.
#[derive(Debug)]
pub struct ParkedPullsFull<K, P> {
    /// What was not parked.
    pub pull: Pull<K, P>,
}

/// All parked pulls of a shard. Every pull that is parked comes out exactly once, through [`ParkedPulls::wake`],
/// [`ParkedPulls::wake_all`] or [`ParkedPulls::expired`], unless its connection closes first.
#[derive(Debug)]
pub struct ParkedPulls<K, P> {
    slots: Vec<Slot<K, P>>,
    /// Slots that hold nothing, the last one freed is used next.
    free: Vec<SlotIndex>,
    /// First and last pull of each queue that has any; from one to the next in the order they were parked.
    /// Looked up only, never iterated.
    queues: HashMap<K, Ends>,
    by_connection: BTreeSet<(u64, SlotIndex)>,
    by_deadline: BTreeSet<(i64, SlotIndex)>,
    pulls_max: usize,
}

type SlotIndex = u32;

#[derive(Debug)]
struct Slot<K, P> {
    /// `None` while the slot is free.
    pull: Option<Pull<K, P>>,
    /// Whether a message arrived that the filter did not let through.
    overtaken: bool,
    previous: Option<SlotIndex>,
    next: Option<SlotIndex>,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    first: SlotIndex,
    last: SlotIndex,
    /// From one to the other.
    count: u32,
}

impl<K: Copy + Eq + Hash, P> ParkedPulls<K, P> {
    /// Room for [`PARKED_PULLS_MAX`].
    pub fn new() -> Self {
        Self::with_pulls_max(PARKED_PULLS_MAX)
    }

    /// Room for this many. Memory grows with use.
    pub fn with_pulls_max(pulls_max: usize) -> Self {
        assert!(pulls_max <= SlotIndex::MAX as usize, "{pulls_max} slots cannot be numbered");
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            queues: HashMap::new(),
            by_connection: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
            pulls_max,
        }
    }

    /// Parks a pull that found its queue ending at its offset.
    ///
    /// # Errors
    /// [`ParkedPullsFull`] gives the pull back; the caller answers it now.
    pub fn park(&mut self, pull: Pull<K, P>) -> Result<(), ParkedPullsFull<K, P>> {
        if self.len() >= self.pulls_max {
            return Err(ParkedPullsFull { pull });
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { pull: None, overtaken: false, previous: None, next: None });
            (self.slots.len() - 1) as SlotIndex
        });
        self.by_connection.insert((pull.connection, at));
        self.by_deadline.insert((pull.deadline_ms, at));
        let previous = match self.queues.get_mut(&pull.queue) {
            Some(ends) => {
                let last = std::mem::replace(&mut ends.last, at);
                ends.count += 1;
                self.slots[last as usize].next = Some(at);
                Some(last)
            }
            None => {
                self.queues.insert(pull.queue, Ends { first: at, last: at, count: 1 });
                None
            }
        };
        let slot = &mut self.slots[at as usize];
        assert!(slot.pull.is_none(), "slot {at} was free");
        *slot = Slot { pull: Some(pull), overtaken: false, previous, next: None };
        Ok(())
    }

    /// A message arrived; its queue now ends at `end` (it is number `end - 1`). Appends to `woken`, in the order they
    /// were parked, the pulls whose filter lets it through, as `passes` says. The others are woken later,
    /// [`OVERTAKEN_WAIT_MS`] from now at the latest.
    pub fn wake(
        &mut self,
        queue: K,
        end: i64,
        mut passes: impl FnMut(&SubscriptionFilter) -> bool,
        now_ms: i64,
        woken: &mut Vec<P>,
    ) {
        if self.queues.is_empty() {
            return;
        }
        let mut next = self.queues.get(&queue).map(|ends| ends.first);
        while let Some(at) = next {
            let slot = &mut self.slots[at as usize];
            next = slot.next;
            let pull = slot.pull.as_mut().expect("a queue's list holds only parked pulls");
            if pull.offset >= end {
                continue;
            }
            if passes(&pull.filter) {
                woken.push(self.remove(at).payload);
            } else if !slot.overtaken {
                slot.overtaken = true;
                let sooner_ms = pull.deadline_ms.min(now_ms.saturating_add(OVERTAKEN_WAIT_MS));
                let deadline_ms = std::mem::replace(&mut pull.deadline_ms, sooner_ms);
                assert!(self.by_deadline.remove(&(deadline_ms, at)), "every parked pull has its deadline");
                self.by_deadline.insert((sooner_ms, at));
            }
        }
    }

    /// Wakes everything that waits for the queue: it was deleted, or its position reset.
    pub fn wake_all(&mut self, queue: K, woken: &mut Vec<P>) {
        while let Some(ends) = self.queues.get(&queue).copied() {
            woken.push(self.remove(ends.first).payload);
        }
    }

    /// Appends to `woken` every pull whose time is up, earliest first.
    pub fn expired(&mut self, now_ms: i64, woken: &mut Vec<P>) {
        while let Some(&(deadline_ms, at)) = self.by_deadline.first() {
            if deadline_ms > now_ms {
                break;
            }
            woken.push(self.remove(at).payload);
        }
    }

    /// When [`ParkedPulls::expired`] next has something to do.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.by_deadline.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// The connection closed: its pulls are dropped unanswered. Returns how many.
    pub fn cancel(&mut self, connection: u64) -> usize {
        let mut cancelled = 0;
        let of_connection = (connection, SlotIndex::MIN)..=(connection, SlotIndex::MAX);
        while let Some(&(_, at)) = self.by_connection.range(of_connection.clone()).next() {
            self.remove(at);
            cancelled += 1;
        }
        cancelled
    }

    /// How many pulls are parked.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is parked.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many pulls wait for the queue.
    pub fn parked_in(&self, queue: K) -> usize {
        self.queues.get(&queue).map_or(0, |ends| ends.count as usize)
    }

    /// Takes the pull out of its slot and of all three orders.
    fn remove(&mut self, at: SlotIndex) -> Pull<K, P> {
        let slot = &mut self.slots[at as usize];
        let pull = slot.pull.take().expect("the slot holds a parked pull");
        let (previous, next) = (slot.previous.take(), slot.next.take());
        let ends = self.queues.get_mut(&pull.queue).expect("a queue with pulls has its ends");
        ends.count -= 1;
        match (previous, next) {
            (None, None) => {
                assert_eq!(ends.count, 0, "the last one leaves an empty queue");
                self.queues.remove(&pull.queue);
            }
            (None, Some(next)) => {
                ends.first = next;
                self.slots[next as usize].previous = None;
            }
            (Some(previous), None) => {
                ends.last = previous;
                self.slots[previous as usize].next = None;
            }
            (Some(previous), Some(next)) => {
                self.slots[previous as usize].next = Some(next);
                self.slots[next as usize].previous = Some(previous);
            }
        }
        assert!(self.by_connection.remove(&(pull.connection, at)), "every parked pull has its connection");
        assert!(self.by_deadline.remove(&(pull.deadline_ms, at)), "every parked pull has its deadline");
        self.free.push(at);
        pull
    }
}

impl<K: Copy + Eq + Hash, P> Default for ParkedPulls<K, P> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
