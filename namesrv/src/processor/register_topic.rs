//! REGISTER_TOPIC_IN_NAMESRV (217): a broker brings one topic without its whole table.

use protocol::body::TopicRouteData;

use super::{Answer, Outcome, Refusal, Request};
use crate::name_server::NameServer;

pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let topic = request.require("topic")?;
    let route = TopicRouteData::decode(request.body).map_err(|error| Refusal::from_error(&error))?;
    let registered = server.registry.register_topic(topic, route.queue_datas);
    registered.map_err(|error| Refusal::from_error(&error))?;
    Ok(Answer::done())
}
