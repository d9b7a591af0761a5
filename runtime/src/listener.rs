//! Listening sockets, bound before a shard starts so that a taken port ends the start with a clear error.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A port that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{advice}")]
pub struct ListenError {
    address: SocketAddr,
    advice: &'static str,
    source: io::Error,
}

/// Listens on `address`.
/// # Errors
/// The port is taken or not permitted.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address).map_err(|source| {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                ". Another process has this port: stop it (`ss -ltnp` shows it), or set another listenPort"
            }
            io::ErrorKind::AddrNotAvailable => ". No interface of this machine has that address: check bindAddress",
            io::ErrorKind::PermissionDenied => ". Ports below 1024 need root or CAP_NET_BIND_SERVICE",
            _ => "",
        };
        ListenError { address, advice, source }
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
