//! What a leader sees of its followers from tick to tick: raft knows where they are, not since when nor how fast.

use std::collections::BTreeMap;

use protocol::body::{Extent, Lag, LogPlace};
use raft_driver::PeerProgress;

use super::append_times::AppendTimes;
use super::transfer_rate::TransferRate;

/// Raft forgets at every election timeout who has answered, and live followers answer the next heartbeat: one that was
/// heard of within this counts as active.
const ACTIVE_MS: i64 = 500;
/// A follower that catches up asks for more at least every second; what it said then counts so long.
const PULLED_MS: i64 = 5_000;

/// The end of the leader's log.
#[derive(Copy, Clone, Debug)]
pub(super) struct End {
    pub(super) index: u64,
    pub(super) offset: u64,
}

/// See the module's text. Of one lead; times are ms since 1970.
#[derive(Debug, Default)]
pub(crate) struct FollowerWatch {
    /// Term of the lead, 0 while this replica does not lead.
    term: u64,
    times: AppendTimes,
    seen: BTreeMap<u64, Seen>,
}

#[derive(Copy, Clone, Debug, Default)]
struct Seen {
    /// What it had confirmed when the offset behind that was last known.
    confirmed: Option<(u64, u64)>,
    /// What it has besides, as far as it said when it asked for more of the leader's files, and when.
    pulled: Option<((u64, u64), i64)>,
    active_ms: Option<i64>,
    rate: TransferRate,
}

impl Seen {
    fn furthest(&self) -> Option<(u64, u64)> {
        self.confirmed.max(self.pulled.map(|(place, _)| place))
    }
}

impl FollowerWatch {
    /// This replica leads in no term.
    pub(super) fn stand_down(&mut self) {
        if self.term != 0 {
            *self = Self::default();
        }
    }

    /// A moment of a lead. `offset_behind` gives the physical offset behind an entry while it is known.
    pub(super) fn tick(
        &mut self,
        now_ms: i64,
        term: u64,
        end: End,
        followers: &[PeerProgress],
        offset_behind: impl Fn(u64) -> Option<u64>,
    ) {
        if self.term != term {
            *self = Self { term, ..Self::default() };
            self.times.restart(now_ms, end.index);
        }
        self.times.note(now_ms, end.index);
        self.seen.retain(|id, _| followers.iter().any(|follower| follower.id == *id));
        for follower in followers {
            let seen = self.seen.entry(follower.id).or_default();
            if follower.is_active {
                seen.active_ms = Some(now_ms);
            }
            // Raft leaves off and begins again while a catch-up goes on.
            seen.pulled = seen.pulled.filter(|(_, at_ms)| now_ms.saturating_sub(*at_ms) <= PULLED_MS);
            seen.confirmed = match follower.matched {
                0 => None,
                index => offset_behind(index).map(|offset| (index, offset)).or(seen.confirmed),
            };
            if let Some((_, offset)) = seen.furthest() {
                seen.rate.note(now_ms, offset);
            }
        }
        if let Some(all_have) = followers.iter().map(|follower| follower.matched).min() {
            self.times.forget(all_have);
        }
    }

    /// A follower asks for more of the leader's files, and says where its log ends.
    pub(super) fn pulled(&mut self, now_ms: i64, node: u64, end: End) {
        if self.term != 0 {
            self.seen.entry(node).or_default().pulled = Some(((end.index, end.offset), now_ms));
        }
    }

    /// How far a follower's log goes; `None` if it has not told this leader.
    pub(super) fn has(&self, follower: &PeerProgress) -> Option<LogPlace> {
        let furthest = self.seen.get(&follower.id).and_then(Seen::furthest);
        match furthest.filter(|(index, _)| *index >= follower.matched) {
            Some((index, offset)) => Some(LogPlace { index, offset: Some(offset) }),
            None if follower.matched > 0 => Some(LogPlace { index: follower.matched, offset: None }),
            None => None,
        }
    }

    /// How far one that has its log up to `has` is behind. `first_known` is the physical offset of the first entry
    /// after that of which the leader knows where it begins.
    pub(super) fn lag(&self, now_ms: i64, end: End, has: LogPlace, first_known: impl FnOnce() -> u64) -> Lag {
        if has.index >= end.index {
            return Lag { entries: 0, bytes: Extent::Exactly(0), ms: Extent::Exactly(0) };
        }
        let bytes = match has.offset {
            Some(offset) => Extent::Exactly(end.offset.saturating_sub(offset)),
            None => Extent::AtLeast(end.offset.saturating_sub(first_known())),
        };
        Lag { entries: end.index - has.index, bytes, ms: self.times.age(has.index + 1, now_ms) }
    }

    /// Whether a follower has something that it took from the leader's files, or has to take.
    pub(super) fn is_catching_up(&self, follower: &PeerProgress) -> bool {
        let pulled = self.seen.get(&follower.id).and_then(|seen| seen.pulled);
        follower.is_catching_up || pulled.is_some_and(|((index, _), _)| index > follower.matched)
    }

    pub(super) fn is_active(&self, node: u64, now_ms: i64) -> bool {
        let heard_ms = self.seen.get(&node).and_then(|seen| seen.active_ms);
        heard_ms.is_some_and(|heard_ms| now_ms.saturating_sub(heard_ms) <= ACTIVE_MS)
    }

    pub(super) fn bytes_per_second(&self, node: u64) -> u64 {
        self.seen.get(&node).map_or(0, |seen| seen.rate.bytes_per_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: u64 = 2;

    fn progress(matched: u64) -> PeerProgress {
        PeerProgress { id: NODE, matched, is_active: true, is_catching_up: false, is_learner: false }
    }

    fn end(index: u64) -> End {
        End { index, offset: 100 * index }
    }

    fn place(index: u64, offset: Option<u64>) -> Option<LogPlace> {
        Some(LogPlace { index, offset })
    }

    /// A leader that knows where the entries from 8 on lie; each has 100 bytes.
    fn known(index: u64) -> Option<u64> {
        (index >= 8).then_some(100 * index)
    }

    #[test]
    fn a_follower_that_keeps_up_has_no_lag() {
        let mut watch = FollowerWatch::default();
        watch.tick(0, 1, end(10), &[progress(10)], known);
        let has = watch.has(&progress(10));
        assert_eq!(has, place(10, Some(1_000)));
        let none = Lag { entries: 0, bytes: Extent::Exactly(0), ms: Extent::Exactly(0) };
        assert_eq!(watch.lag(9_000, end(10), has.unwrap(), || unreachable!()), none);
    }

    #[test]
    fn lag_is_entries_bytes_and_the_age_of_the_first_that_is_missing() {
        let mut watch = FollowerWatch::default();
        watch.tick(0, 1, end(8), &[progress(8)], known);
        watch.tick(50, 1, end(10), &[progress(9)], known);
        watch.tick(100, 1, end(12), &[progress(9)], known);
        let lag = watch.lag(120, end(12), watch.has(&progress(9)).unwrap(), || unreachable!());
        assert_eq!(lag, Lag { entries: 3, bytes: Extent::Exactly(300), ms: Extent::Exactly(70) });
    }

    #[test]
    fn a_follower_that_died_keeps_its_place_when_the_leader_forgets_the_entry() {
        let mut watch = FollowerWatch::default();
        watch.tick(0, 1, end(9), &[progress(9)], known);
        watch.tick(50, 1, end(90), &[progress(9)], |index| (index > 50).then_some(100 * index));
        assert_eq!(watch.has(&progress(9)), place(9, Some(900)));
    }

    #[test]
    fn where_a_place_was_never_known_the_lag_is_known_from_below() {
        let mut watch = FollowerWatch::default();
        watch.tick(1_000, 1, end(10), &[progress(3)], known);
        let has = watch.has(&progress(3));
        assert_eq!(has, place(3, None));
        let lag = watch.lag(1_200, end(10), has.unwrap(), || 700);
        assert_eq!(lag, Lag { entries: 7, bytes: Extent::AtLeast(300), ms: Extent::AtLeast(200) });
    }

    #[test]
    fn one_that_has_told_nothing_has_no_place_until_it_pulls() {
        let mut watch = FollowerWatch::default();
        let silent = PeerProgress { is_active: false, ..progress(0) };
        watch.tick(0, 1, end(10), &[silent], known);
        assert_eq!((watch.has(&silent), watch.is_catching_up(&silent)), (None, false));
        watch.pulled(40, NODE, end(4));
        watch.tick(50, 1, end(10), &[silent], known);
        assert_eq!((watch.has(&silent), watch.is_catching_up(&silent)), (place(4, Some(400)), true));
        watch.tick(100, 1, end(10), &[progress(9)], known);
        assert_eq!((watch.has(&progress(9)), watch.is_catching_up(&progress(9))), (place(9, Some(900)), false));
    }

    #[test]
    fn what_was_said_while_catching_up_is_void_after_a_while() {
        let mut watch = FollowerWatch::default();
        watch.tick(0, 1, end(10), &[progress(0)], known);
        watch.pulled(0, NODE, end(4));
        watch.tick(PULLED_MS + 50, 1, end(10), &[progress(0)], known);
        assert_eq!((watch.has(&progress(0)), watch.is_catching_up(&progress(0))), (None, false));
        let waits = PeerProgress { is_catching_up: true, ..progress(0) };
        assert!(watch.is_catching_up(&waits), "raft says so");
    }

    #[test]
    fn raft_s_forgetting_at_every_timeout_does_not_show() {
        let mut watch = FollowerWatch::default();
        let forgotten = PeerProgress { is_active: false, ..progress(9) };
        watch.tick(0, 1, end(10), &[progress(9)], known);
        watch.tick(50, 1, end(10), &[forgotten], known);
        assert!(watch.is_active(NODE, 50));
        watch.tick(550, 1, end(10), &[forgotten], known);
        assert!(!watch.is_active(NODE, 550));
        assert!(!watch.is_active(7, 550));
    }

    #[test]
    fn every_lead_begins_anew() {
        let mut watch = FollowerWatch::default();
        watch.tick(0, 1, end(10), &[progress(9)], known);
        watch.stand_down();
        assert_eq!(watch.has(&progress(0)), None);
        watch.tick(5_000, 3, end(11), &[progress(0)], known);
        assert!(watch.has(&progress(0)).is_none());
        let place = LogPlace { index: 9, offset: Some(900) };
        let lag = watch.lag(5_100, end(11), place, || unreachable!());
        assert_eq!(lag.ms, Extent::AtLeast(100));
    }
}
