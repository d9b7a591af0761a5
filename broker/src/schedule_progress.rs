//! How far each delay level was delivered: the next queue offset of each queue of the schedule topic.

use crate::control_record::{ControlRecord, ScheduleProgressed};
use crate::delay_levels::DELAY_LEVELS_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// Next queue offset by level, from 1. Levels that delivered nothing yet are not in it.
#[derive(Debug, Default)]
pub struct ScheduleProgress {
    levels: BTreeMap<i32, i64>,
    dirty: BTreeSet<i32>,
}

impl ScheduleProgress {
    /// Nothing was delivered.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next message of the level to deliver.
    pub fn next_offset(&self, level: i32) -> i64 {
        self.levels.get(&level).copied().unwrap_or(0)
    }

    /// All messages of the level before `queue_offset` were delivered.
    pub fn advance(&mut self, level: i32, queue_offset: i64) {
        assert!((1..=DELAY_LEVELS_MAX as i32).contains(&level), "no delay level {level}");
        let next = self.next_offset(level);
        assert!(queue_offset >= next, "level {level} goes from {next} back to {queue_offset}");
        if queue_offset > next {
            self.levels.insert(level, queue_offset);
            self.dirty.insert(level);
        }
    }

    /// Level and next offset, ascending by level: body of request 45, and a snapshot.
    pub fn snapshot(&self) -> Vec<(i32, i64)> {
        self.levels.iter().map(|(level, offset)| (*level, *offset)).collect()
    }

    /// As it was when the snapshot was taken. Nothing in it counts as changed.
    pub fn restore(snapshot: &[(i32, i64)]) -> Self {
        Self { levels: snapshot.iter().copied().collect(), dirty: BTreeSet::new() }
    }

    /// Moves all changes since the last call to the end of `records`.
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        for level in std::mem::take(&mut self.dirty) {
            let progressed = ScheduleProgressed { level, queue_offset: self.levels[&level] };
            records.push(ControlRecord::ScheduleProgressed(progressed));
        }
    }

    /// Replays a change.
    pub(crate) fn apply(&mut self, progressed: ScheduleProgressed) {
        self.levels.insert(progressed.level, progressed.queue_offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(progress: &mut ScheduleProgress) -> Vec<ControlRecord> {
        let mut records = Vec::new();
        progress.take_records(&mut records);
        records
    }

    #[test]
    fn only_the_latest_offset_of_a_changed_level_is_recorded() {
        let mut progress = ScheduleProgress::new();
        progress.advance(3, 1);
        progress.advance(3, 2);
        progress.advance(1, 5);
        progress.advance(2, 0);
        let progressed =
            |level, queue_offset| ControlRecord::ScheduleProgressed(ScheduleProgressed { level, queue_offset });
        assert_eq!(records(&mut progress), [progressed(1, 5), progressed(3, 2)]);
        assert!(records(&mut progress).is_empty());
        assert_eq!((progress.next_offset(3), progress.next_offset(2)), (2, 0));
    }

    #[test]
    #[should_panic(expected = "level 3 goes from 2 back to 1")]
    fn progress_never_goes_back() {
        let mut progress = ScheduleProgress::new();
        progress.advance(3, 2);
        progress.advance(3, 1);
    }
}
