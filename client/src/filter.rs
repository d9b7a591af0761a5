//! Which messages a consumer wants.

use protocol::tags::{TagExpressionError, TagFilter};

use crate::received_message::ReceivedMessage;

/// Which messages of a topic a consumer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    expression: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Tags(TagFilter),
    Sql92,
}

impl Default for Filter {
    fn default() -> Self {
        Self::all()
    }
}

impl Filter {
    /// All messages.
    #[must_use]
    pub fn all() -> Self {
        Self { expression: "*".to_owned(), kind: Kind::Tags(TagFilter::all()) }
    }

    /// Messages with one of the tags in `a || b`; `*` is all.
    ///
    /// # Errors
    /// When the expression names no tag.
    pub fn tags(expression: &str) -> Result<Self, TagExpressionError> {
        Ok(Self { expression: expression.to_owned(), kind: Kind::Tags(TagFilter::parse(expression)?) })
    }

    /// Messages whose properties satisfy an SQL-92 condition; the broker has to have `enablePropertyFilter` on.
    #[must_use]
    pub fn sql(condition: &str) -> Self {
        Self { expression: condition.to_owned(), kind: Kind::Sql92 }
    }

    /// The expression as the broker gets it.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Its type as the broker gets it.
    #[must_use]
    pub fn expression_type(&self) -> &'static str {
        match self.kind {
            Kind::Tags(_) => "TAG",
            Kind::Sql92 => "SQL92",
        }
    }

    /// The tags it names; none for all messages and for SQL.
    #[must_use]
    pub fn tag_list(&self) -> Vec<String> {
        match &self.kind {
            Kind::Tags(tags) => tags.tags().map(str::to_owned).collect(),
            Kind::Sql92 => Vec::new(),
        }
    }

    /// Brokers compare hashes of tags, so a message with another tag may slip through; this compares the text.
    #[must_use]
    pub fn matches(&self, message: &ReceivedMessage) -> bool {
        match &self.kind {
            Kind::Tags(tags) => tags.matches_text(message.tags()),
            Kind::Sql92 => true,
        }
    }
}
