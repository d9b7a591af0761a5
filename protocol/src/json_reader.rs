//! A small pull reader for JSON text that allocates nothing.
//!
//! Why not `serde_json`: it unescapes through a buffer that it allocates anew for every text, and the properties of
//! every sent message are escaped. The fastjson dialect of [`crate::body::fastjson`] is none of its business either.
//! As liberal as the reference: raw control characters inside strings are taken.

use std::ops::Range;

use crate::byte_scan::find_string_end;

/// How deep a skipped value may nest.
pub(crate) const JSON_DEPTH_MAX: usize = 64;

/// What stood where, instead of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: expected {expected}")]
pub struct JsonError {
    /// Position in the text.
    pub at: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

pub(crate) struct JsonReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> JsonReader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn error(&self, expected: &'static str) -> JsonError {
        JsonError { at: self.at, expected }
    }

    /// The next byte that is not white space, not consumed.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Consumes `byte` if it comes next. Only for ASCII bytes, so that the position stays on a character.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        debug_assert!(byte.is_ascii());
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(expected)) }
    }

    pub(crate) fn expect_end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.error("end of text")) }
    }

    /// After a member or element: whether another one follows. Consumes `,` or `close`.
    pub(crate) fn another(&mut self, close: u8) -> Result<bool, JsonError> {
        if self.take(b',') {
            return Ok(true);
        }
        self.expect(close, if close == b'}' { "`,` or `}`" } else { "`,` or `]`" })?;
        Ok(false)
    }

    pub(crate) fn kind(&mut self) -> Result<ValueKind, JsonError> {
        match self.peek() {
            Some(b'{') => Ok(ValueKind::Object),
            Some(b'[') => Ok(ValueKind::Array),
            Some(b'"') => Ok(ValueKind::String),
            Some(b'-' | b'0'..=b'9') => Ok(ValueKind::Number),
            Some(b't') => Ok(ValueKind::True),
            Some(b'f') => Ok(ValueKind::False),
            Some(b'n') => Ok(ValueKind::Null),
            _ => Err(self.error("a value")),
        }
    }

    /// Where it stood.
    pub(crate) fn literal(&mut self, word: &'static str) -> Result<Range<usize>, JsonError> {
        self.peek();
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error(word));
        }
        let start = self.at;
        self.at += word.len();
        Ok(start..self.at)
    }

    /// Where a number stands.
    pub(crate) fn number(&mut self) -> Result<Range<usize>, JsonError> {
        self.peek();
        let start = self.at;
        self.take_raw(b"-");
        self.digits()?;
        if self.take_raw(b".") {
            self.digits()?;
        }
        if self.take_raw(b"eE") {
            self.take_raw(b"+-");
            self.digits()?;
        }
        Ok(start..self.at)
    }

    /// A number as it is written.
    pub(crate) fn number_text(&mut self) -> Result<&'a str, JsonError> {
        self.number().map(|range| &self.text[range])
    }

    fn take_raw(&mut self, any_of: &[u8]) -> bool {
        let found = self.text.as_bytes().get(self.at).is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let digits = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Err(self.error("a digit"));
        }
        self.at += digits;
        Ok(())
    }

    /// Where the text of a string stands, without its quotes. `None`, and nothing is consumed, if it has escapes or is none.
    pub(crate) fn plain_string(&mut self) -> Option<Range<usize>> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = start + find_string_end(&self.text.as_bytes()[start..])?;
        if self.text.as_bytes()[end] == b'\\' {
            return None;
        }
        self.at = end + 1;
        Some(start..end)
    }

    /// A string, unescaped, appended to `out`.
    pub(crate) fn string_into(&mut self, out: &mut String) -> Result<(), JsonError> {
        self.expect(b'"', "a string")?;
        loop {
            let rest = &self.text[self.at..];
            let Some(run) = find_string_end(rest.as_bytes()) else {
                self.at = self.text.len();
                return Err(self.error("`\"`"));
            };
            out.push_str(&rest[..run]);
            self.at += run + 1;
            if rest.as_bytes()[run] == b'"' {
                return Ok(());
            }
            out.push(self.escape()?);
        }
    }

    /// The character of an escape whose backslash is consumed.
    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(&byte) = self.text.as_bytes().get(self.at) else { return Err(self.error("an escape")) };
        let character = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.error("an escape")),
        };
        self.at += 1;
        Ok(character)
    }

    /// `XXXX`, or a surrogate pair `XXXX\uXXXX`; the first `\u` is consumed.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.utf16_unit()?;
        if let Some(character) = char::from_u32(u32::from(first)) {
            return Ok(character);
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Err(self.error("the second half of a surrogate pair"));
        }
        self.at += 2;
        let second = self.utf16_unit()?;
        match char::decode_utf16([first, second]).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(self.error("a surrogate pair")),
        }
    }

    fn utf16_unit(&mut self) -> Result<u16, JsonError> {
        const EXPECTED: &str = "four hexadecimal digits";
        let Some(digits) = self.text.as_bytes().get(self.at..self.at + 4) else { return Err(self.error(EXPECTED)) };
        let mut unit = 0;
        for digit in digits {
            let Some(value) = char::from(*digit).to_digit(16) else { return Err(self.error(EXPECTED)) };
            unit = unit << 4 | value;
        }
        self.at += 4;
        Ok(unit as u16)
    }

    /// The raw text of a string with its quotes, escapes not looked into.
    pub(crate) fn string_raw(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        self.expect(b'"', "a string")?;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(run) = find_string_end(rest) else {
                self.at = self.text.len();
                return Err(self.error("`\"`"));
            };
            self.at += run + 1;
            if rest[run] == b'"' {
                return Ok(&self.text[start..self.at]);
            }
            // The escaped character may be of several bytes; an escape is always one of an ASCII character.
            if !rest.get(run + 1).is_some_and(u8::is_ascii) {
                return Err(self.error("an escape"));
            }
            self.at += 1;
        }
    }

    /// Skips a value of any kind, without recursion.
    pub(crate) fn skip_value(&mut self) -> Result<(), JsonError> {
        let mut open = Nesting::default();
        loop {
            let opened = match self.kind()? {
                ValueKind::String => {
                    self.string_raw()?;
                    None
                }
                ValueKind::Number => {
                    self.number()?;
                    None
                }
                ValueKind::True => self.literal("true").map(|_| None)?,
                ValueKind::False => self.literal("false").map(|_| None)?,
                ValueKind::Null => self.literal("null").map(|_| None)?,
                ValueKind::Object => Some(b'}'),
                ValueKind::Array => Some(b']'),
            };
            if let Some(close) = opened {
                self.at += 1;
                if !self.take(close) {
                    if !open.push(close) {
                        return Err(self.error("less nesting"));
                    }
                    if close == b'}' {
                        self.skip_key()?;
                    }
                    continue;
                }
            }
            loop {
                let Some(close) = open.top() else { return Ok(()) };
                if self.another(close)? {
                    if close == b'}' {
                        self.skip_key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), JsonError> {
        self.string_raw()?;
        self.expect(b':', "`:`")
    }
}

/// The closing brackets that are still due, at most [`JSON_DEPTH_MAX`]: one bit each, set for an object.
#[derive(Default)]
struct Nesting {
    objects: u64,
    depth: usize,
}

const _: () = assert!(JSON_DEPTH_MAX <= u64::BITS as usize);

impl Nesting {
    /// False: too deep.
    fn push(&mut self, close: u8) -> bool {
        if self.depth == JSON_DEPTH_MAX {
            return false;
        }
        self.objects = self.objects << 1 | u64::from(close == b'}');
        self.depth += 1;
        true
    }

    fn top(&self) -> Option<u8> {
        let object = self.objects & 1 == 1;
        (self.depth > 0).then_some(if object { b'}' } else { b']' })
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescape(text: &str) -> Result<String, JsonError> {
        let mut out = String::new();
        let mut reader = JsonReader::new(text);
        reader.string_into(&mut out)?;
        reader.expect_end().map(|()| out)
    }

    fn skip(text: &str) -> Result<(), JsonError> {
        let mut reader = JsonReader::new(text);
        reader.skip_value()?;
        reader.expect_end()
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(unescape(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z""#).unwrap(), "a\"\\/\x08\x0c\n\r\té😀z");
        assert_eq!(unescape("\"raw \x01 中\"").unwrap(), "raw \x01 中");
    }

    #[test]
    fn broken_strings_are_errors() {
        for text in
            ["", "a", "\"", "\"\\\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud83d\"", "\"\\ud83d\\n\""]
        {
            assert!(unescape(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_kind_of_value_is_skipped() {
        for text in [
            "{}",
            "[]",
            "1",
            "-1.5e+7",
            "true",
            "false",
            "null",
            "\"\\\"\"",
            r#" { "a" : [ 1 , {"b":[]} ] , "c":"]" } "#,
        ] {
            assert_eq!(skip(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn broken_values_are_errors() {
        for text in ["{", "[1", "[1}", "{\"a\"}", "{\"a\":1,}", "[,]", "-", "1.", "1e", "tru", "{\"a\":1]", "{1:2}"] {
            assert!(skip(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(skip(&nested(JSON_DEPTH_MAX + 1)), Ok(())); // the innermost, empty one costs nothing
        assert_eq!(skip(&nested(JSON_DEPTH_MAX + 2)).unwrap_err().expected, "less nesting");
        assert!(skip(&"[".repeat(1_000_000)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn what_serde_json_writes_reads_back(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&written).unwrap(), text);
            prop_assert_eq!(JsonReader::new(&written).string_raw().unwrap(), written.as_str());
        }

        #[test]
        fn what_serde_json_accepts_is_skipped(text in "[\\[\\]{}:,\"0-9a-c\\-. ]{0,16}") {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert_eq!(skip(&text), Ok(()));
            }
        }
    }
}
