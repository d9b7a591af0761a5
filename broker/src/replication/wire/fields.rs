//! The fields of a header, one after the other.

use storage::commit_log::LogPosition;

use super::error::WireError;

/// Reads fields from the front of a header; every error names the field.
pub(super) struct FieldReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array(field).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, WireError> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// One byte, 0 or 1.
    pub(super) fn bool(&mut self, field: &'static str) -> Result<bool, WireError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::BadValue { field, found: other.into(), allowed: "0 or 1" }),
        }
    }

    /// `bytes` bytes as they are.
    pub(super) fn take(&mut self, field: &'static str, bytes: usize) -> Result<&'a [u8], WireError> {
        let have = self.rest.len();
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(WireError::Cut { field, need: bytes, have })?;
        self.rest = rest;
        Ok(taken)
    }

    /// A length as u16, then so many bytes, at most `max`.
    pub(super) fn bytes(&mut self, field: &'static str, max: usize) -> Result<&'a [u8], WireError> {
        let found = self.u16(field)?.into();
        if found > max {
            return Err(WireError::TooLong { field, found, max });
        }
        self.take(field, found)
    }

    /// As [`Self::bytes`], UTF-8 without control characters: it goes into the log, where a line is a line.
    pub(super) fn text(&mut self, field: &'static str, max: usize) -> Result<&'a str, WireError> {
        let text = std::str::from_utf8(self.bytes(field, max)?).ok().filter(|text| is_plain(text));
        text.ok_or(WireError::NoText { field })
    }

    /// A number of members as u8, then each as u64; at most `max`.
    pub(super) fn ids(&mut self, field: &'static str, max: usize) -> Result<Vec<u64>, WireError> {
        let found = self.u8(field)?.into();
        if found > max {
            return Err(WireError::TooLong { field, found, max });
        }
        let (ids, _) = self.take(field, found * 8)?.as_chunks();
        Ok(ids.iter().map(|id| u64::from_be_bytes(*id)).collect())
    }

    /// Where a log stands: position u64 | index u64 | term u64 | previous u32.
    pub(super) fn position(&mut self) -> Result<LogPosition, WireError> {
        Ok(LogPosition {
            position: self.u64("position")?,
            index: self.u64("index")?,
            term: self.u64("term")?,
            previous: self.u32("previous")?,
        })
    }

    /// Nothing may be left: bytes that nobody reads would be taken for agreement.
    pub(super) fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(WireError::Trailing { bytes }),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let have = self.rest.len();
        let (array, rest) = self.rest.split_first_chunk().ok_or(WireError::Cut { field, need: N, have })?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Appends fields to a header. Texts and lists over their limit are our own mistakes, not those of anybody outside.
pub(super) struct FieldWriter<'a>(pub(super) &'a mut Vec<u8>);

impl FieldWriter<'_> {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.0.push(value.into());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64s<const N: usize>(&mut self, values: [u64; N]) {
        values.into_iter().for_each(|value| self.u64(value));
    }

    pub(super) fn position(&mut self, at: LogPosition) {
        self.u64s([at.position, at.index, at.term]);
        self.u32(at.previous);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8], max: usize) {
        assert!(bytes.len() <= max, "{} bytes, {max} fit", bytes.len());
        let length = u16::try_from(bytes.len()).expect("no limit is over 16 bits");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str, max: usize) {
        debug_assert!(is_plain(text), "{text:?}");
        self.bytes(text.as_bytes(), max);
    }

    pub(super) fn ids(&mut self, ids: &[u64], max: usize) {
        assert!(ids.len() <= max, "{} ids, {max} fit", ids.len());
        self.u8(u8::try_from(ids.len()).expect("no limit is over 8 bits"));
        ids.iter().for_each(|id| self.u64(*id));
    }
}

/// Whether a text may stand in a header.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_cut_off_is_named_with_what_it_needs_and_what_is_there() {
        let error = FieldReader::new(&[0, 0, 7]).u32("term").unwrap_err();
        assert_eq!(error, WireError::Cut { field: "term", need: 4, have: 3 });
        let error = FieldReader::new(&[0, 9, b'a']).bytes("context", 100).unwrap_err();
        assert_eq!(error, WireError::Cut { field: "context", need: 9, have: 1 });
        let error = FieldReader::new(&[2, 0, 0]).ids("voters", 9).unwrap_err();
        assert_eq!(error, WireError::Cut { field: "voters", need: 16, have: 2 });
    }

    #[test]
    fn a_length_over_its_limit_is_refused_before_its_bytes_are_looked_for() {
        let error = FieldReader::new(&[0xFF, 0xFF]).text("cluster", 255).unwrap_err();
        assert_eq!(error, WireError::TooLong { field: "cluster", found: 65_535, max: 255 });
        let error = FieldReader::new(&[200]).ids("voters", 64).unwrap_err();
        assert_eq!(error, WireError::TooLong { field: "voters", found: 200, max: 64 });
    }

    #[test]
    fn a_text_is_one_line_of_utf_8() {
        for bytes in [&[0, 1, 0xFF][..], &[0, 2, b'a', b'\n'], &[0, 1, 0]] {
            assert_eq!(FieldReader::new(bytes).text("reason", 9), Err(WireError::NoText { field: "reason" }));
        }
        assert_eq!(FieldReader::new("\0\u{3}华".as_bytes()).text("reason", 9), Ok("华"));
    }

    #[test]
    fn a_switch_is_zero_or_one() {
        assert_eq!(FieldReader::new(&[1]).bool("is trusted"), Ok(true));
        assert!(FieldReader::new(&[2]).bool("is trusted").is_err());
    }

    #[test]
    fn a_place_in_a_log_is_read_as_it_was_written() {
        let at = LogPosition { position: 1, index: 2, term: 3, previous: 4 };
        let mut fields = Vec::new();
        FieldWriter(&mut fields).position(at);
        assert_eq!(fields.len(), 28);
        assert_eq!(FieldReader::new(&fields).position(), Ok(at));
    }

    #[test]
    fn bytes_behind_the_last_field_are_refused() {
        assert_eq!(FieldReader::new(&[1, 2]).finish(), Err(WireError::Trailing { bytes: 2 }));
    }
}
