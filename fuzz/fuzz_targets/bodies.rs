//! JSON bodies and the reference's dialect. The first byte picks the body; what decodes, encodes and decodes to the
//! same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::body::fastjson::to_standard;
use protocol::body::{
    ClusterInfo, ConsumeStats, ConsumeStatsList, ConsumerConnection, ConsumerOffsetTable, ConsumerStatus,
    DelayOffsetTable, HeartbeatData, LockBatchRequest, QueueOffsets, RegisterBrokerBody, SubscriptionGroupTable,
    TopicConfigTable, TopicRouteData, TopicStatsTable,
};

macro_rules! round_trip {
    ($type:ident, $body:expr) => {
        if let Ok(decoded) = $type::decode($body) {
            let again = $type::decode(&decoded.encode()).expect("our own body");
            assert_eq!(again, decoded);
        }
    };
}

fuzz_target!(|input: &[u8]| {
    let Some((which, body)) = input.split_first() else { return };
    match which % 16 {
        0 => round_trip!(HeartbeatData, body),
        1 => {
            round_trip!(RegisterBrokerBody, body);
            if let Ok(decoded) = RegisterBrokerBody::decode(body) {
                let _ = RegisterBrokerBody::decode(&decoded.encode_compressed());
            }
        }
        2 => {
            round_trip!(TopicRouteData, body);
            if let Ok(route) = TopicRouteData::decode(body) {
                let again = TopicRouteData::decode(&route.encode_for_old_clients()).expect("our own body");
                assert_eq!(again, route);
            }
        }
        3 => round_trip!(ClusterInfo, body),
        4 => round_trip!(TopicConfigTable, body),
        5 => round_trip!(SubscriptionGroupTable, body),
        6 => round_trip!(ConsumerConnection, body),
        7 => round_trip!(TopicStatsTable, body),
        8 => round_trip!(ConsumeStats, body),
        9 => round_trip!(ConsumeStatsList, body),
        10 => round_trip!(ConsumerOffsetTable, body),
        11 => round_trip!(DelayOffsetTable, body),
        12 => round_trip!(QueueOffsets, body),
        13 => round_trip!(ConsumerStatus, body),
        14 => round_trip!(LockBatchRequest, body),
        _ => {
            let Ok(text) = std::str::from_utf8(body) else { return };
            let Ok(standard) = to_standard(text) else { return };
            let standard = std::str::from_utf8(&standard).expect("rewritten text is text");
            // Rewriting what is standard already changes nothing.
            assert_eq!(to_standard(standard).expect("our own text"), standard.as_bytes());
        }
    }
});
