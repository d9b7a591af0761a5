//! When a run begins, is measured and ends, and where its seconds are cut.

use crate::clock::SECOND_NS;

/// The same for all workers of a run; nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// The load begins.
    pub(crate) start_ns: u64,
    /// The warm-up is over.
    pub(crate) measure_ns: u64,
    /// The measured time is over; `None` if something else ends it.
    pub(crate) end_ns: Option<u64>,
}

/// The seconds of a run, one after the other. Those of the measured time begin with it, so the first of the warm-up
/// may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cuts {
    timeline: Timeline,
    /// Number of the second that goes on.
    pub(crate) number: u32,
    /// Its beginning.
    pub(crate) begin_ns: u64,
    /// Its end.
    pub(crate) end_ns: u64,
}

impl Cuts {
    pub(crate) fn new(timeline: Timeline) -> Self {
        let warm_up_ns = timeline.measure_ns - timeline.start_ns;
        let odd_ns = warm_up_ns % SECOND_NS;
        let first_ns = if odd_ns == 0 { SECOND_NS } else { odd_ns };
        let mut cuts = Self { timeline, number: 0, begin_ns: timeline.start_ns, end_ns: timeline.start_ns + first_ns };
        cuts.bound();
        cuts
    }

    /// Whether the second that goes on belongs to the warm-up.
    pub(crate) fn is_warm_up(&self) -> bool {
        self.begin_ns < self.timeline.measure_ns
    }

    pub(crate) fn advance(&mut self) {
        self.number += 1;
        self.begin_ns = self.end_ns;
        self.end_ns += SECOND_NS;
        self.bound();
    }

    fn bound(&mut self) {
        if let Some(end_ns) = self.timeline.end_ns
            && self.begin_ns < end_ns
        {
            self.end_ns = self.end_ns.min(end_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(warm_up_ms: u64, measured_ms: Option<u64>, count: usize) -> Vec<(u64, u64, bool)> {
        let measure_ns = 7 + warm_up_ms * 1_000_000;
        let end_ns = measured_ms.map(|ms| measure_ns + ms * 1_000_000);
        let mut cuts = Cuts::new(Timeline { start_ns: 7, measure_ns, end_ns });
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(((cuts.begin_ns - 7) / 1_000_000, (cuts.end_ns - 7) / 1_000_000, cuts.is_warm_up()));
            cuts.advance();
        }
        all
    }

    #[test]
    fn the_measured_seconds_are_whole() {
        assert_eq!(
            cuts(1_500, Some(2_000), 4),
            [(0, 500, true), (500, 1_500, true), (1_500, 2_500, false), (2_500, 3_500, false)]
        );
    }

    #[test]
    fn the_last_second_ends_with_the_run() {
        assert_eq!(cuts(0, Some(1_250), 2), [(0, 1_000, false), (1_000, 1_250, false)]);
        assert_eq!(cuts(0, Some(300), 1), [(0, 300, false)]);
    }

    #[test]
    fn a_run_without_end_goes_on() {
        assert_eq!(cuts(1_000, None, 3), [(0, 1_000, true), (1_000, 2_000, false), (2_000, 3_000, false)]);
    }
}
