//! Messages asked for by key, as tools do it.

use interop::raw_client::RawClient;
use interop::requests::{self, with};
use protocol::record::decode_record;
use protocol::{RequestCode, ResponseCode};

use crate::stand::{Stand, TOPIC};

const EVER: [(&str, &str); 2] = [("beginTimestamp", "0"), ("endTimestamp", "9223372036854775807")];

/// Bodies of what is found, in the order of the answer.
fn found(stand: &mut Stand, key: &str, more: &[(&str, &str)]) -> Vec<String> {
    let mut fields = vec![("topic", TOPIC), ("key", key), ("maxNum", "64")];
    fields.extend(EVER);
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    let answer = stand.ask(RequestCode::QUERY_MESSAGE, &fields, &[]);
    if answer.code == ResponseCode::QUERY_NOT_FOUND.0 {
        assert_eq!(answer.get("indexLastUpdatePhyoffset"), Some("0"), "{answer:?}");
        return Vec::new();
    }
    assert_eq!(answer.code, 0, "{answer:?}");
    let newest: i64 = answer.get("indexLastUpdateTimestamp").expect("a time").parse().expect("a number");
    assert!(newest > 1_700_000_000_000, "{newest}");
    let (mut rest, mut bodies) = (&answer.body[..], Vec::new());
    while !rest.is_empty() {
        let (record, used) = decode_record(rest).expect("records");
        bodies.push(String::from_utf8_lossy(record.body).into_owned());
        rest = &rest[used..];
    }
    bodies
}

fn send(stand: &mut Stand, body: &str, properties: &str) {
    let sent = stand.operator.ask(with(requests::send(TOPIC, 0, body.as_bytes()), "i", properties));
    assert_eq!(sent.code, 0, "{sent:?}");
}

#[test]
fn messages_are_found_by_each_of_their_keys_newest_first_also_after_kill_9() {
    let mut stand = Stand::start("by-key");
    for number in 0..100 {
        let properties = format!(
            "UNIQ_KEY\u{1}id{number}\u{2}KEYS\u{1}all k{} odd{}\u{2}TAGS\u{1}red\u{2}WAIT\u{1}true\u{2}",
            number % 10,
            number % 2
        );
        send(&mut stand, &format!("m{number}"), &properties);
    }
    let check = |stand: &mut Stand| {
        assert_eq!(found(stand, "id42", &[("_UNIQUE_KEY_QUERY", "true")]), ["m42"]);
        let of_k3: Vec<String> = (0..10).rev().map(|ten| format!("m{}", ten * 10 + 3)).collect();
        assert_eq!(found(stand, "k3", &[]), of_k3);
        assert_eq!(found(stand, "k3", &[("maxNum", "2")]), ["m93", "m83"]);
        assert_eq!(found(stand, "all", &[("maxNum", "1000")]).len(), 64, "maxMsgsNumBatch");
        assert_eq!(found(stand, "odd1", &[("indexType", "K")])[0], "m99");
        assert_eq!(found(stand, "red", &[("indexType", "T"), ("maxNum", "3")]), ["m99", "m98", "m97"]);
        for (key, more) in [
            ("red", &[][..]),
            ("k", &[]),
            ("all k3", &[]),
            ("id42", &[("topic", "another")]),
            ("id42", &[("endTimestamp", "1000")]),
            ("id42", &[("beginTimestamp", "9223372036854775807")]),
            ("id42", &[("maxNum", "0")]),
            ("id42", &[("maxNum", "-5")]),
        ] {
            assert_eq!(found(stand, key, more), Vec::<String>::new(), "{key} {more:?}");
        }
    };
    check(&mut stand);
    stand.broker.kill_nine();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = RawClient::connect(stand.address);
    check(&mut stand);
    send(&mut stand, "later", "KEYS\u{1}k3\u{2}");
    assert_eq!(found(&mut stand, "k3", &[])[..2], ["later", "m93"]);
}

#[test]
fn a_question_that_is_wrong_is_refused_by_the_field() {
    let mut stand = Stand::start("wrong-query");
    let mut whole = vec![("topic", TOPIC), ("key", "k"), ("maxNum", "64")];
    whole.extend(EVER);
    for missing in 0..whole.len() {
        let mut fields = whole.clone();
        let (key, _) = fields.remove(missing);
        let (code, remark) = stand.refused(RequestCode::QUERY_MESSAGE, &fields, &[]);
        assert_eq!((code, remark), (ResponseCode::SYSTEM_ERROR, format!("header field `{key}` is missing")));
    }
    for (key, value) in [
        ("maxNum", "x"),
        ("maxNum", "99999999999"),
        ("beginTimestamp", "1.5"),
        ("endTimestamp", "99999999999999999999"),
    ] {
        let mut fields = whole.clone();
        fields.retain(|(known, _)| *known != key);
        fields.push((key, value));
        let (code, remark) = stand.refused(RequestCode::QUERY_MESSAGE, &fields, &[]);
        assert_eq!(code, ResponseCode::SYSTEM_ERROR);
        assert!(remark.starts_with(&format!("header field `{key}` is `{value}`")), "{remark}");
    }
}
