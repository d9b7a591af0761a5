//! Ports for one broker that no other test touches, not even to see whether they are free.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::fs::{FlockOperation, flock};

use crate::scratch;
use crate::spawning::no_child_starts;

/// Apart from those of [`crate::ports`], which are bound for a moment by whoever looks for free ones.
const FIRST: u16 = 4_000;
const END: u16 = 11_968;
/// Ports of a block.
const PORTS: u16 = 32;
const TRIES_MAX: usize = 1000;
/// Where brokers and name servers show metrics when nobody says where: whoever runs some may take one at any time.
const ENDPOINTS: std::ops::RangeInclusive<u16> = 5_541..=5_572;

/// A block of consecutive ports. It is this one's until it is dropped, in all test programs of the machine's user.
#[derive(Debug)]
pub struct PortBlock {
    first: u16,
    _lock: File,
}

impl PortBlock {
    /// A block that was free as a whole.
    ///
    /// # Panics
    /// When none is found.
    #[must_use]
    pub fn take() -> Self {
        let folder = scratch::root().join("ports");
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut random = StdRng::seed_from_u64(u64::from(now.subsec_nanos()) << 32 | u64::from(process::id()));
        for _ in 0..TRIES_MAX {
            let first = FIRST + random.random_range(0..(END - FIRST) / PORTS) * PORTS;
            if (first..first + PORTS).any(|port| ENDPOINTS.contains(&port)) {
                continue;
            }
            let path = folder.join(format!("{first}.lock"));
            let lock = File::create(&path).unwrap_or_else(|error| panic!("cannot create {}: {error}", path.display()));
            // A listener made to see whether a port is free must be gone when this returns.
            let _looks = no_child_starts();
            let is_ours = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
            if is_ours && (first..first + PORTS).all(is_free) {
                return Self { first, _lock: lock };
            }
        }
        panic!("no {PORTS} free ports in a row in {FIRST}..{END} after {TRIES_MAX} tries");
    }

    /// The port with this number in the block.
    ///
    /// # Panics
    /// Beyond the block's end.
    #[must_use]
    pub fn port(&self, number: u16) -> u16 {
        assert!(number < PORTS, "a block has {PORTS} ports");
        self.first + number
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}
