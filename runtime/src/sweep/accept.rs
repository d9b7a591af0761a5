//! Taking connections in, and refusing those for which there is no room.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::SockRef;

use super::{Connection, Server};
use crate::connection::{ConnectionId, Origin, Peer};
use crate::serve_options::{REPLICA_CONNECTIONS_MAX, ServeOptions};
use crate::service::Service;

/// Connections accepted in one sweep.
const ACCEPT_MAX: usize = 64;
/// The kernel counts the time in an i32 of milliseconds.
const USER_TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// Connections that are open.
#[derive(Default)]
pub(super) struct Open {
    clients: usize,
    accepted: usize,
    dialed: usize,
}

impl Open {
    pub(super) fn of(&mut self, origin: Origin) -> &mut usize {
        match origin {
            Origin::Client => &mut self.clients,
            Origin::ReplicaAccepted => &mut self.accepted,
            Origin::ReplicaDialed { .. } => &mut self.dialed,
        }
    }
}

/// Connections that were refused, so that not each of many is logged.
#[derive(Default)]
pub(super) struct Refused {
    clients: u64,
    replicas: u64,
}

impl ServeOptions {
    /// All listeners, in the order of their numbers.
    pub(super) fn all_listeners(&self) -> impl Iterator<Item = &TcpListener> {
        self.listeners.iter().chain(&self.replica_listeners)
    }

    fn listener(&self, number: usize) -> (&TcpListener, Origin) {
        match number.checked_sub(self.listeners.len()) {
            None => (&self.listeners[number], Origin::Client),
            Some(number) => (&self.replica_listeners[number], Origin::ReplicaAccepted),
        }
    }
}

impl<S: Service> Server<S> {
    pub(super) fn accept(&mut self, listener: usize, now: Instant) {
        for _ in 0..ACCEPT_MAX {
            let (socket, origin) = self.options.listener(listener);
            let (socket, remote) = match socket.accept() {
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
            if !self.has_room(origin, remote) {
                continue;
            }
            if let Err(error) = self.add(socket, remote, origin, now) {
                tracing::warn!(%remote, %error, "a connection could not be set up");
            }
        }
    }

    /// Whether one more may be accepted. Where not, that is logged.
    fn has_room(&mut self, origin: Origin, remote: SocketAddr) -> bool {
        let is_replica = origin.is_replica();
        let limit = if is_replica { REPLICA_CONNECTIONS_MAX } else { self.options.connections_max };
        if *self.open.of(origin) < limit {
            return true;
        }
        let refused = if is_replica { &mut self.refused.replicas } else { &mut self.refused.clients };
        *refused += 1;
        let refused = *refused;
        if refused.is_power_of_two() && is_replica {
            tracing::warn!(%remote, limit, refused, "a replica's connection refused: no group has so many; who connects to this port?");
        } else if refused.is_power_of_two() {
            tracing::warn!(%remote, limit, refused, "connection refused: connectionsMax is reached");
        }
        false
    }

    /// Closes one connection that waits to be accepted, with the file kept for this: else it would wait on, and the
    /// listener be ready for it again and again. False when another thread was quicker to take the file.
    fn refuse_for_want_of_a_file(&mut self, listener: usize, error: &io::Error) -> bool {
        self.refused.clients += 1;
        if self.refused.clients.is_power_of_two() {
            let refused = self.refused.clients;
            tracing::warn!(%error, refused, "connection refused: raise the limit on open files, or lower connectionsMax");
        }
        self.spare_file = None;
        let refused = self.options.listener(listener).0.accept().is_ok();
        self.spare_file = spare_file();
        refused
    }

    /// Serves a connection from now on.
    pub(super) fn add(
        &mut self,
        socket: TcpStream,
        remote: SocketAddr,
        origin: Origin,
        now: Instant,
    ) -> io::Result<Peer> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        if origin.is_replica() {
            give_up_when_cut_off(&socket, self.options.replica_idle_timeout)?;
        }
        let local = socket.local_addr()?;
        let slot = self.free.pop().unwrap_or(self.connections.len());
        if slot == self.connections.len() {
            self.connections.push(None);
        }
        self.generation += 1;
        let peer = Peer { id: ConnectionId::new(slot, self.generation), remote, local, origin };
        if let Err(error) = self.epoll.add(&socket, slot as u64) {
            self.free.push(slot);
            return Err(error);
        }
        self.outbox.add(peer.id);
        let connection =
            Connection { peer, socket, held: Vec::new(), is_stalled: false, waits_to_write: false, last_active: now };
        self.connections[slot] = Some(connection);
        *self.open.of(origin) += 1;
        self.service.connected(&peer);
        Ok(peer)
    }
}

/// What the kernel takes for sending looks like traffic here. This ends a connection whose other end confirms none of it.
fn give_up_when_cut_off(socket: &TcpStream, timeout: Duration) -> io::Result<()> {
    SockRef::from(socket).set_tcp_user_timeout(Some(timeout.min(USER_TIMEOUT_MAX)))
}

pub(super) fn spare_file() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The process or the machine has no descriptor left.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_is_cut_off_is_given_up_by_the_kernel_however_long_that_may_take() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ten_seconds = Duration::from_secs(10);
        for (asked, set) in [(ten_seconds, ten_seconds), (Duration::MAX, USER_TIMEOUT_MAX)] {
            give_up_when_cut_off(&socket, asked).unwrap();
            assert_eq!(SockRef::from(&socket).tcp_user_timeout().unwrap(), Some(set));
        }
    }
}
