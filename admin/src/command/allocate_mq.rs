//! `allocateMQ`: which queues each of some consumers would get.

use clap::Args;
use client::MessageQueue;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Show which queues each of some consumers would get, shared out as stock clients do
#[derive(Debug, Args)]
pub(crate) struct AllocateMq {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Consumers, as addresses separated by commas
    #[arg(
        short = 'i',
        long = "ipList",
        alias = "ip-list",
        value_name = "LIST",
        value_delimiter = ',',
        required = true
    )]
    consumers: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Share {
    consumer: String,
    broker_name: String,
    queue_id: i32,
}

impl Row for Share {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("CONSUMER", Align::Left), ("BROKER", Align::Left), ("QID", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.consumer, &self.broker_name, &self.queue_id]);
    }
}

impl AllocateMq {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let route = resolve::route(&context.admin, &self.topic).await?;
        context.output.show_rows(Rows::new("queues", shares(&self.consumers, route.readable_queues())))
    }
}

/// In runs of equal length; the first consumers get one more where it does not divide.
fn shares(consumers: &[String], queues: &[MessageQueue]) -> Vec<Share> {
    let (each, more) = (queues.len() / consumers.len(), queues.len() % consumers.len());
    let mut rest = queues.iter();
    let mut shares = Vec::new();
    for (index, consumer) in consumers.iter().enumerate() {
        let count = each + usize::from(index < more);
        shares.extend(rest.by_ref().take(count).map(|queue| Share {
            consumer: consumer.clone(),
            broker_name: queue.broker_name.clone(),
            queue_id: queue.queue_id,
        }));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_shared_out_in_runs_and_the_first_get_the_rest() {
        let queues: Vec<_> = (0..5).map(|id| MessageQueue::new("t", "b", id)).collect();
        let of = |consumers: &[&str]| {
            let consumers: Vec<_> = consumers.iter().map(|consumer| (*consumer).to_owned()).collect();
            shares(&consumers, &queues).into_iter().map(|share| (share.consumer, share.queue_id)).collect::<Vec<_>>()
        };
        let expected = [("a", 0), ("a", 1), ("a", 2), ("b", 3), ("b", 4)].map(|(name, id)| (name.to_owned(), id));
        assert_eq!(of(&["a", "b"]), expected);
        assert_eq!(of(&["a", "b", "c", "d", "e", "f"]).len(), 5);
    }
}
