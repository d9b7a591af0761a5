//! A look at an answer that finds its code and opaque without decoding the header.
//!
//! Most answers to sends are success, and of their header nothing else counts. Java brokers and ours write its
//! keys in the same order, so the ends of the text say it all:
//!
//! ```text
//! {"code":0, … ,"flag":1,"language":"JAVA","opaque":1000000042,"serializeTypeCurrentRPC":"JSON","version":513}
//! ```

use protocol::frame::{Frame, HeaderEncoding};

const START: &[u8] = b"{\"code\":0,";
const BEFORE_OPAQUE: &[u8] = b",\"flag\":1,\"language\":\"JAVA\",\"opaque\":";
const BEFORE_VERSION: &[u8] = b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":";

/// The opaque of an answer that says success, if the header has the usual form. `None` decides nothing: the header has
/// to be decoded.
///
/// The end of the text cannot lie. The last `}` closes the header, there is no other bracket in what is compared, so
/// its members are the header's own; and inside a text every quote has a backslash before it, which none of these has.
pub(crate) fn successful_opaque(frame: &Frame<'_>) -> Option<i32> {
    if frame.encoding != HeaderEncoding::Json || !frame.header.starts_with(START) {
        return None;
    }
    let rest = frame.header.strip_suffix(b"}")?;
    let (rest, _version) = trailing_number(rest)?;
    let rest = rest.strip_suffix(BEFORE_VERSION)?;
    let (rest, opaque) = trailing_number(rest)?;
    rest.ends_with(BEFORE_OPAQUE).then_some(opaque)
}

/// The number at the end of a text, and what stands before it. Only in the form that needs no sign and no zeros.
fn trailing_number(text: &[u8]) -> Option<(&[u8], i32)> {
    const DIGITS_MAX: usize = 10;
    let digits = text.iter().rev().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=DIGITS_MAX).contains(&digits) {
        return None;
    }
    let (rest, digits) = text.split_at(text.len() - digits);
    if digits[0] == b'0' && digits.len() > 1 {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((rest, i32::try_from(value).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::command::{CommandEncoder, RemotingCommand};
    use protocol::frame::decode_frame;
    use protocol::header::Header;

    use super::*;

    fn scan(header: &[u8]) -> Option<i32> {
        successful_opaque(&Frame { encoding: HeaderEncoding::Json, header, body: &[] })
    }

    #[test]
    fn a_java_broker_s_answer_is_recognised() {
        let header = br#"{"code":0,"extFields":{"queueId":"0","transactionId":"FD0000000000000000000000000000024E2A60E53B936933B6A30000","msgId":"7F000001000078BF0000000000003856","TRACE_ON":"true","MSG_REGION":"DefaultRegion","queueOffset":"0"},"flag":1,"language":"JAVA","opaque":1000000006,"serializeTypeCurrentRPC":"JSON","version":513}"#;
        assert_eq!(scan(header), Some(1_000_000_006));
    }

    #[test]
    fn our_broker_s_answer_is_recognised() {
        let mut out = Vec::new();
        let mut encoder = CommandEncoder::response(&mut out, HeaderEncoding::Json, 0, i32::MAX, None);
        encoder.field("msgId", "7F00").field("queueId", 3).field("queueOffset", 17_i64);
        encoder.finish();
        let (frame, _) = decode_frame(&out).unwrap().unwrap();
        assert_eq!(successful_opaque(&frame), Some(i32::MAX));
    }

    #[test]
    fn whatever_else_needs_the_whole_header() {
        let with = |code: i32, flag: i32, language: &str, remark: Option<&str>| {
            let remark = remark.map(|remark| format!("\"remark\":\"{remark}\",")).unwrap_or_default();
            format!(
                r#"{{"code":{code},"flag":{flag},"language":"{language}","opaque":1000000001,{remark}"serializeTypeCurrentRPC":"JSON","version":513}}"#
            )
        };
        assert_eq!(scan(with(0, 1, "JAVA", None).as_bytes()), Some(1_000_000_001));
        assert_eq!(scan(with(2, 1, "JAVA", None).as_bytes()), None, "a failure's remark is wanted");
        assert_eq!(scan(with(0, 0, "JAVA", None).as_bytes()), None, "a request");
        assert_eq!(scan(with(0, 1, "GO", None).as_bytes()), None);
        assert_eq!(scan(with(0, 1, "JAVA", Some("FOUND")).as_bytes()), None);
        for header in [&b""[..], b"}", b"{}", b"{\"code\":0,}", START, BEFORE_VERSION] {
            assert_eq!(scan(header), None);
        }
    }

    #[test]
    fn a_member_that_looks_like_the_end_does_not_mislead() {
        let header = br#"{"code":0,"flag":1,"language":"JAVA","opaque":5,"extFields":{"x":1,"flag":1,"language":"JAVA","opaque":6,"serializeTypeCurrentRPC":"JSON","version":513}}"#;
        assert_eq!(scan(header), None);
    }

    fn command() -> impl Strategy<Value = RemotingCommand> {
        let name = "[ -~\u{1}\u{2}éß\"\\\\{}:,]{0,12}";
        let fields = proptest::collection::vec((name, name), 0..6);
        let remark = proptest::option::of(name);
        (any::<bool>(), 0..4_i32, any::<i32>(), fields, remark).prop_map(|(is_ok, flag, opaque, fields, remark)| {
            let code = i32::from(!is_ok);
            RemotingCommand { code, opaque, flag, fields, remark, ..RemotingCommand::request(0, 0) }
        })
    }

    proptest! {
        #[test]
        fn what_the_scan_says_the_decoder_says_too(command in command()) {
            let mut out = Vec::new();
            command.encode(&mut out, HeaderEncoding::Json);
            let (frame, _) = decode_frame(&out).unwrap().unwrap();
            let mut header = Header::default();
            header.decode(&frame).unwrap();
            let scanned = successful_opaque(&frame);
            if let Some(opaque) = scanned {
                prop_assert_eq!((opaque, header.code, header.flag), (header.opaque, 0, 1));
            }
            let usual = command.code == 0 && command.flag == 1 && command.remark.is_none() && command.opaque >= 0;
            prop_assert_eq!(scanned.is_some(), usual);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            start in proptest::sample::select(vec![&b""[..], START]),
            middle in proptest::collection::vec(any::<u8>(), 0..80),
            end in proptest::sample::select(vec![
                &b""[..],
                b"}",
                b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":1}",
                b",\"flag\":1,\"language\":\"JAVA\",\"opaque\":1,\"serializeTypeCurrentRPC\":\"JSON\",\"version\":1}",
            ]),
        ) {
            let header = [start, middle.as_slice(), end].concat();
            let frame = Frame { encoding: HeaderEncoding::Json, header: &header, body: &[] };
            let scanned = successful_opaque(&frame);
            let mut decoded = Header::default();
            if let (Some(opaque), Ok(())) = (scanned, decoded.decode(&frame)) {
                prop_assert_eq!(opaque, decoded.opaque);
            }
        }
    }
}
