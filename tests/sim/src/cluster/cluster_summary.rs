//! What runs of clusters did, so that a test that checks nothing shows.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use storage::file::sim::Counts;

use super::message_faults::MessageCounts;
use super::network::NetworkCounts;
use super::workload_counts::WorkloadCounts;
use crate::seeds::Total;

/// Totals of one or many runs.
#[derive(Clone, Debug, Default)]
pub struct ClusterSummary {
    /// Runs, one a seed.
    pub runs: u64,
    /// Time that went by in them.
    pub virtual_time: Duration,
    /// Requests to store a message.
    pub attempts: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Of those, refused.
    pub refused: u64,
    /// Messages that consumers read and compared.
    pub read: u64,
    /// Messages that somebody was told of and that went with the power, where that had been allowed.
    pub forgiven: u64,
    /// Messages compared when everything was over.
    pub audited: u64,
    /// Positions of consumers asked for ...
    pub positions: u64,
    /// ... and those that had to be there.
    pub positions_required: u64,
    /// Processes that served.
    pub starts: u64,
    /// Processes whose store did not open, on a disk that was made to fail.
    pub failed_starts: u64,
    /// Processes killed.
    pub kills: u64,
    /// Machines that lost power.
    pub power_losses: u64,
    /// Disks replaced by empty ones.
    pub lost_disks: u64,
    /// Processes told to end.
    pub stops: u64,
    /// Machines paused.
    pub pauses: u64,
    /// Checkpoints begun.
    pub checkpoints: u64,
    /// Partitions of the network.
    pub partitions: u64,
    /// Times that connections between two hosts broke.
    pub breaks: u64,
    /// Links slowed down.
    pub slow_links: u64,
    /// Disks slowed down.
    pub slow_disks: u64,
    /// Disks filled up.
    pub full_disks: u64,
    /// Disks made to fail.
    pub failing_disks: u64,
    /// Clocks set.
    pub clock_jumps: u64,
    /// Longest time that sends to a group took to succeed again after everything was healed.
    pub longest_recovery: Duration,
    /// Entries that groups of replicas committed.
    pub entries: u64,
    /// Groups that were led by their first node when everything was over: there leads belong.
    pub led_by_first: u64,
    /// Bytes of the log of one replica that were compared with the others' when everything was over.
    pub compared: u64,
    /// Disks on which bits were flipped.
    pub rotten_disks: u64,
    /// Such disks, or ones that confused addresses, whose replica got everything back by itself.
    pub repaired_disks: u64,
    /// Such disks that were replaced by empty ones.
    pub replaced_disks: u64,
    /// What networks did to messages between replicas.
    pub messages: MessageCounts,
    /// What clients did beside sending and reading.
    pub workload: WorkloadCounts,
    /// Terms in which such a group had a leader.
    pub leaders: u64,
    /// Changes of their members that were carried out, or found to be so already.
    pub member_changes: u64,
    /// Catch-ups that needed a checkpoint, by the processes that ran last.
    pub installations: u64,
    /// Places of logs mended from other replicas, by the same.
    pub mended: u64,
    /// What the networks did.
    pub network: NetworkCounts,
    /// Calls and faults of the disks.
    pub disk: Counts,
    /// Of everything that arrived anywhere: the same for the same seed.
    pub digest: u64,
}

impl ClusterSummary {
    /// Takes something that happened into the digest.
    pub(super) fn note(&mut self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        self.digest.hash(&mut hasher);
        what.hash(&mut hasher);
        self.digest = hasher.finish();
    }
}

impl Total for ClusterSummary {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.virtual_time += other.virtual_time;
        self.attempts += other.attempts;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.read += other.read;
        self.forgiven += other.forgiven;
        self.audited += other.audited;
        self.installations += other.installations;
        self.mended += other.mended;
        self.positions += other.positions;
        self.positions_required += other.positions_required;
        self.starts += other.starts;
        self.failed_starts += other.failed_starts;
        self.kills += other.kills;
        self.power_losses += other.power_losses;
        self.lost_disks += other.lost_disks;
        self.stops += other.stops;
        self.pauses += other.pauses;
        self.checkpoints += other.checkpoints;
        self.partitions += other.partitions;
        self.breaks += other.breaks;
        self.slow_links += other.slow_links;
        self.slow_disks += other.slow_disks;
        self.full_disks += other.full_disks;
        self.failing_disks += other.failing_disks;
        self.clock_jumps += other.clock_jumps;
        self.longest_recovery = self.longest_recovery.max(other.longest_recovery);
        self.entries += other.entries;
        self.leaders += other.leaders;
        self.led_by_first += other.led_by_first;
        self.member_changes += other.member_changes;
        self.compared += other.compared;
        self.rotten_disks += other.rotten_disks;
        self.repaired_disks += other.repaired_disks;
        self.replaced_disks += other.replaced_disks;
        self.messages.add(&other.messages);
        self.workload.add(&other.workload);
        self.network.add(&other.network);
        self.disk.add(&other.disk);
        self.digest ^= other.digest;
    }
}

impl fmt::Display for ClusterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clusters for {:.0} s of their time, {} sends, {} acknowledged, {} refused",
            self.runs,
            self.virtual_time.as_secs_f64(),
            self.attempts,
            self.acknowledged,
            self.refused
        )?;
        writeln!(
            f,
            "  {} messages read, {} compared at the end, {} lost as ASYNC_FLUSH may; {} positions, {} of them owed",
            self.read, self.audited, self.forgiven, self.positions, self.positions_required
        )?;
        writeln!(
            f,
            "  {} starts, {} failed; {} kills, {} power losses, {} lost disks, {} stops, {} pauses, {} clock jumps, {} checkpoints",
            self.starts,
            self.failed_starts,
            self.kills,
            self.power_losses,
            self.lost_disks,
            self.stops,
            self.pauses,
            self.clock_jumps,
            self.checkpoints
        )?;
        writeln!(
            f,
            "  {} partitions, {} broken and {} slow links; {} slow, {} full and {} failing disks; sends again {:.1} s after healing at the latest",
            self.partitions,
            self.breaks,
            self.slow_links,
            self.slow_disks,
            self.full_disks,
            self.failing_disks,
            self.longest_recovery.as_secs_f64()
        )?;
        writeln!(
            f,
            "  {} entries committed by groups, {} terms with a leader, {} changes of members, {} bytes the same on all replicas",
            self.entries, self.leaders, self.member_changes, self.compared
        )?;
        writeln!(
            f,
            "  {} disks with flipped bits; {} of these or with misdirected writes repaired, {} replaced; of replicas' messages {}",
            self.rotten_disks, self.repaired_disks, self.replaced_disks, self.messages
        )?;
        writeln!(f, "  {}", self.workload)?;
        writeln!(f, "  {}", self.network)?;
        write!(f, "{}", self.disk)
    }
}
