//! Messages as lines of JSON, without a socket: bytes in, messages out.

use super::message::Message;

/// The longest line: a report of a soak of an hour with its samples takes a tenth of it.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest line of a machine that nobody knows yet.
pub const HELLO_BYTES_MAX: usize = 64 * 1024;

/// Lines that are no messages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Too long to be waited for, or to be sent.
    #[error("a line of more than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// No JSON, or not that of a message.
    #[error("a line that is no message of this bench ({source}): {beginning:?}")]
    NotAMessage {
        /// The parser's words.
        source: serde_json::Error,
        /// The first characters.
        beginning: String,
    },
}

/// A message as a line.
///
/// # Errors
/// [`CodecError::TooLong`].
pub fn encode(message: &Message) -> Result<Vec<u8>, CodecError> {
    let not_written = |source| CodecError::NotAMessage { source, beginning: message.name().to_owned() };
    let mut line = serde_json::to_vec(message).map_err(not_written)?;
    if line.len() >= LINE_BYTES_MAX {
        return Err(CodecError::TooLong { bytes_max: LINE_BYTES_MAX });
    }
    line.push(b'\n');
    Ok(line)
}

/// Cuts what arrives into messages.
#[derive(Debug)]
pub struct LineDecoder {
    buffer: Vec<u8>,
    /// Up to here there is no end of line.
    searched: usize,
    bytes_max: usize,
}

impl LineDecoder {
    /// For a line of at most `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), searched: 0, bytes_max }
    }

    /// From now on lines may be so long.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Takes what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message; `Ok(None)` = more bytes are needed.
    ///
    /// # Errors
    /// [`CodecError`]; nothing that follows can be trusted then.
    pub fn message(&mut self) -> Result<Option<Message>, CodecError> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| self.searched + at);
        if end.unwrap_or(self.buffer.len()) > self.bytes_max {
            return Err(CodecError::TooLong { bytes_max: self.bytes_max });
        }
        let Some(end) = end else {
            self.searched = self.buffer.len();
            return Ok(None);
        };
        let line = &self.buffer[..end];
        let message = serde_json::from_slice(line).map_err(|source| {
            let beginning = String::from_utf8_lossy(&line[..line.len().min(BEGINNING_BYTES)]).into_owned();
            CodecError::NotAMessage { source, beginning }
        })?;
        self.buffer.drain(..=end);
        self.searched = 0;
        Ok(Some(message))
    }
}

/// So much of a wrong line is shown.
const BEGINNING_BYTES: usize = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(number: usize) -> (Message, Vec<u8>) {
        let message = Message::Welcome { number, expected: 2 };
        let bytes = encode(&message).unwrap();
        (message, bytes)
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        let (first, mut bytes) = line(1);
        let (second, more) = line(2);
        bytes.extend(more);
        let mut decoder = LineDecoder::new(1_000);
        let mut out = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            out.extend(decoder.message().unwrap());
        }
        assert_eq!(out, [first, second]);
        assert!(decoder.buffer.is_empty());
    }

    #[test]
    fn an_endless_line_is_refused_before_it_ends() {
        let mut decoder = LineDecoder::new(10);
        decoder.push(&[b'x'; 10]);
        assert!(matches!(decoder.message(), Ok(None)));
        decoder.push(b"x");
        assert!(matches!(decoder.message(), Err(CodecError::TooLong { bytes_max: 10 })));
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_even_if_it_ends() {
        let mut decoder = LineDecoder::new(10);
        decoder.push(b"{\"type\":\"alive\"}\n");
        assert!(matches!(decoder.message(), Err(CodecError::TooLong { bytes_max: 10 })));
    }

    #[test]
    fn what_is_no_message_is_shown_by_its_beginning() {
        let mut decoder = LineDecoder::new(1_000);
        decoder.push(b"GET / HTTP/1.1\r\n");
        let error = decoder.message().unwrap_err().to_string();
        assert!(error.contains("GET / HTTP/1.1"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut decoder = LineDecoder::new(50);
            for piece in pieces {
                decoder.push(&piece);
                while let Ok(Some(_)) = decoder.message() {}
                if decoder.message().is_err() {
                    break;
                }
            }
        }
    }
}
