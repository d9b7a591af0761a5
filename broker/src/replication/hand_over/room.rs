//! When a leader whose disk is full gives its lead to a node that has room. The clock is the replica's, in ticks.

use std::collections::BTreeMap;

/// The disk has to be full for so long: 1 s.
const FULL_TICKS: u64 = 20;
/// What a node said of its disk counts so long: 6 s. It says so every 2.5 s.
const SAID_TICKS: u64 = 120;
/// Whoever leads keeps the lead for so long at least, so that it does not go round among nodes that fill up: 10 s.
const LED_TICKS: u64 = 200;
/// After a try that failed the next one waits: 60 s.
const PAUSE_TICKS: u64 = 1200;

/// What a replica knows of room on disks.
#[derive(Debug, Default)]
pub(crate) struct RoomWatch {
    /// By node: whether it had room, and when it said so.
    said: BTreeMap<u64, (bool, u64)>,
    full_since: Option<u64>,
    led_since: Option<u64>,
    not_before: u64,
}

impl RoomWatch {
    /// A node says whether it has room. True: it has some again, after it had none.
    pub(crate) fn said(&mut self, node: u64, has_room: bool, now: u64) -> bool {
        let before = self.said.insert(node, (has_room, now));
        has_room && before.is_some_and(|(had_room, _)| !had_room)
    }

    /// Whether a node has room, as it said a moment ago.
    pub(crate) fn has_room(&self, node: u64, now: u64) -> bool {
        self.said.get(&node).is_some_and(|(has_room, at)| *has_room && now - at <= SAID_TICKS)
    }

    /// With every tick. True: this node leads, and somebody who has room is to lead now, if there is one.
    pub(crate) fn is_due(&mut self, now: u64, leads: bool, is_full: bool) -> bool {
        self.led_since = leads.then(|| self.led_since.unwrap_or(now));
        self.full_since = is_full.then(|| self.full_since.unwrap_or(now));
        let is_over = |since: Option<u64>, ticks| since.is_some_and(|since| now - since >= ticks);
        is_over(self.led_since, LED_TICKS) && is_over(self.full_since, FULL_TICKS) && now >= self.not_before
    }

    /// The lead could not be given away.
    pub(crate) fn failed(&mut self, now: u64) {
        self.not_before = now + PAUSE_TICKS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it is due first, from tick 1000 on.
    fn due(watch: &mut RoomWatch, leads: impl Fn(u64) -> bool, is_full: impl Fn(u64) -> bool) -> Option<u64> {
        (1000..5000).find(|now| watch.is_due(*now, leads(*now), is_full(*now)))
    }

    #[test]
    fn a_leader_whose_disk_stays_full_gives_its_lead_away() {
        assert_eq!(due(&mut RoomWatch::default(), |_| true, |now| now >= 2000), Some(2000 + FULL_TICKS));
        assert_eq!(due(&mut RoomWatch::default(), |_| true, |_| false), None);
        assert_eq!(due(&mut RoomWatch::default(), |_| false, |_| true), None, "it does not lead");
        let now_and_then = |now: u64| !now.is_multiple_of(FULL_TICKS);
        assert_eq!(due(&mut RoomWatch::default(), |_| true, now_and_then), None);
    }

    #[test]
    fn a_lead_is_kept_for_a_while_however_full_the_disk_is() {
        assert_eq!(due(&mut RoomWatch::default(), |now| now >= 2000, |_| true), Some(2000 + LED_TICKS));
        let again = |now: u64| !(2100..2110).contains(&now);
        assert_eq!(due(&mut RoomWatch::default(), |now| now >= 2000 && again(now), |_| true), Some(2110 + LED_TICKS));
    }

    #[test]
    fn a_try_that_failed_is_not_repeated_at_once() {
        let mut watch = RoomWatch::default();
        watch.failed(1300);
        assert_eq!(due(&mut watch, |_| true, |_| true), Some(1300 + PAUSE_TICKS));
    }

    #[test]
    fn only_a_node_that_said_so_a_moment_ago_has_room() {
        let mut watch = RoomWatch::default();
        assert!(!watch.has_room(2, 1000), "it has said nothing");
        assert!(!watch.said(2, true, 1000), "it never had none");
        assert!(!watch.said(3, false, 1000));
        assert!(watch.has_room(2, 1000 + SAID_TICKS));
        assert!(!watch.has_room(2, 1001 + SAID_TICKS));
        assert!(!watch.has_room(3, 1000));
        assert!(!watch.said(2, false, 1100));
        assert!(!watch.has_room(2, 1100));
        assert!(watch.said(2, true, 1200), "it has room again");
        assert!(!watch.said(2, true, 1300), "and still");
    }
}
