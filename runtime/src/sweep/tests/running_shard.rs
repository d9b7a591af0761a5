//! A shard on a thread of its own that tells what its service is told, and does as ordered.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use protocol::frame::Frame;

use crate::listener::listen;
use crate::shard::PREEMPT;
use crate::{
    CloseReason, ConnectionId, DialError, Flow, MailboxSender, Outbox, Peer, ServeOptions, Service, mailbox, serve,
};

/// For what takes milliseconds where nothing is wrong.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// A frame with this body is answered with [`Flow::Stall`].
pub(super) const STALL: &[u8] = b"stall";
/// Little, so that many shards fit into the limit of locked memory.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// What the service was told.
#[derive(Debug)]
pub(super) enum Told {
    Connected(Peer),
    Dialed(u64, Result<Peer, DialError>),
    /// With its body.
    Frame(Peer, Vec<u8>),
    Closed(Peer),
}

/// What the service shall do.
pub(super) enum Order {
    Dial(SocketAddr, u64),
    /// Send a frame with this body.
    Send(ConnectionId, Vec<u8>),
    /// Queue so many bytes.
    Queue(ConnectionId, usize),
    Close(ConnectionId),
    /// Say how much is queued.
    QueuedBytes(ConnectionId, Sender<usize>),
}

struct Telling {
    outbox: Outbox,
    told: Sender<Told>,
}

impl Telling {
    fn tell(&self, told: Told) {
        // A test that is over listens no more.
        let _ = self.told.send(told);
    }
}

impl Service for Telling {
    type Message = Order;

    fn connected(&self, peer: &Peer) {
        self.tell(Told::Connected(*peer));
    }

    fn dialed(&self, ticket: u64, result: Result<&Peer, DialError>) {
        self.tell(Told::Dialed(ticket, result.copied()));
    }

    fn frame(&self, peer: &Peer, frame: &Frame<'_>) -> Flow {
        if frame.body == STALL {
            return Flow::Stall;
        }
        self.tell(Told::Frame(*peer, frame.body.to_vec()));
        Flow::Continue
    }

    fn closed(&self, peer: &Peer) {
        self.tell(Told::Closed(*peer));
    }

    fn message(&self, order: Order) {
        match order {
            Order::Dial(remote, ticket) => self.outbox.dial(remote, ticket),
            Order::Send(to, body) => {
                assert!(self.outbox.with_buffer(to, |buffer| buffer.extend(frame(&body))));
            }
            Order::Queue(to, bytes) => assert!(self.outbox.share(to, Rc::new(vec![0; bytes]), 0..bytes)),
            Order::Close(id) => self.outbox.close(id, CloseReason("as ordered".into())),
            Order::QueuedBytes(id, answer) => {
                let _ = answer.send(self.outbox.queued_bytes(id));
            }
        }
    }
}

pub(super) struct RunningShard {
    /// Where clients connect.
    pub(super) clients: SocketAddr,
    /// Where replicas connect.
    pub(super) replicas: SocketAddr,
    told: Receiver<Told>,
    mailbox: MailboxSender<Order>,
    thread: Option<ExecutorJoinHandle<std::io::Result<()>>>,
}

/// Without listeners: [`RunningShard::start`] makes them. Nothing is closed for being idle before a test is over.
pub(super) fn options() -> ServeOptions {
    ServeOptions {
        listeners: Vec::new(),
        idle_timeout: 2 * LIMIT,
        connections_max: 100,
        replica_listeners: Vec::new(),
        replica_idle_timeout: 2 * LIMIT,
    }
}

/// As it goes over the wire.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

impl RunningShard {
    pub(super) fn start(mut options: ServeOptions) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (clients, replicas) = (listen(any).unwrap(), listen(any).unwrap());
        let addresses = (clients.local_addr().unwrap(), replicas.local_addr().unwrap());
        options.listeners.push(clients);
        options.replica_listeners.push(replicas);
        let ((sender, mailbox), (tell, told)) = (mailbox().unwrap(), channel());
        let builder = LocalExecutorBuilder::new(Placement::Unbound).io_memory(IO_MEMORY_BYTES).preempt_timer(PREEMPT);
        let serve = move || async move {
            let outbox = Outbox::default();
            let service = Rc::new(Telling { outbox: outbox.clone(), told: tell });
            serve(service, outbox, options, mailbox).await
        };
        let thread = Some(builder.spawn(serve).unwrap());
        Self { clients: addresses.0, replicas: addresses.1, told, mailbox: sender, thread }
    }

    pub(super) fn order(&self, order: Order) {
        assert!(self.mailbox.send(order), "the shard has ended");
    }

    pub(super) fn queued_bytes(&self, id: ConnectionId) -> usize {
        let (answer, bytes) = channel();
        self.order(Order::QueuedBytes(id, answer));
        bytes.recv_timeout(LIMIT).unwrap()
    }

    pub(super) fn next_within(&self, limit: Duration) -> Option<Told> {
        self.told.recv_timeout(limit).ok()
    }

    pub(super) fn next(&self) -> Told {
        self.next_within(LIMIT).expect("something is told in time")
    }

    /// Passes over what is told until `pick` finds what it looks for.
    pub(super) fn until<T>(&self, mut pick: impl FnMut(Told) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < deadline, "it was not told in time");
            if let Some(found) = pick(self.next()) {
                return found;
            }
        }
    }

    /// Waits for its end. What it told until then can be read.
    pub(super) fn stop(&mut self) {
        self.mailbox.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for RunningShard {
    fn drop(&mut self) {
        // A second panic would hide the first.
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
