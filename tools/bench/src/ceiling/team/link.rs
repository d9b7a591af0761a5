//! A connection between two load machines.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::codec::{CodecError, LineDecoder, encode};
use super::message::Message;

/// A machine that says nothing for so long is lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often either side says that it is still there.
pub const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// A line that cannot be handed over in this time is a machine that does not read.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// What can happen to a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side closed it.
    #[error("it closed the connection")]
    Closed,
    /// Nothing arrived, not even a sign of life.
    #[error("nothing was heard of it for {} s", .0.as_secs())]
    Silent(Duration),
    /// The system's words.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// What arrived makes no sense.
    #[error("it sent {0}")]
    Codec(#[from] CodecError),
    /// A message that does not belong here.
    #[error("it sent `{got}` where `{expected}` belongs")]
    Unexpected {
        /// What came.
        got: &'static str,
        /// What should have.
        expected: &'static str,
    },
    /// No report, long after the step was over.
    #[error("it sent no report within {} s after the step", .0.as_secs())]
    NoReport(Duration),
}

/// A connection between two load machines.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    peer: SocketAddr,
    decoder: LineDecoder,
    heard: Instant,
    said: Instant,
}

impl Link {
    /// Over a connected socket; lines of at most `bytes_max` are taken.
    ///
    /// # Errors
    /// If the socket takes no timeouts.
    pub fn new(stream: TcpStream, bytes_max: usize) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_MAX))?;
        let (peer, now) = (stream.peer_addr()?, Instant::now());
        Ok(Self { stream, peer, decoder: LineDecoder::new(bytes_max), heard: now, said: now })
    }

    /// The other side's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// From now on lines may be so long.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.decoder.set_bytes_max(bytes_max);
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`LinkError`]; the connection is of no use then.
    pub fn send(&mut self, message: &Message) -> Result<(), LinkError> {
        self.stream.write_all(&encode(message)?)?;
        self.said = Instant::now();
        Ok(())
    }

    /// Waits for at most `wait` for a message; signs of life are answered with our own and not handed out. `Ok(None)` = nothing yet.
    ///
    /// # Errors
    /// [`LinkError`], also when nothing at all was heard for [`SILENCE_MAX`].
    pub fn receive(&mut self, wait: Duration) -> Result<Option<Message>, LinkError> {
        let until = Instant::now() + wait;
        let mut buffer = vec![0; READ_BYTES];
        let mut looked = false;
        loop {
            match self.decoder.message()? {
                Some(Message::Alive) => continue,
                Some(message) => return Ok(Some(message)),
                None => {}
            }
            self.keep_alive()?;
            let left = until.saturating_duration_since(Instant::now());
            // Even with no time to wait, what has arrived already is taken.
            if left.is_zero() && looked {
                return Ok(None);
            }
            looked = true;
            // A timeout of zero would be none.
            self.stream.set_read_timeout(Some(left.min(ALIVE_EVERY).max(Duration::from_millis(1))))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(bytes) => {
                    self.heard = Instant::now();
                    self.decoder.push(&buffer[..bytes]);
                }
                Err(error) if is_timeout(&error) => self.check_silence()?,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(LinkError::Closed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn keep_alive(&mut self) -> Result<(), LinkError> {
        if self.said.elapsed() < ALIVE_EVERY { Ok(()) } else { self.send(&Message::Alive) }
    }

    fn check_silence(&self) -> Result<(), LinkError> {
        let silence = self.heard.elapsed();
        if silence < SILENCE_MAX { Ok(()) } else { Err(LinkError::Silent(silence)) }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
