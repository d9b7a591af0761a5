//! What a configuration asks of the machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use observe::PortChoice;

use crate::config::endpoint::ENDPOINT_PORT;
use crate::config::{BrokerConfig, FlushDiskType};

/// What a configuration asks of the machine.
#[derive(Debug, Clone)]
pub struct Requirements {
    /// Every port that is going to be listened on.
    pub ports: Vec<PortUse>,
    /// Folder of the store.
    pub store_root: PathBuf,
    /// Number of shards.
    pub shards: u32,
    /// Processors that shards are pinned to, one a shard; empty if they are not.
    pub shard_cpus: Vec<usize>,
    /// Bytes of a log segment.
    pub segment_bytes: u32,
    /// Memory each executor registers with io_uring, bytes.
    pub io_memory_bytes: u64,
    /// Open connections a shard.
    pub connections_max: u32,
    /// Bytes of log cache a shard.
    pub log_cache_bytes: u64,
    /// The rings in shared memory, if any are wanted.
    pub ring: Option<RingRequirement>,
}

/// A port and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortUse {
    /// Completes "the …".
    pub what: String,
    /// Property that moves it.
    pub property: &'static str,
    /// Where it is bound.
    pub address: SocketAddr,
}

/// Rings in shared memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingRequirement {
    /// Their folder.
    pub folder: PathBuf,
    /// Whether somebody chose the folder, and so knows how long its content lives.
    pub folder_is_chosen: bool,
    /// Bytes of each; one a shard.
    pub bytes: u64,
}

impl Requirements {
    /// What `config` asks for, with executors that register `io_memory_bytes` each.
    pub fn of(config: &BrokerConfig, io_memory_bytes: u64) -> Self {
        let on = |port| SocketAddr::new(config.network.bind_address, port);
        let mut ports = Vec::new();
        ports.extend(config.own_name_server().map(|address| PortUse {
            what: "name server".to_owned(),
            property: "namesrvListenPort",
            address,
        }));
        for shard in config.all_shards() {
            let uses = [("main", shard.listen_port), ("fast", shard.fast_listen_port)];
            ports.extend(uses.map(|(name, port)| PortUse {
                what: format!("{name} port of shard {}", shard.index),
                property: "listenPort",
                address: on(port),
            }));
        }
        if let (true, PortChoice::Exact(port)) = (config.endpoint.enabled, config.endpoint.port) {
            ports.push(PortUse {
                what: "metrics endpoint".to_owned(),
                property: ENDPOINT_PORT,
                address: SocketAddr::new(config.endpoint.address, port),
            });
        }
        let wants_ring = config.store.flush == FlushDiskType::Async && config.store.ring_bytes != 0;
        Self {
            ports,
            store_root: config.store.root.clone(),
            shards: config.shards.count,
            shard_cpus: config.all_shards().filter_map(|shard| shard.cpu).collect(),
            segment_bytes: config.store.segment_bytes,
            io_memory_bytes,
            connections_max: config.network.connections_max,
            log_cache_bytes: config.store.log_cache_bytes,
            ring: wants_ring.then(|| RingRequirement {
                folder: config.store.ring_dir.clone(),
                folder_is_chosen: config.store.ring_dir_is_chosen,
                bytes: config.store.ring_bytes,
            }),
        }
    }
}
