//! Bodies whose maps have broker ids as keys, in the form that the reference writes: `{0:"a:1"}`, ids without quotes.

use std::collections::BTreeMap;

use protocol::body::{BrokerData, ClusterInfo};
use serde::Serialize;

/// The answer to GET_BROKER_CLUSTER_INFO (106).
pub(crate) fn encode_cluster_info(info: &ClusterInfo) -> Vec<u8> {
    let mut out = b"{\"brokerAddrTable\":{".to_vec();
    for (index, (name, broker)) in info.broker_addr_table.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(&mut out, name);
        out.push(b':');
        push_broker(&mut out, broker);
    }
    out.push(b'}');
    push_member(&mut out, "clusterAddrTable", &info.cluster_addr_table);
    out.push(b'}');
    out
}

/// The answer to GET_BROKER_MEMBER_GROUP (901).
pub(crate) fn encode_member_group(cluster: &str, broker_name: &str, addresses: &BTreeMap<i64, String>) -> Vec<u8> {
    let mut out = b"{\"brokerMemberGroup\":{".to_vec();
    push_addresses(&mut out, addresses);
    push_member(&mut out, "brokerName", broker_name);
    push_member(&mut out, "cluster", cluster);
    out.extend_from_slice(b"}}");
    out
}

fn push_broker(out: &mut Vec<u8>, broker: &BrokerData) {
    out.push(b'{');
    push_addresses(out, &broker.broker_addrs);
    push_member(out, "brokerName", &broker.broker_name);
    push_member(out, "cluster", &broker.cluster);
    push_member(out, "enableActingMaster", &broker.enable_acting_master);
    if let Some(zone) = &broker.zone_name {
        push_member(out, "zoneName", zone);
    }
    out.push(b'}');
}

fn push_addresses(out: &mut Vec<u8>, addresses: &BTreeMap<i64, String>) {
    out.extend_from_slice(b"\"brokerAddrs\":{");
    for (index, (id, address)) in addresses.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(out, id);
        out.push(b':');
        push_json(out, address);
    }
    out.push(b'}');
}

/// Any member but an object's first.
fn push_member(out: &mut Vec<u8>, key: &str, value: &(impl Serialize + ?Sized)) {
    out.push(b',');
    push_json(out, key);
    out.push(b':');
    push_json(out, value);
}

fn push_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("text, numbers and maps by text are always JSON");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(zone_name: Option<&str>) -> BrokerData {
        BrokerData {
            broker_addrs: BTreeMap::from([(0, "a:1".to_owned()), (1, "a:2".to_owned())]),
            broker_name: "quote \"".to_owned(),
            cluster: "C".to_owned(),
            enable_acting_master: false,
            zone_name: zone_name.map(str::to_owned),
        }
    }

    #[test]
    fn cluster_information_differs_from_standard_json_only_in_the_quotes_of_ids() {
        let mut info = ClusterInfo::default();
        for name in ["a", "b"] {
            info.broker_addr_table.insert(name.to_owned(), broker((name == "b").then_some("z")));
            info.cluster_addr_table.entry("C".to_owned()).or_default().insert(name.to_owned());
        }
        let standard = String::from_utf8(info.encode()).unwrap();
        let unquoted = standard.replace("\"0\":", "0:").replace("\"1\":", "1:");
        assert_eq!(String::from_utf8(encode_cluster_info(&info)).unwrap(), unquoted);
        assert_eq!(ClusterInfo::decode(unquoted.as_bytes()).unwrap(), info);
    }

    #[test]
    fn a_member_group_lists_its_addresses_by_id() {
        let body = encode_member_group("C", "broker-a", &broker(None).broker_addrs);
        let expected =
            r#"{"brokerMemberGroup":{"brokerAddrs":{0:"a:1",1:"a:2"},"brokerName":"broker-a","cluster":"C"}}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
