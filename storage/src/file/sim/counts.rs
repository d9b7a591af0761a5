//! What a simulated disk was asked to do, and what it did to its users.

use std::fmt;

use super::fault::{CallKind, Fault};

/// Totals over the lives of a disk; those of several disks can be added up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    calls: [u64; CallKind::COUNT],
    faults: [[u64; Fault::ALL.len()]; CallKind::COUNT],
    /// Writes that were durable when they completed, without a sync.
    pub stable_writes: u64,
    /// Processes killed.
    pub kills: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Calls that were under way at a crash.
    pub calls_cut_off: u64,
    /// Un-synced sectors that power losses left as they were last written.
    pub sectors_kept: u64,
    /// Un-synced sectors that power losses took back to an older content.
    pub sectors_lost: u64,
    /// Un-synced creations, renames and removals that power losses undid.
    pub names_lost: u64,
    /// Bits flipped on request.
    pub bits_flipped: u64,
    /// Writes that landed elsewhere, on request.
    pub writes_misdirected: u64,
}

impl Counts {
    pub(super) fn call(&mut self, kind: CallKind) {
        self.calls[kind as usize] += 1;
    }

    pub(super) fn fault(&mut self, kind: CallKind, fault: Fault) {
        self.faults[kind as usize][fault as usize] += 1;
    }

    /// Calls of one kind.
    pub fn calls(&self, kind: CallKind) -> u64 {
        self.calls[kind as usize]
    }

    /// Faults of one kind.
    pub fn faults(&self, kind: CallKind, fault: Fault) -> u64 {
        self.faults[kind as usize][fault as usize]
    }

    /// Calls of all kinds.
    pub fn calls_total(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// Faults of all kinds.
    pub fn faults_total(&self) -> u64 {
        self.faults.iter().flatten().sum()
    }

    /// Adds the totals of another disk.
    pub fn add(&mut self, other: &Self) {
        for kind in CallKind::ALL {
            self.calls[kind as usize] += other.calls[kind as usize];
            for fault in Fault::ALL {
                self.faults[kind as usize][fault as usize] += other.faults[kind as usize][fault as usize];
            }
        }
        self.stable_writes += other.stable_writes;
        self.kills += other.kills;
        self.power_losses += other.power_losses;
        self.calls_cut_off += other.calls_cut_off;
        self.sectors_kept += other.sectors_kept;
        self.sectors_lost += other.sectors_lost;
        self.names_lost += other.names_lost;
        self.bits_flipped += other.bits_flipped;
        self.writes_misdirected += other.writes_misdirected;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} calls, {} faults injected:", self.calls_total(), self.faults_total())?;
        writeln!(f, "  {:<16} {:>10} {:>8} {:>8} {:>8}", "call", "calls", "EIO", "ENOSPC", "short")?;
        for kind in CallKind::ALL {
            write!(f, "  {kind:<16} {:>10}", self.calls(kind))?;
            for fault in Fault::ALL {
                if kind.can_fail_with(fault) {
                    write!(f, " {:>8}", self.faults(kind, fault))?;
                } else {
                    write!(f, " {:>8}", "-")?;
                }
            }
            writeln!(f)?;
        }
        write!(
            f,
            "  {} kills and {} power losses, {} calls cut off; {} writes stable by themselves; un-synced: {} sectors kept, \
             {} lost or torn, {} names lost; {} bits flipped, {} writes misdirected",
            self.kills,
            self.power_losses,
            self.calls_cut_off,
            self.stable_writes,
            self.sectors_kept,
            self.sectors_lost,
            self.names_lost,
            self.bits_flipped,
            self.writes_misdirected
        )
    }
}
