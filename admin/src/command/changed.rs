//! The result of a command that changes something: what, and where.

use serde::Serialize;

use crate::brokers::Place;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// What was done at one server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    #[serde(skip)]
    what: String,
    /// Of a broker, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_name: Option<String>,
    address: String,
}

impl Row for Changed {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("CHANGED", Align::Left), ("BROKER", Align::Left), ("ADDRESS", Align::Left)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.what, &self.broker_name.as_deref().unwrap_or_default(), &self.address]);
    }
}

impl Changed {
    /// At brokers.
    pub(super) fn at<T>(what: impl Into<String>, answers: Vec<(Place, T)>) -> Rows<Self> {
        let what = what.into();
        let changed = |(place, _): (Place, T)| Self {
            what: what.clone(),
            broker_name: place.broker_name,
            address: place.broker_addr,
        };
        Rows::new("changed", answers.into_iter().map(changed).collect())
    }

    /// At name servers.
    pub(super) fn at_name_servers(what: impl Into<String>, addresses: &[String]) -> Rows<Self> {
        let what = what.into();
        let changed = |address: &String| Self { what: what.clone(), broker_name: None, address: address.clone() };
        Rows::new("changed", addresses.iter().map(changed).collect())
    }
}
