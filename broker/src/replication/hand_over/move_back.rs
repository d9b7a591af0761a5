//! When a leader that should not lead gives its lead to the node that should. The clock is the replica's, in ticks.

/// That node has to be there and up to date for so long: 10 s.
const FIT_TICKS: u64 = 200;
/// Less than this does not count as away or behind: 1 s.
const SLIP_TICKS: u64 = 20;
/// It has to have the log up to this far before its end, as much as an append message carries: the rest is a moment.
pub(crate) const BEHIND_BYTES_MAX: u64 = 1 << 20;
/// After a try that failed the next one waits: 60 s.
const PAUSE_TICKS: u64 = 1200;

/// Watches the node that should lead.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct MoveBack {
    fit_since: Option<u64>,
    last_fit: u64,
    not_before: u64,
}

impl MoveBack {
    /// With every tick while another node leads. `is_fit`: it is there, and up to date. True: it is to lead now.
    pub(crate) fn is_due(&mut self, now: u64, is_fit: bool) -> bool {
        if now.saturating_sub(self.last_fit) > SLIP_TICKS {
            self.fit_since = None;
        }
        if !is_fit {
            return false;
        }
        self.last_fit = now;
        let since = *self.fit_since.get_or_insert(now);
        now - since >= FIT_TICKS && now >= self.not_before
    }

    /// The lead could not be handed to it.
    pub(crate) fn failed(&mut self, now: u64) {
        self.not_before = now + PAUSE_TICKS;
    }

    /// This node does not lead, or should: there is nothing to watch.
    pub(crate) fn reset(&mut self) {
        self.fit_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it is due first, if the node is fit at these ticks.
    fn due(mut watch: MoveBack, is_fit: impl Fn(u64) -> bool) -> Option<u64> {
        (1000..5000).find(|now| watch.is_due(*now, is_fit(*now)))
    }

    #[test]
    fn the_lead_moves_when_its_node_was_fit_for_ten_seconds() {
        assert_eq!(due(MoveBack::default(), |_| true), Some(1000 + FIT_TICKS));
        assert_eq!(due(MoveBack::default(), |now| now >= 1500), Some(1500 + FIT_TICKS));
        assert_eq!(due(MoveBack::default(), |_| false), None);
    }

    #[test]
    fn a_slip_does_not_count_and_a_pause_does() {
        assert_eq!(due(MoveBack::default(), |now| now % SLIP_TICKS != 0), Some(1000 + 1 + FIT_TICKS));
        let is_back = 1100 + 2 * SLIP_TICKS;
        assert_eq!(due(MoveBack::default(), |now| !(1100..is_back).contains(&now)), Some(is_back + FIT_TICKS));
    }

    #[test]
    fn nobody_is_given_the_lead_at_the_moment_of_a_slip() {
        assert_eq!(due(MoveBack::default(), |now| now != 1000 + FIT_TICKS), Some(1000 + FIT_TICKS + 1));
    }

    #[test]
    fn a_try_that_failed_is_not_repeated_at_once() {
        let mut watch = MoveBack::default();
        assert!((1000..2000).any(|now| watch.is_due(now, true)));
        watch.failed(1200);
        assert_eq!((1201..5000).find(|now| watch.is_due(*now, true)), Some(1200 + PAUSE_TICKS));
    }

    #[test]
    fn a_new_lead_begins_to_count_anew() {
        let mut watch = MoveBack::default();
        assert!(!watch.is_due(1000, true));
        watch.reset();
        assert!(!watch.is_due(1010, true));
        assert!(!watch.is_due(1000 + FIT_TICKS, true), "its ten seconds began at 1010");
    }
}
