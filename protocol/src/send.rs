//! The header of a send request, in both of its spellings.

use crate::code::RequestCode;
use crate::header::{FieldError, FieldValue, Header, parse_field};

/// What a send asks for, whatever its code: SEND_MESSAGE and SEND_REPLY_MESSAGE spell the fields out (V1), the others
/// use one letter each (V2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendRequest<'a> {
    /// Who sends.
    pub producer_group: &'a str,
    /// Where to.
    pub topic: &'a str,
    /// Template of a topic that does not exist yet.
    pub default_topic: &'a str,
    /// Wanted queues of a topic that does not exist yet.
    pub default_topic_queue_nums: i32,
    /// Below zero: the broker picks one.
    pub queue_id: i32,
    /// See [`crate::sys_flag::MessageSysFlag`].
    pub sys_flag: i32,
    /// Client's clock, ms.
    pub born_timestamp: i64,
    /// The user's flag.
    pub flag: i32,
    /// See [`crate::properties`].
    pub properties: &'a str,
    /// Retries that the client made by sending again.
    pub reconsume_times: i32,
    /// Unit mode.
    pub unit_mode: bool,
    /// Overrides the group's limit of retries.
    pub max_reconsume_times: Option<i32>,
    /// The body is a batch.
    pub batch: bool,
    /// The broker that the client thinks it talks to.
    pub broker_name: Option<&'a str>,
}

impl<'a> SendRequest<'a> {
    /// Reads the fields of `header` in the spelling of `code`.
    ///
    /// # Errors
    /// [`FieldError`] for a missing topic, queue or number that every client sends, or a number that is none.
    pub fn from_header(header: &'a Header, code: RequestCode) -> Result<Self, FieldError> {
        let is_spelt_out = matches!(code, RequestCode::SEND_MESSAGE | RequestCode::SEND_REPLY_MESSAGE);
        let names = if is_spelt_out { &V1 } else { &V2 };
        // One pass over the header for all fields: this runs for every message.
        let mut values = [None; FIELDS];
        for (key, value) in header.fields() {
            let index = match key.as_bytes() {
                [letter @ b'a'..=b'n'] if !is_spelt_out => Some(usize::from(letter - b'a')),
                _ => names.iter().position(|name| *name == key),
            };
            if let Some(index) = index {
                values[index] = Some(value).filter(|value| !value.is_empty());
            }
        }
        let fields = Fields { names, values };
        Ok(Self {
            producer_group: fields.text(PRODUCER_GROUP).unwrap_or_default(),
            topic: fields.text(TOPIC).ok_or(FieldError::Missing { field: names[TOPIC] })?,
            default_topic: fields.text(DEFAULT_TOPIC).unwrap_or_default(),
            default_topic_queue_nums: fields.require(DEFAULT_TOPIC_QUEUE_NUMS)?,
            queue_id: fields.require(QUEUE_ID)?,
            sys_flag: fields.require(SYS_FLAG)?,
            born_timestamp: fields.require(BORN_TIMESTAMP)?,
            flag: fields.require(FLAG)?,
            properties: fields.text(PROPERTIES).unwrap_or_default(),
            reconsume_times: fields.optional(RECONSUME_TIMES)?.unwrap_or(0),
            unit_mode: fields.optional(UNIT_MODE)?.unwrap_or(false),
            max_reconsume_times: fields.optional(MAX_RECONSUME_TIMES)?,
            batch: fields.optional(BATCH)?.unwrap_or(false),
            broker_name: fields.text(BROKER_NAME),
        })
    }
}

const PRODUCER_GROUP: usize = 0;
const TOPIC: usize = 1;
const DEFAULT_TOPIC: usize = 2;
const DEFAULT_TOPIC_QUEUE_NUMS: usize = 3;
const QUEUE_ID: usize = 4;
const SYS_FLAG: usize = 5;
const BORN_TIMESTAMP: usize = 6;
const FLAG: usize = 7;
const PROPERTIES: usize = 8;
const RECONSUME_TIMES: usize = 9;
const UNIT_MODE: usize = 10;
const MAX_RECONSUME_TIMES: usize = 11;
const BATCH: usize = 12;
const BROKER_NAME: usize = 13;
const FIELDS: usize = 14;

const V1: [&str; FIELDS] = [
    "producerGroup",
    "topic",
    "defaultTopic",
    "defaultTopicQueueNums",
    "queueId",
    "sysFlag",
    "bornTimestamp",
    "flag",
    "properties",
    "reconsumeTimes",
    "unitMode",
    "maxReconsumeTimes",
    "batch",
    "bname",
];
const V2: [&str; FIELDS] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];

struct Fields<'a> {
    names: &'static [&'static str; FIELDS],
    values: [Option<&'a str>; FIELDS],
}

impl<'a> Fields<'a> {
    fn text(&self, index: usize) -> Option<&'a str> {
        self.values[index]
    }

    fn optional<T: FieldValue>(&self, index: usize) -> Result<Option<T>, FieldError> {
        self.values[index].map(|value| parse_field(self.names[index], value)).transpose()
    }

    fn require<T: FieldValue>(&self, index: usize) -> Result<T, FieldError> {
        self.optional(index)?.ok_or(FieldError::Missing { field: self.names[index] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, HeaderEncoding};

    fn header(fields: &str) -> Header {
        let text = format!("{{\"code\":310,\"extFields\":{{{fields}}}}}");
        let mut header = Header::default();
        header.decode(&Frame { encoding: HeaderEncoding::Json, header: text.as_bytes(), body: &[] }).unwrap();
        header
    }

    #[test]
    fn both_spellings_say_the_same() {
        let v2 = header(
            r#""a":"pg","b":"T","c":"TBW102","d":"4","e":"-1","f":"769","g":"17","h":"3","i":"TAGS\u0001A\u0002",
               "j":"2","k":"true","l":"5","m":"true","n":"broker-a""#,
        );
        let v1 = header(
            r#""producerGroup":"pg","topic":"T","defaultTopic":"TBW102","defaultTopicQueueNums":4,"queueId":-1,
               "sysFlag":769,"bornTimestamp":17,"flag":3,"properties":"TAGS\u0001A\u0002","reconsumeTimes":2,
               "unitMode":"TRUE","maxReconsumeTimes":5,"batch":true,"bname":"broker-a""#,
        );
        let expected = SendRequest {
            producer_group: "pg",
            topic: "T",
            default_topic: "TBW102",
            default_topic_queue_nums: 4,
            queue_id: -1,
            sys_flag: 769,
            born_timestamp: 17,
            flag: 3,
            properties: "TAGS\u{1}A\u{2}",
            reconsume_times: 2,
            unit_mode: true,
            max_reconsume_times: Some(5),
            batch: true,
            broker_name: Some("broker-a"),
        };
        for code in [RequestCode::SEND_MESSAGE_V2, RequestCode::SEND_BATCH_MESSAGE, RequestCode::SEND_REPLY_MESSAGE_V2]
        {
            assert_eq!(SendRequest::from_header(&v2, code), Ok(expected));
        }
        for code in [RequestCode::SEND_MESSAGE, RequestCode::SEND_REPLY_MESSAGE] {
            assert_eq!(SendRequest::from_header(&v1, code), Ok(expected));
        }
    }

    #[test]
    fn what_may_be_absent_may_be_absent() {
        let header = header(r#""b":"T","d":"4","e":"0","f":"0","g":"1","h":"0","i":"""#);
        let request = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE_V2).unwrap();
        assert_eq!((request.properties, request.max_reconsume_times, request.batch), ("", None, false));
    }

    #[test]
    fn a_missing_or_wrong_field_is_named_in_the_request_s_spelling() {
        let header = header(r#""b":"T","d":"x""#);
        let wrong = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE_V2).unwrap_err();
        assert_eq!(wrong.to_string(), "header field `d` is `x`, expected i32");
        let missing = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE).unwrap_err();
        assert_eq!(missing, FieldError::Missing { field: "topic" });
    }
}
