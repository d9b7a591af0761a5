//! When a replica that hears no leader campaigns: drawn from its own seed, so that a simulation replays.
//!
//! raft-rs draws its timeouts from the thread's generator. It is set so that its own timeout never passes; the ticks it
//! counts are compared with the timeout drawn here instead.

use raft::StateRole;

/// raft-rs's own election timeout in ticks: 500 million years at 50 ms, and small enough for its arithmetic.
pub(crate) const NEVER: usize = 1 << 58;

/// The timeout under way.
pub(crate) struct ElectionTimer {
    random: SplitMix64,
    election_ticks: u64,
    timeout: usize,
    seen: (StateRole, u64, bool),
}

impl ElectionTimer {
    pub(crate) fn new(election_ticks: u32, seed: u64) -> Self {
        let mut timer = Self {
            random: SplitMix64(seed),
            election_ticks: u64::from(election_ticks),
            timeout: 0,
            seen: (StateRole::Follower, 0, false),
        };
        timer.draw();
        timer
    }

    /// Ticks without a leader after which to campaign.
    pub(crate) fn timeout(&self) -> usize {
        self.timeout
    }

    /// A new timeout. With a leader, `election_ticks + 1 ..= 2 * election_ticks`: above what the leader's lease lasts, so
    /// that the votes asked for are not refused for its sake. Without one, half of that: after an election that nobody
    /// won there is no lease to wait for.
    pub(crate) fn draw(&mut self) {
        let (_, _, has_leader) = self.seen;
        let longest = if has_leader { 2 * self.election_ticks } else { self.election_ticks };
        let shortest = longest / 2 + 1;
        self.timeout = (shortest + self.random.next() % (longest + 1 - shortest)) as usize;
    }

    /// Draws again with every change of role, term or leader, so that replicas that collided once do not go on
    /// colliding.
    pub(crate) fn observe(&mut self, role: StateRole, term: u64, leader: u64) {
        let seen = (role, term, leader != 0);
        if self.seen != seen {
            self.seen = seen;
            self.draw();
        }
    }
}

/// Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts(seed: u64, leader: u64) -> Vec<usize> {
        let mut timer = ElectionTimer::new(10, seed);
        (1..200)
            .map(|term| {
                timer.observe(StateRole::Follower, term, leader);
                timer.timeout()
            })
            .collect()
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        assert_eq!(timeouts(7, 1), timeouts(7, 1));
        assert_ne!(timeouts(7, 1), timeouts(8, 1));
    }

    #[test]
    fn timeouts_cover_their_whole_range_and_nothing_else() {
        for (leader, range) in [(1, 11..=20), (0, 6..=10)] {
            let mut seen = timeouts(3, leader);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen, range.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_timeout_stays_while_role_term_and_leader_do() {
        let mut timer = ElectionTimer::new(1000, 1);
        timer.observe(StateRole::Follower, 1, 2);
        let first = timer.timeout();
        timer.observe(StateRole::Follower, 1, 2);
        assert_eq!(timer.timeout(), first);
        timer.observe(StateRole::Follower, 2, 2);
        assert_ne!(timer.timeout(), first);
    }
}
