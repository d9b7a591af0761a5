//! A stored message as commands show it.

use std::collections::BTreeMap;
use std::fmt::Write;

use client::ReceivedMessage;
use serde::Serialize;

use crate::fact_list::FactList;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// A message with its keys as the original mqadmin names them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageView {
    pub(crate) topic: String,
    pub(crate) queue_id: i32,
    pub(crate) queue_offset: i64,
    pub(crate) msg_id: Option<String>,
    pub(crate) offset_msg_id: String,
    pub(crate) tags: Option<String>,
    pub(crate) keys: Option<String>,
    pub(crate) commit_log_offset: i64,
    pub(crate) reconsume_times: i32,
    pub(crate) born_timestamp: Timestamp,
    pub(crate) born_host: String,
    pub(crate) store_timestamp: Timestamp,
    pub(crate) store_host: String,
    pub(crate) sys_flag: i32,
    pub(crate) flag: i32,
    pub(crate) store_bytes: usize,
    pub(crate) properties: BTreeMap<String, String>,
    /// Absent where it was not asked for.
    #[serde(flatten)]
    pub(crate) body: Option<BodyView>,
}

/// A body: text, or the digits of its bytes, or why it cannot be had.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BodyView {
    #[serde(rename = "body")]
    Text(String),
    #[serde(rename = "bodyHex")]
    Hex(String),
    #[serde(rename = "bodyError")]
    Error(String),
}

/// How to turn the bytes of a body into text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BodyFormat {
    /// UTF-8 text; bytes that are none are shown as hex digits
    #[default]
    #[value(name = "UTF-8", alias = "utf-8", alias = "UTF8", alias = "utf8")]
    Utf8,
    /// ISO-8859-1 text, a character a byte
    #[value(name = "ISO-8859-1", alias = "iso-8859-1", alias = "latin1")]
    Latin1,
    /// Hex digits
    #[value(name = "hex")]
    Hex,
}

impl MessageView {
    pub(crate) fn new(message: &ReceivedMessage, format: BodyFormat) -> Self {
        Self {
            topic: message.topic.to_string(),
            queue_id: message.queue_id,
            queue_offset: message.queue_offset,
            msg_id: message.unique_id().map(str::to_owned),
            offset_msg_id: message.offset_message_id().to_string(),
            tags: message.tags().map(str::to_owned),
            keys: message.keys().map(str::to_owned),
            commit_log_offset: message.physical_offset,
            reconsume_times: message.reconsume_times,
            born_timestamp: Timestamp(message.born_timestamp),
            born_host: message.born_host.to_string(),
            store_timestamp: Timestamp(message.store_timestamp),
            store_host: message.store_host.to_string(),
            sys_flag: message.sys_flag.0,
            flag: message.flag,
            store_bytes: message.store_bytes,
            properties: message.properties().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            body: Some(BodyView::new(message, format)),
        }
    }
}

/// The columns of a message among others.
pub(crate) const MESSAGE_COLUMNS: &[(&str, Align)] = &[
    ("BROKER", Align::Left),
    ("QID", Align::Right),
    ("OFFSET", Align::Right),
    ("STORED", Align::Left),
    ("MSG ID", Align::Left),
    ("TAGS", Align::Left),
    ("KEYS", Align::Left),
    ("BODY", Align::Left),
];

impl MessageView {
    /// Adds it to a table of [`MESSAGE_COLUMNS`].
    pub(crate) fn fill(&self, broker: &str, table: &mut Table) {
        table.row([
            &broker,
            &self.queue_id,
            &self.queue_offset,
            &self.store_timestamp,
            self.msg_id.as_ref().unwrap_or(&self.offset_msg_id),
            &self.tags.as_deref().unwrap_or_default(),
            &self.keys.as_deref().unwrap_or_default(),
            &self.shown_body(),
        ]);
    }

    /// All of it, a line each.
    pub(crate) fn facts(&self) -> FactList {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut facts = FactList::default();
        facts
            .fact("Msg id", text(&self.msg_id))
            .fact("Offset msg id", &self.offset_msg_id)
            .fact("Topic", &self.topic)
            .fact("Tags", text(&self.tags))
            .fact("Keys", text(&self.keys))
            .fact("Queue id", self.queue_id)
            .fact("Queue offset", self.queue_offset)
            .fact("CommitLog offset", self.commit_log_offset)
            .fact("Reconsume times", self.reconsume_times)
            .fact("Born", format!("{} at {}", self.born_timestamp, self.born_host))
            .fact("Stored", format!("{} at {}", self.store_timestamp, self.store_host))
            .fact("System flag", self.sys_flag)
            .fact("Flag", self.flag)
            .fact("Record bytes", self.store_bytes);
        for (name, value) in &self.properties {
            facts.fact(format!("  {name}"), value);
        }
        facts.fact("Body", self.shown_body());
        facts
    }

    fn shown_body(&self) -> String {
        self.body.as_ref().map(BodyView::shown).unwrap_or_default()
    }
}

impl BodyView {
    fn new(message: &ReceivedMessage, format: BodyFormat) -> Self {
        match message.body() {
            Ok(body) => Self::of_bytes(&body, format),
            Err(error) => Self::Error(error.to_string()),
        }
    }

    fn of_bytes(body: &[u8], format: BodyFormat) -> Self {
        match (format, std::str::from_utf8(body)) {
            (BodyFormat::Utf8, Ok(text)) => Self::Text(text.to_owned()),
            (BodyFormat::Latin1, _) => Self::Text(body.iter().copied().map(char::from).collect()),
            (BodyFormat::Utf8 | BodyFormat::Hex, _) => Self::Hex(hex(body)),
        }
    }

    /// One text for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Hex(digits) => format!("0x{digits}"),
            Self::Error(reason) => format!("({reason})"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_where_it_can_be() {
        let view = |body: &[u8], format| BodyView::of_bytes(body, format);
        assert_eq!(view("h\u{e9}".as_bytes(), BodyFormat::Utf8), BodyView::Text("h\u{e9}".to_owned()));
        assert_eq!(view(b"h\xe9", BodyFormat::Utf8), BodyView::Hex("68e9".to_owned()));
        assert_eq!(view(b"h\xe9", BodyFormat::Latin1), BodyView::Text("h\u{e9}".to_owned()));
        assert_eq!(view(b"hi", BodyFormat::Hex), BodyView::Hex("6869".to_owned()));
    }

    #[test]
    fn json_says_in_the_key_which_form_the_body_has() {
        let json = |view| serde_json::to_string(&view).unwrap();
        assert_eq!(json(BodyView::Text("a".to_owned())), r#"{"body":"a"}"#);
        assert_eq!(json(BodyView::Hex("61".to_owned())), r#"{"bodyHex":"61"}"#);
        assert_eq!(json(BodyView::Error("why".to_owned())), r#"{"bodyError":"why"}"#);
    }
}
