//! Connections without sockets: what a service answers is read straight from its outbox. For running a service on one
//! thread, without a kernel.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;

use crate::connection::ConnectionId;
use crate::dial::Dial;
use crate::outbox::Outbox;
use crate::service::CloseReason;

/// The reading side of an [`Outbox`].
pub struct Loopback {
    outbox: Outbox,
    count: Cell<u32>,
    dirty: RefCell<Vec<ConnectionId>>,
}

impl Loopback {
    /// Reads what is put into `outbox`.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox, count: Cell::new(0), dirty: RefCell::default() }
    }

    /// One more connection.
    pub fn connect(&self) -> ConnectionId {
        let slot = self.count.replace(self.count.get() + 1);
        let id = ConnectionId::new(slot as usize, slot + 1);
        self.outbox.add(id);
        id
    }

    /// A connection is gone, and what is queued for it.
    pub fn disconnect(&self, id: ConnectionId) {
        self.outbox.remove(id);
    }

    /// Takes the connections that the service wants closed. They are there until [`Self::disconnect`].
    pub fn take_closing(&self) -> Vec<(ConnectionId, CloseReason)> {
        self.outbox.take_closing()
    }

    /// Whether a sweep is due although nothing has arrived; what was stalled is then offered again.
    pub fn take_due(&self) -> bool {
        let is_due = self.outbox.has_work();
        self.outbox.take_resume_stalled();
        is_due
    }

    /// Takes all that is queued, a connection at a time as the sweep does; `take` gets each piece where it lies.
    pub fn drain(&self, mut take: impl FnMut(ConnectionId, &[u8])) {
        let mut dirty = self.dirty.borrow_mut();
        self.outbox.take_dirty(&mut dirty);
        for id in dirty.drain(..) {
            let sent = self.outbox.drain(id, |slices| {
                slices.iter().for_each(|slice| take(id, slice));
                Ok::<_, Infallible>(slices.iter().map(|slice| slice.len()).sum())
            });
            assert_eq!(sent, Ok(true), "everything offered was taken");
        }
    }

    /// Takes the connections to replicas that were asked for; nobody makes them here.
    pub fn take_dials(&self) -> Vec<Dial> {
        self.outbox.take_dials().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_reads_what_was_put_in_for_it() {
        let outbox = Outbox::default();
        let loopback = Loopback::new(outbox.clone());
        let ids = [loopback.connect(), loopback.connect()];
        outbox.with_buffer(ids[1], |buffer| buffer.extend_from_slice(b"second"));
        outbox.with_buffer(ids[0], |buffer| buffer.extend_from_slice(b"first"));
        let mut read = Vec::new();
        loopback.drain(|id, bytes| read.push((id, bytes.to_vec())));
        assert_eq!(read, [(ids[1], b"second".to_vec()), (ids[0], b"first".to_vec())]);
        loopback.drain(|_, _| panic!("all was read"));
    }

    #[test]
    fn a_connection_that_is_gone_takes_what_was_queued_with_it() {
        let outbox = Outbox::default();
        let loopback = Loopback::new(outbox.clone());
        let id = loopback.connect();
        outbox.with_buffer(id, |buffer| buffer.extend_from_slice(b"nobody reads this"));
        outbox.close(id, CloseReason("not wanted".into()));
        assert!(loopback.take_due());
        assert_eq!(loopback.take_closing().len(), 1);
        loopback.disconnect(id);
        loopback.drain(|_, _| panic!("it is gone"));
        assert_eq!(outbox.total_bytes(), 0);
        assert!(!outbox.with_buffer(id, |_| panic!("it is gone")));
        assert_ne!(loopback.connect(), id);
    }

    #[test]
    fn a_dial_waits_to_be_taken_once() {
        let outbox = Outbox::default();
        let loopback = Loopback::new(outbox.clone());
        let dial = Dial { remote: "127.0.0.1:1".parse().unwrap(), ticket: 7 };
        outbox.dial(dial.remote, dial.ticket);
        assert!(outbox.has_work());
        assert_eq!(loopback.take_dials(), [dial]);
        assert!(loopback.take_dials().is_empty() && !outbox.has_work());
    }
}
