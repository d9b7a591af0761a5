//! A whole shard on a stand: requests in, answers out, on one thread and without a kernel.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use broker::config::{BrokerConfig, MachineDefaults, Mode, Sources};
use broker::env::Env;
use broker::registration::RegistrationSender;
use broker::replay::TableReplay;
use broker::shard::{Shard, ShardParts};
use broker::subscription_group_table::GroupOptions;
use broker::topic_table::TopicOptions;
use futures_lite::future::block_on;
use protocol::decode_frame;
use runtime::loopback::Loopback;
use runtime::{Flow, Origin, Outbox, Peer};
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::store::MessageStore;

use super::{MemoryDisk, MemoryRing, StillEnv};
use crate::inputs;

const RING_BYTES: usize = 16 << 20;
/// Properties that differ from their defaults: address, and room for a pull of 256 messages.
const PROPERTIES: &str = "brokerIP1=192.0.2.10\nbrokerName=broker-a\nmaxTransferCountOnMessageInMemory=256\nmaxTransferBytesOnMessageInMemory=1048576\n";

/// See the module's text.
pub struct Stand {
    shard: Rc<Shard<StillEnv>>,
    env: StillEnv,
    disk: MemoryDisk,
    outbox: Outbox,
    loopback: Loopback,
    answered: Cell<usize>,
}

impl Stand {
    /// A shard with an empty store that keeps `cache_bytes` of the newest part of its log in memory.
    pub fn new(cache_bytes: usize) -> Self {
        let mut sources = Sources::new(Mode::Server, None);
        sources.add_text("counted", PROPERTIES).expect("properties text");
        // What matters of the machine is said here, so that it is the same on each.
        let (host_name, home) = ("broker-a".to_owned(), Some("/nonexistent".into()));
        let machine = MachineDefaults { host_name, home, cpus: vec![0], cpus_usable: 1, ..MachineDefaults::gather() };
        let (config, _) = BrokerConfig::load(&sources, machine).expect("good settings");
        let identity = config.shard(0);
        let env = StillEnv::default();
        let topics = TopicOptions::of_broker(&config.identity.cluster_name, &identity.broker_name);
        let groups = GroupOptions { auto_create: true };
        let mut replay = TableReplay::new(topics, groups, config.topics.delay_levels.clone(), env.now_ms());
        let options = LogOptions {
            segment_bytes: 1 << 30,
            flush: FlushMode::Async,
            cache_bytes,
            is_replicated: false,
            is_copied: false,
        };
        let disk = MemoryDisk::default();
        let opening = MessageStore::open(disk.clone(), LogId(7), options, None, &mut replay);
        let (store, _) = block_on(opening).expect("an empty store opens");
        store.log().replace_ring(Some(Box::new(MemoryRing::new(RING_BYTES))));
        let outbox = Outbox::default();
        let shard = Rc::new(Shard::new(ShardParts {
            env: env.clone(),
            config: Arc::new(config),
            identity,
            store,
            tables: replay.into_tables(env.now_ms()),
            outbox: outbox.clone(),
            siblings: Vec::new(),
            registration: RegistrationSender::to_nobody(),
        }));
        env.spawn(shard.clone().run_committer());
        Self { shard, env, disk, loopback: Loopback::new(outbox.clone()), outbox, answered: Cell::new(0) }
    }

    /// One more client.
    pub fn connect(&self) -> Peer {
        let id = self.loopback.connect();
        Peer { id, remote: inputs::BORN_HOST, local: inputs::STORE_HOST, origin: Origin::Client }
    }

    /// One sweep: each client's bytes in, as its socket gave them, then the group commit, then the answers out.
    pub fn sweep<'a>(&self, received: impl IntoIterator<Item = (&'a Peer, &'a [u8])>) {
        for (peer, bytes) in received {
            let mut rest = bytes;
            while let Some((frame, used)) = decode_frame(rest).expect("good frames") {
                assert!(!self.outbox.is_congested(peer.id));
                assert!(matches!(self.shard.handle(peer, &frame), Flow::Continue));
                rest = &rest[used..];
            }
        }
        self.shard.sweep_end();
        self.loopback.drain(|_, bytes| {
            black_box(bytes);
            self.answered.set(self.answered.get() + bytes.len());
        });
    }

    /// What runs between sweeps: above all the task that writes the log.
    pub fn run_tasks(&self) {
        self.env.run_tasks();
    }

    /// A client leaves, and no longer waits for messages; its connection can be used again.
    pub fn give_up_pulls(&self, peer: &Peer) {
        self.shard.forget(peer);
    }

    /// Bytes that were written to the log's files since this was last asked.
    pub fn take_written(&self) -> u64 {
        self.disk.take_written()
    }

    /// Bytes of answers since this was last asked.
    pub fn take_answered(&self) -> usize {
        self.answered.take()
    }
}
