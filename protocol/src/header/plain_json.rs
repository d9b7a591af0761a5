//! The JSON header as clients write it in their everyday requests: no white space, no members but the protocol's own, ext
//! fields that are all strings. One tight pass without a word about what is wrong: everything else, errors too, is
//! left to [`super::json`], which says the same about what both can read.

use std::ops::Range;

use super::{EXT_FIELDS_MAX, Field, Header, Span};
use crate::byte_scan::find_string_end;
use crate::language::Language;

/// Decodes `text`, which the text of `header` begins with. `None`: not such a header, and the content has no meaning.
pub(super) fn decode(header: &mut Header, text: &str) -> Option<()> {
    let mut input = Input { text, at: 0 };
    input.expect(b'{')?;
    loop {
        let key = input.plain_string()?;
        input.expect(b':')?;
        match &text.as_bytes()[key] {
            b"code" => header.code = input.integer()?,
            b"extFields" => ext_fields(header, &mut input)?,
            b"flag" => header.flag = input.integer()?,
            b"language" => header.language = Language::from_name(&text[input.plain_string()?]),
            b"opaque" => header.opaque = input.integer()?,
            b"remark" => header.remark = string(header, &mut input)?,
            b"serializeTypeCurrentRPC" => _ = input.plain_string()?,
            b"version" => header.version = input.integer()?,
            _ => return None,
        }
        match input.next()? {
            b',' => {}
            b'}' => return (input.at == text.len()).then_some(()),
            _ => return None,
        }
    }
}

fn ext_fields(header: &mut Header, input: &mut Input<'_>) -> Option<()> {
    input.expect(b'{')?;
    if input.text.as_bytes().get(input.at) == Some(&b'}') {
        input.at += 1;
        return Some(());
    }
    while header.fields.len() < EXT_FIELDS_MAX {
        let key = input.plain_string()?.into();
        input.expect(b':')?;
        let value = string(header, input)?;
        header.fields.push(Field { key, value });
        match input.next()? {
            b',' => {}
            b'}' => return Some(()),
            _ => return None,
        }
    }
    None
}

/// A string; one with escapes is appended to the text of `header`. Inlined, since a span handed back through memory is
/// written in halves and read as a whole, for which the processor has to wait.
#[inline(always)]
fn string(header: &mut Header, input: &mut Input<'_>) -> Option<Span> {
    let start = input.at + 1;
    if let Some(range) = input.plain_string() {
        return Some(range.into());
    }
    unescape(header, input, start)
}

#[inline(never)]
fn unescape(header: &mut Header, input: &mut Input<'_>, start: usize) -> Option<Span> {
    let bytes = input.text.as_bytes();
    if bytes.get(start - 1) != Some(&b'"') {
        return None;
    }
    let (first, mut at) = (header.text.len(), start);
    loop {
        let run = find_string_end(bytes.get(at..)?)?;
        header.text.push_str(&input.text[at..at + run]);
        at += run;
        let (character, used) = match &bytes[at..] {
            [b'"', ..] => {
                input.at = at + 1;
                return Some(header.span_from(first));
            }
            // Control characters, which separate the properties of a message, are most of what is escaped at all.
            [b'\\', b'u', b'0', b'0', high @ b'0'..=b'7', low, ..] => {
                (char::from((high - b'0') << 4 | char::from(*low).to_digit(16)? as u8), 6)
            }
            [b'\\', same @ (b'"' | b'\\' | b'/'), ..] => (char::from(*same), 2),
            _ => return None,
        };
        header.text.push(character);
        at += used;
    }
}

struct Input<'a> {
    text: &'a str,
    at: usize,
}

impl Input<'_> {
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        byte
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Where the text of a string without escapes stands. With `None` nothing is consumed.
    #[inline]
    fn plain_string(&mut self) -> Option<Range<usize>> {
        let [b'"', rest @ ..] = self.text.as_bytes().get(self.at..)? else { return None };
        let length = find_string_end(rest)?;
        if rest[length] == b'\\' {
            return None;
        }
        let start = self.at + 1;
        self.at = start + length + 1;
        Some(start..start + length)
    }

    #[inline]
    fn integer(&mut self) -> Option<i32> {
        let bytes = self.text.as_bytes();
        let is_negative = bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(is_negative);
        let first = self.at;
        let mut value = 0_i64;
        while let Some(digit @ b'0'..=b'9') = bytes.get(self.at) {
            value = value * 10 + i64::from(digit - b'0');
            self.at += 1;
            if value > i64::from(i32::MAX) + 1 {
                return None;
            }
        }
        if self.at == first {
            return None;
        }
        i32::try_from(if is_negative { -value } else { value }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;
    use proptest::prelude::*;

    fn both(text: &str) -> (Option<Header>, Result<Header, crate::header::HeaderError>) {
        let with_text = || {
            let mut header = Header::default();
            header.text.push_str(text);
            header
        };
        let (mut plain, mut general) = (with_text(), Header::default());
        let plain = decode(&mut plain, text).map(|()| plain);
        let general = json::decode(&mut general, text.as_bytes()).map(|()| general);
        (plain, general)
    }

    fn same(plain: &Header, general: &Header) -> bool {
        let fixed = |header: &Header| (header.code, header.language, header.version, header.opaque, header.flag);
        fixed(plain) == fixed(general) && plain.remark() == general.remark() && plain.fields().eq(general.fields())
    }

    #[test]
    fn the_headers_of_everyday_requests_are_plain() {
        for text in [
            r#"{"code":310,"extFields":{"a":"pg","b":"T","i":"KEYS\u0001k\u0002UNIQ_KEY\u00017F\u0002"},"flag":0,"language":"JAVA","opaque":-5,"serializeTypeCurrentRPC":"JSON","version":513}"#,
            r#"{"code":105,"extFields":{},"flag":2,"language":"GO","opaque":2147483647,"version":317}"#,
            r#"{"code":1,"remark":"a \"quoted\" \\ path","flag":1}"#,
        ] {
            let (plain, general) = both(text);
            assert!(same(&plain.unwrap(), &general.unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_other() {
        for text in [
            "{}",
            r#"{"code": 1}"#,
            r#"{"code":1} "#,
            r#"{"code":null}"#,
            r#"{"code":2147483648}"#,
            r#"{"code":1.5}"#,
            r#"{"extFields":{"queueId":3}}"#,
            r#"{"extFields":{"a":"\u00e9"}}"#,
            r#"{"extFields":{"a":"b",}}"#,
            r#"{"other":1}"#,
            r#"{"remark":"\x"}"#,
            r#"{"remark":"open"#,
            "",
        ] {
            assert!(both(text).0.is_none(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_read_here_is_read_the_same_by_the_other(text in prop_oneof![
            r#"(\{|"code":|"extFields":\{|"a":"|","|"\},|"flag":-?[0-9]{1,11},?|\\u00[0-9a-f]{2}|\\["/\\n]|"version":1\}|[a-zé"\\}{,:0-9 ]){0,14}"#,
            r#"\{"code":[0-9]{1,3},"extFields":\{("[a-z]{1,9}":"([A-Za-zé]|\\u000[12]|\\["\\/]){0,20}",){0,5}"k":"v"\},"opaque":-?[0-9]{1,10}\}"#,
        ]) {
            let (plain, general) = both(&text);
            if let Some(plain) = plain {
                let general = general.unwrap();
                prop_assert!(same(&plain, &general), "{plain:?} {general:?}");
            }
        }
    }
}
