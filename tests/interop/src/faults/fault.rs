//! What can happen to a broker of three nodes.

use cluster::means::Means;

/// One kind of fault. The leader is that of shard 0; with several shards it may lead others too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// `kill -9` of the leader.
    KillLeader,
    /// `kill -9` of a follower.
    KillFollower,
    /// `kill -9` of the leader and a follower at once.
    KillTwo,
    /// The leader stands still, SIGSTOP, and goes on later.
    HangLeader,
    /// A follower stands still.
    HangFollower,
    /// No packet comes from or to the leader.
    CutLeader,
    /// No packet comes from or to a follower.
    CutFollower,
    /// The other nodes hear nothing of the leader, which hears them; clients reach it.
    LeaderUnheard,
    /// The leader hears nothing of the other nodes, which hear it; clients reach it.
    LeaderDeaf,
    /// What the leader sends comes late, and some of it not at all.
    DelayedLeader,
    /// Packets from and to the leader get lost.
    LossyLeader,
    /// Nothing is free on the leader's disk.
    LeaderDiskFull,
    /// Nothing is free on a follower's disk.
    FollowerDiskFull,
    /// The leader dies and comes back on an empty disk.
    LeaderDiskWiped,
    /// A follower dies and comes back on an empty disk.
    FollowerDiskWiped,
    /// Every node is ended by SIGTERM and started, one after the other, the leader first.
    RollingRestart,
}

/// What a fault takes that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Filter,
    Netem,
    Disks,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::KillLeader,
        Self::KillFollower,
        Self::KillTwo,
        Self::HangLeader,
        Self::HangFollower,
        Self::CutLeader,
        Self::CutFollower,
        Self::LeaderUnheard,
        Self::LeaderDeaf,
        Self::DelayedLeader,
        Self::LossyLeader,
        Self::LeaderDiskFull,
        Self::FollowerDiskFull,
        Self::LeaderDiskWiped,
        Self::FollowerDiskWiped,
        Self::RollingRestart,
    ];

    /// A word for the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// A few words for the table.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str, Need) {
        match self {
            Self::KillLeader => ("kill-leader", "kill -9 of the leader", Need::Nothing),
            Self::KillFollower => ("kill-follower", "kill -9 of a follower", Need::Nothing),
            Self::KillTwo => ("kill-two", "kill -9 of two of three, leader among them", Need::Nothing),
            Self::HangLeader => ("hang-leader", "SIGSTOP of the leader", Need::Nothing),
            Self::HangFollower => ("hang-follower", "SIGSTOP of a follower", Need::Nothing),
            Self::CutLeader => ("cut-leader", "leader cut off from everybody", Need::Filter),
            Self::CutFollower => ("cut-follower", "follower cut off from everybody", Need::Filter),
            Self::LeaderUnheard => ("leader-unheard", "one way: the nodes hear nothing of the leader", Need::Filter),
            Self::LeaderDeaf => ("leader-deaf", "one way: the leader hears nothing of the nodes", Need::Filter),
            Self::DelayedLeader => ("delay", "leader's packets 50 ± 20 ms late, 2 % lost (netem)", Need::Netem),
            Self::LossyLeader => ("loss", "10 % of the leader's packets lost each way", Need::Filter),
            Self::LeaderDiskFull => ("full-leader", "leader's disk full", Need::Disks),
            Self::FollowerDiskFull => ("full-follower", "follower's disk full", Need::Disks),
            Self::LeaderDiskWiped => ("wipe-leader", "leader killed, back on an empty disk", Need::Nothing),
            Self::FollowerDiskWiped => ("wipe-follower", "follower killed, back on an empty disk", Need::Nothing),
            Self::RollingRestart => ("rolling-restart", "rolling restart of all nodes (SIGTERM)", Need::Nothing),
        }
    }

    /// The fault with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Whether this machine can do it; if not, why.
    ///
    /// # Errors
    /// What it lacks, in words.
    pub fn possible(self, means: &Means) -> Result<(), String> {
        let hosts = || means.namespaces.clone().map_err(|why| format!("no network namespaces: {why}"));
        let (what, there) = match self.row().2 {
            Need::Nothing => return Ok(()),
            Need::Filter => ("packet filter", hosts().and_then(|()| means.filter.clone())),
            Need::Netem => ("netem", hosts().and_then(|()| means.netem.clone())),
            Need::Disks => ("disk of limited size", means.small_disk.clone()),
        };
        there.map_err(|why| format!("no {what}: {why}"))
    }

    /// Whether it is the leader that it happens to.
    #[must_use]
    pub fn hits_leader(self) -> bool {
        !matches!(
            self,
            Self::KillFollower
                | Self::HangFollower
                | Self::CutFollower
                | Self::FollowerDiskFull
                | Self::FollowerDiskWiped
        )
    }

    /// Whether a node forgets something by it, so that everybody else has to have it before.
    #[must_use]
    pub fn forgets(self) -> bool {
        matches!(self, Self::LeaderDiskWiped | Self::FollowerDiskWiped)
    }

    /// Whether the leader is gone at once, so that the promise about the next one holds.
    #[must_use]
    pub fn is_death_of_leader(self) -> bool {
        matches!(self, Self::KillLeader | Self::LeaderDiskWiped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_is_found_by_its_own_name() {
        let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.name()), Some(fault));
        }
    }

    #[test]
    fn what_the_machine_lacks_is_said_and_not_pretended() {
        let missing = || Err("not here".to_owned());
        let means = Means { namespaces: Ok(()), filter: Ok(()), netem: missing(), small_disk: missing() };
        assert_eq!(Fault::CutLeader.possible(&means), Ok(()));
        assert_eq!(Fault::DelayedLeader.possible(&means), Err("no netem: not here".to_owned()));
        let means = Means { namespaces: missing(), ..means };
        assert!(Fault::CutLeader.possible(&means).is_err());
        assert_eq!(Fault::KillLeader.possible(&means), Ok(()));
    }
}
