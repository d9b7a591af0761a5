//! One socket, the bytes that have arrived on it, and those that are due.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use crate::error::CeilingError;
use crate::frame::{self, FRAME_BYTES_MAX};
use crate::outgoing::Outgoing;

/// A read that brought less than this has emptied the socket: asking again would only cost a call.
const FULL_READ_BYTES: usize = 64 << 10;

/// A connection of either side.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) outgoing: Outgoing,
    pub(crate) waits_to_write: bool,
    received: Vec<u8>,
    held: usize,
}

/// What a look at a readable socket found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) frames: usize,
    pub(crate) is_closed: bool,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let received = vec![0; FRAME_BYTES_MAX];
        Ok(Self { socket, outgoing: Outgoing::default(), waits_to_write: false, received, held: 0 })
    }

    /// Reads what is there and hands each whole frame's content to `take`.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(&[u8])) -> Result<Received, CeilingError> {
        let mut frames = 0;
        loop {
            let bytes = match self.socket.read(&mut self.received[self.held..]) {
                Ok(0) => return Ok(Received { frames, is_closed: true }),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Received { frames, is_closed: false });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Received { frames, is_closed: true }),
            };
            self.held += bytes;
            let cut = frame::cut(&self.received[..self.held], &mut take)?;
            frames += cut.frames;
            self.received.copy_within(cut.bytes..self.held, 0);
            self.held -= cut.bytes;
            if bytes < FULL_READ_BYTES {
                return Ok(Received { frames, is_closed: false });
            }
        }
    }
}
