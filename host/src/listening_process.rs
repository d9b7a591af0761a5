//! Who listens on a port.

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};

/// The process of this machine that listens on TCP `port`; `None` if there is none or this user may not see whose it is.
/// Looks through the open files of all processes: not for often.
pub fn listening_process(port: u16) -> Option<u32> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let listens = |entry: &&TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == port;
    let sockets: Vec<u64> =
        tables.iter().flatten().flat_map(|table| table.iter().filter(listens).map(|entry| entry.inode)).collect();
    if sockets.is_empty() {
        return None;
    }
    let holds = |process: &Process| {
        // Processes end while they are looked at, and those of other users cannot be.
        let Ok(files) = process.fd() else { return false };
        files.flatten().any(|file| matches!(file.target, FDTarget::Socket(inode) if sockets.contains(&inode)))
    };
    let process = procfs::process::all_processes().ok()?.flatten().find(holds)?;
    u32::try_from(process.pid()).ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listening_port_belongs_to_its_process_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening_process(port), Some(std::process::id()));
        drop(listener);
        assert_ne!(listening_process(port), Some(std::process::id()));
    }
}
