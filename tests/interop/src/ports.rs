//! Free ports. None is fixed: the tests run beside whatever else the machine runs.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Below the range that the kernel gives to outgoing connections, so that no client takes a port between its choice
/// here and its use.
const FIRST: u16 = 12_000;
const END: u16 = 32_000;
const TRIES_MAX: usize = 1000;

/// A port that is free, together with the ports at the given distances from it.
///
/// # Panics
/// When none is found.
#[must_use]
pub fn free_port_with(distances: &[i32]) -> u16 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = StdRng::seed_from_u64(u64::from(now.subsec_nanos()) << 32 | u64::from(process::id()));
    for _ in 0..TRIES_MAX {
        let port = random.random_range(FIRST..END);
        let held: Option<Vec<TcpListener>> =
            distances.iter().map(|distance| bind(i32::from(port) + distance)).collect();
        if held.is_some() {
            return port;
        }
    }
    panic!("no free port with its neighbours {distances:?} in {FIRST}..{END} after {TRIES_MAX} tries");
}

/// A port that is free.
#[must_use]
pub fn free_port() -> u16 {
    free_port_with(&[0])
}

fn bind(port: i32) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, u16::try_from(port).ok()?)).ok()
}
