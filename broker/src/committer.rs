//! When a shard's log is written: the one task that does it, and what it waits for.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::env::Env;
use crate::shard::Shard;

/// With a ring, less than is worth a write waits for more at most this long.
const LINGER: Duration = Duration::from_millis(5);
/// Where acknowledgements wait for the write, it waits at most this long for those who were answered last ...
const GATHER_MAX: Duration = Duration::from_micros(100);
/// ... and at most this part of what the last flush took.
const GATHER_SHARE: u32 = 4;

/// How the sweep wakes the committer.
#[derive(Default)]
pub(crate) struct Committer {
    waker: RefCell<Option<Waker>>,
    waits_for: Cell<Enough>,
}

/// How much has to wait before the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Enough {
    #[default]
    Anything,
    Bytes(u64),
    Answers(usize),
}

/// What a write waits for, and how long at most; `None`: for nothing. `worthwhile_bytes` as the log has it; the last flush
/// answered `answered` requests and took `flush_took`.
fn wait_before_write(
    worthwhile_bytes: Option<u64>,
    answered: usize,
    flush_took: Duration,
) -> Option<(Enough, Duration)> {
    match worthwhile_bytes {
        // What lies in the ring is acknowledged already: a write that waits for more costs nobody anything.
        Some(bytes) => Some((Enough::Bytes(bytes), LINGER)),
        // Those who were just answered send again at once. Without this they would fall into two camps, each waiting for
        // the other's flush before its own.
        None if answered > 1 => Some((Enough::Answers(answered), GATHER_MAX.min(flush_took / GATHER_SHARE))),
        None => None,
    }
}

impl<E: Env> Shard<E> {
    /// The one task that writes messages: runs as long as the shard.
    pub async fn run_committer(self: Rc<Self>) {
        let (mut answered, mut flush_took) = (0, Duration::ZERO);
        loop {
            self.until_unwritten(Enough::Anything).await;
            let worthwhile_bytes = self.store.log().worthwhile_write_bytes();
            if let Some((enough, at_most)) = wait_before_write(worthwhile_bytes, answered, flush_took) {
                futures_lite::future::or(self.until_unwritten(enough), self.env.sleep(at_most)).await;
            }
            answered = self.commit.borrow().len();
            let began = self.env.instant();
            if let Err(error) = self.store.log().flush().await {
                let shard = &self.identity.broker_name;
                tracing::error!(%error, shard, "this shard takes no more messages; what it holds can still be read");
            }
            flush_took = self.env.instant() - began;
            self.confirm_and_resume();
        }
    }

    /// Wakes the committer if what it waits for is there.
    pub(crate) fn wake_committer(&self) {
        if self.has_unwritten(self.committer.waits_for.get())
            && let Some(waker) = self.committer.waker.take()
        {
            waker.wake();
        }
    }

    /// Completes when as much as `enough` waits to be written.
    async fn until_unwritten(&self, enough: Enough) {
        poll_fn(|context| {
            if self.has_unwritten(enough) && self.store.log().has_unwritten() {
                return Poll::Ready(());
            }
            self.committer.waits_for.set(enough);
            self.committer.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn has_unwritten(&self, enough: Enough) -> bool {
        match enough {
            Enough::Anything => self.store.log().waiting_bytes() > 0,
            Enough::Bytes(bytes) => self.store.log().waiting_bytes() >= bytes,
            Enough::Answers(count) => self.commit.borrow().len() >= count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_ring_a_write_waits_until_it_is_worth_it_whatever_was_answered() {
        for answered in [0, 1, 64] {
            let wait = wait_before_write(Some(4096), answered, Duration::from_secs(1));
            assert_eq!(wait, Some((Enough::Bytes(4096), LINGER)));
        }
    }

    #[test]
    fn one_request_at_a_time_never_waits() {
        assert_eq!(wait_before_write(None, 0, Duration::ZERO), None);
        assert_eq!(wait_before_write(None, 1, Duration::from_secs(1)), None);
    }

    #[test]
    fn several_are_waited_for_no_longer_than_it_can_save() {
        let wait = |flush_took| wait_before_write(None, 64, flush_took);
        assert_eq!(wait(Duration::from_micros(40)), Some((Enough::Answers(64), Duration::from_micros(10))));
        assert_eq!(wait(Duration::from_millis(3)), Some((Enough::Answers(64), GATHER_MAX)));
    }
}
