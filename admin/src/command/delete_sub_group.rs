//! `deleteSubGroup`: delete a consumer group.

use clap::Args;
use protocol::topic_name::{dlq_topic, retry_topic};

use super::Context;
use super::changed::Changed;
use crate::brokers::{Brokers, Place, ask_each};
use crate::failure::Failure;
use crate::resolve;

/// Delete a consumer group; of a whole cluster, its retry and dead letter topics too
#[derive(Debug, Args)]
pub(crate) struct DeleteSubGroup {
    #[command(flatten)]
    brokers: Brokers,
    /// Consumer group
    #[arg(short = 'g', long = "groupName", alias = "group-name", value_name = "GROUP")]
    group: String,
    /// Whether its offsets are deleted too
    #[arg(short = 'r', long = "removeOffset", alias = "remove-offset", value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    removes_offsets: bool,
}

impl DeleteSubGroup {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        self.check_exists(context, &places).await?;
        let topics = [retry_topic(&self.group), dlq_topic(&self.group)];
        // A single broker's group leaves the topics alone: name servers keep them for all brokers.
        let topics = if self.brokers.cluster().is_some() { &topics[..] } else { &[] };
        let delete = |address: String| async move {
            admin.delete_group(&address, &self.group, self.removes_offsets).await?;
            for topic in topics {
                admin.delete_topic_in_broker(&address, topic).await?;
            }
            Ok(())
        };
        let (answers, errors) = ask_each(places, delete).await?;
        for topic in topics {
            admin.delete_topic_in_name_servers(topic).await?;
        }
        context.output.show_rows(Changed::at(format!("{} deleted", self.group), answers).errors(errors))
    }

    /// Brokers say "done" to the deletion of a group they never had, which would hide a mistyped name.
    async fn check_exists(&self, context: &Context<'_>, places: &[Place]) -> Result<(), Failure> {
        let admin = &context.admin;
        let ask = |address: String| async move { admin.group_configs(&address).await };
        let (tables, errors) = ask_each(places.to_vec(), ask).await?;
        let groups = || tables.iter().flat_map(|(_, table)| table.subscription_group_table.keys());
        // A broker that does not say may have it: leave it to the deletion.
        if !errors.is_empty() || groups().any(|group| *group == self.group) {
            return Ok(());
        }
        Err(resolve::unknown_group(&self.group, groups().map(String::as_str)))
    }
}
