//! Why an expression is refused, and where.

use thiserror::Error;

/// A place in an expression, as an editor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Position {
    /// Of the byte `at`, which begins a character or ends the text.
    pub(crate) fn of(text: &str, at: usize) -> Self {
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: 1 + before.matches('\n').count(), column: 1 + before[line_start..].chars().count() }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why an expression is refused. The text goes to whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Something else has to stand there.
    #[error("{position}: found {found}, expected {expected}")]
    Unexpected {
        /// Where it begins.
        position: Position,
        /// As written, in backquotes, shortened; or `the end`.
        found: String,
        /// What could stand there instead.
        expected: &'static str,
    },
    /// More bytes than are read.
    #[error("the expression has {bytes} bytes, at most {bytes_max} are taken")]
    TooLong {
        /// As received.
        bytes: usize,
        /// [`crate::EXPRESSION_BYTES_MAX`].
        bytes_max: usize,
    },
    /// Parentheses and signs within each other, or comparisons of comparisons.
    #[error("{position}: nested deeper than the {nesting_max} levels that are taken")]
    TooDeep {
        /// Where one level too many begins.
        position: Position,
        /// [`crate::NESTING_MAX`].
        nesting_max: usize,
    },
    /// More operands and operations than one message may cost.
    #[error("{position}: more than the {parts_max} operands and operations that are taken")]
    TooManyParts {
        /// Where one too many ends.
        position: Position,
        /// [`crate::PARTS_MAX`].
        parts_max: usize,
    },
    /// More different properties than are looked for.
    #[error("{position}: more than the {properties_max} different properties that are taken")]
    TooManyProperties {
        /// Where one too many stands.
        position: Position,
        /// [`crate::PROPERTIES_MAX`].
        properties_max: usize,
    },
}
