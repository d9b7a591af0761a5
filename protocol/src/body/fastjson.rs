//! The JSON dialect of the reference's library, fastjson. Maps whose keys are not strings are not standard JSON:
//!
//! ```text
//! {0:"10.0.0.1:10911",1:"10.0.0.2:10911"}                           integer keys, unquoted
//! {{"brokerName":"b","queueId":0,"topic":"t"}:12,{"brokerName":…}:7}   object keys
//! ```
//!
//! The Java tools read object keys in this form only, and the Go client splits the text at `,{` and `}:`, so it is
//! written compactly. Integer keys are written quoted: everyone reads that.

use serde::de::DeserializeOwned;
use serde::ser::Serialize;
use std::collections::BTreeMap;

use crate::body::BodyError;
use crate::command::push_json_string;
use crate::json_reader::{JSON_DEPTH_MAX, JsonError, JsonReader, ValueKind};

/// Rewrites a text of the dialect as standard JSON: integer keys are quoted, an object key becomes a string that
/// holds its JSON, white space goes, and so does every `null`, since it means the same as an absent value.
///
/// # Errors
/// [`JsonError`] if it is not of the dialect, or nested deeper than 64 levels.
pub fn to_standard(text: &str) -> Result<Vec<u8>, JsonError> {
    let mut rewriter = Rewriter { reader: JsonReader::new(text), scratch: String::new() };
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    if !rewriter.value(&mut out, JSON_DEPTH_MAX)? {
        out.extend_from_slice(b"null");
    }
    rewriter.reader.expect_end()?;
    Ok(out)
}

/// Reads a body of the dialect.
pub(crate) fn decode<T: DeserializeOwned>(body_name: &'static str, body: &[u8]) -> Result<T, BodyError> {
    let text =
        std::str::from_utf8(body).map_err(|error| BodyError::NotUtf8 { body: body_name, at: error.valid_up_to() })?;
    let standard = to_standard(text).map_err(|source| BodyError::Syntax { body: body_name, source })?;
    serde_json::from_slice(&standard).map_err(|source| BodyError::Shape { body: body_name, source })
}

/// Standard JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    push_json(&mut out, value);
    out
}

/// Appends standard JSON.
pub(crate) fn push_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("our bodies have string and integer keys only, and memory takes all");
}

/// Appends a map with object keys.
pub(crate) fn push_object_keyed<K: Serialize, V: Serialize>(out: &mut Vec<u8>, map: &BTreeMap<K, V>) {
    out.push(b'{');
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(out, key);
        out.push(b':');
        push_json(out, value);
    }
    out.push(b'}');
}

struct Rewriter<'a> {
    reader: JsonReader<'a>,
    scratch: String,
}

impl Rewriter<'_> {
    /// Appends a value; false: it is null and nothing was appended.
    fn value(&mut self, out: &mut Vec<u8>, depth_left: usize) -> Result<bool, JsonError> {
        let Some(depth_left) = depth_left.checked_sub(1) else { return Err(self.reader.error("less nesting")) };
        match self.reader.kind()? {
            ValueKind::Object => self.object(out, depth_left)?,
            ValueKind::Array => self.array(out, depth_left)?,
            ValueKind::String => self.string(out)?,
            ValueKind::Number => out.extend_from_slice(self.reader.number_text()?.as_bytes()),
            ValueKind::True => self.literal(out, "true")?,
            ValueKind::False => self.literal(out, "false")?,
            ValueKind::Null => {
                self.reader.literal("null")?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn literal(&mut self, out: &mut Vec<u8>, word: &'static str) -> Result<(), JsonError> {
        self.reader.literal(word)?;
        out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    /// Standard JSON has no raw control characters inside strings, the dialect's reader takes them.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.scratch.clear();
        self.reader.string_into(&mut self.scratch)?;
        push_json_string(out, &self.scratch);
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>, depth_left: usize) -> Result<(), JsonError> {
        self.reader.expect(b'{', "`{`")?;
        out.push(b'{');
        if !self.reader.take(b'}') {
            let first = out.len();
            loop {
                let member = out.len();
                if member > first {
                    out.push(b',');
                }
                self.key(out, depth_left)?;
                self.reader.expect(b':', "`:`")?;
                out.push(b':');
                if !self.value(out, depth_left)? {
                    out.truncate(member);
                }
                if !self.reader.another(b'}')? {
                    break;
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn key(&mut self, out: &mut Vec<u8>, depth_left: usize) -> Result<(), JsonError> {
        match self.reader.kind()? {
            ValueKind::String => self.string(out),
            ValueKind::Number => {
                out.push(b'"');
                out.extend_from_slice(self.reader.number_text()?.as_bytes());
                out.push(b'"');
                Ok(())
            }
            ValueKind::Object => {
                let mut key = Vec::new();
                self.value(&mut key, depth_left)?;
                let key = std::str::from_utf8(&key).expect("rewritten text is text");
                push_json_string(out, key);
                Ok(())
            }
            _ => Err(self.reader.error("a key")),
        }
    }

    fn array(&mut self, out: &mut Vec<u8>, depth_left: usize) -> Result<(), JsonError> {
        self.reader.expect(b'[', "`[`")?;
        out.push(b'[');
        if !self.reader.take(b']') {
            let first = out.len();
            loop {
                let element = out.len();
                if element > first {
                    out.push(b',');
                }
                if !self.value(out, depth_left)? {
                    out.truncate(element);
                }
                if !self.reader.another(b']')? {
                    break;
                }
            }
        }
        out.push(b']');
        Ok(())
    }
}

/// For serde: a number that some client writes as a string.
pub(crate) mod lenient_number {
    use serde::de::{Deserializer, Error, Unexpected, Visitor};
    use std::fmt;
    use std::marker::PhantomData;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<i64>>(deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(Number(PhantomData))
    }

    struct Number<T>(PhantomData<T>);

    impl<T: TryFrom<i64>> Visitor<'_> for Number<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a number of type {}, quoted or not", std::any::type_name::<T>())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            let signed = i64::try_from(number).ok().and_then(|number| T::try_from(number).ok());
            signed.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            let number = text.parse().ok().and_then(|number: i64| T::try_from(number).ok());
            number.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
}

/// For serde: a map whose keys were objects before [`to_standard`].
pub(crate) mod object_keys {
    use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
    use std::collections::BTreeMap;

    pub(crate) fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: DeserializeOwned + Ord,
        V: Deserialize<'de>,
    {
        let texts = BTreeMap::<String, V>::deserialize(deserializer)?;
        let parse = |(key, value): (String, V)| Ok((serde_json::from_str(&key).map_err(D::Error::custom)?, value));
        texts.into_iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(text: &str) -> String {
        String::from_utf8(to_standard(text).unwrap()).unwrap()
    }

    #[test]
    fn integer_keys_are_quoted() {
        assert_eq!(standard(r#"{0:"a", -1 : {2:3} ,"4":5}"#), r#"{"0":"a","-1":{"2":3},"4":5}"#);
    }

    #[test]
    fn an_object_key_becomes_a_string_with_its_json() {
        let text = r#"{"t":{{"brokerName":"b\"","queueId":0}:12,{"brokerName":"c"}:7}}"#;
        let expected = r#"{"t":{"{\"brokerName\":\"b\\\"\",\"queueId\":0}":12,"{\"brokerName\":\"c\"}":7}}"#;
        assert_eq!(standard(text), expected);
    }

    #[test]
    fn null_is_as_if_absent() {
        assert_eq!(standard(r#"{"a":null,"b":[null,1,null],"c":{"d":null},"e":2}"#), r#"{"b":[1],"c":{},"e":2}"#);
        assert_eq!(standard("null"), "null");
    }

    #[test]
    fn what_is_not_of_the_dialect_is_an_error() {
        for text in ["", "{", "{a:1}", "{[1]:2}", "{true:1}", "{1:2", "[1,]", "{\"a\":1,}", "{} {}", "{null:1}"] {
            assert!(to_standard(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded_in_values_and_in_keys() {
        let values = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(to_standard(&values(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(to_standard(&values(JSON_DEPTH_MAX + 1)).unwrap_err().expected, "less nesting");
        assert!(to_standard(&"{".repeat(1_000_000)).is_err());
    }
}
