//! What others have sent to a process that it has not read: how a test knows that requests are before a node that stands still.

use std::collections::BTreeSet;
use std::fs;

/// Bytes in the receive queues of all TCP connections of a process. Layout of the table: `proc_net_tcp` in the kernel's
/// documentation; its fifth column is `tx_queue:rx_queue` in hexadecimal digits, its tenth the socket's inode.
#[must_use]
pub fn unread_bytes(pid: u32) -> u64 {
    let sockets = sockets_of(pid);
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(unread_of_row).filter(|(inode, _)| sockets.contains(inode)).map(|(_, bytes)| bytes).sum()
}

fn unread_of_row(row: &str) -> Option<(u64, u64)> {
    let mut fields = row.split_whitespace();
    let (state, queues) = (fields.nth(3)?, fields.next()?);
    // Of a listener the same column counts connections.
    const LISTEN: &str = "0A";
    if state == LISTEN {
        return None;
    }
    let (_, unread) = queues.split_once(':')?;
    Some((fields.nth(4)?.parse().ok()?, u64::from_str_radix(unread, 16).ok()?))
}

fn sockets_of(pid: u32) -> BTreeSet<u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| fs::read_link(file.path()).ok()?.into_os_string().into_string().ok());
    names.filter_map(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::until::until;

    #[test]
    fn what_was_written_and_not_read_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let _accepted = listener.accept().expect("it was connected to");
        client.write_all(&[7; 12_345]).expect("it fits into the buffers");
        until("the bytes to be seen", Duration::from_secs(10), || match unread_bytes(std::process::id()) {
            unread if unread >= 12_345 => Ok(()),
            unread => Err(unread.to_string()),
        });
    }
}
