//! Which messages a subscription lets through: by the tags code in the ConsumeQueue, or by the properties in the record.

use std::collections::BTreeMap;
use std::rc::Rc;

use message_filter::{FilterError, SqlFilter};
use protocol::properties;
use protocol::record::decode_record;
use protocol::tags::{TagExpressionError, TagFilter};
use thiserror::Error;

/// The expression type of a filter over properties.
pub const SQL92: &str = "SQL92";

/// Bytes of a record that cost about as much to look through as one operation of an expression.
const BYTES_PER_STEP: u64 = 256;

/// Why there is no filter for an expression. The text is the end of an answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubscriptionFilterError {
    /// Of tags.
    #[error(transparent)]
    Tags(#[from] TagExpressionError),
    /// Over properties.
    #[error(transparent)]
    Sql(#[from] FilterError),
    /// Neither of them.
    #[error("expressions of type {kind:?} are not known; TAG and {SQL92} are")]
    UnknownKind {
        /// As received.
        kind: String,
    },
}

/// A subscription, ready to be asked about messages.
#[derive(Debug, Clone, PartialEq)]
pub enum SubscriptionFilter {
    /// Decided by the ConsumeQueue alone. It may let a wrong message pass; clients look again.
    Tags(TagFilter),
    /// Decided by the record; clients do not look again.
    Sql(SqlFilter),
    /// For a retry topic: each message passes the filter of the topic that it was first consumed from, by topic. A topic
    /// that is not among them lets everything through.
    ByFirstTopic(BTreeMap<String, Rc<SubscriptionFilter>>),
}

impl SubscriptionFilter {
    /// Lets everything through.
    pub fn all() -> Self {
        Self::Tags(TagFilter::all())
    }

    /// The filter of an expression of this type; no type at all is `TAG`.
    ///
    /// # Errors
    /// [`SubscriptionFilterError`].
    pub fn parse(kind: &str, expression: &str) -> Result<Self, SubscriptionFilterError> {
        if is_by_tag(kind) {
            return Ok(Self::Tags(TagFilter::parse(expression)?));
        }
        if kind != SQL92 {
            return Err(SubscriptionFilterError::UnknownKind { kind: kind.to_owned() });
        }
        Ok(Self::Sql(SqlFilter::parse(expression)?))
    }

    /// Whether the ConsumeQueue decides.
    pub fn is_by_tag(&self) -> bool {
        matches!(self, Self::Tags(_))
    }

    /// Whether a message with this tags code may pass.
    pub fn may_match(&self, tags_code: i64) -> bool {
        match self {
            Self::Tags(filter) => filter.matches(tags_code),
            Self::Sql(_) | Self::ByFirstTopic(_) => true,
        }
    }

    /// Whether a stored record passes whose tags code may.
    pub fn matches_record(&self, record: &[u8]) -> bool {
        if self.is_by_tag() {
            return true;
        }
        decode_record(record).is_ok_and(|(record, _)| self.matches_properties(record.properties))
    }

    fn matches_properties(&self, text: &[u8]) -> bool {
        match self {
            Self::Tags(_) => true,
            Self::Sql(filter) => filter.matches(properties::iterate(text)),
            Self::ByFirstTopic(filters) => {
                let topic = properties::get_text(text, properties::RETRY_TOPIC);
                topic.and_then(|topic| filters.get(topic)).is_none_or(|filter| filter.matches_properties(text))
            }
        }
    }

    /// What looking at a record of this many bytes costs at most: about operations on short values. 0 if the ConsumeQueue
    /// decides.
    pub fn steps(&self, record_bytes: u32) -> u64 {
        // Properties are at most 32 KiB, however long the body is; each operation may look through a long one.
        let long = 1 + u64::from(record_bytes.min(1 << 15)) / BYTES_PER_STEP;
        match self {
            Self::Tags(_) => 0,
            Self::Sql(filter) => filter.parts() as u64 * long,
            Self::ByFirstTopic(filters) => {
                filters.values().map(|filter| filter.steps(record_bytes)).max().unwrap_or(long)
            }
        }
    }
}

/// Whether a subscription of this expression type names tags.
pub fn is_by_tag(kind: &str) -> bool {
    kind.is_empty() || kind.eq_ignore_ascii_case("TAG")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(expression: &str) -> SubscriptionFilter {
        SubscriptionFilter::parse(SQL92, expression).unwrap()
    }

    #[test]
    fn tags_are_decided_by_their_code_and_expressions_by_the_properties() {
        let tags = SubscriptionFilter::parse("", "TagA").unwrap();
        assert!(tags.is_by_tag() && tags.may_match(2_598_919) && !tags.may_match(2_598_920));
        assert!(tags.matches_properties(b""));
        let sql = sql("a > 1");
        assert!(!sql.is_by_tag() && sql.may_match(0));
        assert!(sql.matches_properties(b"a\x012\x02") && !sql.matches_properties(b"a\x011\x02"));
    }

    #[test]
    fn what_is_no_record_does_not_pass_an_expression() {
        assert!(!sql("TRUE").matches_record(b"no record"));
    }

    #[test]
    fn an_unknown_type_is_named() {
        let error = SubscriptionFilter::parse("CLASS", "a > 1").unwrap_err();
        assert_eq!(error.to_string(), "expressions of type \"CLASS\" are not known; TAG and SQL92 are");
    }

    #[test]
    fn a_retry_passes_the_filter_of_its_first_topic() {
        let filters = [("T".to_owned(), Rc::new(sql("a > 1"))), ("U".to_owned(), Rc::new(SubscriptionFilter::all()))];
        let filter = SubscriptionFilter::ByFirstTopic(filters.into());
        assert!(filter.matches_properties(b"a\x012\x02RETRY_TOPIC\x01T\x02"));
        assert!(!filter.matches_properties(b"a\x011\x02RETRY_TOPIC\x01T\x02"));
        for unfiltered in [&b"a\x011\x02RETRY_TOPIC\x01U\x02"[..], b"a\x011\x02RETRY_TOPIC\x01V\x02", b"a\x011\x02"] {
            assert!(filter.matches_properties(unfiltered));
        }
    }

    #[test]
    fn long_expressions_and_long_properties_cost_more() {
        let short = sql("a > 1");
        assert_eq!(short.steps(200), 3);
        assert_eq!(short.steps(4 << 20), 3 * 129);
        assert!(sql("a > 1 OR b > 1").steps(200) > 3);
        assert_eq!(SubscriptionFilter::all().steps(1 << 20), 0);
    }
}
