//! The time of a whole cluster: it stands still while anything runs, and jumps to the next moment at which something is
//! due.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

struct State {
    now: Cell<Duration>,
    next_timer: Cell<u64>,
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    /// Real clocks only compare; any moment will do for the beginning.
    began: Instant,
}

/// See the module's text. Moments are durations since the beginning. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Rc<State>);

impl Default for Clock {
    fn default() -> Self {
        let (now, next_timer, timers) = (Cell::default(), Cell::default(), RefCell::default());
        Self(Rc::new(State { now, next_timer, timers, began: Instant::now() }))
    }
}

impl Clock {
    /// This moment.
    pub fn now(&self) -> Duration {
        self.0.now.get()
    }

    /// This moment, for code that measures how long something takes.
    pub fn instant(&self) -> Instant {
        self.0.began + self.now()
    }

    /// Completes `duration` from now.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Completes at `deadline`, or at once if that is over.
    pub fn sleep_until(&self, deadline: Duration) -> Sleep {
        Sleep { clock: self.clone(), deadline, timer: None }
    }

    /// The first moment at which a sleep ends.
    pub fn next_due(&self) -> Option<Duration> {
        self.0.timers.borrow().keys().next().map(|(due, _)| *due)
    }

    /// Goes on to `to` and wakes every sleep that is over by then.
    pub fn advance(&self, to: Duration) {
        assert!(to >= self.now(), "time goes on");
        self.0.now.set(to);
        let later = self.0.timers.borrow_mut().split_off(&(to, u64::MAX));
        let due = self.0.timers.replace(later);
        due.into_values().for_each(Waker::wake);
    }
}

/// A wait for a moment.
pub struct Sleep {
    clock: Clock,
    deadline: Duration,
    timer: Option<u64>,
}

impl Sleep {
    fn cancel(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.clock.0.timers.borrow_mut().remove(&(self.deadline, timer));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.deadline {
            self.cancel();
            return Poll::Ready(());
        }
        let state = self.clock.0.clone();
        let timer = *self.timer.get_or_insert_with(|| state.next_timer.replace(state.next_timer.get() + 1));
        state.timers.borrow_mut().insert((self.deadline, timer), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::file::sim::Executor;

    #[test]
    fn sleeps_end_in_the_order_of_their_deadlines_and_not_before() {
        let (clock, executor) = (Clock::default(), Executor::new(0));
        let ended = Rc::new(RefCell::new(Vec::new()));
        for ms in [30, 10, 20] {
            let (clock, ended) = (clock.clone(), ended.clone());
            executor.spawn(async move {
                clock.sleep(Duration::from_millis(ms)).await;
                ended.borrow_mut().push(ms);
            });
        }
        executor.run(|| false);
        assert!(ended.borrow().is_empty());
        while let Some(due) = clock.next_due() {
            clock.advance(due);
            executor.run(|| false);
        }
        assert_eq!(*ended.borrow(), [10, 20, 30]);
    }

    #[test]
    fn a_sleep_that_is_given_up_leaves_nothing_due() {
        let (clock, executor) = (Clock::default(), Executor::new(0));
        let sleeping = clock.clone();
        executor.spawn(async move { sleeping.sleep(Duration::from_secs(1)).await });
        executor.run(|| false);
        assert_eq!(clock.next_due(), Some(Duration::from_secs(1)));
        executor.abandon();
        assert_eq!(clock.next_due(), None);
    }
}
