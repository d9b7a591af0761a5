//! `migrate copy`: topics, groups and offsets are made at the targets.
//!
//! New topics are read only until `stop-writes`: consumers find the new queues and take them while they are empty, and no producer
//! sends to them yet. A copy can be repeated, before and after `stop-writes`, for what came to the source meanwhile.

use std::collections::BTreeMap;

use clap::Args;
use client::{Admin, ClientError, ORDER_TOPIC_CONFIG, PERM_WRITE, WithCauses};
use protocol::body::{SubscriptionGroupConfig, TopicConfig};
use serde::Serialize;

use super::inventory::Inventory;
use super::order_list;
use super::plan::{Ends, Target};
use super::record::{OrderChange, Record, Stage};
use super::routes;
use super::sides::Sides;
use super::starting_offsets;
use crate::command::Context;
use crate::concurrently::concurrently;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Make topics, groups and offsets at the targets; producers do not notice yet
#[derive(Debug, Args)]
pub(super) struct Copy {
    #[command(flatten)]
    ends: Ends,
}

/// What one target got.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Copied {
    target: String,
    topics: usize,
    groups: usize,
    offsets: usize,
}

impl Row for Copied {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("TARGET", Align::Left),
        ("TOPICS MADE", Align::Right),
        ("GROUPS MADE", Align::Right),
        ("OFFSETS SET", Align::Right),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([&self.target, &self.topics, &self.groups, &self.offsets]);
    }
}

impl Copy {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let Ends { from, to, to_name_servers, leave } = &self.ends;
        let sides = Sides::given(context, from, to, to_name_servers.as_deref()).await?;
        let mut record = begun(&sides, to_name_servers.as_ref()).await?;
        if !leave.is_empty() {
            record.left = leave.iter().cloned().collect();
        }
        let inventory = Inventory::of(&sides.from_admin, &sides.from.address, &record.left).await?;
        refuse_immovable(&inventory)?;
        let targets = Target::look_at_all(&sides).await?;
        let made: Vec<_> = targets.iter().map(|target| note_missing(&mut record, target, &inventory)).collect();
        // Before anything is made, so that undo knows of it whatever happens now.
        record.save(&sides.from_admin).await?;
        let mut refusals = Vec::new();
        for target in &targets {
            refusals.extend(make(&sides.to_admin, target, &inventory, &record).await);
        }
        if !refusals.is_empty() {
            let what =
                "targets refused what follows; nothing changed for producers. --leave what may stay, and copy again:";
            return Err(Failure::Unready { what: what.to_owned(), reasons: refusals });
        }
        let mut rows = Vec::new();
        for (target, (topics, groups)) in Target::look_at_all(&sides).await?.iter().zip(made) {
            let offsets = starting_offsets::set(&sides.to_admin, target, &inventory, &record).await?;
            rows.push(Copied { target: target.broker.name.clone(), topics, groups, offsets });
            let names: Vec<_> = record.created[&target.broker.name].topics.iter().cloned().collect();
            routes::wait_until(&sides.to_admin, &target.broker, &names, "", |perm| perm.is_some()).await?;
        }
        if !sides.is_one_set {
            give_orders(&sides, &inventory, &mut record).await?;
        }
        if record.stage == Stage::Copying {
            record.stage = Stage::Copied;
        }
        record.copied_ms = Some(Timestamp::now().0);
        record.save(&sides.from_admin).await?;
        let rows = Rows::new("targets", rows)
            .fact("from", "From", sides.from.name.as_str())
            .fact("stage", "Stage", record.stage.name())
            .fact("next", "Next", record.stage.next());
        context.output.show_rows(rows)
    }
}

/// The migration that is under way between the two, or a new one.
async fn begun(sides: &Sides, to_name_servers: Option<&String>) -> Result<Record, Failure> {
    let from = &sides.from.name;
    let to: Vec<_> = sides.to.iter().map(|target| target.name.clone()).collect();
    match Record::load(&sides.from_admin, from).await? {
        Some(record) if record.stage == Stage::Undoing => Err(Failure::Usage(format!(
            "the migration from {from} is being undone; `mqadmin migrate undo --from {from}` ends that, then copy"
        ))),
        Some(record) if record.stage != Stage::Finished && record.to != to => Err(Failure::Usage(format!(
            "a migration from {from} to {} is under way; finish or undo it first",
            record.to.join(",")
        ))),
        Some(record) if record.stage != Stage::Finished => Ok(record),
        _ => Ok(Record::new(from, to, to_name_servers.cloned(), Timestamp::now().0)),
    }
}

pub(super) fn refuse_immovable(inventory: &Inventory) -> Result<(), Failure> {
    if inventory.immovable.is_empty() {
        return Ok(());
    }
    let reasons = inventory.immovable.iter().map(|of| format!("{} {}: {}", of.kind, of.name, of.why));
    let what = "no target can take what follows; --leave it where it is, if the source may keep it:".to_owned();
    Err(Failure::Unready { what, reasons: reasons.collect() })
}

/// Notes what the target does not have. Returns how many topics and groups that are.
fn note_missing(record: &mut Record, target: &Target, inventory: &Inventory) -> (usize, usize) {
    let created = record.created.entry(target.broker.name.clone()).or_default();
    let topics: Vec<_> = inventory.topics.keys().filter(|name| !target.topics.contains_key(*name)).cloned().collect();
    let groups: Vec<_> = inventory.groups.keys().filter(|name| !target.groups.contains_key(*name)).cloned().collect();
    let counts = (topics.len(), groups.len());
    created.topics.extend(topics);
    created.groups.extend(groups);
    counts
}

/// Makes all that the target does not have, and returns what it refused.
async fn make(admin: &Admin, target: &Target, inventory: &Inventory, record: &Record) -> Vec<String> {
    let address = target.broker.address.as_str();
    let groups = inventory.groups.values().filter(|group| !target.groups.contains_key(&group.group_name));
    let make_group = |group: &SubscriptionGroupConfig| {
        let group = with_changes(group);
        async move { named("group", &group.group_name, target, admin.create_group(address, &group).await) }
    };
    let mut refusals = concurrently(groups.map(make_group), |_| {}).await;
    let topics: Vec<_> =
        inventory.topics.values().filter(|topic| !target.topics.contains_key(&topic.topic_name)).collect();
    let mut progress = Progress::new("topics", topics.len());
    let make_topic = |topic: &TopicConfig| {
        let config = TopicConfig { perm: perm_at_first(topic, record.stage), ..topic.clone() };
        let attributes = attribute_changes(&config.attributes);
        async move { named("topic", &config.topic_name, target, admin.create_topic(address, &config, &attributes).await) }
    };
    refusals.extend(concurrently(topics.into_iter().map(make_topic), |count| progress.done(count)).await);
    refusals.into_iter().flatten().collect()
}

/// Once producers send to the targets, a new topic is for them too.
fn perm_at_first(topic: &TopicConfig, stage: Stage) -> i32 {
    let is_closed = stage != Stage::Stopped && routes::is_closed_while_copying(&topic.topic_name);
    if is_closed { topic.perm & !PERM_WRITE } else { topic.perm }
}

fn named(kind: &str, name: &str, target: &Target, result: Result<(), ClientError>) -> Option<String> {
    result.err().map(|error| format!("{kind} {name} at {}: {}", target.broker.name, WithCauses(&error)))
}

/// What a broker has are values, what it takes are changes.
fn attribute_changes(attributes: &BTreeMap<String, String>) -> String {
    let changes: Vec<_> = attributes.iter().map(|(key, value)| format!("+{key}={value}")).collect();
    changes.join(",")
}

fn with_changes(group: &SubscriptionGroupConfig) -> SubscriptionGroupConfig {
    let changes = group.attributes.iter().map(|(key, value)| (format!("+{key}"), value.clone()));
    SubscriptionGroupConfig { attributes: changes.collect(), ..group.clone() }
}

/// Name servers of their own know no queue order yet. Where both sides have the same, it moves with `stop-writes`.
async fn give_orders(sides: &Sides, inventory: &Inventory, record: &mut Record) -> Result<(), Failure> {
    for config in inventory.topics.values() {
        let topic = &config.topic_name;
        let Some(list) = sides.from_admin.key_value(ORDER_TOPIC_CONFIG, topic).await? else { continue };
        let to: Vec<_> = sides.to.iter().map(|target| (target.name.as_str(), config.write_queue_nums)).collect();
        let Some(after) = order_list::moved(&list, &sides.from.name, &to) else { continue };
        let before = sides.to_admin.key_value(ORDER_TOPIC_CONFIG, topic).await?;
        record.orders.entry(topic.clone()).or_insert(OrderChange { before, after: after.clone() });
        record.save(&sides.from_admin).await?;
        sides.to_admin.put_key_value(ORDER_TOPIC_CONFIG, topic, &after).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_topic_is_read_only_until_producers_send_to_the_targets() {
        let topic = |name: &str| TopicConfig { topic_name: name.to_owned(), ..TopicConfig::default() };
        assert_eq!(perm_at_first(&topic("orders"), Stage::Copying), 4);
        assert_eq!(perm_at_first(&topic("orders"), Stage::Stopped), 6);
        assert_eq!(perm_at_first(&topic("%RETRY%g"), Stage::Copying), 6);
    }

    #[test]
    fn attributes_go_as_changes() {
        let attributes = [("message.type", "FIFO"), ("a", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(attribute_changes(&attributes.into()), "+a=1,+message.type=FIFO");
    }
}
