//! No decoder panics, whatever the bytes; and none reads what it was not given. `fuzz/` does the same for longer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::body::fastjson::to_standard;
use protocol::body::{
    ClusterInfo, ConsumeStats, ConsumeStatsList, ConsumerConnection, ConsumerOffsetTable, ConsumerStatus, HaStatus,
    HeartbeatData, LockBatchRequest, QueueOffsets, RegisterBrokerBody, SubscriptionGroupTable, TopicConfigTable,
    TopicRouteData, TopicStatsTable,
};
use protocol::message_id::OffsetMessageId;
use protocol::properties::{self, PropertiesBuilder};
use protocol::{Frame, Header, HeaderEncoding, batch, decode_frame, properties_text, record, tags, topic_name};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

/// Small numbers are frequent, so that lengths are often plausible.
fn length_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => Just(0_u8), 2 => 0_u8..32, 1 => any::<u8>()], 0..200)
}

/// Text that is often almost JSON of the reference's dialect.
fn json_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[\\[\\]{}:,\"]",
        "[0-9.eE+-]{1,3}",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"extFields\":{".to_owned()),
        Just("\"code\":".to_owned()),
        Just("{\"brokerName\":\"b\",\"queueId\":0,\"topic\":\"t\"}:1".to_owned()),
        Just("\"offsetTable\":{".to_owned()),
        Just("\"brokerDatas\":[".to_owned()),
        Just("\"consumerDataSet\":[".to_owned()),
        Just("\\ud83d".to_owned()),
        "\\PC{0,3}",
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn decode_every_body(bytes: &[u8]) {
    let _ = TopicRouteData::decode(bytes);
    let _ = ClusterInfo::decode(bytes);
    let _ = TopicConfigTable::decode(bytes);
    let _ = RegisterBrokerBody::decode(bytes);
    let _ = HeartbeatData::decode(bytes);
    let _ = LockBatchRequest::decode(bytes);
    let _ = SubscriptionGroupTable::decode(bytes);
    let _ = ConsumerConnection::decode(bytes);
    let _ = TopicStatsTable::decode(bytes);
    let _ = ConsumeStats::decode(bytes);
    let _ = ConsumeStatsList::decode(bytes);
    let _ = ConsumerOffsetTable::decode(bytes);
    let _ = QueueOffsets::decode(bytes);
    let _ = ConsumerStatus::decode(bytes);
    let _ = HaStatus::decode(bytes);
}

fn decode_header(encoding: HeaderEncoding, header: &[u8]) {
    let mut decoded = Header::default();
    if decoded.decode(&Frame { encoding, header, body: &[] }).is_ok() {
        for (key, value) in decoded.fields() {
            assert!(
                value.is_empty() || decoded.get(key).is_some() || decoded.fields().filter(|f| f.0 == key).count() > 1
            );
        }
        let _ = decoded.remark();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn frames(bytes in prop_oneof![bytes(), length_like_bytes()]) {
        if let Ok(Some((frame, used))) = decode_frame(&bytes) {
            prop_assert!(used <= bytes.len());
            prop_assert_eq!(used, 8 + frame.header.len() + frame.body.len());
        }
    }

    #[test]
    fn binary_headers(bytes in prop_oneof![bytes(), length_like_bytes()]) {
        decode_header(HeaderEncoding::RocketMq, &bytes);
    }

    #[test]
    fn json_headers(bytes in bytes(), text in json_like()) {
        decode_header(HeaderEncoding::Json, &bytes);
        decode_header(HeaderEncoding::Json, text.as_bytes());
        decode_header(HeaderEncoding::Json, format!("{{{text}}}").as_bytes());
    }

    #[test]
    fn records(bytes in bytes(), at in 0..91_usize, byte in any::<u8>()) {
        let _ = record::decode_record(&bytes);
        // A right size and magic let the decoder look further.
        let mut plausible = vec![0; 91 + bytes.len()];
        let size = plausible.len() as i32;
        plausible[..4].copy_from_slice(&size.to_be_bytes());
        plausible[4..8].copy_from_slice(&record::MAGIC_V1.to_be_bytes());
        plausible[84..84 + bytes.len()].copy_from_slice(&bytes);
        if at >= 8 {
            plausible[at] = byte;
        }
        prop_assert!(record::iterate(&plausible).count() <= 2);
    }

    #[test]
    fn batches(bytes in prop_oneof![bytes(), length_like_bytes()]) {
        prop_assert!(batch::iterate(&bytes).count() <= 1 + bytes.len() / 22);
    }

    #[test]
    fn properties_of_any_bytes(bytes in vec(prop_oneof![0_u8..4, any::<u8>()], 0..100)) {
        for (name, value) in properties::iterate(&bytes) {
            prop_assert!(!name.is_empty() && !value.is_empty() && properties::get(&bytes, name).is_some());
        }
        let builder = PropertiesBuilder::from_text(&bytes);
        prop_assert!(properties::iterate(builder.as_bytes()).eq(properties::iterate(&bytes)));
    }

    #[test]
    fn bodies(bytes in bytes(), text in json_like()) {
        decode_every_body(&bytes);
        decode_every_body(text.as_bytes());
        decode_every_body(format!("{{{text}}}").as_bytes());
    }

    #[test]
    fn what_the_rewriter_lets_through_is_standard_json(text in json_like()) {
        if let Ok(standard) = to_standard(&text) {
            let parsed = serde_json::from_slice::<serde_json::Value>(&standard);
            // Numbers beyond an f64 are the one thing that is left to serde.
            prop_assert!(parsed.is_ok() || parsed.unwrap_err().to_string().contains("number"));
        }
    }

    #[test]
    fn texts(text in any::<String>(), hex in "[0-9a-fA-F]{32}") {
        let _ = OffsetMessageId::parse(&text);
        let _ = OffsetMessageId::parse(&hex);
        let _ = tags::TagFilter::parse(&text);
        let _ = topic_name::validate_topic(&text);
        let _ = properties_text::parse(&text);
    }
}
