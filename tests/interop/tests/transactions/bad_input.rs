//! Ends and resumptions that no client should send: refused by the protocol's code with a remark that names what is wrong; nothing
//! is stored, and nobody else notices.

use interop::requests::{with, without};
use interop::transactions::{COMMIT, Half, half};
use protocol::{RemotingCommand, RequestCode};

use crate::stand::{ASKS_LATE, GROUP, Stand, TOPIC};

#[test]
fn ends_with_wrong_fields_are_refused_and_the_half_message_stays() {
    let mut stand = Stand::start("bad-ends", ASKS_LATE);
    let open = stand.half("open", &[]);
    let plain = stand.client.ask(interop::requests::send(TOPIC, 0, b"plain"));
    let plain = Half::of(&plain);
    let good = open.end(GROUP, COMMIT);
    for key in ["producerGroup", "tranStateTableOffset", "commitLogOffset", "commitOrRollback"] {
        let answer = stand.client.ask(without(good.clone(), key));
        assert_eq!(answer.code, 1, "without {key}: {answer:?}");
        assert!(answer.remark.as_deref().is_some_and(|remark| remark.contains(key)), "{answer:?}");
    }
    for (key, value) in [
        ("tranStateTableOffset", "first"),
        ("tranStateTableOffset", "99999999999999999999"),
        ("commitLogOffset", "0x10"),
        ("commitLogOffset", ""),
        ("commitOrRollback", "8.0"),
        ("commitOrRollback", "4"),
        ("commitOrRollback", "-8"),
    ] {
        let answer = stand.client.ask(with(good.clone(), key, value));
        assert_eq!(answer.code, 1, "{key}={value}: {answer:?}");
        assert!(answer.remark.as_deref().is_some_and(|remark| remark.contains(key)), "{key}={value}: {answer:?}");
    }
    for (key, value, remark) in [
        ("producerGroup", "others", "The producer group wrong"),
        ("tranStateTableOffset", "1", "The transaction state table offset wrong"),
        ("tranStateTableOffset", "-1", "The transaction state table offset wrong"),
        ("commitLogOffset", "-1", "Find prepared transaction message failed"),
        ("commitLogOffset", "9223372036854775807", "Find prepared transaction message failed"),
        ("commitLogOffset", &(open.physical_offset + 1).to_string(), "Find prepared transaction message failed"),
        ("commitLogOffset", &plain.physical_offset.to_string(), "is no half message"),
    ] {
        let answer = stand.client.ask(with(good.clone(), key, value));
        assert_eq!(answer.code, 1, "{key}={value}: {answer:?}");
        assert!(answer.remark.as_deref().is_some_and(|said| said.contains(remark)), "{key}={value}: {answer:?}");
    }
    assert_eq!(stand.seen(), ["plain"]);
    assert_eq!(stand.client.ask(good).code, 0, "the half message is still there");
    assert_eq!(stand.seen(), ["plain", "open"]);
}

#[test]
fn half_messages_that_cannot_be_stored_are_refused() {
    let mut stand = Stand::start("bad-halves", ASKS_LATE);
    let long = "x".repeat(32_000);
    let answer = stand.client.ask(half(TOPIC, GROUP, b"x", &[("LONG", long.as_str()), ("MORE", &long[..700])]));
    assert_eq!(answer.code, 13, "{answer:?}");
    for topic in ["RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC"] {
        let answer = stand.client.ask(half(topic, GROUP, b"x", &[]));
        assert_eq!(answer.code, 16, "{topic}: {answer:?}");
    }
    // One that says itself where it goes is believed where it was sent to.
    let forged =
        stand.half("forged", &[("REAL_TOPIC", "elsewhere"), ("REAL_QID", "9"), ("TRANSACTION_CHECK_TIMES", "14")]);
    assert_eq!(stand.end(&forged, COMMIT).0, 0);
    assert_eq!(stand.seen(), ["forged"]);
    // A topic that is gone when its message is committed.
    let orphan = Half::of(&stand.client.ask(half("short-lived", GROUP, b"orphan", &[])));
    let delete = interop::requests::with(
        RemotingCommand::request(RequestCode::DELETE_TOPIC_IN_BROKER.0, 0),
        "topic",
        "short-lived",
    );
    assert_eq!(stand.client.ask(delete).code, 0);
    let (code, remark) = stand.end(&orphan, COMMIT);
    assert_eq!(code, 17, "{remark}");
    assert!(remark.contains("short-lived"), "{remark}");
}

#[test]
fn resumptions_of_what_is_no_half_message_are_refused() {
    let mut stand = Stand::start("bad-resumptions", ASKS_LATE);
    let plain = Half::of(&stand.client.ask(interop::requests::send(TOPIC, 0, b"plain")));
    let request = RemotingCommand::request(RequestCode::RESUME_CHECK_HALF_MESSAGE.0, 0);
    let missing = stand.client.ask(request.clone());
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.remark.as_deref().is_some_and(|remark| remark.contains("msgId")), "{missing:?}");
    let unknown = format!("{}{:016X}", &plain.id[..16], 1_i64 << 60);
    for id in ["x", &plain.id, &unknown, &"F".repeat(32)] {
        let answer = stand.client.ask(with(request.clone(), "msgId", id));
        assert_eq!(answer.code, 1, "{id}: {answer:?}");
        let remark = answer.remark.unwrap_or_default();
        assert!(remark.starts_with("Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed."), "{id}: {remark}");
    }
}
