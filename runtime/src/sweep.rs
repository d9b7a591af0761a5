//! The sweep: read every ready connection, let the service commit, write what is due. See the crate's text.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::TryRecvError;
use std::task::Poll;
use std::time::{Duration, Instant};

use protocol::frame::decode_frame;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::connection::{ConnectionId, Peer};
use crate::epoll::{Epoll, Ready};
use crate::idle::Idle;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::Outbox;
use crate::service::{CloseReason, Flow, Service};
use crate::time;

/// Read from one connection in one sweep at most, so that a busy one does not keep the others waiting.
const READ_BYTES: usize = 256 << 10;
/// Memory of half-received and kept frames over all connections; a connection that would pass it is closed.
const HELD_BYTES_MAX: usize = 512 << 20;
/// A frame begins with its length.
const LENGTH_BYTES: usize = 4;
/// An emptied buffer above this is given back.
const KEEP_BYTES: usize = 64 << 10;
/// Connections accepted in one sweep.
const ACCEPT_MAX: usize = 64;
/// Under load, finished I/O waits at most this long.
const REAP: Duration = Duration::from_micros(250);
/// How often idle connections are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// While unread answers take too much memory, a connection that reads none of its own for this long is closed.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(10);
/// At the end, answers that are due get this long to be sent.
const STOP_GRACE: Duration = Duration::from_secs(2);

const LISTENER_TOKENS: u64 = 1 << 40;
const MAILBOX_TOKEN: u64 = u64::MAX;

/// Where and how to serve.
pub struct ServeOptions {
    /// Bound sockets; [`listen`](crate::listener::listen) makes them.
    pub listeners: Vec<TcpListener>,
    /// A connection without traffic in either direction for this long is closed.
    pub idle_timeout: Duration,
    /// Connections a shard holds at most; further ones are closed at once.
    pub connections_max: usize,
}

struct Connection {
    peer: Peer,
    socket: TcpStream,
    /// Bytes received and not yet taken by the service.
    held: Vec<u8>,
    is_stalled: bool,
    waits_to_write: bool,
    last_active: Instant,
}

struct Server<S: Service> {
    service: Rc<S>,
    outbox: Outbox,
    options: ServeOptions,
    mailbox: Mailbox<S::Message>,
    epoll: Epoll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    generation: u32,
    count: usize,
    held_bytes: usize,
    stalled: Vec<ConnectionId>,
    scratch: Vec<u8>,
    dirty: Vec<ConnectionId>,
    refused: u64,
    /// Open so that a descriptor is left when there are no more; `None` after another thread took it.
    spare_file: Option<File>,
}

/// Serves until the mailbox is told to stop.
/// # Errors
/// The epoll set fails: the shard cannot go on.
pub async fn serve<S: Service>(
    service: Rc<S>,
    outbox: Outbox,
    options: ServeOptions,
    mailbox: Mailbox<S::Message>,
) -> io::Result<()> {
    let epoll = Epoll::new()?;
    for (number, listener) in options.listeners.iter().enumerate() {
        epoll.add(listener, LISTENER_TOKENS + number as u64)?;
    }
    epoll.add(&*mailbox.wake, MAILBOX_TOKEN)?;
    let tick = outbox.clone();
    let mut server = Server {
        service,
        outbox,
        options,
        mailbox,
        epoll,
        connections: Vec::new(),
        free: Vec::new(),
        generation: 0,
        count: 0,
        held_bytes: 0,
        stalled: Vec::new(),
        scratch: vec![0; READ_BYTES],
        dirty: Vec::new(),
        refused: 0,
        spare_file: spare_file(),
    };
    time::spawn(async move {
        loop {
            time::sleep(HOUSEKEEPING).await;
            tick.wake();
        }
    });
    server.run().await
}

impl<S: Service> Server<S> {
    async fn run(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        let mut idle = Idle::new();
        let mut next_housekeeping = Instant::now() + HOUSEKEEPING;
        let mut next_reap = Instant::now();
        loop {
            ready.clear();
            self.epoll.collect(&mut ready)?;
            if ready.is_empty() && !self.outbox.has_work() {
                if idle.looks_again(Instant::now()) {
                    time::yield_now().await;
                    continue;
                }
                self.wait().await;
            } else {
                idle.ends(Instant::now());
                self.service.looked_in_vain(idle.take_looked());
                if self.sweep(&ready) {
                    return self.finish().await;
                }
                // glommio looks at finished I/O and timers when no task can run: now and then this one lets it.
                if Instant::now() >= next_reap {
                    self.wait().await;
                    next_reap = Instant::now() + REAP;
                } else {
                    time::yield_now().await;
                }
            }
            let now = Instant::now();
            if now >= next_housekeeping {
                next_housekeeping = now + HOUSEKEEPING;
                self.close_idle(now);
            }
        }
    }

    /// Sleeps until a socket is ready, another task has something to send, or it is time for housekeeping.
    async fn wait(&mut self) {
        let (epoll, outbox) = (&mut self.epoll, &self.outbox);
        let mut woken = false;
        poll_fn(|context| {
            // Registering in the outbox comes first: a wake between the two checks is not lost.
            let is_due = outbox.is_due(context.waker());
            let ready = epoll.poll_ready(context);
            if is_due || std::mem::replace(&mut woken, true) { Poll::Ready(()) } else { ready }
        })
        .await;
    }

    /// One sweep. True: the shard is to stop.
    fn sweep(&mut self, ready: &[Ready]) -> bool {
        let now = Instant::now();
        self.service.sweep_began(now);
        let mut stop = false;
        for ready in ready {
            match ready.token {
                MAILBOX_TOKEN => stop |= self.read_mailbox(),
                token if token >= LISTENER_TOKENS => self.accept((token - LISTENER_TOKENS) as usize, now),
                token => self.serve_ready(token as usize, ready, now),
            }
        }
        if self.outbox.take_resume_stalled() {
            self.resume_stalled();
        }
        self.service.sweep_end();
        self.flush(now);
        self.service.sweep_sent(self.stalled.len());
        stop
    }

    fn read_mailbox(&mut self) -> bool {
        let mut counter = [0; 8];
        let _ = rustix::io::read(&*self.mailbox.wake, &mut counter);
        loop {
            match self.mailbox.letters.try_recv() {
                Ok(Letter::Service(message)) => self.service.message(message),
                Ok(Letter::Stop) => return true,
                // All senders gone means that nobody is left to ask for the end either.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn accept(&mut self, listener: usize, now: Instant) {
        for _ in 0..ACCEPT_MAX {
            let (socket, remote) = match self.options.listeners[listener].accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_out_of_files(&error) => {
                    if !self.refuse_for_want_of_a_file(listener, &error) {
                        return;
                    }
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    return;
                }
            };
            if self.count >= self.options.connections_max {
                self.refused += 1;
                if self.refused.is_power_of_two() {
                    let (limit, refused) = (self.options.connections_max, self.refused);
                    tracing::warn!(%remote, limit, refused, "connection refused: connectionsMax is reached");
                }
                continue;
            }
            if let Err(error) = self.add(socket, remote, now) {
                tracing::warn!(%remote, %error, "a connection could not be set up");
            }
        }
    }

    /// Closes one connection that waits to be accepted, with the file kept for this: else it would wait on, and the
    /// listener be ready for it again and again. False when another thread was quicker to take the file.
    fn refuse_for_want_of_a_file(&mut self, listener: usize, error: &io::Error) -> bool {
        self.refused += 1;
        if self.refused.is_power_of_two() {
            let refused = self.refused;
            tracing::warn!(%error, refused, "connection refused: raise the limit on open files, or lower connectionsMax");
        }
        self.spare_file = None;
        let refused = self.options.listeners[listener].accept().is_ok();
        self.spare_file = spare_file();
        refused
    }

    fn add(&mut self, socket: TcpStream, remote: std::net::SocketAddr, now: Instant) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let local = socket.local_addr()?;
        let slot = self.free.pop().unwrap_or(self.connections.len());
        if slot == self.connections.len() {
            self.connections.push(None);
        }
        self.generation += 1;
        let peer = Peer { id: ConnectionId::new(slot, self.generation), remote, local };
        if let Err(error) = self.epoll.add(&socket, slot as u64) {
            self.free.push(slot);
            return Err(error);
        }
        self.outbox.add(peer.id);
        let connection =
            Connection { peer, socket, held: Vec::new(), is_stalled: false, waits_to_write: false, last_active: now };
        self.connections[slot] = Some(connection);
        self.count += 1;
        self.service.connected(&peer);
        Ok(())
    }

    fn serve_ready(&mut self, slot: usize, ready: &Ready, now: Instant) {
        // Closed earlier in this sweep.
        let Some(mut connection) = self.connections.get_mut(slot).and_then(Option::take) else { return };
        connection.last_active = now;
        let mut end = None;
        if ready.writable {
            end = self.send(&mut connection);
        }
        if end.is_none() && ready.readable && !connection.is_stalled {
            end = self.receive(&mut connection);
        } else if end.is_none() && ready.hung_up && connection.is_stalled {
            // Nobody is left to answer what it sent and was not taken yet.
            end = Some(None);
        }
        self.connections[slot] = Some(connection);
        if let Some(reason) = end {
            self.close(slot, reason.as_ref());
        }
    }

    /// Reads once and hands on what is whole. Some: the connection is to be closed, with a reason unless the client
    /// closed it.
    fn receive(&mut self, connection: &mut Connection) -> Option<Option<CloseReason>> {
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

    fn take_held(&mut self, connection: &mut Connection) -> Option<Option<CloseReason>> {
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
        let mut at = 0;
        let id = connection.peer.id;
        loop {
            let (frame, used) = match decode_frame(&bytes[at..]) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(error) => {
                    let hint = if bytes[at] == 0x16 { " (this is how TLS begins: TLS is not served)" } else { "" };
                    return Some(Some(CloseReason(format!("{error}{hint}").into())));
                }
            };
            let is_taken = !self.outbox.is_congested(id);
            match if is_taken { self.service.frame(&connection.peer, &frame) } else { Flow::Stall } {
                Flow::Continue => at += used,
                Flow::Close(reason) => return Some(Some(reason)),
                Flow::Stall => {
                    self.stall(connection);
                    break;
                }
            }
        }
        let rest = &bytes[at..];
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

    fn stall(&mut self, connection: &mut Connection) {
        if !std::mem::replace(&mut connection.is_stalled, true) {
            self.stalled.push(connection.peer.id);
            self.watch(connection);
        }
    }

    fn watch(&self, connection: &Connection) {
        let (token, read, write) =
            (connection.peer.id.slot() as u64, !connection.is_stalled, connection.waits_to_write);
        if let Err(error) = self.epoll.watch(&connection.socket, token, read, write) {
            let reason = CloseReason(format!("its socket cannot be watched: {error}").into());
            self.outbox.close(connection.peer.id, reason);
        }
    }

    fn resume_stalled(&mut self) {
        for id in std::mem::take(&mut self.stalled) {
            // To look at its frames would copy them.
            if self.outbox.is_congested(id) {
                self.stalled.push(id);
                continue;
            }
            let slot = id.slot();
            let Some(mut connection) = self.connections[slot].take_if(|connection| connection.peer.id == id) else {
                continue;
            };
            connection.is_stalled = false;
            let end = self.take_held(&mut connection);
            if !connection.is_stalled {
                self.watch(&connection);
            }
            self.connections[slot] = Some(connection);
            if let Some(reason) = end {
                self.close(slot, reason.as_ref());
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.outbox.take_dirty(&mut dirty);
        for id in dirty.drain(..) {
            let slot = id.slot();
            let Some(mut connection) = self.connections[slot].take_if(|connection| connection.peer.id == id) else {
                continue;
            };
            let queued = self.outbox.queued_bytes(id);
            let end = if connection.waits_to_write { None } else { self.send(&mut connection) };
            if self.outbox.queued_bytes(id) < queued {
                connection.last_active = now;
            }
            self.connections[slot] = Some(connection);
            if let Some(reason) = end {
                self.close(slot, reason.as_ref());
            }
        }
        self.dirty = dirty;
        for (id, reason) in self.outbox.take_closing() {
            if self.connections.get(id.slot()).is_some_and(|held| held.as_ref().is_some_and(|held| held.peer.id == id))
            {
                self.close(id.slot(), Some(&reason));
            }
        }
    }

    /// Sends what is queued. A connection that was congested is resumed once it has read.
    fn send(&mut self, connection: &mut Connection) -> Option<Option<CloseReason>> {
        let id = connection.peer.id;
        let sent = self.outbox.drain(id, |slices| {
            loop {
                match connection.socket.write_vectored(slices) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                    result => return result,
                }
            }
        });
        let all = match sent {
            Ok(all) => all,
            // The client is gone; the read side says the same and needs no second line in the log.
            Err(_) => return Some(None),
        };
        if connection.waits_to_write == all {
            connection.waits_to_write = !all;
            self.watch(connection);
        }
        if connection.is_stalled && !self.outbox.is_congested(id) {
            self.outbox.resume_stalled();
        }
        None
    }

    fn close(&mut self, slot: usize, reason: Option<&CloseReason>) {
        let Some(connection) = self.connections[slot].take() else { return };
        let peer = connection.peer;
        if let Some(reason) = reason {
            tracing::info!(remote = %peer.remote, local = %peer.local, %reason, "connection closed");
        }
        let _ = self.epoll.remove(&connection.socket);
        let _ = connection.socket.shutdown(Shutdown::Both);
        self.held_bytes -= connection.held.len();
        self.outbox.remove(peer.id);
        self.free.push(slot);
        self.count -= 1;
        self.service.closed(&peer);
    }

    fn close_idle(&mut self, now: Instant) {
        let timeout = self.options.idle_timeout;
        for slot in 0..self.connections.len() {
            let Some(connection) = &self.connections[slot] else { continue };
            let silent = now.duration_since(connection.last_active);
            let queued = self.outbox.queued_bytes(connection.peer.id);
            if silent >= timeout {
                let reason = format!("no traffic for {} s", timeout.as_secs());
                self.close(slot, Some(&CloseReason(reason.into())));
            } else if queued > 0 && silent >= UNREAD_TIMEOUT && self.outbox.is_crowded() {
                let reason = format!(
                    "it reads none of its {queued} bytes of answers for {} s, and those of all take too much memory",
                    silent.as_secs()
                );
                self.close(slot, Some(&CloseReason(reason.into())));
            }
        }
    }

    /// Sends what is due, then closes everything.
    async fn finish(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + STOP_GRACE;
        self.options.listeners.clear();
        while Instant::now() < deadline {
            self.service.sweep_end();
            self.flush(Instant::now());
            let waiting = self.connections.iter().flatten().any(|held| self.outbox.queued_bytes(held.peer.id) > 0);
            if !waiting && !self.service.has_pending() {
                break;
            }
            time::sleep(Duration::from_millis(1)).await;
        }
        for slot in 0..self.connections.len() {
            self.close(slot, None);
        }
        Ok(())
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

fn no_room_to_hold() -> CloseReason {
    CloseReason(format!("half-received frames take {HELD_BYTES_MAX} bytes already").into())
}

fn spare_file() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The process or the machine has no descriptor left.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn end_of_read(error: &io::Error) -> Option<Option<CloseReason>> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
        // A client that dies closes like this; it is no event.
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Some(None),
        _ => Some(Some(CloseReason(format!("reading failed: {error}").into()))),
    }
}
