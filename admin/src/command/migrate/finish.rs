//! `migrate finish`: the last step. The source is drained; what is left is to stop its process, which takes its queues out of every
//! route. `--close` takes them out of clients' sight before.

use clap::Args;
use protocol::topic_name::is_retry_topic;

use super::backlog::GroupBacklog;
use super::inventory::Inventory;
use super::plan::Target;
use super::record::{Record, Stage};
use super::routes;
use super::sides::{Sides, source_name};
use super::status;
use super::stop_writes::missing;
use super::wait::{Drain, Patience, not_drained, show};
use crate::command::Context;
use crate::failure::Failure;
use crate::rows::Rows;

/// End the migration; undo is not possible afterwards
#[derive(Debug, Args)]
pub(super) struct Finish {
    /// The source, by name or address
    #[arg(short = 'f', long, value_name = "BROKER")]
    from: String,
    /// Take every permission off the source's topics there, so that no client looks at them any more; messages stay
    #[arg(long)]
    close: bool,
    /// Also while the source is not drained: what it holds is then consumed by nobody, unless it goes on running
    #[arg(long)]
    force: bool,
    /// Seconds without a new message before the source counts as not sent to
    #[arg(long, value_name = "SECONDS", default_value_t = 35)]
    settle: u64,
    /// Groups whose backlog is given up
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    except_group: Vec<String>,
}

impl Finish {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let from = source_name(&context.admin, &self.from).await?;
        let Some(mut record) = Record::load(&context.admin, &from).await? else {
            return Record::load_open(&context.admin, &from).await.map(|_| ());
        };
        if !matches!(record.stage, Stage::Stopped | Stage::Finished) {
            let (stage, next) = (record.stage.name(), record.stage.next());
            return Err(Failure::Usage(format!("the migration from {from} is at {stage:?}; next is: {next}")));
        }
        if record.stage == Stage::Finished && !self.close {
            // The source may be gone already, as it should be.
            return context.output.show_rows(status::head(&record, Rows::<GroupBacklog>::new("groups", Vec::new())));
        }
        let sides = Sides::of(context, &record).await?;
        let drain = Drain { admin: &sides.from_admin, broker: &sides.from, since_ms: record.stopped_ms.unwrap_or(0) };
        let patience = Patience { timeout: 0, settle: self.settle, except_group: self.except_group.clone() };
        let mut waited = drain.wait(&record, &patience, true, |inventory| inventory).await?;
        // What came to the source since would be with nobody.
        let inventory = Inventory::of(&sides.from_admin, &sides.from.address, &record.left).await?;
        waited.reasons.extend(missing(&inventory, &Target::look_at_all(&sides).await?, &record));
        if !waited.reasons.is_empty() && !self.force {
            show(context, &from, &waited, "wait")?;
            return not_drained(
                format!("{from} is not drained, nothing changed (--force finishes all the same):"),
                waited.reasons,
            );
        }
        if self.close {
            close(&sides, &record).await?;
        }
        record.stage = Stage::Finished;
        record.save(&sides.from_admin).await?;
        let stop = format!("stop the process of {from} at {}: its queues leave all routes with it", sides.from.address);
        show(context, &from, &waited, &stop)
    }
}

/// No permission at all, at the broker itself: that lasts. The broker registers all its topics with it, so the others have to be
/// closed by route again.
async fn close(sides: &Sides, record: &Record) -> Result<(), Failure> {
    let inventory = Inventory::of(&sides.from_admin, &sides.from.address, &record.left).await?;
    let topics = inventory.topics.values().filter(|config| !is_retry_topic(&config.topic_name));
    let names: Vec<_> = topics.clone().map(|config| config.topic_name.clone()).collect();
    routes::set_perms(&sides.from_admin, &sides.from, topics.map(|config| (config, 0))).await?;
    let is_shut = |perm: Option<i32>| perm.is_none_or(|perm| perm == 0);
    routes::wait_until(&sides.from_admin, &sides.from, &names, "without permissions", is_shut).await?;
    routes::close(&sides.from_admin, &sides.from).await?;
    Ok(())
}
