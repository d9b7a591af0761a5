//! `migrate status`: how far a migration is, and what is left at the source.

use clap::Args;
use client::PERM_WRITE;

use super::backlog::GroupBacklog;
use super::inventory::Inventory;
use super::record::{Record, Stage};
use super::routes;
use super::sides::{Sides, source_name};
use super::source_look::SourceLook;
use crate::command::Context;
use crate::failure::Failure;
use crate::rows::Rows;
use crate::timestamp::Timestamp;

/// Show how far a migration is; changes nothing
#[derive(Debug, Args)]
pub(super) struct Status {
    /// The source, by name or address
    #[arg(short = 'f', long, value_name = "BROKER")]
    from: String,
}

impl Status {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let from = source_name(&context.admin, &self.from).await?;
        let Some(record) = Record::load(&context.admin, &from).await? else {
            return Record::load_open(&context.admin, &from).await.map(|_| ());
        };
        if record.stage == Stage::Finished {
            // The source is gone, most likely, and that is as it should be.
            let rows = head(&record, Rows::<GroupBacklog>::new("groups", Vec::new()));
            return context.output.show_rows(rows);
        }
        let sides = Sides::of(context, &record).await?;
        let inventory = Inventory::of(&sides.from_admin, &sides.from.address, &record.left).await?;
        let look = SourceLook::at(&sides.from_admin, &sides.from.address, &inventory, &[]).await?;
        let (at_source, at_targets) = (takes(&sides, &inventory, true).await?, takes(&sides, &inventory, false).await?);
        let mut groups = look.groups.clone();
        groups.sort_by_key(|group| -group.left);
        let rows = head(&record, Rows::new("groups", groups))
            .fact("writable", "Source writable at", at_source)
            .fact("targetsWritable", "Targets writable at", at_targets)
            .fact("left", "Messages left", look.left())
            .fact("delayed", "Delayed messages", look.delayed)
            .fact("timers", "Timer messages", look.timers)
            .fact("half", "Half messages", look.half)
            .fact("groupsWithoutOffsets", "Groups without offsets", look.without_offsets.join(","));
        context.output.show_rows(rows)
    }
}

/// What is known of a migration without asking a broker.
pub(super) fn head<T>(record: &Record, rows: Rows<T>) -> Rows<T> {
    let time = |ms: Option<i64>| ms.map(|ms| Timestamp(ms).to_string());
    rows.fact("from", "From", record.from.as_str())
        .fact("to", "To", record.to.join(","))
        .fact("stage", "Stage", record.stage.name())
        .fact("next", "Next", record.stage.next())
        .fact("copied", "Copied", time(record.copied_ms))
        .fact("stopped", "Writes stopped", time(record.stopped_ms))
}

/// `2 of 3 name servers`: by how many of them producers send to a side.
async fn takes(sides: &Sides, inventory: &Inventory, is_source: bool) -> Result<String, Failure> {
    let (admin, brokers, servers) = match is_source {
        true => (&sides.from_admin, std::slice::from_ref(&sides.from), sides.source_name_servers()),
        false => (&sides.to_admin, sides.to.as_slice(), sides.target_name_servers()),
    };
    let Some(topic) = routes::sample(inventory.written()) else { return Ok(String::new()) };
    let mut count = 0;
    for name_server in servers {
        let mut is_open = true;
        for broker in brokers {
            let perm = routes::perm_at(admin, name_server, broker, &topic).await?;
            is_open &= perm.is_some_and(|perm| perm & PERM_WRITE != 0);
        }
        count += usize::from(is_open);
    }
    Ok(format!("{count} of {} name servers", servers.len()))
}
