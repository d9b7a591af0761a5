//! Queue locks as the clients were told of them: within their expiry no two hold a queue for a group at one leader, and who
//! holds one is not refused it.
//!
//! Locks are in memory only: another leader, and another process, knows nothing of them. So each belief counts for the life and the
//! term in which it was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::queue_locks::QUEUE_LOCK_EXPIRY_MS;

use super::oracle::{Queue, Told};
use super::sockets::LifeNumber;
use crate::{Violation, require};

/// What a client believes of a queue.
#[derive(Copy, Clone, Debug)]
struct Held {
    told: Told,
    /// See [`super::oracle::Oracle::lead_of`].
    lead: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct LockWatch {
    held: BTreeMap<Queue, BTreeMap<String, Held>>,
    /// How often a client has given a queue back without being told that it is done. A follower may hand that on to the leader when
    /// the client has the queue again.
    unlocking: BTreeMap<Queue, BTreeMap<String, u32>>,
    /// Forward jumps of clocks: whose, when, and by how much, ms.
    jumps: Vec<(LifeNumber, Duration, i64)>,
    /// Answers that granted a queue, ...
    pub(super) granted: u64,
    /// ... and those that did not.
    pub(super) denied: u64,
}

impl LockWatch {
    /// The clock under a process is set.
    pub(super) fn clock_jumped(&mut self, life: LifeNumber, at: Duration, by_ms: i64) {
        if by_ms > 0 {
            self.jumps.push((life, at, by_ms));
        }
    }

    /// A client is about to give a queue back.
    pub(super) fn unlock_begins(&mut self, queue: Queue, client: &str) {
        if let Some(held) = self.held.get_mut(&queue) {
            held.remove(client);
        }
        *self.unlocking.entry(queue).or_default().entry(client.to_owned()).or_default() += 1;
    }

    /// It was told that the queue is given back.
    pub(super) fn unlock_ended(&mut self, queue: Queue, client: &str) {
        let under_way = self.unlocking.get_mut(&queue).and_then(|clients| clients.get_mut(client));
        if let Some(under_way) = under_way {
            *under_way -= 1;
        }
    }

    /// A client was told whether it has a queue. `lead`: who answered led alone all the time since it was asked.
    pub(super) fn answered(
        &mut self,
        queue: Queue,
        client: &str,
        is_granted: bool,
        told: Told,
        lead: Option<u64>,
    ) -> Result<(), Violation> {
        let own = self.held.entry(queue).or_default().remove(client);
        if is_granted {
            self.granted += 1;
        } else {
            self.denied += 1;
        }
        let Some(lead) = lead else { return Ok(()) };
        let counts = |held: &Held| {
            held.told.by == told.by
                && held.lead == lead
                && held.told.heard <= told.asked
                && !self.may_be_over(held, told)
        };
        if is_granted {
            let others = &self.held[&queue];
            let other = others.iter().find(|(_, held)| counts(held));
            let what = || format!("{queue:?} is locked for {client}, {told:?}, and for {other:?} at once");
            require(other.is_none(), what)?;
            let under_way = self.unlocking.get(&queue).and_then(|clients| clients.get(client));
            if under_way.is_none_or(|under_way| *under_way == 0) {
                self.held.entry(queue).or_default().insert(client.to_owned(), Held { told, lead });
            }
        } else {
            let what = || format!("{client} is refused {queue:?} at {told:?}, and holds it: {own:?}");
            require(!own.is_some_and(|own| counts(&own)), what)?;
        }
        Ok(())
    }

    /// By the clock of who granted it.
    fn may_be_over(&self, held: &Held, told: Told) -> bool {
        let within = held.told.asked..=told.heard;
        let jumps = self.jumps.iter().filter(|(life, at, _)| *life == told.by && within.contains(at));
        let jumped_ms: i64 = jumps.map(|(_, _, by_ms)| by_ms).sum();
        (told.heard - held.told.asked).as_millis() as i64 + jumped_ms >= QUEUE_LOCK_EXPIRY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: Queue = Queue { group: 0, queue_id: 1 };

    fn told(by: LifeNumber, asked_s: u64) -> Told {
        let asked = Duration::from_secs(asked_s);
        Told { by, asked, heard: asked + Duration::from_millis(10) }
    }

    fn locks_of(first: LifeNumber) -> LockWatch {
        let mut locks = LockWatch::default();
        locks.answered(QUEUE, "a", true, told(first, 10), Some(3)).unwrap();
        locks
    }

    #[test]
    fn two_clients_at_one_leader_are_found_out_until_the_lock_is_over_or_given_back() {
        assert!(locks_of(1).answered(QUEUE, "b", true, told(1, 20), Some(3)).is_err());
        locks_of(1).answered(QUEUE, "b", true, told(1, 71), Some(3)).unwrap();
        locks_of(1).answered(QUEUE, "b", true, told(1, 20), Some(4)).unwrap();
        locks_of(1).answered(QUEUE, "b", true, told(2, 20), Some(3)).unwrap();
        locks_of(1).answered(QUEUE, "b", true, told(1, 20), None).unwrap();
        let mut given_back = locks_of(1);
        given_back.unlock_begins(QUEUE, "a");
        given_back.answered(QUEUE, "b", true, told(1, 20), Some(3)).unwrap();
        given_back.answered(QUEUE, "a", true, told(1, 30), Some(4)).unwrap();
        given_back.answered(QUEUE, "b", true, told(1, 40), Some(4)).unwrap();
        given_back.unlock_ended(QUEUE, "a");
        given_back.answered(QUEUE, "a", true, told(1, 50), Some(5)).unwrap();
        assert!(given_back.answered(QUEUE, "b", true, told(1, 55), Some(5)).is_err(), "nothing of a is under way");
        let mut jumped = locks_of(1);
        jumped.clock_jumped(1, Duration::from_secs(15), 60_000);
        jumped.answered(QUEUE, "b", true, told(1, 20), Some(3)).unwrap();
    }

    #[test]
    fn a_holder_that_is_refused_is_found_out() {
        assert!(locks_of(1).answered(QUEUE, "a", false, told(1, 20), Some(3)).is_err());
        locks_of(1).answered(QUEUE, "b", false, told(1, 20), Some(3)).unwrap();
        locks_of(1).answered(QUEUE, "a", false, told(1, 71), Some(3)).unwrap();
    }
}
