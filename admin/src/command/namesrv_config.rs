//! `getNamesrvConfig` and `updateNamesrvConfig`: settings of name servers.

use clap::Args;

use super::Context;
use super::changed::Changed;
use super::settings_list::{ServerSettings, SettingsList};
use crate::brokers::{Place, ask_each};
use crate::failure::Failure;

/// Show the settings of every name server
#[derive(Debug, Args)]
pub(crate) struct GetNamesrvConfig {}

/// Change a setting of every name server while it runs
#[derive(Debug, Args)]
pub(crate) struct UpdateNamesrvConfig {
    /// Setting
    #[arg(short = 'k', long, value_name = "KEY")]
    key: String,
    /// Its new value
    #[arg(short = 'v', long, value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
}

/// Every name server, as a place to ask.
pub(super) fn name_servers(context: &Context<'_>) -> Vec<Place> {
    let place = |address: &String| Place { broker_name: None, broker_addr: address.clone() };
    context.client.name_servers().iter().map(place).collect()
}

impl GetNamesrvConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let ask = |address: String| async move { admin.name_server_config(&address).await };
        let (answers, errors) = ask_each(name_servers(context), ask).await?;
        let servers = answers.into_iter().map(|(place, text)| ServerSettings::new(place.broker_addr, &text)).collect();
        let list = SettingsList { servers, errors };
        context.output.show(&list)?;
        Failure::unless_complete(list.errors)
    }
}

impl UpdateNamesrvConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let ask =
            |address: String| async move { admin.update_name_server_config(&address, &self.key, &self.value).await };
        let (answers, errors) = ask_each(name_servers(context), ask).await?;
        let changed = Changed::at(format!("{}={}", self.key, self.value), answers);
        context.output.show_rows(changed.errors(errors))
    }
}
