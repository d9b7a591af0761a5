//! The frame around every command: its length, the encoding of its header, and where header and body lie.
//!
//! ```text
//! length u32, not counting itself | encoding u8 | header length u24 | header | body      (big-endian)
//! ```

/// Longest frame, its first 4 bytes included (RocketMQ: `com.rocketmq.remoting.frameMaxLength`). A longer one closes
/// the connection.
pub const FRAME_BYTES_MAX: u32 = 16_777_216;

/// Bytes in front of the header: the length and the header word.
pub const FRAME_PREFIX_BYTES: usize = LENGTH_BYTES + WORD_BYTES;

/// Longest header: its length has 24 bits.
pub const HEADER_BYTES_MAX: u32 = 0x00FF_FFFF;

const LENGTH_BYTES: usize = 4;
const WORD_BYTES: usize = 4;

/// How a header is written. An answer in the encoding of its request is readable by every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeaderEncoding {
    /// A JSON object; the default of all clients, and the only one of the C++ client.
    Json,
    /// The compact binary layout. Its code is an i16, so POP requests do not fit.
    RocketMq,
}

impl HeaderEncoding {
    /// The encoding with this number on the wire.
    pub fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Json),
            1 => Some(Self::RocketMq),
            _ => None,
        }
    }

    /// The number on the wire.
    pub fn to_wire(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::RocketMq => 1,
        }
    }
}

/// One frame, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How `header` is written.
    pub encoding: HeaderEncoding,
    /// The header, still encoded: see [`crate::header::Header::decode`].
    pub header: &'a [u8],
    /// Absent and empty look the same on the wire.
    pub body: &'a [u8],
}

/// Why bytes are not a frame. The connection cannot go on: where the next frame starts is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced length is over the limit (a negative length reads as one over 2 GiB).
    #[error("frame of {length} bytes is over the limit of {length_max}")]
    TooLong {
        /// Announced bytes behind the length field.
        length: u32,
        /// Limit for the same.
        length_max: u32,
    },
    /// The announced length does not even hold the header word.
    #[error("frame of {length} bytes has no header word")]
    TooShort {
        /// Announced bytes behind the length field.
        length: u32,
    },
    /// The top byte of the header word is no known encoding.
    #[error("header encoding {byte} is unknown")]
    UnknownEncoding {
        /// The byte as received.
        byte: u8,
    },
    /// The header reaches over the end of its frame.
    #[error("header of {header_length} bytes does not fit into a frame of {length} bytes")]
    HeaderOverrun {
        /// Announced bytes of the header.
        header_length: u32,
        /// Announced bytes behind the length field.
        length: u32,
    },
}

/// Decodes the first frame; `Ok(None)` = need more bytes, else the frame and how many bytes it used.
///
/// # Errors
/// [`FrameError`]; the limit is checked as soon as the length is there, before its bytes are waited for.
pub fn decode_frame(input: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    decode_frame_up_to(input, FRAME_BYTES_MAX)
}

/// As [`decode_frame`] for a connection with a limit of its own: `frame_bytes_max` is the longest frame, its first 4 bytes
/// included.
///
/// # Errors
/// [`FrameError`], as for [`decode_frame`].
#[inline]
pub fn decode_frame_up_to(input: &[u8], frame_bytes_max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((length, rest)) = input.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    let length_max = frame_bytes_max.saturating_sub(LENGTH_BYTES as u32);
    if length > length_max {
        return Err(FrameError::TooLong { length, length_max });
    }
    let Some(frame) = rest.get(..length as usize) else { return Ok(None) };
    let (word, payload) = frame.split_first_chunk::<WORD_BYTES>().ok_or(FrameError::TooShort { length })?;
    let encoding = HeaderEncoding::from_wire(word[0]).ok_or(FrameError::UnknownEncoding { byte: word[0] })?;
    let header_length = u32::from_be_bytes(*word) & HEADER_BYTES_MAX;
    let overrun = FrameError::HeaderOverrun { header_length, length };
    let (header, body) = payload.split_at_checked(header_length as usize).ok_or(overrun)?;
    Ok(Some((Frame { encoding, header, body }, LENGTH_BYTES + length as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_frame_asks_for_more() {
        let bytes = [0, 0, 0, 7, 1, 0, 0, 2, b'h', b'h', b'b'];
        for end in 0..bytes.len() {
            assert_eq!(decode_frame(&bytes[..end]), Ok(None), "{end} bytes");
        }
        let (frame, used) = decode_frame(&bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        assert_eq!(frame, Frame { encoding: HeaderEncoding::RocketMq, header: b"hh", body: b"b" });
    }

    #[test]
    fn bytes_behind_the_frame_are_left_alone() {
        let bytes = [0, 0, 0, 4, 0, 0, 0, 0, 9, 9];
        let (frame, used) = decode_frame(&bytes).unwrap().unwrap();
        assert_eq!(used, 8);
        assert!(frame.header.is_empty() && frame.body.is_empty());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_arrive() {
        let at_limit = (FRAME_BYTES_MAX - 4).to_be_bytes();
        assert_eq!(decode_frame(&at_limit), Ok(None));
        for length in [FRAME_BYTES_MAX - 3, u32::MAX] {
            let error = FrameError::TooLong { length, length_max: FRAME_BYTES_MAX - 4 };
            assert_eq!(decode_frame(&length.to_be_bytes()), Err(error));
        }
    }

    #[test]
    fn a_connection_with_a_limit_of_its_own_takes_frames_up_to_it_and_no_longer() {
        let bytes = [0, 0, 0, 7, 0, 0, 0, 2, b'h', b'h', b'b'];
        assert!(decode_frame_up_to(&bytes, 11).unwrap().is_some());
        let error = FrameError::TooLong { length: 7, length_max: 6 };
        assert_eq!(decode_frame_up_to(&bytes[..4], 10), Err(error));
        let over_the_other_limit = (FRAME_BYTES_MAX + 1).to_be_bytes();
        assert_eq!(decode_frame_up_to(&over_the_other_limit, 2 * FRAME_BYTES_MAX), Ok(None));
        assert!(decode_frame_up_to(&bytes, 0).is_err());
    }

    #[test]
    fn a_frame_without_room_for_the_header_word_is_refused() {
        assert_eq!(decode_frame(&[0, 0, 0, 0]), Err(FrameError::TooShort { length: 0 }));
        assert_eq!(decode_frame(&[0, 0, 0, 3, 0, 0, 0]), Err(FrameError::TooShort { length: 3 }));
    }

    #[test]
    fn an_unknown_encoding_is_refused() {
        assert_eq!(decode_frame(&[0, 0, 0, 4, 2, 0, 0, 0]), Err(FrameError::UnknownEncoding { byte: 2 }));
    }

    #[test]
    fn a_header_longer_than_its_frame_is_refused() {
        let error = FrameError::HeaderOverrun { header_length: 2, length: 5 };
        assert_eq!(decode_frame(&[0, 0, 0, 5, 0, 0, 0, 2, 0]), Err(error));
    }
}
