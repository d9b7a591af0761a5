//! GET_BROKER_CLUSTER_INFO (106): all clusters, groups and addresses.

use super::{Answer, Outcome, Request};
use crate::name_server::NameServer;
use crate::unquoted_ids::encode_cluster_info;

/// Broker ids are never quoted here, whoever asks: readers of this answer expect the reference's form.
pub(crate) fn run(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    Ok(Answer::body(encode_cluster_info(&server.registry.routes().cluster_info())))
}
