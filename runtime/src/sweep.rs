//! The sweep: read every ready connection, let the service commit, write what is due. See the crate's text.

mod accept;
mod dials;
mod receive;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::TryRecvError;
use std::task::Poll;
use std::time::{Duration, Instant};

use accept::{Open, Refused, spare_file};
use dials::Dials;

use crate::connection::{ConnectionId, Peer};
use crate::epoll::{Epoll, Ready};
use crate::idle::Idle;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::Outbox;
use crate::serve_options::ServeOptions;
use crate::service::{CloseReason, Service};
use crate::time;

/// Read from one connection in one sweep at most, so that a busy one does not keep the others waiting.
const READ_BYTES: usize = 256 << 10;
/// Under load, finished I/O waits at most this long.
const REAP: Duration = Duration::from_micros(250);
/// Idle connections are looked for at least this often.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// And not more often than this.
const HOUSEKEEPING_MIN: Duration = Duration::from_millis(10);
/// While unread answers take too much memory, a connection that reads none of its own for this long is closed.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(10);
/// At the end, answers that are due get this long to be sent.
const STOP_GRACE: Duration = Duration::from_secs(2);

// Below are the connections' slots.
const LISTENER_TOKENS: u64 = 1 << 40;
const DIAL_TOKENS: u64 = 1 << 41;
const MAILBOX_TOKEN: u64 = u64::MAX;

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
    /// How often idle connections are looked for.
    housekeeping: Duration,
    mailbox: Mailbox<S::Message>,
    epoll: Epoll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    generation: u32,
    open: Open,
    dials: Dials,
    held_bytes: usize,
    stalled: Vec<ConnectionId>,
    scratch: Vec<u8>,
    dirty: Vec<ConnectionId>,
    refused: Refused,
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
    for (number, listener) in options.all_listeners().enumerate() {
        epoll.add(listener, LISTENER_TOKENS + number as u64)?;
    }
    epoll.add(&*mailbox.wake, MAILBOX_TOKEN)?;
    let tick = outbox.clone();
    let housekeeping = (options.replica_idle_timeout / 2).clamp(HOUSEKEEPING_MIN, HOUSEKEEPING);
    let mut server = Server {
        service,
        outbox,
        options,
        housekeeping,
        mailbox,
        epoll,
        connections: Vec::new(),
        free: Vec::new(),
        generation: 0,
        open: Open::default(),
        dials: Dials::default(),
        held_bytes: 0,
        stalled: Vec::new(),
        scratch: vec![0; READ_BYTES],
        dirty: Vec::new(),
        refused: Refused::default(),
        spare_file: spare_file(),
    };
    time::spawn(async move {
        loop {
            time::sleep(housekeeping).await;
            tick.wake();
        }
    });
    server.run().await
}

impl<S: Service> Server<S> {
    async fn run(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        let mut idle = Idle::new();
        let mut next_housekeeping = Instant::now() + self.housekeeping;
        let mut next_reap = Instant::now();
        loop {
            ready.clear();
            self.epoll.collect(&mut ready)?;
            if ready.is_empty() && !self.outbox.has_work() {
                if idle.looks_again(Instant::now(), || self.service.awaited()) {
                    time::yield_now().await;
                    continue;
                }
                self.wait().await;
                next_reap = Instant::now() + REAP;
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
                next_housekeeping = now + self.housekeeping;
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
                token if token >= DIAL_TOKENS => self.serve_dial(token, now),
                token if token >= LISTENER_TOKENS => self.accept((token - LISTENER_TOKENS) as usize, now),
                token => self.serve_ready(token as usize, ready, now),
            }
        }
        if self.outbox.take_resume_stalled() {
            self.resume_stalled();
        }
        self.look_at_dials(now);
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
        if let Some(reason) = reason
            && peer.origin.is_replica()
        {
            tracing::info!(remote = %peer.remote, local = %peer.local, %reason, "a replica's connection closed");
        } else if let Some(reason) = reason {
            tracing::info!(remote = %peer.remote, local = %peer.local, %reason, "connection closed");
        }
        let _ = self.epoll.remove(&connection.socket);
        let _ = connection.socket.shutdown(Shutdown::Both);
        self.held_bytes -= connection.held.len();
        self.outbox.remove(peer.id);
        self.free.push(slot);
        *self.open.of(peer.origin) -= 1;
        self.service.closed(&peer);
    }

    fn close_idle(&mut self, now: Instant) {
        for slot in 0..self.connections.len() {
            let Some(connection) = &self.connections[slot] else { continue };
            let is_replica = connection.peer.origin.is_replica();
            let timeout = if is_replica { self.options.replica_idle_timeout } else { self.options.idle_timeout };
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
        self.options.replica_listeners.clear();
        self.end_dials();
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
