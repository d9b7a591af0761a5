//! `updateSubGroup`: create a consumer group, or change it.

use std::collections::BTreeMap;

use clap::Args;
use protocol::body::{GroupRetryPolicy, SubscriptionGroupConfig};
use serde::Serialize;

use super::Context;
use crate::brokers::{Brokers, Place, ask_each};
use crate::failure::Failure;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Create or change a consumer group
#[derive(Debug, Args)]
pub(crate) struct UpdateSubGroup {
    #[command(flatten)]
    brokers: Brokers,
    /// Consumer group
    #[arg(short = 'g', long = "groupName", alias = "group-name", value_name = "GROUP")]
    group: String,
    /// Whether it may consume
    #[arg(short = 's', long = "consumeEnable", alias = "consume-enable", value_name = "BOOL")]
    #[arg(default_value_t = true, action = clap::ArgAction::Set)]
    consume_enable: bool,
    /// Whether a new member may begin at the first message
    #[arg(short = 'm', long = "consumeFromMinEnable", alias = "consume-from-min-enable", value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    consume_from_min_enable: bool,
    /// Whether it may broadcast
    #[arg(short = 'd', long = "consumeBroadcastEnable", alias = "consume-broadcast-enable", value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    consume_broadcast_enable: bool,
    /// Whether it consumes in order
    #[arg(short = 'o', long = "consumeMessageOrderly", alias = "consume-message-orderly", value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    consume_message_orderly: bool,
    /// Queues of its retry topic
    #[arg(short = 'q', long = "retryQueueNums", alias = "retry-queue-nums", value_name = "COUNT", default_value_t = 1)]
    retry_queue_nums: i32,
    /// Deliveries before a message is a dead letter
    #[arg(short = 'r', long = "retryMaxTimes", alias = "retry-max-times", value_name = "COUNT", default_value_t = 16)]
    retry_max_times: i32,
    /// When a failed message comes again, as JSON: {"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000,5000]}}
    #[arg(short = 'p', long = "groupRetryPolicy", alias = "group-retry-policy", value_name = "JSON")]
    retry_policy: Option<String>,
    /// Broker id to consume from
    #[arg(short = 'i', long = "brokerId", alias = "broker-id", value_name = "ID", default_value_t = 0)]
    broker_id: i64,
    /// Broker id to consume from when it is far behind
    #[arg(
        short = 'w',
        long = "whichBrokerWhenConsumeSlowly",
        alias = "which-broker-when-consume-slowly",
        value_name = "ID",
        default_value_t = 1
    )]
    which_broker_when_consume_slowly: i64,
    /// Whether members are told when one comes or goes
    #[arg(short = 'a', long = "notifyConsumerIdsChanged", alias = "notify-consumer-ids-changed", value_name = "BOOL")]
    #[arg(default_value_t = true, action = clap::ArgAction::Set)]
    notify_consumer_ids_changed: bool,
    /// Attributes to set and remove, as in +a=b,-c
    #[arg(long, value_name = "LIST", default_value = "", allow_hyphen_values = true)]
    attributes: String,
}

/// A group on one broker.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdatedGroup {
    broker_name: Option<String>,
    broker_addr: String,
    #[serde(flatten)]
    config: SubscriptionGroupConfig,
}

impl Row for UpdatedGroup {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("GROUP", Align::Left),
        ("BROKER", Align::Left),
        ("ADDRESS", Align::Left),
        ("CONSUME", Align::Left),
        ("FROM MIN", Align::Left),
        ("BROADCAST", Align::Left),
        ("ORDERLY", Align::Left),
        ("RETRY QUEUES", Align::Right),
        ("RETRIES", Align::Right),
    ];

    fn fill(&self, table: &mut Table) {
        let config = &self.config;
        table.row([
            &config.group_name,
            &self.broker_name.as_deref().unwrap_or_default(),
            &self.broker_addr,
            &config.consume_enable,
            &config.consume_from_min_enable,
            &config.consume_broadcast_enable,
            &config.consume_message_orderly,
            &config.retry_queue_nums,
            &config.retry_max_times,
        ]);
    }
}

impl UpdateSubGroup {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let config = self.config()?;
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        let (done, errors) = {
            let config = &config;
            ask_each(places, |address: String| async move { admin.create_group(&address, config).await }).await?
        };
        let row = |(place, ()): (Place, ())| UpdatedGroup {
            broker_name: place.broker_name,
            broker_addr: place.broker_addr,
            config: config.clone(),
        };
        context.output.show_rows(Rows::new("brokers", done.into_iter().map(row).collect()).errors(errors))
    }

    fn config(&self) -> Result<SubscriptionGroupConfig, Failure> {
        let policy = self.retry_policy.as_deref().map(serde_json::from_str::<GroupRetryPolicy>).transpose();
        let group_retry_policy =
            policy.map_err(|error| Failure::Usage(format!("-p is no retry policy: {error}")))?.unwrap_or_default();
        Ok(SubscriptionGroupConfig {
            attributes: alterations(&self.attributes)?,
            broker_id: self.broker_id,
            consume_broadcast_enable: self.consume_broadcast_enable,
            consume_enable: self.consume_enable,
            consume_from_min_enable: self.consume_from_min_enable,
            consume_message_orderly: self.consume_message_orderly,
            group_name: self.group.clone(),
            group_retry_policy,
            notify_consumer_ids_changed_enable: self.notify_consumer_ids_changed,
            retry_max_times: self.retry_max_times,
            retry_queue_nums: self.retry_queue_nums,
            which_broker_when_consume_slowly: self.which_broker_when_consume_slowly,
            ..SubscriptionGroupConfig::default()
        })
    }
}

/// `+a=b,-c` as the map that travels with a group: `+a` to `b`, `-c` to nothing.
fn alterations(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((key, value)) if key.len() > 1 && key.starts_with('+') => Ok((key.to_owned(), value.to_owned())),
            None if part.len() > 1 && part.starts_with('-') => Ok((part.to_owned(), String::new())),
            _ => Err(Failure::Usage(format!("{part:?} of --attributes is neither +key=value nor -key"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_changes_with_their_sign() {
        let map = alterations("+a=b, -c").unwrap();
        assert_eq!(map, [("+a".to_owned(), "b".to_owned()), ("-c".to_owned(), String::new())].into());
        for text in ["a=b", "+a", "-", "-a=b", "+=b"] {
            assert!(alterations(text).is_err(), "{text}");
        }
    }
}
