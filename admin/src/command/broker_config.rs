//! `getBrokerConfig` and `updateBrokerConfig`: settings of brokers.

use clap::Args;

use super::Context;
use super::changed::Changed;
use super::settings_list::{ServerSettings, SettingsList};
use crate::brokers::{Brokers, ask_each};
use crate::failure::Failure;

/// Show the settings of brokers, slaves too
#[derive(Debug, Args)]
pub(crate) struct GetBrokerConfig {
    #[command(flatten)]
    brokers: Brokers,
}

/// Change a setting of brokers while they run
#[derive(Debug, Args)]
pub(crate) struct UpdateBrokerConfig {
    #[command(flatten)]
    brokers: Brokers,
    /// Setting
    #[arg(short = 'k', long, value_name = "KEY")]
    key: String,
    /// Its new value
    #[arg(short = 'v', long, value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// Also of the cluster's slaves
    #[arg(short = 'a', long = "updateAllBroker", alias = "update-all-broker", value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    is_for_slaves: bool,
}

impl GetBrokerConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = self.brokers.replicas(admin).await?;
        let ask = |address: String| async move { admin.broker_config(&address).await };
        let (answers, errors) = ask_each(places, ask).await?;
        let servers = answers.into_iter().map(|(place, text)| ServerSettings::new(place.broker_addr, &text)).collect();
        let list = SettingsList { servers, errors };
        context.output.show(&list)?;
        Failure::unless_complete(list.errors)
    }
}

impl UpdateBrokerConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = match self.is_for_slaves {
            true => self.brokers.replicas(admin).await?,
            false => self.brokers.masters(admin).await?,
        };
        let ask = |address: String| async move { admin.update_broker_config(&address, &self.key, &self.value).await };
        let (answers, errors) = ask_each(places, ask).await?;
        let changed = Changed::at(format!("{}={}", self.key, self.value), answers);
        context.output.show_rows(changed.errors(errors))
    }
}
