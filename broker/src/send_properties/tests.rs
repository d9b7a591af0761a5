//! Vectors from recorded exchanges, and the rewriting compared with a plain map.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn broker() -> BrokerProperties {
    BrokerProperties::new("DefaultRegion", true, "DefaultCluster")
}

fn text(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect()
}

fn map(text: &[u8]) -> BTreeMap<String, String> {
    let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    pairs(text).map(|pair| (owned(pair.name), owned(pair.value))).collect()
}

fn map_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn send(sent: &str) -> (SendProperties, Vec<u8>) {
    let mut out = b"before".to_vec();
    let write_key = |out: &mut Vec<u8>| out.extend_from_slice(b"MADE");
    let seen = append_send_properties(sent, &broker(), write_key, &mut out).unwrap();
    assert_eq!(&out[..6], b"before", "appends only");
    (seen, out)
}

fn at<'a>(out: &'a [u8], range: &Option<Range<usize>>) -> &'a str {
    std::str::from_utf8(&out[range.clone().unwrap()]).unwrap()
}

#[test]
fn a_send_of_the_java_client_is_stored_as_the_reference_stores_it() {
    let sent = text(&[
        ("KEYS", "jk1"),
        ("UNIQ_KEY", "FD00000000000000000000000000024E2A"),
        ("WAIT", "true"),
        ("TAGS", "TagA"),
    ]);
    let (seen, out) = send(&sent);
    let stored = map_of(&[
        ("MSG_REGION", "DefaultRegion"),
        ("UNIQ_KEY", "FD00000000000000000000000000024E2A"),
        ("CLUSTER", "DefaultCluster"),
        ("TAGS", "TagA"),
        ("KEYS", "jk1"),
        ("WAIT", "true"),
        ("TRACE_ON", "true"),
    ]);
    assert_eq!(map(&out[6..]), stored);
    assert_eq!(at(&out, &seen.unique_key), "FD00000000000000000000000000024E2A");
    assert_eq!(at(&out, &seen.keys), "jk1");
    assert_eq!(at(&out, &seen.tags), "TagA");
    assert_eq!((seen.tags_code, seen.delay_level, seen.waits_until_stored), (2_598_919, 0, true));
    assert!(!seen.transactional && seen.timer.is_none());
}

#[test]
fn a_message_without_a_unique_key_gets_one() {
    for sent in ["", "KEYS\u{1}a b\u{2}"] {
        let (seen, out) = send(sent);
        assert_eq!(at(&out, &seen.unique_key), "MADE");
        assert_eq!(map(&out[6..])["UNIQ_KEY"], "MADE");
    }
}

#[test]
fn what_the_broker_owns_is_not_taken_from_the_sender() {
    let sent =
        text(&[("POP_CK", "0 1 2"), ("A", "1"), ("CLUSTER", "Other"), ("MSG_REGION", "x"), ("TRACE_ON", "false")]);
    let stored = map(&send(&sent).1[6..]);
    assert_eq!(stored["CLUSTER"], "DefaultCluster");
    assert_eq!(stored["MSG_REGION"], "DefaultRegion");
    assert_eq!(stored["TRACE_ON"], "true");
    assert_eq!(stored["A"], "1");
    assert!(!stored.contains_key("POP_CK"));
}

#[test]
fn pieces_that_are_no_pairs_are_left_out() {
    let sent = "\u{2}x\u{2}\u{1}v\u{2}n\u{1}\u{2}A\u{1}1\u{2}novalue\u{2}B\u{1}2\u{1}3";
    let (_, out) = send(sent);
    let stored = map(&out[6..]);
    assert_eq!((stored["A"].as_str(), stored["B"].as_str()), ("1", "2\u{1}3"));
    assert_eq!(stored.len(), 2 + 4);
    assert_eq!(out.last(), Some(&VALUE_END));
}

#[test]
fn wait_false_and_half_messages_are_seen() {
    let (seen, _) = send(&text(&[("WAIT", "false"), ("TRAN_MSG", "true"), ("DELAY", "3")]));
    assert!(!seen.waits_until_stored);
    assert!(seen.is_half_message(0));
    assert!(!seen.is_half_message(1), "a consumer's retry with a delay is not a half message");
}

#[test]
fn the_timer_property_that_counts_is_the_first_of_three() {
    let sent = text(&[("TIMER_DELIVER_MS", "1795256199000"), ("TIMER_DELAY_SEC", "2"), ("TIMER_DELAY_MS", "7")]);
    let (seen, out) = send(&sent);
    let timer = seen.timer.unwrap();
    assert_eq!(timer.kind, TimerKind::DelaySeconds);
    assert_eq!(&out[timer.value], b"2");
}

#[test]
fn a_delay_level_wins_over_timers_and_what_the_wheel_delivered_is_none() {
    let timer = ("TIMER_DELAY_MS", "2000");
    assert_eq!(send(&text(&[timer, ("DELAY", "1")])).0.timer, None);
    assert_eq!(send(&text(&[timer, ("TIMER_OUT_MS", "1795256198000")])).0.timer, None);
    assert!(send(&text(&[timer, ("DELAY", "0")])).0.timer.is_some());
}

#[test]
fn a_delay_that_is_no_number_is_refused_and_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let sent = text(&[("DELAY", "soon")]);
    let error = append_send_properties(&sent, &broker(), |_| {}, &mut out).unwrap_err();
    assert_eq!(error, SendPropertiesError::DelayNotANumber { value: "soon".to_owned() });
    assert_eq!(out, b"before");
}

#[test]
fn properties_that_no_record_can_hold_are_refused() {
    let room = PROPERTIES_BYTES_MAX - broker().text.len() - text(&[("UNIQ_KEY", "MADE"), ("A", "")]).len();
    let write_key = |out: &mut Vec<u8>| out.extend_from_slice(b"MADE");
    let mut out = Vec::new();
    append_send_properties(&text(&[("A", &"x".repeat(room))]), &broker(), write_key, &mut out).unwrap();
    assert_eq!(out.len(), PROPERTIES_BYTES_MAX);
    out.clear();
    let error = append_send_properties(&text(&[("A", &"x".repeat(room + 1))]), &broker(), write_key, &mut out);
    assert_eq!(error, Err(SendPropertiesError::TooLong { bytes: PROPERTIES_BYTES_MAX + 1 }));
    assert!(out.is_empty());
}

#[test]
fn a_delayed_message_carries_its_level_and_target() {
    let (_, mut out) = send(&text(&[
        ("DELAY", "99"),
        ("REAL_TOPIC", "Earlier"),
        ("REAL_QID", "9"),
        ("TIMER_DELAY_MS", "1"),
        ("TAGS", "TagA"),
        ("KEYS", "delay"),
    ]));
    let seen = make_delayed(&mut out, 6, 18, "JT", 3).unwrap();
    let stored = map(&out[6..]);
    assert_eq!(
        (stored["DELAY"].as_str(), stored["REAL_TOPIC"].as_str(), stored["REAL_QID"].as_str()),
        ("18", "JT", "3")
    );
    assert!(!stored.contains_key("TIMER_DELAY_MS"));
    assert_eq!((at(&out, &seen.keys), at(&out, &seen.unique_key), seen.delay_level), ("delay", "MADE", 18));
    assert_eq!(out[6..].iter().filter(|byte| **byte == VALUE_END).count(), stored.len(), "nothing stands twice");
    assert_eq!(delivery_target(&out[6..]), Ok(("JT", 3)));
    assert_eq!(&out[..6], b"before");
}

#[test]
fn a_record_without_a_target_is_not_delivered() {
    let missing = |name| Err(DeliveryTargetError::Missing { name });
    assert_eq!(delivery_target(text(&[("REAL_QID", "1")]).as_bytes()), missing("REAL_TOPIC"));
    assert_eq!(delivery_target(text(&[("REAL_TOPIC", "T")]).as_bytes()), missing("REAL_QID"));
    let bad = text(&[("REAL_TOPIC", "T"), ("REAL_QID", "-1")]);
    assert_eq!(delivery_target(bad.as_bytes()), Err(DeliveryTargetError::NotAQueueId { value: "-1".to_owned() }));
}

#[test]
fn the_first_send_back_keeps_where_the_message_came_from() {
    let stored = text(&[("TAGS", "TagA"), ("UNIQ_KEY", "U"), ("WAIT", "true"), ("CLUSTER", "DefaultCluster")]);
    let copy = SendBackCopy {
        topic: "JT",
        offset_message_id: "7F000001000078BF0000000000003AD1",
        delay_level: 3,
        real_target: Some(("%RETRY%jcg", 0)),
    };
    let mut out = Vec::new();
    let seen = append_send_back_properties(stored.as_bytes(), &copy, &mut out).unwrap();
    let expected = map_of(&[
        ("TAGS", "TagA"),
        ("UNIQ_KEY", "U"),
        ("CLUSTER", "DefaultCluster"),
        ("RETRY_TOPIC", "JT"),
        ("ORIGIN_MESSAGE_ID", "7F000001000078BF0000000000003AD1"),
        ("DELAY", "3"),
        ("WAIT", "false"),
        ("REAL_TOPIC", "%RETRY%jcg"),
        ("REAL_QID", "0"),
    ]);
    assert_eq!(map(&out), expected);
    assert!(!seen.waits_until_stored);
    assert_eq!((seen.delay_level, seen.tags_code), (3, 2_598_919));
}

#[test]
fn later_send_backs_keep_the_first_origin_and_do_not_grow() {
    let stored = text(&[("TAGS", "TagA"), ("UNIQ_KEY", "U")]);
    let copy = |level| SendBackCopy {
        topic: "JT",
        offset_message_id: "FIRST",
        delay_level: level,
        real_target: Some(("%RETRY%jcg", 0)),
    };
    let mut first = Vec::new();
    append_send_back_properties(stored.as_bytes(), &copy(3), &mut first).unwrap();
    let again = SendBackCopy { topic: "%RETRY%jcg", offset_message_id: "SECOND", ..copy(4) };
    let mut second = Vec::new();
    append_send_back_properties(&first, &again, &mut second).unwrap();
    assert_eq!(map(&second)["RETRY_TOPIC"], "JT");
    assert_eq!(map(&second)["ORIGIN_MESSAGE_ID"], "FIRST");
    assert_eq!(map(&second)["DELAY"], "4");
    assert_eq!(first.len(), second.len());
}

#[test]
fn a_dead_letter_carries_the_asked_level_and_no_target() {
    let stored = text(&[("RETRY_TOPIC", "JT"), ("DELAY", "18"), ("REAL_TOPIC", "%RETRY%jcg"), ("REAL_QID", "0")]);
    let copy = SendBackCopy { topic: "%RETRY%jcg", offset_message_id: "ID", delay_level: -1, real_target: None };
    let mut out = Vec::new();
    append_send_back_properties(stored.as_bytes(), &copy, &mut out).unwrap();
    let expected = map_of(&[("RETRY_TOPIC", "JT"), ("ORIGIN_MESSAGE_ID", "ID"), ("DELAY", "-1"), ("WAIT", "false")]);
    assert_eq!(map(&out), expected);
}

#[test]
fn a_retry_send_that_is_given_up_has_level_minus_one() {
    let (_, mut out) = send(&text(&[("DELAY", "19"), ("RETRY_TOPIC", "JT")]));
    let seen = make_dead_letter(&mut out, 6).unwrap();
    assert_eq!(seen.delay_level, -1);
    assert_eq!(map(&out[6..])["DELAY"], "-1");
    assert!(retry_send_is_dead(17, 16, false) && !retry_send_is_dead(16, 16, false));
    assert!(retry_send_is_dead(0, 16, true), "ordered groups do not retry behind others");
}

#[test]
fn send_backs_are_retried_until_the_limit() {
    assert_eq!(send_back_fate(0, 16, 0), SendBackFate::Retry { delay_level: 3 });
    assert_eq!(send_back_fate(15, 16, 0), SendBackFate::Retry { delay_level: 18 });
    assert_eq!(send_back_fate(2, 16, 1), SendBackFate::Retry { delay_level: 1 });
    assert_eq!(send_back_fate(16, 16, 0), SendBackFate::DeadLetter);
    assert_eq!(send_back_fate(0, 16, -1), SendBackFate::DeadLetter);
    assert_eq!(send_back_fate(0, 0, 3), SendBackFate::DeadLetter);
}

fn property_text() -> impl Strategy<Value = String> {
    let names = vec!["TAGS", "KEYS", "UNIQ_KEY", "POP_CK", "WAIT", "CLUSTER", "REAL_TOPIC", "TIMER_DELAY_MS", "A", ""];
    let piece =
        (prop::sample::select(names), prop::sample::select(vec!["\u{1}", "", "\u{1}\u{1}"]), "[a-b\u{1}é]{0,3}");
    let ends = prop::sample::select(vec!["\u{2}", "\u{2}\u{2}"]);
    prop::collection::vec((piece, ends), 0..12).prop_flat_map(|pieces| {
        let text: String =
            pieces.iter().map(|((name, split, value), end)| format!("{name}{split}{value}{end}")).collect();
        let chars = text.chars().count();
        // Cut anywhere: the last pair may be without its end.
        (0..=chars).prop_map(move |kept| text.chars().take(kept).collect())
    })
}

proptest! {
    #[test]
    fn a_stored_send_reads_as_the_sender_s_pairs_changed_in_a_map(sent in property_text()) {
        let (seen, out) = send(&sent);
        let mut expected = map(sent.as_bytes());
        expected.remove("POP_CK");
        expected.entry("UNIQ_KEY".to_owned()).or_insert("MADE".to_owned());
        expected.extend(map(&broker().text));
        prop_assert_eq!(map(&out[6..]), expected.clone());
        prop_assert_eq!(at(&out, &seen.unique_key), &expected["UNIQ_KEY"]);
        prop_assert_eq!(seen.tags.as_ref().map(|range| &out[range.clone()]), expected.get("TAGS").map(|v| v.as_bytes()));
        prop_assert_eq!(SendProperties::scan(&out, 6), Ok(seen));
    }

    #[test]
    fn a_delayed_send_reads_as_its_pairs_changed_in_a_map(sent in property_text(), level in 1..19, queue_id in 0..9) {
        let mut out = sent.clone().into_bytes();
        make_delayed(&mut out, 0, level, "T", queue_id).unwrap();
        let mut expected = map(sent.as_bytes());
        expected.remove("TIMER_DELAY_MS");
        let (level, queue_id) = (level.to_string(), queue_id.to_string());
        expected.extend(map_of(&[("DELAY", &level), ("REAL_TOPIC", "T"), ("REAL_QID", &queue_id)]));
        prop_assert_eq!(map(&out), expected);
    }

    #[test]
    fn pairs_are_those_of_the_protocol_s_reader(text in property_text()) {
        let ours: Vec<_> = pairs(text.as_bytes()).map(|pair| (pair.name, pair.value)).collect();
        let theirs: Vec<_> = properties::iterate(text.as_bytes()).collect();
        prop_assert_eq!(ours, theirs);
    }
}
