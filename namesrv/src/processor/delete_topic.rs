//! DELETE_TOPIC_IN_NAMESRV (216). The brokers keep the topic until they are told on their own.

use super::{Answer, Outcome, Request};
use crate::name_server::NameServer;

/// A topic that is not known is no error: tools send this to every name server.
pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    server.registry.delete_topic(request.require("topic")?, request.optional("clusterName")?);
    Ok(Answer::done())
}
