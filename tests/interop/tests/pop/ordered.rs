//! Ordered pops: a queue that somebody holds gives nothing to anybody else.

use std::time::{Duration, Instant};

use interop::pops::{Popped, ack, batch_ack, bodies, change, is_ordered, pop};
use interop::raw_client::Received;
use interop::requests::with;
use protocol::RemotingCommand;

use crate::stand::{GROUP, LONG_MS, SOON_MS, Stand, TOPIC};

fn ordered(invisible_ms: i64, poll_ms: i64, attempt_id: &str) -> RemotingCommand {
    with(with(pop(GROUP, TOPIC, invisible_ms, poll_ms), "order", "true"), "attemptId", attempt_id)
}

fn in_order(messages: &[Popped]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[test]
fn a_held_queue_gives_nothing_until_all_is_acknowledged_or_its_time_is_over() {
    let mut stand = Stand::start("ordered", 1, "");
    for number in 0..3 {
        stand.send(0, &format!("m{number}"));
    }
    let first = stand.ask(ordered(LONG_MS, 0, "one"));
    assert_eq!(in_order(&first), ["m0", "m1", "m2"]);
    assert!(first.iter().all(is_ordered));
    assert_eq!(stand.position(0), 0, "the position moves when messages are done");
    assert!(stand.ask(ordered(LONG_MS, 0, "two")).is_empty());
    stand.send(0, "m3");
    assert!(stand.ask(ordered(LONG_MS, 0, "")).is_empty(), "also not what came since");
    assert_eq!(in_order(&stand.ask(with(ordered(LONG_MS, 0, "one"), "maxMsgNums", "3"))), ["m0", "m1", "m2"]);

    // What the same try got again has new handles.
    assert_eq!(stand.ack(&first[0]), 208);
    let first = stand.ask(with(ordered(LONG_MS, 0, "one"), "maxMsgNums", "3"));
    let mut other = stand.connect();
    other.start(ordered(1_000, SOON_MS, "two"));
    stand.wait_until_held(1);
    assert_eq!(stand.ack(&first[1]), 0);
    assert_eq!(stand.position(0), 0);
    assert_eq!(stand.ack(&first[0]), 0);
    assert_eq!(stand.position(0), 2);
    assert_eq!(stand.client.ask(batch_ack(GROUP, &first[2..])).code, 0);
    let began = Instant::now();
    let Received::Command(answer) = other.receive() else { panic!("the connection was closed") };
    let next = stand.messages(&answer);
    assert_eq!(in_order(&next), ["m3"], "woken by the last acknowledgement");
    assert_eq!(answer.get("orderCountInfo"), Some("0 0 0"));

    // Not acknowledged in time: it comes again, itself and not as a retry, and is counted.
    stand.send(0, "m4");
    let answer = stand.client.ask(ordered(LONG_MS, SOON_MS, "three"));
    assert!(began.elapsed() >= Duration::from_millis(900), "came after {:?}", began.elapsed());
    let again = stand.messages(&answer);
    assert_eq!(in_order(&again), ["m3", "m4"]);
    assert_eq!(answer.get("orderCountInfo"), Some("0 qo0%3 1;0 0 0"));
    assert_eq!(stand.ack(&next[0]), 208);
    assert_eq!(stand.ack(&again[0]), 0);

    // A shorter time gives the rest back; its handle lives as long as it does.
    assert_eq!(stand.client.ask(change(GROUP, &again[1], 300)).code, 0);
    let last = stand.ask(ordered(LONG_MS, SOON_MS, "four"));
    assert_eq!(bodies(&last), ["m4"]);
    assert_eq!(stand.client.ask(ack(GROUP, &last[0])).code, 0);
    assert_eq!(stand.position(0), 5);
    assert!(stand.ask(ordered(LONG_MS, 0, "five")).is_empty());
}

#[test]
fn an_ordered_pop_is_held_through_a_kill() {
    let mut stand = Stand::start("ordered-kill", 1, "");
    for number in 0..3 {
        stand.send(0, &format!("m{number}"));
    }
    let popped = stand.ask(ordered(LONG_MS, 0, "one"));
    assert_eq!(stand.ack(&popped[0]), 0);
    stand.kill_and_start();
    assert_eq!(stand.position(0), 1);
    assert!(stand.ask(ordered(LONG_MS, 0, "two")).is_empty());
    assert_eq!(stand.ack(&popped[1]), 0);
    assert_eq!(stand.ack(&popped[2]), 0);
    stand.send(0, "m3");
    assert_eq!(in_order(&stand.ask(ordered(LONG_MS, SOON_MS, "two"))), ["m3"]);
}
