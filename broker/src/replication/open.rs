//! How a replica starts: what it remembers, and how far it can be trusted to remember all.

use std::net::SocketAddr;

use raft_driver::{EntryId, EntryInfo, Group, GroupOptions, Memory, Start};
use storage::StorageError;
use storage::commit_log::CommitLog;
use storage::commit_log::entry::{EntryHeader, EntryKind};
use storage::file::Disk;
use storage::store::{MessageStore, StoreRecovery};

use super::links::{Introduction, Links};
use super::members::GroupMembers;
use super::raw_entries::info_of;
use super::replica::Replica;
use super::state_file::{self, Found, KeptMemory, ReplicaState};
use crate::config::replication::RaftTiming;
use crate::config::{BrokerConfig, FlushDiskType, ShardIdentity};

/// What a replica is to be.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// Its Raft id.
    pub node: u64,
    /// All nodes of the group as they are configured, this one too, and where shard 0 of each listens for the others; the
    /// unspecified address while a host has none. They found the group; from the first change on, what its log says holds.
    pub members: Vec<(u64, SocketAddr)>,
    /// It waits to be added to the group that the others are: it founds none.
    pub joins: bool,
    /// `dLegerGroup`.
    pub group: String,
    /// How long a silent leader is waited for.
    pub timing: RaftTiming,
    /// Whether a ring of the process before was found: then it has forgotten nothing, though it did not end in order.
    pub found_ring: bool,
    /// Decides election timeouts; another for each replica.
    pub seed: u64,
    /// Drawn for this start of the process; never 0.
    pub life: u64,
}

/// Makes the replica of a store that was just opened, and notes that it will confirm entries from now on.
/// # Errors
/// I/O; or what is on disk makes no sense as a replica.
pub async fn open_replica<D: Disk>(
    store: &MessageStore<D>,
    recovery: &StoreRecovery,
    options: ReplicaOptions,
    config: &BrokerConfig,
    identity: &ShardIdentity,
) -> Result<Replica, StorageError> {
    let log = store.log();
    let found = state_file::load(log.disk()).await?;
    let memory = memory(&found, options.found_ring, recovery.log.may_have_forgotten);
    let saved = match found {
        Found::State(state) => state,
        Found::Nothing | Found::Damaged => ReplicaState::default(),
    };
    let applied = recovery.checkpoint;
    let entries = unapplied_entries(log, &recovery.unapplied).await?;
    let (count, trusted) = (entries.len(), memory == Memory::Whole);
    let shard = &identity.broker_name;
    let members = members_at_start(&saved, &options, shard);
    let start = Start {
        saved: saved.saved(),
        memory,
        life: options.life,
        conf_state: members.roles.conf_state(),
        applied: EntryId { term: applied.term, index: applied.index },
        entries,
    };
    let mut settings = GroupOptions::new(options.node, options.seed);
    settings.election_ticks = options.timing.election_ticks;
    settings.heartbeat_ticks = options.timing.heartbeat_ticks;
    // A message of its own would wake every follower, and by its answer the leader, once more for each batch.
    settings.commit_is_told_at_once = false;
    let group = Group::new(settings, start)
        .map_err(|error| StorageError::Malformed { path: "the replica".to_owned(), what: error.to_string() })?;
    tracing::info!(
        shard,
        node = options.node,
        term = saved.term,
        applied = applied.index,
        unapplied = count,
        trusted,
        "replica opened"
    );
    // Before anything is confirmed from memory, it is written down that the machine may forget it.
    let confirms_in_memory = config.store.flush == FlushDiskType::Async;
    let saved = ReplicaState { confirmed_in_memory: confirms_in_memory, memory: memory.into(), ..saved };
    state_file::save(log.disk(), &saved).await?;
    let introduction = Introduction {
        node: options.node,
        log_id: log.id().0,
        flush: config.store.flush,
        segment_bytes: log.options().segment_bytes,
        run: options.life,
        cluster: config.identity.cluster_name.clone(),
        group: options.group,
        broker_name: identity.broker_name.clone(),
        client_address: identity.advertised_address.clone(),
    };
    let links = Links::new(introduction, &members, identity.index);
    Ok(Replica::new(options.node, group, links, applied, saved, members))
}

/// What the store says, else what is configured.
fn members_at_start(saved: &ReplicaState, options: &ReplicaOptions, shard: &str) -> GroupMembers {
    let configured = &options.members;
    if saved.members.is_empty() {
        if !options.joins {
            return GroupMembers::founders(configured);
        }
        tracing::info!(shard, "dLegerJoin: this node waits until mqadmin addReplica adds it to the group");
        return GroupMembers::unknown(configured);
    }
    let members = saved.group_members();
    // Without addresses the members have never been changed: only who founded the group is fixed.
    if !members.notes.addresses.is_empty() && members.differs_from(configured) {
        let (index, listeners) = (members.index, members.listeners(0));
        tracing::warn!(
            shard,
            index,
            ?listeners,
            ?configured,
            "dLegerPeers is not what the group's log says of its members: the log holds; let the configuration follow it"
        );
    }
    members.with_addresses_of(configured)
}

async fn unapplied_entries<D: Disk>(
    log: &CommitLog<D>,
    headers: &[EntryHeader],
) -> Result<Vec<EntryInfo>, StorageError> {
    let mut entries = Vec::with_capacity(headers.len());
    for header in headers {
        let change = match header.kind {
            EntryKind::Membership => log.copy(header.payload_position(), header.payload_bytes as usize).await?,
            EntryKind::Messages | EntryKind::Control | EntryKind::Filler => Vec::new(),
        };
        entries.push(info_of(header, || change));
    }
    Ok(entries)
}

/// What a replica still knows of what it confirmed.
fn memory(found: &Found, found_ring: bool, is_damaged: bool) -> Memory {
    match found {
        // An empty disk is that of a new group, or of a node whose disk was replaced.
        Found::Nothing | Found::Damaged => Memory::Nothing,
        Found::State(ReplicaState { memory: KeptMemory::Nothing, .. }) => Memory::Nothing,
        // It started so before, and was not trusted again since.
        Found::State(ReplicaState { memory: KeptMemory::ShortLog, .. }) => Memory::ShortLog,
        Found::State(state) if is_damaged || (state.confirmed_in_memory && !found_ring) => Memory::ShortLog,
        Found::State(_) => Memory::Whole,
    }
}

/// A replica ends in order: everything it confirmed is on stable storage.
/// # Errors
/// I/O; the next start then takes it for forgetful.
pub(crate) async fn close<D: Disk>(disk: &D, replica: &Replica) -> Result<(), StorageError> {
    let state = ReplicaState { confirmed_in_memory: false, ..replica.saved.borrow().clone() };
    state_file::save(disk, &state).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(confirmed_in_memory: bool) -> Found {
        Found::State(ReplicaState { term: 3, vote: 1, confirmed_in_memory, ..ReplicaState::default() })
    }

    #[test]
    fn a_replica_that_may_have_forgotten_does_not_claim_to_know_all() {
        assert_eq!(memory(&Found::Nothing, false, false), Memory::Nothing);
        assert_eq!(memory(&Found::Damaged, false, false), Memory::Nothing);
        assert_eq!(memory(&state(false), false, false), Memory::Whole);
        assert_eq!(memory(&state(false), false, true), Memory::ShortLog);
        assert_eq!(memory(&state(true), true, false), Memory::Whole);
        assert_eq!(memory(&state(true), false, false), Memory::ShortLog);
        let untrusted = |memory| Found::State(ReplicaState { memory, ..ReplicaState::default() });
        assert_eq!(memory(&untrusted(KeptMemory::ShortLog), true, false), Memory::ShortLog);
        assert_eq!(memory(&untrusted(KeptMemory::Nothing), true, false), Memory::Nothing);
    }
}
