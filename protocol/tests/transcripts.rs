//! Every exchange of `data/transcripts.txt`, recorded from stock clients and a live Apache broker, decoded, and
//! encoded again to the same bytes or, where order has no meaning, to equal JSON.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use protocol::batch::{self, encode_batch_item};
use protocol::body::fastjson::to_standard;
use protocol::body::{
    ClusterInfo, ConsumeFromWhere, ConsumeStats, ConsumeType, ConsumerConnection, ConsumerIdList, DataVersion,
    DelayOffsetTable, HeartbeatData, KvTable, LockBatchRequest, LockBatchResponse, MessageModel, MessageQueue,
    ProducerConnection, QueueOffsets, RegisterBrokerBody, SubscriptionGroupConfig, TopicConfig, TopicRouteData,
    TopicStatsTable,
};
use protocol::message_id::OffsetMessageId;
use protocol::record;
use protocol::send::SendRequest;
use protocol::{Frame, Header, HeaderEncoding, Language, RemotingCommand, RequestCode, decode_frame, properties};
use serde_json::Value;

const TEXT: &str = include_str!("data/transcripts.txt");

/// One request and its answer.
#[derive(Default)]
struct Exchange {
    request: Message,
    answer: Option<Message>,
}

#[derive(Default, Clone)]
struct Message {
    header: &'static str,
    body: Vec<u8>,
    whole_frame: Option<Vec<u8>>,
}

impl Message {
    fn decode(&self) -> Header {
        let mut header = Header::default();
        let frame = Frame { encoding: HeaderEncoding::Json, header: self.header.as_bytes(), body: &self.body };
        header.decode(&frame).unwrap();
        header
    }

    fn command(&self) -> RemotingCommand {
        let frame = Frame { encoding: HeaderEncoding::Json, header: self.header.as_bytes(), body: &self.body };
        RemotingCommand::decode(&frame).unwrap()
    }
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

fn exchanges() -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in TEXT.lines() {
        let (Some(side), Some(content)) = (line.get(..1), line.get(2..)) else { continue };
        let message = match side {
            ">" if content.starts_with('{') => {
                exchanges.push(Exchange::default());
                &mut exchanges.last_mut().unwrap().request
            }
            ">" => &mut exchanges.last_mut().unwrap().request,
            "<" if content == "no answer" => continue,
            "<" => exchanges.last_mut().unwrap().answer.get_or_insert_default(),
            _ => continue,
        };
        if content.starts_with('{') {
            message.header = content;
            continue;
        }
        let (what, bytes) = content.split_once("): ").unwrap();
        let (kind, length) = what.split_once('(').unwrap();
        let bytes = if kind == "body json" { bytes.as_bytes().to_vec() } else { hex(bytes) };
        assert_eq!(bytes.len(), length.parse::<usize>().unwrap(), "{line}");
        match kind {
            "whole frame hex" => message.whole_frame = Some(bytes),
            _ => message.body = bytes,
        }
    }
    assert!(exchanges.len() > 50, "the file was read");
    exchanges
}

/// Requests of `code`, with their answers.
fn of_code(code: RequestCode) -> Vec<Exchange> {
    let found: Vec<_> = exchanges().into_iter().filter(|exchange| exchange.request.decode().code == code.0).collect();
    assert!(!found.is_empty(), "{code}");
    found
}

/// Bodies of requests of `code`.
fn request_bodies(code: RequestCode) -> Vec<Vec<u8>> {
    bodies(of_code(code).into_iter().map(|exchange| exchange.request))
}

/// Bodies of answers to `code`.
fn answer_bodies(code: RequestCode) -> Vec<Vec<u8>> {
    bodies(of_code(code).into_iter().filter_map(|exchange| exchange.answer))
}

fn bodies(messages: impl Iterator<Item = Message>) -> Vec<Vec<u8>> {
    let bodies: Vec<_> = messages.map(|message| message.body).filter(|body| !body.is_empty()).collect();
    assert!(!bodies.is_empty());
    bodies
}

/// Equal as JSON of the reference's dialect, in which the order of members has no meaning.
fn assert_same_json(encoded: &[u8], recorded: &[u8]) {
    let value = |bytes: &[u8]| -> Value {
        let standard = to_standard(std::str::from_utf8(bytes).unwrap()).unwrap();
        serde_json::from_slice(&standard).unwrap()
    };
    assert_eq!(value(encoded), value(recorded), "{}", String::from_utf8_lossy(encoded));
}

#[test]
fn every_header_has_the_fields_that_its_json_has() {
    for exchange in exchanges() {
        for message in [Some(exchange.request), exchange.answer].into_iter().flatten() {
            let header = message.decode();
            let json: Value = serde_json::from_str(message.header).unwrap();
            assert_eq!(json["code"], header.code);
            assert_eq!(json["opaque"], header.opaque);
            assert_eq!(json["flag"], header.flag);
            assert_eq!(json["version"], header.version);
            assert_eq!(json["language"], header.language.name());
            assert_eq!(json["remark"].as_str().filter(|remark| !remark.is_empty()), header.remark());
            let no_fields = serde_json::Map::new();
            let fields = json["extFields"].as_object().unwrap_or(&no_fields);
            assert_eq!(header.fields().count(), fields.len());
            for (key, value) in header.fields() {
                assert_eq!(fields[key].as_str(), Some(value));
            }
        }
    }
}

#[test]
fn headers_encode_to_the_recorded_bytes() {
    let mut identical = 0;
    for exchange in exchanges() {
        for message in [Some(exchange.request), exchange.answer].into_iter().flatten() {
            let mut encoded = Vec::new();
            message.command().encode(&mut encoded, HeaderEncoding::Json);
            let (frame, used) = decode_frame(&encoded).unwrap().unwrap();
            assert_eq!(used, encoded.len());
            assert_eq!(frame.body, message.body);
            let header = std::str::from_utf8(frame.header).unwrap();
            identical += usize::from(header == message.header);
            assert_eq!(normal(header), normal(message.header));
        }
    }
    assert!(identical > 100, "only {identical} headers are identical to the last byte");
}

/// A header without what has no meaning: the order of keys, empty `extFields`, an empty remark, and who wrote it.
fn normal(header: &str) -> Value {
    let mut json: Value = serde_json::from_str(header).unwrap();
    let object = json.as_object_mut().unwrap();
    object.remove("serializeTypeCurrentRPC");
    if object.get("extFields").is_some_and(|fields| fields == &serde_json::json!({})) {
        object.remove("extFields");
    }
    if object.get("remark").is_some_and(|remark| remark == "") {
        object.remove("remark");
    }
    json
}

#[test]
fn whole_frames_encode_to_the_recorded_bytes() {
    let mut frames = 0;
    for message in exchanges().into_iter().map(|exchange| exchange.request) {
        let Some(recorded) = &message.whole_frame else { continue };
        let (frame, used) = decode_frame(recorded).unwrap().unwrap();
        assert_eq!(used, recorded.len());
        let mut encoded = Vec::new();
        message.command().encode(&mut encoded, frame.encoding);
        assert_eq!(&encoded, recorded);
        frames += 1;
    }
    assert_eq!(frames, 2, "one in JSON, one in the binary encoding");
}

#[test]
fn headers_survive_the_binary_encoding() {
    for exchange in exchanges() {
        let command = exchange.request.command();
        if i16::try_from(command.code).is_err() {
            continue;
        }
        let mut encoded = Vec::new();
        command.encode(&mut encoded, HeaderEncoding::RocketMq);
        let (frame, _) = decode_frame(&encoded).unwrap().unwrap();
        assert_eq!(RemotingCommand::decode(&frame).unwrap(), command);
    }
}

#[test]
fn routes_encode_to_the_recorded_bytes() {
    let (mut standard, mut old) = (0, 0);
    for exchange in of_code(RequestCode::GET_ROUTEINFO_BY_TOPIC) {
        let recorded = exchange.answer.unwrap().body;
        if recorded.is_empty() {
            continue;
        }
        let route = TopicRouteData::decode(&recorded).unwrap();
        assert_eq!(route.broker_datas[0].broker_addrs.keys().collect::<Vec<_>>(), [&0]);
        if exchange.request.decode().version >= 401 {
            assert_eq!(route.encode_standard(), recorded);
            standard += 1;
        } else {
            assert_eq!(route.encode_for_old_clients(), recorded);
            old += 1;
        }
    }
    assert_eq!((standard, old), (2, 1));
}

#[test]
fn sends_of_every_client_are_read() {
    let codes = [
        RequestCode::SEND_MESSAGE,
        RequestCode::SEND_MESSAGE_V2,
        RequestCode::SEND_BATCH_MESSAGE,
        RequestCode::SEND_REPLY_MESSAGE_V2,
    ];
    for code in codes {
        for exchange in of_code(code) {
            let header = exchange.request.decode();
            let send = SendRequest::from_header(&header, code).unwrap();
            assert_eq!(send.default_topic, "TBW102");
            assert_eq!(send.default_topic_queue_nums, 4);
            assert_eq!(send.batch, code == RequestCode::SEND_BATCH_MESSAGE);
            let unique_id = properties::get_text(send.properties.as_bytes(), properties::UNIQ_KEY);
            let Some(answer) = exchange.answer.map(|answer| answer.decode()) else {
                assert!(header.is_oneway());
                continue;
            };
            if answer.code == 0 && code != RequestCode::SEND_REPLY_MESSAGE_V2 {
                assert_eq!(answer.get("transactionId"), unique_id);
            }
        }
    }
}

#[test]
fn each_client_s_send_is_read_in_its_own_spelling() {
    let go = of_code(RequestCode::SEND_MESSAGE).remove(0).request.decode();
    let send = SendRequest::from_header(&go, RequestCode::SEND_MESSAGE).unwrap();
    assert_eq!((go.language, go.version), (Language::GO, 317));
    assert_eq!((send.producer_group, send.topic, send.queue_id), ("gpg", "JT", 1));
    assert_eq!((send.max_reconsume_times, send.broker_name), (Some(0), None));
    let java = of_code(RequestCode::SEND_MESSAGE_V2).remove(1).request.decode();
    let send = SendRequest::from_header(&java, RequestCode::SEND_MESSAGE_V2).unwrap();
    assert_eq!((send.producer_group, send.sys_flag, send.broker_name), ("jpg", 0x301, Some("broker-v")));
    assert_eq!(send.max_reconsume_times, None);
}

#[test]
fn message_ids_of_answers_parse_and_print_the_same() {
    let mut ids = 0;
    for exchange in exchanges() {
        let Some(answer) = exchange.answer.map(|answer| answer.decode()) else { continue };
        for id in answer.get("msgId").into_iter().flat_map(|ids| ids.split(',')) {
            let parsed = OffsetMessageId::parse(id).unwrap();
            assert_eq!(parsed.store_host.to_string(), "127.0.0.1:30911");
            assert_eq!(parsed.to_string(), id);
            ids += 1;
        }
    }
    assert!(ids > 8, "{ids}");
}

#[test]
fn batches_encode_to_the_recorded_bytes() {
    let counts: Vec<_> = request_bodies(RequestCode::SEND_BATCH_MESSAGE)
        .iter()
        .map(|recorded| {
            let items: Vec<_> = batch::iterate(recorded).map(Result::unwrap).collect();
            let mut encoded = Vec::new();
            items.iter().for_each(|item| encode_batch_item(&mut encoded, item));
            assert_eq!(&encoded, recorded);
            items.len()
        })
        .collect();
    assert_eq!(counts, [3, 2], "three of the Java client, two of the Go client");
}

#[test]
fn records_encode_to_the_recorded_bytes() {
    let mut recorded = request_bodies(RequestCode::CHECK_TRANSACTION_STATE);
    let codes = [
        RequestCode::PULL_MESSAGE,
        RequestCode::POP_MESSAGE,
        RequestCode::QUERY_MESSAGE,
        RequestCode::VIEW_MESSAGE_BY_ID,
    ];
    for code in codes {
        recorded.extend(answer_bodies(code));
    }
    let mut records = 0;
    for body in recorded {
        let mut encoded = Vec::new();
        for view in record::iterate(&body) {
            let view = view.unwrap();
            view.check_body_crc().unwrap();
            let fields = view.to_fields();
            let start = encoded.len();
            encoded.resize(start + fields.encoded_bytes(), 0);
            fields.encode(&mut encoded[start..]);
            records += 1;
        }
        assert_eq!(encoded, body);
    }
    assert!(records >= 11, "{records}");
}

#[test]
fn heartbeats_of_the_java_client_read_back_to_the_same() {
    let bodies = request_bodies(RequestCode::HEART_BEAT);
    let consumer = HeartbeatData::decode(&bodies[0]).unwrap();
    assert_same_json(&consumer.encode(), &bodies[0]);
    let group = &consumer.consumer_data_set[0];
    assert_eq!((group.group_name.as_str(), group.consume_type), ("jcg", ConsumeType::Passively));
    assert_eq!(group.consume_from_where, ConsumeFromWhere::FirstOffset);
    assert_eq!(group.subscription_data_set.len(), 3);
    let producer = HeartbeatData::decode(&bodies[1]).unwrap();
    assert_eq!(producer.encode(), bodies[1]);
}

#[test]
fn the_heartbeat_of_the_go_client_is_read_in_spite_of_its_codes_as_text() {
    let heartbeat = HeartbeatData::decode(&request_bodies(RequestCode::HEART_BEAT)[2]).unwrap();
    assert_eq!((heartbeat.client_id.as_str(), heartbeat.heartbeat_fingerprint), ("192.0.2.2@gc", 0));
    let group = &heartbeat.consumer_data_set[0];
    assert_eq!((group.group_name.as_str(), group.message_model), ("gcg", MessageModel::Clustering));
    let subscription = &group.subscription_data_set[1];
    assert_eq!(subscription.topic, "JT");
    assert_eq!(subscription.sub_version, 1_795_256_655_401_316_523);
    assert_eq!(subscription.tags_set.iter().collect::<Vec<_>>(), ["TagA", "TagB"]);
}

/// Decodes and encodes every body to equal JSON.
macro_rules! same_json {
    ($type:ident, $bodies:expr) => {
        for body in $bodies {
            assert_same_json(&$type::decode(&body).unwrap().encode(), &body);
        }
    };
}

#[test]
fn bodies_read_back_to_equal_json() {
    same_json!(ConsumerIdList, answer_bodies(RequestCode::GET_CONSUMER_LIST_BY_GROUP));
    same_json!(LockBatchResponse, answer_bodies(RequestCode::LOCK_BATCH_MQ));
    same_json!(TopicConfig, answer_bodies(RequestCode::GET_TOPIC_CONFIG));
    same_json!(SubscriptionGroupConfig, answer_bodies(RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG));
    same_json!(TopicStatsTable, answer_bodies(RequestCode::GET_TOPIC_STATS_INFO));
    same_json!(ConsumeStats, answer_bodies(RequestCode::GET_CONSUME_STATS));
    same_json!(ConsumerConnection, answer_bodies(RequestCode::GET_CONSUMER_CONNECTION_LIST));
    same_json!(ProducerConnection, answer_bodies(RequestCode::GET_PRODUCER_CONNECTION_LIST));
    same_json!(QueueOffsets, answer_bodies(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET));
    same_json!(KvTable, answer_bodies(RequestCode::REGISTER_BROKER));
    same_json!(DataVersion, answer_bodies(RequestCode::QUERY_DATA_VERSION));
    same_json!(DataVersion, request_bodies(RequestCode::QUERY_DATA_VERSION));
    same_json!(ClusterInfo, answer_bodies(RequestCode::GET_BROKER_CLUSTER_INFO));
    same_json!(DelayOffsetTable, answer_bodies(RequestCode::GET_ALL_DELAY_OFFSET));
}

#[test]
fn maps_with_object_keys_are_written_in_the_recorded_form() {
    // Sorted here, in hash order there: the same text once both are cut into their entries.
    let entries = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let start = text.find("{{").unwrap() + 1;
        let end = text[start..].find("}}").map_or(text.len() - 2, |end| start + end + 2);
        let mut entries: Vec<_> = text[start..end].split("},{").map(str::to_owned).collect();
        entries.iter_mut().for_each(|entry| *entry = entry.trim_matches(['{', '}']).to_owned());
        entries.sort();
        (text[..start].to_owned(), entries)
    };
    for body in answer_bodies(RequestCode::GET_TOPIC_STATS_INFO) {
        assert_eq!(entries(&TopicStatsTable::decode(&body).unwrap().encode()), entries(&body));
    }
    for body in answer_bodies(RequestCode::GET_CONSUME_STATS) {
        assert_eq!(entries(&ConsumeStats::decode(&body).unwrap().encode()), entries(&body));
    }
}

#[test]
fn lock_requests_of_both_clients_are_read() {
    let bodies = request_bodies(RequestCode::LOCK_BATCH_MQ);
    let java = LockBatchRequest::decode(&bodies[0]).unwrap();
    assert_eq!(java.encode(), bodies[0]);
    let go = LockBatchRequest::decode(&bodies[1]).unwrap();
    assert_eq!((go.client_id.as_str(), go.consumer_group.as_str()), ("192.0.2.2@go", "gog"));
    assert_eq!(go.mq_set.first(), Some(&MessageQueue::new("JT", "broker-v", 0)));
    let unlock = LockBatchRequest::decode(&request_bodies(RequestCode::UNLOCK_BATCH_MQ)[0]).unwrap();
    assert_eq!(unlock.mq_set.iter().map(|queue| queue.queue_id).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_group_of_three_members_has_the_reference_s_defaults_for_the_rest() {
    let asked = SubscriptionGroupConfig::decode(&request_bodies(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)[0]);
    let stored = &answer_bodies(RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG)[0];
    assert_eq!(&asked.unwrap().encode(), stored);
}

#[test]
fn registrations_are_read_in_both_forms() {
    let bodies = request_bodies(RequestCode::REGISTER_BROKER);
    let (mut plain, mut compressed) = (0, 0);
    for body in &bodies {
        let registration = RegisterBrokerBody::decode(body).unwrap();
        assert!(!registration.topic_config_table.topic_config_table.is_empty());
        if body[0] == b'{' {
            assert_eq!(&registration.encode(), body);
            plain += 1;
        } else {
            let again = RegisterBrokerBody::decode(&registration.encode_compressed()).unwrap();
            assert_eq!(again, registration);
            compressed += 1;
        }
    }
    assert_eq!((plain, compressed), (2, 2));
    // The stream of the Java broker whose header denies that it is one.
    let java = RegisterBrokerBody::decode(bodies.iter().find(|body| body.len() == 341).unwrap()).unwrap();
    assert_eq!(java.topic_config_table.topic_config_table["SCHEDULE_TOPIC_XXXX"].write_queue_nums, 18);
    let raw = RegisterBrokerBody::decode(bodies.iter().find(|body| body.len() == 100).unwrap()).unwrap();
    assert_eq!(raw.topic_config_table.data_version.counter, 9);
    let topic = &raw.topic_config_table.topic_config_table["CB"];
    assert_eq!((topic.read_queue_nums, topic.write_queue_nums), (2, 3));
}
