//! What a scenario is pointed at.

use std::collections::BTreeMap;

/// A cluster: its name servers and its brokers.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port;host:port`.
    pub name_servers: String,
    /// `host:port` of each broker group's master, by name.
    pub brokers: BTreeMap<String, String>,
}

impl Target {
    /// The brokers of both, reached through the name servers of `self`.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.brokers.extend(other.brokers.clone());
        self
    }

    /// The brokers as the Go scenarios take them: `name=host:port,name=host:port`.
    #[must_use]
    pub fn broker_list(&self) -> String {
        let named: Vec<String> = self.brokers.iter().map(|(name, address)| format!("{name}={address}")).collect();
        named.join(",")
    }
}
