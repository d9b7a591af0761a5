//! The address that `brokerIP1` defaults to.

use std::ffi::CStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::ptr;

/// One IPv4 address of one network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InterfaceAddress {
    name: String,
    address: Ipv4Addr,
    is_up: bool,
    is_loopback: bool,
    is_point_to_point: bool,
    is_bridge: bool,
}

/// The first IPv4 address that other machines can reach, in the kernel's order of interfaces.
pub(super) fn find() -> Option<Ipv4Addr> {
    choose(&list_interfaces())
}

/// Bridges (those of container engines) and tunnels lead to no other machine's client most of the time, so they only
/// count when there is nothing else. RocketMQ leaves them out too.
fn choose(interfaces: &[InterfaceAddress]) -> Option<Ipv4Addr> {
    let reachable = || interfaces.iter().filter(|each| each.is_up && !each.is_loopback && !each.address.is_loopback());
    let plain = reachable().find(|each| !each.is_bridge && !each.is_point_to_point && !each.address.is_link_local());
    plain.or_else(|| reachable().next()).map(|each| each.address)
}

fn list_interfaces() -> Vec<InterfaceAddress> {
    let mut head: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `head` is a valid place for the list that getifaddrs allocates.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Vec::new();
    }
    let mut interfaces = Vec::new();
    let mut next = head;
    // SAFETY: `next` is null or an element of the list, which lives until freeifaddrs below.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: `entry` is an element of the list.
        interfaces.extend(unsafe { read_entry(entry) });
        next = entry.ifa_next;
    }
    // SAFETY: `head` comes from getifaddrs and is freed once; nothing read from it is a pointer.
    unsafe { libc::freeifaddrs(head) };
    interfaces
}

/// `None` for what is no IPv4 address.
///
/// # Safety
/// `entry` is an element of a list of getifaddrs that has not been freed.
unsafe fn read_entry(entry: &libc::ifaddrs) -> Option<InterfaceAddress> {
    // SAFETY: the address is null or points to a sockaddr whose size its family tells.
    let family = unsafe { entry.ifa_addr.as_ref()? }.sa_family;
    if i32::from(family) != libc::AF_INET {
        return None;
    }
    // SAFETY: of family AF_INET it is a sockaddr_in; read_unaligned asks for no alignment.
    let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
    // SAFETY: the name is a C string that lives as long as the list.
    let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
    let has = |flag: libc::c_int| entry.ifa_flags & flag as u32 != 0;
    Some(InterfaceAddress {
        address: Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)),
        is_up: has(libc::IFF_UP),
        is_loopback: has(libc::IFF_LOOPBACK),
        is_point_to_point: has(libc::IFF_POINTOPOINT),
        is_bridge: Path::new("/sys/class/net").join(&name).join("bridge").exists(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, address: [u8; 4]) -> InterfaceAddress {
        InterfaceAddress {
            name: name.to_owned(),
            address: address.into(),
            is_up: true,
            is_loopback: name == "lo",
            is_point_to_point: name.starts_with("tun"),
            is_bridge: name.starts_with("docker"),
        }
    }

    #[test]
    fn the_first_plain_interface_is_chosen() {
        let interfaces = [
            interface("lo", [127, 0, 0, 1]),
            interface("docker0", [172, 17, 0, 1]),
            interface("tun0", [10, 8, 0, 2]),
            InterfaceAddress { is_up: false, ..interface("eth0", [10, 0, 0, 1]) },
            interface("eth1", [192, 168, 1, 7]),
            interface("eth2", [10, 0, 0, 2]),
        ];
        assert_eq!(choose(&interfaces), Some([192, 168, 1, 7].into()));
    }

    #[test]
    fn a_bridge_or_tunnel_is_better_than_nothing() {
        let interfaces = [interface("lo", [127, 0, 0, 1]), interface("tun0", [10, 8, 0, 2])];
        assert_eq!(choose(&interfaces), Some([10, 8, 0, 2].into()));
    }

    #[test]
    fn loopback_alone_is_no_address_for_others() {
        assert_eq!(choose(&[interface("lo", [127, 0, 0, 1])]), None);
    }

    #[test]
    fn this_machine_lists_its_loopback() {
        let interfaces = list_interfaces();
        assert!(interfaces.iter().any(|each| each.is_loopback && each.address.is_loopback()), "{interfaces:?}");
    }
}
