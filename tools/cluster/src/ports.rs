//! Ports of nodes and name servers. On hosts of their own all have RocketMQ's; on loopback each has a block of free ones.

use std::net::{Ipv4Addr, TcpListener};
use std::process;

use crate::error::ClusterError;

/// Ports of shard i are those of shard 0 plus i times this. The broker's own rule.
pub const SHARD_PORT_STEP: u16 = 10;
/// Blocks lie below the range that the kernel gives to outgoing connections.
const FIRST: u16 = 12_000;
const END: u16 = 32_000;
/// Room for shards, and for the replicas' ports and the metrics behind them.
const BLOCK_PORTS: u16 = 200;
const TRIES_MAX: usize = 500;

/// Ports of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePorts {
    /// Where shard 0 serves clients; it also listens two below.
    pub clients: u16,
    /// Where shard 0 listens for the other replicas.
    pub replicas: u16,
    /// Where metrics are shown.
    pub metrics: u16,
}

impl NodePorts {
    /// RocketMQ's own numbers.
    pub const OF_A_HOST: Self = Self { clients: 10_911, replicas: 40_911, metrics: 5_557 };

    fn in_block(first: u16) -> Self {
        Self { clients: first + 4, replicas: first + 7, metrics: first + BLOCK_PORTS - 1 }
    }
}

/// Blocks of free ports for as many nodes.
/// # Errors
/// None are found.
pub fn free_node_ports(nodes: u16) -> Result<Vec<NodePorts>, ClusterError> {
    let firsts = free_blocks(nodes.into(), BLOCK_PORTS).ok_or_else(|| no_ports("the nodes"))?;
    Ok(firsts.into_iter().map(NodePorts::in_block).collect())
}

/// Free ports for name servers: one for clients, and the next for metrics.
/// # Errors
/// None are found.
pub fn free_name_server_ports(count: u16) -> Result<Vec<u16>, ClusterError> {
    free_blocks(count.into(), 2).ok_or_else(|| no_ports("the name servers"))
}

fn no_ports(what: &str) -> ClusterError {
    ClusterError::NoPorts { what: what.to_owned(), tries: TRIES_MAX }
}

/// Where blocks begin that are free as a whole. Two runs that look at the same time begin at different places.
fn free_blocks(count: usize, ports: u16) -> Option<Vec<u16>> {
    let blocks = (END - FIRST) / ports;
    let offset = u16::try_from(process::id() % u32::from(blocks)).unwrap_or_default();
    let firsts = (0..blocks).map(|block| FIRST + (offset + block) % blocks * ports);
    let free = firsts.take(TRIES_MAX).filter(|first| (*first..first + ports).all(is_free));
    let found: Vec<u16> = free.take(count).collect();
    (found.len() == count).then_some(found)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_on_loopback_share_no_port() {
        let nodes = free_node_ports(3).expect("a machine has free ports");
        let mut all: Vec<u16> = nodes
            .iter()
            .flat_map(|node| {
                let shards = (0..16).map(|shard| shard * SHARD_PORT_STEP);
                let of_shards = shards.flat_map(|at| [node.clients + at, node.clients + at - 2, node.replicas + at]);
                of_shards.chain([node.metrics]).collect::<Vec<_>>()
            })
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
