//! Sends of one message: the Java client's (5.x), the Go client's (v2), and the Java client's with binary headers
//! (`rocketmq.serialize.type=ROCKETMQ`).

use protocol::HeaderEncoding;
use protocol::command::CommandEncoder;

use super::push_json_frame;

/// Who sends, and how.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Client {
    /// Java 5.x, JSON headers: what most are.
    Java,
    /// Java 5.x, binary headers.
    JavaBinary,
    /// Go v2.
    Go,
}

/// What differs from message to message.
pub struct Send<'a> {
    /// The producer's group.
    pub group: &'a str,
    /// Where to.
    pub topic: &'a str,
    /// Which queue of it.
    pub queue_id: u32,
    /// `KEYS`.
    pub key: &'a str,
    /// `TAGS`.
    pub tag: &'a str,
    /// Number of the message: part of its `UNIQ_KEY`.
    pub number: u64,
    /// Number of the request.
    pub opaque: i32,
    /// Name of the broker it is sent to.
    pub broker_name: &'a str,
    /// The client's clock, ms.
    pub born_timestamp: u64,
}

impl Send<'_> {
    /// Appends the request as `client` sends it.
    pub fn encode(&self, client: Client, out: &mut Vec<u8>, body: &[u8]) {
        match client {
            Client::Java => self.java(out, body),
            Client::JavaBinary => self.java_binary(out, body),
            Client::Go => self.go(out, body),
        }
    }

    /// SEND_MESSAGE_V2 (310).
    fn java(&self, out: &mut Vec<u8>, body: &[u8]) {
        let Self { group, topic, queue_id, key, tag, opaque, broker_name, born_timestamp, .. } = self;
        let unique_key = self.java_unique_key();
        let header = format!(
            r#"{{"code":310,"extFields":{{"a":"{group}","b":"{topic}","c":"TBW102","d":"4","e":"{queue_id}","f":"0","g":"{born_timestamp}","h":"0","i":"KEYS\u0001{key}\u0002UNIQ_KEY\u0001{unique_key}\u0002WAIT\u0001true\u0002TAGS\u0001{tag}\u0002","j":"0","k":"false","m":"false","n":"{broker_name}"}},"flag":0,"language":"JAVA","opaque":{opaque},"serializeTypeCurrentRPC":"JSON","version":513}}"#
        );
        push_json_frame(out, &header, body);
    }

    /// SEND_MESSAGE (10).
    fn go(&self, out: &mut Vec<u8>, body: &[u8]) {
        let Self { group, topic, queue_id, key, tag, opaque, born_timestamp, number, .. } = self;
        let header = format!(
            r#"{{"code":10,"language":"GO","version":317,"opaque":{opaque},"flag":0,"remark":"","extFields":{{"topic":"{topic}","bornTimestamp":"{born_timestamp}","flag":"0","reconsumeTimes":"0","unitMode":"false","maxReconsumeTimes":"0","queueId":"{queue_id}","sysFlag":"0","defaultTopic":"TBW102","defaultTopicQueueNums":"4","batch":"false","properties":"TAGS\u0001{tag}\u0002KEYS\u0001{key}\u0002UNIQ_KEY\u0001C000020238D600000000693ab498{number:04X}\u0002","producerGroup":"{group}"}}}}"#
        );
        push_json_frame(out, &header, body);
    }

    /// SEND_MESSAGE_V2 (310).
    fn java_binary(&self, out: &mut Vec<u8>, body: &[u8]) {
        let mut encoder = CommandEncoder::request(out, HeaderEncoding::RocketMq, 310, self.opaque, 0);
        encoder
            .field("a", self.group)
            .field("b", self.topic)
            .field("c", "TBW102")
            .field("d", 4)
            .field("e", self.queue_id as i32)
            .field("f", 0)
            .field("g", self.born_timestamp as i64)
            .field("h", 0)
            .field("i", self.java_properties().as_str())
            .field("j", 0)
            .field("k", false)
            .field("m", false)
            .field("n", self.broker_name);
        encoder.finish_with_body(body);
    }

    /// Appends SEND_BATCH_MESSAGE (320) of `count` messages with this body, as the Java client sends it: this message and
    /// those that follow it.
    pub fn java_batch(&self, count: u64, out: &mut Vec<u8>, body: &[u8]) {
        let mut items = Vec::new();
        for number in self.number..self.number + count {
            let properties = Send { number, ..*self }.java_properties();
            let bytes = 5 * 4 + body.len() + 2 + properties.len();
            // Size, magic, checksum, flag and the body's length: the client leaves magic and checksum to the broker.
            for word in [bytes as u32, 0, 0, 0, body.len() as u32] {
                items.extend_from_slice(&word.to_be_bytes());
            }
            items.extend_from_slice(body);
            items.extend_from_slice(&(properties.len() as u16).to_be_bytes());
            items.extend_from_slice(properties.as_bytes());
        }
        let unique_key = Send { number: self.number + count, ..*self }.java_unique_key();
        let Self { group, topic, queue_id, opaque, broker_name, born_timestamp, .. } = self;
        let header = format!(
            r#"{{"code":320,"extFields":{{"a":"{group}","b":"{topic}","c":"TBW102","d":"4","e":"{queue_id}","f":"0","g":"{born_timestamp}","h":"0","i":"UNIQ_KEY\u0001{unique_key}\u0002WAIT\u0001true\u0002","j":"0","k":"false","m":"true","n":"{broker_name}"}},"flag":0,"language":"JAVA","opaque":{opaque},"serializeTypeCurrentRPC":"JSON","version":513}}"#
        );
        push_json_frame(out, &header, &items);
    }

    /// The properties as the Java client writes them, not escaped.
    pub fn java_properties(&self) -> String {
        let (key, tag, unique_key) = (self.key, self.tag, self.java_unique_key());
        format!("KEYS\u{1}{key}\u{2}UNIQ_KEY\u{1}{unique_key}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}{tag}\u{2}")
    }

    /// Of a client with an IPv6 address, as most have: 56 characters.
    pub fn java_unique_key(&self) -> String {
        format!("FD0000000000000000000000000000024E2A60E53B936933B6A3{:04X}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: Send<'_> = Send {
        group: "jpg",
        topic: "JT",
        queue_id: 0,
        key: "jk1",
        tag: "TagA",
        number: 0,
        opaque: 6,
        broker_name: "broker-v",
        born_timestamp: 1_795_256_196_772,
    };

    /// A header that the Java client 5.5.0 sent, recorded.
    #[test]
    fn a_send_is_what_the_java_client_sends() {
        let recorded = r#"{"code":310,"extFields":{"a":"jpg","b":"JT","c":"TBW102","d":"4","e":"0","f":"0","g":"1795256196772","h":"0","i":"KEYS\u0001jk1\u0002UNIQ_KEY\u0001FD0000000000000000000000000000024E2A60E53B936933B6A30000\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002","j":"0","k":"false","m":"false","n":"broker-v"},"flag":0,"language":"JAVA","opaque":6,"serializeTypeCurrentRPC":"JSON","version":513}"#;
        let mut frame = Vec::new();
        SEND.java(&mut frame, b"hello");
        assert_eq!(frame[..4], (4 + recorded.len() as u32 + 5).to_be_bytes());
        assert_eq!(std::str::from_utf8(&frame[8..8 + recorded.len()]), Ok(recorded));
        assert_eq!(frame[8 + recorded.len()..], *b"hello");
    }

    /// A header that the Go client 2.1.2 sent, recorded.
    #[test]
    fn a_send_is_what_the_go_client_sends() {
        let recorded = r#"{"code":10,"language":"GO","version":317,"opaque":2,"flag":0,"remark":"","extFields":{"topic":"JT","bornTimestamp":"1795256655380","flag":"0","reconsumeTimes":"0","unitMode":"false","maxReconsumeTimes":"0","queueId":"1","sysFlag":"0","defaultTopic":"TBW102","defaultTopicQueueNums":"4","batch":"false","properties":"TAGS\u0001TagA\u0002KEYS\u0001gk1\u0002UNIQ_KEY\u0001C000020238D600000000693ab4980001\u0002","producerGroup":"gpg"}}"#;
        let send = Send { group: "gpg", queue_id: 1, key: "gk1", number: 1, opaque: 2, ..SEND };
        let send = Send { born_timestamp: 1_795_256_655_380, ..send };
        let mut frame = Vec::new();
        send.go(&mut frame, b"from go");
        assert_eq!(std::str::from_utf8(&frame[8..8 + recorded.len()]), Ok(recorded));
    }

    /// A header that the Java client 5.5.0 sent, recorded, and the beginning of its body.
    #[test]
    fn a_batch_is_what_the_java_client_sends() {
        let recorded = r#"{"code":320,"extFields":{"a":"jpg","b":"JT","c":"TBW102","d":"4","e":"1","f":"0","g":"1795256196794","h":"0","i":"UNIQ_KEY\u0001FD0000000000000000000000000000024E2A60E53B936933B6A30004\u0002WAIT\u0001true\u0002","j":"0","k":"false","m":"true","n":"broker-v"},"flag":0,"language":"JAVA","opaque":11,"serializeTypeCurrentRPC":"JSON","version":513}"#;
        let send = Send { queue_id: 1, key: "jb0", tag: "TagB", number: 1, opaque: 11, ..SEND };
        let send = Send { born_timestamp: 1_795_256_196_794, ..send };
        let mut frame = Vec::new();
        send.java_batch(3, &mut frame, b"b0");
        let (header, body) = frame[8..].split_at(recorded.len());
        assert_eq!(std::str::from_utf8(header), Ok(recorded));
        let start = b"\0\0\0\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02b0\0\x5fKEYS\x01jb0\x02UNIQ_KEY\x01FD00";
        assert_eq!(body[..start.len()], *start);
        assert_eq!(body.len(), 357);
    }

    #[test]
    fn both_encodings_of_the_java_client_say_the_same() {
        let decode = |frame: &[u8]| {
            let (frame, _) = protocol::decode_frame(frame).unwrap().unwrap();
            let mut header = protocol::Header::default();
            header.decode(&frame).unwrap();
            header.fields().map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>()
        };
        let (mut json, mut binary) = (Vec::new(), Vec::new());
        SEND.java(&mut json, b"x");
        SEND.java_binary(&mut binary, b"x");
        assert_eq!(decode(&json), decode(&binary));
    }
}
