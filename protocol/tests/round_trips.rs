//! What is encoded decodes to the same, for values of every kind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::net::{IpAddr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::batch::{self, BatchItem, encode_batch_item};
use protocol::message_id::{OffsetMessageId, UniqueIdSource};
use protocol::properties::{self, PropertiesBuilder};
use protocol::record::{MAGIC_V1, MAGIC_V2, RecordFields, decode_record};
use protocol::sys_flag::MessageSysFlag;
use protocol::{CommandEncoder, HeaderEncoding, Language, RemotingCommand, decode_frame};

fn command() -> impl Strategy<Value = RemotingCommand> {
    let numbers = (any::<i16>(), 0_u8..14, any::<i16>(), any::<i32>(), 0..4_i32);
    let texts = (proptest::option::of("\\PC{1,20}"), vec((any::<String>(), any::<String>()), 0..12));
    (numbers, texts, vec(any::<u8>(), 0..64)).prop_map(|(numbers, (remark, fields), body)| {
        let (code, language, version, opaque, flag) = numbers;
        RemotingCommand {
            code: i32::from(code),
            language: Language(language),
            version: i32::from(version),
            opaque,
            flag,
            remark,
            fields,
            body,
        }
    })
}

fn encoding() -> impl Strategy<Value = HeaderEncoding> {
    prop_oneof![Just(HeaderEncoding::Json), Just(HeaderEncoding::RocketMq)]
}

fn host() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

#[derive(Debug, Clone)]
struct OwnedRecord {
    numbers: (i32, i32, i64, i64, i32, i64),
    more_numbers: (i64, i32, i64),
    hosts: (SocketAddr, SocketAddr),
    body: Vec<u8>,
    topic: String,
    properties: Vec<u8>,
}

impl OwnedRecord {
    fn fields(&self) -> RecordFields<'_> {
        let (queue_id, flag, queue_offset, physical_offset, sys_flag, born_timestamp) = self.numbers;
        let (store_timestamp, reconsume_times, prepared_transaction_offset) = self.more_numbers;
        RecordFields {
            queue_id,
            flag,
            queue_offset,
            physical_offset,
            sys_flag,
            born_timestamp,
            born_host: self.hosts.0,
            store_timestamp,
            store_host: self.hosts.1,
            reconsume_times,
            prepared_transaction_offset,
            body: &self.body,
            topic: &self.topic,
            properties: &self.properties,
        }
    }
}

fn owned_record() -> impl Strategy<Value = OwnedRecord> {
    (any::<(i32, i32, i64, i64, i32, i64)>(), any::<(i64, i32, i64)>(), (host(), host()), texts()).prop_map(
        |(numbers, more_numbers, hosts, (body, topic, properties))| OwnedRecord {
            numbers,
            more_numbers,
            hosts,
            body,
            topic,
            properties,
        },
    )
}

/// Body, topic (on both sides of the V1 limit) and properties.
fn texts() -> impl Strategy<Value = (Vec<u8>, String, Vec<u8>)> {
    (vec(any::<u8>(), 0..100), "[a-zA-Z0-9_%|-]{0,200}|\\PC{0,60}", vec(any::<u8>(), 0..100))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn commands_in_both_encodings(command in command(), encoding in encoding()) {
        let mut bytes = b"before".to_vec();
        command.encode(&mut bytes, encoding);
        let (frame, used) = decode_frame(&bytes[6..]).unwrap().unwrap();
        prop_assert_eq!(used, bytes.len() - 6);
        prop_assert_eq!(frame.encoding, encoding);
        prop_assert_eq!(RemotingCommand::decode(&frame).unwrap(), command);
    }

    #[test]
    fn a_json_header_is_json_to_others_too(command in command()) {
        let mut bytes = Vec::new();
        command.encode(&mut bytes, HeaderEncoding::Json);
        let (frame, _) = decode_frame(&bytes).unwrap().unwrap();
        let json: serde_json::Value = serde_json::from_slice(frame.header).unwrap();
        prop_assert_eq!(&json["opaque"], command.opaque);
        for (key, _) in &command.fields {
            let last = command.fields.iter().rev().find(|(known, _)| known == key).unwrap();
            prop_assert_eq!(json["extFields"][key].as_str(), Some(last.1.as_str()));
        }
    }

    #[test]
    fn every_prefix_of_a_frame_asks_for_more(command in command(), encoding in encoding(), cut in 0.0..1.0_f64) {
        let mut bytes = Vec::new();
        command.encode(&mut bytes, encoding);
        let end = (bytes.len() as f64 * cut) as usize;
        prop_assert_eq!(decode_frame(&bytes[..end]).unwrap(), None);
    }

    #[test]
    fn numbers_in_fields(a in any::<i32>(), b in any::<i64>(), c in any::<u64>(), d in any::<bool>(), encoding in encoding()) {
        let mut bytes = Vec::new();
        let mut encoder = CommandEncoder::response(&mut bytes, encoding, 0, 1, None);
        encoder.field("a", a).field("b", b).field("c", c).field("d", d);
        encoder.finish();
        let (frame, _) = decode_frame(&bytes).unwrap().unwrap();
        let mut header = protocol::Header::default();
        header.decode(&frame).unwrap();
        prop_assert_eq!(header.require::<i32>("a").unwrap(), a);
        prop_assert_eq!(header.require::<i64>("b").unwrap(), b);
        prop_assert_eq!(header.require::<u64>("c").unwrap(), c);
        prop_assert_eq!(header.require::<bool>("d").unwrap(), d);
    }

    #[test]
    fn records(record in owned_record()) {
        let fields = record.fields();
        let mut bytes = vec![0xEE; fields.encoded_bytes()];
        fields.encode(&mut bytes);
        let (view, used) = decode_record(&bytes).unwrap();
        prop_assert_eq!(used, bytes.len());
        let address_bits = MessageSysFlag::BORN_HOST_V6 | MessageSysFlag::STORE_HOST_V6;
        prop_assert_eq!(view.sys_flag & !address_bits, fields.sys_flag & !address_bits);
        prop_assert_eq!(view.sys_flag & MessageSysFlag::BORN_HOST_V6 != 0, fields.born_host.is_ipv6());
        prop_assert_eq!(view.sys_flag & MessageSysFlag::STORE_HOST_V6 != 0, fields.store_host.is_ipv6());
        prop_assert_eq!(view.magic, if fields.topic.len() > 127 { MAGIC_V2 } else { MAGIC_V1 });
        prop_assert_eq!(RecordFields { sys_flag: fields.sys_flag, ..view.to_fields() }, fields);
        prop_assert!(view.check_body_crc().is_ok());
    }

    #[test]
    fn a_cut_record_is_an_error(record in owned_record(), cut in 0.0..1.0_f64) {
        let fields = record.fields();
        let mut bytes = vec![0; fields.encoded_bytes()];
        fields.encode(&mut bytes);
        let end = (bytes.len() as f64 * cut) as usize;
        prop_assert!(decode_record(&bytes[..end]).is_err());
    }

    #[test]
    fn batches(items in vec((any::<i32>(), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40)), 0..8)) {
        let items: Vec<_> =
            items.iter().map(|(flag, body, properties)| BatchItem { flag: *flag, body, properties }).collect();
        let mut bytes = Vec::new();
        items.iter().for_each(|item| encode_batch_item(&mut bytes, item));
        let decoded: Result<Vec<_>, _> = batch::iterate(&bytes).collect();
        prop_assert_eq!(decoded.unwrap(), items);
    }

    #[test]
    fn properties_keep_their_pairs(pairs in vec(("[^\u{1}\u{2}]{1,8}", "[^\u{2}]{1,8}"), 0..8)) {
        let mut builder = PropertiesBuilder::new();
        for (name, value) in &pairs {
            builder.set(name, value);
        }
        for (name, _) in &pairs {
            let last = pairs.iter().rev().find(|(known, _)| known == name).unwrap();
            prop_assert_eq!(builder.get(name), Some(last.1.as_bytes()));
        }
        let again = PropertiesBuilder::from_text(builder.as_bytes());
        prop_assert_eq!(again.as_bytes(), builder.as_bytes());
        for (name, _) in &pairs {
            builder.remove(name);
        }
        prop_assert!(builder.as_bytes().is_empty());
    }

    #[test]
    fn no_value_of_a_property_makes_another_property(name in any::<Vec<u8>>(), value in any::<Vec<u8>>()) {
        let mut builder = PropertiesBuilder::from_text(b"A\x011\x02");
        builder.set(&name, &value);
        prop_assert!(properties::iterate(builder.as_bytes()).count() <= 2);
    }

    #[test]
    fn offset_message_ids(store_host in host(), physical_offset in any::<i64>()) {
        let id = OffsetMessageId { store_host, physical_offset };
        let text = id.to_string();
        prop_assert_eq!(text.len(), if store_host.is_ipv6() { 56 } else { 32 });
        prop_assert_eq!(OffsetMessageId::parse(&text), Ok(id));
        prop_assert_eq!(OffsetMessageId::parse(&text.to_lowercase()), Ok(id));
    }

    #[test]
    fn unique_ids_of_one_source_differ(ip in any::<IpAddr>(), now_ms in 0..4_000_000_000_000_i64) {
        let mut source = UniqueIdSource::new(ip, 77, 1);
        let ids: std::collections::BTreeSet<_> =
            (0..1000).map(|step| source.next_id(now_ms + step / 400).to_string()).collect();
        prop_assert_eq!(ids.len(), 1000);
        let digits = if ip.is_ipv6() { 56 } else { 32 };
        prop_assert!(ids.iter().all(|id| id.len() == digits));
    }
}
