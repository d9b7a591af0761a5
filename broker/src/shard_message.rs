//! What shards of one process tell each other, and what the control thread asks them. Never data: a message arrives on
//! the core that owns its queue.

use protocol::body::TopicConfig;
use tokio::sync::oneshot;

use crate::assignment::RouteNews;
use crate::master_slave::MasterNews;
use crate::metrics::{GroupReport, ShardReport};

/// One such message.
#[derive(Debug)]
pub enum ShardMessage {
    /// A topic came to be by itself on another shard.
    TopicCreated(TopicConfig),
    /// The control thread wants to know what was counted; answered in the same turn.
    Report(oneshot::Sender<Box<ShardReport>>),
    /// The process is to end: whoever leads hands its lead over, and answers when no client needs it any more.
    HandOver(oneshot::Sender<()>),
    /// What a search for the master has found.
    Master(MasterNews),
    /// What name servers say about a topic that a member of a group asks about.
    Route {
        /// The topic.
        topic: String,
        /// Where it is.
        news: RouteNews,
    },
    /// It wants to know about groups; answered by a background task, or not at all while another one gathers.
    Groups(oneshot::Sender<GroupReport>),
}
