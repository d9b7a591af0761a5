//! Where a machine stands in its group of replicas.

use std::net::SocketAddr;

use super::network::HostId;
use super::process::address;

/// Where replicas listen for each other.
pub const REPLICA_PORT: u16 = 40911;
/// `dLegerGroup` of every group; no two groups are in one network.
pub const GROUP: &str = "broker";

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its number in the group, from 0.
    pub number: u16,
    /// All machines of the group, by their numbers.
    pub hosts: Vec<HostId>,
    /// The first so many of them found the group; the others wait to be added.
    pub founders: u16,
}

impl Place {
    /// Its id in Raft.
    pub fn raft_id(&self) -> u64 {
        u64::from(self.number) + 1
    }

    /// Whether it waits to be added, or to be told who the members are.
    pub fn joins(&self) -> bool {
        self.number >= self.founders
    }

    /// Its disk is replaced by an empty one. Where the members have changed since the group was founded, it is to found no
    /// group again: an operator sets `dLegerJoin`.
    pub fn lose_disk(&mut self) {
        if usize::from(self.founders) < self.hosts.len() {
            self.founders = 0;
        }
    }

    /// The ids of those that it is configured to know, and where they listen.
    pub fn members(&self) -> Vec<(u64, SocketAddr)> {
        let known = if self.joins() { self.hosts.len() } else { usize::from(self.founders) };
        (1..).zip(&self.hosts[..known]).map(|(id, host)| (id, address(*host, REPLICA_PORT))).collect()
    }

    /// What the settings of its broker say of it.
    pub fn properties(&self) -> String {
        let peers: Vec<String> = (0..)
            .zip(&self.hosts)
            .map(|(number, host)| format!("n{number}-{}:{REPLICA_PORT}", address(*host, 0).ip()))
            .collect();
        let (number, peers) = (self.number, peers.join(";"));
        format!("enableDLegerCommitLog=true\ndLegerGroup={GROUP}\ndLegerSelfId=n{number}\ndLegerPeers={peers}\n")
    }
}
