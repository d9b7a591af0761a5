//! Bytes on their way to connections. No socket here: the sweep takes them from here and writes them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::task::Waker;

use crate::connection::ConnectionId;
use crate::dial::Dial;
use crate::service::CloseReason;

/// A connection with more than this queued is congested: no more of its requests are taken until it has read.
pub const CONNECTION_BYTES_MAX: usize = 4 << 20;
/// With more than this queued over all connections, each is congested at [`CROWDED_CONNECTION_BYTES_MAX`].
pub const SHARD_BYTES_MAX: usize = 128 << 20;
/// See [`SHARD_BYTES_MAX`].
pub const CROWDED_CONNECTION_BYTES_MAX: usize = 64 << 10;
/// With more than this queued over all connections, each that has anything to read is congested. One that has read all
/// is not: else those that never read would keep the others from being served.
const FULL_BYTES: usize = 2 * SHARD_BYTES_MAX;
/// An owned piece that has grown to this gets a successor, so that a half-sent piece is not moved around.
const PIECE_BYTES: usize = 256 << 10;
/// Capacity an emptied buffer keeps for the next answers.
const SPARE_BYTES_MAX: usize = 64 << 10;
/// Pieces of one vectored write.
const SLICES_MAX: usize = 64;

enum Piece {
    Owned(Vec<u8>),
    Shared { owner: Rc<dyn AsRef<[u8]>>, range: Range<usize> },
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared { owner, range } => &(**owner).as_ref()[range.clone()],
        }
    }
}

struct Queue {
    id: ConnectionId,
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are sent.
    sent: usize,
    bytes: usize,
    /// Bytes that answers under way will add, see [`Outbox::expect`].
    expected: usize,
    is_dirty: bool,
}

impl Queue {
    fn new(id: ConnectionId) -> Self {
        Self { id, pieces: VecDeque::new(), sent: 0, bytes: 0, expected: 0, is_dirty: false }
    }
}

#[derive(Default)]
struct Queues {
    /// By slot.
    of_sockets: Vec<Option<Queue>>,
    /// Those that no sweep looks at.
    detached: BTreeMap<ConnectionId, Queue>,
}

impl Queues {
    fn find(&mut self, id: ConnectionId) -> Option<&mut Queue> {
        match self.of_sockets.get_mut(id.slot()) {
            Some(queue) => queue.as_mut().filter(|queue| queue.id == id),
            None => self.detached.get_mut(&id),
        }
    }
}

#[derive(Default)]
struct State {
    queues: Queues,
    dirty: Vec<ConnectionId>,
    /// Detached connections that something was written to.
    written: Vec<ConnectionId>,
    /// How many detached connections there were so far.
    detached: u64,
    closing: Vec<(ConnectionId, CloseReason)>,
    bytes: usize,
    resume_stalled: bool,
    dials: Vec<Dial>,
    /// There are `dials`, or the time of one under way is up.
    look_at_dials: bool,
    waker: Option<Waker>,
    spare: Vec<Vec<u8>>,
}

/// Bytes that an answer under way will add to a connection's queue: they count like queued ones until this is dropped.
pub struct ExpectedBytes {
    outbox: Outbox,
    to: ConnectionId,
    bytes: usize,
}

impl Drop for ExpectedBytes {
    fn drop(&mut self) {
        let mut state = self.outbox.0.borrow_mut();
        let state = &mut *state;
        let Some(queue) = state.queues.find(self.to) else { return };
        queue.expected -= self.bytes;
        // The connection may have waited for nothing else.
        state.resume_stalled = true;
        wake(&mut state.waker);
    }
}

/// Answers of one shard, per connection. A cheap handle: clones share the queues.
#[derive(Clone, Default)]
pub struct Outbox(Rc<RefCell<State>>);

impl Outbox {
    /// Lets `write` append whole frames to what goes to `to`. False: that connection is gone, nothing was written.
    pub fn with_buffer(&self, to: ConnectionId, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let Some(queue) = state.queues.find(to) else { return false };
        let grows = matches!(queue.pieces.back(), Some(Piece::Owned(bytes)) if bytes.len() < PIECE_BYTES);
        if !grows {
            queue.pieces.push_back(Piece::Owned(state.spare.pop().unwrap_or_default()));
        }
        let Some(Piece::Owned(bytes)) = queue.pieces.back_mut() else { unreachable!("just looked") };
        let before = bytes.len();
        write(bytes);
        let written = bytes.len() - before;
        queue.bytes += written;
        state.bytes += written;
        mark_dirty(&mut state.dirty, &mut state.written, queue);
        wake(&mut state.waker);
        true
    }

    /// Appends `range` of `owner` to what goes to `to`, without copying it. False: that connection is gone.
    pub fn share(&self, to: ConnectionId, owner: Rc<dyn AsRef<[u8]>>, range: Range<usize>) -> bool {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let Some(queue) = state.queues.find(to) else { return false };
        queue.bytes += range.len();
        state.bytes += range.len();
        queue.pieces.push_back(Piece::Shared { owner, range });
        mark_dirty(&mut state.dirty, &mut state.written, queue);
        wake(&mut state.waker);
        true
    }

    /// Bytes that wait for a connection to read them.
    pub fn queued_bytes(&self, to: ConnectionId) -> usize {
        self.0.borrow_mut().queues.find(to).map_or(0, |queue| queue.bytes)
    }

    /// Bytes that wait for all connections to read them.
    pub fn total_bytes(&self) -> usize {
        self.0.borrow().bytes
    }

    /// Announces an answer of about `bytes` that is made by and by. Without this, a client could have any number of them
    /// under way before it has read the first.
    pub fn expect(&self, to: ConnectionId, bytes: usize) -> ExpectedBytes {
        if let Some(queue) = self.0.borrow_mut().queues.find(to) {
            queue.expected += bytes;
        }
        ExpectedBytes { outbox: self.clone(), to, bytes }
    }

    /// Whether a connection has so much to read, now or soon, that no more of its requests should be taken.
    pub fn is_congested(&self, to: ConnectionId) -> bool {
        self.0.borrow_mut().is_over_limit(to, |queue| queue.bytes + queue.expected)
    }

    /// Whether a connection has so much to read that nothing large should be added.
    pub fn is_unread(&self, to: ConnectionId) -> bool {
        self.0.borrow_mut().is_over_limit(to, |queue| queue.bytes)
    }

    /// Whether the answers of all connections together take more than they should for long.
    pub(crate) fn is_crowded(&self) -> bool {
        self.0.borrow().bytes > SHARD_BYTES_MAX
    }

    /// Closes a connection at the end of the sweep.
    pub fn close(&self, id: ConnectionId, reason: CloseReason) {
        let mut state = self.0.borrow_mut();
        state.closing.push((id, reason));
        wake(&mut state.waker);
    }

    /// A connection without a socket. What is written to it is for [`Self::take_detached`], which the service asks at the end of
    /// every sweep; the sweep comes as it does for other connections. Its owner bounds how many there are.
    pub fn open_detached(&self) -> ConnectionId {
        let mut state = self.0.borrow_mut();
        state.detached += 1;
        let id = ConnectionId::detached(state.detached);
        state.queues.detached.insert(id, Queue::new(id));
        id
    }

    /// Takes all that was written to detached connections since the last call. With it they are closed.
    pub fn take_detached(&self) -> Vec<(ConnectionId, Vec<u8>)> {
        let mut state = self.0.borrow_mut();
        if state.written.is_empty() {
            return Vec::new();
        }
        let written = std::mem::take(&mut state.written);
        written.into_iter().filter_map(|id| Some((id, state.remove_detached(id)?.into_bytes()))).collect()
    }

    /// Closes a detached connection: what was and will be written to it is gone.
    pub fn close_detached(&self, id: ConnectionId) {
        self.0.borrow_mut().remove_detached(id);
    }

    /// Offers the kept frames of all stalled connections again.
    pub fn resume_stalled(&self) {
        let mut state = self.0.borrow_mut();
        state.resume_stalled = true;
        wake(&mut state.waker);
    }

    /// Asks for a connection to the replica at `remote`. What becomes of it is told as
    /// [`Service::dialed`](crate::Service::dialed) with the same `ticket`, within [`DIAL_TIMEOUT`](crate::DIAL_TIMEOUT) and a
    /// little, as long as the shard serves. Tickets are the caller's; each call is a connection of its own, also to the same
    /// address.
    pub fn dial(&self, remote: SocketAddr, ticket: u64) {
        let mut state = self.0.borrow_mut();
        // No limit here: the next sweep takes them all and refuses those over the limit.
        state.dials.push(Dial { remote, ticket });
        state.look_at_dials = true;
        wake(&mut state.waker);
    }

    /// The time of a dial under way may be up.
    pub(crate) fn look_at_dials(&self) {
        let mut state = self.0.borrow_mut();
        state.look_at_dials = true;
        wake(&mut state.waker);
    }

    /// The dials asked for since the last call; `None` if there is nothing to do about any.
    pub(crate) fn take_dials(&self) -> Option<Vec<Dial>> {
        let mut state = self.0.borrow_mut();
        std::mem::take(&mut state.look_at_dials).then(|| std::mem::take(&mut state.dials))
    }

    /// Runs the sweep soon although nothing has arrived.
    pub(crate) fn wake(&self) {
        wake(&mut self.0.borrow_mut().waker);
    }

    pub(crate) fn add(&self, id: ConnectionId) {
        let mut state = self.0.borrow_mut();
        let slot = id.slot();
        let queues = &mut state.queues.of_sockets;
        if queues.len() <= slot {
            queues.resize_with(slot + 1, || None);
        }
        assert!(queues[slot].is_none());
        queues[slot] = Some(Queue::new(id));
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        let mut state = self.0.borrow_mut();
        let Some(queue) = state.queues.of_sockets.get_mut(id.slot()).and_then(Option::take) else { return };
        assert_eq!(queue.id, id);
        state.take_off(queue.bytes);
    }

    /// Whether the sweep has something to do; registers `waker` if not.
    pub(crate) fn is_due(&self, waker: &Waker) -> bool {
        let mut state = self.0.borrow_mut();
        if state.is_due() {
            return true;
        }
        state.waker = Some(waker.clone());
        false
    }

    pub(crate) fn has_work(&self) -> bool {
        self.0.borrow().is_due()
    }

    pub(crate) fn take_resume_stalled(&self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().resume_stalled)
    }

    pub(crate) fn take_closing(&self) -> Vec<(ConnectionId, CloseReason)> {
        std::mem::take(&mut self.0.borrow_mut().closing)
    }

    /// Moves the connections with something new to send into `into`.
    pub(crate) fn take_dirty(&self, into: &mut Vec<ConnectionId>) {
        let mut state = self.0.borrow_mut();
        let State { queues, dirty, .. } = &mut *state;
        for id in dirty.drain(..) {
            if let Some(queue) = queues.find(id) {
                queue.is_dirty = false;
                into.push(id);
            }
        }
    }

    /// Offers queued bytes of `id` to `send`, which says how many it took, until it takes less than offered.
    /// Returns whether all are sent.
    pub(crate) fn drain<E>(
        &self,
        id: ConnectionId,
        mut send: impl FnMut(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<bool, E> {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let Some(queue) = state.queues.find(id) else { return Ok(true) };
        while queue.bytes > 0 {
            let mut slices: [IoSlice<'_>; SLICES_MAX] = [IoSlice::new(&[]); SLICES_MAX];
            let mut offered = 0;
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&queue.pieces) {
                let skip = if count == 0 { queue.sent } else { 0 };
                let bytes = &piece.bytes()[skip..];
                offered += bytes.len();
                *slice = IoSlice::new(bytes);
                count += 1;
            }
            let taken = send(&slices[..count])?;
            let was_full = state.bytes > FULL_BYTES;
            state.bytes -= taken;
            // Connections without anything queued of their own have no other occasion to go on.
            state.resume_stalled |= was_full && state.bytes <= FULL_BYTES;
            queue.advance(taken, &mut state.spare);
            if taken < offered {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl State {
    fn remove_detached(&mut self, id: ConnectionId) -> Option<Queue> {
        let queue = self.queues.detached.remove(&id)?;
        self.take_off(queue.bytes);
        Some(queue)
    }

    /// So many bytes are no longer queued.
    fn take_off(&mut self, bytes: usize) {
        let was_full = self.bytes > FULL_BYTES;
        self.bytes -= bytes;
        // Connections without anything queued of their own have no other occasion to go on.
        self.resume_stalled |= was_full && self.bytes <= FULL_BYTES;
    }

    fn is_over_limit(&mut self, to: ConnectionId, bytes: impl FnOnce(&Queue) -> usize) -> bool {
        let limit = match self.bytes {
            FULL_BYTES.. => 0,
            SHARD_BYTES_MAX.. => CROWDED_CONNECTION_BYTES_MAX,
            _ => CONNECTION_BYTES_MAX,
        };
        self.queues.find(to).is_some_and(|queue| bytes(queue) > limit)
    }

    fn is_due(&self) -> bool {
        let has_bytes = !self.dirty.is_empty() || !self.written.is_empty();
        has_bytes || !self.closing.is_empty() || self.resume_stalled || self.look_at_dials
    }
}

impl Queue {
    fn into_bytes(mut self) -> Vec<u8> {
        match self.pieces.pop_front() {
            Some(Piece::Owned(bytes)) if self.pieces.is_empty() => bytes,
            first => {
                let mut bytes = Vec::with_capacity(self.bytes);
                first.iter().chain(&self.pieces).for_each(|piece| bytes.extend_from_slice(piece.bytes()));
                bytes
            }
        }
    }

    fn advance(&mut self, taken: usize, spare: &mut Vec<Vec<u8>>) {
        self.bytes -= taken;
        self.sent += taken;
        while let Some(first) = self.pieces.front() {
            let length = first.bytes().len();
            if self.sent < length {
                return;
            }
            self.sent -= length;
            if let Some(Piece::Owned(mut bytes)) = self.pieces.pop_front()
                && bytes.capacity() <= SPARE_BYTES_MAX
                && spare.len() < SLICES_MAX
            {
                bytes.clear();
                spare.push(bytes);
            }
        }
        assert_eq!(self.sent, 0);
    }
}

fn mark_dirty(dirty: &mut Vec<ConnectionId>, written: &mut Vec<ConnectionId>, queue: &mut Queue) {
    if !std::mem::replace(&mut queue.is_dirty, true) {
        if queue.id.is_detached() { written.push(queue.id) } else { dirty.push(queue.id) }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(outbox: &Outbox, id: ConnectionId, limit: usize) -> Vec<u8> {
        let mut got = Vec::new();
        let taken = outbox.drain(id, |slices| {
            let before = got.len();
            for byte in slices.iter().flat_map(|slice| slice.iter()).take(limit) {
                got.push(*byte);
            }
            Ok::<_, ()>(got.len() - before)
        });
        assert!(taken.is_ok());
        got
    }

    #[test]
    fn copied_and_shared_pieces_arrive_in_order_however_little_a_write_takes() {
        let outbox = Outbox::default();
        let id = ConnectionId::new(3, 7);
        outbox.add(id);
        assert!(outbox.with_buffer(id, |buffer| buffer.extend_from_slice(b"abc")));
        assert!(outbox.share(id, Rc::new(b"0123456789".to_vec()), 2..6));
        assert!(outbox.with_buffer(id, |buffer| buffer.extend_from_slice(b"xyz")));
        assert_eq!(outbox.queued_bytes(id), 10);
        let mut got = Vec::new();
        while outbox.queued_bytes(id) > 0 {
            got.extend(collect(&outbox, id, 3));
        }
        assert_eq!(got, b"abc2345xyz");
    }

    #[test]
    fn a_connection_that_is_gone_takes_nothing_and_its_slot_can_be_used_again() {
        let outbox = Outbox::default();
        let (old, new) = (ConnectionId::new(0, 1), ConnectionId::new(0, 2));
        outbox.add(old);
        outbox.with_buffer(old, |buffer| buffer.push(1));
        outbox.remove(old);
        outbox.add(new);
        assert!(!outbox.with_buffer(old, |_| panic!("gone")));
        assert_eq!(outbox.queued_bytes(new), 0);
    }

    #[test]
    fn what_is_written_to_a_detached_connection_is_taken_once_and_ends_it() {
        let outbox = Outbox::default();
        let (one, other) = (outbox.open_detached(), outbox.open_detached());
        assert!(one.is_detached() && one != other && !outbox.has_work());
        outbox.add(ConnectionId::new(0, 1));
        outbox.with_buffer(one, |buffer| buffer.extend_from_slice(b"abc"));
        outbox.share(one, Rc::new(b"0123456789".to_vec()), 2..6);
        outbox.with_buffer(other, |buffer| buffer.push(7));
        assert!(outbox.has_work(), "somebody has to take it");
        let mut dirty = Vec::new();
        outbox.take_dirty(&mut dirty);
        assert!(dirty.is_empty(), "no socket is written for it");
        assert_eq!(outbox.total_bytes(), 8);
        assert_eq!(outbox.take_detached(), [(one, b"abc2345".to_vec()), (other, vec![7])]);
        assert!(!outbox.has_work() && outbox.total_bytes() == 0);
        assert!(!outbox.with_buffer(one, |_| panic!("gone")));
        assert_eq!(outbox.take_detached(), []);
    }

    #[test]
    fn a_detached_connection_that_is_closed_takes_what_was_written_with_it() {
        let outbox = Outbox::default();
        let id = outbox.open_detached();
        outbox.with_buffer(id, |buffer| buffer.push(1));
        outbox.close_detached(id);
        assert_eq!((outbox.take_detached(), outbox.total_bytes()), (Vec::new(), 0));
        assert!(!outbox.has_work());
        assert!(!outbox.with_buffer(ConnectionId::NOBODY, |_| panic!("nobody")));
    }

    #[test]
    fn names_of_detached_connections_are_their_own() {
        let numbers = [1, 2, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, 1 << 40];
        let ids: std::collections::BTreeSet<_> = numbers.into_iter().map(ConnectionId::detached).collect();
        assert_eq!(ids.len(), numbers.len());
        assert!(ids.iter().all(|id| id.is_detached() && *id != ConnectionId::NOBODY));
        assert!(!ConnectionId::new((1 << 31) - 1, u32::MAX).is_detached());
    }

    #[test]
    fn a_connection_that_does_not_read_becomes_congested() {
        let outbox = Outbox::default();
        let id = ConnectionId::new(0, 1);
        outbox.add(id);
        outbox.with_buffer(id, |buffer| buffer.resize(CONNECTION_BYTES_MAX, 0));
        assert!(!outbox.is_congested(id));
        outbox.with_buffer(id, |buffer| buffer.push(0));
        assert!(outbox.is_congested(id));
    }

    #[test]
    fn an_answer_under_way_counts_until_it_is_there_or_given_up() {
        let outbox = Outbox::default();
        let id = ConnectionId::new(0, 1);
        outbox.add(id);
        let first = outbox.expect(id, CONNECTION_BYTES_MAX);
        assert!(!outbox.is_congested(id));
        let second = outbox.expect(id, 1);
        assert!(outbox.is_congested(id) && !outbox.is_unread(id));
        drop(second);
        assert!(outbox.take_resume_stalled() && !outbox.is_congested(id));
        outbox.remove(id);
        drop(first);
    }

    #[test]
    fn a_connection_that_has_read_all_is_served_although_others_read_nothing() {
        let outbox = Outbox::default();
        let ids: Vec<_> = (0..100).map(|slot| ConnectionId::new(slot, 1)).collect();
        ids.iter().for_each(|id| outbox.add(*id));
        let memory: Rc<dyn AsRef<[u8]>> = Rc::new(vec![0; CONNECTION_BYTES_MAX]);
        for id in &ids[2..] {
            outbox.share(*id, memory.clone(), 0..CONNECTION_BYTES_MAX);
        }
        outbox.with_buffer(ids[1], |buffer| buffer.push(0));
        assert!(outbox.is_congested(ids[2]) && outbox.is_congested(ids[1]));
        assert!(!outbox.is_congested(ids[0]));
    }
}
