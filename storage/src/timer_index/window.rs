//! The timers that are due next, in memory and in order.

use std::collections::BTreeMap;

use super::entry::{TimerEntry, TimerKey, TimerPlace};

/// A bounded number of timers. It is complete up to `horizon`: every timer up to there that is not done is in it.
#[derive(Debug)]
pub(super) struct Window {
    timers: BTreeMap<TimerKey, TimerPlace>,
    entries_max: usize,
    horizon: TimerKey,
    /// Nothing behind it is taken in. Never before `horizon`; beyond it while a pass gathers what lies between.
    limit: TimerKey,
    /// All that are due earlier are done.
    done_before_ms: i64,
}

impl Window {
    pub(super) fn new(entries_max: usize) -> Self {
        assert!(entries_max > 0, "a window holds something");
        let (horizon, limit) = (TimerKey::default(), TimerKey::default());
        Self { timers: BTreeMap::new(), entries_max, horizon, limit, done_before_ms: 0 }
    }

    /// Takes a timer in if it belongs here. One too many: the last one goes, and what is known ends before it.
    pub(super) fn offer(&mut self, entry: &TimerEntry) {
        if entry.key > self.limit || entry.key.due_ms < self.done_before_ms {
            return;
        }
        self.timers.insert(entry.key, entry.place);
        if self.timers.len() > self.entries_max {
            self.timers.pop_last();
            let last = self.timers.last_key_value().map_or(self.horizon, |(last, _)| *last);
            self.limit = last;
            self.horizon = self.horizon.min(last);
        }
    }

    /// Takes in what lies up to `limit` from now on.
    pub(super) fn open_up_to(&mut self, limit: TimerKey) {
        self.limit = self.limit.max(limit);
    }

    /// All up to the limit was offered.
    pub(super) fn complete(&mut self) {
        self.horizon = self.limit;
    }

    pub(super) fn horizon(&self) -> TimerKey {
        self.horizon
    }

    pub(super) fn done_before_ms(&self) -> i64 {
        self.done_before_ms
    }

    /// Whether so few are left that more should be gathered.
    pub(super) fn is_low(&self) -> bool {
        self.timers.len() < self.entries_max / 4
    }

    pub(super) fn entries_max(&self) -> usize {
        self.entries_max
    }

    pub(super) fn count(&self) -> usize {
        self.timers.len()
    }

    pub(super) fn first(&self) -> Option<TimerEntry> {
        let (key, place) = self.timers.first_key_value()?;
        (*key <= self.horizon).then_some(TimerEntry { key: *key, place: *place })
    }

    pub(super) fn upcoming(&self) -> impl Iterator<Item = TimerEntry> {
        let entry = |(key, place): (&TimerKey, &TimerPlace)| TimerEntry { key: *key, place: *place };
        self.timers.range(..=self.horizon).map(entry)
    }

    pub(super) fn remove(&mut self, key: TimerKey) {
        self.timers.remove(&key);
    }

    pub(super) fn forget_before(&mut self, due_ms: i64) {
        if due_ms <= self.done_before_ms {
            return;
        }
        self.done_before_ms = due_ms;
        while self.timers.first_key_value().is_some_and(|(first, _)| first.due_ms < due_ms) {
            self.timers.pop_first();
        }
        let done = TimerKey::end_of(due_ms - 1);
        self.horizon = self.horizon.max(done);
        self.limit = self.limit.max(done);
    }
}
