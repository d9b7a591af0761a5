//! What a client tells every broker every 30 s (34).

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeSet;

use super::fastjson::lenient_number;
use super::named_enum::named_enum;
use crate::tags::java_hash;

named_enum! {
    /// How a group gets its messages.
    ConsumeType, default Passively;
    /// The program pulls.
    Actively = "CONSUME_ACTIVELY";
    /// The client pulls and pushes to the program.
    Passively = "CONSUME_PASSIVELY";
    /// The broker assigns.
    Pop = "CONSUME_POP";
}

named_enum! {
    /// Who of a group gets a message.
    MessageModel, default Clustering;
    /// Everyone.
    Broadcasting = "BROADCASTING";
    /// One.
    Clustering = "CLUSTERING";
}

named_enum! {
    /// Where a group without offsets starts; the client decides.
    ConsumeFromWhere, default LastOffset;
    /// At the end.
    LastOffset = "CONSUME_FROM_LAST_OFFSET";
    /// Old.
    LastOffsetAndFromMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST";
    /// Old.
    MinOffset = "CONSUME_FROM_MIN_OFFSET";
    /// Old.
    MaxOffset = "CONSUME_FROM_MAX_OFFSET";
    /// At the beginning.
    FirstOffset = "CONSUME_FROM_FIRST_OFFSET";
    /// At a point in time.
    Timestamp = "CONSUME_FROM_TIMESTAMP";
}

/// One topic a group listens to.
///
/// The tags' hash codes of a received one are thrown away: the Go client computes them over other units, and writes
/// them as strings. They are computed from the tags when one is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    /// Class filter, dead.
    pub class_filter_mode: bool,
    /// `TAG` or `SQL92`.
    pub expression_type: String,
    /// The expression.
    pub sub_string: String,
    /// Grows with every change; ms, of the Go client ns.
    #[serde(deserialize_with = "lenient_number::deserialize")]
    pub sub_version: i64,
    /// The tags of the expression.
    pub tags_set: BTreeSet<String>,
    /// The topic.
    pub topic: String,
}

impl Default for SubscriptionData {
    fn default() -> Self {
        Self {
            class_filter_mode: false,
            expression_type: "TAG".to_owned(),
            sub_string: String::new(),
            sub_version: 0,
            tags_set: BTreeSet::new(),
            topic: String::new(),
        }
    }
}

impl Serialize for SubscriptionData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code_set: BTreeSet<_> = self.tags_set.iter().map(|tag| java_hash(tag)).collect();
        let mut object = serializer.serialize_struct("SubscriptionData", 7)?;
        object.serialize_field("classFilterMode", &self.class_filter_mode)?;
        object.serialize_field("codeSet", &code_set)?;
        object.serialize_field("expressionType", &self.expression_type)?;
        object.serialize_field("subString", &self.sub_string)?;
        object.serialize_field("subVersion", &self.sub_version)?;
        object.serialize_field("tagsSet", &self.tags_set)?;
        object.serialize_field("topic", &self.topic)?;
        object.end()
    }
}

/// One consumer group of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerData {
    /// Where it starts.
    pub consume_from_where: ConsumeFromWhere,
    /// How it gets messages.
    pub consume_type: ConsumeType,
    /// The group.
    pub group_name: String,
    /// Who of it gets a message.
    pub message_model: MessageModel,
    /// What it listens to.
    pub subscription_data_set: Vec<SubscriptionData>,
    /// Unit mode.
    pub unit_mode: bool,
}

/// One producer group of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerData {
    /// The group.
    pub group_name: String,
}

/// All groups of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatData {
    /// The client.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Its consumer groups.
    pub consumer_data_set: Vec<ConsumerData>,
    /// Of the subscriptions; 0 = heartbeat of version 1.
    pub heartbeat_fingerprint: i32,
    /// Its producer groups.
    pub producer_data_set: Vec<ProducerData>,
    /// Version 2: the subscriptions are left out, they are those of the fingerprint.
    pub without_sub: bool,
}

json_body!(HeartbeatData, ConsumerData, SubscriptionData);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ordinals_of_enums_are_read_and_the_rest_is_the_default() {
        let read = |json: &str| ConsumerData::decode(json.as_bytes()).unwrap();
        assert_eq!(read(r#"{"consumeType":"CONSUME_POP"}"#).consume_type, ConsumeType::Pop);
        assert_eq!(read(r#"{"consumeType":0,"messageModel":0}"#).consume_type, ConsumeType::Actively);
        assert_eq!(read(r#"{"messageModel":0}"#).message_model, MessageModel::Broadcasting);
        assert_eq!(read(r#"{"messageModel":"ODD"}"#).message_model, MessageModel::Clustering);
        assert_eq!(read(r#"{"consumeFromWhere":4}"#).consume_from_where, ConsumeFromWhere::FirstOffset);
        assert_eq!(read(r#"{"consumeFromWhere":99}"#).consume_from_where, ConsumeFromWhere::LastOffset);
    }

    #[test]
    fn codes_are_computed_from_the_tags() {
        let json =
            r#"{"codeSet":["1","2"],"subVersion":"17","tagsSet":["TagB","TagA"],"topic":"T","subString":"TagA||TagB"}"#;
        let subscription = SubscriptionData::decode(json.as_bytes()).unwrap();
        assert_eq!(subscription.sub_version, 17);
        let written = String::from_utf8(subscription.encode()).unwrap();
        assert!(written.contains(r#""codeSet":[2598919,2598920]"#), "{written}");
    }

    #[test]
    fn a_version_that_is_no_number_is_an_error_that_says_so() {
        let error = SubscriptionData::decode(br#"{"subVersion":"x"}"#).unwrap_err().to_string();
        assert!(error.contains("string \"x\", expected a number of type i64"), "{error}");
    }

    #[test]
    fn an_almost_empty_heartbeat_is_read() {
        let heartbeat = HeartbeatData::decode(br#"{"clientID":"c","consumerDataSet":null}"#).unwrap();
        assert_eq!(heartbeat, HeartbeatData { client_id: "c".to_owned(), ..HeartbeatData::default() });
    }
}
