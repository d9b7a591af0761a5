//! What a power loss does to writes that no sync has covered.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::StdRng;

/// One power loss's manner. Real devices differ, so that each crash draws one.
pub(super) enum Survival {
    /// Everything had reached the medium.
    All,
    /// Nothing had.
    Nothing,
    /// Each sector on its own.
    Sectors {
        /// Chance of each.
        chance: f64,
    },
    /// Each call's write as a whole, in any order: holes before intact writes. The calls that survive.
    Writes(BTreeSet<u64>),
    /// In the order of the calls, the one at the cut torn.
    Prefix {
        /// The call where it stopped.
        cut: u64,
    },
}

impl Survival {
    /// Draws a manner for the un-synced calls given.
    pub(super) fn draw(rng: &mut StdRng, unsynced: impl Iterator<Item = u64>) -> Self {
        match rng.random_range(0..8) {
            0 => Self::All,
            1 => Self::Nothing,
            2 => Self::Sectors { chance: 0.1 },
            3 => Self::Sectors { chance: 0.5 },
            4 => Self::Sectors { chance: 0.95 },
            5 | 6 => {
                let chance = [0.2, 0.5, 0.8][rng.random_range(0..3)];
                let calls: BTreeSet<u64> = unsynced.collect();
                Self::Writes(calls.into_iter().filter(|_| rng.random_bool(chance)).collect())
            }
            _ => {
                let calls: Vec<u64> = unsynced.collect();
                let cut = if calls.is_empty() { 0 } else { calls[rng.random_range(0..calls.len())] };
                Self::Prefix { cut }
            }
        }
    }

    /// Whether one sector that the call numbered `sequence` wrote is on the medium.
    pub(super) fn survives(&self, sequence: u64, rng: &mut StdRng) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Sectors { chance } => rng.random_bool(*chance),
            Self::Writes(calls) => calls.contains(&sequence),
            Self::Prefix { cut } => sequence < *cut || (sequence == *cut && rng.random_bool(0.5)),
        }
    }
}
