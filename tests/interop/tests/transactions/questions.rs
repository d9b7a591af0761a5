//! What a producer is asked, how often, and what becomes of half messages that nobody ends.

use std::time::{Duration, Instant};

use interop::raw_client::RawClient;
use interop::requests;
use interop::transactions::{COMMIT, Half, Question, ROLLBACK, UNKNOWN, bodies, producer, property, stored};
use interop::until::until;
use protocol::record::decode_record;
use protocol::{RemotingCommand, RequestCode};

use crate::stand::{ASKS_LATE, ASKS_SOON, GIVEN_UP, GROUP, HALF_TOPIC, SOON, Stand, TOPIC};

fn asked(producer: &mut RawClient) -> Question {
    Question::next(producer, Instant::now() + SOON).expect("a question")
}

fn until_given_up(stand: &mut Stand, count: usize) -> Vec<Vec<u8>> {
    until("what is given up", SOON, || {
        let found = stored(&mut stand.client, GIVEN_UP, 0);
        if found.len() == count { Ok(found) } else { Err(format!("{} messages", found.len())) }
    })
}

fn waiting(stand: &mut Stand) -> i64 {
    let number =
        |answer: RemotingCommand| -> i64 { answer.get("offset").expect("an offset").parse().expect("a number") };
    let end = number(stand.client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, HALF_TOPIC, 0)));
    let position = requests::query_offset("CID_RMQ_SYS_TRANS", HALF_TOPIC, 0);
    end - number(stand.client.ask(requests::with(position, "setZeroIfNotFound", "true")))
}

#[test]
fn a_producer_is_asked_with_all_it_needs_to_answer() {
    let mut stand = Stand::start("asked", ASKS_SOON);
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let sent = Instant::now();
    let half = stand.half("open", &[("KEYS", "k1")]);
    let question = asked(&mut payer);
    assert!(sent.elapsed() >= Duration::from_millis(300), "asked after {:?}", sent.elapsed());
    assert_eq!(question.half(), half);
    let record = question.record();
    let unique = property(&record, "UNIQ_KEY").expect("a unique key");
    for (key, value) in [("msgId", unique), ("transactionId", unique), ("topic", HALF_TOPIC), ("bname", "turbopump")] {
        assert_eq!(question.request.get(key), Some(value), "{:?}", question.request);
    }
    assert_eq!((record.topic, record.queue_id, record.body), (TOPIC, 0, b"open".as_slice()));
    assert_eq!((record.physical_offset, record.queue_offset), (half.physical_offset, half.queue_offset));
    let expected = [("TRANSACTION_CHECK_TIMES", "1"), ("REAL_TOPIC", TOPIC), ("REAL_QID", "0"), ("PGROUP", GROUP)];
    for (name, value) in expected {
        assert_eq!(property(&record, name), Some(value), "{name}");
    }
    payer.send(&question.answer(GROUP, UNKNOWN));
    let second = asked(&mut payer);
    assert_eq!(second.half(), half);
    assert_eq!(property(&second.record(), "TRANSACTION_CHECK_TIMES"), Some("2"));
    payer.send(&second.answer(GROUP, COMMIT));
    until("the committed message", SOON, || if stand.seen() == ["open"] { Ok(()) } else { Err("nothing".to_owned()) });
    let bytes = stored(&mut stand.client, TOPIC, 0).remove(0);
    let (committed, _) = decode_record(&bytes).unwrap();
    assert_eq!(committed.prepared_transaction_offset, half.physical_offset);
    assert!(property(&committed, "TRANSACTION_CHECK_TIMES").is_some_and(|times| times == "2" || times == "3"));
    // Nobody is asked about what has ended: the next question is about the next message.
    let next = stand.half("next", &[]);
    let mut question = asked(&mut payer);
    while question.half() == half {
        question = asked(&mut payer);
    }
    assert_eq!(question.half(), next);
}

#[test]
fn what_nobody_ends_is_given_up_after_as_many_questions_as_are_set_and_can_be_taken_up_again() {
    let mut stand = Stand::start("given-up", ASKS_SOON);
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let half = stand.half("silent", &[]);
    let times: Vec<String> = (0..3)
        .map(|_| property(&asked(&mut payer).record(), "TRANSACTION_CHECK_TIMES").expect("a count").to_owned())
        .collect();
    assert_eq!(times, ["1", "2", "3"]);
    let found = until_given_up(&mut stand, 1);
    let (record, _) = decode_record(&found[0]).unwrap();
    assert_eq!((record.body, record.sys_flag), (b"silent".as_slice(), 0));
    let expected = [("TRANSACTION_CHECK_TIMES", "3"), ("REAL_TOPIC", TOPIC), ("REAL_QID", "0"), ("TAGS", "Halved")];
    for (name, value) in expected {
        assert_eq!(property(&record, name), Some(value), "{name}");
    }
    let (code, remark) = stand.end(&half, COMMIT);
    assert_eq!(code, 1, "{remark}");
    assert!(stand.seen().is_empty());

    // By the id of the copy; the half message itself has ended.
    let resume =
        |id: &str| RemotingCommand::request(RequestCode::RESUME_CHECK_HALF_MESSAGE.0, 0).with_field("msgId", id);
    let refused = stand.client.ask(resume(&half.id));
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.remark.as_deref().is_some_and(|remark| remark.contains("its id in TRANS_CHECK_MAX_TIME_TOPIC")));
    let copy =
        protocol::message_id::OffsetMessageId { store_host: stand.address, physical_offset: record.physical_offset };
    let resumed = stand.client.ask(resume(&copy.to_string()));
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let question = asked(&mut payer);
    assert_ne!(question.half(), half);
    assert_eq!(property(&question.record(), "TRANSACTION_CHECK_TIMES"), Some("1"));
    payer.send(&question.answer(GROUP, COMMIT));
    until("the message after all", SOON, || match stand.seen() {
        seen if seen == ["silent"] => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    assert_eq!(bodies(&mut stand.client, GIVEN_UP, 0).len(), 1);
}

#[test]
fn a_count_of_questions_can_be_begun_anew() {
    let mut stand = Stand::start("anew", ASKS_SOON);
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let half = stand.half("silent", &[]);
    let times = |question: &Question| property(&question.record(), "TRANSACTION_CHECK_TIMES").map(str::to_owned);
    assert_eq!(times(&asked(&mut payer)).as_deref(), Some("1"));
    assert_eq!(times(&asked(&mut payer)).as_deref(), Some("2"));
    let resume =
        RemotingCommand::request(RequestCode::RESUME_CHECK_HALF_MESSAGE.0, 0).with_field("msgId", half.id.as_str());
    assert_eq!(stand.client.ask(resume).code, 0);
    let mut rest = Vec::new();
    until_given_up(&mut stand, 1);
    while let Some(question) = Question::next(&mut payer, Instant::now() + Duration::from_millis(600)) {
        rest.extend(times(&question));
    }
    // Another question may have been under way.
    assert!(rest == ["1", "2", "3"] || rest == ["3", "1", "2", "3"], "{rest:?}");
}

/// Whoever hangs or does not read holds up nobody, and any producer of the group will do.
#[test]
fn any_living_producer_of_the_group_is_asked_and_a_silent_one_holds_up_nobody() {
    let mut stand = Stand::start("any", ASKS_SOON);
    let _hung = producer(stand.address, "hung", "hung-1");
    let mut gone = producer(stand.address, GROUP, "payer-0");
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let sent = stand.client.ask(interop::transactions::half(TOPIC, "hung", &vec![b'h'; 1 << 20], &[]));
    let of_hung = Half::of(&sent);
    let half = stand.half("open", &[]);
    // Both of the group are asked in turn.
    assert_eq!(asked(&mut gone).half(), half);
    assert_eq!(asked(&mut payer).half(), half);
    drop(gone);
    let next = stand.half("next", &[]);
    let question = loop {
        let question = asked(&mut payer);
        if question.half() == next {
            break question;
        }
    };
    payer.send(&question.answer(GROUP, COMMIT));
    until("the message of the group that answers", SOON, || match stand.seen() {
        seen if seen.contains(&"next".to_owned()) => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    until_given_up(&mut stand, 2);
    assert_eq!(stand.client.ask(of_hung.end("hung", COMMIT)).code, 1);
}

/// The pauses are the defaults, but for how often is looked.
#[test]
fn a_message_may_name_the_time_in_which_nobody_is_asked() {
    let properties = "transactionTimeOut=300\ntransactionCheckInterval=100\ntransactionCheckMax=100\n";
    let mut stand = Stand::start("immune", properties);
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let sent = Instant::now();
    let immune = stand.half("immune", &[("CHECK_IMMUNITY_TIME_IN_SECONDS", "2")]);
    let plain = stand.half("plain", &[]);
    let mut question = asked(&mut payer);
    assert_eq!(question.half(), plain);
    while question.half() == plain {
        question = asked(&mut payer);
    }
    assert!(sent.elapsed() >= Duration::from_secs(2), "asked after {:?}", sent.elapsed());
    assert_eq!(question.half(), immune);
    // From now on the producer only answers.
    until("the time to be over", SOON, || {
        let (code, remark) = stand.end(&immune, ROLLBACK);
        if code == 604 { Ok(()) } else { Err(format!("{code} {remark}")) }
    });
    payer.send(&question.answer(GROUP, COMMIT));
    until(
        "the committed message",
        SOON,
        || if stand.seen() == ["immune"] { Ok(()) } else { Err("nothing".to_owned()) },
    );
}

#[test]
fn tools_see_how_many_half_messages_wait() {
    let mut stand = Stand::start("progress", "transactionTimeOut=60000\ntransactionCheckInterval=100\n");
    let halves: Vec<Half> = (0..5).map(|number| stand.half(&format!("{number}"), &[])).collect();
    assert_eq!(stand.end(&halves[1], COMMIT).0, 0);
    until(
        "all that wait behind the oldest",
        SOON,
        || if waiting(&mut stand) == 5 { Ok(()) } else { Err(String::new()) },
    );
    assert_eq!(stand.end(&halves[0], ROLLBACK).0, 0);
    until("three to wait", SOON, || match waiting(&mut stand) {
        3 => Ok(()),
        other => Err(other.to_string()),
    });
    halves[2..].iter().for_each(|half| assert_eq!(stand.end(half, COMMIT).0, 0));
    until("none to wait", SOON, || match waiting(&mut stand) {
        0 => Ok(()),
        other => Err(other.to_string()),
    });
}

#[test]
fn half_messages_of_a_group_without_producers_wait_for_one() {
    let properties = "transactionTimeOut=300\ntransactionCheckInterval=100\ntransactionCheckMax=1000000\n";
    let mut stand = Stand::start("nobody", properties);
    let half = stand.half("open", &[]);
    let log = "half messages wait for groups without a connected producer";
    until("a word about it", SOON, || if stand.broker.output().contains(log) { Ok(()) } else { Err(String::new()) });
    let mut payer = producer(stand.address, GROUP, "late");
    assert_eq!(asked(&mut payer).half(), half);
    let late = Stand::half(&mut stand, "next", &[]);
    assert!(late.queue_offset == 1);
}

#[test]
fn settings_hold_at_once() {
    let mut stand = Stand::start("settings", ASKS_LATE);
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let half = stand.half("open", &[]);
    let lines = b"transactionTimeOut=100\ntransactionCheckInterval=100\n";
    assert_eq!(stand.client.ask(requests::with_body(RequestCode::UPDATE_BROKER_CONFIG, lines)).code, 0);
    assert_eq!(asked(&mut payer).half(), half);
}
