//! The decoded header of a command.

mod binary;
mod json;
mod plain_json;

use crate::frame::{Frame, HeaderEncoding};
use crate::json_reader::JsonError;
use crate::language::Language;

/// `flag` bit: this is a response.
pub const FLAG_RESPONSE: i32 = 0b01;
/// `flag` bit: do not answer.
pub const FLAG_ONEWAY: i32 = 0b10;

/// Most ext fields of one header. The longest header of the protocol has about 20.
pub const EXT_FIELDS_MAX: usize = 128;

/// A decoded header. It is meant to be kept and decoded into again: once its buffers have grown to what the traffic
/// needs, decoding allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// Request or response code.
    pub code: i32,
    /// What the peer is written in.
    pub language: Language,
    /// The peer's version, an ordinal.
    pub version: i32,
    /// Number of the request; its answer repeats it.
    pub opaque: i32,
    /// [`FLAG_RESPONSE`], [`FLAG_ONEWAY`].
    pub flag: i32,
    remark: Span,
    /// Remark, keys and values, one after the other.
    text: String,
    fields: Vec<Field>,
}

/// Part of a header's text. 32 bits do: a header has at most 2^24 bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Field {
    key: Span,
    value: Span,
}

impl Header {
    /// Replaces everything by the header of `frame`. After an error the content has no meaning.
    ///
    /// # Errors
    /// [`HeaderError`] says what is wrong and where.
    pub fn decode(&mut self, frame: &Frame<'_>) -> Result<(), HeaderError> {
        self.clear();
        match frame.encoding {
            HeaderEncoding::Json => {
                if let Ok(text) = std::str::from_utf8(frame.header) {
                    self.text.push_str(text);
                    if plain_json::decode(self, text).is_some() {
                        return Ok(());
                    }
                    self.clear();
                }
                json::decode(self, frame.header)
            }
            HeaderEncoding::RocketMq => binary::decode(self, frame.header),
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        let (text, fields) = (std::mem::take(&mut self.text), std::mem::take(&mut self.fields));
        *self = Self { text, fields, ..Self::default() };
    }

    /// Whether this answers a request of ours.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether it must not be answered.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }

    /// The error text; an empty one counts as absent.
    pub fn remark(&self) -> Option<&str> {
        Some(self.slice(self.remark)).filter(|remark| !remark.is_empty())
    }

    /// The value of an ext field. An empty value counts as absent, as it does for the reference. A key that stands
    /// twice has its last value.
    pub fn get(&self, key: &str) -> Option<&str> {
        let field = self.fields.iter().rev().find(|field| self.slice(field.key) == key)?;
        Some(self.slice(field.value)).filter(|value| !value.is_empty())
    }

    /// The value of an ext field that has to be there.
    ///
    /// # Errors
    /// [`FieldError::Missing`], [`FieldError::Invalid`].
    pub fn require<T: FieldValue>(&self, key: &'static str) -> Result<T, FieldError> {
        self.optional(key)?.ok_or(FieldError::Missing { field: key })
    }

    /// The text of an ext field that has to be there, borrowed.
    ///
    /// # Errors
    /// [`FieldError::Missing`].
    pub fn require_str(&self, key: &'static str) -> Result<&str, FieldError> {
        self.get(key).ok_or(FieldError::Missing { field: key })
    }

    /// The value of an ext field that may be absent.
    ///
    /// # Errors
    /// [`FieldError::Invalid`].
    pub fn optional<T: FieldValue>(&self, key: &'static str) -> Result<Option<T>, FieldError> {
        self.get(key).map(|value| parse_field(key, value)).transpose()
    }

    /// All ext fields as they came, in their order, empty values too: what a signature is computed over.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (self.slice(field.key), self.slice(field.value)))
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn push_field(&mut self, key: Span, value: Span) -> Result<(), HeaderError> {
        if self.fields.len() == EXT_FIELDS_MAX {
            return Err(HeaderError::TooManyFields { fields_max: EXT_FIELDS_MAX });
        }
        self.fields.push(Field { key, value });
        Ok(())
    }

    /// The text from `start` to its end.
    fn span_from(&self, start: usize) -> Span {
        Span { start: start as u32, end: self.text.len() as u32 }
    }
}

/// Parses the value of ext field `key`.
pub(crate) fn parse_field<T: FieldValue>(key: &'static str, value: &str) -> Result<T, FieldError> {
    T::from_field(value).ok_or_else(|| FieldError::Invalid {
        field: key,
        value: value.chars().take(ERROR_VALUE_CHARS_MAX).collect(),
        expected: T::EXPECTED,
    })
}

/// As much of a wrong value stands in an error.
const ERROR_VALUE_CHARS_MAX: usize = 64;

/// What an ext field's text can be read as.
pub trait FieldValue: Sized {
    /// Name of the type, for errors.
    const EXPECTED: &'static str;

    /// `None` if the text is no such value.
    fn from_field(text: &str) -> Option<Self>;
}

macro_rules! integer_fields {
    ($($type:ty),*) => {
        $(impl FieldValue for $type {
            const EXPECTED: &'static str = stringify!($type);

            fn from_field(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })*
    };
}
integer_fields!(i16, i32, i64, u16, u32, u64, usize);

/// As the reference: `true` in any case is true, everything else (also `1`) is false.
impl FieldValue for bool {
    const EXPECTED: &'static str = "bool";

    fn from_field(text: &str) -> Option<Self> {
        Some(text.eq_ignore_ascii_case("true"))
    }
}

impl FieldValue for String {
    const EXPECTED: &'static str = "text";

    fn from_field(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// Why an ext field cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Absent or empty.
    #[error("header field `{field}` is missing")]
    Missing {
        /// Key of the field.
        field: &'static str,
    },
    /// Not a value of the expected type.
    #[error("header field `{field}` is `{value}`, expected {expected}")]
    Invalid {
        /// Key of the field.
        field: &'static str,
        /// The beginning of the value as it came.
        value: String,
        /// Name of the expected type.
        expected: &'static str,
    },
}

/// Why bytes are not a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Text that is not UTF-8.
    #[error("{what} is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Which text.
        what: &'static str,
        /// Position in it.
        at: usize,
    },
    /// A JSON header that is no JSON object.
    #[error("JSON header: {0}")]
    Json(#[from] JsonError),
    /// A number of the fixed part that is none.
    #[error("JSON header: `{key}` is `{value}`, expected i32")]
    NotANumber {
        /// Key in the header.
        key: &'static str,
        /// The value as it came.
        value: String,
    },
    /// More ext fields than allowed.
    #[error("more than {fields_max} ext fields")]
    TooManyFields {
        /// The limit.
        fields_max: usize,
    },
    /// A binary header that ends early.
    #[error("binary header ends in {what}: need {need} bytes, have {have}")]
    Truncated {
        /// Which field.
        what: &'static str,
        /// Bytes the field takes.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// A length below zero in a binary header.
    #[error("binary header: length of {what} is {length}")]
    NegativeLength {
        /// Which field.
        what: &'static str,
        /// The length as it came.
        length: i32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(header: &str) -> Header {
        let mut decoded = Header::default();
        let frame = Frame { encoding: HeaderEncoding::Json, header: header.as_bytes(), body: &[] };
        decoded.decode(&frame).unwrap();
        decoded
    }

    #[test]
    fn an_empty_value_counts_as_absent_but_is_listed() {
        let header = json(r#"{"code":1,"extFields":{"subscription":"","a":"1"},"remark":""}"#);
        assert_eq!(header.get("subscription"), None);
        assert_eq!(header.optional::<i32>("subscription"), Ok(None));
        assert_eq!(header.remark(), None);
        assert_eq!(header.fields().collect::<Vec<_>>(), [("subscription", ""), ("a", "1")]);
    }

    #[test]
    fn a_key_that_stands_twice_has_its_last_value() {
        assert_eq!(json(r#"{"extFields":{"k":"1","k":"2"}}"#).get("k"), Some("2"));
    }

    #[test]
    fn field_errors_say_field_value_and_type() {
        let header = json(r#"{"extFields":{"queueId":"x1"}}"#);
        let invalid = header.require::<i32>("queueId").unwrap_err();
        assert_eq!(invalid.to_string(), "header field `queueId` is `x1`, expected i32");
        let missing = header.require::<i64>("offset").unwrap_err();
        assert_eq!(missing.to_string(), "header field `offset` is missing");
        assert_eq!(header.require_str("topic"), Err(FieldError::Missing { field: "topic" }));
    }

    #[test]
    fn only_true_in_any_case_is_true() {
        let header = json(r#"{"extFields":{"a":"TRUE","b":"1","c":"false","d":true}}"#);
        let read = |key| header.require::<bool>(key).unwrap();
        assert_eq!([read("a"), read("b"), read("c"), read("d")], [true, false, false, true]);
    }

    #[test]
    fn decoding_again_forgets_the_header_before() {
        let mut header =
            json(r#"{"code":7,"flag":3,"opaque":9,"version":5,"remark":"r","language":"GO","extFields":{"a":"1"}}"#);
        assert!(header.is_response() && header.is_oneway());
        header.decode(&Frame { encoding: HeaderEncoding::Json, header: b"{}", body: &[] }).unwrap();
        assert_eq!((header.code, header.flag, header.opaque, header.version), (0, 0, 0, 0));
        assert_eq!((header.language, header.remark(), header.get("a")), (Language::JAVA, None, None));
    }
}
