//! What takes a shard too long to answer in one turn: how far consumer groups are behind, and who is connected.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use protocol::body::ConsumeType;
use protocol::record::decode_record;
use protocol::topic_name::is_retry_topic;

use super::traffic::OTHERS;
use crate::env::Env;
use crate::group_members::Member;
use crate::shard::Shard;

/// Pairs of group and topic whose lag is told apart; that of further ones is summed under [`OTHERS`].
pub(crate) const LAG_METRICS_MAX: usize = 500;
/// Queues looked at for one report. Pairs beyond are only counted.
const LAG_QUEUES_MAX: usize = 50_000;
/// Groups looked at for one report.
const GROUPS_MAX: usize = 10_000;
/// Looked at in one turn of the shard, up to the end of a topic; then requests go first.
const TURN_QUEUES: usize = 256;
/// Kinds of connections that are told apart: by group, language and version. Further ones are summed.
const CONNECTION_METRICS_MAX: usize = 500;
/// The log's first message is looked for in as many bytes: only control records may stand before it.
const FIRST_MESSAGE_WITHIN: u64 = 1 << 20;

/// How far a group is behind in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) is_retry: bool,
    pub(crate) messages: u64,
}

/// Connections of one kind; of producers, `group` and `mode` are empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionKind {
    pub(crate) group: String,
    pub(crate) language: &'static str,
    pub(crate) version: i32,
    pub(crate) mode: &'static str,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct GroupReport {
    pub(crate) lags: Vec<Lag>,
    /// Pairs of group and topic whose lag was not looked at, among the groups that were.
    pub(crate) lags_left_out: usize,
    pub(crate) producers: BTreeMap<ConnectionKind, u64>,
    pub(crate) consumers: BTreeMap<ConnectionKind, u64>,
    /// When the oldest message of the log was stored, ms since 1970.
    pub(crate) first_stored_ms: Option<i64>,
}

impl GroupReport {
    /// Gathers a report in the background, turn by turn. `None` if one is being gathered.
    pub(crate) async fn gather<E: Env>(shard: Rc<Shard<E>>) -> Option<Self> {
        if shard.metrics.gathers_groups.replace(true) {
            return None;
        }
        let mut report = Self::default();
        gather_lags(&shard, &mut report).await;
        gather_connections(&shard, &mut report).await;
        report.first_stored_ms = first_stored(&shard).await;
        shard.metrics.gathers_groups.set(false);
        Some(report)
    }
}

async fn gather_lags<E: Env>(shard: &Shard<E>, report: &mut GroupReport) {
    let groups: Vec<Rc<str>> = shard.tables.borrow().offsets.groups().take(GROUPS_MAX).cloned().collect();
    let (mut looked_at, mut this_turn) = (0, 0);
    let mut others = Lag { group: OTHERS.to_owned(), topic: OTHERS.to_owned(), is_retry: false, messages: 0 };
    for group in groups {
        let topics: Vec<String> = shard.tables.borrow().offsets.topics_of_group(&group).map(str::to_owned).collect();
        for topic in topics {
            if looked_at >= LAG_QUEUES_MAX {
                report.lags_left_out += 1;
                continue;
            }
            let (messages, queues) = lag(shard, &group, &topic);
            looked_at += queues + 1;
            this_turn += queues + 1;
            if report.lags.len() < LAG_METRICS_MAX {
                let is_retry = is_retry_topic(&topic);
                report.lags.push(Lag { group: group.to_string(), topic, is_retry, messages });
            } else {
                others.messages += messages;
            }
            if this_turn >= TURN_QUEUES {
                this_turn = 0;
                next_turn().await;
            }
        }
    }
    if others.messages > 0 {
        report.lags.push(others);
    }
}

/// Messages of the topic that the group has not committed, and how many queues that took. A queue without a commit
/// counts from its first message.
fn lag<E: Env>(shard: &Shard<E>, group: &str, topic: &str) -> (u64, usize) {
    let (tables, queues) = (shard.tables.borrow(), shard.store.queues().borrow());
    let mut committed = tables.offsets.committed(group, topic).peekable();
    let (mut messages, mut count) = (0, 0);
    for (queue_id, index) in queues.of_topic(topic) {
        count += 1;
        let Some(queue) = queues.get(index) else { continue };
        // Both ascend by queue id.
        while committed.next_if(|(id, _)| i64::from(*id) < i64::from(queue_id)).is_some() {}
        let offset = committed.next_if(|(id, _)| i64::from(*id) == i64::from(queue_id)).map_or(0, |(_, offset)| offset);
        let from = u64::try_from(offset).unwrap_or(0).max(queue.first());
        messages += queue.readable().saturating_sub(from);
    }
    (messages, count)
}

async fn gather_connections<E: Env>(shard: &Shard<E>, report: &mut GroupReport) {
    let groups: Vec<Rc<str>> = shard.clients.borrow().producers.groups().take(GROUPS_MAX).cloned().collect();
    for group in groups {
        let versions = count_versions(shard.clients.borrow().producers.members(&group));
        for ((language, version), members) in versions {
            let kind = ConnectionKind { group: String::new(), language, version, mode: "" };
            add(&mut report.producers, kind, members);
        }
        next_turn().await;
    }
    let groups: Vec<String> = shard.clients.borrow().consumers.groups().take(GROUPS_MAX).map(str::to_owned).collect();
    for group in groups {
        let (mode, versions) = {
            let consumers = &shard.clients.borrow().consumers;
            (consumers.consume_type(&group).map_or("", consume_mode), count_versions(consumers.members(&group)))
        };
        for ((language, version), members) in versions {
            add(&mut report.consumers, ConnectionKind { group: group.clone(), language, version, mode }, members);
        }
        next_turn().await;
    }
}

fn count_versions<'a>(members: impl Iterator<Item = (u64, &'a Member)>) -> BTreeMap<(&'static str, i32), u64> {
    let mut versions = BTreeMap::new();
    for (_, member) in members {
        *versions.entry((member.language.name(), member.version)).or_default() += 1;
    }
    versions
}

fn add(kinds: &mut BTreeMap<ConnectionKind, u64>, kind: ConnectionKind, members: u64) {
    let is_full = kinds.len() >= CONNECTION_METRICS_MAX && !kinds.contains_key(&kind);
    let others = || ConnectionKind { group: OTHERS.to_owned(), language: "OTHER", version: 0, mode: "" };
    *kinds.entry(if is_full { others() } else { kind }).or_default() += members;
}

/// As the reference names it.
fn consume_mode(consume_type: ConsumeType) -> &'static str {
    match consume_type {
        ConsumeType::Actively => "pull",
        ConsumeType::Passively => "push",
        ConsumeType::Pop => "pop",
    }
}

/// Looked up once for each first segment: what comes later is younger.
pub(crate) async fn first_stored<E: Env>(shard: &Shard<E>) -> Option<i64> {
    let log = shard.store.log();
    let first = log.first();
    if let Some((of, stored_ms)) = shard.metrics.first_stored.get()
        && of == first
    {
        return Some(stored_ms);
    }
    let found = RefCell::new(None);
    let to = log.stable().min(first + FIRST_MESSAGE_WITHIN);
    let read = log.read_entries(first, to, |header, payload| {
        if header.message_count > 0
            && found.borrow().is_none()
            && let Ok((record, _)) = decode_record(payload)
        {
            found.replace(Some(record.store_timestamp));
        }
        Ok(())
    });
    if let Err(error) = read.await {
        // Its segment may have been removed meanwhile; damage is reported by whoever needs the data.
        tracing::debug!(%error, shard = shard.identity.broker_name, "the log's first message was not found");
    }
    let stored_ms = found.into_inner()?;
    shard.metrics.first_stored.set(Some((first, stored_ms)));
    Some(stored_ms)
}

/// Lets the shard do what is due.
async fn next_turn() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
