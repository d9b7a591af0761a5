//! The subcommands, one a file: its options, what it asks, and its result as text and JSON.

mod cluster_list;
mod consume_message;
mod delete_topic;
mod ha_status;
mod promote_slave;
mod query_msg_by_id;
mod replication_status;
mod send_message;
mod topic_list;
mod topic_route;
mod topic_status;
mod update_topic;

use clap::Subcommand;
use client::{Admin, Client};

use crate::failure::Failure;
use crate::output::Output;

/// What every command works with.
pub(crate) struct Context<'a> {
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    pub(crate) output: Output<'a>,
}

/// What to do, by the names of the original mqadmin.
#[derive(Debug, Subcommand)]
#[command(rename_all = "camelCase")]
pub(crate) enum Command {
    UpdateTopic(update_topic::UpdateTopic),
    DeleteTopic(delete_topic::DeleteTopic),
    TopicList(topic_list::TopicList),
    TopicRoute(topic_route::TopicRoute),
    TopicStatus(topic_status::TopicStatus),
    ClusterList(cluster_list::ClusterList),
    HaStatus(ha_status::HaStatus),
    ReplicationStatus(replication_status::ReplicationStatus),
    PromoteSlave(promote_slave::PromoteSlave),
    SendMessage(send_message::SendMessage),
    ConsumeMessage(consume_message::ConsumeMessage),
    QueryMsgById(query_msg_by_id::QueryMsgById),
}

impl Command {
    pub(crate) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        match self {
            Self::UpdateTopic(command) => command.run(context).await,
            Self::DeleteTopic(command) => command.run(context).await,
            Self::TopicList(command) => command.run(context).await,
            Self::TopicRoute(command) => command.run(context).await,
            Self::TopicStatus(command) => command.run(context).await,
            Self::ClusterList(command) => command.run(context).await,
            Self::HaStatus(command) => command.run(context).await,
            Self::ReplicationStatus(command) => command.run(context).await,
            Self::PromoteSlave(command) => command.run(context).await,
            Self::SendMessage(command) => command.run(context).await,
            Self::ConsumeMessage(command) => command.run(context).await,
            Self::QueryMsgById(command) => command.run(context).await,
        }
    }
}
