//! A master's slaves: who is connected, and how far each has the log. The clock and the sockets are the caller's.

use std::collections::BTreeMap;

use runtime::{CloseReason, ConnectionId, Outbox};
use storage::commit_log::LogPosition;

use crate::replication::TransferRate;
use crate::replication::wire::{CopyRequest, Link, ReplicaMessage};

/// A connection of a slave.
pub(crate) struct SlaveLink {
    pub(crate) link: Link,
    /// Its `brokerId`.
    pub(crate) id: i64,
    /// `host:port` where it serves clients.
    pub(crate) address: String,
    /// Up to where it has confirmed the log; `None` until it has asked with a place that this log shares.
    pub(crate) confirmed: Option<LogPosition>,
    /// Where what was sent last ends: this log has stood there.
    pub(crate) sent_to: Option<LogPosition>,
    /// A request that waits for something new, and until when.
    pub(crate) waiting: Option<(CopyRequest, i64)>,
    /// When it was last heard of.
    pub(crate) heard_ms: i64,
    pub(crate) rate: TransferRate,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Slaves {
    /// In an order that does not depend on chance.
    links: BTreeMap<ConnectionId, SlaveLink>,
}

impl Slaves {
    /// A slave is connected. An older connection of the same is closed.
    pub(crate) fn add(&mut self, connection: ConnectionId, slave: SlaveLink, outbox: &Outbox) {
        let old = self.links.iter().filter(|(_, other)| other.id == slave.id).map(|(id, _)| *id);
        for id in old.collect::<Vec<_>>() {
            self.links.remove(&id);
            outbox.close(id, CloseReason("replication: the slave has connected again".into()));
        }
        self.links.insert(connection, slave);
    }

    pub(crate) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut SlaveLink> {
        self.links.get_mut(&connection)
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) -> Option<SlaveLink> {
        self.links.remove(&connection)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// All of them, by id.
    pub(crate) fn sorted(&self) -> Vec<&SlaveLink> {
        let mut all: Vec<_> = self.links.values().collect();
        all.sort_unstable_by_key(|slave| slave.id);
        all
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut SlaveLink)> {
        self.links.iter_mut().map(|(id, slave)| (*id, slave))
    }

    /// This one is no master any more.
    pub(crate) fn close_all(&mut self, outbox: &Outbox, why: &'static str) {
        for (id, _) in std::mem::take(&mut self.links) {
            outbox.close(id, CloseReason(why.into()));
        }
    }

    /// How many slaves are behind `end` by no more than `gap_bytes_max`.
    pub(crate) fn in_sync(&self, end: u64, gap_bytes_max: u64) -> u32 {
        let keeps_up = |slave: &&SlaveLink| {
            slave.confirmed.is_some_and(|confirmed| end.saturating_sub(confirmed.position) <= gap_bytes_max)
        };
        self.links.values().filter(keeps_up).count() as u32
    }

    /// Up to where at least so many slaves have the log.
    pub(crate) fn confirmed_by(&self, count: usize) -> u64 {
        let mut positions: Vec<u64> =
            self.links.values().filter_map(|slave| slave.confirmed).map(|confirmed| confirmed.position).collect();
        positions.sort_unstable_by(|one, other| other.cmp(one));
        count.checked_sub(1).and_then(|at| positions.get(at)).copied().unwrap_or(0)
    }

    /// Whether the slave of this id has the log up to `position`.
    pub(crate) fn has(&self, id: i64, position: u64) -> bool {
        let slave = self.links.values().find(|slave| slave.id == id);
        slave.and_then(|slave| slave.confirmed).is_some_and(|confirmed| confirmed.position >= position)
    }

    /// Sends a message; false: the connection is gone.
    pub(crate) fn send(&mut self, to: ConnectionId, message: &ReplicaMessage<'_>, outbox: &Outbox) -> bool {
        let Some(slave) = self.links.get_mut(&to) else { return false };
        let envelope = slave.link.next_envelope();
        outbox.with_buffer(to, |buffer| message.encode(&envelope, buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slave(id: i64, confirmed: Option<u64>) -> SlaveLink {
        SlaveLink {
            link: Link::dialed(1, id as u64 + 1, 7),
            id,
            address: String::new(),
            confirmed: confirmed.map(|position| LogPosition { position, ..LogPosition::default() }),
            sent_to: None,
            waiting: None,
            heard_ms: 0,
            rate: TransferRate::default(),
        }
    }

    fn slaves(confirmed: &[Option<u64>]) -> Slaves {
        let mut slaves = Slaves::default();
        for (number, confirmed) in confirmed.iter().enumerate() {
            let id = number as i64 + 1;
            slaves.add(ConnectionId::from_u64(id as u64), slave(id, *confirmed), &Outbox::default());
        }
        slaves
    }

    #[test]
    fn what_so_many_slaves_have_is_what_the_last_of_them_has() {
        let slaves = slaves(&[Some(50), Some(70), None]);
        let confirmed: Vec<u64> = (1..=4).map(|count| slaves.confirmed_by(count)).collect();
        assert_eq!(confirmed, [70, 50, 0, 0]);
    }

    #[test]
    fn a_slave_is_in_sync_when_it_has_told_where_it_is_and_is_near() {
        let slaves = slaves(&[Some(50), Some(70), None]);
        assert_eq!((slaves.in_sync(80, 10), slaves.in_sync(80, 30), slaves.in_sync(80, 9)), (1, 2, 0));
    }

    #[test]
    fn a_consumer_is_sent_only_to_a_slave_that_has_what_it_wants() {
        let slaves = slaves(&[Some(50)]);
        assert!(slaves.has(1, 50) && !slaves.has(1, 51) && !slaves.has(2, 1));
    }

    #[test]
    fn a_slave_that_connects_again_takes_the_place_of_its_older_connection() {
        let mut slaves = slaves(&[Some(50)]);
        slaves.add(ConnectionId::from_u64(9), slave(1, None), &Outbox::default());
        assert_eq!((slaves.sorted().len(), slaves.confirmed_by(1)), (1, 0));
    }
}
