//! `replicationStatus`: every node of every broker group that elects its leader, each by its own account, and what its
//! leader knows of those that say nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use clap::Args;
use client::WithCauses;
use protocol::body::{FollowerStatus, LogPlace, MemberPlace, ReplicaRole, ReplicationStatus as NodeStatus};
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Show every node of the broker groups that elect their leaders
///
/// 'getSyncStateSet' of the original asks a controller, of which there is none here; this is its nearest relative.
#[derive(Debug, Args)]
#[command(visible_alias = "getSyncStateSet")]
pub(crate) struct ReplicationStatus {
    /// Only this cluster
    #[arg(short = 'c', long = "clusterName", alias = "cluster-name", value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Only this broker group
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "NAME")]
    broker_name: Option<String>,
    /// Accepted for scripts of the original; there is no controller
    #[arg(short = 'a', long = "controllerAddress", value_name = "HOST:PORT", hide = true)]
    controller: Option<String>,
    /// Show what each node has seen since its start instead of where it is
    #[arg(short = 'm', long = "moreStats", alias = "more-stats")]
    more_stats: bool,
    /// Repeat every so many seconds
    #[arg(short = 'i', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    interval: Option<u64>,
}

/// The nodes, by group and name of the node.
#[derive(Debug, Serialize)]
struct Nodes {
    nodes: Vec<Node>,
    #[serde(skip)]
    more_stats: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    cluster_name: String,
    broker_name: String,
    /// As the name server has it; absent for a node that is not registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_addr: Option<String>,
    /// Name of the node; absent for one that neither answers nor is known to a leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<NodeStatus>,
    /// What its leader says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_by_leader: Option<FollowerStatus>,
    /// Why it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ReplicationStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let nodes = self.nodes(context).await?;
            context.output.show(&Nodes { nodes, more_stats: self.more_stats })?;
            let Some(seconds) = self.interval else { return Ok(()) };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    async fn nodes(&self, context: &Context<'_>) -> Result<Vec<Node>, Failure> {
        let info = context.admin.cluster_info().await?;
        if let Some(cluster) = self.cluster.as_ref().filter(|name| !info.cluster_addr_table.contains_key(*name)) {
            let known = info.cluster_addr_table.into_keys().collect();
            return Err(Failure::UnknownCluster { cluster: cluster.clone(), known });
        }
        let is_wanted = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|wanted| wanted == name);
        let mut nodes = Vec::new();
        for (cluster, names) in info.cluster_addr_table.iter().filter(|(name, _)| is_wanted(&self.cluster, name)) {
            for name in names.iter().filter(|name| is_wanted(&self.broker_name, name)) {
                let Some(broker) = info.broker_addr_table.get(name) else { continue };
                nodes.append(&mut group(context, cluster, name, &broker.broker_addrs).await);
            }
        }
        if let (Some(name), []) = (&self.broker_name, nodes.as_slice()) {
            return Err(Failure::Usage(format!("broker {name} is not registered, or has its log to itself")));
        }
        Ok(nodes)
    }
}

/// The nodes of one group; none if its brokers answer and have no replicas.
async fn group(context: &Context<'_>, cluster: &str, name: &str, addresses: &BTreeMap<i64, String>) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (id, address) in addresses {
        let (status, error) = match context.admin.broker_runtime_info(address).await {
            Ok(information) => (NodeStatus::read(&information.table), None),
            Err(error) => (None, Some(WithCauses(&error).to_string())),
        };
        nodes.push(Node {
            cluster_name: cluster.to_owned(),
            broker_name: name.to_owned(),
            broker_id: Some(*id),
            broker_addr: Some(address.clone()),
            node: status.as_ref().map(|status| status.node.clone()),
            status,
            seen_by_leader: None,
            error,
        });
    }
    if nodes.iter().all(|node| node.status.is_none() && node.error.is_none()) {
        return Vec::new();
    }
    add_leader_s_view(&mut nodes);
    nodes.sort_by(|one, other| key(one).cmp(&key(other)));
    nodes
}

/// `n2` comes before `n10`, and both before what has no name.
fn key(node: &Node) -> (bool, usize, &str) {
    let name = node.node.as_deref().unwrap_or_default();
    (name.is_empty(), name.len(), name)
}

/// The leader of the highest term knows all others, those that are not registered too.
fn add_leader_s_view(nodes: &mut Vec<Node>) {
    let leads = |node: &&Node| node.status.as_ref().is_some_and(|status| status.role.is_master());
    let leader = nodes.iter().filter(leads).max_by_key(|node| node.status.as_ref().map(|status| status.term));
    let Some((leader, status)) = leader.and_then(|node| Some((node, node.status.as_ref()?))) else { return };
    let (cluster_name, broker_name) = (leader.cluster_name.clone(), leader.broker_name.clone());
    for follower in status.followers.clone() {
        let is_it = |node: &&mut Node| match &node.node {
            Some(name) => *name == follower.node,
            None => node.broker_addr.is_some() && node.broker_addr == follower.address,
        };
        if let Some(node) = nodes.iter_mut().find(is_it) {
            node.node = Some(follower.node.clone());
            node.seen_by_leader = Some(follower);
            continue;
        }
        nodes.push(Node {
            cluster_name: cluster_name.clone(),
            broker_name: broker_name.clone(),
            broker_id: None,
            broker_addr: follower.address.clone(),
            node: Some(follower.node.clone()),
            status: None,
            seen_by_leader: Some(follower),
            error: Some("not registered at the name server".to_owned()),
        });
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.more_stats {
            self.histories().fmt(f)?;
        } else {
            self.places().fmt(f)?;
        }
        for node in &self.nodes {
            if let Some(error) = &node.error {
                writeln!(
                    f,
                    "{} {}: {error}",
                    node.broker_name,
                    shown(node.node.as_ref().or(node.broker_addr.as_ref()))
                )?;
            }
        }
        let mut names = BTreeSet::new();
        let groups = self.nodes.iter().filter(|node| names.insert(&node.broker_name));
        for group in groups {
            let name = &group.broker_name;
            let mut roles = self.nodes.iter().filter(|node| node.broker_name == *name).map(Node::role);
            if !roles.any(|role| role.is_some_and(ReplicaRole::is_master)) {
                writeln!(f, "{name} has no leader")?;
            }
            self.write_members(f, name)?;
        }
        Ok(())
    }
}

impl Node {
    fn role(&self) -> Option<ReplicaRole> {
        self.status.as_ref().map(|status| status.role)
    }

    fn place(&self, of: impl FnOnce(&NodeStatus) -> LogPlace) -> String {
        shown(self.status.as_ref().map(of))
    }

    /// Where its log ends, else how far its leader knows it to go.
    fn end(&self) -> String {
        let seen = || self.seen_by_leader.as_ref().and_then(|seen| seen.has);
        shown(self.status.as_ref().map(|status| status.end).or_else(seen))
    }

    /// What is the matter with it, if anything is.
    fn state(&self) -> String {
        let status = self.status.as_ref();
        let seen = self.seen_by_leader.as_ref();
        let is_catching_up =
            status.is_some_and(|status| status.is_catching_up) || seen.is_some_and(|seen| seen.is_catching_up);
        let words = [
            (seen.is_some_and(|seen| !seen.is_active), "silent"),
            (is_catching_up, "catching up"),
            (status.is_some_and(|status| !status.is_trusted), "not trusted"),
            (seen.is_some_and(|seen| seen.is_learner), "learner"),
        ];
        words.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
    }
}

impl Nodes {
    /// Who belongs to a group, by the account of who has heard of the latest change.
    fn write_members(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let statuses =
            self.nodes.iter().filter(|node| node.broker_name == name).filter_map(|node| node.status.as_ref());
        let newest = statuses.max_by_key(|status| (status.members.index, status.role.is_master()));
        let Some(members) = newest.map(|status| &status.members).filter(|members| !members.voters.is_empty()) else {
            return Ok(());
        };
        let names =
            |places: &[MemberPlace]| places.iter().map(|place| place.node.as_str()).collect::<Vec<_>>().join(", ");
        write!(f, "{name} has the voters {}", names(&members.voters))?;
        if !members.learners.is_empty() {
            write!(f, "; {} without a vote", names(&members.learners))?;
        }
        match &members.change {
            Some(change) => writeln!(f, "; {change}"),
            None => writeln!(f),
        }
    }

    fn places(&self) -> Table {
        let mut table = Table::new(&[
            ("BROKER", Align::Left),
            ("NODE", Align::Left),
            ("ID", Align::Right),
            ("ADDRESS", Align::Left),
            ("ROLE", Align::Left),
            ("TERM", Align::Right),
            ("LEADER", Align::Left),
            ("COMMITTED", Align::Right),
            ("APPLIED", Align::Right),
            ("END", Align::Right),
            ("LAG ENTRIES", Align::Right),
            ("LAG BYTES", Align::Right),
            ("LAG MS", Align::Right),
            ("STATE", Align::Left),
        ]);
        for node in &self.nodes {
            let (status, lag) = (node.status.as_ref(), node.seen_by_leader.as_ref().and_then(|seen| seen.lag));
            table.row([
                &node.broker_name,
                &shown(node.node.as_ref()),
                &shown(node.broker_id),
                &shown(node.broker_addr.as_ref()),
                &shown(node.role()),
                &shown(status.map(|status| status.term)),
                &shown(status.and_then(|status| status.leader.as_ref())),
                &node.place(|status| status.committed),
                &node.place(|status| status.applied),
                &node.end(),
                &shown(lag.map(|lag| lag.entries)),
                &shown(lag.map(|lag| lag.bytes)),
                &shown(lag.map(|lag| lag.ms)),
                &node.state(),
            ]);
        }
        table
    }

    fn histories(&self) -> Table {
        let mut table = Table::new(&[
            ("BROKER", Align::Left),
            ("NODE", Align::Left),
            ("ROLE", Align::Left),
            ("ELECTIONS", Align::Right),
            ("TIMES LED", Align::Right),
            ("LAST LED", Align::Left),
            ("LAST FAILOVER", Align::Left),
            ("TOOK MS", Align::Right),
            ("CATCH-UPS", Align::Right),
            ("CAUGHT UP BYTES", Align::Right),
            ("REFUSED", Align::Right),
        ]);
        for node in &self.nodes {
            let history = node.status.as_ref().map(|status| status.history);
            table.row([
                &node.broker_name,
                &shown(node.node.as_ref()),
                &shown(node.role()),
                &shown(history.map(|history| history.elections)),
                &shown(history.map(|history| history.times_led)),
                &shown(history.and_then(|history| history.last_led_ms).map(Timestamp)),
                &shown(history.and_then(|history| history.last_failover_ms).map(Timestamp)),
                &shown(history.and_then(|history| history.last_failover_took_ms)),
                &shown(history.map(|history| history.catch_ups)),
                &shown(history.map(|history| history.caught_up_bytes)),
                &shown(history.map(|history| history.refused)),
            ]);
        }
        table
    }
}

fn shown<T: fmt::Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
