//! Where a topic is (105).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::fastjson::{push_json, to_json};

/// A broker group: the addresses of its members by broker id, 0 = master.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerData {
    /// `ip:port` by broker id.
    pub broker_addrs: BTreeMap<i64, String>,
    /// Name of the group.
    pub broker_name: String,
    /// Its cluster.
    pub cluster: String,
    /// The smallest id may stand in for a missing master.
    pub enable_acting_master: bool,
    /// Its zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<String>,
}

/// The queues of a topic in a broker group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueData {
    /// Name of the group.
    pub broker_name: String,
    /// 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Queues to consume.
    pub read_queue_nums: i32,
    /// 1 unit, 2 has a unit subscription.
    pub topic_sys_flag: i32,
    /// Queues to send to.
    pub write_queue_nums: i32,
}

/// The route of a topic. All lists are written even when empty: the Go client panics without them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicRouteData {
    /// The broker groups that have it.
    pub broker_datas: Vec<BrokerData>,
    /// Filter servers by broker address; dead.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// `broker:queues;broker:queues` of an order topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    /// Its queues there.
    pub queue_datas: Vec<QueueData>,
    /// Static topics, passed on as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_queue_mapping_by_broker: Option<BTreeMap<String, serde_json::Value>>,
}

json_body!(TopicRouteData);

impl TopicRouteData {
    /// Standard JSON, broker ids quoted. All clients read it.
    pub fn encode_standard(&self) -> Vec<u8> {
        to_json(self)
    }

    /// What the reference answers to clients older than 401: the same with unquoted broker ids.
    pub fn encode_for_old_clients(&self) -> Vec<u8> {
        let mut out = b"{\"brokerDatas\":[".to_vec();
        for (index, broker) in self.broker_datas.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_broker(&mut out, broker);
        }
        out.extend_from_slice(b"],");
        let rest = RouteRest {
            filter_server_table: &self.filter_server_table,
            order_topic_conf: self.order_topic_conf.as_deref(),
            queue_datas: &self.queue_datas,
            topic_queue_mapping_by_broker: self.topic_queue_mapping_by_broker.as_ref(),
        };
        push_members(&mut out, &rest);
        out
    }
}

fn push_broker(out: &mut Vec<u8>, broker: &BrokerData) {
    out.extend_from_slice(b"{\"brokerAddrs\":{");
    for (index, (id, address)) in broker.broker_addrs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(out, id);
        out.push(b':');
        push_json(out, address);
    }
    out.extend_from_slice(b"},");
    let rest = BrokerRest {
        broker_name: &broker.broker_name,
        cluster: &broker.cluster,
        enable_acting_master: broker.enable_acting_master,
        zone_name: broker.zone_name.as_deref(),
    };
    push_members(out, &rest);
}

/// Appends the members of an object and its closing bracket.
fn push_members(out: &mut Vec<u8>, object: &impl Serialize) {
    let start = out.len();
    push_json(out, object);
    assert_eq!(out[start], b'{', "a struct is written as an object");
    out.remove(start);
}

/// Everything behind `brokerDatas`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteRest<'a> {
    filter_server_table: &'a BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_topic_conf: Option<&'a str>,
    queue_datas: &'a [QueueData],
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_queue_mapping_by_broker: Option<&'a BTreeMap<String, serde_json::Value>>,
}

/// Everything behind `brokerAddrs`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerRest<'a> {
    broker_name: &'a str,
    cluster: &'a str,
    enable_acting_master: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_name: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> TopicRouteData {
        TopicRouteData {
            broker_datas: vec![BrokerData {
                broker_addrs: BTreeMap::from([(0, "10.0.0.1:10911".to_owned()), (1, "10.0.0.2:10911".to_owned())]),
                broker_name: "broker-a".to_owned(),
                cluster: "DefaultCluster".to_owned(),
                enable_acting_master: false,
                zone_name: Some("z".to_owned()),
            }],
            order_topic_conf: Some("broker-a:4".to_owned()),
            queue_datas: vec![QueueData { broker_name: "broker-a".to_owned(), perm: 6, ..QueueData::default() }],
            ..TopicRouteData::default()
        }
    }

    #[test]
    fn both_forms_read_back_to_the_same() {
        let route = route();
        assert_eq!(TopicRouteData::decode(&route.encode_standard()).unwrap(), route);
        assert_eq!(TopicRouteData::decode(&route.encode_for_old_clients()).unwrap(), route);
    }

    #[test]
    fn only_the_quotes_of_broker_ids_differ() {
        let old = String::from_utf8(route().encode_for_old_clients()).unwrap();
        let quoted = old.replace("{0:", "{\"0\":").replace(",1:", ",\"1\":");
        assert_eq!(quoted.as_bytes(), route().encode_standard());
    }

    #[test]
    fn an_empty_route_still_has_its_lists() {
        let empty = TopicRouteData::default();
        let text = br#"{"brokerDatas":[],"filterServerTable":{},"queueDatas":[]}"#;
        assert_eq!(empty.encode_standard(), text);
        assert_eq!(empty.encode_for_old_clients(), text);
    }
}
