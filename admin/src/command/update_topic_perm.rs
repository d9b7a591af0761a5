//! `updateTopicPerm`: who may read and write a topic.

use clap::Args;
use client::TopicRoute;
use protocol::ResponseCode;
use protocol::body::TopicConfig;
use serde::Serialize;

use super::Context;
use crate::brokers::{Brokers, Place, ask_each};
use crate::failure::Failure;
use crate::perm::Perm;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Change the permission of a topic; all else stays as it is
#[derive(Debug, Args)]
pub(crate) struct UpdateTopicPerm {
    #[command(flatten)]
    brokers: Brokers,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Permission: 2 write, 4 read, 6 both
    #[arg(short = 'p', long, value_name = "PERM", value_parser = ["2", "4", "6"])]
    perm: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    topic: String,
    broker_name: Option<String>,
    broker_addr: String,
    old_perm: i32,
    perm: i32,
}

impl Row for Updated {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("TOPIC", Align::Left),
        ("BROKER", Align::Left),
        ("ADDRESS", Align::Left),
        ("OLD PERM", Align::Left),
        ("PERM", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        let name = self.broker_name.as_deref().unwrap_or_default();
        table.row([&self.topic, &name, &self.broker_addr, &Perm(self.old_perm), &Perm(self.perm)]);
    }
}

impl UpdateTopicPerm {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let perm = self.perm.parse().map_err(|_| Failure::Usage(format!("{} is no permission", self.perm)))?;
        let admin = &context.admin;
        let route = &resolve::route(admin, &self.topic).await?;
        let mut places = self.brokers.masters(admin).await?;
        places.retain_mut(|place| match broker_name(route, &place.broker_addr) {
            Some(name) => {
                place.broker_name = Some(name);
                true
            }
            None => false,
        });
        if places.is_empty() {
            let known = resolve::route_brokers(route.data()).into_iter().map(|place| place.broker_addr);
            let known: Vec<_> = known.collect();
            return Err(Failure::Usage(format!("topic {} is not there; it is on {}", self.topic, known.join(", "))));
        }
        let update = |address: String| async move {
            let config = match admin.topic_config(&address, &self.topic).await {
                // Brokers before 5.0 do not tell a single topic; name servers know what matters of it.
                Err(error) if error.response_code() == Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED) => {
                    self.config_of_route(route, &address)
                }
                other => other?,
            };
            let old_perm = config.perm;
            admin.create_topic(&address, &TopicConfig { perm, ..config }, "").await?;
            Ok(old_perm)
        };
        let (answers, errors) = ask_each(places, update).await?;
        let updated = |(place, old_perm): (Place, i32)| Updated {
            topic: self.topic.clone(),
            broker_name: place.broker_name,
            broker_addr: place.broker_addr,
            old_perm,
            perm,
        };
        context.output.show_rows(Rows::new("brokers", answers.into_iter().map(updated).collect()).errors(errors))
    }

    fn config_of_route(&self, route: &TopicRoute, address: &str) -> TopicConfig {
        let name = broker_name(route, address);
        let queues = route.data().queue_datas.iter().find(|queues| Some(&queues.broker_name) == name.as_ref());
        let known = queues.map(|queues| TopicConfig {
            perm: queues.perm,
            read_queue_nums: queues.read_queue_nums,
            write_queue_nums: queues.write_queue_nums,
            topic_sys_flag: queues.topic_sys_flag,
            ..TopicConfig::default()
        });
        let order = route.data().order_topic_conf.as_ref().is_some_and(|order| !order.is_empty());
        TopicConfig { topic_name: self.topic.clone(), order, ..known.unwrap_or_default() }
    }
}

fn broker_name(route: &TopicRoute, address: &str) -> Option<String> {
    let mut brokers = route.data().broker_datas.iter();
    brokers.find(|broker| broker.broker_addrs.values().any(|at| at == address)).map(|broker| broker.broker_name.clone())
}
