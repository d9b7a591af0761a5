//! `brokerStatus`: everything a broker says about how it is doing.

use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use protocol::body::KvTable;
use serde::Serialize;

use super::Context;
use crate::brokers::{Brokers, Place, ask_each};
use crate::fact_list::FactList;
use crate::failure::{Failure, ServerError};

/// Show all runtime information of brokers
#[derive(Debug, Args)]
pub(crate) struct BrokerStatus {
    #[command(flatten)]
    brokers: Brokers,
}

#[derive(Debug, Serialize)]
struct Statuses {
    brokers: Vec<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    broker_addr: String,
    status: BTreeMap<String, String>,
}

impl BrokerStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        let ask = |address: String| async move { admin.broker_runtime_info(&address).await };
        let (answers, errors) = ask_each(places, ask).await?;
        let status = |(place, info): (Place, KvTable)| Status { broker_addr: place.broker_addr, status: info.table };
        let statuses = Statuses { brokers: answers.into_iter().map(status).collect(), errors };
        context.output.show(&statuses)?;
        Failure::unless_complete(statuses.errors)
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, broker) in self.brokers.iter().enumerate() {
            if self.brokers.len() > 1 {
                writeln!(f, "{}{}", if index > 0 { "\n" } else { "" }, broker.broker_addr)?;
            }
            let mut facts = FactList::default();
            for (key, value) in &broker.status {
                facts.fact(key, value);
            }
            facts.fmt(f)?;
        }
        Ok(())
    }
}
