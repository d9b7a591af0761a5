//! One TCP connection to a name server or broker.
//!
//! Requests are pipelined: any number of callers may wait at once, answers come in any order and are matched by
//! opaque. One task a connection reads and writes; what callers queue while a write is under way goes out as one
//! write. The connection closes when its last handle is dropped, after what was queued has been written.

mod link;
mod pump;
mod server_request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use self::link::BODY_BYTES_MAX;
pub use self::server_request::ServerRequest;

use self::link::Link;
use crate::answer::Answer;
use crate::error::{ClientError, CloseCause};

/// Requests one connection carries at once. When full, the next caller waits for a slot, within its own deadline.
pub const IN_FLIGHT_MAX: usize = 4096;

/// How a connection is made and used.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// How long to wait for the TCP handshake.
    pub connect_timeout: Duration,
    /// Header form of requests; answers are read in either form.
    pub encoding: HeaderEncoding,
    /// Requests that may wait for an answer at once.
    pub in_flight_max: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(3), encoding: HeaderEncoding::Json, in_flight_max: IN_FLIGHT_MAX }
    }
}

/// A handle on one connection; clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    handles: Arc<Handles>,
}

/// What all handles share; dropping it is dropping the last handle.
#[derive(Debug)]
struct Handles {
    link: Arc<Link>,
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.link.finish();
    }
}

impl Connection {
    /// Connects to `address` (`host:port`). Requests that the server sends go to `server_requests`; one that finds
    /// the channel full is dropped with a log line, as the protocol's server requests are all sent again.
    ///
    /// # Errors
    /// [`ClientError::Connect`] with the cause, also when nothing answered within the connect timeout.
    pub async fn open(
        address: &str,
        options: &ConnectionOptions,
        server_requests: mpsc::Sender<ServerRequest>,
    ) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { address: address.to_owned(), source: Arc::new(source) };
        let socket = match timeout(options.connect_timeout, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(failed)?,
            Err(_) => {
                let text = format!("no answer within {} ms", options.connect_timeout.as_millis());
                return Err(failed(std::io::Error::new(std::io::ErrorKind::TimedOut, text)));
            }
        };
        // Frames are coalesced here already; Nagle would only add its delay.
        socket.set_nodelay(true).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let link = Arc::new(Link::new(address, local, options.encoding, options.in_flight_max));
        tokio::spawn(pump::run(Arc::clone(&link), socket, server_requests));
        Ok(Self { handles: Arc::new(Handles { link }) })
    }

    /// Sends a request and waits for its answer, whatever its code. `fields` writes the header's ext fields.
    ///
    /// # Errors
    /// [`ClientError::Closed`] when the connection ends first, [`ClientError::Timeout`] at the deadline,
    /// [`ClientError::BodyTooLong`] above [`BODY_BYTES_MAX`].
    pub async fn request(
        &self,
        code: RequestCode,
        deadline: Duration,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        let link = &self.handles.link;
        let exchange = async {
            let _slot = link.slot().await;
            link.wait_for_room().await;
            let waiting = link.start_request(code, body, fields)?;
            let command = waiting.answer().await.map_err(|cause| link.closed_error(code, cause))?;
            Ok(Answer::new(code, link.shared_address(), command))
        };
        match timeout(deadline, exchange).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout { code, address: link.address().to_owned(), after: deadline }),
        }
    }

    /// Queues a request that wants no answer. Success means queued, not delivered; see [`Connection::flush`].
    ///
    /// # Errors
    /// [`ClientError::Closed`] or [`ClientError::BodyTooLong`].
    pub async fn oneway(
        &self,
        code: RequestCode,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<(), ClientError> {
        let link = &self.handles.link;
        link.wait_for_room().await;
        link.queue_oneway(code, body, fields)
    }

    /// Waits until everything queued so far has been handed to the kernel.
    ///
    /// # Errors
    /// The cause, when the connection closed first.
    pub async fn flush(&self) -> Result<(), Arc<CloseCause>> {
        self.handles.link.flushed().await
    }

    /// Why the connection is closed; `None` while it is open.
    #[must_use]
    pub fn close_cause(&self) -> Option<Arc<CloseCause>> {
        self.handles.link.close_cause()
    }

    /// The server's address as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        self.handles.link.address()
    }

    /// This side's address.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.handles.link.local_address()
    }
}
