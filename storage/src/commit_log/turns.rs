//! Who may write or sync the log: one at a time, in the order they came. Without the order, whoever writes all the time
//! under load would take the next turn before a waiting checkpoint has noticed that it could.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// The line. Its first has the turn.
#[derive(Default)]
pub(super) struct Turns(RefCell<Line>);

#[derive(Default)]
struct Line {
    next: u64,
    waiting: VecDeque<(u64, Option<Waker>)>,
}

impl Turns {
    /// Waits for the turn. Whoever has it has to [`Self::end`] it.
    pub(super) async fn begin(&self) {
        let place = Place { turns: self, number: self.0.borrow_mut().join() };
        poll_fn(|context| {
            let mut line = self.0.borrow_mut();
            let at = line.waiting.iter().position(|(number, _)| *number == place.number);
            match at {
                Some(0) => Poll::Ready(()),
                Some(at) => {
                    line.waiting[at].1 = Some(context.waker().clone());
                    Poll::Pending
                }
                None => unreachable!("a place is left by its owner only"),
            }
        })
        .await;
        std::mem::forget(place);
    }

    /// The turn is the next one's.
    pub(super) fn end(&self) {
        let mut line = self.0.borrow_mut();
        assert!(line.waiting.pop_front().is_some(), "somebody had the turn");
        line.wake_first();
    }
}

impl Line {
    fn join(&mut self) -> u64 {
        self.next += 1;
        self.waiting.push_back((self.next, None));
        self.next
    }

    fn wake_first(&mut self) {
        if let Some(waker) = self.waiting.front_mut().and_then(|(_, waker)| waker.take()) {
            waker.wake();
        }
    }
}

/// A place in the line; whoever gives up waiting leaves it.
struct Place<'a> {
    turns: &'a Turns,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut line = self.turns.0.borrow_mut();
        line.waiting.retain(|(number, _)| *number != self.number);
        line.wake_first();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn the_turn_goes_round_in_the_order_of_coming() {
        let turns = Turns::default();
        let mut context = Context::from_waker(Waker::noop());
        let (mut first, mut second) = (pin!(turns.begin()), pin!(turns.begin()));
        assert!(first.as_mut().poll(&mut context).is_ready());
        assert!(second.as_mut().poll(&mut context).is_pending());
        turns.end();
        // The one that had it comes again at once, before the other was run.
        let mut again = pin!(turns.begin());
        assert!(again.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_ready());
        turns.end();
        assert!(again.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn whoever_gives_up_waiting_holds_nobody_up() {
        let turns = Turns::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(turns.begin());
        assert!(first.as_mut().poll(&mut context).is_ready());
        let mut given_up = Box::pin(turns.begin());
        assert!(given_up.as_mut().poll(&mut context).is_pending());
        let mut last = pin!(turns.begin());
        assert!(last.as_mut().poll(&mut context).is_pending());
        drop(given_up);
        turns.end();
        assert!(last.as_mut().poll(&mut context).is_ready());
    }
}
