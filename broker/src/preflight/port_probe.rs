//! Whether a port can be bound, and who has it if not.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use super::facts::{PortState, Process};
use super::socket_table;

/// Binds `address` for a moment, in the way the listeners will.
pub(super) fn probe(address: SocketAddr) -> PortState {
    let Err(error) = bind(address) else { return PortState::Free };
    match error.kind() {
        io::ErrorKind::AddrInUse => PortState::Taken { holder: find_holder(address.port()) },
        io::ErrorKind::AddrNotAvailable => PortState::NoSuchAddress,
        io::ErrorKind::PermissionDenied => PortState::NotPermitted,
        _ => PortState::Failed { cause: error.to_string() },
    }
}

/// Address reuse lets a restart take over from connections that are still closing; a listener is refused all the same.
fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// The process that listens on `port`; `None` if its files are hidden from this user.
fn find_holder(port: u16) -> Option<Process> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes: BTreeSet<u64> = tables.iter().flat_map(|table| socket_table::listening_inodes(table, port)).collect();
    let links: BTreeSet<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let id = processes.into_iter().find(|id: &u32| !links.is_empty() && has_file(*id, &links))?;
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim().to_owned();
    Some(Process { id, name })
}

fn has_file(process: u32, links: &BTreeSet<String>) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|link| link.to_str().is_some_and(|link| links.contains(link)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_taken_port_is_traced_to_its_process() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let state = probe(listener.local_addr().unwrap());
        let PortState::Taken { holder: Some(holder) } = state else { panic!("{state:?}") };
        assert_eq!(holder.id, std::process::id());
        assert!(!holder.name.is_empty());
    }

    #[test]
    fn a_free_port_is_free_and_stays_so() {
        // Bound but not listening: keeps the port from other programs and does not count as taken.
        let reserved = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        reserved.set_reuse_address(true).unwrap();
        reserved.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = reserved.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(probe(address), PortState::Free);
        assert_eq!(probe(address), PortState::Free);
    }

    #[test]
    fn an_address_of_another_machine_is_none_of_ours() {
        assert_eq!(probe("203.0.113.1:10911".parse().unwrap()), PortState::NoSuchAddress);
    }
}
