//! Writing commands: [`CommandEncoder`] straight into a send buffer, [`RemotingCommand`] as a value of its own.

use crate::byte_scan::find_to_escape;
use crate::frame::{FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, Frame, HEADER_BYTES_MAX, HeaderEncoding};
use crate::header::{FLAG_ONEWAY, FLAG_RESPONSE, Header, HeaderError};
use crate::language::Language;

/// The version we announce: 5.5.0. It stands in every answer, since clients decide by it what they may ask for.
pub const VERSION: i32 = 513;

/// Longest remark of an answer; the rest is cut off. Remarks repeat names from the request, which may be as long as a
/// whole frame, and escaping makes them longer still.
pub const REMARK_BYTES_MAX: usize = 16 * 1024;

/// Appends one frame to a buffer; what is in the buffer already stays.
///
/// A JSON header is written with its keys in alphabetical order, as the reference does, and `extFields` is left out
/// when no field was written. One of the `finish` methods has to be called, else half a frame stays in the buffer.
///
/// # Panics
/// When the frame cannot be sent at all: a header over 24 bits of length, a frame over [`FRAME_BYTES_MAX`], a code
/// or version that does not fit the binary header's i16, a key over its i16. All of them are our own doing: sizes are
/// checked when a message is accepted, and a request in the binary encoding cannot ask for a code that does not fit.
#[must_use = "a frame without finish() stays half written"]
pub struct CommandEncoder<'a> {
    out: &'a mut Vec<u8>,
    encoding: HeaderEncoding,
    /// Where the frame starts in `out`.
    start: usize,
    /// Where the ext fields start in `out` (binary: their length).
    fields_at: usize,
    has_fields: bool,
    language: Language,
    version: i32,
    opaque: i32,
    flag: i32,
    remark: Option<&'a str>,
}

impl<'a> CommandEncoder<'a> {
    /// Starts a request; `flag` is 0 or [`FLAG_ONEWAY`].
    pub fn request(out: &'a mut Vec<u8>, encoding: HeaderEncoding, code: i32, opaque: i32, flag: i32) -> Self {
        let sender = Sender { language: Language::JAVA, version: VERSION };
        Self::start(out, encoding, sender, code, opaque, flag, None)
    }

    /// Starts the answer to request `opaque`. The remark is cut at [`REMARK_BYTES_MAX`].
    pub fn response(
        out: &'a mut Vec<u8>,
        encoding: HeaderEncoding,
        code: i32,
        opaque: i32,
        remark: Option<&'a str>,
    ) -> Self {
        let sender = Sender { language: Language::JAVA, version: VERSION };
        let remark = remark.map(cut_remark);
        Self::start(out, encoding, sender, code, opaque, FLAG_RESPONSE, remark)
    }

    fn start(
        out: &'a mut Vec<u8>,
        encoding: HeaderEncoding,
        Sender { language, version }: Sender,
        code: i32,
        opaque: i32,
        flag: i32,
        remark: Option<&'a str>,
    ) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_PREFIX_BYTES]);
        match encoding {
            HeaderEncoding::Json => {
                out.extend_from_slice(b"{\"code\":");
                push_integer(out, code);
            }
            HeaderEncoding::RocketMq => {
                let code = i16::try_from(code).expect("a code that came in a binary header fits one");
                let version = i16::try_from(version).expect("versions are small ordinals");
                let remark = remark.unwrap_or_default().as_bytes();
                out.extend_from_slice(&code.to_be_bytes());
                out.push(language.0);
                out.extend_from_slice(&version.to_be_bytes());
                out.extend_from_slice(&opaque.to_be_bytes());
                out.extend_from_slice(&flag.to_be_bytes());
                out.extend_from_slice(&length_i32(remark.len()).to_be_bytes());
                out.extend_from_slice(remark);
            }
        }
        let fields_at = out.len();
        if encoding == HeaderEncoding::RocketMq {
            out.extend_from_slice(&[0; 4]);
        }
        Self { out, encoding, start, fields_at, has_fields: false, language, version, opaque, flag, remark }
    }

    /// Appends an ext field. In JSON every value is a quoted string: clients ignore or refuse any other. `key` is a name
    /// of our own, which needs no escaping.
    pub fn field(&mut self, key: &'static str, value: impl EncodeField) -> &mut Self {
        debug_assert!(find_to_escape(key.as_bytes()).is_none(), "a key of our own: {key}");
        value.with_text(|text, escapes| self.text_field((key, false), (text, escapes)));
        self
    }

    /// Key and value, each with whether any of it may have to be escaped in JSON.
    #[inline]
    fn text_field(&mut self, (key, key_escapes): (&str, bool), (value, value_escapes): (&str, bool)) {
        let Self { out, encoding, has_fields, .. } = self;
        match encoding {
            HeaderEncoding::Json => {
                out.extend_from_slice(if *has_fields { b",\"" } else { b",\"extFields\":{\"" });
                push_json_text(out, key, key_escapes);
                out.extend_from_slice(b"\":\"");
                push_json_text(out, value, value_escapes);
                out.push(b'"');
            }
            HeaderEncoding::RocketMq => {
                let key_length = i16::try_from(key.len()).expect("keys are short names of our own");
                out.extend_from_slice(&key_length.to_be_bytes());
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(&length_i32(value.len()).to_be_bytes());
                out.extend_from_slice(value.as_bytes());
            }
        }
        *has_fields = true;
    }

    /// Appends an ext field if there is a value.
    pub fn optional_field(&mut self, key: &'static str, value: Option<impl EncodeField>) -> &mut Self {
        if let Some(value) = value {
            self.field(key, value);
        }
        self
    }

    /// Ends a frame without body.
    pub fn finish(self) {
        self.finish_with_body_bytes(0);
    }

    /// Ends the frame with this body.
    pub fn finish_with_body(self, body: &[u8]) {
        let out = self.close(body.len());
        out.extend_from_slice(body);
    }

    /// Ends the header of a frame whose body the caller appends next: exactly `body_bytes`.
    pub fn finish_with_body_bytes(self, body_bytes: usize) {
        self.close(body_bytes);
    }

    /// Ends the header and fills in all lengths.
    fn close(self, body_bytes: usize) -> &'a mut Vec<u8> {
        let Self { out, encoding, start, fields_at, has_fields, language, version, opaque, flag, remark } = self;
        match encoding {
            HeaderEncoding::Json => {
                if has_fields {
                    out.push(b'}');
                }
                // What every answer of ours says, in one piece.
                if (flag, language) == (FLAG_RESPONSE, Language::JAVA) {
                    out.extend_from_slice(b",\"flag\":1,\"language\":\"JAVA\",\"opaque\":");
                } else {
                    out.extend_from_slice(b",\"flag\":");
                    push_integer(out, flag);
                    out.extend_from_slice(b",\"language\":\"");
                    out.extend_from_slice(language.name().as_bytes());
                    out.extend_from_slice(b"\",\"opaque\":");
                }
                push_integer(out, opaque);
                if let Some(remark) = remark {
                    out.extend_from_slice(b",\"remark\":");
                    push_json_string(out, remark);
                }
                out.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
                push_integer(out, version);
                out.push(b'}');
            }
            HeaderEncoding::RocketMq => {
                let fields_bytes = length_i32(out.len() - fields_at - 4);
                out[fields_at..fields_at + 4].copy_from_slice(&fields_bytes.to_be_bytes());
            }
        }
        let header_bytes = out.len() - start - FRAME_PREFIX_BYTES;
        assert!(header_bytes <= HEADER_BYTES_MAX as usize, "header of {header_bytes} bytes");
        let frame_bytes = FRAME_PREFIX_BYTES + header_bytes + body_bytes;
        assert!(frame_bytes <= FRAME_BYTES_MAX as usize, "frame of {frame_bytes} bytes");
        let length = frame_bytes as u32 - 4;
        let word = u32::from(encoding.to_wire()) << 24 | header_bytes as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        out[start + 4..start + 8].copy_from_slice(&word.to_be_bytes());
        out
    }
}

fn cut_remark(remark: &str) -> &str {
    let mut end = remark.len().min(REMARK_BYTES_MAX);
    while !remark.is_char_boundary(end) {
        end -= 1;
    }
    &remark[..end]
}

/// Who a command says it is from.
struct Sender {
    language: Language,
    version: i32,
}

fn length_i32(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a header is far below 2 GiB")
}

/// A value that an ext field can carry, as text.
pub trait EncodeField {
    /// Calls `write` with the text of the value, and whether any of it may have to be escaped in JSON.
    fn with_text(&self, write: impl FnOnce(&str, bool));
}

impl EncodeField for &str {
    fn with_text(&self, write: impl FnOnce(&str, bool)) {
        write(self, true);
    }
}

impl EncodeField for &String {
    fn with_text(&self, write: impl FnOnce(&str, bool)) {
        write(self, true);
    }
}

impl EncodeField for String {
    fn with_text(&self, write: impl FnOnce(&str, bool)) {
        write(self, true);
    }
}

impl EncodeField for bool {
    fn with_text(&self, write: impl FnOnce(&str, bool)) {
        write(if *self { "true" } else { "false" }, false);
    }
}

macro_rules! encode_integers {
    ($($type:ty),*) => {
        $(impl EncodeField for $type {
            fn with_text(&self, write: impl FnOnce(&str, bool)) {
                write(itoa::Buffer::new().format(*self), false);
            }
        })*
    };
}
encode_integers!(i16, u16, i32, u32, i64, u64, usize);

fn push_integer(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Quotes and escapes what JSON demands: quotes, backslashes and control characters. The rest stays UTF-8.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_json_text(out, text, true);
    out.push(b'"');
}

#[inline]
fn push_json_text(out: &mut Vec<u8>, text: &str, escapes: bool) {
    if escapes { push_escaped(out, text.as_bytes()) } else { out.extend_from_slice(text.as_bytes()) }
}

fn push_escaped(out: &mut Vec<u8>, mut rest: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    while let Some(run) = find_to_escape(rest) {
        out.extend_from_slice(&rest[..run]);
        let byte = rest[run];
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xF)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = &rest[run + 1..];
    }
    out.extend_from_slice(rest);
}

/// A command that owns its parts: for clients, tools and tests. The server's hot path uses [`Header`] and
/// [`CommandEncoder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotingCommand {
    /// Request or response code.
    pub code: i32,
    /// What the sender is written in.
    pub language: Language,
    /// The sender's version, an ordinal.
    pub version: i32,
    /// Number of the request; its answer repeats it.
    pub opaque: i32,
    /// [`FLAG_RESPONSE`], [`FLAG_ONEWAY`].
    pub flag: i32,
    /// Error text of an answer.
    pub remark: Option<String>,
    /// Ext fields in their order.
    pub fields: Vec<(String, String)>,
    /// Body; empty = none.
    pub body: Vec<u8>,
}

impl RemotingCommand {
    /// A request of ours, without fields and body.
    pub fn request(code: i32, opaque: i32) -> Self {
        Self {
            code,
            language: Language::JAVA,
            version: VERSION,
            opaque,
            flag: 0,
            remark: None,
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Our answer to request `opaque`, without fields and body.
    pub fn response(code: i32, opaque: i32, remark: Option<&str>) -> Self {
        Self { flag: FLAG_RESPONSE, remark: remark.map(str::to_owned), ..Self::request(code, opaque) }
    }

    /// The same with one more ext field.
    #[must_use]
    pub fn with_field(mut self, key: &str, value: impl EncodeField) -> Self {
        value.with_text(|text, _| self.fields.push((key.to_owned(), text.to_owned())));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Copies a frame.
    ///
    /// # Errors
    /// As [`Header::decode`].
    pub fn decode(frame: &Frame<'_>) -> Result<Self, HeaderError> {
        let mut header = Header::default();
        header.decode(frame)?;
        Ok(Self {
            code: header.code,
            language: header.language,
            version: header.version,
            opaque: header.opaque,
            flag: header.flag,
            remark: header.remark().map(str::to_owned),
            fields: header.fields().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            body: frame.body.to_vec(),
        })
    }

    /// Appends the frame to `out`.
    ///
    /// # Panics
    /// As [`CommandEncoder`].
    pub fn encode(&self, out: &mut Vec<u8>, encoding: HeaderEncoding) {
        let sender = Sender { language: self.language, version: self.version };
        let remark = self.remark.as_deref();
        let mut encoder = CommandEncoder::start(out, encoding, sender, self.code, self.opaque, self.flag, remark);
        for (key, value) in &self.fields {
            encoder.text_field((key, true), (value, true));
        }
        encoder.finish_with_body(&self.body);
    }

    /// The value of an ext field; an empty one counts as absent, the last one counts.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().rev().find(|(known, _)| known == key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether this answers a request.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether it must not be answered.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::decode_frame;

    fn header_text(bytes: &[u8]) -> &str {
        let (frame, used) = decode_frame(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
        std::str::from_utf8(frame.header).unwrap()
    }

    #[test]
    fn an_answer_without_fields_has_no_ext_fields() {
        let mut out = Vec::new();
        CommandEncoder::response(&mut out, HeaderEncoding::Json, 0, 39, None).finish();
        let text =
            r#"{"code":0,"flag":1,"language":"JAVA","opaque":39,"serializeTypeCurrentRPC":"JSON","version":513}"#;
        assert_eq!(header_text(&out), text);
    }

    #[test]
    fn every_value_is_a_quoted_string() {
        let mut out = Vec::new();
        let mut encoder = CommandEncoder::request(&mut out, HeaderEncoding::Json, 11, -1, 2);
        encoder.field("a", -3_i32).field("b", u64::MAX).field("c", true).field("d", "x").field("e", i64::MIN);
        encoder.finish();
        let fields =
            r#""extFields":{"a":"-3","b":"18446744073709551615","c":"true","d":"x","e":"-9223372036854775808"}"#;
        assert!(header_text(&out).contains(fields), "{}", header_text(&out));
    }

    #[test]
    fn text_is_escaped_where_json_demands_it() {
        let mut out = Vec::new();
        push_json_string(&mut out, "a\"b\\c\x01\n\x1f é😀\x7f");
        assert_eq!(out, "\"a\\\"b\\\\c\\u0001\\u000a\\u001f é😀\x7f\"".as_bytes());
    }

    #[test]
    fn frames_are_appended_to_what_is_there() {
        let mut out = b"before".to_vec();
        CommandEncoder::response(&mut out, HeaderEncoding::Json, 0, 1, Some("FOUND")).finish_with_body(b"one");
        let second = out.len();
        let mut encoder = CommandEncoder::response(&mut out, HeaderEncoding::RocketMq, 19, 2, Some("no"));
        encoder.field("k", 7_i32);
        encoder.finish_with_body_bytes(3);
        out.extend_from_slice(b"two");
        let (first, used) = decode_frame(&out[6..]).unwrap().unwrap();
        assert_eq!(used, second - 6);
        let first = RemotingCommand::decode(&first).unwrap();
        assert_eq!((first.remark.as_deref(), first.body.as_slice()), (Some("FOUND"), &b"one"[..]));
        let (next, used) = decode_frame(&out[second..]).unwrap().unwrap();
        assert_eq!(used, out.len() - second);
        let next = RemotingCommand::decode(&next).unwrap();
        assert_eq!((next.code, next.get("k"), next.remark.as_deref()), (19, Some("7"), Some("no")));
        assert_eq!(next.body, b"two");
    }

    #[test]
    fn a_remark_that_repeats_a_huge_name_is_cut_at_a_character() {
        let remark = format!("{}é{}", "a".repeat(REMARK_BYTES_MAX - 1), "\u{1}".repeat(8_000_000));
        let mut out = Vec::new();
        CommandEncoder::response(&mut out, HeaderEncoding::Json, 17, 1, Some(&remark)).finish();
        let (frame, _) = decode_frame(&out).unwrap().unwrap();
        let remark = RemotingCommand::decode(&frame).unwrap().remark.unwrap();
        assert_eq!(remark, "a".repeat(REMARK_BYTES_MAX - 1));
    }

    #[test]
    #[should_panic(expected = "a code that came in a binary header fits one")]
    fn a_pop_code_does_not_fit_the_binary_header() {
        CommandEncoder::request(&mut Vec::new(), HeaderEncoding::RocketMq, 200_050, 1, 0).finish();
    }

    #[test]
    #[should_panic(expected = "frame of 16777")]
    fn a_frame_over_the_limit_is_never_written() {
        let body_bytes = FRAME_BYTES_MAX as usize - FRAME_PREFIX_BYTES;
        CommandEncoder::request(&mut Vec::new(), HeaderEncoding::Json, 1, 1, 0).finish_with_body_bytes(body_bytes);
    }
}
