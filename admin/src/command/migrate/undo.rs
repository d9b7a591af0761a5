//! `migrate undo`: back to where it was before `copy`, whatever stage was reached; `finish` alone cannot be undone.
//!
//! Producers are given the source back before the targets are closed to them. What was sent to the targets is consumed from there, and
//! when nothing is left, all that `copy` made is removed. Repeated, it goes on where it ended.

use clap::Args;
use client::{ORDER_TOPIC_CONFIG, PERM_WRITE};
use protocol::topic_name::is_retry_topic;
use serde::Serialize;

use super::inventory::Inventory;
use super::plan::Target;
use super::record::{Record, Stage};
use super::routes;
use super::sides::{Sides, source_name};
use super::wait::{Drain, Patience, Waited, not_drained, show};
use crate::command::Context;
use crate::failure::Failure;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Go back to how it was before the migration
#[derive(Debug, Args)]
pub(super) struct Undo {
    /// The source, by name or address
    #[arg(short = 'f', long, value_name = "BROKER")]
    from: String,
    #[command(flatten)]
    patience: Patience,
    /// Remove what was copied although messages at the targets are not consumed: they are lost
    #[arg(long)]
    force: bool,
}

/// What was taken from one target again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    target: String,
    topics: usize,
    groups: usize,
}

impl Row for Removed {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("TARGET", Align::Left), ("TOPICS REMOVED", Align::Right), ("GROUPS REMOVED", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.target, &self.topics, &self.groups]);
    }
}

impl Undo {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let from = source_name(&context.admin, &self.from).await?;
        let mut record = match Record::load(&context.admin, &from).await? {
            None => {
                let rows = Rows::<Removed>::new("targets", Vec::new());
                return context.output.show_rows(rows.fact("from", "From", from).fact(
                    "stage",
                    "Stage",
                    "nothing to undo",
                ));
            }
            Some(record) if record.stage == Stage::Finished => {
                return Err(Failure::Usage(format!("the migration from {from} is finished, and so cannot be undone")));
            }
            Some(record) => record,
        };
        let mut sides = Sides::without_targets(context, &from, record.to_name_servers.as_deref()).await?;
        let unmended = give_back_the_source(&sides, &mut record).await?;
        // A target that is gone is a reason to go back: it must not keep the source closed.
        if let Err(failure) = sides.find_targets(&record.to).await {
            let what = format!(
                "producers are back at {from}, but what was copied is not removed yet; undo again once the targets are there:"
            );
            return Err(Failure::Unready { what, reasons: vec![failure.to_string()] });
        }
        close_targets(&sides, &record).await?;
        if !self.force {
            self.drain_targets(context, &sides, &record).await?;
        }
        let rows = remove_copies(&sides, &record).await?;
        record.remove(&sides.from_admin).await?;
        let rows = Rows::new("targets", rows)
            .fact("from", "From", from.as_str())
            .fact("stage", "Stage", "undone")
            .fact("shownWritable", "Shown as writable", unmended.join(","));
        context.output.show_rows(rows)
    }

    async fn drain_targets(&self, context: &mut Context<'_>, sides: &Sides, record: &Record) -> Result<(), Failure> {
        for target in &sides.to {
            // Nobody was told to send there yet.
            let since_ms = if record.stopped_ms.is_some() { record.undone_ms.unwrap_or(0) } else { 0 };
            let drain = Drain { admin: &sides.to_admin, broker: target, since_ms };
            let copied = |mut inventory: Inventory| {
                inventory.topics.retain(|topic, _| record.made(&target.name, topic) || is_retry_topic(topic));
                inventory
            };
            let waited: Waited = drain.wait(record, &self.patience, false, copied).await?;
            if !waited.reasons.is_empty() {
                show(context, &target.name, &waited, "undo again")?;
                let what = format!(
                    "producers are back at {}, but what they sent to {} is not consumed yet; undo again, or --force gives it up:",
                    record.from, target.name
                );
                return not_drained(what, waited.reasons);
            }
        }
        Ok(())
    }
}

/// Returns the topics that name servers show as readable and writable although the source has them otherwise.
async fn give_back_the_source(sides: &Sides, record: &mut Record) -> Result<Vec<String>, Failure> {
    record.undone_ms.get_or_insert(Timestamp::now().0);
    record.stage = Stage::Undoing;
    record.save(&sides.from_admin).await?;
    let unmended = match record.stopped_ms {
        Some(_) if !record.was_closed => routes::open(&sides.from_admin, &sides.from).await?,
        _ => Vec::new(),
    };
    for (topic, change) in &record.orders {
        // Somebody else's later change stays.
        if sides.to_admin.key_value(ORDER_TOPIC_CONFIG, topic).await?.as_ref() == Some(&change.after) {
            match &change.before {
                Some(before) => sides.to_admin.put_key_value(ORDER_TOPIC_CONFIG, topic, before).await?,
                None => sides.to_admin.delete_key_value(ORDER_TOPIC_CONFIG, topic).await?,
            }
        }
    }
    Ok(unmended)
}

async fn close_targets(sides: &Sides, record: &Record) -> Result<(), Failure> {
    for target in Target::look_at_all(sides).await? {
        let is_copy = |topic: &str| record.made(&target.broker.name, topic) && routes::is_closed_while_copying(topic);
        let copies: Vec<_> = target.topics.values().filter(|there| is_copy(&there.topic_name)).collect();
        let names: Vec<_> = copies.iter().map(|there| there.topic_name.clone()).collect();
        let closed = copies.into_iter().map(|there| (there, there.perm & !PERM_WRITE));
        routes::set_perms(&sides.to_admin, &target.broker, closed).await?;
        let is_closed = |perm: Option<i32>| perm.is_none_or(|perm| perm & PERM_WRITE == 0);
        routes::wait_until(&sides.to_admin, &target.broker, &names, "as read only", is_closed).await?;
    }
    Ok(())
}

/// A deleted topic stays in the routes of some name servers, so it goes without any permission.
async fn remove_copies(sides: &Sides, record: &Record) -> Result<Vec<Removed>, Failure> {
    let mut rows = Vec::new();
    for target in Target::look_at_all(sides).await? {
        let (admin, broker) = (&sides.to_admin, &target.broker);
        let created = record.created.get(&broker.name).cloned().unwrap_or_default();
        let copies: Vec<_> =
            target.topics.values().filter(|there| created.topics.contains(&there.topic_name)).collect();
        let names: Vec<_> = copies.iter().map(|there| there.topic_name.clone()).collect();
        routes::set_perms(admin, broker, copies.into_iter().map(|there| (there, 0))).await?;
        let is_shut = |perm: Option<i32>| perm.is_none_or(|perm| perm == 0);
        routes::wait_until(admin, broker, &names, "without permissions", is_shut).await?;
        for topic in &names {
            admin.delete_topic_in_broker(&broker.address, topic).await?;
        }
        let groups: Vec<_> = created.groups.iter().filter(|group| target.groups.contains_key(*group)).collect();
        for group in &groups {
            admin.delete_group(&broker.address, group, true).await?;
        }
        rows.push(Removed { target: broker.name.clone(), topics: names.len(), groups: groups.len() });
    }
    Ok(rows)
}
