//! How a process begins on a machine: it opens its store, then serves.

use std::sync::Arc;

use broker::config::{BrokerConfig, ShardIdentity};
use broker::env::Env;
use broker::master_slave::kept_state::{self, KeptState};
use broker::master_slave::{self, MasterSlave};
use broker::registration::{self, RegistrationSender};
use broker::replay::TableReplay;
use broker::replication::{Replica, ReplicaOptions, open_replica};
use broker::shard::ShardParts;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::Outbox;
use storage::commit_log::{FlushMode, LogId};
use storage::file::sim::{Executor, SimRing};
use storage::store::MessageStore;

use super::{Node, NodeDisk, State};
use crate::cluster::place::GROUP;
use crate::cluster::process::{Process, Surroundings};
use crate::cluster::sim_env::SimEnv;
use crate::cluster::sockets::LifeNumber;
use crate::cluster::timed_disk::TimedDisk;
use crate::machine::Machine;

/// A store that was opened, and what runs on it.
pub(super) struct Opened<M: Machine> {
    store: MessageStore<NodeDisk<M>>,
    replay: TableReplay,
    replica: Option<Replica>,
    /// The settings that go with what a master or slave has kept in mind.
    config: Arc<BrokerConfig>,
    kept: Option<KeptState>,
}

impl<M: Machine> Node<M> {
    /// A process begins, and opens the store.
    pub(in crate::cluster) fn start(&mut self, life: LifeNumber, disk_is_troubled: bool) {
        assert!(!self.is_up(), "one process at a time");
        self.life = life;
        self.syncs_failed_before = self.failed_syncs();
        self.disk_is_troubled = disk_is_troubled;
        let executor = Executor::new(self.rng.random());
        let disk = TimedDisk::new(self.parts.hardware.disk(self.sim.clone()), self.pace.clone());
        let left = self.ring.clone().map(|ring| self.parts.hardware.ring(ring));
        let (mut config, master_config) = (self.config.clone(), self.master_config.clone());
        let (mut options, now_ms) = (self.parts.settings.log, self.wall_clock.now_ms());
        let is_of_pair = self.parts.pair.is_some();
        let id = self.log_id();
        let replica = self.replica_options(left.is_some());
        let opened = executor.spawn(async move {
            let kept = if is_of_pair { Some(kept_state::load(&disk).await?) } else { None };
            if let Some(kept) = &kept {
                if kept.turned.is_some() {
                    config = master_config;
                }
                options.is_copied = master_slave::is_slave(&config, kept);
            }
            let id = kept.as_ref().and_then(|kept| kept.log_id).map_or(id, LogId);
            let identity = config.shard(0);
            let mut replay = TableReplay::for_shard(&config, &identity, now_ms);
            let (store, recovery) = MessageStore::open(disk, id, options, left, &mut replay).await?;
            let replica = match replica {
                Some(options) => Some(open_replica(&store, &recovery, options, &config, &identity).await?),
                None => None,
            };
            Ok(Opened { store, replay, replica, config, kept })
        });
        self.state = State::Starting { executor, opened };
        self.may_have_work = true;
    }

    fn replica_options(&mut self, found_ring: bool) -> Option<ReplicaOptions> {
        let place = self.parts.place.as_ref()?;
        let timing = self.config.replication.raft()?.timing;
        Some(ReplicaOptions {
            node: place.raft_id(),
            members: place.members(),
            joins: place.joins(),
            group: GROUP.to_owned(),
            timing,
            found_ring,
            seed: self.rng.random(),
            life: self.rng.random_range(1..u64::MAX),
        })
    }

    pub(super) fn serve(&mut self, opened: Opened<M>, executor: Executor) {
        let Opened { store, replay, replica, config, kept } = opened;
        let is_slave = kept.as_ref().is_some_and(|kept| master_slave::is_slave(&config, kept));
        let master_slave = kept.and_then(|kept| MasterSlave::new(&config, kept));
        let registration = match &master_slave {
            Some(_) => {
                let (sender, receiver) = registration::channel(None);
                self.announcements = Some(receiver);
                sender
            }
            None => RegistrationSender::to_nobody(),
        };
        self.ring = self.parts.settings.ring_bytes.filter(|_| self.flush_mode() == FlushMode::Async).map(|bytes| {
            let ring = SimRing::new(self.rng.random(), bytes);
            store.log().replace_ring(Some(self.parts.hardware.ring(ring.clone())));
            ring
        });
        let (clock, wall_clock) = (self.parts.clock.clone(), self.wall_clock.clone());
        let env = SimEnv::new(clock, wall_clock, executor.clone(), StdRng::from_rng(&mut self.rng));
        let env = env.hurried(self.parts.mischief.ahead_ms());
        let identity: ShardIdentity = config.shard(0);
        let mut tables = match replica {
            // The system's topics come with the log.
            Some(_) => replay.into_replayed_tables(),
            None if is_slave => replay.into_replayed_tables(),
            None => replay.into_tables(env.now_ms()),
        };
        self.parts.mischief.spoil(&mut tables);
        let parts = ShardParts {
            env,
            config,
            identity,
            store,
            tables,
            outbox: Outbox::default(),
            siblings: Vec::new(),
            registration,
        };
        let (clock, meddler, host) = (self.parts.clock.clone(), self.parts.meddler.clone(), self.parts.host);
        let (frame_meddler, log_id) = (self.parts.frame_meddler.clone(), self.log_id());
        let message_faults = self.message_faults.clone();
        let around = Surroundings { executor, clock, meddler, frame_meddler, message_faults, host, log_id };
        self.state = State::Serving(Box::new(Process::start(parts, around, replica, master_slave)));
    }
}
