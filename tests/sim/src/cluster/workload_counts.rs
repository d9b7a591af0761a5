//! What clients did beside sending and reading, in one or many runs.

use std::fmt;

use super::appointments::AppointmentCounts;
use super::lock_watch::LockWatch;
use super::parcels::ParcelCounts;
use super::payments::PaymentCounts;

/// See the module's text.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkloadCounts {
    /// Messages with a time of their own that were acknowledged, ...
    pub appointments: u64,
    /// ... those that came, ...
    pub came: u64,
    /// ... and those that were recalled.
    pub recalled: u64,
    /// Half messages that were acknowledged, ...
    pub halves: u64,
    /// ... those that their producers ended, ...
    pub ended: u64,
    /// ... questions that producers were asked about them, ...
    pub questions: u64,
    /// ... and those that were given up.
    pub given_up: u64,
    /// Queue locks granted ...
    pub locks_granted: u64,
    /// ... and refused.
    pub locks_denied: u64,
    /// Messages for those who pop that were acknowledged to their senders, ...
    pub parcels: u64,
    /// ... how often one was given out, ...
    pub popped: u64,
    /// ... how often not for the first time to its group, ...
    pub popped_again: u64,
    /// ... how many were done, each in each group, ...
    pub done: u64,
    /// ... how many became dead letters, ...
    pub dead: u64,
    /// ... how often an invisible time was changed, ...
    pub times_changed: u64,
    /// ... and how often a handle was refused.
    pub handles_refused: u64,
}

impl WorkloadCounts {
    /// Adds those of other runs.
    pub fn add(&mut self, other: &Self) {
        self.appointments += other.appointments;
        self.came += other.came;
        self.recalled += other.recalled;
        self.halves += other.halves;
        self.ended += other.ended;
        self.questions += other.questions;
        self.given_up += other.given_up;
        self.locks_granted += other.locks_granted;
        self.locks_denied += other.locks_denied;
        self.parcels += other.parcels;
        self.popped += other.popped;
        self.popped_again += other.popped_again;
        self.done += other.done;
        self.dead += other.dead;
        self.times_changed += other.times_changed;
        self.handles_refused += other.handles_refused;
    }

    pub(super) fn add_appointments(&mut self, counts: AppointmentCounts) {
        self.appointments += counts.stored;
        self.came += counts.seen;
        self.recalled += counts.recalled;
    }

    pub(super) fn add_payments(&mut self, counts: PaymentCounts) {
        self.halves += counts.stored;
        self.ended += counts.ended;
        self.questions += counts.questions;
        self.given_up += counts.given_up;
    }

    pub(super) fn add_parcels(&mut self, counts: ParcelCounts) {
        self.parcels += counts.stored;
        self.popped += counts.given;
        self.popped_again += counts.again;
        self.done += counts.done;
        self.dead += counts.dead;
        self.times_changed += counts.changed;
        self.handles_refused += counts.refused;
    }

    pub(super) fn add_locks(&mut self, locks: &LockWatch) {
        self.locks_granted += locks.granted;
        self.locks_denied += locks.denied;
    }
}

impl fmt::Display for WorkloadCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} timers and delays, {} came, {} recalled; {} half messages, {} ended, {} asked about, {} given up; {} locks granted, {} refused",
            self.appointments,
            self.came,
            self.recalled,
            self.halves,
            self.ended,
            self.questions,
            self.given_up,
            self.locks_granted,
            self.locks_denied
        )?;
        write!(
            f,
            "  {} parcels, popped {} times, {} of these again; {} done, {} dead, {} invisible times changed, {} handles refused",
            self.parcels,
            self.popped,
            self.popped_again,
            self.done,
            self.dead,
            self.times_changed,
            self.handles_refused
        )
    }
}
