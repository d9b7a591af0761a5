//! A message to send.

use bytes::Bytes;
use protocol::properties::{self, PropertiesBuilder};
use protocol::record::PROPERTIES_BYTES_MAX;

use crate::error::ClientError;

/// A message to send. Only topic and body are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: String,
    /// The payload; brokers refuse an empty one.
    pub body: Bytes,
    /// One tag, which consumers may filter by.
    pub tags: Option<String>,
    /// Keys to find it by later, separated by blanks.
    pub keys: Option<String>,
    /// Delay level, 1 to 18; 0 delivers at once.
    pub delay_level: i32,
    /// A number for the application's own use.
    pub flag: i32,
    /// Whether a SYNC broker should wait for disk and replicas; true unless changed.
    pub skip_store_wait: bool,
    /// Further properties.
    pub properties: Vec<(String, String)>,
}

impl Message {
    /// A message with a topic and a body.
    #[must_use]
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), body: body.into(), ..Self::default() }
    }

    /// With a tag.
    #[must_use]
    pub fn tags(mut self, tags: impl Into<String>) -> Self {
        self.tags = Some(tags.into());
        self
    }

    /// With keys, separated by blanks.
    #[must_use]
    pub fn keys(mut self, keys: impl Into<String>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// With a delay level.
    #[must_use]
    pub fn delay_level(mut self, level: i32) -> Self {
        self.delay_level = level;
        self
    }

    /// With a property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// The stored form of all properties, with the unique id.
    pub(crate) fn encode_properties(&self, unique_id: &str) -> Result<String, ClientError> {
        let mut builder = PropertiesBuilder::default();
        for (name, value) in &self.properties {
            self.set(&mut builder, name, value)?;
        }
        if let Some(keys) = &self.keys {
            self.set(&mut builder, properties::KEYS, keys)?;
        }
        self.set(&mut builder, properties::UNIQ_KEY, unique_id)?;
        self.set(&mut builder, properties::WAIT, if self.skip_store_wait { "false" } else { "true" })?;
        if self.delay_level > 0 {
            self.set(&mut builder, properties::DELAY, &self.delay_level.to_string())?;
        }
        if let Some(tags) = &self.tags {
            self.set(&mut builder, properties::TAGS, tags)?;
        }
        let encoded = String::from_utf8(builder.into_bytes()).map_err(|_| self.invalid("properties are not UTF-8"))?;
        if encoded.len() > PROPERTIES_BYTES_MAX {
            let bytes = encoded.len();
            return Err(self.invalid(format!("{bytes} bytes of properties exceed the limit of {PROPERTIES_BYTES_MAX}")));
        }
        Ok(encoded)
    }

    /// The stored form has no escapes, and readers drop empty names and values.
    fn set(&self, builder: &mut PropertiesBuilder, name: &str, value: &str) -> Result<(), ClientError> {
        if name.is_empty() || value.is_empty() {
            return Err(self.invalid(format!("property {name:?} = {value:?}: neither side may be empty")));
        }
        if [name, value].iter().any(|text| text.contains(['\u{1}', '\u{2}'])) {
            return Err(self.invalid(format!("property {name:?} = {value:?}: \\u0001 and \\u0002 separate properties")));
        }
        builder.set(name, value);
        Ok(())
    }

    fn invalid(&self, reason: impl Into<String>) -> ClientError {
        ClientError::Message { topic: self.topic.clone(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_carry_the_unique_id_and_what_the_message_sets() {
        let message = Message::new("T", "b").tags("TagA").keys("k1 k2").delay_level(3).property("x", "1");
        let encoded = message.encode_properties("ID").unwrap();
        let pairs: std::collections::BTreeMap<_, _> =
            encoded.split_terminator('\u{2}').map(|pair| pair.split_once('\u{1}').unwrap()).collect();
        let expected =
            [("KEYS", "k1 k2"), ("UNIQ_KEY", "ID"), ("WAIT", "true"), ("DELAY", "3"), ("TAGS", "TagA"), ("x", "1")];
        assert_eq!(pairs, expected.into());
    }

    #[test]
    fn a_property_that_could_not_be_read_back_is_refused() {
        for (name, value) in [("", "v"), ("n", ""), ("a\u{1}b", "v"), ("n", "a\u{2}b")] {
            let error = Message::new("T", "b").property(name, value).encode_properties("ID").unwrap_err();
            assert!(error.to_string().starts_with("message to topic T: property "), "{error}");
        }
    }

    #[test]
    fn properties_that_no_record_can_hold_are_refused() {
        let message = Message::new("T", "b").property("n", "v".repeat(40_000));
        let error = message.encode_properties("ID").unwrap_err();
        assert!(error.to_string().contains("exceed the limit of 32767"), "{error}");
    }
}
