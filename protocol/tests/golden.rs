//! Golden vectors: frames and layouts written down from the protocol's description by another program and accepted by
//! a live Apache broker. The bytes are copied from there, never from our own output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use protocol::batch::{self, BatchItem, encode_batch_item};
use protocol::message_id::OffsetMessageId;
use protocol::record::{MAGIC_V1, RecordFields, decode_record};
use protocol::{CommandEncoder, Header, HeaderEncoding, Language, RemotingCommand, decode_frame, tags};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Decodes the frame into both forms, and encodes it again to the same bytes.
fn check_frame(golden: &str, expected: &RemotingCommand) {
    let golden = hex(golden);
    let (frame, used) = decode_frame(&golden).unwrap().unwrap();
    assert_eq!(used, golden.len());
    assert_eq!(&RemotingCommand::decode(&frame).unwrap(), expected);
    let mut header = Header::default();
    header.decode(&frame).unwrap();
    assert_eq!((header.code, header.opaque, header.flag), (expected.code, expected.opaque, expected.flag));
    assert_eq!((header.version, header.language), (expected.version, expected.language));
    let mut encoded = Vec::new();
    expected.encode(&mut encoded, frame.encoding);
    assert_eq!(encoded, golden);
}

fn route_request() -> RemotingCommand {
    RemotingCommand { version: 479, ..RemotingCommand::request(105, 1).with_field("topic", "T") }
}

#[test]
fn a_request_in_json() {
    let golden = "0000007f0000007b7b22636f6465223a3130352c226578744669656c6473223a
                  7b22746f706963223a2254227d2c22666c6167223a302c226c616e6775616765
                  223a224a415641222c226f7061717565223a312c2273657269616c697a655479
                  706543757272656e74525043223a224a534f4e222c2276657273696f6e223a34
                  37397d";
    check_frame(golden, &route_request());
}

#[test]
fn the_same_request_in_binary() {
    let golden = "000000250100002100690001df0000000100000000000000000000000c000574
                  6f7069630000000154";
    check_frame(golden, &route_request());
}

#[test]
fn an_answer_with_a_remark() {
    let golden = "00000078000000747b22636f6465223a31372c22666c6167223a312c226c616e
                  6775616765223a224a415641222c226f7061717565223a312c2272656d61726b
                  223a226e6f20726f757465222c2273657269616c697a65547970654375727265
                  6e74525043223a224a534f4e222c2276657273696f6e223a3437397d";
    let answer = RemotingCommand { version: 479, ..RemotingCommand::response(17, 1, Some("no route")) };
    check_frame(golden, &answer);
}

#[test]
fn a_one_way_request_of_a_go_client() {
    let golden = "0000005a01000056000f09013d00000007000000020000000000000041000d63
                  6f6e73756d657247726f757000000001670005746f7069630000000154000771
                  7565756549640000000130000c636f6d6d69744f66667365740000000135";
    let request = RemotingCommand::request(15, 7)
        .with_field("consumerGroup", "g")
        .with_field("topic", "T")
        .with_field("queueId", 0_i32)
        .with_field("commitOffset", 5_i64);
    check_frame(golden, &RemotingCommand { version: 317, language: Language::GO, flag: 2, ..request });
}

#[test]
fn the_streaming_encoder_writes_the_same_bytes() {
    // Vector 1 with our version: 513 instead of 479, of the same length.
    let mut expected = Vec::new();
    RemotingCommand { version: 513, ..route_request() }.encode(&mut expected, HeaderEncoding::Json);
    let mut encoded = Vec::new();
    let mut encoder = CommandEncoder::request(&mut encoded, HeaderEncoding::Json, 105, 1, 0);
    encoder.field("topic", "T");
    encoder.finish();
    assert_eq!(encoded, expected);
    assert_eq!(encoded.len(), 131);
}

#[test]
fn a_v1_record() {
    let golden = hex("0000006cdaa320a758932aac0000000300000000000000000000000700000000
         00001000000000000000018bcfe568007f0000010000c3500000018bcfe56801
         7f00000100002a9f0000000000000000000000000000000268690154000e5441
         47530141024b455953016b02");
    let fields = RecordFields {
        queue_id: 3,
        flag: 0,
        queue_offset: 7,
        physical_offset: 4096,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: "127.0.0.1:50000".parse().unwrap(),
        store_timestamp: 1_700_000_000_001,
        store_host: "127.0.0.1:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"hi",
        topic: "T",
        properties: b"TAGS\x01A\x02KEYS\x01k\x02",
    };
    let (view, used) = decode_record(&golden).unwrap();
    assert_eq!(used, 108);
    assert_eq!((view.size, view.magic, view.body_crc), (108, -626_843_481, 1_486_039_724));
    assert_eq!(view.magic, MAGIC_V1);
    assert_eq!(view.to_fields(), fields);
    view.check_body_crc().unwrap();
    let mut encoded = vec![0; fields.encoded_bytes()];
    fields.encode(&mut encoded);
    assert_eq!(encoded, golden);
}

#[test]
fn tags_codes() {
    assert_eq!(tags::tags_code(Some("A")), 65);
    assert_eq!(tags::tags_code(Some("TagA")), 2_598_919);
    assert_eq!(tags::java_hash("T#k"), 81_916);
}

#[test]
fn an_offset_message_id() {
    let id = OffsetMessageId { store_host: "127.0.0.1:10911".parse().unwrap(), physical_offset: 4096 };
    assert_eq!(id.to_string(), "7F00000100002A9F0000000000001000");
    assert_eq!(OffsetMessageId::parse("7F00000100002A9F0000000000001000"), Ok(id));
}

#[test]
fn a_batch_of_two_messages() {
    let golden = hex("0000001e00000000000000000000000000000001610007544147530141020000
         00180000000000000000000000000000000262630000");
    let items = [
        BatchItem { flag: 0, body: b"a", properties: b"TAGS\x01A\x02" },
        BatchItem { flag: 0, body: b"bc", properties: b"" },
    ];
    let decoded: Result<Vec<_>, _> = batch::iterate(&golden).collect();
    assert_eq!(decoded.unwrap(), items);
    let mut encoded = Vec::new();
    items.iter().for_each(|item| encode_batch_item(&mut encoded, item));
    assert_eq!(encoded, golden);
}
