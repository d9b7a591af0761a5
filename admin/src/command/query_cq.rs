//! `queryCq`: entries of a ConsumeQueue.

use std::fmt;

use clap::Args;
use protocol::body::{QueueUnit, QueueUnits};
use serde::Serialize;

use super::Context;
use crate::fact_list::FactList;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Align, Table};

/// Show entries of a ConsumeQueue
#[derive(Debug, Args)]
pub(crate) struct QueryCq {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Queue
    #[arg(short = 'q', long, value_name = "ID")]
    queue: i32,
    /// First entry
    #[arg(short = 'i', long, value_name = "OFFSET")]
    index: i64,
    /// Entries at most
    #[arg(short = 'c', long, value_name = "COUNT", default_value_t = 10)]
    count: i32,
    /// Ask this broker, by address; else the topic's only one
    #[arg(short = 'b', long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// Also how this group's filter sees them
    #[arg(short = 'g', long, value_name = "GROUP")]
    consumer: Option<String>,
}

/// The entries, with their numbers; JSON is the broker's own.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Entries {
    units: QueueUnits,
    #[serde(skip)]
    first: i64,
}

impl QueryCq {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let address = match &self.broker {
            Some(broker) => broker.clone(),
            None => {
                let route = resolve::route(admin, &self.topic).await?;
                let places = resolve::route_brokers(route.data());
                match places.as_slice() {
                    [place] => place.broker_addr.clone(),
                    _ => {
                        let known: Vec<_> = places.iter().map(|place| place.broker_addr.as_str()).collect();
                        let known = known.join(", ");
                        return Err(Failure::Usage(format!("say with -b which broker's queue; brokers: {known}")));
                    }
                }
            }
        };
        let queue = (self.topic.as_str(), self.queue);
        let units = admin.queue_units(&address, queue, self.index, self.count, self.consumer.as_deref()).await?;
        let first = self.index.max(units.min_queue_index);
        context.output.show(&Entries { units, first })
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = &self.units;
        let mut facts = FactList::default();
        facts.fact("First entry", units.min_queue_index).fact("End", units.max_queue_index);
        if let Some(subscription) = &units.subscription_data {
            facts.fact("Subscription", format!("{} {}", subscription.expression_type, subscription.sub_string));
        }
        if let Some(filter) = &units.filter_data {
            facts.fact("Filter", filter);
        }
        writeln!(f, "{facts}")?;
        let mut table = Table::new(&[
            ("OFFSET", Align::Right),
            ("PHYSICAL OFFSET", Align::Right),
            ("BYTES", Align::Right),
            ("TAGS CODE", Align::Right),
            ("FILTERED IN", Align::Left),
        ]);
        for (offset, unit) in (self.first..).zip(&units.queue_data) {
            let QueueUnit { eval, physic_offset, physic_size, tags_code } = unit;
            table.row([&offset, physic_offset, physic_size, tags_code, eval]);
        }
        table.fmt(f)
    }
}
