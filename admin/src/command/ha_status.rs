//! `haStatus`: how far the copies of a broker's log are, as the broker itself sees it.

use std::fmt::{self, Display};
use std::time::Duration;

use clap::Args;
use protocol::body::HaStatus as Answer;
use serde::Serialize;

use super::Context;
use crate::fact_list::FactList;
use crate::failure::Failure;
use crate::resolve;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Show how far the copies of a broker's log are
#[derive(Debug, Args)]
pub(crate) struct HaStatus {
    /// The masters of this cluster
    #[arg(
        short = 'c',
        long = "clusterName",
        alias = "cluster-name",
        value_name = "CLUSTER",
        required_unless_present = "broker_address",
        conflicts_with = "broker_address"
    )]
    cluster: Option<String>,
    /// This broker, master or slave
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: Option<String>,
    /// Repeat every so many seconds
    #[arg(short = 'i', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    interval: Option<u64>,
}

/// The answers, by address; their JSON is the one brokers send.
#[derive(Debug, Serialize)]
struct Statuses {
    brokers: Vec<Status>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    broker_addr: String,
    #[serde(flatten)]
    answer: Answer,
}

impl HaStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let mut brokers = Vec::new();
            for address in self.addresses(context).await? {
                let answer = context.admin.broker_ha_status(&address).await?;
                brokers.push(Status { broker_addr: address, answer });
            }
            context.output.show(&Statuses { brokers })?;
            let Some(seconds) = self.interval else { return Ok(()) };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    async fn addresses(&self, context: &Context<'_>) -> Result<Vec<String>, Failure> {
        match (&self.broker_address, &self.cluster) {
            (Some(address), _) => Ok(vec![address.clone()]),
            (None, Some(cluster)) => Ok(resolve::masters(&context.admin, cluster).await?.into_values().collect()),
            (None, None) => unreachable!("the command line has one of both"),
        }
    }
}

impl Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, status) in self.brokers.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            if status.answer.master { status.show_master(f)? } else { status.show_slave(f)? }
        }
        Ok(())
    }
}

impl Status {
    fn show_master(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slaves = &self.answer.ha_connection_info;
        let mut facts = FactList::default();
        facts.fact("Master", &self.broker_addr).fact("Log ends at", self.answer.master_commit_log_max_offset);
        facts.fact("Slaves", slaves.len()).fact("Of these in sync", self.answer.in_sync_slave_nums);
        facts.fmt(f)?;
        if slaves.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&[
            ("SLAVE", Align::Left),
            ("CONFIRMED", Align::Right),
            ("BEHIND", Align::Right),
            ("KB/S", Align::Right),
            ("STATUS", Align::Left),
            ("SENT FROM", Align::Right),
        ]);
        for slave in slaves {
            table.row([
                &slave.addr,
                &slave.slave_ack_offset,
                &slave.diff,
                &kilobytes(slave.transferred_byte_in_second),
                &if slave.in_sync { "OK" } else { "Fall Behind" },
                &slave.transfer_from_where,
            ]);
        }
        table.fmt(f)
    }

    fn show_slave(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.answer.ha_client_runtime_info;
        let mut facts = FactList::default();
        facts.fact("Slave", &self.broker_addr).fact("Master", client.master_addr.as_deref().unwrap_or_default());
        facts.fact("Log ends at", client.max_offset).fact("Safe at the master", client.master_flush_offset);
        facts.fact("KB/s", kilobytes(client.transferred_byte_in_second));
        facts.fact("Master heard of", Timestamp(client.last_read_timestamp));
        facts.fact("Master told", Timestamp(client.last_write_timestamp));
        facts.fmt(f)
    }
}

fn kilobytes(bytes: i64) -> String {
    format!("{:.2}", bytes as f64 / 1024.0)
}
