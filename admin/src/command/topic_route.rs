//! `topicRoute`: the brokers and queues of a topic.

use std::fmt;

use clap::Args;
use protocol::body::TopicRouteData;
use serde::{Serialize, Serializer};

use super::Context;
use crate::failure::Failure;
use crate::perm::Perm;
use crate::resolve;
use crate::table::{Align, Table};

/// Show the brokers and queues of a topic
#[derive(Debug, Args)]
pub(crate) struct TopicRoute {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Show a list; accepted for scripts of the original, as the output is one anyway
    #[arg(short = 'l', long)]
    list: bool,
}

/// The route as text; its JSON is the one name servers send, in standard form.
struct Route(TopicRouteData);

impl TopicRoute {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, &self.topic).await?;
        context.output.show(&Route(route.data().clone()))
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            ("CLUSTER", Align::Left),
            ("BROKER", Align::Left),
            ("ID", Align::Right),
            ("ADDRESS", Align::Left),
            ("READ QUEUES", Align::Right),
            ("WRITE QUEUES", Align::Right),
            ("PERM", Align::Left),
        ]);
        let mut queues: Vec<_> = self.0.queue_datas.iter().collect();
        queues.sort_unstable_by_key(|queue| &queue.broker_name);
        for queue in queues {
            for broker in self.0.broker_datas.iter().filter(|broker| broker.broker_name == queue.broker_name) {
                for (id, address) in &broker.broker_addrs {
                    table.row([
                        &broker.cluster,
                        &broker.broker_name,
                        id,
                        address,
                        &queue.read_queue_nums,
                        &queue.write_queue_nums,
                        &Perm(queue.perm),
                    ]);
                }
            }
        }
        table.fmt(f)
    }
}
