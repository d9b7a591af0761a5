//! What runs did, so that a test that checks nothing shows.

use std::fmt;

use storage::file::sim::Counts;

use crate::seeds::Total;

/// Totals of one or many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Runs, one a seed.
    pub runs: u64,
    /// Stores opened and verified.
    pub lives: u64,
    /// Appends.
    pub units: u64,
    /// Appends that survived a crash although nothing had promised it.
    pub unpromised_survivors: u64,
    /// Appends that a crash took, none of them promised.
    pub units_cut: u64,
    /// Messages compared with what was sent.
    pub messages_checked: u64,
    /// Log entries taken from a ring.
    pub ring_entries: u64,
    /// Logs whose end was torn.
    pub torn_logs: u64,
    /// Queues rebuilt from the log.
    pub queues_rebuilt: u64,
    /// Files lost or damaged between two processes.
    pub losses: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Segments removed by retention.
    pub segments_removed: u64,
    /// Segment rolls.
    pub rolls: u64,
    /// Topics deleted.
    pub topics_deleted: u64,
    /// Crashes while a store was being opened.
    pub crashes_in_recovery: u64,
    /// Openings that failed because calls were made to fail.
    pub failed_openings: u64,
    /// Processes that died in the middle of a ring write.
    pub ring_deaths: u64,
    /// Logs that took no more writes after a failure.
    pub failed_logs: u64,
    /// Calls and faults of the disks.
    pub disk: Counts,
}

impl Total for Summary {
    fn add(&mut self, other: &Self) {
        Self::add(self, other);
    }
}

impl Summary {
    /// Adds the totals of another run.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.lives += other.lives;
        self.units += other.units;
        self.unpromised_survivors += other.unpromised_survivors;
        self.units_cut += other.units_cut;
        self.messages_checked += other.messages_checked;
        self.ring_entries += other.ring_entries;
        self.torn_logs += other.torn_logs;
        self.queues_rebuilt += other.queues_rebuilt;
        self.losses += other.losses;
        self.checkpoints += other.checkpoints;
        self.segments_removed += other.segments_removed;
        self.rolls += other.rolls;
        self.topics_deleted += other.topics_deleted;
        self.crashes_in_recovery += other.crashes_in_recovery;
        self.failed_openings += other.failed_openings;
        self.ring_deaths += other.ring_deaths;
        self.failed_logs += other.failed_logs;
        self.disk.add(&other.disk);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs, {} stores opened and verified, {} appends", self.runs, self.lives, self.units)?;
        writeln!(
            f,
            "  {} messages compared; {} unpromised appends survived a crash, {} did not; {} torn logs",
            self.messages_checked, self.unpromised_survivors, self.units_cut, self.torn_logs
        )?;
        writeln!(
            f,
            "  {} entries from rings, {} deaths within a ring write, {} crashes and {} failures in recovery",
            self.ring_entries, self.ring_deaths, self.crashes_in_recovery, self.failed_openings
        )?;
        writeln!(
            f,
            "  {} checkpoints, {} rolls, {} segments removed, {} files lost, {} queues rebuilt, {} topics deleted, {} logs failed",
            self.checkpoints,
            self.rolls,
            self.segments_removed,
            self.losses,
            self.queues_rebuilt,
            self.topics_deleted,
            self.failed_logs
        )?;
        write!(f, "{}", self.disk)
    }
}
