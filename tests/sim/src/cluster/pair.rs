//! Where a machine stands among a master and its slaves.

use super::network::HostId;
use super::process::address;

/// First `brokerId` of slaves whose disks were replaced.
const NEW_IDS: u16 = 10;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Its number, from 0; the machine with number 0 is configured as master, the others as its slaves.
    pub number: u16,
    /// All machines, by their numbers.
    pub hosts: Vec<HostId>,
    /// Whether a master waits for all its slaves before it answers a send.
    pub is_sync: bool,
}

impl Pair {
    /// What the settings of its broker say of it. What was promoted, or became a slave by itself, is configured as master from
    /// its next start on; its store knows better which of both it is, and by which id.
    pub fn properties(&self, is_master: bool) -> String {
        self.properties_as(is_master, self.number)
    }

    /// The same for a slave with an empty disk: its old id may be another's by now.
    pub fn properties_on_new_disk(&self) -> String {
        self.properties_as(false, NEW_IDS + self.number)
    }

    fn properties_as(&self, is_master: bool, slave_id: u16) -> String {
        let role = match (is_master, self.is_sync) {
            (true, true) => "SYNC_MASTER",
            (true, false) => "ASYNC_MASTER",
            (false, _) => "SLAVE",
        };
        let (id, copies) = (if is_master { 0 } else { slave_id }, self.hosts.len());
        let copies = if is_master && self.is_sync { format!("inSyncReplicas={copies}\n") } else { String::new() };
        let ip = address(self.hosts[usize::from(self.number)], 0).ip();
        format!("brokerRole={role}\nbrokerId={id}\nbrokerIP2={ip}\nslaveReadEnable=true\n{copies}")
    }
}
