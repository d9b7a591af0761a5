//! The broker is killed with -9 between the halves.

use std::time::Instant;

use interop::transactions::{COMMIT, Half, Question, ROLLBACK, bodies, producer, property};
use interop::until::until;

use crate::stand::{ASKS_LATE, ASKS_SOON, GIVEN_UP, GROUP, SOON, Stand};

#[test]
fn half_messages_and_their_ends_survive_a_kill() {
    let mut stand = Stand::start("killed", ASKS_LATE);
    let mut expected = Vec::new();
    let mut open: Vec<(Half, String)> = Vec::new();
    let mut ended: Vec<Half> = Vec::new();
    for round in 0..4 {
        for number in 0..40 {
            let body = format!("{round}-{number}");
            let half = stand.half(&body, &[]);
            match number % 4 {
                0 => {
                    assert_eq!(stand.end(&half, COMMIT).0, 0);
                    expected.push(body);
                    ended.push(half);
                }
                1 => {
                    assert_eq!(stand.end(&half, ROLLBACK).0, 0);
                    ended.push(half);
                }
                _ => open.push((half, body)),
            }
        }
        stand.kill_and_start();
        assert_eq!(stand.seen(), expected, "round {round}");
        for half in &ended {
            assert_eq!(stand.end(half, COMMIT).0, 1, "{half:?} has ended before the kill");
        }
        // Half of what was open before the kill is ended after it.
        for (half, body) in open.split_off(open.len() / 2) {
            assert_eq!(stand.end(&half, COMMIT), (0, String::new()));
            expected.push(body);
            ended.push(half);
        }
    }
    assert_eq!(stand.seen(), expected);
    // An orderly end makes a checkpoint; what is open is in it.
    stand.broker.terminate();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.client = interop::raw_client::RawClient::connect(stand.address);
    for (half, body) in &open {
        assert_eq!(stand.end(half, COMMIT), (0, String::new()));
        expected.push(body.clone());
    }
    assert_eq!(stand.seen(), expected);
    assert!(ended.iter().all(|half| stand.client.ask(half.end(GROUP, COMMIT)).code == 1));
}

#[test]
fn the_count_of_questions_survives_a_kill() {
    let mut stand = Stand::start("killed-asking", ASKS_SOON);
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let half = stand.half("open", &[]);
    let deadline = Instant::now() + SOON;
    let first = Question::next(&mut payer, deadline).expect("a question");
    assert_eq!(property(&first.record(), "TRANSACTION_CHECK_TIMES"), Some("1"));
    stand.kill_and_start();
    let mut payer = producer(stand.address, GROUP, "payer-1");
    let mut last = 1;
    // Up to three questions in all; some may have gone to nobody.
    while let Some(question) = Question::next(&mut payer, Instant::now() + std::time::Duration::from_secs(2)) {
        assert_eq!(question.half(), half);
        let times: u32 = property(&question.record(), "TRANSACTION_CHECK_TIMES").expect("a count").parse().unwrap();
        assert!(times > last && times <= 3, "{times} after {last}");
        last = times;
    }
    until("it to be given up once", SOON, || match bodies(&mut stand.client, GIVEN_UP, 0) {
        given_up if given_up == ["open"] => Ok(()),
        given_up => Err(format!("{given_up:?}")),
    });
    stand.kill_and_start();
    assert_eq!(bodies(&mut stand.client, GIVEN_UP, 0), ["open"]);
    assert_eq!(stand.end(&half, COMMIT).0, 1);
    assert!(stand.seen().is_empty());
}
