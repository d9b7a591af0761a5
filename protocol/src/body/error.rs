use crate::json_reader::JsonError;

/// Why bytes are not the body they should be.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not UTF-8.
    #[error("{body} is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Type of the body.
        body: &'static str,
        /// Position in the body.
        at: usize,
    },
    /// Not JSON, nor the reference's dialect of it.
    #[error("{body}: {source}")]
    Syntax {
        /// Type of the body.
        body: &'static str,
        /// What stands where.
        source: JsonError,
    },
    /// JSON of another shape.
    #[error("{body} has another shape: {source}")]
    Shape {
        /// Type of the body.
        body: &'static str,
        /// Which member.
        source: serde_json::Error,
    },
    /// A compressed body that does not inflate.
    #[error("{body} does not inflate: {source}")]
    Inflate {
        /// Type of the body.
        body: &'static str,
        /// What zlib says.
        source: std::io::Error,
    },
    /// A compressed body that inflates to more than is allowed.
    #[error("{body} inflates to more than {bytes_max} bytes")]
    InflatedTooLong {
        /// Type of the body.
        body: &'static str,
        /// The limit.
        bytes_max: u64,
    },
    /// A binary body that ends early.
    #[error("{body} ends in {what}: need {need} bytes, have {have}")]
    Truncated {
        /// Type of the body.
        body: &'static str,
        /// Which part.
        what: &'static str,
        /// Bytes the part takes.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// A length or count below zero in a binary body.
    #[error("{body}: length of {what} is {length}")]
    NegativeLength {
        /// Type of the body.
        body: &'static str,
        /// Which part.
        what: &'static str,
        /// As received.
        length: i32,
    },
    /// A topic's line in a compressed registration that cannot be read.
    #[error("{body}: topic line `{line}` has no {missing}")]
    TopicLine {
        /// Type of the body.
        body: &'static str,
        /// The beginning of the line.
        line: String,
        /// The first part that is absent or no number.
        missing: &'static str,
    },
    /// A body that is neither JSON nor zlib.
    #[error("{body} starts with byte {byte:#04x}, expected `{{` or 0x78")]
    UnknownStart {
        /// Type of the body.
        body: &'static str,
        /// The first byte.
        byte: u8,
    },
}
