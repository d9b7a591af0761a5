//! `migrate`: moves what an application uses from one broker to others while it goes on. One stage a file.
//!
//! ```text
//! plan          shows what will be copied, and what cannot be; changes nothing
//! copy          topics (read only), groups and offsets are made at the targets; consumers find them, producers do not yet
//! stop-writes   targets take messages, and every name server tells producers that the source takes none
//! wait          until the source has nothing left to consume
//! finish        the source is of no use to clients any more
//! undo          all of that back, until finish
//! ```
//!
//! Messages stay where they are: the source is drained, and every queue of a target begins empty. So an offset has no meaning at a
//! target, and each group that consumes at the source gets the offset 0 there before the first message comes. Without one a consumer
//! that begins at the end (CONSUME_FROM_LAST_OFFSET) would begin behind what was sent before it first asked.
//!
//! What a stage needs of an earlier one is a [`record::Record`] at the source's name servers.

mod backlog;
mod copy;
mod finish;
mod inventory;
mod order_list;
mod plan;
mod record;
mod routes;
mod sides;
mod source_look;
mod starting_offsets;
mod status;
mod stop_writes;
mod undo;
mod wait;

use clap::{Args, Subcommand};

use super::Context;
use crate::failure::Failure;

/// Move topics, groups and consumers from one broker to others
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    stage: Stage,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "kebab-case")]
enum Stage {
    Plan(plan::Plan),
    Copy(copy::Copy),
    StopWrites(stop_writes::StopWrites),
    Wait(wait::Wait),
    Finish(finish::Finish),
    Undo(undo::Undo),
    Status(status::Status),
}

impl Migrate {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        match &self.stage {
            Stage::Plan(stage) => stage.run(context).await,
            Stage::Copy(stage) => stage.run(context).await,
            Stage::StopWrites(stage) => stage.run(context).await,
            Stage::Wait(stage) => stage.run(context).await,
            Stage::Finish(stage) => stage.run(context).await,
            Stage::Undo(stage) => stage.run(context).await,
            Stage::Status(stage) => stage.run(context).await,
        }
    }
}
