//! Links between replicas that fail.

use std::collections::BTreeSet;

use raft_driver::eraftpb::{ConfState, Message};
use raft_driver::{EntryId, PeerReport};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::log::LogEntry;

/// What one replica sends another.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A message of raft, and the raw entries behind it.
    Raft(Message, Vec<LogEntry>),
    Report(PeerReport),
    /// A follower that has to catch up shows the terms of its log.
    Pull {
        leader_term: u64,
        terms: Vec<u64>,
    },
    /// The leader's answer: what follows the last entry they share.
    Chunk {
        leader_term: u64,
        after: EntryId,
        entries: Vec<LogEntry>,
        applied: EntryId,
        /// `None` where the sender knows only those that hold behind it.
        conf_state: Option<ConfState>,
    },
}

/// A message on its way. Lives stand for connections: one that was made with an earlier life carries nothing any more.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) from_life: u64,
    /// The life of the receiver that the sender knows of; 0 only for the first report.
    pub(crate) to_life: u64,
    pub(crate) body: Body,
}

pub(crate) struct Network {
    random: StdRng,
    /// Links that are cut, from and to.
    pub(crate) cut: BTreeSet<(u64, u64)>,
    /// In a hundred.
    pub(crate) loss: u32,
    /// In a hundred.
    pub(crate) doubles: u32,
    /// Longest delay of most messages, in units of time.
    pub(crate) delay_max: u64,
    pub(crate) lost: u64,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed ^ 0x006E_6574_776F_726B);
        Self { random, cut: BTreeSet::new(), loss: 0, doubles: 0, delay_max: 3, lost: 0 }
    }

    /// The delays after which a message arrives: none if it is lost, two if it is doubled. Delays differ, so that
    /// messages pass each other.
    pub(crate) fn send(&mut self, from: u64, to: u64) -> Vec<u64> {
        if self.cut.contains(&(from, to)) || self.random.random_range(0..100) < self.loss {
            self.lost += 1;
            return Vec::new();
        }
        let copies = if self.random.random_range(0..100) < self.doubles { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                let is_late = self.doubles > 0 && self.random.random_range(0..50) == 0;
                self.random.random_range(1..=if is_late { self.delay_max * 30 } else { self.delay_max })
            })
            .collect()
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        (self.loss, self.doubles, self.delay_max) = (0, 0, 3);
    }
}
