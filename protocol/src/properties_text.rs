//! The text form of `java.util.Properties`: configuration files, and the bodies of the configuration requests
//! (25, 26, 318, 319).
//!
//! Text is UTF-8 here; the reference reads Latin-1, which is the same for every key and value users set.

use std::fmt;

/// Why a properties text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertiesTextError {
    /// Number of the natural line, from 1.
    pub line: usize,
    /// The escape as it stands in the text.
    pub escape: String,
}

impl fmt::Display for PropertiesTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}` is not a character: \\u takes four hexadecimal digits", self.line, self.escape)
    }
}

impl std::error::Error for PropertiesTextError {}

/// Reads all pairs in the order of the text as `(line number from 1, key, value)`. A key that stands twice is
/// returned twice; the reference lets the last one win.
///
/// Rules of `java.util.Properties.load`: `#` and `!` start a comment line; the key ends at the first unescaped `=`,
/// `:` or blank; blanks around the separator are dropped, blanks at the end of a value are kept; a backslash at the
/// end continues the line without the next line's leading blanks; `\t \n \r \f \uXXXX`, and `\c` is `c` for the rest.
///
/// # Errors
/// [`PropertiesTextError`] for a `\u` without four hexadecimal digits, or that leaves half of a surrogate pair.
pub fn parse(text: &str) -> Result<Vec<(usize, String, String)>, PropertiesTextError> {
    let mut entries = Vec::new();
    let mut lines = NaturalLines { rest: text, number: 0 };
    while let Some((number, first)) = lines.next() {
        let first = first.trim_start_matches(BLANKS);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let line = join_continuations(first, &mut lines);
        let (key, value) = split_pair(&line);
        entries.push((number, unescape(key, number)?, unescape(value, number)?));
    }
    Ok(entries)
}

/// Writes `key=value` lines sorted by key. What [`parse`] would read as something else is escaped, so the text reads
/// back to the same pairs; an ordinary key or value is written as it is.
pub fn format<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    let mut text = String::new();
    for (key, value) in pairs {
        escape_key(key, &mut text);
        text.push('=');
        escape_value(value, &mut text);
        text.push('\n');
    }
    text
}

const BLANKS: [char; 3] = [' ', '\t', '\x0c'];

/// Lines ended by `\n`, `\r` or `\r\n`, numbered from 1.
struct NaturalLines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Iterator for NaturalLines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let (line, after) = self.rest.split_at(end);
        self.rest = after.strip_prefix("\r\n").or_else(|| after.strip_prefix(['\n', '\r'])).unwrap_or(after);
        Some((self.number, line))
    }
}

fn join_continuations(first: &str, lines: &mut NaturalLines<'_>) -> String {
    let mut line = first.to_owned();
    while ends_in_open_backslash(&line) {
        line.pop();
        let Some((_, next)) = lines.next() else { break };
        line.push_str(next.trim_start_matches(BLANKS));
    }
    line
}

fn ends_in_open_backslash(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value, both still escaped.
fn split_pair(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let key_end = line.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || BLANKS.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some(key_end) = key_end else { return (line, "") };
    let (key, rest) = line.split_at(key_end);
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(BLANKS))
}

fn unescape(text: &str, line: usize) -> Result<String, PropertiesTextError> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut after = rest[1..].chars();
        match after.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\x0c'),
            Some('u') => {
                let (character, used) = unescape_unicode(rest)
                    .ok_or_else(|| PropertiesTextError { line, escape: rest.chars().take(6).collect() })?;
                plain.push(character);
                rest = &rest[used..];
                continue;
            }
            Some(other) => plain.push(other),
            None => {}
        }
        rest = after.as_str();
    }
    plain.push_str(rest);
    Ok(plain)
}

/// The character that `\uXXXX`, or a surrogate pair of two of them, at the start of `text` stands for, and the bytes
/// it takes there.
fn unescape_unicode(text: &str) -> Option<(char, usize)> {
    const ESCAPE_BYTES: usize = 6;
    let first = utf16_unit(text)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, ESCAPE_BYTES));
    }
    let second = utf16_unit(&text[ESCAPE_BYTES..])?;
    let character = char::decode_utf16([first, second]).next()?.ok()?;
    Some((character, 2 * ESCAPE_BYTES))
}

fn utf16_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // from_str_radix alone would accept a sign.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

fn escape_key(key: &str, text: &mut String) {
    for (at, character) in key.char_indices() {
        let separates = matches!(character, '=' | ':' | ' ') || (at == 0 && matches!(character, '#' | '!'));
        if separates {
            text.push('\\');
            text.push(character);
        } else {
            escape_character(character, text);
        }
    }
}

fn escape_value(value: &str, text: &mut String) {
    if value.starts_with(' ') {
        text.push('\\');
    }
    for character in value.chars() {
        escape_character(character, text);
    }
}

fn escape_character(character: char, text: &mut String) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\x0c' => text.push_str("\\f"),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|(_, key, value)| (key, value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn owned(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn equals_colon_and_blank_separate_key_from_value() {
        for text in ["k=v", "k:v", "k v", "k = v", "  k\t:\tv", "k\x0cv", "k  =v"] {
            assert_eq!(pair(text), owned("k", "v"), "{text:?}");
        }
    }

    #[test]
    fn only_the_first_separator_counts() {
        assert_eq!(pair("namesrvAddr=a:9876;b:9876"), owned("namesrvAddr", "a:9876;b:9876"));
        assert_eq!(pair("k==v"), owned("k", "=v"));
        assert_eq!(pair("k = : v"), owned("k", ": v"));
    }

    #[test]
    fn a_key_alone_has_an_empty_value() {
        assert_eq!(pair("k"), owned("k", ""));
        assert_eq!(pair("k="), owned("k", ""));
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_but_counted() {
        let text = "# first\n\n  ! second \\\n \t\nk=v # no comment here\n";
        assert_eq!(parse(text).unwrap(), [(5, "k".to_owned(), "v # no comment here".to_owned())]);
    }

    #[test]
    fn every_line_ending_counts_once() {
        let numbers: Vec<_> = parse("a=1\r\nb=2\rc=3\nd=4").unwrap().into_iter().map(|(line, ..)| line).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        assert_eq!(pair("fruits  apple, \\\n    pear, \\\r\n\tplum"), owned("fruits", "apple, pear, plum"));
        assert_eq!(pair("k=v\\"), owned("k", "v"));
        assert_eq!(pairs("k=v\\\\\nm=n"), [owned("k", "v\\"), owned("m", "n")]);
    }

    #[test]
    fn a_pair_carries_the_line_it_starts_on() {
        let lines: Vec<_> = parse("a=\\\n1\nb=2").unwrap().into_iter().map(|(line, ..)| line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn escapes_are_resolved_in_keys_and_values() {
        assert_eq!(pair(r"a\=b\:c\ d=\t\n\r\f\x\\"), owned("a=b:c d", "\t\n\r\x0cx\\"));
        assert_eq!(pair("k=\\u00e9\\u4E2d"), owned("k", "é中"));
        assert_eq!(pair("k=\\ud83d\\ude00!"), owned("k", "😀!"));
    }

    #[test]
    fn an_escape_that_is_no_character_is_an_error_with_its_line() {
        for text in ["\\u12", "\\u12g4", "\\u+123", "\\ud83d", "\\ud83dx", "\\ud83d\\u0041", "\\u12é4"] {
            let error = parse(&format!("a=1\nk={text}")).unwrap_err();
            assert_eq!(error.line, 2, "{text}");
            assert!(error.to_string().starts_with("line 2: "), "{error}");
        }
    }

    #[test]
    fn blanks_at_the_end_of_a_value_are_kept() {
        assert_eq!(pair("k=v \t"), owned("k", "v \t"));
    }

    #[test]
    fn a_key_that_stands_twice_is_returned_twice_in_order() {
        assert_eq!(pairs("k=1\nk=2"), [owned("k", "1"), owned("k", "2")]);
    }

    #[test]
    fn formatted_lines_are_sorted_by_key_and_plain() {
        let text = format([("listenPort", "10911"), ("brokerName", "broker-a"), ("namesrvAddr", "a:9876;b:9876")]);
        assert_eq!(text, "brokerName=broker-a\nlistenPort=10911\nnamesrvAddr=a:9876;b:9876\n");
    }

    #[test]
    fn formatted_text_reads_back_to_the_same_pairs() {
        let odd = [
            owned("", "empty key"),
            owned("#no comment", "# value"),
            owned("!k", " leading"),
            owned("a=b:c\td", "back\\slash\nnewline\r\x0c"),
            owned("k", ""),
            owned("中", "trailing "),
        ];
        let mut expected = odd.to_vec();
        expected.sort();
        assert_eq!(pairs(&format(odd.iter().map(|(key, value)| (key.as_str(), value.as_str())))), expected);
    }
}
