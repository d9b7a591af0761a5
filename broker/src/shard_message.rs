//! What shards of one process tell each other. Never data: a message arrives on the core that owns its queue.

use protocol::body::TopicConfig;

/// One such message.
#[derive(Clone, Debug)]
pub enum ShardMessage {
    /// A topic came to be by itself on another shard.
    TopicCreated(TopicConfig),
}
