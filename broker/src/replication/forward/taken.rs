//! What a leader has taken from followers: whom the answers are for, and what waits until the log takes more.

use std::collections::{BTreeMap, VecDeque};

use runtime::{ConnectionId, Peer};

/// Requests that wait for the log ...
pub(crate) const HELD_MAX: usize = 8192;
/// ... and their bytes; a longer one waits alone.
pub(crate) const HELD_BYTES_MAX: usize = 32 << 20;
/// Nobody waits for an answer any more after this: 5 s, longer than a follower does.
const PATIENCE_TICKS: u64 = 100;

/// Whom an answer is for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asker {
    pub(crate) node: u64,
    pub(crate) request_id: u64,
}

/// A request that waits to be offered again.
#[derive(Debug)]
pub(crate) struct Held {
    /// As the client; its connection is a detached one.
    pub(crate) peer: Peer,
    /// Who handed it on.
    pub(crate) node: u64,
    pub(crate) frame: Vec<u8>,
}

/// Requests of other nodes' clients.
#[derive(Default)]
pub(crate) struct Taken {
    askers: BTreeMap<ConnectionId, (Asker, u64)>,
    held: VecDeque<Held>,
    held_bytes: usize,
}

impl Taken {
    /// What is written to `connection` is for `asker`.
    pub(crate) fn add(&mut self, connection: ConnectionId, asker: Asker, now: u64) {
        self.askers.insert(connection, (asker, now + PATIENCE_TICKS));
    }

    /// Whom what was written to `connection` is for; asked once.
    pub(crate) fn asker(&mut self, connection: ConnectionId) -> Option<Asker> {
        self.askers.remove(&connection).map(|(asker, _)| asker)
    }

    /// Whether anything waits; what comes now has to wait behind it.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Keeps a request until the log takes more.
    /// # Errors
    /// It comes back: too much waits already.
    pub(crate) fn hold(&mut self, held: Held) -> Result<(), Held> {
        let has_room = self.held.is_empty() || self.held_bytes + held.frame.len() <= HELD_BYTES_MAX;
        if self.held.len() >= HELD_MAX || !has_room {
            return Err(held);
        }
        self.held_bytes += held.frame.len();
        self.held.push_back(held);
        Ok(())
    }

    /// The request that waits longest.
    pub(crate) fn next_held(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.held_bytes -= held.frame.len();
        Some(held)
    }

    /// That one has to wait on.
    pub(crate) fn hold_on(&mut self, held: Held) {
        self.held_bytes += held.frame.len();
        self.held.push_front(held);
    }

    /// The connection to `node` is gone: nobody there waits for anything, and nothing of it that waits may be done, since its
    /// clients were told by now to try again. Returns the connections to be closed.
    pub(crate) fn forget(&mut self, node: u64) -> Vec<ConnectionId> {
        self.held.retain(|held| held.node != node);
        self.held_bytes = self.held.iter().map(|held| held.frame.len()).sum();
        self.close(|asker, _| asker.node == node)
    }

    /// The connections on which nobody waits for an answer any more.
    pub(crate) fn expired(&mut self, now: u64) -> Vec<ConnectionId> {
        let gone = self.close(|_, until| until <= now);
        if !gone.is_empty() {
            self.held.retain(|held| !gone.contains(&held.peer.id));
            self.held_bytes = self.held.iter().map(|held| held.frame.len()).sum();
        }
        gone
    }

    fn close(&mut self, is_over: impl Fn(&Asker, u64) -> bool) -> Vec<ConnectionId> {
        let over = self.askers.iter().filter(|(_, (asker, until))| is_over(asker, *until));
        let over: Vec<ConnectionId> = over.map(|(connection, _)| *connection).collect();
        over.iter().for_each(|connection| _ = self.askers.remove(connection));
        over
    }
}

#[cfg(test)]
mod tests {
    use runtime::{Origin, Outbox};

    use super::*;

    fn held(id: ConnectionId, node: u64, bytes: usize) -> Held {
        let address = ([10, 0, 0, 1], 4000).into();
        let peer = Peer { id, remote: address, local: address, origin: Origin::Client };
        Held { peer, node, frame: vec![0; bytes] }
    }

    #[test]
    fn an_answer_finds_who_asked_once() {
        let (outbox, mut taken) = (Outbox::default(), Taken::default());
        let id = outbox.open_detached();
        taken.add(id, Asker { node: 2, request_id: 9 }, 0);
        assert_eq!(taken.asker(outbox.open_detached()), None);
        assert_eq!(taken.asker(id), Some(Asker { node: 2, request_id: 9 }));
        assert_eq!(taken.asker(id), None);
    }

    #[test]
    fn what_waits_keeps_its_order_and_its_limits() {
        let mut taken = Taken::default();
        let id = ConnectionId::NOBODY;
        assert!(taken.hold(held(id, 1, HELD_BYTES_MAX + 1)).is_ok(), "one may be as long as it likes");
        assert!(taken.hold(held(id, 2, 1)).is_err());
        assert_eq!(taken.next_held().map(|held| held.node), Some(1));
        for node in 1..=HELD_MAX as u64 {
            assert!(taken.hold(held(id, node, 1)).is_ok());
        }
        assert!(taken.hold(held(id, 0, 1)).is_err() && taken.holds_any());
        let first = taken.next_held().unwrap();
        taken.hold_on(first);
        let order: Vec<u64> = std::iter::from_fn(|| taken.next_held()).map(|held| held.node).collect();
        assert!(order.iter().copied().eq(1..=HELD_MAX as u64));
        assert_eq!(taken.held_bytes, 0);
    }

    #[test]
    fn a_node_that_is_gone_takes_what_it_asked_for_with_it() {
        let (outbox, mut taken) = (Outbox::default(), Taken::default());
        let ids = [outbox.open_detached(), outbox.open_detached()];
        for (id, node) in ids.into_iter().zip([2, 3]) {
            taken.add(id, Asker { node, request_id: 1 }, 0);
            assert!(taken.hold(held(id, node, 10)).is_ok());
        }
        assert_eq!(taken.forget(2), [ids[0]]);
        assert_eq!(taken.next_held().map(|held| held.node), Some(3));
        assert!(!taken.holds_any());
        assert!(taken.asker(ids[0]).is_none() && taken.asker(ids[1]).is_some());
    }

    #[test]
    fn a_request_that_nobody_waits_for_any_more_is_not_done_later() {
        let (outbox, mut taken) = (Outbox::default(), Taken::default());
        let ids = [outbox.open_detached(), outbox.open_detached()];
        for (id, now) in ids.into_iter().zip([0, 1]) {
            taken.add(id, Asker { node: 2, request_id: now }, now);
            assert!(taken.hold(held(id, 2, 10)).is_ok());
        }
        assert!(taken.expired(PATIENCE_TICKS - 1).is_empty());
        assert_eq!(taken.expired(PATIENCE_TICKS), [ids[0]]);
        assert_eq!(taken.next_held().map(|held| held.peer.id), Some(ids[1]));
        assert!(!taken.holds_any() && taken.held_bytes == 0);
    }
}
