//! A send request for one queue, encoded once; for each message only what differs is written over.

use memchr::memmem;
use protocol::batch::{BatchItem, encode_batch_item};
use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;
use protocol::header::FLAG_ONEWAY;
use protocol::properties::{KEYS, UNIQ_KEY, WAIT};

use super::bodies::Bodies;
use super::digits::{put_decimal, put_hex};
use super::stamp::put_stamp;
use crate::plan::{Producers, SendMode};

/// Producer group of all sends.
pub(crate) const PRODUCER_GROUP: &str = "mqbench-producer";

/// Placeholder with as many digits as all opaques have.
const OPAQUE: i32 = 1_000_000_000;
/// Placeholder with as many digits as milliseconds have until the year 2286.
const BORN_MS: i64 = 1_000_000_000_000;

/// What all messages of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct MessageForm {
    pub(crate) is_oneway: bool,
    /// The body is a batch, also one of a single message.
    pub(crate) is_batch: bool,
    /// First half of every unique key; second parts count up.
    pub(crate) run_id: u64,
    /// Write [`put_stamp`] into each body.
    pub(crate) is_stamped: bool,
    pub(crate) has_keys: bool,
    /// More properties.
    pub(crate) properties: Vec<(String, String)>,
}

impl MessageForm {
    pub(crate) fn new(producers: &Producers, run_id: u64, is_stamped: bool) -> Self {
        Self {
            is_oneway: producers.mode == SendMode::Oneway,
            is_batch: producers.mode == SendMode::Batch,
            run_id,
            is_stamped,
            has_keys: producers.keys,
            properties: producers.properties.clone(),
        }
    }

    /// The properties of one message, its unique number still zero.
    fn properties_text(&self) -> String {
        let zero = "0".repeat(16);
        let mut text = format!("{UNIQ_KEY}\u{1}{:016X}{zero}\u{2}{WAIT}\u{1}true\u{2}", self.run_id);
        if self.has_keys {
            // A key that tells nobody anything but is this message's alone, as an order number would be.
            text.push_str(&format!("{KEYS}\u{1}{zero}\u{2}"));
        }
        for (name, value) in &self.properties {
            text.push_str(&format!("{name}\u{1}{value}\u{2}"));
        }
        text
    }
}

/// What differs from message to message.
#[derive(Debug)]
pub(crate) struct MessageStamp<'a> {
    /// Ten digits.
    pub(crate) opaque: u64,
    /// Milliseconds since 1970.
    pub(crate) born_ms: u64,
    pub(crate) due_ns: u64,
    /// Number of the next message in the whole run; counted up.
    pub(crate) number: &'a mut u64,
    /// Messages of a batch.
    pub(crate) batch: usize,
}

/// The frame up to its body, and where in it the placeholders are.
#[derive(Debug, Clone)]
pub(crate) struct SendTemplate {
    head: Vec<u8>,
    opaque_at: usize,
    born_at: usize,
    /// The 16 digits that count, in the unique key and in the other one.
    number_at: usize,
    key_at: Option<usize>,
    item: Option<ItemTemplate>,
    run_id: Option<u64>,
}

/// The properties of one message of a batch.
#[derive(Debug, Clone)]
struct ItemTemplate {
    properties: Vec<u8>,
    number_at: usize,
    key_at: Option<usize>,
}

impl SendTemplate {
    pub(crate) fn new(form: &MessageForm, topic: &str, queue_id: i32) -> Self {
        let properties = form.properties_text();
        let (code, flag) = match (form.is_batch, form.is_oneway) {
            (true, _) => (RequestCode::SEND_BATCH_MESSAGE, 0),
            (false, true) => (RequestCode::SEND_MESSAGE_V2, FLAG_ONEWAY),
            (false, false) => (RequestCode::SEND_MESSAGE_V2, 0),
        };
        let mut head = Vec::new();
        let mut encoder = CommandEncoder::request(&mut head, HeaderEncoding::Json, code.0, OPAQUE, flag);
        encoder
            .field("a", PRODUCER_GROUP)
            .field("b", topic)
            .field("c", protocol::topic_name::AUTO_CREATE_TOPIC)
            .field("d", 4)
            .field("e", queue_id)
            .field("f", 0)
            .field("g", BORN_MS)
            .field("h", 0)
            .field("i", properties.as_str())
            .field("j", 0)
            .field("k", false)
            .field("m", form.is_batch);
        encoder.finish_with_body_bytes(0);
        // These texts cannot come from a topic or a property: there, a quote would have a backslash before it.
        let opaque_at = after(&head, b"\"opaque\":");
        let born_at = after(&head, b"\"g\":\"");
        // Names of properties end in an escaped 0x01; the unique key is the first property, the other key the first of
        // its name behind WAIT.
        let number_at = after(&head, b"UNIQ_KEY\\u0001") + 16;
        let key_at = form.has_keys.then(|| number_at + after(&head[number_at..], b"KEYS\\u0001"));
        let item = form.is_batch.then(|| ItemTemplate::new(&properties, form.has_keys));
        let run_id = form.is_stamped.then_some(form.run_id);
        Self { head, opaque_at, born_at, number_at, key_at, item, run_id }
    }

    /// Appends one whole request.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, bodies: &mut Bodies, stamp: MessageStamp<'_>) {
        put_decimal(&mut self.head[self.opaque_at..self.opaque_at + 10], stamp.opaque);
        put_decimal(&mut self.head[self.born_at..self.born_at + 13], stamp.born_ms);
        put_number(&mut self.head, self.number_at, self.key_at, *stamp.number);
        let start = out.len();
        out.extend_from_slice(&self.head);
        match &mut self.item {
            None => {
                *stamp.number += 1;
                let body_at = out.len();
                out.extend_from_slice(bodies.next());
                if let Some(run_id) = self.run_id {
                    put_stamp(&mut out[body_at..], run_id, stamp.due_ns);
                }
            }
            Some(item) => {
                for _ in 0..stamp.batch {
                    put_number(&mut item.properties, item.number_at, item.key_at, *stamp.number);
                    *stamp.number += 1;
                    let (body, properties) = (bodies.next(), item.properties.as_slice());
                    let behind_body = 2 + properties.len();
                    let body_bytes = body.len();
                    encode_batch_item(out, &BatchItem { flag: 0, body, properties });
                    if let Some(run_id) = self.run_id {
                        let body_at = out.len() - behind_body - body_bytes;
                        put_stamp(&mut out[body_at..], run_id, stamp.due_ns);
                    }
                }
            }
        }
        let length = u32::try_from(out.len() - start - 4).expect("the plan's check keeps frames below 16 MiB");
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

impl ItemTemplate {
    fn new(properties: &str, has_keys: bool) -> Self {
        let properties = properties.as_bytes().to_vec();
        let number_at = after(&properties, b"UNIQ_KEY\x01") + 16;
        let key_at = has_keys.then(|| number_at + after(&properties[number_at..], b"KEYS\x01"));
        Self { properties, number_at, key_at }
    }
}

fn put_number(bytes: &mut [u8], number_at: usize, key_at: Option<usize>, number: u64) {
    let mut digits = [0; 16];
    put_hex(&mut digits, number);
    bytes[number_at..number_at + 16].copy_from_slice(&digits);
    if let Some(key_at) = key_at {
        bytes[key_at..key_at + 16].copy_from_slice(&digits);
    }
}

/// Where the bytes behind `text` begin.
fn after(bytes: &[u8], text: &[u8]) -> usize {
    memmem::find(bytes, text).expect("the template was just written with this text") + text.len()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use protocol::frame::decode_frame;
    use protocol::header::Header;
    use protocol::{batch, properties, send::SendRequest};

    use super::super::stamp::read_stamp;
    use super::*;
    use crate::plan::BodySize;

    fn form() -> MessageForm {
        MessageForm {
            is_oneway: false,
            is_batch: false,
            run_id: 0xABCD,
            is_stamped: false,
            has_keys: true,
            properties: vec![
                ("TAGS".to_owned(), "a\"b\\c".to_owned()),
                ("trap".to_owned(), "\"opaque\":1,\"g\":\"2 UNIQ_KEY KEYS".to_owned()),
            ],
        }
    }

    fn stamp(number: &mut u64, batch: usize) -> MessageStamp<'_> {
        MessageStamp { opaque: 2_147_483_647, born_ms: 1_795_256_196_772, due_ns: 77, number, batch }
    }

    fn property<'a>(text: &'a str, name: &str) -> Option<&'a str> {
        properties::get_text(text.as_bytes(), name)
    }

    #[test]
    fn a_send_decodes_to_what_was_asked_for() {
        let mut template = SendTemplate::new(&form(), "T", 7);
        let (mut out, mut number) = (b"before".to_vec(), 0x1F);
        let mut bodies = Bodies::new(BodySize::Fixed(100), 1);
        template.append(&mut out, &mut bodies, stamp(&mut number, 1));
        assert_eq!(number, 0x20);
        let (frame, used) = decode_frame(&out[6..]).unwrap().unwrap();
        assert_eq!(used, out.len() - 6);
        let mut header = Header::default();
        header.decode(&frame).unwrap();
        assert_eq!((header.code, header.opaque, header.flag), (310, i32::MAX, 0));
        let request = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE_V2).unwrap();
        assert_eq!((request.topic, request.queue_id, request.born_timestamp), ("T", 7, 1_795_256_196_772));
        assert_eq!((request.batch, request.sys_flag, request.default_topic), (false, 0, "TBW102"));
        assert_eq!(property(request.properties, "UNIQ_KEY"), Some("000000000000ABCD000000000000001F"));
        assert_eq!(property(request.properties, "KEYS"), Some("000000000000001F"));
        assert_eq!(property(request.properties, "TAGS"), Some("a\"b\\c"));
        assert_eq!(property(request.properties, "trap"), Some("\"opaque\":1,\"g\":\"2 UNIQ_KEY KEYS"));
        assert_eq!(frame.body, bodies.next());
    }

    #[test]
    fn unique_keys_are_unique_over_queues_and_batches() {
        let form = MessageForm { is_batch: true, ..form() };
        let mut templates: Vec<_> = (0..3).map(|queue| SendTemplate::new(&form, "T", queue)).collect();
        let (mut out, mut number) = (Vec::new(), 0);
        let mut bodies = Bodies::new(BodySize::Uniform { min: 1, max: 50 }, 1);
        for round in 0..30 {
            templates[round % 3].append(&mut out, &mut bodies, stamp(&mut number, 5));
        }
        let (mut keys, mut rest) = (HashSet::new(), out.as_slice());
        while let Some((frame, used)) = decode_frame(rest).unwrap() {
            for item in batch::iterate(frame.body) {
                let text = std::str::from_utf8(item.unwrap().properties).unwrap();
                assert!(keys.insert(property(text, "UNIQ_KEY").unwrap().to_owned()));
                assert_eq!(property(text, "KEYS").unwrap(), &property(text, "UNIQ_KEY").unwrap()[16..]);
            }
            rest = &rest[used..];
        }
        assert_eq!((keys.len(), number), (150, 150));
    }

    #[test]
    fn a_batch_request_says_so_and_carries_stamped_items() {
        let form = MessageForm { is_batch: true, is_stamped: true, has_keys: false, ..form() };
        let mut template = SendTemplate::new(&form, "T", 0);
        let (mut out, mut number) = (Vec::new(), 0);
        let mut bodies = Bodies::new(BodySize::Uniform { min: 16, max: 40 }, 1);
        template.append(&mut out, &mut bodies, stamp(&mut number, 32));
        let (frame, used) = decode_frame(&out).unwrap().unwrap();
        assert_eq!(used, out.len());
        let mut header = Header::default();
        header.decode(&frame).unwrap();
        let request = SendRequest::from_header(&header, RequestCode::SEND_BATCH_MESSAGE).unwrap();
        assert_eq!((header.code, request.batch), (320, true));
        let items: Vec<_> = batch::iterate(frame.body).collect::<Result<_, _>>().unwrap();
        assert_eq!(items.len(), 32);
        assert!(items.iter().all(|item| read_stamp(item.body, 0xABCD) == Some(77)));
    }

    #[test]
    fn a_single_message_is_stamped_at_its_beginning() {
        let mut template = SendTemplate::new(&MessageForm { is_stamped: true, ..form() }, "T", 0);
        let (mut out, mut number) = (Vec::new(), 0);
        template.append(&mut out, &mut Bodies::new(BodySize::Fixed(16), 1), stamp(&mut number, 1));
        let (frame, _) = decode_frame(&out).unwrap().unwrap();
        assert_eq!(read_stamp(frame.body, 0xABCD), Some(77));
    }

    #[test]
    fn a_one_way_send_asks_for_no_answer() {
        let mut template = SendTemplate::new(&MessageForm { is_oneway: true, ..form() }, "T", 0);
        let (mut out, mut number) = (Vec::new(), 0);
        template.append(&mut out, &mut Bodies::new(BodySize::Fixed(1), 1), stamp(&mut number, 1));
        let mut header = Header::default();
        header.decode(&decode_frame(&out).unwrap().unwrap().0).unwrap();
        assert!(header.is_oneway() && !header.is_response());
    }
}
