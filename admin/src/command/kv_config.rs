//! `updateKvConfig` and `deleteKvConfig`: values that name servers keep for everybody.

use clap::Args;

use super::Context;
use super::changed::Changed;
use crate::failure::Failure;

/// Store a value at every name server
#[derive(Debug, Args)]
pub(crate) struct UpdateKvConfig {
    /// Namespace
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: String,
    /// Key
    #[arg(short = 'k', long, value_name = "KEY")]
    key: String,
    /// Value
    #[arg(short = 'v', long, value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
}

/// Remove a value at every name server
#[derive(Debug, Args)]
pub(crate) struct DeleteKvConfig {
    /// Namespace
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: String,
    /// Key
    #[arg(short = 'k', long, value_name = "KEY")]
    key: String,
}

impl UpdateKvConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        context.admin.put_key_value(&self.namespace, &self.key, &self.value).await?;
        let what = format!("{} {}={}", self.namespace, self.key, self.value);
        context.output.show_rows(Changed::at_name_servers(what, context.client.name_servers()))
    }
}

impl DeleteKvConfig {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        context.admin.delete_key_value(&self.namespace, &self.key).await?;
        let what = format!("{} {} removed", self.namespace, self.key);
        context.output.show_rows(Changed::at_name_servers(what, context.client.name_servers()))
    }
}
