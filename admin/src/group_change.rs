//! One change of the members of a broker group, carried out in every shard of its nodes: each is a group of its own with a
//! leader of its own.
//!
//! Brokers are told what is wanted again and again until it is so, and answer how far it is: so it does not matter how often
//! a command was begun, or where it ended before.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{ClientError, MASTER_ID, WithCauses};
use protocol::ResponseCode;
use protocol::body::{ClusterInfo, MemberChange, ReplicationStatus};
use serde::Serialize;

use crate::command::Context;
use crate::failure::Failure;

/// How often brokers are asked how far it is.
const POLL: Duration = Duration::from_millis(250);
/// Progress that is only a smaller number is shown this often.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// What is wanted; nodes by name.
#[derive(Clone, Debug)]
pub(crate) enum GroupChange {
    /// `node`, whose shard 0 listens at `address`, votes; `replaces` does not.
    Add { node: String, address: SocketAddr, replaces: Option<String> },
    /// `node` is no member.
    Remove { node: String },
}

/// How far one shard is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShardProgress {
    broker_name: String,
    done: bool,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_left: Option<u64>,
    /// It is given up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
}

impl fmt::Display for ShardProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.broker_name)?;
        if self.done {
            f.write_str("done: ")?;
        }
        if self.failed {
            f.write_str("refused: ")?;
        }
        f.write_str(&self.text)?;
        match self.bytes_left {
            Some(bytes) => writeln!(f, ", {bytes} bytes left"),
            None => writeln!(f),
        }
    }
}

struct Shard {
    last: ShardProgress,
    shown_at: Option<Instant>,
}

impl Shard {
    fn new(broker_name: String) -> Self {
        let text = String::new();
        Self { last: ShardProgress { broker_name, done: false, text, bytes_left: None, failed: false }, shown_at: None }
    }

    fn is_over(&self) -> bool {
        self.last.done || self.last.failed
    }
}

/// Carries out the change in all shards of `broker`, and shows how far it is. Gives up after `within`.
pub(crate) async fn carry_out(
    context: &mut Context<'_>,
    broker: &str,
    change: &GroupChange,
    within: Duration,
) -> Result<(), Failure> {
    let names = shards_of(context, broker).await?;
    let mut shards: Vec<Shard> = names.into_iter().map(Shard::new).collect();
    let began = Instant::now();
    loop {
        let info = context.admin.cluster_info().await;
        for shard in shards.iter_mut().filter(|shard| !shard.is_over()) {
            let next = match &info {
                Ok(info) => ask(context, info, &shard.last.broker_name, change).await,
                Err(error) => not_yet(&shard.last.broker_name, WithCauses(error).to_string()),
            };
            show(context, shard, next)?;
        }
        if shards.iter().all(Shard::is_over) {
            break;
        }
        if began.elapsed() >= within {
            let open = shards.iter().filter(|shard| !shard.is_over());
            let open: Vec<String> = open.map(|shard| shard.last.to_string().trim_end().to_owned()).collect();
            let (seconds, open) = (within.as_secs(), open.join("\n"));
            return Err(Failure::Usage(format!(
                "not done after {seconds} s; what was begun goes on by itself, and the same command shows how far it is:\n{open}"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    let failed: Vec<&str> =
        shards.iter().filter(|shard| shard.last.failed).map(|shard| shard.last.broker_name.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let reason = shards.iter().find(|shard| shard.last.failed).map_or("", |shard| &shard.last.text);
    Err(Failure::Usage(format!("refused by {}: {reason}", failed.join(", "))))
}

/// Shows what has changed.
fn show(context: &mut Context<'_>, shard: &mut Shard, next: ShardProgress) -> Result<(), Failure> {
    let is_new = (next.done, next.failed, &next.text) != (shard.last.done, shard.last.failed, &shard.last.text);
    let is_due = shard.shown_at.is_none_or(|at| at.elapsed() >= SHOWN_EVERY);
    if is_new || (is_due && next.bytes_left != shard.last.bytes_left) {
        context.output.show(&next)?;
        shard.shown_at = Some(Instant::now());
        shard.last = next;
    }
    Ok(())
}

fn not_yet(broker_name: &str, text: String) -> ShardProgress {
    ShardProgress { broker_name: broker_name.to_owned(), done: false, text, bytes_left: None, failed: false }
}

async fn ask(context: &Context<'_>, info: &ClusterInfo, name: &str, change: &GroupChange) -> ShardProgress {
    let leader = info.broker_addr_table.get(name).and_then(|broker| broker.broker_addrs.get(&MASTER_ID));
    let Some(leader) = leader else { return not_yet(name, "waiting for it to have a leader".to_owned()) };
    let asked = match change {
        GroupChange::Add { node, address, replaces } => {
            context.admin.add_replica(leader, node, *address, replaces.as_deref()).await
        }
        GroupChange::Remove { node } => context.admin.remove_replica(leader, node).await,
    };
    match asked {
        Ok(MemberChange { is_done, text, bytes_left }) => {
            ShardProgress { done: is_done, bytes_left, ..not_yet(name, text) }
        }
        Err(error) => ShardProgress { failed: is_final(&error), ..not_yet(name, WithCauses(&error).to_string()) },
    }
}

/// Whether asking again would change nothing.
fn is_final(error: &ClientError) -> bool {
    [ResponseCode::INVALID_PARAMETER, ResponseCode::REQUEST_CODE_NOT_SUPPORTED]
        .iter()
        .any(|code| error.response_code() == Some(*code))
}

/// Names of all shards of the nodes that `broker` is a shard of.
async fn shards_of(context: &Context<'_>, broker: &str) -> Result<Vec<String>, Failure> {
    let info = context.admin.cluster_info().await?;
    let Some(data) = info.broker_addr_table.get(broker) else {
        let known: Vec<&str> = info.broker_addr_table.keys().map(String::as_str).collect();
        return Err(Failure::Usage(format!("broker {broker} is not registered; those that are: {}", known.join(", "))));
    };
    let mut reasons = Vec::new();
    for address in data.broker_addrs.values() {
        match context.admin.broker_runtime_info(address).await {
            Ok(information) => {
                let Some(status) = ReplicationStatus::read(&information.table) else {
                    return Err(Failure::Usage(format!("broker {broker} has its log to itself: it has no replicas")));
                };
                return Ok(names_of_shards(broker, status.shard, status.shards));
            }
            Err(error) => reasons.push(WithCauses(&error).to_string()),
        }
    }
    Err(Failure::Usage(format!("no node of broker {broker} answers: {}", reasons.join("; "))))
}

fn names_of_shards(broker: &str, shard: u32, shards: u32) -> Vec<String> {
    let first = if shard == 0 { broker } else { broker.strip_suffix(&format!("-{shard}")).unwrap_or(broker) };
    let others = (1..shards).map(|shard| format!("{first}-{shard}"));
    std::iter::once(first.to_owned()).chain(others).collect()
}

/// `n3-host:port` as in `dLegerPeers`; the host becomes an IP address, which is what the group's log keeps.
pub(crate) async fn node_and_address(text: &str) -> Result<(String, SocketAddr), Failure> {
    let wrong = || Failure::Usage(format!("{text} is no node as in dLegerPeers, n3-10.0.0.4:40911"));
    let (node, address) = text.split_once('-').ok_or_else(wrong)?;
    check_node(node)?;
    let found = tokio::net::lookup_host(address).await;
    let addresses: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let address = first.ok_or_else(|| Failure::Usage(format!("{address} has no IP address here")))?;
    Ok((node.to_owned(), *address))
}

/// `n` and a number.
pub(crate) fn check_node(node: &str) -> Result<(), Failure> {
    let digits = node.strip_prefix('n').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Failure::Usage(format!("{node} is no node's name: n and a number, as in dLegerPeers")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_a_node_are_named_after_the_first() {
        assert_eq!(names_of_shards("trio", 0, 3), ["trio", "trio-1", "trio-2"]);
        assert_eq!(names_of_shards("trio-2", 2, 3), ["trio", "trio-1", "trio-2"]);
        assert_eq!(names_of_shards("a-1", 0, 1), ["a-1"]);
    }

    #[tokio::test]
    async fn a_node_is_given_as_in_the_configuration() {
        let (node, address) = node_and_address("n3-127.0.0.1:40911").await.unwrap();
        assert_eq!((node.as_str(), address), ("n3", "127.0.0.1:40911".parse().unwrap()));
        assert!(node_and_address("n3-[::1]:40911").await.unwrap().1.is_ipv6());
        for wrong in ["n3", "3-127.0.0.1:1", "n-127.0.0.1:1", "nx-127.0.0.1:1", "n3-127.0.0.1"] {
            assert!(node_and_address(wrong).await.is_err(), "{wrong}");
        }
    }
}
