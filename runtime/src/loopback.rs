//! Connections without sockets: what a service answers is read straight from its outbox. For running a service on one
//! thread, without a kernel.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;

use crate::connection::ConnectionId;
use crate::outbox::Outbox;

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
}
