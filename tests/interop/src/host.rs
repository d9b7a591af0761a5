//! Where a node's process runs: on this machine, or as if on one of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use cluster::link::Link;
use cluster::namespaces::{Namespaces, command_in};

/// An address, and how a program is started there.
#[derive(Debug, Clone)]
pub struct Host {
    ip: Ipv4Addr,
    namespace: Option<String>,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn loopback() -> Self {
        Self { ip: Ipv4Addr::LOCALHOST, namespace: None }
    }

    /// One of several behind a bridge.
    #[must_use]
    pub fn of(namespaces: &Namespaces, number: usize) -> Self {
        Self { ip: namespaces.address(number), namespace: Some(namespaces.namespace(number)) }
    }

    /// Its address.
    #[must_use]
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Where a port of it is.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.ip, port).into()
    }

    /// What connects it to the others.
    ///
    /// # Panics
    /// On loopback there is no such thing.
    #[must_use]
    pub fn link(&self) -> Link {
        Link::of(self.namespace.as_ref().expect("a node on loopback has no link of its own"))
    }

    /// A command that runs a program there.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        match &self.namespace {
            Some(namespace) => command_in(namespace, program),
            None => Command::new(program),
        }
    }
}
