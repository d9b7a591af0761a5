//! Reading: what has arrived on a connection, cut into frames.

use std::io::{self, ErrorKind, Read};

use protocol::frame::{FrameError, decode_frame, decode_frame_up_to};
use rustix::buffer::spare_capacity;

use super::{Connection, READ_BYTES, Server};
use crate::serve_options::REPLICA_FRAME_BYTES_MAX;
use crate::service::{CloseReason, Flow, Service};

/// Memory of half-received and kept frames over all connections; a connection that would pass it is closed.
const HELD_BYTES_MAX: usize = 512 << 20;
/// A frame begins with its length.
const LENGTH_BYTES: usize = 4;
/// An emptied buffer above this is given back.
const KEEP_BYTES: usize = 64 << 10;
/// The same of a connection to a replica, on which one long frame follows the other.
const KEEP_REPLICA_BYTES: usize = 2 << 20;
/// A frame of a replica whose rest may be there by now is read on for as often in one sweep.
const REPLICA_READS_MAX: u32 = 8;

impl<S: Service> Server<S> {
    /// Reads once and hands on what is whole. Some: the connection is to be closed, with a reason unless the client
    /// closed it.
    pub(super) fn receive(&mut self, connection: &mut Connection) -> Option<Option<CloseReason>> {
        // Who has sent a long frame once has memory of its own for the next one: what is cut off is not copied.
        if connection.peer.origin.is_replica() && connection.held.capacity() > 0 {
            return self.receive_long(connection);
        }
        if connection.held.is_empty() {
            let mut scratch = std::mem::take(&mut self.scratch);
            let received = connection.socket.read(&mut scratch);
            let end = match received {
                Ok(0) => Some(None),
                Ok(bytes) => self.take_frames(connection, &scratch[..bytes]),
                Err(error) => end_of_read(&error),
            };
            self.scratch = scratch;
            return end;
        }
        let before = connection.held.len();
        make_room(&mut connection.held);
        match rustix::io::read(&connection.socket, spare_capacity(&mut connection.held)) {
            Ok(0) => Some(None),
            Ok(bytes) => {
                self.held_bytes += bytes;
                // Where the length was there before, it was found good. To look at the frame now would copy it.
                if before >= LENGTH_BYTES && missing_bytes(&connection.held) > 0 {
                    return (self.held_bytes > HELD_BYTES_MAX).then(|| Some(no_room_to_hold()));
                }
                self.take_held(connection)
            }
            Err(error) => end_of_read(&error.into()),
        }
    }

    /// Reads where the frames stay until they are whole.
    fn receive_long(&mut self, connection: &mut Connection) -> Option<Option<CloseReason>> {
        for _ in 0..REPLICA_READS_MAX {
            let held = &mut connection.held;
            if held.capacity() - held.len() < KEEP_BYTES {
                held.reserve(READ_BYTES);
            }
            match rustix::io::read(&connection.socket, spare_capacity(held)) {
                Ok(0) => return Some(None),
                Ok(bytes) => self.held_bytes += bytes,
                Err(error) => return end_of_read(&error.into()),
            }
            let held = std::mem::take(&mut connection.held);
            let taken = self.hand_on_of_replica(connection, &held);
            connection.held = held;
            match taken {
                Ok(bytes) => {
                    connection.held.drain(..bytes);
                    self.held_bytes -= bytes;
                }
                Err(reason) => return Some(Some(reason)),
            }
            if self.held_bytes > HELD_BYTES_MAX {
                return Some(Some(no_room_to_hold()));
            }
            if connection.held.is_empty() {
                if connection.held.capacity() > KEEP_REPLICA_BYTES {
                    connection.held = Vec::new();
                }
                return None;
            }
        }
        None
    }

    pub(super) fn take_held(&mut self, connection: &mut Connection) -> Option<Option<CloseReason>> {
        let held = std::mem::take(&mut connection.held);
        self.held_bytes -= held.len();
        let end = self.take_frames(connection, &held);
        if connection.held.is_empty() && held.capacity() <= KEEP_BYTES {
            connection.held = held;
            connection.held.clear();
        }
        end
    }

    /// Hands whole frames to the service and keeps the rest.
    fn take_frames(&mut self, connection: &mut Connection, bytes: &[u8]) -> Option<Option<CloseReason>> {
        let is_replica = connection.peer.origin.is_replica();
        let taken =
            if is_replica { self.hand_on_of_replica(connection, bytes) } else { self.hand_on(connection, bytes) };
        let rest = match taken {
            Ok(taken) => &bytes[taken..],
            Err(reason) => return Some(Some(reason)),
        };
        if rest.is_empty() {
            return None;
        }
        self.held_bytes += rest.len();
        if self.held_bytes > HELD_BYTES_MAX {
            self.held_bytes -= rest.len();
            return Some(Some(no_room_to_hold()));
        }
        connection.held.extend_from_slice(rest);
        None
    }

    /// Hands a client's whole frames to the service, as far as it takes them. Returns how many bytes they are.
    fn hand_on(&mut self, connection: &mut Connection, bytes: &[u8]) -> Result<usize, CloseReason> {
        let mut at = 0;
        let id = connection.peer.id;
        while let Some((frame, used)) = decode_frame(&bytes[at..]).map_err(|error| no_frame(&error, bytes[at]))? {
            let is_taken = !self.outbox.is_congested(id);
            match if is_taken { self.service.frame(&connection.peer, &frame) } else { Flow::Stall } {
                Flow::Continue => at += used,
                Flow::Close(reason) => return Err(reason),
                Flow::Stall => {
                    self.stall(connection);
                    break;
                }
            }
        }
        Ok(at)
    }

    /// As [`Self::hand_on`] with a replica's limit, and whatever is queued to it: were neither of two replicas read before
    /// it has read, neither would go on.
    fn hand_on_of_replica(&mut self, connection: &mut Connection, bytes: &[u8]) -> Result<usize, CloseReason> {
        let mut at = 0;
        while let Some((frame, used)) =
            decode_frame_up_to(&bytes[at..], REPLICA_FRAME_BYTES_MAX).map_err(|error| no_frame(&error, bytes[at]))?
        {
            match self.service.frame(&connection.peer, &frame) {
                Flow::Continue => at += used,
                Flow::Close(reason) => return Err(reason),
                Flow::Stall => {
                    return Err(CloseReason("a replica's frame could not be taken, and none can wait".into()));
                }
            }
        }
        Ok(at)
    }
}

/// Room for the next read of a half-received frame: as much again as has arrived, whatever length it claims. A buffer that
/// has some is left as it is: to make it larger may copy all of it, what nothing was written to as well, which then takes
/// memory.
fn make_room(held: &mut Vec<u8>) {
    let room = held.capacity() - held.len();
    if room < KEEP_BYTES {
        held.reserve_exact(missing_bytes(held).min(held.len()).max(KEEP_BYTES));
    }
}

/// Bytes that the frame at the start of `held` still lacks, once it says how many it has.
fn missing_bytes(held: &[u8]) -> usize {
    let Some(length) = held.first_chunk::<LENGTH_BYTES>() else { return 0 };
    (u32::from_be_bytes(*length) as usize).saturating_add(LENGTH_BYTES).saturating_sub(held.len())
}

/// `first` is where it would begin.
fn no_frame(error: &FrameError, first: u8) -> CloseReason {
    let hint = if first == 0x16 { " (this is how TLS begins: TLS is not served)" } else { "" };
    CloseReason(format!("{error}{hint}").into())
}

fn no_room_to_hold() -> CloseReason {
    CloseReason(format!("half-received frames take {HELD_BYTES_MAX} bytes already").into())
}

fn end_of_read(error: &io::Error) -> Option<Option<CloseReason>> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
        // A client that dies closes like this; it is no event.
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Some(None),
        _ => Some(Some(CloseReason(format!("reading failed: {error}").into()))),
    }
}
