//! Connections that the shard makes itself: begun without waiting, and decided when their socket is writable.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::accept::is_out_of_files;
use super::{DIAL_TOKENS, Server};
use crate::connection::Origin;
use crate::dial::{DIAL_TIMEOUT, Dial, DialError};
use crate::serve_options::REPLICA_CONNECTIONS_MAX;
use crate::service::Service;
use crate::time;

/// Those that are neither made nor given up.
#[derive(Default)]
pub(super) struct Dials {
    under_way: Vec<UnderWay>,
    next_token: u64,
}

struct UnderWay {
    token: u64,
    dial: Dial,
    socket: TcpStream,
    deadline: Instant,
}

impl<S: Service> Server<S> {
    /// Begins those that were asked for and gives up those whose time is over.
    pub(super) fn look_at_dials(&mut self, now: Instant) {
        let Some(asked) = self.outbox.take_dials() else { return };
        for dial in asked {
            if let Err(error) = self.begin_dial(dial, now) {
                self.service.dialed(dial.ticket, Err(error));
            }
        }
        let late: Vec<_> = self.dials.under_way.extract_if(.., |dial| dial.deadline <= now).collect();
        for UnderWay { dial, socket, .. } in late {
            let _ = self.epoll.remove(&socket);
            self.service.dialed(dial.ticket, Err(DialError::TimedOut { remote: dial.remote }));
        }
    }

    fn begin_dial(&mut self, dial: Dial, now: Instant) -> Result<(), DialError> {
        let Dial { remote, ticket } = dial;
        let count = *self.open.of(Origin::ReplicaDialed { ticket }) + self.dials.under_way.len();
        if count >= REPLICA_CONNECTIONS_MAX {
            return Err(DialError::TooMany { remote, limit: REPLICA_CONNECTIONS_MAX });
        }
        let socket = start_to_connect(remote)?;
        let token = DIAL_TOKENS + self.dials.next_token;
        self.epoll.add_connecting(&socket, token).map_err(|source| no_socket(remote, source))?;
        self.dials.next_token += 1;
        self.dials.under_way.push(UnderWay { token, dial, socket, deadline: now + DIAL_TIMEOUT });
        let outbox = self.outbox.clone();
        // A sweep of its own when the time is up, should nothing else cause one.
        time::spawn(async move {
            time::sleep(DIAL_TIMEOUT).await;
            outbox.look_at_dials();
        });
        Ok(())
    }

    /// The connection behind `token` is made or has failed.
    pub(super) fn serve_dial(&mut self, token: u64, now: Instant) {
        let Some(at) = self.dials.under_way.iter().position(|dial| dial.token == token) else { return };
        let UnderWay { dial: Dial { remote, ticket }, socket, .. } = self.dials.under_way.swap_remove(at);
        let _ = self.epoll.remove(&socket);
        let added = check_connected(remote, &socket).and_then(|()| {
            let origin = Origin::ReplicaDialed { ticket };
            self.add(socket, remote, origin, now).map_err(|source| failed(remote, source))
        });
        match added {
            Ok(peer) => self.service.dialed(ticket, Ok(&peer)),
            Err(error) => self.service.dialed(ticket, Err(error)),
        }
    }

    /// The shard stops: nothing more is dialed.
    pub(super) fn end_dials(&mut self) {
        let under_way = std::mem::take(&mut self.dials.under_way).into_iter().map(|under_way| under_way.dial);
        let asked = self.outbox.take_dials().unwrap_or_default();
        for Dial { remote, ticket } in under_way.chain(asked) {
            self.service.dialed(ticket, Err(DialError::Ended { remote }));
        }
    }
}

fn start_to_connect(remote: SocketAddr) -> Result<TcpStream, DialError> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::TCP))
        .map_err(|source| no_socket(remote, source))?;
    match socket.connect(&remote.into()) {
        Ok(()) => {}
        // Connected in the background, also after a signal.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INPROGRESS | Errno::INTR)) => {}
        Err(error) => return Err(failed(remote, error)),
    }
    Ok(socket.into())
}

fn check_connected(remote: SocketAddr, socket: &TcpStream) -> Result<(), DialError> {
    let failed = |source| failed(remote, source);
    if let Some(error) = socket.take_error().map_err(failed)? {
        return Err(failed(error));
    }
    let reached = socket.peer_addr().map_err(failed)?;
    if socket.local_addr().map_err(failed)? == reached {
        return Err(DialError::MetItself { remote });
    }
    Ok(())
}

fn no_socket(remote: SocketAddr, source: io::Error) -> DialError {
    let advice = if is_out_of_files(&source) { ". Raise the limit on open files, or lower connectionsMax" } else { "" };
    DialError::NoSocket { remote, advice, source }
}

fn failed(remote: SocketAddr, source: io::Error) -> DialError {
    let advice = match source.kind() {
        io::ErrorKind::ConnectionRefused => ". Nothing listens there: is the other broker running, and that its port?",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ". Is the address right, and routed to?",
        io::ErrorKind::AddrNotAvailable => {
            ". All of this machine's own ports may be in use: see net.ipv4.ip_local_port_range"
        }
        _ => "",
    };
    DialError::Failed { remote, advice, source }
}
