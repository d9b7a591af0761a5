//! When a leader whose disk is full gives its lead to a node that has room. The clock is the replica's, in ticks.

/// The disk has to be full for so long: 1 s.
const FULL_TICKS: u64 = 20;
/// Whoever leads keeps the lead for so long at least, so that it does not go round among nodes that fill up: 10 s.
const LED_TICKS: u64 = 200;
/// After a try that failed the next one waits: 60 s.
const PAUSE_TICKS: u64 = 1200;

/// Watches room on the leader's own disk.
#[derive(Debug, Default)]
pub(crate) struct RoomWatch {
    full_since: Option<u64>,
    led_since: Option<u64>,
    not_before: u64,
}

impl RoomWatch {
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
}
