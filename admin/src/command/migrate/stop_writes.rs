//! `migrate stop-writes`: producers go over to the targets.
//!
//! First the targets take messages and every name server says so, then every name server takes the write permission off the source:
//! there is no moment without a queue to send to. Messages that a producer sends to the source meanwhile, until its next look at the
//! route, are stored there and consumed from there.

use clap::Args;
use client::{ORDER_TOPIC_CONFIG, PERM_WRITE};
use protocol::topic_name::CLIENT_INNER_PRODUCER_GROUP;
use serde::Serialize;

use super::copy::refuse_immovable;
use super::inventory::Inventory;
use super::order_list;
use super::plan::Target;
use super::record::{OrderChange, Record, Stage};
use super::routes;
use super::sides::{Sides, source_name};
use super::starting_offsets;
use crate::command::Context;
use crate::failure::Failure;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// What a client takes to find new queues and to take its share of them: a look at the route every 30 s, a rebalance every 20 s.
const FOUND_WITHIN_MS: i64 = 60_000;

/// Open the targets to producers and close the source to them
#[derive(Debug, Args)]
pub(super) struct StopWrites {
    /// The source, by name or address
    #[arg(short = 'f', long, value_name = "BROKER")]
    from: String,
    /// Also while broadcasting consumers may not have found the targets, or producers use the source's own name servers
    #[arg(long)]
    force: bool,
}

/// One name server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) name_server: String,
    pub(super) topics: i32,
}

impl Row for Told {
    const COLUMNS: &'static [(&'static str, Align)] = &[("NAME SERVER", Align::Left), ("TOPICS CHANGED", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.name_server, &self.topics]);
    }
}

impl StopWrites {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let from = source_name(&context.admin, &self.from).await?;
        let mut record = Record::load_open(&context.admin, &from).await?;
        if !matches!(record.stage, Stage::Copied | Stage::Stopped) {
            let (stage, next) = (record.stage.name(), record.stage.next());
            return Err(Failure::Usage(format!("the migration from {from} is at {stage:?}; next is: {next}")));
        }
        let sides = Sides::of(context, &record).await?;
        let inventory = Inventory::of(&sides.from_admin, &sides.from.address, &record.left).await?;
        refuse_immovable(&inventory)?;
        let targets = Target::look_at_all(&sides).await?;
        let mut reasons = missing(&inventory, &targets, &record);
        if !self.force {
            reasons.extend(unsafe_for_clients(&sides, &inventory, &record).await?);
        }
        if !reasons.is_empty() {
            let what = format!("writes to {from} are not stopped, nothing changed:");
            return Err(Failure::Unready { what, reasons });
        }
        for target in &targets {
            // For groups that came since the copy; queues that are made by it are still empty.
            starting_offsets::set(&sides.to_admin, target, &inventory, &record).await?;
        }
        open_targets(&sides, &inventory, &targets, &record).await?;
        note_if_closed(&sides, &inventory, &mut record).await?;
        if sides.is_one_set {
            move_orders(&sides, &inventory, &mut record).await?;
        }
        // Noted first: if this ends in the middle, undo knows that the source may be closed.
        record.stage = Stage::Stopped;
        record.stopped_ms.get_or_insert(Timestamp::now().0);
        record.save(&sides.from_admin).await?;
        let counts = routes::close(&sides.from_admin, &sides.from).await?;
        let told = counts.into_iter().map(|(name_server, topics)| Told { name_server, topics });
        let rows = Rows::new("nameServers", told.collect())
            .fact("from", "From", from.as_str())
            .fact("to", "To", record.to.join(","))
            .fact("stage", "Stage", record.stage.name())
            .fact("next", "Next", record.stage.next());
        context.output.show_rows(rows)
    }
}

/// What producers would not find at a target.
pub(super) fn missing(inventory: &Inventory, targets: &[Target], record: &Record) -> Vec<String> {
    let mut reasons = Vec::new();
    for target in targets {
        let name = &target.broker.name;
        for config in inventory.topics.values() {
            let topic = &config.topic_name;
            let is_written = config.perm & PERM_WRITE != 0;
            match target.topics.get(topic) {
                None => reasons.push(format!("topic {topic} is not at {name}: copy again")),
                Some(there) if is_written && there.perm & PERM_WRITE == 0 && !record.made(name, topic) => {
                    reasons.push(format!(
                        "topic {topic} was read only at {name} before: updateTopicPerm -b {} -t {topic} -p 6",
                        target.broker.address
                    ))
                }
                Some(_) => {}
            }
        }
        for group in inventory.groups.keys().filter(|group| !target.groups.contains_key(*group)) {
            reasons.push(format!("group {group} is not at {name}: copy again"));
        }
    }
    reasons
}

async fn unsafe_for_clients(sides: &Sides, inventory: &Inventory, record: &Record) -> Result<Vec<String>, Failure> {
    let mut reasons = Vec::new();
    let age_ms = Timestamp::now().0 - record.copied_ms.unwrap_or(0);
    if record.stage == Stage::Copied && age_ms < FOUND_WITHIN_MS {
        let broadcasting = inventory.groups.keys().filter(|group| inventory.is_broadcasting(group));
        reasons.extend(broadcasting.map(|group| {
            let seconds = (FOUND_WITHIN_MS - age_ms) / 1000 + 1;
            format!("broadcasting group {group} may not have found the targets yet: in {seconds} s, or --force")
        }));
    }
    if !sides.is_one_set {
        let producers = sides.from_admin.producers(&sides.from.address).await?.data;
        let connected = producers.keys().filter(|group| *group != CLIENT_INNER_PRODUCER_GROUP);
        reasons.extend(connected.map(|group| {
            format!(
                "producers of group {group} use name servers that do not know the targets: move them first, or --force"
            )
        }));
    }
    Ok(reasons)
}

async fn open_targets(
    sides: &Sides,
    inventory: &Inventory,
    targets: &[Target],
    record: &Record,
) -> Result<(), Failure> {
    let written: Vec<_> = inventory.written().map(|config| config.topic_name.clone()).collect();
    for target in targets {
        let made = target.topics.values().filter(|there| record.made(&target.broker.name, &there.topic_name));
        let opened = made.filter_map(|there| Some((there, inventory.topics.get(&there.topic_name)?.perm)));
        routes::set_perms(&sides.to_admin, &target.broker, opened).await?;
        let is_open = |perm: Option<i32>| perm.is_some_and(|perm| perm & PERM_WRITE != 0);
        routes::wait_until(&sides.to_admin, &target.broker, &written, "as writable", is_open).await?;
    }
    Ok(())
}

/// Whether somebody else has closed the source before this did.
async fn note_if_closed(sides: &Sides, inventory: &Inventory, record: &mut Record) -> Result<(), Failure> {
    let Some(topic) = routes::sample(inventory.written()) else { return Ok(()) };
    if record.stage == Stage::Copied {
        let name_server = &sides.source_name_servers()[0];
        let perm = routes::perm_at(&sides.from_admin, name_server, &sides.from, &topic).await?;
        record.was_closed = perm.is_some_and(|perm| perm & PERM_WRITE == 0);
    }
    Ok(())
}

/// Producers of ordered topics go by the queue order, so the targets take the source's place in it.
async fn move_orders(sides: &Sides, inventory: &Inventory, record: &mut Record) -> Result<(), Failure> {
    for config in inventory.topics.values() {
        let topic = &config.topic_name;
        let Some(list) = sides.from_admin.key_value(ORDER_TOPIC_CONFIG, topic).await? else { continue };
        let to: Vec<_> = sides.to.iter().map(|target| (target.name.as_str(), config.write_queue_nums)).collect();
        let Some(after) = order_list::moved(&list, &sides.from.name, &to) else { continue };
        let change = OrderChange { before: Some(list), after: after.clone() };
        record.orders.entry(topic.clone()).or_insert(change);
        record.save(&sides.from_admin).await?;
        sides.from_admin.put_key_value(ORDER_TOPIC_CONFIG, topic, &after).await?;
    }
    Ok(())
}
