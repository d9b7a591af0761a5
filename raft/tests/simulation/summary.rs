//! What a run did, to show that it did something.

use std::fmt;

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    pub(crate) elections: u64,
    pub(crate) committed: u64,
    pub(crate) acknowledged: u64,
    pub(crate) crashes: u64,
    pub(crate) forgotten: u64,
    pub(crate) wiped: u64,
    pub(crate) pauses: u64,
    pub(crate) partitions: u64,
    pub(crate) lost_messages: u64,
    pub(crate) truncations: u64,
    pub(crate) catch_ups: u64,
    pub(crate) cuts: u64,
    pub(crate) void_catch_ups: u64,
    pub(crate) transfers: u64,
    pub(crate) membership_changes: u64,
    pub(crate) votes_withheld: u64,
    pub(crate) heal_ticks_max: u64,
}

impl Summary {
    fn counts(&self) -> [(&'static str, u64); 18] {
        [
            ("seeds", self.seeds),
            ("elections", self.elections),
            ("committed", self.committed),
            ("acknowledged", self.acknowledged),
            ("crashes", self.crashes),
            ("forgotten", self.forgotten),
            ("wiped", self.wiped),
            ("pauses", self.pauses),
            ("partitions", self.partitions),
            ("lost messages", self.lost_messages),
            ("truncations", self.truncations),
            ("catch-ups", self.catch_ups),
            ("cuts", self.cuts),
            ("void catch-ups", self.void_catch_ups),
            ("transfers", self.transfers),
            ("membership changes", self.membership_changes),
            ("votes withheld", self.votes_withheld),
            ("ticks to heal, at most", self.heal_ticks_max),
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.elections += other.elections;
        self.committed += other.committed;
        self.acknowledged += other.acknowledged;
        self.crashes += other.crashes;
        self.forgotten += other.forgotten;
        self.wiped += other.wiped;
        self.pauses += other.pauses;
        self.partitions += other.partitions;
        self.lost_messages += other.lost_messages;
        self.truncations += other.truncations;
        self.catch_ups += other.catch_ups;
        self.cuts += other.cuts;
        self.void_catch_ups += other.void_catch_ups;
        self.transfers += other.transfers;
        self.membership_changes += other.membership_changes;
        self.votes_withheld += other.votes_withheld;
        self.heal_ticks_max = self.heal_ticks_max.max(other.heal_ticks_max);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<_> = self.counts().iter().map(|(what, count)| format!("{what} {count}")).collect();
        f.write_str(&told.join(", "))
    }
}
