//! What was delivered of the timer topic, and how much of it waits: the part of timers that the log replicates.
//!
//! Timers are delivered in the order of their keys, and one that is stored has a key behind all that were delivered, so a
//! single key says what is done. What is stored again, before its segment goes, is told by one queue offset.

use std::collections::BTreeMap;

use protocol::body::DataVersion;
use protocol::body::timer_metrics::{TimerMetrics, TimingCount};
use storage::pieces::EncodeInTurns;
use storage::timer_index::TimerKey;

use crate::control_record::{TimerDone, TimerStored, TimersRolled};

/// See the module's text.
#[derive(Debug, Default)]
pub struct TimerTable {
    done: TimerKey,
    rolled: u64,
    recalls: u64,
    bytes: u64,
    changes: u64,
    changed_ms: i64,
    topics: BTreeMap<String, TopicTimers>,
}

/// Pending timers of one topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TopicTimers {
    count: u64,
    bytes: u64,
    changed_ms: i64,
}

/// As a checkpoint holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct TimerTableSnapshot {
    /// Due time and order of the last timer that is done.
    pub done: (i64, u64),
    /// Queue offset below which pending timers were stored again.
    pub rolled: u64,
    /// Pending recalls.
    pub recalls: u64,
    /// Changes of the counts, and when the last was, ms since 1970.
    pub changes: (u64, i64),
    /// By topic: pending timers, bytes of their records, and when that changed, ms since 1970.
    pub topics: Vec<(String, u64, u64, i64)>,
}

impl EncodeInTurns for TimerTableSnapshot {}

impl TimerTable {
    /// The last timer that is done.
    pub fn done(&self) -> TimerKey {
        self.done
    }

    /// Whether a timer neither was delivered nor stored again.
    pub fn is_pending(&self, key: TimerKey) -> bool {
        key > self.done && key.queue_offset() >= self.rolled
    }

    /// Records of the timer topic below this queue offset are needed no more.
    pub fn rolled(&self) -> u64 {
        self.rolled
    }

    /// The due time of a timer that is stored now: behind all that were delivered, should a clock have gone back.
    pub fn due_ms(&self, asked_ms: i64) -> i64 {
        asked_ms.max(self.done.due_ms + 1)
    }

    /// Pending recalls.
    pub fn recalls(&self) -> u64 {
        self.recalls
    }

    /// Pending messages.
    pub fn count(&self) -> u64 {
        self.topics.values().map(|topic| topic.count).sum()
    }

    /// Pending messages by topic.
    pub fn pending(&self) -> impl Iterator<Item = (&str, u64)> {
        self.topics.iter().map(|(topic, timers)| (topic.as_str(), timers.count))
    }

    /// Bytes of the records of pending messages.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Version of the counts: how often they changed, and when last.
    pub fn version(&self) -> DataVersion {
        DataVersion { state_version: 0, timestamp: self.changed_ms, counter: self.changes as i64 }
    }

    /// Answer of GET_TIMER_METRICS.
    pub fn metrics(&self) -> TimerMetrics {
        let count = |(name, topic): (&String, &TopicTimers)| {
            (name.clone(), TimingCount { count: topic.count as i64, time_stamp: topic.changed_ms })
        };
        TimerMetrics { data_version: self.version(), timing_count: self.topics.iter().map(count).collect() }
    }

    /// A timer was stored.
    pub fn apply_stored(&mut self, stored: &TimerStored) {
        self.note_change(stored.at_ms);
        let Some(topic) = &stored.topic else {
            self.recalls += 1;
            return;
        };
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.clone(), TopicTimers::default());
        }
        let Some(counts) = self.topics.get_mut(topic) else { unreachable!("just made") };
        let bytes = u64::from(stored.bytes);
        *counts = TopicTimers { count: counts.count + 1, bytes: counts.bytes + bytes, changed_ms: stored.at_ms };
        self.bytes += bytes;
    }

    /// A timer is done: delivered, recalled, or it cannot be delivered.
    pub fn apply_done(&mut self, done: &TimerDone) {
        let key = TimerKey { due_ms: done.due_ms, order: done.order };
        debug_assert!(key > self.done, "timers are done in order");
        self.done = self.done.max(key);
        self.note_change(done.at_ms);
        if key.is_recall() {
            self.recalls = self.recalls.saturating_sub(1);
        }
        let Some(counts) = done.topic.as_ref().and_then(|topic| self.topics.get_mut(topic)) else { return };
        // Never below nothing, even if a damaged record was counted under another topic.
        let bytes = u64::from(done.bytes).min(counts.bytes);
        *counts =
            TopicTimers { count: counts.count.saturating_sub(1), bytes: counts.bytes - bytes, changed_ms: done.at_ms };
        self.bytes = self.bytes.saturating_sub(bytes);
        if counts.count == 0
            && let Some(topic) = &done.topic
        {
            self.bytes = self.bytes.saturating_sub(counts.bytes);
            self.topics.remove(topic);
        }
    }

    /// Pending timers up to a queue offset were stored again.
    pub fn apply_rolled(&mut self, rolled: TimersRolled) {
        self.rolled = self.rolled.max(rolled.queue_offset);
    }

    fn note_change(&mut self, at_ms: i64) {
        self.changes += 1;
        self.changed_ms = at_ms;
    }

    /// As a checkpoint holds it.
    pub fn snapshot(&self) -> TimerTableSnapshot {
        let topic = |(name, topic): (&String, &TopicTimers)| (name.clone(), topic.count, topic.bytes, topic.changed_ms);
        TimerTableSnapshot {
            done: (self.done.due_ms, self.done.order),
            rolled: self.rolled,
            recalls: self.recalls,
            changes: (self.changes, self.changed_ms),
            topics: self.topics.iter().map(topic).collect(),
        }
    }

    /// As it was when the snapshot was taken.
    pub fn restore(snapshot: &TimerTableSnapshot) -> Self {
        let topic = |(name, count, bytes, changed_ms): &(String, u64, u64, i64)| {
            (name.clone(), TopicTimers { count: *count, bytes: *bytes, changed_ms: *changed_ms })
        };
        let topics: BTreeMap<_, _> = snapshot.topics.iter().map(topic).collect();
        Self {
            done: TimerKey { due_ms: snapshot.done.0, order: snapshot.done.1 },
            rolled: snapshot.rolled,
            recalls: snapshot.recalls,
            bytes: topics.values().map(|topic| topic.bytes).sum(),
            changes: snapshot.changes.0,
            changed_ms: snapshot.changes.1,
            topics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(topic: &str, at_ms: i64) -> TimerStored {
        TimerStored { topic: Some(topic.to_owned()), bytes: 100, at_ms }
    }

    fn done(key: TimerKey, topic: Option<&str>) -> TimerDone {
        let TimerKey { due_ms, order } = key;
        TimerDone { due_ms, order, topic: topic.map(str::to_owned), bytes: 100, at_ms: due_ms }
    }

    #[test]
    fn what_waits_is_counted_by_topic_and_a_snapshot_has_all_of_it() {
        let mut table = TimerTable::default();
        table.apply_stored(&stored("a", 1));
        table.apply_stored(&stored("a", 2));
        table.apply_stored(&stored("b", 3));
        table.apply_stored(&TimerStored { topic: None, bytes: 0, at_ms: 4 });
        assert_eq!((table.count(), table.bytes(), table.recalls()), (3, 300, 1));
        table.apply_done(&done(TimerKey::recall(9, 3), None));
        table.apply_done(&done(TimerKey::message(9, 0), Some("a")));
        table.apply_done(&done(TimerKey::message(10, 2), Some("b")));
        table.apply_rolled(TimersRolled { queue_offset: 1 });
        let metrics = table.metrics();
        let counts: Vec<_> =
            metrics.timing_count.iter().map(|(topic, count)| (topic.as_str(), count.clone())).collect();
        assert_eq!(counts, [("a", TimingCount { count: 1, time_stamp: 9 })]);
        assert_eq!(metrics.data_version, DataVersion { state_version: 0, timestamp: 10, counter: 7 });
        assert_eq!((table.count(), table.bytes(), table.recalls(), table.rolled()), (1, 100, 0, 1));
        let restored = TimerTable::restore(&table.snapshot());
        assert_eq!(restored.snapshot(), table.snapshot());
        assert_eq!((restored.count(), restored.bytes(), restored.done()), (1, 100, table.done()));
    }

    #[test]
    fn one_key_and_one_offset_say_what_is_pending() {
        let mut table = TimerTable::default();
        table.apply_done(&done(TimerKey::message(10, 5), None));
        table.apply_rolled(TimersRolled { queue_offset: 3 });
        assert!(!table.is_pending(TimerKey::message(10, 5)) && !table.is_pending(TimerKey::message(9, 8)));
        assert!(!table.is_pending(TimerKey::recall(10, 8)), "recalls of a due time come before its messages");
        assert!(!table.is_pending(TimerKey::message(11, 2)), "stored again");
        assert!(table.is_pending(TimerKey::message(11, 3)) && table.is_pending(TimerKey::message(10, 6)));
        assert_eq!((table.due_ms(5), table.due_ms(11), table.due_ms(12)), (11, 11, 12));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(i64),
        /// The clock of whoever leads, ms on; another leader's may be behind.
        Clock(i64),
        Deliver(usize),
        Roll(u64),
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1..50i64).prop_map(Step::Put),
            2 => (-20..60i64).prop_map(Step::Clock),
            3 => (1..10usize).prop_map(Step::Deliver),
            1 => (1..5u64).prop_map(Step::Roll),
            1 => Just(Step::Restart),
        ];
        prop::collection::vec(step, 1..120)
    }

    proptest! {
        /// What is pending is told by the table alone, from all that was ever stored.
        #[test]
        fn every_timer_is_done_once_in_order_and_never_early_whatever_the_clocks_say(steps in steps()) {
            let (mut table, mut now_ms) = (TimerTable::default(), 1000);
            // By queue offset: its key, and which message it is.
            let (mut queue, mut messages, mut delivered) = (Vec::new(), 0, Vec::new());
            let mut last = TimerKey::default();
            for step in steps {
                match step {
                    Step::Put(delay_ms) => {
                        let key = TimerKey::message(table.due_ms(now_ms + delay_ms), queue.len() as u64);
                        prop_assert!(key.due_ms >= now_ms + delay_ms && table.is_pending(key));
                        queue.push((key, messages));
                        messages += 1;
                        table.apply_stored(&stored("t", now_ms));
                    }
                    Step::Clock(by_ms) => now_ms += by_ms,
                    Step::Deliver(count) => for _ in 0..count {
                        let due = queue.iter().filter(|(key, _)| table.is_pending(*key) && key.due_ms <= now_ms);
                        let Some((key, message)) = due.min().copied() else { break };
                        prop_assert!(key > last);
                        last = key;
                        delivered.push(message);
                        table.apply_done(&done(key, Some("t")));
                    },
                    Step::Roll(count) => for _ in 0..count {
                        let Some((key, message)) = queue.get(table.rolled() as usize).copied() else { break };
                        if table.is_pending(key) {
                            queue.push((TimerKey::message(key.due_ms, queue.len() as u64), message));
                        }
                        let queue_offset = table.rolled() + 1;
                        table.apply_rolled(TimersRolled { queue_offset });
                    },
                    Step::Restart => table = TimerTable::restore(&table.snapshot()),
                }
            }
            let rest = queue.iter().filter(|(key, _)| table.is_pending(*key)).count();
            prop_assert_eq!(table.count() as usize, rest);
            delivered.extend(queue.iter().filter(|(key, _)| table.is_pending(*key)).map(|(_, message)| *message));
            delivered.sort_unstable();
            prop_assert_eq!(delivered, (0..messages).collect::<Vec<_>>());
        }
    }
}
