//! Bytes on their way out of one socket.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

/// Written as far as the socket takes them; the rest waits until it is writable.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(crate) fn push(&mut self, frame: &[u8], count: usize) {
        self.bytes.reserve(frame.len() * count);
        for _ in 0..count {
            self.bytes.extend_from_slice(frame);
        }
    }

    /// True: all is sent. False: the socket is full.
    pub(crate) fn send(&mut self, socket: &mut TcpStream) -> std::io::Result<bool> {
        while self.sent < self.bytes.len() {
            match socket.write(&self.bytes[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(true)
    }
}
