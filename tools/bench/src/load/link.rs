//! One connection: a nonblocking socket, the bytes that wait to be written and those that wait to be read.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use protocol::frame::{FRAME_BYTES_MAX, Frame, FrameError, decode_frame};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::clock::MILLISECOND_NS;

/// Bytes that wait in a connection's buffer before no more requests are put into it.
pub(crate) const OUT_BYTES_MAX: usize = 1 << 20;
/// Free room that a read has at least.
const READ_BYTES_MIN: usize = 4 << 10;
/// Pause before the first attempt to connect again; each further one takes twice as long.
const BACKOFF_MIN_NS: u64 = 100 * MILLISECOND_NS;
/// The longest pause.
const BACKOFF_MAX_NS: u64 = 2_000 * MILLISECOND_NS;
/// How long a connection may take to come up.
const CONNECT_MAX_NS: u64 = 3_000 * MILLISECOND_NS;

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    state: State,
    backoff_ns: u64,
    /// Requests; up to `written` the kernel has them.
    pub(crate) out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    input_bytes_min: usize,
}

#[derive(Debug)]
enum State {
    Open(OwnedFd),
    Connecting { socket: OwnedFd, since_ns: u64 },
    Down,
}

/// What reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// New bytes.
    Some,
    /// Nothing yet.
    Nothing,
}

impl Link {
    /// A link over a socket that is connected already. `input_bytes` is what usually comes at once.
    pub(crate) fn open(address: SocketAddr, socket: OwnedFd, input_bytes: usize) -> io::Result<Self> {
        prepare(socket.as_fd())?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            address,
            state: State::Open(socket),
            backoff_ns: BACKOFF_MIN_NS,
            out: Vec::new(),
            written: 0,
            input: Vec::new(),
            input_bytes_min: input_bytes.max(READ_BYTES_MIN),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The socket to watch, of a connection or of an attempt to make one.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Open(socket) | State::Connecting { socket, .. } => Some(socket.as_fd()),
            State::Down => None,
        }
    }

    /// Whether more requests may be put into `out`.
    pub(crate) fn takes_more(&self) -> bool {
        self.is_open() && self.out.len() - self.written < OUT_BYTES_MAX
    }

    /// Whether all of `out` was written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// Writes as much as the kernel takes, in one call.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let State::Open(socket) = &self.state else { return Ok(()) };
        if self.out.is_empty() {
            return Ok(());
        }
        match rustix::net::send(socket, &self.out[self.written..], rustix::net::SendFlags::NOSIGNAL) {
            Ok(bytes) => self.written += bytes,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        } else if self.written >= OUT_BYTES_MAX {
            self.out.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }

    /// Reads what is there, in one call.
    ///
    /// # Errors
    /// What the system says; the end of the connection is [`io::ErrorKind::UnexpectedEof`].
    pub(crate) fn read(&mut self) -> io::Result<Read> {
        let State::Open(socket) = &self.state else { return Ok(Read::Nothing) };
        self.input.reserve(wanted_bytes(&self.input).max(self.input_bytes_min - self.input.len().min(READ_BYTES_MIN)));
        match rustix::io::read(socket, spare_capacity(&mut self.input)) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
            Ok(_) => Ok(Read::Some),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Read::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands every whole frame that was read to `each`, together with the buffer for requests.
    ///
    /// # Errors
    /// Bytes that are no frame: the connection cannot go on.
    pub(crate) fn take_frames(&mut self, mut each: impl FnMut(&Frame<'_>, usize)) -> Result<(), FrameError> {
        let mut used = 0;
        let result = loop {
            match decode_frame(&self.input[used..]) {
                Ok(Some((frame, bytes))) => {
                    each(&frame, bytes);
                    used += bytes;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if used == self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..used);
        }
        result
    }

    /// Gives the connection up; returns how long to wait before [`Link::connect`].
    pub(crate) fn close(&mut self) -> u64 {
        self.state = State::Down;
        self.out.clear();
        self.written = 0;
        self.input.clear();
        let pause_ns = self.backoff_ns;
        self.backoff_ns = (self.backoff_ns * 2).min(BACKOFF_MAX_NS);
        pause_ns
    }

    /// Begins to connect. The socket is writable when that has ended one way or the other.
    pub(crate) fn connect(&mut self, now_ns: u64) -> io::Result<()> {
        let family = if self.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        prepare(socket.as_fd())?;
        match rustix::net::connect(&socket, &self.address) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.state = State::Connecting { socket, since_ns: now_ns };
        Ok(())
    }

    /// Whether the attempt to connect has come to its end, and how.
    pub(crate) fn finish_connect(&mut self) -> io::Result<()> {
        let State::Connecting { socket, .. } = std::mem::replace(&mut self.state, State::Down) else {
            unreachable!("asked only while connecting");
        };
        sockopt::socket_error(&socket)??;
        self.state = State::Open(socket);
        self.backoff_ns = BACKOFF_MIN_NS;
        Ok(())
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    /// Whether an attempt to connect has taken too long.
    pub(crate) fn is_connect_overdue(&self, now_ns: u64) -> bool {
        matches!(self.state, State::Connecting { since_ns, .. } if since_ns + CONNECT_MAX_NS < now_ns)
    }
}

fn prepare(socket: BorrowedFd<'_>) -> io::Result<()> {
    // Requests are written whole; waiting for more would only delay them.
    Ok(sockopt::set_tcp_nodelay(socket, true)?)
}

/// Bytes that the frame at the beginning still lacks, as far as its length is known.
fn wanted_bytes(input: &[u8]) -> usize {
    let Some(length) = input.first_chunk::<4>() else { return READ_BYTES_MIN };
    let frame_bytes = 4 + u32::from_be_bytes(*length) as usize;
    // A length over the limit is an error that the decoder reports; no memory is set aside for it.
    frame_bytes.min(FRAME_BYTES_MAX as usize).saturating_sub(input.len()).max(READ_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use protocol::RemotingCommand;
    use protocol::frame::HeaderEncoding;

    use super::*;

    fn pair() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        let (peer, _) = listener.accept().unwrap();
        (Link::open(address, socket.into(), 0).unwrap(), peer)
    }

    fn wait(link: &Link, event: rustix::event::PollFlags) {
        let socket = link.socket().unwrap();
        let mut poll = [rustix::event::PollFd::from_borrowed_fd(socket, event)];
        let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut poll, Some(&limit)), Ok(1), "nothing happened for 10 s");
    }

    fn read_frames(link: &mut Link, count: usize) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            wait(link, rustix::event::PollFlags::IN);
            link.read().unwrap();
            link.take_frames(|frame, _| bodies.push(frame.body.to_vec())).unwrap();
        }
        bodies
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let (mut link, mut peer) = pair();
        let bodies = [vec![1; 10], vec![2; 300_000], Vec::new()];
        let mut bytes = Vec::new();
        for body in &bodies {
            RemotingCommand::response(0, 1, None).with_body(body.clone()).encode(&mut bytes, HeaderEncoding::Json);
        }
        let writer = std::thread::spawn(move || {
            for part in bytes.chunks(7_001) {
                peer.write_all(part).unwrap();
            }
            peer
        });
        assert_eq!(read_frames(&mut link, 3), bodies);
        writer.join().unwrap();
    }

    #[test]
    fn what_the_kernel_does_not_take_is_written_later() {
        let (mut link, mut peer) = pair();
        let bytes: Vec<u8> = (0..40_000_000_u32).map(|at| (at / 1_000) as u8).collect();
        link.out = bytes.clone();
        link.flush().unwrap();
        assert!(!link.is_flushed() && !link.takes_more());
        let reader = std::thread::spawn(move || {
            let mut received = vec![0; 40_000_000];
            peer.read_exact(&mut received).unwrap();
            received
        });
        while !link.is_flushed() {
            wait(&link, rustix::event::PollFlags::OUT);
            link.flush().unwrap();
        }
        assert!(link.takes_more());
        assert!(reader.join().unwrap() == bytes);
    }

    #[test]
    fn a_lost_connection_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut link = Link::open(address, TcpStream::connect(address).unwrap().into(), 0).unwrap();
        drop(listener.accept().unwrap());
        wait(&link, rustix::event::PollFlags::IN);
        let error = link.read().unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), "{error}");
        assert_eq!([link.close(), link.close()], [BACKOFF_MIN_NS, 2 * BACKOFF_MIN_NS]);
        link.connect(0).unwrap();
        assert!(link.is_connecting() && !link.takes_more());
        wait(&link, rustix::event::PollFlags::OUT);
        link.finish_connect().unwrap();
        assert!(link.takes_more());
        assert_eq!(link.close(), BACKOFF_MIN_NS, "a connection that came up makes the pause short again");
    }

    #[test]
    fn a_refused_connection_says_so() {
        let (mut link, peer) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        link.address = listener.local_addr().unwrap();
        drop((listener, peer));
        link.close();
        let refused = link.connect(0).and_then(|()| {
            wait(&link, rustix::event::PollFlags::OUT);
            link.finish_connect()
        });
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error() {
        let (mut link, mut peer) = pair();
        peer.write_all(&u32::MAX.to_be_bytes()).unwrap();
        wait(&link, rustix::event::PollFlags::IN);
        link.read().unwrap();
        assert!(matches!(link.take_frames(|_, _| {}), Err(FrameError::TooLong { .. })));
    }
}
