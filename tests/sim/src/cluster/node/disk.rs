//! The disk of a machine, and what was done to it.

use std::sync::Arc;

use rand::RngExt;
use storage::file::sim::{CallKind, Counts, Fault, SimDisk};

use super::{Node, broker_config};
use crate::machine::Machine;

impl<M: Machine> Node<M> {
    /// Its disk, below whatever the shard sees of it.
    pub fn sim(&self) -> &SimDisk {
        &self.sim
    }

    /// What all its disks did so far.
    pub fn disk_counts(&self) -> Counts {
        let mut counts = self.lost_counts.clone();
        counts.add(&self.sim.counts());
        counts
    }

    /// Whether something was done to its disk in the present life that a broker may give up for.
    pub fn disk_is_troubled(&self) -> bool {
        self.disk_is_troubled
    }

    pub(in crate::cluster) fn trouble_disk(&mut self) {
        self.disk_is_troubled = true;
    }

    /// Its disk is replaced by an empty one, while it has no power.
    pub(in crate::cluster) fn lose_disk(&mut self) {
        assert!(!self.is_up() && self.ring.is_none(), "it has no power");
        self.lost_counts.add(&self.sim.counts());
        self.sim = SimDisk::new(self.rng.random()).with_log_writes(self.parts.settings.log_writes);
        self.damaged_in = None;
        if let Some(place) = &mut self.parts.place {
            place.lose_disk();
        }
        if let Some(pair) = &self.parts.pair {
            // Whoever was master and became a slave is configured as one before its empty store is taken for a master's.
            let properties = pair.properties_on_new_disk();
            self.config =
                Arc::new(broker_config(self.parts.host, self.flush_mode(), self.parts.checks_max, &properties));
        }
    }

    /// Whether what is on its disk is not what was written, somewhere.
    pub fn is_damaged(&self) -> bool {
        self.damaged_in.is_some()
    }

    pub(in crate::cluster) fn set_damaged(&mut self) {
        self.damaged_in = Some(self.life);
    }

    /// It is to be asked [`Self::is_first_look_since_damage`] again.
    pub(in crate::cluster) fn look_again(&mut self) {
        self.looked_in = 0;
    }

    pub(in crate::cluster) fn set_sound(&mut self) {
        self.damaged_in = None;
    }

    pub(in crate::cluster) fn was_started_since_damage(&self) -> bool {
        self.damaged_in.is_some_and(|life| life != self.life)
    }

    /// Whether it was not asked this before in a life that began after the damage.
    pub(in crate::cluster) fn is_first_look_since_damage(&mut self) -> bool {
        self.was_started_since_damage() && std::mem::replace(&mut self.looked_in, self.life) != self.life
    }

    /// Whether a sync failed in the present life: in ASYNC_FLUSH, what it should have covered may be gone.
    pub fn has_failed_sync(&self) -> bool {
        self.failed_syncs() > self.syncs_failed_before
    }

    pub(super) fn failed_syncs(&self) -> u64 {
        let counts = self.sim.counts();
        counts.faults(CallKind::Sync, Fault::Eio) + counts.faults(CallKind::Sync, Fault::Enospc)
    }
}
