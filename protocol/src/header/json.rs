//! The JSON header: an object with the keys `code`, `extFields`, `flag`, `language`, `opaque`, `remark`,
//! `serializeTypeCurrentRPC`, `version`, in any order; all others are ignored, `null` is as if absent.

use super::{Header, HeaderError, Span};
use crate::json_reader::{JsonReader, ValueKind};
use crate::language::Language;

/// The text of `header` begins with the whole of `bytes`: what needs no unescaping is a span of it, the rest is appended.
pub(super) fn decode(header: &mut Header, bytes: &[u8]) -> Result<(), HeaderError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| HeaderError::NotUtf8 { what: "JSON header", at: error.valid_up_to() })?;
    assert!(header.text.is_empty(), "spans count from its beginning");
    header.text.push_str(text);
    let mut reader = JsonReader::new(text);
    reader.expect(b'{', "`{`")?;
    if !reader.take(b'}') {
        loop {
            let key = read_key(header, &mut reader)?;
            member(header, &mut reader, key)?;
            if !reader.another(b'}')? {
                break;
            }
        }
    }
    reader.expect_end()?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Key {
    Code,
    ExtFields,
    Flag,
    Language,
    Opaque,
    Remark,
    Version,
    Ignored,
}

fn read_key(header: &mut Header, reader: &mut JsonReader<'_>) -> Result<Key, HeaderError> {
    let key = string(header, reader)?;
    reader.expect(b':', "`:`")?;
    Ok(match header.slice(key) {
        "code" => Key::Code,
        "extFields" => Key::ExtFields,
        "flag" => Key::Flag,
        "language" => Key::Language,
        "opaque" => Key::Opaque,
        "remark" => Key::Remark,
        "version" => Key::Version,
        _ => Key::Ignored,
    })
}

fn member(header: &mut Header, reader: &mut JsonReader<'_>, key: Key) -> Result<(), HeaderError> {
    match key {
        Key::Code => header.code = number(header, reader, "code")?,
        Key::Flag => header.flag = number(header, reader, "flag")?,
        Key::Opaque => header.opaque = number(header, reader, "opaque")?,
        Key::Version => header.version = number(header, reader, "version")?,
        Key::Language => header.language = language(header, reader)?,
        Key::Remark => header.remark = scalar(header, reader)?.unwrap_or_default(),
        Key::ExtFields => ext_fields(header, reader)?,
        Key::Ignored => reader.skip_value()?,
    }
    Ok(())
}

fn ext_fields(header: &mut Header, reader: &mut JsonReader<'_>) -> Result<(), HeaderError> {
    if reader.kind()? != ValueKind::Object {
        return Ok(reader.skip_value()?);
    }
    reader.expect(b'{', "`{`")?;
    if reader.take(b'}') {
        return Ok(());
    }
    loop {
        let key = string(header, reader)?;
        reader.expect(b':', "`:`")?;
        if let Some(value) = scalar(header, reader)? {
            header.push_field(key, value)?;
        }
        if !reader.another(b'}')? {
            return Ok(());
        }
    }
}

fn string(header: &mut Header, reader: &mut JsonReader<'_>) -> Result<Span, HeaderError> {
    if let Some(range) = reader.plain_string() {
        return Ok(range.into());
    }
    let start = header.text.len();
    reader.string_into(&mut header.text)?;
    Ok((start..header.text.len()).into())
}

/// The text of a value: a string without its quotes, a number as it is written (the C++ client leaves the quotes of many
/// fields out), `true`, `false`. `None` for null and for nested values.
fn scalar(header: &mut Header, reader: &mut JsonReader<'_>) -> Result<Option<Span>, HeaderError> {
    let range = match reader.kind()? {
        ValueKind::String => return string(header, reader).map(Some),
        ValueKind::Number => reader.number()?,
        ValueKind::True => reader.literal("true")?,
        ValueKind::False => reader.literal("false")?,
        ValueKind::Null | ValueKind::Object | ValueKind::Array => {
            reader.skip_value()?;
            return Ok(None);
        }
    };
    Ok(Some(range.into()))
}

fn number(header: &mut Header, reader: &mut JsonReader<'_>, key: &'static str) -> Result<i32, HeaderError> {
    let Some(span) = scalar(header, reader)? else { return Ok(0) };
    let text = header.slice(span);
    text.parse().map_err(|_| HeaderError::NotANumber { key, value: text.chars().take(32).collect() })
}

fn language(header: &mut Header, reader: &mut JsonReader<'_>) -> Result<Language, HeaderError> {
    let span = scalar(header, reader)?;
    Ok(span.map_or(Language::OTHER, |span| Language::from_name(header.slice(span))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, HeaderEncoding};
    use crate::header::EXT_FIELDS_MAX;

    fn decode(text: &str) -> Result<Header, HeaderError> {
        let mut header = Header::default();
        header.decode(&Frame { encoding: HeaderEncoding::Json, header: text.as_bytes(), body: &[] })?;
        Ok(header)
    }

    #[test]
    fn unquoted_values_are_taken_as_their_text() {
        let header =
            decode(r#"{"extFields":{"queueId":3,"batch":true,"x":-1.50,"n":null,"o":{"p":[1]},"s":"t"}}"#).unwrap();
        let fields: Vec<_> = header.fields().collect();
        assert_eq!(fields, [("queueId", "3"), ("batch", "true"), ("x", "-1.50"), ("s", "t")]);
    }

    #[test]
    fn null_is_as_if_absent_everywhere() {
        let header = decode(r#"{"code":null,"extFields":null,"remark":null,"version":null,"language":null}"#).unwrap();
        assert_eq!((header.code, header.remark(), header.fields().count()), (0, None, 0));
    }

    #[test]
    fn keys_come_in_any_order_with_white_space_and_strangers() {
        let header =
            decode(" { \"x\" : [ { } ] , \"version\" : 1 ,\n\"opaque\":-5, \"code\":\"11\", \"language\":\"GO\" } ")
                .unwrap();
        assert_eq!((header.code, header.opaque, header.version, header.language), (11, -5, 1, Language::GO));
    }

    #[test]
    fn an_unknown_language_is_other() {
        assert_eq!(decode(r#"{"language":"COBOL"}"#).unwrap().language, Language::OTHER);
    }

    #[test]
    fn escaped_keys_and_values_are_unescaped() {
        let header = decode(r#"{"c\u006fde":5,"extFields":{"\u0069":"TAGS\u0001TagA\u0002"}}"#).unwrap();
        assert_eq!((header.code, header.get("i")), (5, Some("TAGS\u{1}TagA\u{2}")));
    }

    #[test]
    fn numbers_out_of_range_are_errors() {
        let error = decode(r#"{"opaque":2147483648}"#).unwrap_err();
        assert_eq!(error, HeaderError::NotANumber { key: "opaque", value: "2147483648".to_owned() });
        assert!(decode(r#"{"code":1.5}"#).is_err());
    }

    #[test]
    fn the_count_of_fields_is_bounded() {
        let with_fields = |count: usize| {
            let fields: Vec<_> = (0..count).map(|index| format!("\"k{index}\":\"v\"")).collect();
            decode(&format!("{{\"extFields\":{{{}}}}}", fields.join(",")))
        };
        assert_eq!(with_fields(EXT_FIELDS_MAX).unwrap().fields().count(), EXT_FIELDS_MAX);
        let error = with_fields(EXT_FIELDS_MAX + 1).unwrap_err();
        assert_eq!(error, HeaderError::TooManyFields { fields_max: EXT_FIELDS_MAX });
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in
            ["", "[]", "1", "{", "{\"code\"}", "{\"code\":}", "{\"code\":1,}", "{} x", "{\"extFields\":{\"a\"}}"]
        {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
