//! `getConsumerConfig`: a consumer group's settings on every broker that has it.

use std::fmt;

use clap::Args;
use protocol::body::SubscriptionGroupConfig;
use serde::Serialize;

use super::Context;
use crate::brokers::ask_each;
use crate::fact_list::FactList;
use crate::failure::{Failure, ServerError};
use crate::resolve;

/// Show the settings of a consumer group
#[derive(Debug, Args)]
pub(crate) struct GetConsumerConfig {
    /// Consumer group
    #[arg(short = 'g', long = "groupName", alias = "group-name", value_name = "GROUP")]
    group: String,
}

#[derive(Debug, Serialize)]
struct Configs {
    brokers: Vec<Config>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    broker_name: String,
    broker_addr: String,
    #[serde(flatten)]
    config: SubscriptionGroupConfig,
}

impl GetConsumerConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let info = resolve::cluster_info(admin, None).await?;
        // A slave knows what its master knows: it is asked only where there is no master.
        let wanted = resolve::heads(&info);
        let ask = |address: String| async move { admin.group_configs(&address).await };
        let (tables, errors) = ask_each(wanted, ask).await?;
        let mut brokers = Vec::new();
        let mut others = Vec::new();
        for (place, mut table) in tables {
            match table.subscription_group_table.remove(&self.group) {
                Some(config) => {
                    let broker_name = place.name().to_owned();
                    brokers.push(Config { broker_name, broker_addr: place.broker_addr, config });
                }
                None => others.extend(table.subscription_group_table.into_keys()),
            }
        }
        if brokers.is_empty() && errors.is_empty() {
            return Err(resolve::unknown_group(&self.group, others.iter().map(String::as_str)));
        }
        let configs = Configs { brokers, errors };
        context.output.show(&configs)?;
        Failure::unless_complete(configs.errors)
    }
}

impl fmt::Display for Configs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, broker) in self.brokers.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let config = &broker.config;
            let mut facts = FactList::default();
            facts
                .fact("Broker", format!("{} {}", broker.broker_name, broker.broker_addr))
                .fact("groupName", &config.group_name)
                .fact("consumeEnable", config.consume_enable)
                .fact("consumeFromMinEnable", config.consume_from_min_enable)
                .fact("consumeBroadcastEnable", config.consume_broadcast_enable)
                .fact("consumeMessageOrderly", config.consume_message_orderly)
                .fact("retryQueueNums", config.retry_queue_nums)
                .fact("retryMaxTimes", config.retry_max_times)
                .fact("groupRetryPolicy", json_text(&config.group_retry_policy))
                .fact("brokerId", config.broker_id)
                .fact("whichBrokerWhenConsumeSlowly", config.which_broker_when_consume_slowly)
                .fact("notifyConsumerIdsChangedEnable", config.notify_consumer_ids_changed_enable)
                .fact("groupSysFlag", config.group_sys_flag)
                .fact("consumeTimeoutMinute", config.consume_timeout_minute)
                .fact("subscriptionDataSet", json_text(&config.subscription_data_set))
                .fact("attributes", json_text(&config.attributes));
            facts.fmt(f)?;
        }
        Ok(())
    }
}

fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
