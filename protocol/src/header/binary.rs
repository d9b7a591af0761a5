//! The ROCKETMQ header, big-endian:
//!
//! ```text
//! code i16 | language i8 | version i16 | opaque i32 | flag i32 | remark length i32 | remark
//! | ext fields length i32 | repeated: key length i16 | key | value length i32 | value
//! ```
//!
//! Bytes behind the ext fields are ignored, as the reference does.

use super::{Header, HeaderError, Span};
use crate::language::Language;

pub(super) fn decode(header: &mut Header, bytes: &[u8]) -> Result<(), HeaderError> {
    let mut input = Input { rest: bytes };
    header.code = i32::from(input.i16("code")?);
    header.language = Language(input.array::<1>("language")?[0]);
    header.version = i32::from(input.i16("version")?);
    header.opaque = input.i32("opaque")?;
    header.flag = input.i32("flag")?;
    let remark_length = input.i32("remark length")?;
    header.remark = input.text(header, "remark", remark_length)?;
    let fields_length = input.i32("ext fields length")?;
    let mut fields = Input { rest: input.bytes("ext fields", fields_length)? };
    while !fields.rest.is_empty() {
        let key_length = fields.i16("ext field key length")?;
        let key = fields.text(header, "ext field key", i32::from(key_length))?;
        let value_length = fields.i32("ext field value length")?;
        let value = fields.text(header, "ext field value", value_length)?;
        header.push_field(key, value)?;
    }
    Ok(())
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], HeaderError> {
        let truncated = HeaderError::Truncated { what, need: N, have: self.rest.len() };
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn i16(&mut self, what: &'static str) -> Result<i16, HeaderError> {
        self.array(what).map(i16::from_be_bytes)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, HeaderError> {
        self.array(what).map(i32::from_be_bytes)
    }

    fn bytes(&mut self, what: &'static str, length: i32) -> Result<&'a [u8], HeaderError> {
        let need = usize::try_from(length).map_err(|_| HeaderError::NegativeLength { what, length })?;
        let truncated = HeaderError::Truncated { what, need, have: self.rest.len() };
        let (bytes, rest) = self.rest.split_at_checked(need).ok_or(truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Appends a text to those of `header`.
    fn text(&mut self, header: &mut Header, what: &'static str, length: i32) -> Result<Span, HeaderError> {
        let bytes = self.bytes(what, length)?;
        let text =
            std::str::from_utf8(bytes).map_err(|error| HeaderError::NotUtf8 { what, at: error.valid_up_to() })?;
        let start = header.text.len();
        header.text.push_str(text);
        Ok(header.span_from(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, HeaderEncoding};

    fn decode(bytes: &[u8]) -> Result<Header, HeaderError> {
        let mut header = Header::default();
        header.decode(&Frame { encoding: HeaderEncoding::RocketMq, header: bytes, body: &[] })?;
        Ok(header)
    }

    fn fixed(code: i16, remark: &[u8], fields_length: i32) -> Vec<u8> {
        let mut bytes = code.to_be_bytes().to_vec();
        bytes.extend([9, 1, 61]);
        bytes.extend(7_i32.to_be_bytes());
        bytes.extend(2_i32.to_be_bytes());
        bytes.extend((remark.len() as i32).to_be_bytes());
        bytes.extend(remark);
        bytes.extend(fields_length.to_be_bytes());
        bytes
    }

    #[test]
    fn the_code_is_sign_extended() {
        let header = decode(&fixed(-1006, b"", 0)).unwrap();
        assert_eq!((header.code, header.language, header.version), (-1006, Language::GO, 317));
        assert_eq!((header.opaque, header.flag, header.remark()), (7, 2, None));
    }

    #[test]
    fn every_cut_is_an_error() {
        let mut bytes = fixed(1, b"oops", 9);
        bytes.extend(b"\0\x01k\0\0\0\x02vv");
        let header = decode(&bytes).unwrap();
        assert_eq!((header.remark(), header.get("k")), (Some("oops"), Some("vv")));
        for end in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..end]), Err(HeaderError::Truncated { .. })), "{end} bytes");
        }
    }

    #[test]
    fn negative_lengths_are_errors() {
        let error = decode(&fixed(1, b"", -1)).unwrap_err();
        assert_eq!(error, HeaderError::NegativeLength { what: "ext fields", length: -1 });
        let mut bytes = fixed(1, b"", 2);
        bytes.extend([0xFF, 0xFF]);
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, HeaderError::NegativeLength { what: "ext field key", length: -1 });
    }

    #[test]
    fn an_entry_does_not_reach_over_the_end_of_the_fields() {
        let mut bytes = fixed(1, b"", 7);
        bytes.extend(b"\0\x01k\0\0\0\x02vv");
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, HeaderError::Truncated { what: "ext field value", need: 2, have: 0 });
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let error = decode(&fixed(1, b"ab\xFF", 0)).unwrap_err();
        assert_eq!(error, HeaderError::NotUtf8 { what: "remark", at: 2 });
    }
}
