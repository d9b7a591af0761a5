//! BROKER_HEARTBEAT (904): a sign of life without a table.

use super::{Answer, Outcome, Request};
use crate::name_server::NameServer;

pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    server.registry.heard(&request.broker_identity()?, request.now);
    Ok(Answer::done())
}
