//! An expression that is ready to be asked about messages.

use std::borrow::Cow;
use std::fmt;

use crate::error::{FilterError, Position};
use crate::evaluate::condition;
use crate::expression::{Expression, Written};
use crate::parser::parse;
use crate::value::EvaluationError;

/// Longest expression in bytes, as long as any subscription may be.
pub const EXPRESSION_BYTES_MAX: usize = 65_536;

/// Parentheses and signs within each other, and levels of the tree: bounds the stack. Nobody writes a dozen.
pub const NESTING_MAX: usize = 128;

/// Operands and operations of one expression: bounds what one message costs. A list behind IN counts as one.
pub const PARTS_MAX: usize = 4_096;

/// Different properties in one expression.
pub const PROPERTIES_MAX: usize = 1_024;

/// Expressions of up to this many properties are evaluated without allocating.
const PROPERTIES_ON_STACK: usize = 8;

/// A parsed expression.
///
/// ```
/// use message_filter::SqlFilter;
///
/// let filter = SqlFilter::parse("price > 10 AND region IN ('north', 'east')")?;
/// let properties: [(&[u8], &[u8]); 2] = [(b"price", b"11"), (b"region", b"east")];
/// assert!(filter.matches(properties));
/// let cheap: [(&[u8], &[u8]); 1] = [(b"price", b"9")];
/// assert!(!filter.matches(cheap));
///
/// let refused = SqlFilter::parse("price > AND region = 'north'").unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "line 1, column 9: found `AND`, expected a property, a value, NOT, a sign or `(`"
/// );
/// # Ok::<(), message_filter::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SqlFilter {
    condition: Expression,
    /// Of the properties, in the order the expression names them first.
    names: Box<[Box<str>]>,
    /// Indexes into `names`, ascending by name.
    by_name: Box<[u16]>,
    parts: usize,
    ignored_from: Option<Position>,
}

impl SqlFilter {
    /// Parses an expression.
    ///
    /// # Errors
    /// [`FilterError`] says where it is wrong, what is there and what could be.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(FilterError::TooLong { bytes: text.len(), bytes_max: EXPRESSION_BYTES_MAX });
        }
        let parsed = parse(text)?;
        let names: Box<[Box<str>]> = parsed.names.into();
        let mut by_name: Box<[u16]> = (0..names.len() as u16).collect();
        by_name.sort_unstable_by_key(|name| &names[usize::from(*name)]);
        let (condition, parts, ignored_from) = (parsed.condition, parsed.parts, parsed.ignored_from);
        Ok(Self { condition, names, by_name, parts, ignored_from })
    }

    /// Whether a message with these properties, names and values, is asked for. Of equal names the last counts; a name
    /// or value without a byte is not to be among them.
    pub fn matches<'a>(&self, properties: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> bool {
        self.evaluate(properties) == Ok(Some(true))
    }

    /// What the expression says to a message with these properties: yes, no, or null.
    ///
    /// # Errors
    /// [`EvaluationError`]: a comparison has no answer; the message does not match.
    pub fn evaluate<'a>(
        &self,
        properties: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Option<bool>, EvaluationError> {
        let mut on_stack = [const { None }; PROPERTIES_ON_STACK];
        let mut on_heap = Vec::new();
        let values: &mut [Option<Cow<'a, str>>] = match on_stack.get_mut(..self.names.len()) {
            Some(values) => values,
            None => {
                on_heap.resize(self.names.len(), None);
                &mut on_heap
            }
        };
        for (name, value) in properties {
            if let Some(index) = self.index_of(name) {
                values[index] = Some(String::from_utf8_lossy(value));
            }
        }
        condition(&self.condition, values)
    }

    fn index_of(&self, name: &[u8]) -> Option<usize> {
        let of = |index: u16| self.names[usize::from(index)].as_bytes();
        let at = self.by_name.binary_search_by(|index| of(*index).cmp(name)).ok()?;
        Some(usize::from(self.by_name[at]))
    }

    /// Where text begins that no operator joins to the expression. It means nothing, as in the reference, which does
    /// not read it: most likely whoever wrote it meant something else.
    pub fn ignored_from(&self) -> Option<Position> {
        self.ignored_from
    }

    /// Operands and operations, up to [`PARTS_MAX`]: what a message costs at most, the length of its properties aside.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// The properties it looks at.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }
}

/// Fully parenthesized; parses to the same again, unless that makes it nest too deep.
impl fmt::Display for SqlFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written { expression: &self.condition, names: &self.names }.fmt(f)
    }
}

#[cfg(test)]
mod tests;
