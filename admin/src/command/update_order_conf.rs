//! `updateOrderConf`: which queues an ordered topic has, whether its brokers are there or not.

use std::fmt;

use clap::{Args, ValueEnum};
use client::ORDER_TOPIC_CONFIG;
use serde::Serialize;

use super::Context;
use super::changed::Changed;
use crate::fact_list::FactList;
use crate::failure::Failure;

/// Show, store or remove the queue order of a topic
#[derive(Debug, Args)]
pub(crate) struct UpdateOrderConf {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// What to do
    #[arg(short = 'm', long, value_name = "METHOD")]
    method: Method,
    /// Queues a broker, as in brokerName1:num;brokerName2:num
    #[arg(short = 'v', long = "orderConf", alias = "order-conf", value_name = "LIST", required_if_eq("method", "put"))]
    order: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    Put,
    Get,
    Delete,
}

impl UpdateOrderConf {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let name_servers = context.client.name_servers().to_vec();
        let rows = match self.method {
            Method::Get => {
                let order = context.admin.key_value(ORDER_TOPIC_CONFIG, &self.topic).await?;
                let order = order.ok_or_else(|| Failure::Usage(format!("topic {} has no queue order", self.topic)))?;
                return context.output.show(&QueueOrder { topic: self.topic.clone(), order_conf: order });
            }
            Method::Put => {
                let order = self.order.as_deref().unwrap_or_default();
                check(order)?;
                context.admin.put_key_value(ORDER_TOPIC_CONFIG, &self.topic, order).await?;
                Changed::at_name_servers(format!("{} {order}", self.topic), &name_servers)
            }
            Method::Delete => {
                context.admin.delete_key_value(ORDER_TOPIC_CONFIG, &self.topic).await?;
                Changed::at_name_servers(format!("{} removed", self.topic), &name_servers)
            }
        };
        context.output.show_rows(rows)
    }
}

/// The order that is stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueOrder {
    topic: String,
    order_conf: String,
}

impl fmt::Display for QueueOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = FactList::default();
        facts.fact("Topic", &self.topic).fact("Queue order", &self.order_conf);
        facts.fmt(f)
    }
}

/// Producers that read a broken order find no queue at all.
fn check(order: &str) -> Result<(), Failure> {
    for part in order.split(';').filter(|part| !part.is_empty()) {
        let count = part.split_once(':').filter(|(name, _)| !name.is_empty()).and_then(|(_, count)| count.parse().ok());
        if count.is_none_or(|count: u16| count == 0) {
            return Err(Failure::Usage(format!("{part:?} of -v is not brokerName:num with a number from 1 to 65535")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_order_that_producers_can_read_is_taken() {
        assert!(check("broker-a:8;broker-b:4").is_ok());
        for order in ["broker-a", "broker-a:", ":4", "broker-a:0", "broker-a:8;broker-b:x", "broker-a:70000"] {
            assert!(check(order).is_err(), "{order}");
        }
    }
}
