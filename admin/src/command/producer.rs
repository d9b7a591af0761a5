//! `producer`: all producers that are connected to a broker.

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::client_version::ClientVersion;
use crate::failure::Failure;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// List all producers that are connected to a broker
#[derive(Debug, Args)]
pub(crate) struct Producer {
    /// Broker
    #[arg(short = 'b', long, value_name = "HOST:PORT")]
    broker: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connected {
    group: String,
    client_id: String,
    remote_addr: String,
    language: String,
    version: String,
    last_update_timestamp: Timestamp,
}

impl Row for Connected {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("GROUP", Align::Left),
        ("CLIENT ID", Align::Left),
        ("ADDRESS", Align::Left),
        ("LANGUAGE", Align::Left),
        ("VERSION", Align::Left),
        ("LAST HEARTBEAT", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([
            &self.group,
            &self.client_id,
            &self.remote_addr,
            &self.language,
            &self.version,
            &self.last_update_timestamp,
        ]);
    }
}

impl Producer {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let producers = context.admin.producers(&self.broker).await?;
        let mut rows = Vec::new();
        for (group, members) in producers.data {
            rows.extend(members.into_iter().map(|member| Connected {
                group: group.clone(),
                client_id: member.client_id,
                remote_addr: member.remote_ip.trim_start_matches('/').to_owned(),
                language: member.language,
                version: ClientVersion(member.version).to_string(),
                last_update_timestamp: Timestamp(member.last_update_timestamp),
            }));
        }
        rows.sort_by(|a, b| (&a.group, &a.client_id).cmp(&(&b.group, &b.client_id)));
        context.output.show_rows(Rows::new("producers", rows))
    }
}
