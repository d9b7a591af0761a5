//! A client that sends whatever bytes it is given, and takes whatever comes back, within a limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use protocol::command::RemotingCommand;
use protocol::frame::{HeaderEncoding, decode_frame};

/// Whatever is to happen on a connection happens within this.
const WITHIN: Duration = Duration::from_secs(20);
/// A peer that takes no byte for this long does not read any more.
const FULL_AFTER: Duration = Duration::from_millis(500);
const READ_BYTES: usize = 64 << 10;

/// One blocking connection.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    received: Vec<u8>,
    encoding: HeaderEncoding,
    next_opaque: i32,
}

/// What came next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole frame.
    Command(RemotingCommand),
    /// The end of the connection, in order or by a reset.
    Closed,
}

impl RawClient {
    /// Connects, without sending anything.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).unwrap_or_else(|error| panic!("cannot connect to {to}: {error}"))
    }

    /// The same where it may be that nobody listens.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn try_connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, WITHIN)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WITHIN))?;
        Ok(Self { stream, received: Vec::new(), encoding: HeaderEncoding::Json, next_opaque: 1 })
    }

    /// The same, with headers of another encoding.
    #[must_use]
    pub fn speaking(mut self, encoding: HeaderEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Another handle of the same connection, to write from another thread.
    ///
    /// # Panics
    /// When there is none to be had.
    #[must_use]
    pub fn second_handle(&self) -> TcpStream {
        self.stream.try_clone().unwrap_or_else(|error| panic!("no second handle: {error}"))
    }

    /// This end, as the other one logs it.
    ///
    /// # Panics
    /// When the socket has none.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap_or_else(|error| panic!("a connection without an address: {error}"))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The other end has closed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends the bytes again and again, on all of the connections at once, until none takes more; returns how many
    /// bytes each took.
    ///
    /// # Panics
    /// When one takes more than `bytes_max`, or closes.
    pub fn write_until_full(clients: &mut [Self], bytes: &[u8], bytes_max: usize) -> Vec<usize> {
        let mut written = vec![0; clients.len()];
        let mut last = Instant::now();
        clients.iter().for_each(|client| client.set_nonblocking(true));
        while last.elapsed() < FULL_AFTER {
            for (client, written) in clients.iter_mut().zip(&mut written) {
                assert!(*written <= bytes_max, "{written} bytes were taken and still more would be");
                match client.stream.write(&bytes[*written % bytes.len()..]) {
                    Ok(count) => (*written, last) = (*written + count, Instant::now()),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(error) => panic!("closed after {written} bytes instead of waiting: {error}"),
                }
            }
        }
        clients.iter().for_each(|client| client.set_nonblocking(false));
        written
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        let set = self.stream.set_nonblocking(nonblocking);
        set.unwrap_or_else(|error| panic!("cannot change {}: {error}", self.local_address()));
    }

    /// Sends a command as it is, opaque and all.
    ///
    /// # Panics
    /// When the connection is closed.
    pub fn send(&mut self, command: &RemotingCommand) {
        let mut bytes = Vec::new();
        command.encode(&mut bytes, self.encoding);
        self.write(&bytes).unwrap_or_else(|error| panic!("cannot send {}: {error}", command.code));
    }

    /// Sends a request under the next opaque; returns that.
    ///
    /// # Panics
    /// When the connection is closed.
    pub fn start(&mut self, request: RemotingCommand) -> i32 {
        let code = request.code;
        self.try_start(request).unwrap_or_else(|error| panic!("cannot send {code}: {error}"))
    }

    /// The same where the other end may have closed.
    ///
    /// # Errors
    /// It has.
    pub fn try_start(&mut self, mut request: RemotingCommand) -> io::Result<i32> {
        request.opaque = self.next_opaque;
        self.next_opaque += 1;
        let mut bytes = Vec::new();
        request.encode(&mut bytes, self.encoding);
        self.write(&bytes)?;
        Ok(request.opaque)
    }

    /// Sends a request and returns its answer.
    ///
    /// # Panics
    /// When there is no answer in time, or another frame comes first.
    pub fn ask(&mut self, request: RemotingCommand) -> RemotingCommand {
        let code = request.code;
        let opaque = self.start(request);
        match self.receive() {
            Received::Command(answer) => {
                assert!(answer.is_response() && answer.opaque == opaque, "request {code} was answered {answer:?}");
                answer
            }
            Received::Closed => panic!("request {code} was answered by closing the connection"),
        }
    }

    /// The next frame, or the end.
    ///
    /// # Panics
    /// When neither comes in time, or what comes is no frame.
    pub fn receive(&mut self) -> Received {
        let received = self.receive_before(Instant::now() + WITHIN);
        received.unwrap_or_else(|| panic!("neither an answer nor an end within {WITHIN:?} on {}", self.local_address()))
    }

    /// The next frame or the end, or `None` when neither has come by `deadline`.
    ///
    /// # Panics
    /// When what comes is no frame.
    pub fn receive_before(&mut self, deadline: Instant) -> Option<Received> {
        let mut bytes = [0; READ_BYTES];
        loop {
            if let Some(command) = self.take_frame() {
                return Some(Received::Command(command));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut bytes));
            match read {
                Ok(0) => return Some(Received::Closed),
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Some(Received::Closed);
                }
                Err(error) => panic!("reading on {} failed: {error}", self.local_address()),
            }
        }
    }

    /// Waits for the other end to close without another word.
    ///
    /// # Panics
    /// When it does not, or sends something first.
    pub fn expect_closed(&mut self, because: &str) {
        let received = self.receive();
        assert_eq!(received, Received::Closed, "{because}: an end without an answer was expected");
    }

    /// Waits for the other end to close, whatever it says before.
    ///
    /// # Panics
    /// When it does not.
    pub fn expect_end(&mut self, because: &str) {
        let (deadline, mut bytes) = (Instant::now() + WITHIN, [0; READ_BYTES]);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{because}: an end was expected within {WITHIN:?}");
            match self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut bytes)) {
                Ok(0) => return,
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("reading on {} failed: {error}", self.local_address()),
            }
        }
    }

    fn take_frame(&mut self) -> Option<RemotingCommand> {
        let decoded = decode_frame(&self.received).unwrap_or_else(|error| panic!("no frame was answered: {error}"));
        let (frame, used) = decoded?;
        let command = RemotingCommand::decode(&frame).unwrap_or_else(|error| panic!("no header: {error}"));
        self.received.drain(..used);
        Some(command)
    }
}
