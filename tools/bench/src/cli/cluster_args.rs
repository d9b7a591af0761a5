//! Flags that say which cluster and which topics.

use clap::Args;

/// The cluster and its topics.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Name servers, as 10.0.0.1:9876;10.0.0.2:9876
    #[arg(
        short = 'n',
        long = "namesrv",
        env = "NAMESRV_ADDR",
        default_value = "127.0.0.1:9876",
        value_name = "ADDRESSES"
    )]
    pub name_servers: String,
    /// Topics to spread the load over, separated by commas
    #[arg(short = 't', long = "topic", required = true, value_delimiter = ',', value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// Use N topics TOPIC-0 to TOPIC-(N-1) instead of each TOPIC
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub topics: Option<u32>,
    /// Queues a topic has on each broker, when it is created
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub queues: u16,
    /// Create the topics on every broker before the run (changes the number of queues of those that exist)
    #[arg(long)]
    pub create_topics: bool,
}

impl ClusterArgs {
    /// The names of all topics.
    #[must_use]
    pub fn topic_names(&self) -> Vec<String> {
        match self.topics {
            None => self.topic.clone(),
            Some(count) => {
                self.topic.iter().flat_map(|topic| (0..count).map(move |number| format!("{topic}-{number}"))).collect()
            }
        }
    }
}
