//! What a shard's requests tell the task of its timers.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::env::Env;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct TimerSignals {
    waker: RefCell<Option<Waker>>,
    /// Due times before this one, ms since 1970, would be missed while the task sleeps.
    sleeps_until_ms: Cell<i64>,
    /// Log segments up to here are to go: timers in them are to be stored again.
    wanted_free_below: Cell<u64>,
    /// Units of the timer queue that the index does not have, as last seen.
    behind: Cell<u64>,
    /// Since when it does not have all.
    behind_since: Cell<Option<Instant>>,
    /// When the next timer is due that the index knows, ms since 1970.
    next_due_ms: Cell<Option<i64>>,
    /// The index on disk is not to be believed.
    pub(super) damaged: Cell<bool>,
}

impl Default for TimerSignals {
    fn default() -> Self {
        Self {
            waker: RefCell::default(),
            sleeps_until_ms: Cell::new(i64::MIN),
            wanted_free_below: Cell::new(0),
            behind: Cell::new(0),
            behind_since: Cell::new(None),
            next_due_ms: Cell::new(None),
            damaged: Cell::new(false),
        }
    }
}

impl TimerSignals {
    /// A timer was stored.
    pub(crate) fn stored(&self, due_ms: i64) {
        if due_ms < self.sleeps_until_ms.get() {
            self.wake();
        }
    }

    /// The log below `position` is to be free of pending timers.
    pub(crate) fn want_free_below(&self, position: u64) {
        if position > self.wanted_free_below.get() {
            self.wanted_free_below.set(position);
            self.wake();
        }
    }

    pub(super) fn wanted_free_below(&self) -> u64 {
        self.wanted_free_below.get()
    }

    /// The index lacks so many units of the timer queue.
    pub(super) fn note_behind(&self, units: u64, now: impl FnOnce() -> Instant) {
        if units == 0 {
            self.behind_since.set(None);
        } else if self.behind_since.get().is_none() {
            self.behind_since.set(Some(now()));
        }
        self.behind.set(units);
    }

    /// The next timer that the index knows is due then, ms since 1970.
    pub(super) fn note_next_due(&self, due_ms: Option<i64>) {
        self.next_due_ms.set(due_ms);
    }

    /// Since when the index does not have all units of the timer queue; `None` if it has.
    pub(crate) fn behind_since(&self) -> Option<Instant> {
        self.behind_since.get()
    }

    /// When the next timer is due that the index knows, ms since 1970.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.next_due_ms.get()
    }

    /// Units of the timer queue that the index does not have.
    pub(crate) fn behind(&self) -> u64 {
        self.behind.get()
    }

    fn wake(&self) {
        self.sleeps_until_ms.set(i64::MIN);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits until `due_ms`, ms since 1970, or something of the above.
    pub(super) async fn sleep_until<E: Env>(&self, env: &E, due_ms: i64) {
        let wait_ms = u64::try_from(due_ms - env.now_ms()).unwrap_or(0);
        if wait_ms == 0 {
            return;
        }
        self.sleeps_until_ms.set(due_ms);
        let woken = poll_fn(|context| {
            if self.sleeps_until_ms.get() == i64::MIN {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        });
        futures_lite::future::or(woken, env.sleep(Duration::from_millis(wait_ms))).await;
        self.sleeps_until_ms.set(i64::MIN);
    }
}
