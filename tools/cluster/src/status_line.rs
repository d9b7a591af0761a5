//! The state of all replicas, a line each, asked for every second.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use client::{Admin, Client, ClientOptions};
use protocol::body::{Extent, ReplicaRole, ReplicationStatus};
use tokio::task::JoinSet;

use crate::error::ClusterError;
use crate::nodes::{Nodes, shard_address};

/// A node that says nothing for this long is shown as such; the next is not kept waiting by it.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
const PUT_TOTAL: &str = "msgPutTotalTodayNow";

/// Asks nodes over connections that it keeps.
#[derive(Debug)]
pub struct StatusLine {
    runtime: tokio::runtime::Runtime,
    admin: Admin,
    shards: u16,
    /// Messages that a replica has taken as the leader, and when that was seen.
    totals: BTreeMap<SocketAddrV4, (u64, Instant)>,
}

/// What one replica says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its place in the group.
    pub status: ReplicationStatus,
    /// Messages that it takes a second.
    pub per_second: f64,
}

impl StatusLine {
    /// Connects when it is first asked.
    /// # Errors
    /// The client cannot be set up.
    pub fn new(nodes: &Nodes, shards: u16) -> Result<Self, ClusterError> {
        let failed = |error: &dyn std::fmt::Display| ClusterError::Client(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let options =
            ClientOptions { connect_timeout: ANSWER_WITHIN, request_timeout: ANSWER_WITHIN, ..Default::default() };
        let client = runtime.block_on(Client::new(&nodes.name_server_addresses(), options));
        let admin = client.map_err(|error| failed(&error))?.admin();
        Ok(Self { runtime, admin, shards, totals: BTreeMap::new() })
    }

    /// Asks every replica, all at once, and writes a line for each.
    pub fn lines(&mut self, nodes: &mut Nodes) -> Vec<String> {
        let answers = self.ask(nodes);
        let mut lines = Vec::new();
        for shard in 0..self.shards {
            let of_shard: Vec<Option<Seen>> =
                nodes.nodes.iter().map(|node| answers.get(&shard_address(node, shard)).cloned()).collect();
            for (number, node) in nodes.nodes.iter_mut().enumerate() {
                let group = if self.shards == 1 { String::new() } else { format!("shard {shard}  ") };
                let absence = match node.ended() {
                    Some(status) => format!("ended: {status}"),
                    None => "says nothing".to_owned(),
                };
                lines.push(format!("{group}{}", line(&node.name, number, &of_shard, &absence)));
            }
        }
        lines
    }

    fn ask(&mut self, nodes: &Nodes) -> BTreeMap<SocketAddrV4, Seen> {
        let replicas = nodes.nodes.iter().flat_map(|node| (0..self.shards).map(|shard| shard_address(node, shard)));
        let replicas: Vec<SocketAddrV4> = replicas.collect();
        let admin = &self.admin;
        let tables = self.runtime.block_on(async {
            let mut asked = JoinSet::new();
            for replica in replicas {
                let admin = admin.clone();
                asked.spawn(async move {
                    let address = replica.to_string();
                    let answer = tokio::time::timeout(ANSWER_WITHIN, admin.broker_runtime_info(&address)).await;
                    (replica, answer.ok().and_then(Result::ok))
                });
            }
            asked.join_all().await
        });
        let now = Instant::now();
        let mut seen = BTreeMap::new();
        for (replica, table) in tables {
            let Some(table) = table.map(|table| table.table) else { continue };
            let Some(status) = ReplicationStatus::read(&table) else { continue };
            let total = table.get(PUT_TOTAL).and_then(|total| total.parse().ok()).unwrap_or(0);
            let before = self.totals.insert(replica, (total, now));
            let per_second = before.map_or(0.0, |(before, at)| {
                total.saturating_sub(before) as f64 / now.duration_since(at).as_secs_f64().max(0.001)
            });
            seen.insert(replica, Seen { status, per_second });
        }
        seen
    }
}

/// One replica's line. What a follower lacks is what its leader says; the leader may be another's word.
fn line(name: &str, number: usize, of_shard: &[Option<Seen>], absence: &str) -> String {
    let leader =
        of_shard.iter().flatten().filter(|seen| seen.status.role.is_master()).max_by_key(|seen| seen.status.term);
    let lag = leader.and_then(|leader| leader.status.followers.iter().find(|follower| follower.node == name));
    let lag = lag.and_then(|follower| follower.lag).map(|lag| {
        let Extent::Exactly(bytes) = lag.bytes else { return format!("lag over {} B", lag.bytes.known()) };
        format!("lag {bytes} B, {} ms", lag.ms.known())
    });
    let lag = lag.unwrap_or_default();
    let Some(Some(Seen { status, per_second })) = of_shard.get(number) else {
        return format!("{name:<4} {absence:<24} {lag}");
    };
    let role = if status.role == ReplicaRole::Leader { "LEADER".to_owned() } else { status.role.to_string() };
    let mut text = format!(
        "{name:<4} {role:<10} term {:<5} commit {:<10} applied {:<10}",
        status.term, status.committed.index, status.applied.index
    );
    if status.role.is_master() {
        write!(text, " {per_second:>9.0} messages/s").expect("a string takes all");
    } else {
        write!(text, " {lag}").expect("a string takes all");
    }
    if status.is_catching_up {
        text.push_str(", catching up");
    }
    if !status.is_trusted {
        text.push_str(", does not vote yet");
    }
    text
}

#[cfg(test)]
mod tests {
    use protocol::body::{FollowerStatus, Lag, LogPlace, MembersStatus};

    use super::*;

    fn seen(node: &str, role: ReplicaRole, followers: Vec<FollowerStatus>) -> Option<Seen> {
        let place = LogPlace { index: 40, offset: Some(1 << 20) };
        let status = ReplicationStatus {
            role,
            node: node.to_owned(),
            group: String::new(),
            shard: 0,
            shards: 1,
            members: MembersStatus::default(),
            leader: Some("n0".to_owned()),
            leader_address: None,
            leader_heard_ms: None,
            term: 7,
            committed: place,
            applied: place,
            end: place,
            is_trusted: true,
            is_catching_up: false,
            bytes_per_second: 0,
            entries_in_memory: 0,
            followers,
            history: Default::default(),
        };
        Some(Seen { status, per_second: 1234.4 })
    }

    #[test]
    fn a_leader_shows_its_rate_and_a_follower_what_it_lacks_be_it_dead() {
        let lag = Lag { entries: 3, bytes: Extent::Exactly(900), ms: Extent::Exactly(12) };
        let follower = |node: &str| FollowerStatus {
            node: node.to_owned(),
            address: None,
            has: None,
            lag: Some(lag),
            bytes_per_second: 0,
            is_active: true,
            is_catching_up: false,
            is_learner: false,
        };
        let leader = seen("n0", ReplicaRole::Leader, vec![follower("n1"), follower("n2")]);
        let all = [leader, seen("n1", ReplicaRole::Follower, Vec::new()), None];
        let first = line("n0", 0, &all, "");
        assert!(first.contains("LEADER") && first.contains("term 7") && first.contains("1234 messages/s"), "{first}");
        assert!(line("n1", 1, &all, "").ends_with("lag 900 B, 12 ms"));
        let dead = line("n2", 2, &all, "ended: signal: 9 (SIGKILL)");
        assert!(dead.contains("ended: signal: 9") && dead.ends_with("lag 900 B, 12 ms"), "{dead}");
    }
}
