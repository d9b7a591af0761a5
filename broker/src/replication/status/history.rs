//! What a replica has seen since its process started: counts, and the last time that another leader took over.

use std::cell::Cell;

use protocol::body::ReplicaHistory;
use raft_driver::RoleView;

/// Plain fields; times are ms since 1970.
#[derive(Debug)]
pub(crate) struct History {
    node: u64,
    counts: Cell<ReplicaHistory>,
    term: Cell<u64>,
    /// The leader of the term, 0 if unknown.
    leader: Cell<u64>,
    /// When a leader was last heard of, or when this replica last led.
    heard_ms: Cell<Option<i64>>,
    /// The leader has said something since the last tick.
    hears: Cell<bool>,
}

impl History {
    pub(crate) fn new(node: u64, term: u64) -> Self {
        Self {
            node,
            counts: Cell::default(),
            term: Cell::new(term),
            leader: Cell::new(0),
            heard_ms: Cell::new(None),
            hears: Cell::new(false),
        }
    }

    /// Catch-ups that needed a checkpoint.
    pub(crate) fn installations(&self) -> u64 {
        self.counts.get().installations
    }

    pub(super) fn counts(&self) -> ReplicaHistory {
        self.counts.get()
    }

    /// When a leader was last heard of, to a tick.
    pub(super) fn heard_ms(&self) -> Option<i64> {
        self.heard_ms.get()
    }

    fn count(&self, change: impl FnOnce(&mut ReplicaHistory)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Raft says who leads.
    pub(crate) fn note_role(&self, role: &RoleView, now_ms: i64) {
        let is_new_term = role.term > self.term.replace(role.term);
        if is_new_term {
            self.count(|counts| counts.elections += 1);
        }
        let before = self.leader.replace(role.leader);
        let is_another = role.leader != 0 && (is_new_term || role.leader != before);
        // A leader of its own takes over when it serves: see `led`.
        if is_another && role.leader != self.node {
            self.took_over(now_ms);
            self.heard_ms.set(Some(now_ms));
        }
    }

    /// This replica leads, and serves from here on.
    pub(crate) fn led(&self, now_ms: i64) {
        self.count(|counts| {
            counts.times_led += 1;
            counts.last_led_ms = Some(now_ms);
        });
        self.took_over(now_ms);
        self.heard_ms.set(Some(now_ms));
    }

    fn took_over(&self, now_ms: i64) {
        let since = |heard_ms: i64| now_ms.saturating_sub(heard_ms).max(0).unsigned_abs();
        let took_ms = self.heard_ms.get().map(since);
        self.count(|counts| {
            counts.last_failover_ms = Some(now_ms);
            counts.last_failover_took_ms = took_ms;
        });
    }

    /// A sound message of this node has come.
    pub(crate) fn heard(&self, node: u64) {
        if node == self.leader.get() {
            self.hears.set(true);
        }
    }

    /// Some time has passed, in which this replica did lead or did not.
    pub(super) fn tick(&self, leads: bool, now_ms: i64) {
        if self.hears.take() || leads {
            self.heard_ms.set(Some(now_ms));
        }
    }

    pub(crate) fn began_catch_up(&self) {
        self.count(|counts| counts.catch_ups += 1);
    }

    /// The leader's log begins behind this one's end.
    pub(crate) fn began_installation(&self) {
        self.count(|counts| counts.installations += 1);
    }

    pub(crate) fn caught_up(&self, bytes: usize) {
        self.count(|counts| counts.caught_up_bytes += bytes as u64);
    }

    /// A connection is closed for what the other replica said on it.
    pub(crate) fn refused(&self) {
        self.count(|counts| counts.refused += 1);
    }
}

#[cfg(test)]
mod tests {
    use raft_driver::StateRole;

    use super::*;

    const OWN: u64 = 1;

    fn follower(term: u64, leader: u64) -> RoleView {
        RoleView { role: StateRole::Follower, term, leader }
    }

    fn failover(history: &History) -> (Option<i64>, Option<u64>) {
        (history.counts().last_failover_ms, history.counts().last_failover_took_ms)
    }

    #[test]
    fn a_failover_lasts_from_the_old_leader_s_last_word_to_the_new_one() {
        let history = History::new(OWN, 3);
        history.note_role(&follower(3, 2), 1_000);
        assert_eq!(failover(&history), (Some(1_000), None), "there was none before it");
        history.heard(2);
        history.tick(false, 1_050);
        history.heard(3);
        history.tick(false, 1_100);
        assert_eq!(history.heard_ms(), Some(1_050), "node 3 does not lead");
        history.note_role(&follower(3, 0), 1_700);
        history.note_role(&follower(4, 0), 1_710);
        history.note_role(&follower(4, 3), 1_800);
        assert_eq!(failover(&history), (Some(1_800), Some(750)));
        assert_eq!(history.counts().elections, 1);
    }

    #[test]
    fn an_own_lead_counts_when_it_serves() {
        let history = History::new(OWN, 3);
        history.note_role(&follower(3, 2), 1_000);
        history.note_role(&RoleView { role: StateRole::Leader, term: 4, leader: OWN }, 1_900);
        assert_eq!(failover(&history), (Some(1_000), None));
        history.led(1_950);
        assert_eq!(failover(&history), (Some(1_950), Some(950)));
        assert_eq!((history.counts().times_led, history.counts().last_led_ms), (1, Some(1_950)));
        history.tick(true, 5_000);
        history.note_role(&follower(5, 2), 5_400);
        assert_eq!(failover(&history), (Some(5_400), Some(400)));
    }

    #[test]
    fn the_same_leader_elected_again_is_a_failover_and_a_repeated_role_is_not() {
        let history = History::new(OWN, 3);
        history.note_role(&follower(3, 2), 1_000);
        history.note_role(&follower(3, 2), 1_500);
        assert_eq!(failover(&history), (Some(1_000), None));
        history.note_role(&follower(4, 2), 2_000);
        assert_eq!(failover(&history), (Some(2_000), Some(1_000)));
    }

    #[test]
    fn catch_ups_and_refusals_are_counted() {
        let history = History::new(OWN, 0);
        history.began_catch_up();
        history.caught_up(10);
        history.caught_up(20);
        history.refused();
        let counts = history.counts();
        assert_eq!((counts.catch_ups, counts.caught_up_bytes, counts.refused, counts.elections), (1, 30, 1, 0));
    }
}
