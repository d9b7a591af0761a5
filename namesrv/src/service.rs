//! The name server behind sockets: one thread with one executor, for `mqnamesrv` and for a broker that brings its own.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use observe::RpcLatency;
use protocol::frame::Frame;
use runtime::listener::listen;
use runtime::shard::{ShardCpus, ShardHandle, spawn_shard};
use runtime::{
    CloseReason, ConnectionId, Flow, Mailbox, MailboxSender, Outbox, Peer, REPLICA_IDLE_TIMEOUT, ServeOptions, Service,
};

use crate::Connection;
use crate::config::Config;
use crate::file_store::DiskFileStore;
use crate::metrics::{NameServerMessage, NameServerReport, NameServerView};
use crate::name_server::{NameServer, StartError};
use crate::route_table;

/// Connections at most. A client process has one, whatever it produces and consumes.
const CONNECTIONS_MAX: usize = 50_000;

/// A running name server. Dropping it leaves it running.
pub struct RunningNameServer {
    address: SocketAddr,
    mailbox: MailboxSender<NameServerMessage>,
    shard: ShardHandle<io::Result<()>>,
}

/// Asks a name server to end; any thread may hold one.
#[derive(Clone)]
pub struct Stopper(MailboxSender<NameServerMessage>);

/// Binds the port, reads the KV table and starts serving, on a thread of its own.
///
/// # Errors
/// The port cannot be had, the KV table cannot be used, or the executor cannot be made.
pub fn start(config: Config) -> Result<RunningNameServer, StartError> {
    let listener = listen(SocketAddr::new(config.bind_address, config.listen_port))?;
    let address = listener.local_addr().map_err(StartError::Shard)?;
    let clock = Instant::now();
    let server = NameServer::new(config, Box::new(DiskFileStore), clock.elapsed())?;
    let (sender, mailbox) = runtime::mailbox().map_err(StartError::Shard)?;
    let shard = spawn_shard("namesrv", &ShardCpus::default(), move || serve(server, clock, listener, mailbox));
    Ok(RunningNameServer { address, mailbox: sender, shard: shard.map_err(StartError::Shard)? })
}

impl RunningNameServer {
    /// Where it listens; with `listenPort=0` the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it shows at an endpoint.
    pub fn view(&self) -> NameServerView {
        NameServerView::new(self.address, self.mailbox.clone())
    }

    /// A way to end it while something else waits for the end.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.mailbox.clone())
    }

    /// Waits until it was stopped.
    ///
    /// # Errors
    /// It ended by itself, and why.
    pub fn join(self) -> io::Result<()> {
        self.shard.join()?
    }
}

impl Stopper {
    /// Answers what is due and ends.
    pub fn stop(&self) {
        self.0.stop();
    }
}

async fn serve(
    server: NameServer,
    clock: Instant,
    listener: TcpListener,
    mailbox: Mailbox<NameServerMessage>,
) -> io::Result<()> {
    let options = ServeOptions {
        listeners: vec![listener],
        idle_timeout: server.config().idle_max,
        connections_max: CONNECTIONS_MAX,
        replica_listeners: Vec::new(),
        replica_idle_timeout: REPLICA_IDLE_TIMEOUT,
    };
    let outbox = Outbox::default();
    let latency = RefCell::new(RpcLatency::new(route_table::NUMBERS, clock));
    let (server, connections) = (RefCell::new(server), Cell::new(0));
    let service = Rc::new(NameServerService { server, clock, outbox: outbox.clone(), latency, connections });
    runtime::time::spawn(scan_periodically(Rc::downgrade(&service)));
    runtime::serve(service, outbox, options, mailbox).await
}

/// Evicts silent brokers for as long as the service is there. A changed interval counts from the next scan.
async fn scan_periodically(service: Weak<NameServerService>) {
    while let Some(interval) = service.upgrade().map(|service| service.scan_interval()) {
        runtime::time::sleep(interval).await;
        if let Some(service) = service.upgrade() {
            service.scan();
        }
    }
}

/// A [`NameServer`] and the sockets and the clock it knows nothing of.
struct NameServerService {
    server: RefCell<NameServer>,
    clock: Instant,
    outbox: Outbox,
    latency: RefCell<RpcLatency>,
    connections: Cell<usize>,
}

impl NameServerService {
    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn scan_interval(&self) -> Duration {
        self.server.borrow().config().scan_interval
    }

    fn scan(&self) {
        for Connection(silent) in self.server.borrow_mut().scan(self.now()) {
            let reason = CloseReason("the broker on it was silent for too long".into());
            self.outbox.close(ConnectionId::from_u64(silent), reason);
        }
    }

    fn report(&self) -> NameServerReport {
        let server = self.server.borrow();
        let registry = server.registry();
        NameServerReport {
            brokers: registry.liveness().count(),
            groups: registry.routes().groups().count(),
            topics: registry.routes().topic_count(),
            connections: self.connections.get(),
            outbox_bytes: self.outbox.total_bytes(),
            latency: self.latency.borrow().series(),
        }
    }
}

impl Service for NameServerService {
    type Message = NameServerMessage;

    fn sweep_began(&self, now: Instant) {
        self.latency.borrow_mut().sweep_began(now);
    }

    fn sweep_sent(&self, _: usize) {
        self.latency.borrow_mut().sweep_sent(Instant::now);
    }

    fn connected(&self, _: &Peer) {
        self.connections.set(self.connections.get() + 1);
    }

    fn frame(&self, peer: &Peer, frame: &Frame<'_>) -> Flow {
        let mut result = Ok(false);
        self.outbox.with_buffer(peer.id, |out| {
            result = self.server.borrow_mut().frame(self.now(), connection(peer), frame, out);
        });
        if let Some(answer) = self.server.borrow_mut().take_answered() {
            let mut latency = self.latency.borrow_mut();
            let read_at = latency.read_at();
            latency.answered(answer, read_at);
        }
        match result {
            Ok(_) => Flow::Continue,
            Err(error) => Flow::Close(CloseReason(error.to_string().into())),
        }
    }

    fn closed(&self, peer: &Peer) {
        self.connections.set(self.connections.get() - 1);
        self.server.borrow_mut().connection_closed(connection(peer));
    }

    fn message(&self, message: NameServerMessage) {
        match message {
            // Whoever asked may have given up meanwhile.
            NameServerMessage::Report(answer) => _ = answer.send(self.report()),
        }
    }
}

fn connection(peer: &Peer) -> Connection {
    Connection(peer.id.to_u64())
}
