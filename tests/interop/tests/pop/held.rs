//! Requests that wait for a message.

use std::time::{Duration, Instant};

use interop::pops::{bodies, of_queue, pop};
use interop::raw_client::{RawClient, Received};
use interop::requests::with;
use protocol::{RemotingCommand, RequestCode};

use crate::stand::{GROUP, LONG_MS, SOON_MS, Stand, TOPIC};

fn received(client: &mut RawClient) -> RemotingCommand {
    match client.receive() {
        Received::Command(answer) => answer,
        Received::Closed => panic!("the connection was closed"),
    }
}

fn notification(poll_ms: i64) -> RemotingCommand {
    of_queue(RequestCode::NOTIFICATION, GROUP, TOPIC, -1)
        .with_field("pollTime", poll_ms)
        .with_field("bornTime", 0)
        .with_field("order", false)
}

#[test]
fn pops_wait_for_a_message_that_is_theirs() {
    let mut stand = Stand::start("held", 2, "popPollingSize=2\n");
    let began = Instant::now();
    assert!(stand.ask(pop(GROUP, TOPIC, LONG_MS, 300)).is_empty());
    assert!((300..5_000).contains(&began.elapsed().as_millis()), "answered after {:?}", began.elapsed());

    let mut clients: Vec<RawClient> = (0..3).map(|_| stand.connect()).collect();
    clients[0].start(with(pop("others", TOPIC, LONG_MS, SOON_MS), "exp", "A"));
    let mine = with(pop(GROUP, TOPIC, LONG_MS, SOON_MS), "exp", "B");
    clients[1].start(mine.clone());
    stand.wait_until_held(1);
    clients[2].start(mine.clone());
    stand.wait_until_held(2);
    let full = stand.client.ask(mine);
    assert_eq!(full.code, 209, "{full:?}");
    assert_eq!(stand.client.ask(notification(SOON_MS)).get("pollingFull"), Some("true"));

    stand.send_with(1, "c", "TAGS\u{1}C\u{2}");
    stand.send_with(1, "b", "TAGS\u{1}B\u{2}");
    let answer = received(&mut clients[1]);
    assert_eq!(bodies(&stand.messages(&answer)), ["b"], "who came first gets it");
    stand.wait_until_held(1);
    stand.send_with(0, "a", "TAGS\u{1}A\u{2}");
    let answer = received(&mut clients[0]);
    assert_eq!(bodies(&stand.messages(&answer)), ["a"], "each group waits for its own");
    stand.wait_until_held(1);
    clients.truncate(0);
    stand.wait_until_held(0);
}

#[test]
fn a_held_pop_gets_a_retry_and_each_message_goes_to_one_of_many() {
    let mut stand = Stand::start("held-many", 4, "");
    stand.send(0, "first");
    assert_eq!(stand.pop(500).len(), 1);
    let mut clients: Vec<RawClient> = (0..20).map(|_| stand.connect()).collect();
    for client in &mut clients {
        client.start(with(pop(GROUP, TOPIC, LONG_MS, SOON_MS), "maxMsgNums", "1"));
    }
    stand.wait_until_held(20);
    for number in 0..19 {
        stand.send(number % 4, &format!("m{number:02}"));
    }
    let mut seen: Vec<String> = Vec::new();
    for client in &mut clients {
        let answer = received(client);
        let messages = stand.messages(&answer);
        assert_eq!(messages.len(), 1, "{answer:?}");
        seen.push(messages[0].body.clone());
    }
    seen.sort_unstable();
    let mut expected = vec!["first".to_owned()];
    expected.extend((0..19).map(|number| format!("m{number:02}")));
    assert_eq!(seen, expected);
}

#[test]
fn a_notification_tells_that_there_is_something_and_takes_nothing() {
    let mut stand = Stand::start("notified", 1, "");
    assert_eq!(stand.client.ask(notification(0)).get("hasMsg"), Some("false"));
    let mut other = stand.connect();
    other.start(notification(SOON_MS));
    stand.wait_until_held(1);
    stand.send(0, "m");
    assert_eq!(received(&mut other).get("hasMsg"), Some("true"));
    assert_eq!(stand.client.ask(notification(SOON_MS)).get("hasMsg"), Some("true"));
    assert_eq!(bodies(&stand.pop(LONG_MS)), ["m"]);
    let began = Instant::now();
    assert_eq!(stand.client.ask(notification(200)).get("hasMsg"), Some("false"), "it is invisible");
    assert!(began.elapsed() >= Duration::from_millis(200));
}
