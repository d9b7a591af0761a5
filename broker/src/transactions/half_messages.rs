//! The half messages of one shard whose end is not known, and when their producers are to be asked for it. No clock and no
//! I/O here; the records themselves stay in the log.

use std::collections::BTreeMap;
use std::ops::Range;

use protocol::record::RecordView;
use protocol::topic_name::TRANS_HALF_TOPIC;

use crate::control_record::{TransactionEnded, TransactionsChecked};
use crate::send_properties::check_immunity_s;

/// Half messages that one shard keeps; a further one is answered 2, SYSTEM_BUSY. A row takes less than 80 bytes of memory
/// (16 and its key, in a tree whose nodes are half full when rows come in order), and 24 in a checkpoint: at most 20 MiB.
pub const HALF_MESSAGES_MAX: usize = 262_144;

/// One half message without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfMessage {
    /// When it was stored, ms since 1970, by the clock of the broker that did.
    pub stored_ms: i64,
    /// Its own `CHECK_IMMUNITY_TIME_IN_SECONDS`; 0 without.
    pub immunity_s: u32,
    /// How often its producer was asked.
    pub checks: u32,
}

/// A row as it is kept in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct StoredHalf {
    /// Its queue offset in the half topic.
    pub queue_offset: u64,
    /// As in [`HalfMessage`].
    pub stored_ms: i64,
    /// As in [`HalfMessage`].
    pub immunity_s: u32,
    /// As in [`HalfMessage`].
    pub checks: u32,
}

/// What settings say about asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckLimits {
    /// A half message younger than this is left alone, unless it says another time itself, ms.
    pub timeout_ms: i64,
    /// One that was asked for so often is given up.
    pub checks_max: u32,
    /// One older than this is given up: its record is about to leave the log, ms.
    pub kept_ms: i64,
}

/// What is to be done about a half message now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    NotYet,
    /// Its producer is asked, for the n-th time, from 1.
    Check(u32),
    /// It was asked for often enough, or is too old.
    GiveUp,
}

/// Half messages that something is to be done about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DueTurn {
    /// Queue offset and what: never [`Due::NotYet`].
    pub due: Vec<(u64, Due)>,
    /// Where the next turn goes on; `None`: all were looked at.
    pub next: Option<u64>,
}

/// See the module's text. The key is the queue offset in the half topic, which is what clients call a half message by.
#[derive(Debug, Default)]
pub struct HalfMessages {
    rows: BTreeMap<u64, HalfMessage>,
}

impl HalfMessage {
    /// A half message that is stored at `stored_ms` with these properties.
    pub fn new(stored_ms: i64, properties: &[u8]) -> Self {
        Self { stored_ms, immunity_s: check_immunity_s(properties), checks: 0 }
    }

    /// What is to be done about it at `now_ms`. A clock that was set back by more than the time to wait makes it due:
    /// nobody knows how old it is.
    pub fn due(&self, now_ms: i64, limits: &CheckLimits) -> Due {
        let wait_ms = if self.immunity_s > 0 { i64::from(self.immunity_s) * 1000 } else { limits.timeout_ms };
        let age_ms = now_ms.saturating_sub(self.stored_ms);
        let is_over = age_ms.saturating_abs() >= wait_ms;
        if age_ms > limits.kept_ms.max(limits.timeout_ms) || (is_over && self.checks >= limits.checks_max) {
            return Due::GiveUp;
        }
        if is_over { Due::Check(self.checks + 1) } else { Due::NotYet }
    }

    /// Whether its producer may not end it any more without being asked: it named a time, and that is over.
    pub fn immunity_is_over(&self, now_ms: i64) -> bool {
        self.immunity_s > 0 && now_ms.saturating_sub(self.stored_ms) > i64::from(self.immunity_s) * 1000
    }
}

impl HalfMessages {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// A half message is in the log.
    pub fn insert(&mut self, queue_offset: u64, half: HalfMessage) {
        self.rows.insert(queue_offset, half);
    }

    /// A record is in the log, of whatever topic: replays it if it is a half message.
    pub fn note_record(&mut self, record: &RecordView<'_>) {
        if record.topic == TRANS_HALF_TOPIC {
            self.insert(record.queue_offset as u64, HalfMessage::new(record.store_timestamp, record.properties));
        }
    }

    /// The half message at a queue offset, unless it has ended or never was.
    pub fn get(&self, queue_offset: u64) -> Option<&HalfMessage> {
        self.rows.get(&queue_offset)
    }

    /// Takes one out, at most once each.
    pub fn apply_ended(&mut self, ended: TransactionEnded) {
        self.rows.remove(&ended.queue_offset);
    }

    /// Producers were asked. Those that have ended meanwhile are passed over.
    pub fn apply_checked(&mut self, checked: &TransactionsChecked) {
        for (queue_offset, checks) in &checked.halves {
            if let Some(half) = self.rows.get_mut(queue_offset) {
                half.checks = *checks;
            }
        }
    }

    /// Looks at the first `looked_max` half messages of those at `queue_offsets`, and returns up to `due_max` that are due.
    pub fn due_in(
        &self,
        queue_offsets: Range<u64>,
        now_ms: i64,
        limits: &CheckLimits,
        looked_max: usize,
        due_max: usize,
    ) -> DueTurn {
        let mut due = Vec::new();
        for (looked, (queue_offset, half)) in self.rows.range(queue_offsets).enumerate() {
            if looked == looked_max || due.len() == due_max {
                return DueTurn { due, next: Some(*queue_offset) };
            }
            match half.due(now_ms, limits) {
                Due::NotYet => {}
                now => due.push((*queue_offset, now)),
            }
        }
        DueTurn { due, next: None }
    }

    /// Queue offset of the oldest.
    pub fn first(&self) -> Option<u64> {
        self.rows.first_key_value().map(|(queue_offset, _)| *queue_offset)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether no further one is taken.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= HALF_MESSAGES_MAX
    }

    /// All, ascending by queue offset.
    pub fn snapshot(&self) -> Vec<StoredHalf> {
        let stored = |(queue_offset, half): (&u64, &HalfMessage)| StoredHalf {
            queue_offset: *queue_offset,
            stored_ms: half.stored_ms,
            immunity_s: half.immunity_s,
            checks: half.checks,
        };
        self.rows.iter().map(stored).collect()
    }

    /// As it was when the snapshot was taken.
    pub fn restore(snapshot: &[StoredHalf]) -> Self {
        let row = |stored: &StoredHalf| {
            let StoredHalf { queue_offset, stored_ms, immunity_s, checks } = *stored;
            (queue_offset, HalfMessage { stored_ms, immunity_s, checks })
        };
        Self { rows: snapshot.iter().map(row).collect() }
    }
}

#[cfg(test)]
mod tests;
