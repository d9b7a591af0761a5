//! Timer messages and their recall: by a stock client, through kills, and with everything that can be wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use interop::clients::JavaClient;
use interop::java;
use interop::limits::pending::{LATE_MS_MAX, TIMERS_BYTES_MAX, store_timers};
use interop::pipeline::all_succeed;
use interop::raw_client::RawClient;
use interop::registration::wait_until_registered;
use interop::requests;
use interop::resident_memory::anonymous_bytes;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::timer_watch::{arrived as all, count, now_ms, pending, watch};
use interop::turbopump::{Flush, Settings, Turbopump};
use interop::until::until;
use protocol::body::KvTable;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::recall_handle;

const TOPIC: &str = "later";
const LIMIT: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3_600_000;

fn settings(flush: Flush) -> Settings {
    Settings { shards: 1, flush, properties: "recallMessageEnable=true\n", ..Settings::standalone() }
}

fn address(broker: &Turbopump) -> SocketAddr {
    broker.target().brokers.values().next().expect("one broker").parse().expect("its address")
}

/// A send with these properties.
fn send(body: &str, with: &[(&str, String)]) -> RemotingCommand {
    let text: String = with.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect();
    requests::with(requests::send(TOPIC, 0, body.as_bytes()), "i", &text)
}

fn recall(topic: &str, handle: &str) -> RemotingCommand {
    RemotingCommand::request(RequestCode::RECALL_MESSAGE.0, 0)
        .with_field("producerGroup", "group")
        .with_field("topic", topic)
        .with_field("recallHandle", handle)
}

/// Waits until it is that late, ms since 1970: what is due then is due.
fn until_the_clock_shows(at_ms: i64) {
    while let Ok(left_ms @ 1..) = u64::try_from(at_ms - now_ms()) {
        thread::sleep(Duration::from_millis(left_ms));
    }
}

fn done(answer: &RemotingCommand) -> &RemotingCommand {
    assert_eq!(answer.code, ResponseCode::SUCCESS.0, "{:?}", answer.remark);
    answer
}

#[test]
fn a_stock_client_sets_due_times_in_every_way_and_recalls() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-java");
    let broker = Turbopump::start(&Settings { shards: 2, ..settings(Flush::Async) }, &scratch);
    wait_until_registered(broker.target());
    java::passes_on(JavaClient::V5, "timers", broker.target(), &scratch);
}

#[test]
fn timers_survive_kills_and_come_once_in_order_and_never_early_with_asynchronous_flush() {
    survive_kills(Flush::Async, "timers-kill-async", 600);
}

#[test]
#[ignore = "make interop-long: the other flush mode is tried with every change"]
fn timers_survive_kills_and_come_once_in_order_and_never_early_with_synchronous_flush() {
    survive_kills(Flush::Sync, "timers-kill-sync", 120);
}

/// Some become due while the broker is dead, some while it runs, some after each restart; one in five is recalled.
fn survive_kills(flush: Flush, name: &str, messages: i64) {
    const KILLS: i64 = 3;
    /// All are sent before the first is due.
    const FIRST_MS: i64 = 12_000;
    let _turn = RunLock::alone();
    let scratch = Scratch::new(name);
    let mut broker = Turbopump::start(&settings(flush), &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    let (began_ms, mut recalled) = (now_ms(), BTreeSet::new());
    for number in 0..messages {
        // Not in the order of their due times.
        let due_ms = began_ms + FIRST_MS + (number * 7919) % messages * 7200 / messages;
        let sent = client.ask(send(&format!("m{number}"), &[("TIMER_DELIVER_MS", due_ms.to_string())]));
        if number % 5 == 0 {
            let handle = done(&sent).get("recallHandle").expect("a recall handle").to_owned();
            done(&client.ask(recall(TOPIC, &handle)));
            recalled.insert(format!("m{number}"));
        }
        done(&sent);
    }
    for kill in 1..=KILLS {
        let at_ms = began_ms + FIRST_MS + kill * 1700;
        until_the_clock_shows(at_ms);
        broker.kill_nine();
        // Some become due meanwhile.
        until_the_clock_shows(at_ms + 600);
        broker.start_again();
        broker.wait_until_ready();
    }
    let expected = messages - recalled.len() as i64;
    let mut client = RawClient::connect(address(&broker));
    until("all timers", LIMIT, || match count(&mut client, TOPIC) {
        count if count >= expected => Ok(()),
        count => Err(format!("{count} of {expected}")),
    });
    // Timers come in the order of their due times: with the last one, all have come that ever will.
    let last_ms = now_ms().max(began_ms + FIRST_MS + 7200) + 100;
    done(&client.ask(send("last", &[("TIMER_DELIVER_MS", last_ms.to_string())])));
    let (mut found, order) = until("the last timer", LIMIT, || match all(&mut client, TOPIC) {
        (found, order) if found.contains_key("last") => Ok((found, order)),
        (found, _) => Err(format!("{} timers", found.len())),
    });
    found.remove("last");
    assert_eq!(found.len() as i64, expected);
    assert!(order.is_sorted(), "in order of due time");
    for (body, arrived) in &found {
        assert!(!recalled.contains(body), "{body} was recalled");
        assert!(arrived.stored_ms >= arrived.due_ms, "{body} came {} ms early", arrived.due_ms - arrived.stored_ms);
    }
    assert_eq!(pending(&mut client), 0);
}

#[test]
fn a_long_downtime_ends_with_all_that_became_due_at_once_and_in_order() {
    const MESSAGES: i64 = 2000;
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-downtime");
    let mut broker = Turbopump::start(&settings(Flush::Async), &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    let due_ms = now_ms() + 12_000;
    for number in 0..MESSAGES {
        let due_ms = due_ms + (number * 31) % 97;
        done(&client.ask(send(&format!("m{number}"), &[("TIMER_DELIVER_MS", due_ms.to_string())])));
    }
    assert_eq!((count(&mut client, TOPIC), pending(&mut client)), (0, MESSAGES), "sent before the first is due");
    broker.kill_nine();
    until_the_clock_shows(due_ms + 1000);
    broker.start_again();
    broker.wait_until_ready();
    let began = Instant::now();
    let mut client = RawClient::connect(address(&broker));
    until("all timers", LIMIT, || match count(&mut client, TOPIC) {
        MESSAGES => Ok(()),
        count => Err(format!("{count}")),
    });
    println!("{MESSAGES} timers after {:?}", began.elapsed());
    let (found, order) = all(&mut client, TOPIC);
    assert_eq!(found.len() as i64, MESSAGES);
    assert!(order.is_sorted(), "in order of due time");
}

#[test]
fn what_is_wrong_with_a_timer_is_told_by_its_name_and_nothing_is_stored() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-wrong");
    let broker = Turbopump::start(&settings(Flush::Async), &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    let far = (now_ms() + 366 * DAY_MS).to_string();
    let wrong = [
        ("TIMER_DELAY_SEC", "x"),
        ("TIMER_DELAY_SEC", "1.5"),
        ("TIMER_DELAY_SEC", "31536001"),
        ("TIMER_DELAY_SEC", "9223372036854775807"),
        ("TIMER_DELAY_MS", " 5"),
        ("TIMER_DELAY_MS", "99999999999999999999"),
        ("TIMER_DELAY_MS", "31536000001"),
        ("TIMER_DELIVER_MS", "tomorrow"),
        ("TIMER_DELIVER_MS", far.as_str()),
    ];
    for (name, value) in wrong {
        let answer = client.ask(send("wrong", &[(name, value.to_owned())]));
        let remark = answer.remark.clone().unwrap_or_default();
        assert_eq!(answer.code, ResponseCode::MESSAGE_ILLEGAL.0, "{name}={value}: {remark}");
        assert!(remark.contains(name) && remark.contains(value), "{name}={value}: {remark}");
    }
    let late_recall = [("TIMER_DELAY_MS", "0".to_owned()), ("TIMER_DEL_UNIQKEY", "U".to_owned())];
    let answer = client.ask(send("wrong", &late_recall));
    assert_eq!(answer.code, ResponseCode::MESSAGE_ILLEGAL.0, "{:?}", answer.remark);
    let long = [("TIMER_DELAY_MS", "5000".to_owned()), ("A", "x".repeat(32_600))];
    assert_eq!(client.ask(send("wrong", &long)).code, ResponseCode::MESSAGE_ILLEGAL.0);
    assert_eq!((count(&mut client, TOPIC), pending(&mut client)), (0, 0));
    // What is due already is an ordinary message, and says so by having no handle.
    for (number, value) in ["0", "-1", "-9223372036854775808"].iter().enumerate() {
        let answer = client.ask(send(&format!("due {number}"), &[("TIMER_DELAY_MS", (*value).to_owned())]));
        assert_eq!(done(&answer).get("recallHandle"), None);
    }
    assert_eq!(all(&mut client, TOPIC).0.len(), 3);
    let answer = client.ask(requests::send("rmq_sys_wheel_timer", 0, b"no timer"));
    assert_eq!(answer.code, ResponseCode::NO_PERMISSION.0, "{:?}", answer.remark);
}

#[test]
fn what_is_wrong_with_a_recall_is_told_and_the_message_comes() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-wrong-recalls");
    let broker = Turbopump::start(&settings(Flush::Async), &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    done(&client.ask(requests::create_topic("other", 1)));
    let due_ms = now_ms() + 3000;
    let unique = "7F00000100002A9F0000000000000001";
    let with = [("TIMER_DELIVER_MS", due_ms.to_string()), ("UNIQ_KEY", unique.to_owned())];
    let sent = client.ask(send("kept", &with));
    let handle = done(&sent).get("recallHandle").expect("a handle").to_owned();
    assert_eq!(handle, recall_handle::encode(TOPIC, "turbopump", due_ms, unique));
    let of = |topic: &str, broker: &str, due_ms: i64| recall_handle::encode(topic, broker, due_ms, unique);
    let wrong = [
        (TOPIC, String::new(), "recall handle is invalid"),
        (TOPIC, "!!!".to_owned(), "recall handle is invalid"),
        (TOPIC, "djEgSlQ=".to_owned(), "recall handle is invalid"),
        (TOPIC, "x".repeat(10_000), "recall handle is invalid"),
        ("other", handle.clone(), "topic not match"),
        (TOPIC, of(TOPIC, "turbopump-9", due_ms), "broker service not available"),
        (TOPIC, of(TOPIC, "turbopump", now_ms() - 1), "timestamp invalid"),
        (TOPIC, of(TOPIC, "turbopump", now_ms() + 366 * DAY_MS), "timestamp invalid"),
        (TOPIC, of(TOPIC, "turbopump", -7), "timestamp invalid"),
    ];
    for (topic, handle, why) in wrong {
        let answer = client.ask(recall(topic, &handle));
        let remark = answer.remark.clone().unwrap_or_default();
        assert_eq!(answer.code, ResponseCode::ILLEGAL_OPERATION.0, "{handle}: {remark}");
        assert!(remark.contains(why), "{handle}: {remark}");
    }
    let without = requests::without(recall(TOPIC, &handle), "recallHandle");
    assert_eq!(client.ask(without).code, ResponseCode::ILLEGAL_OPERATION.0);
    let answer = client.ask(requests::without(recall(TOPIC, &handle), "topic"));
    assert_eq!(answer.code, ResponseCode::SYSTEM_ERROR.0);
    assert!(answer.remark.is_some_and(|remark| remark.contains("topic")));
    let answer = client.ask(recall("nobodys", &of("nobodys", "turbopump", due_ms)));
    assert_eq!(answer.code, ResponseCode::TOPIC_NOT_EXIST.0);
    // One that recalls nothing is taken, as in the reference, and does no harm.
    let answer = client.ask(recall(TOPIC, &recall_handle::encode(TOPIC, "turbopump", due_ms, "nobody's")));
    assert_eq!(done(&answer).get("msgId"), Some("nobody's"));
    until("the message", LIMIT, || match count(&mut client, TOPIC) {
        1 => Ok(()),
        count => Err(format!("{count}")),
    });
    let answer = client.ask(recall(TOPIC, &handle));
    assert_eq!(answer.code, ResponseCode::ILLEGAL_OPERATION.0, "it was delivered: {:?}", answer.remark);
    let check_point = client.ask(RemotingCommand::request(RequestCode::GET_TIMER_CHECK_POINT.0, 0));
    let body = done(&check_point).body.clone();
    assert_eq!(body.len(), 56);
    let number = |at: usize| i64::from_be_bytes(body[8 * at..8 * at + 8].try_into().unwrap());
    assert_eq!((number(0), number(2), number(3)), (due_ms, 2, 2), "a message and a recall");
}

#[test]
fn without_the_settings_timers_and_recalls_are_refused() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-off");
    let off = Settings { shards: 1, properties: "timerWheelEnable=false\n", ..Settings::standalone() };
    let broker = Turbopump::start(&off, &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    let answer = client.ask(send("refused", &[("TIMER_DELAY_MS", "10".to_owned())]));
    assert_eq!(answer.code, ResponseCode::SYSTEM_ERROR.0);
    assert!(answer.remark.is_some_and(|remark| remark.contains("timerWheelEnable is false")));
    let answer = client.ask(recall(TOPIC, &recall_handle::encode(TOPIC, "turbopump", now_ms() + 5000, "U")));
    assert_eq!(answer.code, ResponseCode::NO_PERMISSION.0);
    assert!(answer.remark.is_some_and(|remark| remark.contains("recallMessageEnable")));
    assert_eq!(count(&mut client, TOPIC), 0);
}

/// Pending timers are stored again before the segments they lie in go.
#[test]
#[ignore = "takes a minute and a half: make interop-long"]
fn retention_removes_no_timer() {
    const MESSAGES: usize = 40;
    const SEGMENT_BYTES: u64 = 4 << 20;
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-retention");
    let properties =
        "recallMessageEnable=true\nmappedFileSizeCommitLog=4194304\nlogBytesMax=33554432\nmaxMessageSize=2097152\n";
    let broker = Turbopump::start(&Settings { properties, ..settings(Flush::Async) }, &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    done(&client.ask(requests::create_topic("now", 1)));
    let due_ms = now_ms() + 90_000;
    let mut handles = Vec::new();
    for number in 0..MESSAGES {
        let sent = client.ask(send(&format!("m{number}"), &[("TIMER_DELIVER_MS", due_ms.to_string())]));
        handles.push(done(&sent).get("recallHandle").expect("a handle").to_owned());
    }
    // A recall that is rolled too, and one of a timer that is.
    done(&client.ask(recall(TOPIC, &handles[0])));
    let body = vec![b'x'; 1 << 20];
    // Two checkpoints lie behind a segment that goes, and each is made after sixteen segments.
    until("the first segment to go", Duration::from_secs(85), || {
        all_succeed(&mut client, 8, |_| requests::send("now", 0, &body));
        let info = client.ask(RemotingCommand::request(RequestCode::GET_BROKER_RUNTIME_INFO.0, 0));
        let table = KvTable::decode(&info.body).expect("a table").table;
        match table["commitLogMinOffset"].parse::<u64>() {
            Ok(first) if first >= SEGMENT_BYTES => Ok(()),
            _ => Err(format!("{:?} to {:?}", table["commitLogMinOffset"], table["commitLogMaxOffset"])),
        }
    });
    assert_eq!((count(&mut client, TOPIC), pending(&mut client)), (0, MESSAGES as i64), "not due yet");
    done(&client.ask(recall(TOPIC, &handles[1])));
    until("the timers", Duration::from_secs(100), || match count(&mut client, TOPIC) {
        count if count >= MESSAGES as i64 - 2 => Ok(()),
        count => Err(format!("{count}")),
    });
    let (found, _) = all(&mut client, TOPIC);
    let expected: BTreeSet<String> = (2..MESSAGES).map(|number| format!("m{number}")).collect();
    assert_eq!(found.into_keys().collect::<BTreeSet<_>>(), expected);
    assert_eq!(pending(&mut client), 0);
}

/// What a million pending timers cost: memory beside that of a million messages of any kind, and how late others are then.
/// `INTEROP_TIMERS=n` changes their number. `make limits` measures the same of the release build.
#[test]
#[ignore = "takes minutes: make limits"]
fn a_million_pending_timers_cost_disk_and_not_memory() {
    const WATCHED: usize = 1000;
    let timers = std::env::var("INTEROP_TIMERS").map_or(1_000_000, |count| count.parse().expect("a number"));
    let _turn = RunLock::alone();
    let scratch = Scratch::new("timers-million");
    let mut broker = Turbopump::start(&settings(Flush::Async), &scratch);
    let mut client = RawClient::connect(address(&broker));
    for topic in [TOPIC, "now", "watched", "watched-again"] {
        done(&client.ask(requests::create_topic(topic, 1)));
    }
    all_succeed(&mut client, timers, |_| requests::send("now", 0, &[b'x'; 300]));
    let before = anonymous_bytes(broker.pid());
    let began = Instant::now();
    store_timers(&mut client, TOPIC, timers);
    let after = anonymous_bytes(broker.pid());
    println!("{timers} timers in {:?}: {before} bytes before, {after} after", began.elapsed());
    assert_eq!(pending(&mut client), timers as i64);
    assert!(after < before + TIMERS_BYTES_MAX, "{before} bytes before, {after} with a million timers");
    for topic in ["watched", "watched-again"] {
        let lateness = watch(&mut client, topic, WATCHED);
        println!("{topic}: late by {lateness}");
        assert!(lateness.p99_ms <= LATE_MS_MAX, "late by {lateness}");
        if topic == "watched" {
            broker.kill_nine();
            broker.start_again();
            broker.wait_until_ready();
            client = RawClient::connect(address(&broker));
        }
    }
}
