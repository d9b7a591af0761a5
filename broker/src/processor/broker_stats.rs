//! VIEW_BROKER_STATS_DATA (315): what was counted lately of a topic, of a group in a topic, or of the whole broker. Nothing
//! is counted for it that is not counted anyway.

use std::rc::Rc;

use protocol::body::{BrokerStatsData, BrokerStatsItem};
use protocol::code::ResponseCode;

use super::queue_stats;
use crate::env::Env;
use crate::metrics::{Rates, Span, What};
use crate::request::{Halt, Request};
use crate::shard::Shard;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (name, key) = (header.require_str("statsName")?, header.require_str("statsKey")?);
    if name == queue_stats::QUEUE_PUT_NUMS {
        return queue_stats::run(shard, request, key);
    }
    let spans = [Span::Minute, Span::Hour, Span::Day].map(|span| rates(shard, name, key, span).map(item));
    let [Some(stats_minute), Some(stats_hour), Some(stats_day)] = spans else {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, format!("The stats <{name}> <{key}> not exist")));
    };
    let data = BrokerStatsData { stats_day, stats_hour, stats_minute };
    request.ticket().succeed_with_body(shard, &data.encode());
    Ok(())
}

fn item(rates: Rates) -> BrokerStatsItem {
    BrokerStatsItem { avgpt: rates.average, sum: rates.sum as i64, tps: rates.per_second }
}

/// `None`: nothing of that kind was ever counted.
fn rates<E: Env>(shard: &Shard<E>, name: &str, key: &str, span: Span) -> Option<Rates> {
    let (traffic, now_ms) = (shard.metrics.traffic.borrow(), shard.uptime_ms());
    let of_topic = |what| {
        shard.tables.borrow().topics.get(key)?;
        traffic.topic_rates(key, what, span, now_ms)
    };
    let topic_and_group = || key.split_once('@');
    let of_group = |what| {
        let (topic, group) = topic_and_group()?;
        traffic.group_rates(topic, group, what, span, now_ms)
    };
    let without_system = || {
        let tables = shard.tables.borrow();
        traffic.rates_without_system(span, now_ms, |topic| tables.topics.is_system(topic))
    };
    let is_own = key == shard.config.identity.cluster_name;
    match name {
        "TOPIC_PUT_NUMS" => of_topic(What::Messages),
        "TOPIC_PUT_SIZE" => of_topic(What::Bytes),
        "GROUP_GET_NUMS" => of_group(What::Messages),
        "GROUP_GET_SIZE" => of_group(What::Bytes),
        "SNDBCK_PUT_NUMS" => {
            topic_and_group().and_then(|(topic, group)| traffic.sent_back_rates(topic, group, span, now_ms))
        }
        "BROKER_PUT_NUMS" => is_own.then(|| traffic.stored_rates(span, now_ms)),
        "BROKER_GET_NUMS" => is_own.then(|| traffic.pulled_rates(span, now_ms)),
        "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC" => is_own.then(|| without_system().0),
        "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC" => is_own.then(|| without_system().1),
        _ => None,
    }
}
