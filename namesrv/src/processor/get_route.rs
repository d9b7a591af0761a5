//! GET_ROUTEINFO_BY_TOPIC (105): where a topic is. Every client asks this every 30 s for each of its topics.

use protocol::code::ResponseCode;

use super::{Answer, Outcome, Refusal, Request, zone};
use crate::kv_config::NAMESPACE_ORDER_TOPIC_CONFIG;
use crate::name_server::NameServer;

/// Release 4.9.4: the first whose clients take broker ids as quoted keys.
const STANDARD_JSON_VERSION: i32 = 401;

/// Clients compare nothing of it, but people search for it.
const FAQ: &str = "See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let header = request.header;
    if !server.is_ready(request.now) {
        return Err(Refusal::error("name server not ready"));
    }
    // A missing topic is one without a route: clients know what to do about 17.
    let topic = header.get("topic");
    let route = topic.and_then(|topic| server.registry.route(topic, server.config.support_acting_master));
    let Some(mut route) = route else {
        let topic = topic.unwrap_or("null");
        let remark = format!("No topic route info in name server for the topic: {topic}\n{FAQ}");
        return Err(Refusal::new(ResponseCode::TOPIC_NOT_EXIST, remark));
    };
    if server.config.order_message_enable {
        let order = topic.and_then(|topic| server.kv().get(NAMESPACE_ORDER_TOPIC_CONFIG, topic));
        route.order_topic_conf = order.map(str::to_owned);
    }
    if let Some(zone) = zone::of(header) {
        zone::retain(&mut route, zone);
        // The reference forgets about standard JSON on this way, so clients with zones read the old form.
        return Ok(Answer::body(route.encode_for_old_clients()));
    }
    let standard = header.version >= STANDARD_JSON_VERSION
        || header.get("acceptStandardJsonOnly").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Answer::body(if standard { route.encode_standard() } else { route.encode_for_old_clients() }))
}
