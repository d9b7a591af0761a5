//! An expression cut into words, numbers, texts and signs.

use crate::error::{FilterError, Position};

/// What is shown of a piece in an error, in characters.
const FOUND_CHARS_MAX: usize = 40;

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Bytes `start..end` of the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
    /// Digits, perhaps with an `L` that means nothing.
    Whole,
    /// A number with a point or an exponent.
    Float,
    /// In single quotes; a quote within is doubled.
    Text,
    /// A property.
    Name,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Open,
    Comma,
    Close,
    Plus,
    Minus,
    End,
}

/// Reserved in any case.
const WORDS: [(&str, TokenKind); 12] = [
    ("AND", TokenKind::And),
    ("BETWEEN", TokenKind::Between),
    ("CONTAINS", TokenKind::Contains),
    ("ENDSWITH", TokenKind::EndsWith),
    ("FALSE", TokenKind::False),
    ("IN", TokenKind::In),
    ("IS", TokenKind::Is),
    ("NOT", TokenKind::Not),
    ("NULL", TokenKind::Null),
    ("OR", TokenKind::Or),
    ("STARTSWITH", TokenKind::StartsWith),
    ("TRUE", TokenKind::True),
];

/// The first piece at or behind the byte `at`; behind the last one stands [`TokenKind::End`].
///
/// # Errors
/// [`FilterError::Unexpected`]: no piece begins there.
pub(crate) fn next_token(text: &str, at: usize) -> Result<Token, FilterError> {
    let start = skip_blanks(text, at)?;
    let rest = &text.as_bytes()[start..];
    let token = |kind, bytes| Ok(Token { kind, start, end: start + bytes });
    let Some(first) = rest.first() else { return token(TokenKind::End, 0) };
    match first {
        b'(' => token(TokenKind::Open, 1),
        b')' => token(TokenKind::Close, 1),
        b',' => token(TokenKind::Comma, 1),
        b'+' => token(TokenKind::Plus, 1),
        b'-' => token(TokenKind::Minus, 1),
        b'=' => token(TokenKind::Equal, 1),
        b'<' => match rest.get(1) {
            Some(b'>') => token(TokenKind::NotEqual, 2),
            Some(b'=') => token(TokenKind::LessOrEqual, 2),
            _ => token(TokenKind::Less, 1),
        },
        b'>' => match rest.get(1) {
            Some(b'=') => token(TokenKind::GreaterOrEqual, 2),
            _ => token(TokenKind::Greater, 1),
        },
        b'\'' => match text_bytes(rest) {
            Some(bytes) => token(TokenKind::Text, bytes),
            None => Err(unexpected(text, start, text.len(), "a closing quote; one within a text is written twice")),
        },
        b'0'..=b'9' | b'.' => {
            let (whole, float) = (whole_bytes(rest), float_bytes(rest));
            match (whole, float) {
                (0, 0) => Err(unexpected(text, start, start + 1, "digits beside the point")),
                (whole, float) if float > whole => token(TokenKind::Float, float),
                (whole, _) => token(TokenKind::Whole, whole),
            }
        }
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
            let bytes = rest.iter().take_while(|byte| is_part(byte)).count();
            let word = &text[start..start + bytes];
            let reserved = WORDS.iter().find(|(reserved, _)| reserved.eq_ignore_ascii_case(word));
            token(reserved.map_or(TokenKind::Name, |(_, kind)| *kind), bytes)
        }
        _ => {
            let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
            Err(unexpected(text, start, end, "a property, a value, an operator or a parenthesis"))
        }
    }
}

/// What stands in `start..end` where `expected` should.
pub(crate) fn unexpected(text: &str, start: usize, end: usize, expected: &'static str) -> FilterError {
    let piece = &text[start..end];
    let found = match piece.char_indices().nth(FOUND_CHARS_MAX) {
        None if piece.is_empty() => "the end".to_owned(),
        None => format!("`{piece}`"),
        Some((cut, _)) => format!("`{}…`", &piece[..cut]),
    };
    FilterError::Unexpected { position: Position::of(text, start), found, expected }
}

/// Blanks and comments. `--` comments out the rest of a line only where the line has an end.
fn skip_blanks(text: &str, mut at: usize) -> Result<usize, FilterError> {
    loop {
        let rest = &text[at..];
        if rest.starts_with([' ', '\t', '\n', '\r', '\x0C']) {
            at += 1;
        } else if let Some(comment) = rest.strip_prefix("--") {
            let Some(length) = comment.find(['\n', '\r']) else { return Ok(at) };
            at += 2 + length + 1;
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let length = comment.find("*/");
            let length = length.ok_or_else(|| unexpected(text, at, text.len(), "a comment that ends with */"))?;
            at += 2 + length + 2;
        } else {
            return Ok(at);
        }
    }
}

/// Length of the text with its quotes; `None` if it is not closed.
fn text_bytes(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr(b'\'', &rest[at..])? + 1;
        if rest.get(at) != Some(&b'\'') {
            return Some(at);
        }
        at += 1;
    }
}

fn digits(rest: &[u8]) -> usize {
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A leading zero stands alone: `007` is three numbers.
fn whole_bytes(rest: &[u8]) -> usize {
    match rest.first() {
        Some(b'0') => 1,
        _ => match digits(rest) {
            0 => 0,
            count => count + usize::from(matches!(rest.get(count), Some(b'l' | b'L'))),
        },
    }
}

/// `5.5`, `5.`, `.5`, each with or without exponent, and `5E10`.
fn float_bytes(rest: &[u8]) -> usize {
    let before = digits(rest);
    let mantissa = match rest.get(before) {
        Some(b'.') => before + 1 + digits(&rest[before + 1..]),
        _ => before,
    };
    if mantissa == before {
        return if before == 0 { 0 } else { exponent_bytes(&rest[before..]).map_or(0, |bytes| before + bytes) };
    }
    if mantissa == 1 {
        return 0;
    }
    mantissa + exponent_bytes(&rest[mantissa..]).unwrap_or(0)
}

fn exponent_bytes(rest: &[u8]) -> Option<usize> {
    if !matches!(rest.first(), Some(b'e' | b'E')) {
        return None;
    }
    let sign = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
    match digits(&rest[1 + sign..]) {
        0 => None,
        count => Some(1 + sign + count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut at = 0;
        loop {
            let token = next_token(text, at).unwrap();
            if token.kind == TokenKind::End {
                return pieces;
            }
            pieces.push(&text[token.start..token.end]);
            at = token.end;
        }
    }

    #[test]
    fn numbers_are_as_long_as_they_can_be() {
        assert_eq!(pieces("5.5.5"), ["5.5", ".5"]);
        assert_eq!(pieces("007 0x1F 0L"), ["0", "0", "7", "0", "x1F", "0", "L"]);
        assert_eq!(pieces("5L 5. 5.E10 5E+1 5E 00.5"), ["5L", "5.", "5.E10", "5E+1", "5", "E", "00.5"]);
    }

    #[test]
    fn comments_are_blanks() {
        assert_eq!(pieces("a--b\n=/* * / **/1"), ["a", "=", "1"]);
        assert_eq!(pieces("a --b"), ["a", "-", "-", "b"]);
    }

    #[test]
    fn a_doubled_quote_stays_in_its_text() {
        assert_eq!(pieces("'it''s' '' 'ä\n'"), ["'it''s'", "''", "'ä\n'"]);
    }

    #[test]
    fn what_begins_no_piece_is_refused_with_its_place() {
        let refusal = |text: &str| next_token(text, 0).unwrap_err().to_string();
        assert_eq!(
            refusal("'it''"),
            "line 1, column 1: found `'it''`, expected a closing quote; one within a text is written twice"
        );
        assert_eq!(
            refusal(" \n ü"),
            "line 2, column 2: found `ü`, expected a property, a value, an operator or a parenthesis"
        );
        assert_eq!(refusal("/* *"), "line 1, column 1: found `/* *`, expected a comment that ends with */");
        assert_eq!(refusal("."), "line 1, column 1: found `.`, expected digits beside the point");
    }
}
