//! One shard's life on its thread: open the store, serve, leave it in order.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use runtime::{Mailbox, MailboxSender, Outbox, REPLICA_IDLE_TIMEOUT, ServeOptions, serve};
use storage::StorageError;
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::file::LogWrites;
use storage::file::dma::DmaDisk;
use storage::ring::Ring;
use storage::ring::shm::ShmRing;
use storage::store::{MessageStore, StoreRecovery};
use tokio::sync::mpsc::UnboundedSender;

use crate::config::replication::RaftMember;
use crate::config::{BrokerConfig, FlushDiskType, ShardIdentity};
use crate::env::Env;
use crate::maintenance;
use crate::master_slave::kept_state::{self, KeptState};
use crate::master_slave::{self, MasterSlave};
use crate::metrics::{RecoveryPhase, RecoveryProgress};
use crate::preflight::{Capabilities, FileIo};
use crate::real_env::RealEnv;
use crate::registration::RegistrationSender;
use crate::replay::TableReplay;
use crate::replication::{ReplicaOptions, open_replica};
use crate::service::ShardService;
use crate::shard::{Shard, ShardParts};
use crate::shard_message::ShardMessage;

/// What a shard's thread tells the control thread.
#[derive(Debug)]
pub(crate) enum ShardEvent {
    /// It serves.
    Ready,
    /// It ended, as it was told to or with an error.
    Ended(Result<(), String>),
}

/// Everything a shard's thread starts from.
pub(crate) struct ShardStart {
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) identity: ShardIdentity,
    pub(crate) folder: PathBuf,
    pub(crate) log_id: LogId,
    /// Names its ring. Replicas have one log id, and may be on one machine.
    pub(crate) ring_id: LogId,
    pub(crate) capabilities: Capabilities,
    pub(crate) listeners: Vec<TcpListener>,
    /// Where other replicas come in.
    pub(crate) replica_listeners: Vec<TcpListener>,
    pub(crate) mailbox: Mailbox<ShardMessage>,
    pub(crate) siblings: Vec<MailboxSender<ShardMessage>>,
    pub(crate) registration: RegistrationSender,
    pub(crate) events: UnboundedSender<(u32, ShardEvent)>,
    pub(crate) seed: u64,
    pub(crate) recovery: Arc<RecoveryProgress>,
}

/// Runs a shard until its mailbox is told to stop.
pub(crate) async fn run(start: ShardStart) {
    let (events, recovery) = (start.events.clone(), start.recovery.clone());
    let mut end = End { index: start.identity.index, events, recovery, result: None };
    end.result = Some(live(start).await);
}

/// Tells the control thread of a shard's end however it comes: a panic must not leave the others running as if nothing
/// had happened.
struct End {
    index: u32,
    events: UnboundedSender<(u32, ShardEvent)>,
    recovery: Arc<RecoveryProgress>,
    result: Option<Result<(), String>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let panicked = || Err(format!("shard {} panicked; its last words are above", self.index));
        let result = self.result.take().unwrap_or_else(panicked);
        self.recovery.enter(RecoveryPhase::Ended);
        // A control thread that is gone has nobody left to tell.
        let _ = self.events.send((self.index, ShardEvent::Ended(result)));
    }
}

async fn live(start: ShardStart) -> Result<(), String> {
    let began = Instant::now();
    let name = start.identity.broker_name.clone();
    let env = RealEnv::new(start.seed);
    let failed = |error: StorageError| format!("shard {name}: {error}");
    let opened = open_store(&start, &env).await.map_err(|error| {
        let is_beyond_itself = start.config.replication.raft().is_some()
            && !matches!(error, StorageError::Io { .. } | StorageError::Flush { .. });
        let advice = if is_beyond_itself {
            ". If most of the other nodes are well, move this shard's folder away and start again: everything comes from them"
        } else {
            ""
        };
        format!("{}{advice}", failed(error))
    });
    let Opened { store, replay, recovery, found_ring, kept } = opened?;
    let replica = match replica_options(&start, found_ring, &env) {
        Some(options) => {
            Some(open_replica(&store, &recovery, options, &start.config, &start.identity).await.map_err(failed)?)
        }
        None => None,
    };
    master_slave::say_if_turned(&start.config, &kept, &name);
    let is_slave = master_slave::is_slave(&start.config, &kept);
    let master_slave = MasterSlave::new(&start.config, kept);
    // What was confirmed before is judged by the ring that was found; only then there may be another one.
    store.log().replace_ring(new_ring(&start, store.log().options().flush));
    let tables = match replica {
        // The system's topics come with the log.
        Some(_) => replay.into_replayed_tables(),
        None if is_slave => replay.into_replayed_tables(),
        None => replay.into_tables(env.now_ms()),
    };
    let outbox = Outbox::default();
    let options = ServeOptions {
        listeners: start.listeners,
        idle_timeout: start.config.network.idle_timeout,
        connections_max: start.capabilities.connections_max as usize,
        replica_listeners: start.replica_listeners,
        replica_idle_timeout: REPLICA_IDLE_TIMEOUT,
    };
    let shard = Rc::new(Shard::new(ShardParts {
        env,
        config: start.config,
        identity: start.identity,
        store,
        tables,
        outbox: outbox.clone(),
        siblings: start.siblings,
        registration: start.registration,
    }));
    if let Some(replica) = replica {
        shard.join_group(replica);
        runtime::time::spawn(shard.clone().run_replica());
    }
    if let Some(master_slave) = master_slave {
        shard.join_master_slave(master_slave);
    }
    runtime::time::spawn(shard.clone().run_committer());
    runtime::time::spawn(maintenance::run(shard.clone()));
    runtime::time::spawn_background(maintenance::run_background(shard.clone()));
    runtime::time::spawn_background(shard.clone().prewrite_first_segment());
    shard.sweep_end();
    tracing::info!(shard = name, elapsed_ms = began.elapsed().as_millis() as u64, "shard is serving");
    start.recovery.enter(RecoveryPhase::Serving);
    let _ = start.events.send((shard.identity.index, ShardEvent::Ready));
    let service = Rc::new(ShardService(shard.clone()));
    let served = serve(service, outbox, options, start.mailbox).await;
    if shard.leave_in_order().await {
        // What it held is in the log; a file that stays is taken for nothing new at the next start.
        let _ = ShmRing::remove(&shard.config.store.ring_dir, start.ring_id);
    }
    served.map_err(|error| format!("shard {name}: its sockets failed: {error}"))
}

/// A store, and what was found when it was opened.
struct Opened {
    store: MessageStore<DmaDisk>,
    replay: TableReplay,
    recovery: StoreRecovery,
    found_ring: bool,
    kept: KeptState,
}

/// What this shard's replica is to be; `None` for one that stands alone.
fn replica_options(start: &ShardStart, found_ring: bool, env: &RealEnv) -> Option<ReplicaOptions> {
    let raft = start.config.replication.raft()?;
    let nowhere = |member: &RaftMember| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), member.port(0));
    let address = |member: &RaftMember| member.socket_address(0).unwrap_or_else(|| nowhere(member));
    let members = raft.members.iter().map(|member| (member.id.raft_id(), address(member)));
    let life = (u64::from(env.random_below(u32::MAX)) << 32) | u64::from(env.random_below(u32::MAX)) | 1;
    Some(ReplicaOptions {
        node: raft.own_id.raft_id(),
        members: members.collect(),
        joins: raft.joins,
        group: raft.group.clone(),
        timing: raft.timing,
        found_ring,
        seed: start.seed,
        life,
    })
}

async fn open_store(start: &ShardStart, env: &RealEnv) -> Result<Opened, StorageError> {
    let config = &start.config;
    let (flush, log_writes) = match config.store.flush {
        FlushDiskType::Async => (FlushMode::Async, LogWrites::Seen),
        FlushDiskType::Sync => (FlushMode::Sync, LogWrites::Stable),
    };
    let disk = DmaDisk::new(&start.folder, start.capabilities.file_io == FileIo::Direct, log_writes);
    disk.prepare().await.map_err(|source| StorageError::Io {
        op: "prepare",
        path: start.folder.display().to_string(),
        source,
    })?;
    let kept = match config.replication.raft() {
        Some(_) => KeptState::default(),
        None => kept_state::load(&disk).await?,
    };
    let log_id = kept.log_id.map_or(start.log_id, LogId);
    let options = LogOptions {
        segment_bytes: u64::from(config.store.segment_bytes),
        flush,
        cache_bytes: config.store.log_cache_bytes as usize,
        is_replicated: config.replication.raft().is_some(),
        is_copied: master_slave::is_slave(config, &kept),
    };
    let replay = TableReplay::for_shard(config, &start.identity, env.now_ms());
    start.recovery.measure(&start.folder);
    let mut replay = replay.shown_in(start.recovery.clone());
    let left = left_ring(start);
    let found_ring = left.is_some();
    let (store, recovery) = MessageStore::open(disk, log_id, options, left, &mut replay).await?;
    say_what_was_found(&start.identity.broker_name, &recovery);
    // A process that ends in order makes a checkpoint of all it had, so something to read behind one means that it did not.
    // Of a replica, what lies behind one may merely not be committed; it says itself what it may have forgotten.
    let was_killed = recovery.log.entries > 0 && config.replication.raft().is_none();
    if was_killed && !found_ring && flush == FlushMode::Async && config.store.ring_bytes > 0 {
        let shard = &start.identity.broker_name;
        tracing::warn!(
            shard,
            "the process before did not end in order and left no ring: what it acknowledged and had not written is lost"
        );
    }
    Ok(Opened { store, replay, recovery, found_ring, kept })
}

/// What an earlier process acknowledged and may not have written. Looked for in every flush mode: the mode may have
/// been changed since.
fn left_ring(start: &ShardStart) -> Option<Box<dyn Ring>> {
    let folder = &start.config.store.ring_dir;
    match ShmRing::open_left(folder, start.ring_id) {
        Ok(Some(ring)) => {
            tracing::info!(shard = start.identity.broker_name, ring = %ring.path().display(), "found the ring of an earlier process");
            Some(Box::new(ring))
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(shard = start.identity.broker_name, %error, "the ring of the process before was not used");
            None
        }
    }
}

fn new_ring(start: &ShardStart, flush: FlushMode) -> Option<Box<dyn Ring>> {
    let (store, shard) = (&start.config.store, &start.identity.broker_name);
    if flush == FlushMode::Sync || store.ring_bytes == 0 || !start.capabilities.shared_ring {
        let _ = ShmRing::remove(&store.ring_dir, start.ring_id);
        if flush == FlushMode::Async {
            tracing::info!(shard, "no ring in shared memory: acknowledgements wait for the direct write");
        }
        return None;
    }
    match ShmRing::create(&store.ring_dir, start.ring_id, store.ring_bytes as usize) {
        Ok(ring) => {
            tracing::info!(shard, ring = %ring.path().display(), bytes = store.ring_bytes, "acknowledging from the ring");
            Some(Box::new(ring))
        }
        Err(error) => {
            tracing::warn!(shard, %error, "no ring in shared memory: acknowledgements wait for the direct write");
            None
        }
    }
}

fn say_what_was_found(shard: &str, recovery: &StoreRecovery) {
    let log = &recovery.log;
    for what in &recovery.unreadable_checkpoints {
        tracing::warn!(shard, what, "a checkpoint cannot be read and was not used");
    }
    if let Some(reason) = log.torn {
        let (at, cut) = (log.files_end, log.cut_entries);
        tracing::warn!(shard, at, cut_entries = cut, %reason, "the log ended in a torn write that nobody had been promised to survive; cut off");
    }
    if recovery.rebuilt_queues > 0 {
        tracing::warn!(
            shard,
            queues = recovery.rebuilt_queues,
            "ConsumeQueue files were missing or short; written again from the log"
        );
    }
    let (from, end, entries, ring_entries) = (log.from, log.end, log.entries, log.ring_entries);
    tracing::info!(shard, from, end, entries, ring_entries, term = recovery.term, "log recovered");
}
