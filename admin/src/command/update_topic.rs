//! `updateTopic`: create a topic, or change it.

use std::collections::BTreeMap;
use std::fmt;

use clap::{ArgGroup, Args};
use client::ORDER_TOPIC_CONFIG;
use protocol::body::TopicConfig;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::perm::Perm;
use crate::resolve;
use crate::table::{Align, Table};

/// Bit of `topicSysFlag`: the topic belongs to a unit.
const UNIT: i32 = 1;
/// Bit of `topicSysFlag`: the topic has a subscription of a unit.
const UNIT_SUBSCRIPTION: i32 = 2;

/// Create a topic, or change it
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("place").required(true).args(["broker", "cluster"])))]
pub(crate) struct UpdateTopic {
    /// Broker to create it on, as host:port
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "ADDRESS")]
    broker: Option<String>,
    /// Cluster to create it on, on every master
    #[arg(short = 'c', long = "clusterName", alias = "cluster-name", value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Queues to read from, on each broker
    #[arg(short = 'r', long = "readQueueNums", alias = "read-queue-nums", value_name = "COUNT", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    read_queue_nums: i32,
    /// Queues to write to, on each broker
    #[arg(short = 'w', long = "writeQueueNums", alias = "write-queue-nums", value_name = "COUNT", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    write_queue_nums: i32,
    /// Permission: 2 write, 4 read, 6 both
    #[arg(short = 'p', long, value_name = "PERM", default_value = "6", value_parser = ["2", "4", "6"])]
    perm: String,
    /// Whether messages are ordered over the whole topic
    #[arg(short = 'o', long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    order: bool,
    /// Whether it is the topic of a unit
    #[arg(short = 'u', long, value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    unit: bool,
    /// Whether it has the subscription of a unit
    #[arg(short = 's', long = "hasUnitSub", alias = "has-unit-sub", value_name = "BOOL", default_value_t = false)]
    #[arg(action = clap::ArgAction::Set)]
    has_unit_sub: bool,
    /// Attributes to set and remove, as in +a=b,-c
    #[arg(short = 'a', long, value_name = "LIST", default_value = "", allow_hyphen_values = true)]
    attributes: String,
}

/// What was created or changed, and where.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdatedTopic {
    topic: String,
    read_queue_nums: i32,
    write_queue_nums: i32,
    perm: i32,
    order: bool,
    brokers: Vec<Broker>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Broker {
    /// Known when the topic was created by cluster.
    broker_name: Option<String>,
    broker_addr: String,
}

impl UpdateTopic {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let config = self.config()?;
        let brokers = self.brokers(context).await?;
        for broker in &brokers {
            context.admin.create_topic(&broker.broker_addr, &config, &self.attributes).await?;
        }
        if self.order {
            self.put_order(context, &brokers).await?;
        }
        context.output.show(&UpdatedTopic {
            topic: config.topic_name,
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            order: config.order,
            brokers,
        })
    }

    fn config(&self) -> Result<TopicConfig, Failure> {
        let perm = self.perm.parse().map_err(|_| Failure::Usage(format!("{} is no permission", self.perm)))?;
        let unit = if self.unit { UNIT } else { 0 };
        let unit_subscription = if self.has_unit_sub { UNIT_SUBSCRIPTION } else { 0 };
        Ok(TopicConfig {
            topic_name: self.topic.clone(),
            read_queue_nums: self.read_queue_nums,
            write_queue_nums: self.write_queue_nums,
            perm,
            order: self.order,
            topic_sys_flag: unit | unit_subscription,
            ..TopicConfig::default()
        })
    }

    async fn brokers(&self, context: &Context<'_>) -> Result<Vec<Broker>, Failure> {
        if let Some(cluster) = &self.cluster {
            let masters = resolve::masters(&context.admin, cluster).await?;
            let broker = |(name, address)| Broker { broker_name: Some(name), broker_addr: address };
            return Ok(masters.into_iter().map(broker).collect());
        }
        let address = self.broker.clone().unwrap_or_default();
        // Only the queue order needs the name, so that a topic can be created while no name server is there.
        let broker_name = if self.order { Some(broker_name_of(context, &address).await?) } else { None };
        Ok(vec![Broker { broker_name, broker_addr: address }])
    }

    /// Tells every name server which queues exist, so that producers keep them in place while a broker is away. The
    /// masters of a cluster are the whole list; a single broker is put into what is there.
    async fn put_order(&self, context: &Context<'_>, brokers: &[Broker]) -> Result<(), Failure> {
        let mut queues = BTreeMap::new();
        let known = match self.cluster {
            Some(_) => None,
            None => context.admin.key_value(ORDER_TOPIC_CONFIG, &self.topic).await?,
        };
        for part in known.iter().flat_map(|known| known.split(';')) {
            if let Some((name, count)) = part.split_once(':') {
                queues.insert(name.to_owned(), count.to_owned());
            }
        }
        for name in brokers.iter().filter_map(|broker| broker.broker_name.as_ref()) {
            queues.insert(name.clone(), self.write_queue_nums.to_string());
        }
        let value: Vec<_> = queues.iter().map(|(name, count)| format!("{name}:{count}")).collect();
        Ok(context.admin.put_key_value(ORDER_TOPIC_CONFIG, &self.topic, &value.join(";")).await?)
    }
}

async fn broker_name_of(context: &Context<'_>, address: &str) -> Result<String, Failure> {
    let info = context.admin.cluster_info().await?;
    let found =
        info.broker_addr_table.into_values().find(|broker| broker.broker_addrs.values().any(|at| at == address));
    match found {
        Some(broker) => Ok(broker.broker_name),
        None => Err(Failure::Usage(format!("no broker is registered with the address {address}"))),
    }
}

impl fmt::Display for UpdatedTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            ("TOPIC", Align::Left),
            ("BROKER", Align::Left),
            ("ADDRESS", Align::Left),
            ("READ QUEUES", Align::Right),
            ("WRITE QUEUES", Align::Right),
            ("PERM", Align::Left),
            ("ORDER", Align::Left),
        ]);
        for Broker { broker_name, broker_addr } in &self.brokers {
            let name = broker_name.as_deref().unwrap_or_default();
            let perm = Perm(self.perm);
            table.row([
                &self.topic,
                &name,
                broker_addr,
                &self.read_queue_nums,
                &self.write_queue_nums,
                &perm,
                &self.order,
            ]);
        }
        table.fmt(f)
    }
}
