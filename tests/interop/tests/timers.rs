//! Timer messages and their recall: by a stock client, through kills, and with everything that can be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interop::clients::JavaClient;
use interop::java;
use interop::raw_client::{RawClient, Received};
use interop::registration::wait_until_registered;
use interop::requests;
use interop::resident_memory::resident_bytes;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Flush, Settings, Turbopump};
use interop::until::until;
use protocol::body::{KvTable, TimerMetrics};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::record::decode_record;
use protocol::{properties, recall_handle};

const TOPIC: &str = "later";
const LIMIT: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3_600_000;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock behind 1970").as_millis() as i64
}

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

fn done(answer: &RemotingCommand) -> &RemotingCommand {
    assert_eq!(answer.code, ResponseCode::SUCCESS.0, "{:?}", answer.remark);
    answer
}

/// A message as it came.
#[derive(Debug, Clone)]
struct Arrived {
    stored_ms: i64,
    due_ms: i64,
}

/// Everything in the topic's queue 0, by body. Twice the same is a failure.
fn all(client: &mut RawClient, topic: &str) -> (BTreeMap<String, Arrived>, Vec<i64>) {
    let (mut found, mut order, mut offset) = (BTreeMap::new(), Vec::new(), 0);
    loop {
        let answer = client.ask(requests::pull(topic, 0, offset));
        if answer.code != ResponseCode::SUCCESS.0 {
            return (found, order);
        }
        let mut rest = &answer.body[..];
        while !rest.is_empty() {
            let (record, bytes) = decode_record(rest).expect("a record");
            let body = String::from_utf8(record.body.to_vec()).expect("text");
            let due_ms = properties::get_number(record.properties, properties::TIMER_OUT_MS).unwrap_or(0);
            order.push(due_ms);
            let arrived = Arrived { stored_ms: record.store_timestamp, due_ms };
            assert!(found.insert(body.clone(), arrived).is_none(), "{body} came twice");
            rest = &rest[bytes..];
            offset += 1;
        }
    }
}

fn count(client: &mut RawClient, topic: &str) -> i64 {
    let answer = client.ask(requests::of_queue(RequestCode::GET_MAX_OFFSET, topic, 0));
    answer.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0)
}

fn pending(client: &mut RawClient) -> i64 {
    let answer = client.ask(RemotingCommand::request(RequestCode::GET_TIMER_METRICS.0, 0));
    let metrics = TimerMetrics::decode(&done(&answer).body).expect("counts");
    metrics.timing_count.values().map(|count| count.count).sum()
}

#[test]
fn a_stock_client_sets_due_times_in_every_way_and_recalls() {
    let _turn = RunLock::take();
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
    let _turn = RunLock::take();
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
        thread::sleep(Duration::from_millis(u64::try_from(at_ms - now_ms()).unwrap_or(0)));
        broker.kill_nine();
        thread::sleep(Duration::from_millis(600));
        broker.start_again();
        broker.wait_until_ready();
    }
    let expected = messages - recalled.len() as i64;
    let mut client = RawClient::connect(address(&broker));
    until("all timers", LIMIT, || match count(&mut client, TOPIC) {
        count if count >= expected => Ok(()),
        count => Err(format!("{count} of {expected}")),
    });
    thread::sleep(Duration::from_secs(1));
    let (found, order) = all(&mut client, TOPIC);
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
    let _turn = RunLock::take();
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
    thread::sleep(Duration::from_millis(u64::try_from(due_ms + 1000 - now_ms()).unwrap_or(0)));
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
    let _turn = RunLock::take();
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
    let _turn = RunLock::take();
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
    let _turn = RunLock::take();
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
    let _turn = RunLock::take();
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
        pipelined_some(&mut client, 8, |_| requests::send("now", 0, &body));
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
/// `INTEROP_TIMERS=n` changes their number.
#[test]
#[ignore = "takes minutes"]
fn a_million_pending_timers_cost_disk_and_not_memory() {
    const WATCHED: i64 = 1000;
    /// The window, what waits to be written, and what an allocator keeps of it.
    const MEMORY_BYTES_MAX: u64 = 64 << 20;
    let pending_max = std::env::var("INTEROP_TIMERS").map_or(1_000_000, |count| count.parse().expect("a number"));
    let _turn = RunLock::take();
    let scratch = Scratch::new("timers-million");
    let mut broker = Turbopump::start(&settings(Flush::Async), &scratch);
    let mut client = RawClient::connect(address(&broker));
    done(&client.ask(requests::create_topic(TOPIC, 1)));
    done(&client.ask(requests::create_topic("now", 1)));
    let padding = "x".repeat(200);
    let plain = |_| requests::send("now", 0, padding.as_bytes());
    let took = pipelined(&mut client, pending_max, plain);
    let before = resident_bytes(broker.pid());
    println!("{pending_max} messages in {took:?}, {before} bytes resident");
    let far_ms = now_ms() + 3_600_000;
    let far = |number: i64| {
        // All over the rest of a year.
        let due_ms = far_ms + (number * 7919) % pending_max * 31_000;
        requests::with(
            requests::send(TOPIC, 0, padding.as_bytes()),
            "i",
            &format!("TIMER_DELIVER_MS\u{1}{due_ms}\u{2}"),
        )
    };
    let took = pipelined(&mut client, pending_max, far);
    until("the index", LIMIT, || {
        let info = client.ask(RemotingCommand::request(RequestCode::GET_BROKER_RUNTIME_INFO.0, 0));
        let text = String::from_utf8_lossy(&info.body).into_owned();
        if text.contains("\"timerOffsetBehind\":\"0\"") { Ok(()) } else { Err(text) }
    });
    let after = resident_bytes(broker.pid());
    println!("{pending_max} timers in {took:?}, {after} bytes resident");
    assert_eq!(pending(&mut client), pending_max);
    assert!(after < before + MEMORY_BYTES_MAX, "{before} bytes before, {after} with a million timers");
    for restarted in [false, true] {
        if restarted {
            broker.kill_nine();
            broker.start_again();
            broker.wait_until_ready();
            client = RawClient::connect(address(&broker));
        }
        let from = count(&mut client, TOPIC);
        let begin_ms = now_ms() + 3000;
        let soon = |number: i64| {
            let due_ms = begin_ms + number * 3;
            let text = format!("TIMER_DELIVER_MS\u{1}{due_ms}\u{2}");
            requests::with(requests::send(TOPIC, 0, format!("{restarted} {number}").as_bytes()), "i", &text)
        };
        let _ = pipelined(&mut client, WATCHED, soon);
        until("those that are due", LIMIT, || match count(&mut client, TOPIC) - from {
            WATCHED => Ok(()),
            count => Err(format!("{count}")),
        });
        let (found, order) = all(&mut client, TOPIC);
        assert!(order.is_sorted(), "in order of due time");
        let mut late: Vec<i64> = found.values().map(|arrived| arrived.stored_ms - arrived.due_ms).collect();
        late.sort_unstable();
        let (p50, p99, most) = (late[late.len() / 2], late[late.len() * 99 / 100], late[late.len() - 1]);
        println!("restarted {restarted}: late by {p50} ms (p50), {p99} ms (p99), {most} ms at most");
        assert!(late[0] >= 0, "never early");
        assert!(p99 <= 100, "99 of 100 at most 100 ms late: {p99}");
    }
}

fn pipelined(client: &mut RawClient, count: i64, request: impl Fn(i64) -> RemotingCommand) -> Duration {
    let began = Instant::now();
    for first in (0..count).step_by(500) {
        pipelined_some(client, 500.min(count - first), |number| request(first + number));
    }
    began.elapsed()
}

/// Sends a request for each number, all at a time.
fn pipelined_some(client: &mut RawClient, count: i64, request: impl Fn(i64) -> RemotingCommand) {
    (0..count).for_each(|number| _ = client.start(request(number)));
    for _ in 0..count {
        let Received::Command(answer) = client.receive() else { panic!("closed") };
        done(&answer);
    }
}
