//! What is popped, what becomes of it, and when.

use std::time::{Duration, Instant};

use interop::pops::{ack, batch_ack, bodies, change, changed, of_queue, pop};
use interop::requests::{self, with};
use protocol::body::SubscriptionGroupConfig;
use protocol::pop_handle::PopSource;
use protocol::record;
use protocol::{RequestCode, ResponseCode};

use crate::stand::{GROUP, LONG_MS, SOON_MS, Stand, TOPIC};

/// A message comes again so long after its time at most.
const LATE_MAX: Duration = Duration::from_secs(1);

/// What is left of `invisible_ms` from `began` on, at least a millisecond.
fn until_ms(began: Instant, invisible_ms: i64) -> i64 {
    (invisible_ms - began.elapsed().as_millis() as i64).max(1)
}

#[test]
fn what_is_not_acknowledged_in_time_comes_again_as_a_retry_and_never_before() {
    const INVISIBLE_MS: i64 = 700;
    let mut stand = Stand::start("retries", 2, "");
    for number in 0..4 {
        stand.send(number % 2, &format!("m{number}"));
    }
    let began = Instant::now();
    let first = stand.pop(INVISIBLE_MS);
    assert_eq!(bodies(&first), ["m0", "m1", "m2", "m3"]);
    let answer = stand.client.ask(pop(GROUP, TOPIC, INVISIBLE_MS, 0));
    assert_eq!((answer.code, answer.get("restNum")), (210, Some("0")), "{answer:?}");
    assert_eq!([stand.position(0), stand.position(1)], [2, 2], "tools see the group at the end");
    for message in first.iter().filter(|message| message.body != "m2") {
        assert_eq!(stand.ack(message), 0);
        assert_eq!(stand.ack(message), 0, "once more does no harm");
    }
    let again = stand.pop_next(LONG_MS);
    let (came, due) = (began.elapsed(), Duration::from_millis(INVISIBLE_MS as u64));
    assert!((due..due + LATE_MAX).contains(&came), "came after {came:?}");
    assert_eq!(bodies(&again), ["m2"]);
    let message = &again[0];
    assert_eq!((message.reconsume_times, message.source), (1, PopSource::RetryV1));
    assert_eq!((message.topic.as_str(), message.queue_id, message.offset), (TOPIC, 0, 0));
    for property in [&format!("ORIGIN_GROUP={GROUP};")[..], "1ST_POP_TIME=", "UNIQ_KEY=", "WAIT=true;"] {
        assert!(message.properties.contains(property), "{property} in {}", message.properties);
    }
    let late = first.iter().find(|message| message.body == "m2").expect("it was popped");
    assert_eq!(stand.ack(late), 208, "its time is over");
    assert_eq!(stand.ack(message), 0);
    assert!(stand.pop(INVISIBLE_MS).is_empty());

    // Another group gets all of it.
    let others = stand.client.ask(pop("others", TOPIC, LONG_MS, 0));
    assert_eq!(bodies(&stand.messages(&others)), ["m0", "m1", "m2", "m3"]);
}

#[test]
fn what_is_never_acknowledged_becomes_a_dead_letter() {
    let mut stand = Stand::start("dead", 1, "enableRetryTopicV2=true\n");
    let group = SubscriptionGroupConfig {
        group_name: GROUP.to_owned(),
        retry_max_times: 1,
        ..SubscriptionGroupConfig::default()
    };
    let request = requests::with_body(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &group.encode());
    assert_eq!(stand.client.ask(request).code, 0);
    stand.send(0, "poison");
    assert_eq!(stand.pop(200)[0].reconsume_times, 0);
    let again = stand.pop_next(200);
    assert_eq!((again[0].reconsume_times, again[0].source), (1, PopSource::RetryV2));
    let dead = interop::until::until("the dead letter", crate::stand::SOON, || {
        let answer = stand.client.ask(requests::pull(&format!("%DLQ%{GROUP}"), 0, 0));
        if answer.code == 0 { Ok(answer.body) } else { Err(format!("{answer:?}")) }
    });
    let (record, _) = record::decode_record(&dead).expect("a record");
    assert_eq!((record.body, record.reconsume_times), (&b"poison"[..], 2));
    assert!(stand.pop(200).is_empty());
}

#[test]
fn a_changed_invisible_time_counts_and_the_former_handle_is_dead() {
    let mut stand = Stand::start("changes", 1, "");
    stand.send(0, "sooner");
    stand.send(0, "later");
    let popped = stand.pop(1_500);
    let (sooner, later) = (&popped[0], &popped[1]);
    let began = Instant::now();
    let new_sooner = changed(sooner, &stand.client.ask(change(GROUP, sooner, 400)));
    let new_later = changed(later, &stand.client.ask(change(GROUP, later, LONG_MS)));
    assert_ne!(new_sooner.handle, sooner.handle);
    for old in [ack(GROUP, sooner), change(GROUP, sooner, 1)] {
        let answer = stand.client.ask(old);
        assert_eq!(answer.code, 208, "{answer:?}");
        assert!(answer.remark.as_deref().is_some_and(|remark| remark.contains("extraInfo")), "{answer:?}");
    }
    let again = stand.pop_next(LONG_MS);
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!(bodies(&again), ["sooner"]);
    assert_eq!(stand.client.ask(change(GROUP, &new_sooner, 400)).code, 208, "it has come again");
    // What is due when the other one would have been comes, and comes alone.
    stand.send(0, "behind");
    assert_eq!(bodies(&stand.pop(until_ms(began, 1_500))), ["behind"]);
    assert_eq!(bodies(&stand.pop_next(LONG_MS)), ["behind"]);
    assert!(stand.pop(LONG_MS).is_empty());
    assert_eq!(stand.ack(&new_later), 0);
    // A time of nothing gives it back at once; suspended does not count as a try.
    let suspended = with(change(GROUP, &again[0], 0), "suspend", "true");
    assert_eq!(stand.client.ask(suspended).code, 0);
    assert_eq!(stand.pop_next(LONG_MS)[0].reconsume_times, 1);
}

#[test]
fn many_messages_are_acknowledged_at_once() {
    let mut stand = Stand::start("batches", 3, "");
    for number in 0..30 {
        stand.send(number % 3, &format!("m{number:02}"));
    }
    let popped = stand.pop(1_500);
    assert_eq!(popped.len(), 30);
    let (kept, done): (Vec<_>, Vec<_>) = popped.into_iter().partition(|message| message.body == "m17");
    let answer = stand.client.ask(batch_ack(GROUP, &done));
    assert_eq!(answer.code, 0, "{answer:?}");
    let again = stand.pop_next(1_500);
    let began = Instant::now();
    assert_eq!(bodies(&again), bodies(&kept));
    assert_eq!(stand.client.ask(batch_ack(GROUP, &again)).code, 0, "of a retry topic too");
    // What is due when the last of them would have been comes, and comes alone.
    stand.send(0, "behind");
    assert_eq!(bodies(&stand.pop(until_ms(began, 1_500))), ["behind"]);
    assert_eq!(bodies(&stand.pop_next(LONG_MS)), ["behind"]);
    assert!(stand.pop(LONG_MS).is_empty());
}

#[test]
fn a_pop_may_name_a_queue_a_number_a_filter_and_where_to_begin() {
    let mut stand = Stand::start("choices", 2, "enablePropertyFilter=true\n");
    for number in 0..6 {
        let tag = if number < 3 { "A" } else { "B" };
        stand.send_with(number % 2, &format!("m{number}"), &format!("TAGS\u{1}{tag}\u{2}n\u{1}{number}\u{2}"));
    }
    let of = |group: &str| pop(group, TOPIC, LONG_MS, 0);
    assert_eq!(bodies(&stand.ask(with(of("one"), "queueId", "1"))), ["m1", "m3", "m5"]);
    assert_eq!(bodies(&stand.ask(of("one"))), ["m0", "m2", "m4"]);
    assert_eq!(stand.ask(with(of("few"), "maxMsgNums", "4")).len(), 4);
    assert_eq!(stand.ask(with(of("few"), "maxMsgNums", "4")).len(), 2);
    assert_eq!(bodies(&stand.ask(with(of("tags"), "exp", "B"))), ["m3", "m4", "m5"]);
    assert!(stand.ask(of("tags")).is_empty(), "what was filtered is passed");
    let sql = with(with(of("sql"), "expType", "SQL92"), "exp", "n between 1 and 4 and TAGS = 'A'");
    assert_eq!(bodies(&stand.ask(sql)), ["m1", "m2"]);
    // All is in memory: a group that begins at the end begins at the first message, unless that is switched off.
    assert_eq!(stand.ask(with(of("end"), "initMode", "1")).len(), 6);
    // A look takes nothing and moves nobody.
    let peek = of_queue(RequestCode::PEEK_MESSAGE, "peekers", TOPIC, 0).with_field("maxMsgNums", 2);
    for _ in 0..2 {
        let answer = stand.client.ask(peek.clone());
        assert_eq!((answer.code, answer.get("popTime")), (0, Some("0")), "{answer:?}");
        assert_eq!(record::iterate(&answer.body).count(), 2);
    }
    assert_eq!(stand.client.ask(peek.clone()).code, 0);
    assert_eq!(stand.ask(of("peekers")).len(), 6);
    assert_eq!(stand.client.ask(peek).code, 19, "all of it is invisible");
    assert_eq!(stand.ask(with(of("one"), "pollTime", "100")).len(), 0);
}

#[test]
fn a_group_continues_where_an_operator_sets_it_and_what_is_out_stays_out() {
    let mut stand = Stand::start("resets", 1, "initPopOffsetByCheckMsgInMem=false\n");
    for number in 0..4 {
        stand.send(0, &format!("m{number}"));
    }
    let last = with(pop("from-the-end", TOPIC, LONG_MS, 0), "initMode", "1");
    assert_eq!(bodies(&stand.ask(last)), ["m3"]);
    let popped = stand.pop(LONG_MS);
    assert_eq!(stand.ack(&popped[1]), 0);
    let reset = requests::commit_offset(GROUP, TOPIC, 0, 0);
    assert_eq!(stand.client.ask(reset).code, 0);
    assert_eq!(bodies(&stand.pop(LONG_MS)), ["m1"], "the others are invisible");
    assert_eq!(stand.position(0), 4);
    // Deleted and made again, the topic begins anew.
    let delete = requests::of_group(RequestCode::DELETE_TOPIC_IN_BROKER, "topic", TOPIC);
    assert_eq!(stand.client.ask(delete).code, 0);
    assert_eq!(stand.client.ask(requests::create_topic(TOPIC, 1)).code, 0);
    stand.send(0, "new");
    assert_eq!(bodies(&stand.ask(pop(GROUP, TOPIC, LONG_MS, SOON_MS))), ["new"]);
}

#[test]
fn the_retries_of_a_deleted_topic_go_with_it_unless_settings_keep_them() {
    let mut stand = Stand::start("delete", 1, "");
    stand.send(0, "retried");
    assert_eq!(bodies(&stand.pop(200)), ["retried"]);
    assert_eq!(bodies(&stand.pop_next(LONG_MS)), ["retried"]);
    let about_retries = requests::of_group(RequestCode::GET_TOPIC_CONFIG, "topic", &format!("%RETRY%{GROUP}_{TOPIC}"));
    let delete = requests::of_group(RequestCode::DELETE_TOPIC_IN_BROKER, "topic", TOPIC);
    for (clears, wanted) in [("false", ResponseCode::SUCCESS), ("true", ResponseCode::TOPIC_NOT_EXIST)] {
        let setting = format!("clearRetryTopicWhenDeleteTopic={clears}");
        let update = requests::with_body(RequestCode::UPDATE_BROKER_CONFIG, setting.as_bytes());
        assert_eq!(stand.client.ask(update).code, 0);
        assert_eq!(stand.client.ask(about_retries.clone()).code, 0);
        assert_eq!(stand.client.ask(delete.clone()).code, 0);
        let answer = stand.client.ask(about_retries.clone());
        assert_eq!(answer.code, wanted.0, "clears {clears}: {answer:?}");
        assert_eq!(stand.client.ask(requests::create_topic(TOPIC, 1)).code, 0);
        stand.pop(LONG_MS);
    }
    stand.send(0, "new");
    assert_eq!(bodies(&stand.pop(LONG_MS)), ["new"], "nothing of the old one is left");
}
