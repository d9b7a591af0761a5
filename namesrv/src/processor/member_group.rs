//! GET_BROKER_MEMBER_GROUP (901): the addresses of one group, for brokers with acting masters.

use std::collections::BTreeMap;

use super::{Answer, Outcome, Request};
use crate::name_server::NameServer;
use crate::unquoted_ids::encode_member_group;

/// A group that is not known has no addresses; that is no error.
pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let (cluster, broker_name) = (request.require("clusterName")?, request.require("brokerName")?);
    let nobody = BTreeMap::new();
    let addresses = server.registry.routes().group(broker_name).map_or(&nobody, |group| &group.addresses);
    Ok(Answer::body(encode_member_group(cluster, broker_name, addresses)))
}
