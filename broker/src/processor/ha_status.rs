//! GET_BROKER_HA_STATUS (907): how far the copies of this shard's log are.

use std::rc::Rc;

use protocol::body::{FollowerStatus, HaClientStatus, HaConnectionStatus, HaStatus, ReplicationStatus};

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let end = shard.store.log().end().position;
    let status = match shard.replication_status() {
        Some(status) if status.role.is_master() => of_leader(&status, end),
        Some(status) => of_follower(&status, end),
        None => HaStatus { master: true, master_commit_log_max_offset: whole(end), ..HaStatus::default() },
    };
    request.ticket().succeed_with_body(shard, &status.encode());
    Ok(())
}

fn of_leader(status: &ReplicationStatus, end: u64) -> HaStatus {
    let in_sync = status.followers.iter().filter(|follower| follower.is_in_sync()).count();
    HaStatus {
        ha_connection_info: status.followers.iter().map(|follower| connection(follower, end)).collect(),
        in_sync_slave_nums: i32::try_from(in_sync).unwrap_or(i32::MAX),
        master: true,
        master_commit_log_max_offset: whole(end),
        ..HaStatus::default()
    }
}

/// One that has told nothing yet counts as without a log: the tool knows no "unknown".
fn connection(follower: &FollowerStatus, end: u64) -> HaConnectionStatus {
    let diff = follower.lag.map_or(end, |lag| lag.bytes.known());
    let confirmed = whole(end.saturating_sub(diff));
    HaConnectionStatus {
        addr: follower.address.clone().unwrap_or_else(|| follower.node.clone()),
        diff: whole(diff),
        in_sync: follower.is_in_sync(),
        slave_ack_offset: confirmed,
        transfer_from_where: confirmed,
        transferred_byte_in_second: whole(follower.bytes_per_second),
    }
}

/// A follower answers whatever it hears at once, so both times are one.
fn of_follower(status: &ReplicationStatus, end: u64) -> HaStatus {
    let heard_ms = status.leader_heard_ms.unwrap_or(0);
    let client = HaClientStatus {
        last_read_timestamp: heard_ms,
        last_write_timestamp: heard_ms,
        master_addr: status.leader_address.clone(),
        master_flush_offset: whole(status.committed.offset.unwrap_or(0)),
        max_offset: whole(end),
        transferred_byte_in_second: whole(status.bytes_per_second),
    };
    HaStatus { ha_client_runtime_info: client, ..HaStatus::default() }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use protocol::body::{Extent, Lag, LogPlace, MembersStatus, ReplicaHistory, ReplicaRole};

    use super::*;

    fn follower(has: u64, end: u64) -> FollowerStatus {
        FollowerStatus {
            node: "n1".to_owned(),
            address: Some("10.0.0.2:10911".to_owned()),
            has: Some(LogPlace { index: 1, offset: Some(has) }),
            lag: Some(Lag { entries: 1, bytes: Extent::Exactly(end - has), ms: Extent::Exactly(0) }),
            bytes_per_second: 2_048,
            is_active: true,
            is_catching_up: false,
            is_learner: false,
        }
    }

    fn status(role: ReplicaRole, followers: Vec<FollowerStatus>) -> ReplicationStatus {
        let place = LogPlace { index: 9, offset: Some(900) };
        ReplicationStatus {
            role,
            node: "n0".to_owned(),
            group: "trio".to_owned(),
            shard: 0,
            shards: 1,
            members: MembersStatus::default(),
            leader: Some("n1".to_owned()),
            leader_address: Some("10.0.0.2:10911".to_owned()),
            leader_heard_ms: Some(77),
            term: 4,
            committed: place,
            applied: place,
            end: place,
            is_trusted: true,
            is_catching_up: false,
            bytes_per_second: 512,
            entries_in_memory: 1,
            followers,
            history: ReplicaHistory::default(),
        }
    }

    #[test]
    fn a_leader_shows_who_keeps_up() {
        let silent =
            FollowerStatus { node: "n2".to_owned(), address: None, lag: None, is_active: false, ..follower(0, 1_000) };
        let shown = of_leader(&status(ReplicaRole::Leader, vec![follower(900, 1_000), silent]), 1_000);
        assert!(shown.master);
        assert_eq!((shown.master_commit_log_max_offset, shown.in_sync_slave_nums), (1_000, 1));
        let near = &shown.ha_connection_info[0];
        assert_eq!((near.addr.as_str(), near.slave_ack_offset, near.diff), ("10.0.0.2:10911", 900, 100));
        assert!(near.in_sync && near.transferred_byte_in_second == 2_048);
        let far = &shown.ha_connection_info[1];
        assert_eq!((far.addr.as_str(), far.slave_ack_offset, far.diff, far.in_sync), ("n2", 0, 1_000, false));
    }

    #[test]
    fn a_follower_shows_its_leader_and_itself() {
        let shown = of_follower(&status(ReplicaRole::Follower, Vec::new()), 1_000);
        let client = &shown.ha_client_runtime_info;
        assert!(!shown.master && shown.ha_connection_info.is_empty());
        assert_eq!(client.master_addr.as_deref(), Some("10.0.0.2:10911"));
        assert_eq!((client.max_offset, client.master_flush_offset, client.last_read_timestamp), (1_000, 900, 77));
    }
}
