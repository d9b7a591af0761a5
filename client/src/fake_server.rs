//! A server for tests: a real socket, the real codec, and answers given by a closure.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BytesMut};
use protocol::frame::{HeaderEncoding, decode_frame};
use protocol::{RemotingCommand, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers it. Opaque and flag are filled in.
    Answer(RemotingCommand),
    /// Answers it after the next answer on this connection, so that answers come out of order.
    AfterNext(RemotingCommand),
    /// Says nothing.
    Silence,
    /// Closes the connection.
    Close,
    /// Sends these bytes as they are.
    Bytes(Vec<u8>),
}

impl Reply {
    /// SUCCESS without fields or body.
    #[must_use]
    pub fn ok() -> Self {
        Self::code(ResponseCode::SUCCESS, "")
    }

    /// An answer with this code; no remark if it is empty.
    #[must_use]
    pub fn code(code: ResponseCode, remark: &str) -> Self {
        Self::Answer(RemotingCommand::response(code.0, 0, Some(remark).filter(|remark| !remark.is_empty())))
    }

    /// SUCCESS with a body.
    #[must_use]
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::ok().with_body(body)
    }

    /// SUCCESS with header fields.
    #[must_use]
    pub fn fields(fields: &[(&str, &str)]) -> Self {
        Self::ok().with_fields(fields)
    }

    /// The same answer with more header fields.
    #[must_use]
    pub fn with_fields(mut self, fields: &[(&str, &str)]) -> Self {
        if let Self::Answer(command) | Self::AfterNext(command) = &mut self {
            command.fields.extend(fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        }
        self
    }

    /// The same answer with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer(command) | Self::AfterNext(command) = &mut self {
            command.body = body.into();
        }
        self
    }

    /// The same answer, after the next one.
    #[must_use]
    pub fn after_next(self) -> Self {
        match self {
            Self::Answer(command) => Self::AfterNext(command),
            other => other,
        }
    }
}

/// A listening server; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct FakeServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<RemotingCommand>>>,
    pushes: broadcast::Sender<RemotingCommand>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

type Respond = Arc<dyn Fn(&RemotingCommand) -> Reply + Send + Sync>;

impl FakeServer {
    /// Listens on a free loopback port and answers every request, in order of arrival on its connection, with what
    /// `respond` says. One-way requests are recorded, and what `respond` says to them is not sent.
    ///
    /// # Panics
    /// When the loopback address cannot be bound.
    pub async fn start(respond: impl Fn(&RemotingCommand) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let received = Arc::<Mutex<Vec<_>>>::default();
        let (pushes, _) = broadcast::channel(64);
        let (stop, _) = watch::channel(false);
        let respond: Respond = Arc::new(respond);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&received), respond, pushes.clone(), stop.clone()));
        Self { address, received, pushes, stop, accepting }
    }

    /// A server that answers nothing but SUCCESS.
    pub async fn agreeing() -> Self {
        Self::start(|_| Reply::ok()).await
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The same as a socket address.
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    #[must_use]
    pub fn received(&self) -> Vec<RemotingCommand> {
        lock(&self.received).clone()
    }

    /// The requests with this code so far.
    #[must_use]
    pub fn received_with(&self, code: protocol::RequestCode) -> Vec<RemotingCommand> {
        let mut requests = self.received();
        requests.retain(|request| request.code == code.0);
        requests
    }

    /// Sends a request of the server to every connected client.
    pub fn push(&self, request: RemotingCommand) {
        // Without a connection there is nobody to send it to.
        let _ = self.pushes.send(request);
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.stop.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    received: Arc<Mutex<Vec<RemotingCommand>>>,
    respond: Respond,
    pushes: broadcast::Sender<RemotingCommand>,
    stop: watch::Sender<bool>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (received, respond) = (Arc::clone(&received), Arc::clone(&respond));
        let (pushes, mut stop) = (pushes.subscribe(), stop.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = serve(socket, received, respond, pushes) => {}
                _ = stop.wait_for(|stopped| *stopped) => {}
            }
        });
    }
}

/// Ends when the client closes, an answer says so, or the client sends what is no frame.
async fn serve(
    mut socket: TcpStream,
    received: Arc<Mutex<Vec<RemotingCommand>>>,
    respond: Respond,
    mut pushes: broadcast::Receiver<RemotingCommand>,
) {
    let mut input = BytesMut::new();
    let mut held: Vec<RemotingCommand> = Vec::new();
    loop {
        let mut output = Vec::new();
        tokio::select! {
            read = socket.read_buf(&mut input) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            push = pushes.recv() => match push {
                Ok(request) => request.encode(&mut output, HeaderEncoding::Json),
                Err(_) => return,
            },
        }
        while let Ok(Some((frame, used))) = decode_frame(&input) {
            let Ok(request) = RemotingCommand::decode(&frame) else { return };
            input.advance(used);
            lock(&received).push(request.clone());
            if request.is_response() {
                continue;
            }
            let reply = respond(&request);
            if request.is_oneway() {
                continue;
            }
            match reply {
                Reply::Answer(command) => {
                    answering(command, &request).encode(&mut output, HeaderEncoding::Json);
                    for late in held.drain(..) {
                        late.encode(&mut output, HeaderEncoding::Json);
                    }
                }
                Reply::AfterNext(command) => held.push(answering(command, &request)),
                Reply::Silence => {}
                Reply::Close => return,
                Reply::Bytes(bytes) => output.extend_from_slice(&bytes),
            }
        }
        if socket.write_all(&output).await.is_err() {
            return;
        }
    }
}

fn answering(command: RemotingCommand, request: &RemotingCommand) -> RemotingCommand {
    RemotingCommand { opaque: request.opaque, ..command }
}

fn lock(received: &Mutex<Vec<RemotingCommand>>) -> MutexGuard<'_, Vec<RemotingCommand>> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}
