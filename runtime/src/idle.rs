//! Whether a shard that has nothing to do looks again or goes to sleep.
//!
//! Going to sleep and being woken costs about as much processor time as looking for [`LOOK`], and the request that wakes
//! it waits that much longer. So where most pauses are shorter than that, they are sat out awake; where they are longer, it
//! sleeps at once. A pause in which another node is waited for says nothing about those in which the next request is, and the
//! other way round: those that wait for the same are known by each other ([`Awaited`]). No clock here.

use std::time::{Duration, Instant};

use crate::service::Awaited;

/// Longest pause that is sat out awake.
const LOOK: Duration = Duration::from_micros(50);
/// A pause that it slept through was as short if it ended within this: being woken takes time.
const WOKEN_SOON: Duration = Duration::from_micros(100);
/// A short pause counts 1 for looking, a long one this much against it.
const LONG: u32 = 2;
/// It looks from this on; below it sleeps.
const LOOK_FROM: u32 = 4;
/// More is not remembered, so that it soon sleeps again.
const SCORE_MAX: u32 = 8;

/// One look costs at most this; what is more went into other tasks, which run between two looks.
const LOOK_COST_MAX: Duration = Duration::from_micros(5);

/// The pauses of one shard.
#[derive(Debug)]
pub(crate) struct Idle {
    began: Option<Instant>,
    /// In the present pause.
    awaited: Awaited,
    /// Of pauses for each [`Awaited`].
    scores: [u32; 3],
    last_look: Option<Instant>,
    looked: Duration,
}

impl Idle {
    /// As if the pauses so far had been short ones.
    pub(crate) fn new() -> Self {
        let (awaited, scores) = (Awaited::Requests, [LOOK_FROM; 3]);
        Self { began: None, awaited, scores, last_look: None, looked: Duration::ZERO }
    }

    /// There is nothing to do. Whether to look again at once; `awaited` is asked where a pause begins.
    pub(crate) fn looks_again(&mut self, now: Instant, awaited: impl FnOnce() -> Awaited) -> bool {
        let began = *self.began.get_or_insert_with(|| {
            self.awaited = awaited();
            now
        });
        let looks = self.looks() && now.saturating_duration_since(began) < LOOK;
        let last = std::mem::replace(&mut self.last_look, looks.then_some(now));
        self.count_look(last, now);
        looks
    }

    fn count_look(&mut self, last: Option<Instant>, now: Instant) {
        if let Some(last) = last {
            self.looked += now.saturating_duration_since(last).min(LOOK_COST_MAX);
        }
    }

    /// Time that went into looking in vain since the last call.
    pub(crate) fn take_looked(&mut self) -> Duration {
        std::mem::take(&mut self.looked)
    }

    /// There is something to do again.
    pub(crate) fn ends(&mut self, now: Instant) {
        let Some(began) = self.began.take() else { return };
        let last = self.last_look.take();
        self.count_look(last, now);
        let short = if self.looks() { LOOK } else { WOKEN_SOON };
        let is_short = now.saturating_duration_since(began) < short;
        let score = &mut self.scores[self.awaited as usize];
        *score = if is_short { SCORE_MAX.min(*score + 1) } else { score.saturating_sub(LONG) };
    }

    fn looks(&self) -> bool {
        self.scores[self.awaited as usize] >= LOOK_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the pause was begun awake.
    fn pause(idle: &mut Idle, length: Duration) -> bool {
        let now = Instant::now();
        let looks = idle.looks_again(now, || Awaited::Requests);
        idle.ends(now + length);
        looks
    }

    fn looks(idle: &mut Idle, now: Instant) -> bool {
        idle.looks_again(now, || Awaited::Requests)
    }

    #[test]
    fn it_looks_no_longer_than_a_sleep_would_cost() {
        let (mut idle, now) = (Idle::new(), Instant::now());
        assert!(looks(&mut idle, now) && looks(&mut idle, now + LOOK / 2) && !looks(&mut idle, now + LOOK));
    }

    #[test]
    fn looks_in_vain_are_counted_and_what_other_tasks_take_between_two_is_not() {
        let (mut idle, now) = (Idle::new(), Instant::now());
        let at = |us| now + Duration::from_micros(us);
        assert!(looks(&mut idle, at(0)) && looks(&mut idle, at(1)) && looks(&mut idle, at(3)));
        idle.ends(at(4));
        assert_eq!(idle.take_looked(), Duration::from_micros(4));
        assert!(looks(&mut idle, at(100)) && looks(&mut idle, at(140)));
        idle.ends(at(141));
        assert_eq!(idle.take_looked(), LOOK_COST_MAX + Duration::from_micros(1));
        // Asleep from the second look on: neither the sleep nor anything after it counts.
        assert!(looks(&mut idle, at(200)) && !looks(&mut idle, at(200) + LOOK));
        idle.ends(at(100_000));
        assert_eq!(idle.take_looked(), LOOK_COST_MAX);
        assert_eq!(idle.take_looked(), Duration::ZERO);
    }

    #[test]
    fn where_pauses_are_short_it_stays_awake_also_after_a_long_one_now_and_then() {
        let mut idle = Idle::new();
        for at in 0..100 {
            let length = if at % 10 == 9 { LOOK * 100 } else { LOOK / 5 };
            assert!(pause(&mut idle, length), "pause {at}");
        }
    }

    #[test]
    fn where_every_other_pause_is_long_it_sleeps() {
        let mut idle = Idle::new();
        let awake = (0..100).filter(|at| pause(&mut idle, if at % 2 == 0 { LOOK / 5 } else { LOOK * 20 })).count();
        assert!(awake <= 4, "{awake} of 100");
    }

    #[test]
    fn it_wakes_up_when_pauses_become_short() {
        let mut idle = Idle::new();
        (0..100).for_each(|_| _ = pause(&mut idle, LOOK * 100));
        assert!(!pause(&mut idle, LOOK * 100));
        // Asleep, a short pause takes as long as being woken.
        (0..LOOK_FROM).for_each(|_| _ = pause(&mut idle, LOOK + LOOK / 2));
        assert!(pause(&mut idle, LOOK / 5));
    }

    #[test]
    fn pauses_are_known_by_those_that_wait_for_the_same() {
        let (mut idle, now) = (Idle::new(), Instant::now());
        let mut pause = |awaited: Awaited, length: Duration| {
            let looks = idle.looks_again(now, || awaited);
            idle.ends(now + length);
            looks
        };
        for round in 0..10 {
            assert_eq!(pause(Awaited::Answers, LOOK * 3), round == 0);
            assert!(pause(Awaited::LateNodes, LOOK / 5));
            assert_eq!(pause(Awaited::Requests, LOOK * 2), round == 0);
        }
    }
}
