//! WIPE_WRITE_PERM_OF_BROKER (205) and ADD_WRITE_PERM_OF_BROKER (327): drain a broker by its routes.

use super::{Answer, Outcome, Request};
use crate::name_server::NameServer;
use crate::topic_routes::{PERM_READ, PERM_WRITE};

/// Lasts until the broker registers a changed table.
pub(crate) fn wipe(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let count = server.registry.change_permission(request.require("brokerName")?, |perm| perm & !PERM_WRITE);
    Ok(Answer::done().field("wipeTopicCount", count.to_string()))
}

pub(crate) fn add(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let count = server.registry.change_permission(request.require("brokerName")?, |_| PERM_READ | PERM_WRITE);
    Ok(Answer::done().field("addTopicCount", count.to_string()))
}
