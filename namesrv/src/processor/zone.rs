//! Zone mode: a client that says where it is sees only the brokers of its zone.

use protocol::body::TopicRouteData;
use protocol::header::Header;

use crate::topic_routes::MASTER_ID;

/// The zone that a request is limited to. A blank zone name is none.
pub(super) fn of(header: &Header) -> Option<&str> {
    let on = header.get("__ZONE_MODE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    header.get("__ZONE_NAME").filter(|zone| on && !zone.trim().is_empty())
}

/// Keeps the groups of `zone`, and those without a master: their consumers have to read wherever a slave is left.
pub(super) fn retain(route: &mut TopicRouteData, zone: &str) {
    let mut removed = Vec::new();
    route.broker_datas.retain(|broker| {
        let in_zone = broker.zone_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(zone));
        let keep = in_zone || !broker.broker_addrs.contains_key(&MASTER_ID);
        if !keep {
            removed.push(broker.clone());
        }
        keep
    });
    route.queue_datas.retain(|queues| removed.iter().all(|broker| broker.broker_name != queues.broker_name));
    for address in removed.iter().flat_map(|broker| broker.broker_addrs.values()) {
        route.filter_server_table.remove(address);
    }
}
