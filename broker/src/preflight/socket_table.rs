//! The kernel's table of TCP sockets (`/proc/net/tcp`, `/proc/net/tcp6`).

/// State number of a listening socket.
const LISTEN: &str = "0A";

/// Inodes of the sockets that listen on `port`, on whatever address.
///
/// Line: `slot: address:port address:port state queues timer retransmits uid timeout inode …`, numbers hexadecimal
/// but for the inode.
pub(super) fn listening_inodes(table: &str, port: u16) -> impl Iterator<Item = u64> {
    let port = format!(":{port:04X}");
    table.lines().filter_map(move |line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let listens = local.ends_with(&port) && state == LISTEN;
        listens.then(|| fields.nth(5)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000:2A9F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 34567 1 0000000000000000 100 0 0 10 0\n   \
        1: 0100007F:2A9F 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000  1000        0 34568 1 0000000000000000 20 4 30 10 -1\n   \
        2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n";

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        assert_eq!(listening_inodes(TABLE, 10911).collect::<Vec<_>>(), [34567]);
        assert_eq!(listening_inodes(TABLE, 22).collect::<Vec<_>>(), [12345]);
        assert_eq!(listening_inodes(TABLE, 23).count(), 0);
    }

    #[test]
    fn a_cut_line_is_no_socket() {
        assert_eq!(listening_inodes("0: 00000000:2A9F 00000000:0000 0A", 10911).count(), 0);
    }
}
