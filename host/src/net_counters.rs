//! What a network interface has done.

use procfs::net::{DeviceStatus, InterfaceDeviceStatus};
use serde::{Deserialize, Serialize};

use crate::roots::HostRoots;
use crate::{HostError, sys_file};

/// What one network interface has done since it appeared. Received and sent are the host's view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetCounters {
    /// As in `/proc/net/dev`: `eth0`, `lo`.
    pub name: String,
    /// Whether a device stands behind it, rather than another interface (bridge, bond, VLAN, container).
    pub physical: bool,
    /// Bytes received.
    pub received_bytes: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets that were dropped for want of room, in both directions.
    pub drops: u64,
    /// Damaged packets and failed sends, in both directions.
    pub errors: u64,
    /// What the link can carry in each direction, in megabits (10⁶) a second; `None` where the driver does not say: often in
    /// virtual machines, always for `lo`.
    pub speed_mbit: Option<u64>,
}

/// The interface on which a machine talks to itself.
pub(crate) const LOOPBACK: &str = "lo";

impl NetCounters {
    fn new(status: &DeviceStatus, roots: &HostRoots) -> Self {
        let folder = roots.sys.join("class/net").join(&status.name);
        Self {
            name: status.name.clone(),
            physical: folder.join("device").exists(),
            received_bytes: status.recv_bytes,
            received_packets: status.recv_packets,
            sent_bytes: status.sent_bytes,
            sent_packets: status.sent_packets,
            drops: status.recv_drop.saturating_add(status.sent_drop),
            errors: status.recv_errs.saturating_add(status.sent_errs),
            // A driver that does not know answers with an error or with -1.
            speed_mbit: sys_file::value(&folder.join("speed")).filter(|speed| *speed > 0),
        }
    }

    /// All interfaces, by name.
    pub(crate) fn read(roots: &HostRoots) -> Result<Vec<Self>, HostError> {
        let all: InterfaceDeviceStatus = roots.read("network interfaces", "net/dev")?;
        let mut all: Vec<_> = all.0.values().map(|status| Self::new(status, roots)).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(all)
    }
}
