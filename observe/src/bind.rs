//! Finding the endpoint a port.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Ports tried when nobody chose one.
pub const DEFAULT_PORTS_TRIED: u16 = 16;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// Which port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortChoice {
    /// This one, because somebody asked for it.
    Exact(u16),
    /// This one, or the next free one above it: several brokers share a host.
    DefaultUp(u16),
    /// This one, or the next free one below it.
    DefaultDown(u16),
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The one that was asked for.
    #[error("the metrics endpoint cannot listen on {address}: {source}; set another {property}, or switch it off")]
    Exact {
        /// Where.
        address: SocketAddr,
        /// The setting that moves it.
        property: &'static str,
        /// Why.
        source: io::Error,
    },
    /// None of those that were tried.
    #[error("no metrics endpoint: none of the ports {first} to {last} of {ip} can be had ({source}); set {property}")]
    Default {
        /// On which address.
        ip: IpAddr,
        /// The first tried.
        first: u16,
        /// The last tried.
        last: u16,
        /// The setting that moves it.
        property: &'static str,
        /// Why the last one could not be had.
        source: io::Error,
    },
}

impl PortChoice {
    /// The ports to try, in order.
    pub fn candidates(self) -> Vec<u16> {
        let steps = 0..DEFAULT_PORTS_TRIED;
        match self {
            Self::Exact(port) => vec![port],
            Self::DefaultUp(port) => steps.filter_map(|step| port.checked_add(step)).collect(),
            Self::DefaultDown(port) => {
                steps.filter_map(|step| port.checked_sub(step)).filter(|port| *port > 0).collect()
            }
        }
    }
}

/// Listens on the first port of `choice` that can be had. A default never takes one of `wanted`, which the process is going to
/// need itself. `property` is named in errors.
/// # Errors
/// [`BindError`].
pub fn bind(ip: IpAddr, choice: PortChoice, wanted: &[u16], property: &'static str) -> Result<TcpListener, BindError> {
    let candidates = choice.candidates();
    let mut failed = io::Error::from(io::ErrorKind::AddrInUse);
    for port in &candidates {
        let address = SocketAddr::new(ip, *port);
        if let PortChoice::Exact(_) = choice {
            return listen(address).map_err(|source| BindError::Exact { address, property, source });
        }
        if wanted.contains(port) {
            continue;
        }
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    let (first, last) = (candidates.first().copied().unwrap_or(0), candidates.last().copied().unwrap_or(0));
    Err(BindError::Default { ip, first, last, property, source: failed })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn port_of(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn a_taken_port_that_was_asked_for_is_an_error_that_names_its_setting() {
        let held = bind(LOOPBACK, PortChoice::Exact(0), &[], "p").unwrap();
        let error = bind(LOOPBACK, PortChoice::Exact(port_of(&held)), &[], "metricsPromExporterPort").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&port_of(&held).to_string()) && text.contains("metricsPromExporterPort"), "{text}");
    }

    #[test]
    fn a_taken_default_gives_way_to_its_next_free_neighbour() {
        let held = bind(LOOPBACK, PortChoice::Exact(0), &[], "p").unwrap();
        let first = port_of(&held).min(u16::MAX - DEFAULT_PORTS_TRIED);
        let found = bind(LOOPBACK, PortChoice::DefaultUp(first), &[], "p").unwrap();
        assert!((first..first + DEFAULT_PORTS_TRIED).contains(&port_of(&found)));
        assert_ne!(port_of(&found), port_of(&held));
    }

    #[test]
    fn a_default_leaves_the_ports_that_the_process_needs() {
        let candidates = PortChoice::DefaultDown(5556).candidates();
        assert_eq!((candidates[0], candidates.len()), (5556, 16));
        let error = bind(LOOPBACK, PortChoice::DefaultDown(5556), &candidates, "p").unwrap_err().to_string();
        assert!(error.contains("5556 to 5541"), "{error}");
    }

    #[test]
    fn candidates_are_ports() {
        assert_eq!(PortChoice::DefaultUp(65_534).candidates(), [65_534, 65_535]);
        assert_eq!(PortChoice::DefaultDown(2).candidates(), [2, 1]);
    }
}
