//! Requests of this broker to its clients, and who waits for their answers. `W` is what the caller needs to go on.
//!
//! Every call that begins comes out exactly once: answered, or with its connection's end, or when its time is up.

use std::collections::{BTreeMap, BTreeSet};

/// Calls of one shard that wait for an answer.
pub const CALLS_MAX: usize = 1_024;
/// Those of them that wait for one client: it works on them one after the other.
pub const CALLS_PER_CLIENT_MAX: usize = 64;

/// Why a client is not asked. The text is the answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallsFull {
    /// [`CALLS_MAX`] is reached.
    #[error("[OVERLOAD]{CALLS_MAX} requests to clients wait for their answers, try again")]
    Shard,
    /// [`CALLS_PER_CLIENT_MAX`] is reached.
    #[error("[OVERLOAD]{CALLS_PER_CLIENT_MAX} requests to this client wait for its answers, try again")]
    Client,
}

/// Calls by connection and number of the request.
#[derive(Debug)]
pub struct ClientCalls<W> {
    calls: BTreeMap<(u64, i32), Call<W>>,
    by_deadline: BTreeSet<(i64, u64, i32)>,
}

#[derive(Debug)]
struct Call<W> {
    deadline_ms: i64,
    waiter: W,
}

impl<W> Default for ClientCalls<W> {
    fn default() -> Self {
        Self { calls: BTreeMap::new(), by_deadline: BTreeSet::new() }
    }
}

impl<W> ClientCalls<W> {
    /// Whether the client at `connection` can be asked something now.
    ///
    /// # Errors
    /// [`CallsFull`]: too much is waited for already.
    pub fn admit(&self, connection: u64) -> Result<(), CallsFull> {
        if self.calls.len() >= CALLS_MAX {
            return Err(CallsFull::Shard);
        }
        let of_client = self.calls.range(all_of(connection)).take(CALLS_PER_CLIENT_MAX).count();
        if of_client == CALLS_PER_CLIENT_MAX { Err(CallsFull::Client) } else { Ok(()) }
    }

    /// Whether the client is waited for under this number: the next request needs another one.
    pub fn is_waiting(&self, connection: u64, opaque: i32) -> bool {
        self.calls.contains_key(&(connection, opaque))
    }

    /// A client was asked. `deadline_ms` is of the same clock as [`Self::take_overdue`]'s.
    pub fn begin(&mut self, connection: u64, opaque: i32, deadline_ms: i64, waiter: W) {
        assert!(self.calls.len() < CALLS_MAX, "admission ran first");
        let known = self.calls.insert((connection, opaque), Call { deadline_ms, waiter });
        assert!(known.is_none(), "a number is used once at a time");
        self.by_deadline.insert((deadline_ms, connection, opaque));
    }

    /// A client answers. `None`: nobody waits for that, or not any more, or from another connection.
    pub fn take_answered(&mut self, connection: u64, opaque: i32) -> Option<W> {
        let call = self.calls.remove(&(connection, opaque))?;
        self.by_deadline.remove(&(call.deadline_ms, connection, opaque));
        Some(call.waiter)
    }

    /// A connection is closed: who waited for its answers, in the order they were asked.
    pub fn take_closed(&mut self, connection: u64) -> Vec<W> {
        let opaques: Vec<i32> = self.calls.range(all_of(connection)).map(|((_, opaque), _)| *opaque).collect();
        opaques.into_iter().filter_map(|opaque| self.take_answered(connection, opaque)).collect()
    }

    /// Who waited until `now_ms` in vain, who waited longest first.
    pub fn take_overdue(&mut self, now_ms: i64) -> Vec<W> {
        let mut overdue = Vec::new();
        while let Some((deadline_ms, connection, opaque)) = self.by_deadline.first().copied() {
            if deadline_ms > now_ms {
                break;
            }
            overdue.extend(self.take_answered(connection, opaque));
        }
        overdue
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

fn all_of(connection: u64) -> std::ops::RangeInclusive<(u64, i32)> {
    (connection, i32::MIN)..=(connection, i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_waiter_once_and_only_from_the_client_that_was_asked() {
        let mut calls = ClientCalls::default();
        calls.begin(1, 7, 100, "a");
        calls.begin(2, 7, 100, "b");
        assert!(calls.is_waiting(1, 7) && !calls.is_waiting(1, 8));
        assert_eq!(calls.take_answered(1, 8), None);
        assert_eq!(calls.take_answered(3, 7), None);
        assert_eq!(calls.take_answered(2, 7), Some("b"));
        assert_eq!(calls.take_answered(2, 7), None);
        assert_eq!(calls.take_overdue(100), ["a"]);
        assert!(calls.is_empty() && calls.by_deadline.is_empty());
    }

    #[test]
    fn who_waits_too_long_is_told_so_in_the_order_of_their_time() {
        let mut calls = ClientCalls::default();
        calls.begin(1, 1, 300, "third");
        calls.begin(2, 2, 100, "first");
        calls.begin(1, 3, 200, "second");
        assert!(calls.take_overdue(99).is_empty());
        assert_eq!(calls.take_overdue(200), ["first", "second"]);
        assert_eq!(calls.take_answered(2, 2), None, "an answer that comes late is nobody's");
        assert_eq!(calls.len(), 1);
    }

    #[test]
    fn a_connection_that_closes_takes_its_calls_with_it_and_no_others() {
        let mut calls = ClientCalls::default();
        calls.begin(5, i32::MIN, 100, "a");
        calls.begin(5, i32::MAX, 100, "b");
        calls.begin(4, i32::MAX, 100, "c");
        calls.begin(6, i32::MIN, 100, "d");
        assert_eq!(calls.take_closed(5), ["a", "b"]);
        assert!(calls.take_closed(5).is_empty());
        assert_eq!(calls.take_overdue(i64::MAX), ["c", "d"]);
    }

    #[test]
    fn calls_are_bounded_in_all_and_for_one_client() {
        let mut calls = ClientCalls::default();
        for opaque in 0..CALLS_PER_CLIENT_MAX as i32 {
            assert_eq!(calls.admit(1), Ok(()));
            calls.begin(1, opaque, 0, ());
        }
        assert_eq!(calls.admit(1), Err(CallsFull::Client));
        for client in 2.. {
            if calls.admit(client) == Err(CallsFull::Shard) {
                break;
            }
            calls.begin(client, 0, 0, ());
        }
        assert_eq!(calls.len(), CALLS_MAX);
        assert!(calls.take_answered(1, 0).is_some());
        assert_eq!(calls.admit(1), Ok(()));
    }
}
