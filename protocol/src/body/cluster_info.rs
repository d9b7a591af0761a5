//! All clusters and brokers of a name server (106).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::route::BrokerData;

/// Broker ids are written quoted; the reference leaves the quotes out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// Broker groups by name.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Names of the broker groups by cluster.
    pub cluster_addr_table: BTreeMap<String, BTreeSet<String>>,
}

json_body!(ClusterInfo);
