//! `exportPopRecord`: has brokers write what they know of popped messages back into the log, which original brokers that keep it apart
//! need before they are set back to an older release. Brokers of this project keep it in the log, and refuse.

use clap::Args;

use super::Context;
use super::changed::Changed;
use crate::brokers::{Brokers, ask_each};
use crate::failure::Failure;

/// Have original brokers write what they know of popped messages into the log
#[derive(Debug, Args)]
pub(crate) struct ExportPopRecord {
    #[command(flatten)]
    brokers: Brokers,
    /// Whether to show only which brokers would do it
    #[arg(short = 'd', long = "dryRun", alias = "dry-run", value_name = "BOOL", default_value_t = false)]
    #[arg(action = clap::ArgAction::Set)]
    is_dry: bool,
}

impl ExportPopRecord {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = self.brokers.replicas(admin).await?;
        let is_dry = self.is_dry;
        let ask =
            |address: String| async move { if is_dry { Ok(()) } else { admin.export_pop_records(&address).await } };
        let (answers, errors) = ask_each(places, ask).await?;
        let what = if is_dry { "would be written" } else { "POP records written" };
        context.output.show_rows(Changed::at(what, answers).errors(errors))
    }
}
