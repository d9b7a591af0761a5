//! UNREGISTER_BROKER (104): a broker says goodbye.

use super::{Answer, Outcome, Request};
use crate::name_server::NameServer;

pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    server.registry.unregister(&request.broker_identity()?);
    Ok(Answer::done())
}
