//! Who this broker is in its cluster.

use super::error::{ConfigError, ConfigWarning};
use super::replication;
use super::values::Values;

/// Who this broker is in its cluster.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Cluster that name servers list it under. Default `DefaultCluster`. RocketMQ: `brokerClusterName`.
    pub cluster_name: String,
    /// Name of shard 0; shard i appends `-i`. Default the host name, so that machines differ; in Raft mode `dLegerGroup`, so
    /// that the nodes of a group do not. RocketMQ: `brokerName`.
    pub broker_name: String,
    /// 0 for a master, more for a slave. In Raft mode 0, the id of the node that leads; one that follows registers with its
    /// [`raft_id`](super::parse::node_id::NodeId::raft_id). RocketMQ: `brokerId`.
    pub broker_id: i64,
    /// What clients may do, as bits: 4 read, 2 write. Default 6. Topics are registered with no more than this.
    /// RocketMQ: `brokerPermission`.
    pub permission: i32,
    /// Put into messages for trace tools (property `MSG_REGION`). Default `DefaultRegion`. RocketMQ: `regionId`.
    pub region_id: String,
    /// Whether clients may trace messages (property `TRACE_ON`). Default true. RocketMQ: `traceOn`.
    pub trace_on: bool,
}

impl Identity {
    pub(super) fn from_values(
        values: &Values,
        errors: &mut Vec<ConfigError>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Self {
        Self {
            cluster_name: values.text("brokerClusterName").to_owned(),
            broker_name: values.text("brokerName").to_owned(),
            broker_id: replication::broker_id(values, errors, warnings),
            permission: values.text("brokerPermission").parse().expect("its choices are numbers"),
            region_id: values.text("regionId").to_owned(),
            trace_on: values.bool("traceOn"),
        }
    }
}
