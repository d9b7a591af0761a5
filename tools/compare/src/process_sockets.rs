//! What the TCP connections of a process have carried, as the kernel counts it for each socket: the same for a broker of any
//! kind, on loopback too, where counters of interfaces cannot tell one process from another. Needs no privilege beyond that of
//! seeing the process's descriptors.
//!
//! Netlink, `sock_diag(7)`: a request for all TCP sockets of an address family, answered with one message a socket that holds
//! its inode and its `tcp_info`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use crate::error::CompareError;

/// `struct nlmsghdr`: length u32, type u16, flags u16, sequence u32, port u32; host byte order.
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_req_v2`: family u8, protocol u8, extensions u8, padding, states u32, and a socket's id.
const REQUEST_BYTES: usize = 56;
/// `struct inet_diag_msg`, in front of its attributes; the inode is its last member.
const MESSAGE_BYTES: usize = 72;
const INODE_AT: usize = 68;
/// The attribute with `struct tcp_info`, and its bit among the extensions.
const INET_DIAG_INFO: u16 = 2;
/// In `struct tcp_info`: bytes that the other end has confirmed, and bytes received, u64 each.
const ACKNOWLEDGED_AT: usize = 120;
const RECEIVED_AT: usize = 128;
/// `TCP_ESTABLISHED` as a bit of the states that are asked for.
const ESTABLISHED: u32 = 1 << 1;
const SEQUENCE: u32 = 1;
/// Larger than any message of the kernel's dump.
const ANSWER_BYTES: usize = 64 << 10;

/// Payload bytes that the established TCP connections of a process have carried so far, in both directions. Those of
/// connections that are closed are not in it, so it is for processes that keep theirs.
/// # Errors
/// There is no such process, it is another user's, or the kernel does not answer.
pub fn tcp_bytes(pid: u32) -> Result<u64, CompareError> {
    let own = socket_inodes(pid)?;
    let failed =
        || CompareError::file("ask the kernel for the TCP connections of", PathBuf::from(format!("/proc/{pid}")));
    let mut sum = 0;
    // Java's sockets are IPv6's, with mapped addresses.
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump(family, &mut |inode, bytes| sum += if own.contains(&inode) { bytes } else { 0 }).map_err(failed())?;
    }
    Ok(sum)
}

/// Inodes of the sockets that a process has open.
fn socket_inodes(pid: u32) -> Result<HashSet<u32>, CompareError> {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let entries = fs::read_dir(&folder).map_err(CompareError::file("read", &folder))?;
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    // `socket:[12345]`
    let inode = |link: PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    Ok(links.filter_map(inode).collect())
}

/// Calls `each` with inode and bytes of every established TCP socket of a family.
fn dump(family: i32, each: &mut dyn FnMut(u32, u64)) -> io::Result<()> {
    let socket = netlink_socket()?;
    let request = request(family);
    // SAFETY: the buffer is as long as said.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = vec![0; ANSWER_BYTES];
    loop {
        // SAFETY: the buffer is as long as said.
        let read = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
        let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
        if read == 0 || messages(&answer[..read], each)? {
            return Ok(());
        }
    }
}

fn netlink_socket() -> io::Result<OwnedFd> {
    // SAFETY: plain numbers.
    let socket =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn request(family: i32) -> Vec<u8> {
    /// `SOCK_DIAG_BY_FAMILY`
    const BY_FAMILY: u16 = 20;
    let length = HEADER_BYTES + REQUEST_BYTES;
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&(length as u32).to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&SEQUENCE.to_ne_bytes());
    bytes.extend_from_slice(&0u32.to_ne_bytes());
    bytes.extend_from_slice(&[family as u8, libc::IPPROTO_TCP as u8, 1 << (INET_DIAG_INFO - 1), 0]);
    bytes.extend_from_slice(&ESTABLISHED.to_ne_bytes());
    bytes.resize(length, 0);
    bytes
}

/// Reads the messages of one answer; true at the last one.
fn messages(mut answer: &[u8], each: &mut dyn FnMut(u32, u64)) -> io::Result<bool> {
    while let Some(length) = u32_at(answer, 0) {
        let length = length as usize;
        let Some(message) = answer.get(..length).filter(|message| message.len() >= HEADER_BYTES) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of netlink is cut off"));
        };
        match i32::from(u16_at(message, 4).unwrap_or_default()) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => {
                let code = u32_at(message, HEADER_BYTES).unwrap_or_default().cast_signed();
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => {
                if let Some((inode, bytes)) = socket(&message[HEADER_BYTES..]) {
                    each(inode, bytes);
                }
            }
        }
        answer = answer.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// Inode and bytes of one socket; `None` if the kernel tells less.
fn socket(message: &[u8]) -> Option<(u32, u64)> {
    let inode = u32_at(message, INODE_AT)?;
    let mut attributes = message.get(MESSAGE_BYTES..)?;
    // Length u16 with these four bytes, kind u16, value.
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let value = attributes.get(4..usize::from(length))?;
        if kind == INET_DIAG_INFO {
            return Some((inode, u64_at(value, ACKNOWLEDGED_AT)? + u64_at(value, RECEIVED_AT)?));
        }
        attributes = attributes.get(aligned(usize::from(length))..)?;
    }
    None
}

/// Netlink's parts begin at multiples of four bytes.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk::<{ size_of::<u16>() }>()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk::<{ size_of::<u32>() }>()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk::<{ size_of::<u64>() }>()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn both_ends_of_a_connection_count_what_went_through_it() {
        // Connections of other tests of this process come and go meanwhile, but none of this size.
        const BYTES: usize = 50_000_000;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let before = tcp_bytes(std::process::id()).unwrap();
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let reader = std::thread::spawn(move || {
                far.read_exact(&mut vec![0; BYTES]).unwrap();
                far
            });
            near.write_all(&vec![7; BYTES]).unwrap();
            let far = reader.join().unwrap();
            let carried = tcp_bytes(std::process::id()).unwrap() - before;
            // One end has sent it and the other has received it; the last bytes may not be confirmed yet.
            let both = 2 * BYTES as u64;
            assert!((both - 10_000_000..both + 5_000_000).contains(&carried), "{address}: {carried} of {both}");
            drop((near, far));
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(tcp_bytes(pid).is_err());
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_error_and_an_empty_one_is_not_the_last() {
        assert!(!messages(&[], &mut |_, _| {}).unwrap());
        let mut cut = request(libc::AF_INET);
        cut.truncate(40);
        assert!(messages(&cut, &mut |_, _| {}).is_err());
    }
}
