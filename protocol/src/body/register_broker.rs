//! The body of a broker's registration (103), plain or compressed.

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::data_version::DataVersion;
use super::error::BodyError;
use super::fastjson;
use super::topic_config::{TopicConfig, TopicConfigTable, TopicFilterType};

/// Longest registration after inflating: about half a million topics.
pub const INFLATED_BYTES_MAX: u64 = 64 * 1024 * 1024;

const BODY: &str = "RegisterBrokerBody";
/// First byte of every zlib stream with a 32 KiB window.
const ZLIB_START: u8 = 0x78;

/// Everything a broker tells a name server, besides who it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    /// Filter servers; dead.
    pub filter_server_list: Vec<String>,
    /// Its topics.
    #[serde(rename = "topicConfigSerializeWrapper")]
    pub topic_config_table: TopicConfigTable,
}

impl RegisterBrokerBody {
    /// Reads either form. The first byte tells, since the header of the reference's compressed registration says
    /// `compressed=false`. No body is a registration without topics.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        match body.first() {
            None => Ok(Self::default()),
            Some(b'{') => fastjson::decode(BODY, body),
            Some(&ZLIB_START) => Self::decode_inflated(&inflate(body)?),
            Some(&byte) => Err(BodyError::UnknownStart { body: BODY, byte }),
        }
    }

    /// The plain form: JSON.
    pub fn encode(&self) -> Vec<u8> {
        fastjson::to_json(self)
    }

    /// The compressed form: one zlib stream of
    ///
    /// ```text
    /// i32 length, DataVersion JSON | i32 count of topics, each: i32 length, topic line
    /// | i32 length, filter servers JSON | i32 count of mappings, each: i32 length, mapping JSON
    /// ```
    /// A topic line is `name readQueues writeQueues perm FILTERTYPE {attributes JSON}`: it has no place for `order` and
    /// `topicSysFlag`.
    pub fn encode_compressed(&self) -> Vec<u8> {
        let table = &self.topic_config_table;
        let mut plain = Vec::new();
        push_part(&mut plain, &fastjson::to_json(&table.data_version));
        push_count(&mut plain, table.topic_config_table.len());
        for topic in table.topic_config_table.values() {
            push_part(&mut plain, topic_line(topic).as_bytes());
        }
        push_part(&mut plain, &fastjson::to_json(&self.filter_server_list));
        push_count(&mut plain, table.topic_queue_mapping_info_map.len());
        for mapping in table.topic_queue_mapping_info_map.values() {
            push_part(&mut plain, &fastjson::to_json(mapping));
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain).and_then(|()| encoder.finish()).expect("memory takes all")
    }

    fn decode_inflated(plain: &[u8]) -> Result<Self, BodyError> {
        let mut input = Input { rest: plain };
        let data_version: DataVersion = fastjson::decode(BODY, input.part("data version")?)?;
        let mut topic_config_table = BTreeMap::new();
        for _ in 0..input.length("topics")? {
            let topic = parse_topic_line(input.part("topic")?)?;
            topic_config_table.insert(topic.topic_name.clone(), topic);
        }
        let filter_server_list = fastjson::decode(BODY, input.part("filter servers")?)?;
        let mut topic_queue_mapping_info_map = BTreeMap::new();
        // Brokers older than 5.0 end here.
        if !input.rest.is_empty() {
            for _ in 0..input.length("mappings")? {
                let mapping: serde_json::Value = fastjson::decode(BODY, input.part("mapping")?)?;
                let topic = mapping.get("topic").and_then(|topic| topic.as_str()).unwrap_or_default();
                topic_queue_mapping_info_map.insert(topic.to_owned(), mapping);
            }
        }
        let table = TopicConfigTable {
            data_version,
            topic_config_table,
            topic_queue_mapping_info_map,
            ..TopicConfigTable::default()
        };
        Ok(Self { filter_server_list, topic_config_table: table })
    }
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::new();
    let mut bounded = ZlibDecoder::new(body).take(INFLATED_BYTES_MAX + 1);
    bounded.read_to_end(&mut plain).map_err(|source| BodyError::Inflate { body: BODY, source })?;
    if plain.len() as u64 > INFLATED_BYTES_MAX {
        return Err(BodyError::InflatedTooLong { body: BODY, bytes_max: INFLATED_BYTES_MAX });
    }
    Ok(plain)
}

fn topic_line(topic: &TopicConfig) -> String {
    let attributes = serde_json::to_string(&topic.attributes).expect("text to text is JSON");
    format!(
        "{} {} {} {} {} {attributes}",
        topic.topic_name, topic.read_queue_nums, topic.write_queue_nums, topic.perm, topic.topic_filter_type
    )
}

/// Five or six parts; the attributes are the last and may contain blanks.
fn parse_topic_line(line: &[u8]) -> Result<TopicConfig, BodyError> {
    let line = std::str::from_utf8(line).map_err(|error| BodyError::NotUtf8 { body: BODY, at: error.valid_up_to() })?;
    let missing = |missing| BodyError::TopicLine { body: BODY, line: line.chars().take(64).collect(), missing };
    let mut parts = line.splitn(6, ' ');
    let topic_name = parts.next().filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?;
    let mut number = |what| parts.next().and_then(|part| part.parse().ok()).ok_or_else(|| missing(what));
    let read_queue_nums = number("read queues")?;
    let write_queue_nums = number("write queues")?;
    let perm = number("perm")?;
    let filter_type = parts.next().ok_or_else(|| missing("filter type"))?;
    let attributes = match parts.next() {
        Some(json) => fastjson::decode(BODY, json.as_bytes())?,
        None => BTreeMap::new(),
    };
    Ok(TopicConfig {
        attributes,
        perm,
        read_queue_nums,
        topic_filter_type: TopicFilterType::from_name(filter_type).unwrap_or_default(),
        topic_name: topic_name.to_owned(),
        write_queue_nums,
        ..TopicConfig::default()
    })
}

fn push_count(out: &mut Vec<u8>, count: usize) {
    let count = i32::try_from(count).expect("a broker has far fewer topics");
    out.extend_from_slice(&count.to_be_bytes());
}

fn push_part(out: &mut Vec<u8>, part: &[u8]) {
    push_count(out, part.len());
    out.extend_from_slice(part);
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// A length or a count. A count is not trusted with memory: every item takes bytes that have to be there.
    fn length(&mut self, what: &'static str) -> Result<usize, BodyError> {
        let truncated = BodyError::Truncated { body: BODY, what, need: 4, have: self.rest.len() };
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(truncated)?;
        self.rest = rest;
        let length = i32::from_be_bytes(*length);
        usize::try_from(length).map_err(|_| BodyError::NegativeLength { body: BODY, what, length })
    }

    fn part(&mut self, what: &'static str) -> Result<&'a [u8], BodyError> {
        let need = self.length(what)?;
        let truncated = BodyError::Truncated { body: BODY, what, need, have: self.rest.len() };
        let (part, rest) = self.rest.split_at_checked(need).ok_or(truncated)?;
        self.rest = rest;
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> RegisterBrokerBody {
        let topic = |name: &str, attributes: &[(&str, &str)]| TopicConfig {
            topic_name: name.to_owned(),
            attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            perm: 4,
            read_queue_nums: 2,
            write_queue_nums: 3,
            topic_filter_type: TopicFilterType::MultiTag,
            ..TopicConfig::default()
        };
        let topics = [topic("A", &[]), topic("B", &[("message.type", "a b"), ("x", "y")])];
        RegisterBrokerBody {
            filter_server_list: vec!["10.0.0.1:1".to_owned()],
            topic_config_table: TopicConfigTable {
                data_version: DataVersion { counter: 9, state_version: 0, timestamp: 17 },
                topic_config_table: topics.into_iter().map(|topic| (topic.topic_name.clone(), topic)).collect(),
                topic_queue_mapping_info_map: BTreeMap::from([("A".to_owned(), serde_json::json!({"topic":"A"}))]),
                ..TopicConfigTable::default()
            },
        }
    }

    fn deflate(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        let mut body = encoder.finish().unwrap();
        body[0] = ZLIB_START;
        body
    }

    #[test]
    fn both_forms_are_told_apart_by_their_first_byte() {
        let body = registration();
        assert_eq!(RegisterBrokerBody::decode(&body.encode()).unwrap(), body);
        assert_eq!(RegisterBrokerBody::decode(&body.encode_compressed()).unwrap(), body);
    }

    #[test]
    fn no_body_registers_no_topics() {
        assert_eq!(RegisterBrokerBody::decode(b"").unwrap(), RegisterBrokerBody::default());
    }

    #[test]
    fn an_old_broker_s_stream_ends_before_the_mappings() {
        let mut plain = Vec::new();
        push_part(&mut plain, br#"{"counter":9,"stateVersion":0,"timestamp":1}"#);
        push_count(&mut plain, 1);
        push_part(&mut plain, b"CB 2 3 6 SINGLE_TAG");
        push_part(&mut plain, b"[]");
        let body = RegisterBrokerBody::decode(&deflate(&plain)).unwrap();
        let topic = &body.topic_config_table.topic_config_table["CB"];
        assert_eq!((topic.read_queue_nums, topic.write_queue_nums, topic.perm), (2, 3, 6));
        assert!(topic.attributes.is_empty());
    }

    #[test]
    fn a_stream_that_inflates_without_end_is_refused() {
        let zeros = vec![0; INFLATED_BYTES_MAX as usize + 1];
        let error = RegisterBrokerBody::decode(&deflate(&zeros)).unwrap_err();
        assert!(matches!(error, BodyError::InflatedTooLong { .. }), "{error}");
    }

    #[test]
    fn damage_is_an_error_that_says_where() {
        let plain_error = |plain: &[u8]| RegisterBrokerBody::decode(&deflate(plain)).unwrap_err().to_string();
        assert_eq!(plain_error(&[0, 0, 0, 9, b'{']), "RegisterBrokerBody ends in data version: need 9 bytes, have 1");
        assert_eq!(plain_error(&[0xFF; 4]), "RegisterBrokerBody: length of data version is -1");
        let mut plain = Vec::new();
        push_part(&mut plain, b"{}");
        push_count(&mut plain, i32::MAX as usize);
        assert_eq!(plain_error(&plain), "RegisterBrokerBody ends in topic: need 4 bytes, have 0");
        push_part(&mut plain, b"T 1 x");
        assert_eq!(plain_error(&plain), "RegisterBrokerBody: topic line `T 1 x` has no write queues");
        assert!(RegisterBrokerBody::decode(b"x\x9cnothing").is_err());
        assert!(matches!(RegisterBrokerBody::decode(b"<"), Err(BodyError::UnknownStart { byte: b'<', .. })));
    }
}
