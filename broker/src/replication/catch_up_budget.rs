//! What a leader spends on replicas that lack something: so many bytes a second and under way, for all of them together, and
//! less the more of its time clients take. No clock of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bytes of answers that are being made or sent at once; whoever finds no room asks again.
const UNDER_WAY_BYTES_MAX: usize = 24 << 20;
/// However busy the shard is with clients, this part of the limit stays: a replica that never caught up would be none.
const LEAST_SHARE: f64 = 1.0 / 32.0;
/// How busy it is, is judged over at least this.
const LOAD_WINDOW: Duration = Duration::from_millis(50);
/// Waits shorter than this are not waited but added to the next.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// While clients are served beside, no answer is longer than this: what they wait for meanwhile stays short.
pub(crate) const BUSY_PIECE_BYTES: usize = 256 << 10;
/// A shard that spends less of its time on clients than this counts as idle.
const IDLE_SHARE: f64 = 0.01;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct CatchUpBudget {
    bytes_per_second: f64,
    /// What was sent so far is paid for at this moment.
    paid_at: Option<Instant>,
    /// Nodes that are being answered, and what is kept free for that.
    answering: BTreeMap<u64, usize>,
    /// When the present window began, and the time that clients had taken then.
    window: Option<(Instant, Duration)>,
    /// Part of the last window that clients took.
    load: f64,
}

impl CatchUpBudget {
    /// `bytes_per_second` on a machine with nothing else to do.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        let bytes_per_second = bytes_per_second.max(1) as f64;
        Self { bytes_per_second, paid_at: None, answering: BTreeMap::new(), window: None, load: 0.0 }
    }

    /// Notes that clients have taken so much time in all.
    pub(crate) fn note_load(&mut self, now: Instant, taken: Duration) {
        let (began, before) = *self.window.get_or_insert((now, taken));
        let lasted = now.saturating_duration_since(began);
        if lasted >= LOAD_WINDOW {
            self.load = (taken.saturating_sub(before).as_secs_f64() / lasted.as_secs_f64()).min(1.0);
            self.window = Some((now, taken));
        }
    }

    /// Whether clients take next to nothing of the shard's time.
    pub(crate) fn is_idle(&self) -> bool {
        self.load <= IDLE_SHARE
    }

    /// Begins an answer of at most `bytes` bytes to a node. `None`: the last one is still on its way, or there is too much
    /// under way. Else how long it may be.
    pub(crate) fn begin(&mut self, node: u64, bytes: usize) -> Option<usize> {
        let bytes = if self.is_idle() { bytes } else { bytes.min(BUSY_PIECE_BYTES) };
        let under_way: usize = self.answering.values().sum();
        if self.answering.contains_key(&node) || (under_way > 0 && under_way + bytes > UNDER_WAY_BYTES_MAX) {
            return None;
        }
        self.answering.insert(node, bytes);
        Some(bytes)
    }

    /// The answer turned out to have `bytes` bytes: how long to wait before it is sent.
    pub(crate) fn spend(&mut self, now: Instant, bytes: usize) -> Duration {
        let share = (1.0 - self.load).powi(2).max(LEAST_SHARE);
        let paid_at = self.paid_at.map_or(now, |paid_at| paid_at.max(now));
        let wait = paid_at.saturating_duration_since(now);
        self.paid_at = Some(paid_at + Duration::from_secs_f64(bytes as f64 / (self.bytes_per_second * share)));
        if wait < WAIT_MIN { Duration::ZERO } else { wait }
    }

    /// The answer to a node is sent, or there is none.
    pub(crate) fn end(&mut self, node: u64) {
        self.answering.remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Bytes a second that an asker gets who asks again at once.
    fn rate(budget: &mut CatchUpBudget, load: f64) -> f64 {
        let began = Instant::now();
        let (mut now, mut sent) = (began, 0);
        while now < began + Duration::from_secs(4) {
            budget.note_load(now, (now - began).mul_f64(load));
            let bytes = budget.begin(2, MIB).unwrap();
            now += budget.spend(now, bytes) + Duration::from_micros(1);
            sent += bytes;
            budget.end(2);
        }
        sent as f64 / 4.0
    }

    #[test]
    fn an_idle_shard_gives_what_is_allowed_and_no_more() {
        let given = rate(&mut CatchUpBudget::new(256 << 20), 0.0) / f64::from(256 << 20);
        assert!((0.95..1.05).contains(&given), "{given}");
    }

    #[test]
    fn the_more_clients_take_the_less_is_left_but_never_nothing() {
        let given = |load| rate(&mut CatchUpBudget::new(256 << 20), load) / f64::from(256 << 20);
        let (little, half, all) = (given(0.05), given(0.5), given(1.0));
        assert!((0.8..1.0).contains(&little), "{little}");
        assert!((0.2..0.3).contains(&half), "{half}");
        assert!((0.02..0.06).contains(&all), "{all}");
    }

    #[test]
    fn a_node_is_given_one_answer_at_a_time_and_all_together_a_bounded_amount() {
        let mut budget = CatchUpBudget::new(1 << 30);
        assert_eq!(budget.begin(2, 20 * MIB), Some(20 * MIB));
        assert_eq!(budget.begin(2, 1), None);
        assert_eq!(budget.begin(3, 20 * MIB), None);
        assert_eq!(budget.begin(3, 4 * MIB), Some(4 * MIB));
        budget.end(2);
        assert_eq!(budget.begin(2, MIB), Some(MIB));
    }

    #[test]
    fn pieces_are_short_while_clients_are_served() {
        let mut budget = CatchUpBudget::new(1 << 30);
        let began = Instant::now();
        budget.note_load(began, Duration::ZERO);
        budget.note_load(began + LOAD_WINDOW, LOAD_WINDOW / 4);
        assert_eq!(budget.begin(2, MIB), Some(BUSY_PIECE_BYTES));
    }
}
