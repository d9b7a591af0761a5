//! Kills: what is out stays out, what is done stays done, nothing is lost.

use std::collections::BTreeSet;
use std::time::Instant;

use interop::pops::{bodies, change, changed};

use crate::stand::{LONG_MS, SOON, Stand};

#[test]
fn what_was_popped_and_acknowledged_is_known_after_kill_9() {
    let mut stand = Stand::start("kill", 2, "");
    for number in 0..20 {
        stand.send(number % 2, &format!("m{number:02}"));
    }
    let popped = stand.pop(LONG_MS);
    assert_eq!(popped.len(), 20);
    let done: Vec<_> = popped[..12].to_vec();
    for message in &done {
        assert_eq!(stand.ack(message), 0);
    }
    let short = changed(&popped[12], &stand.client.ask(change(crate::stand::GROUP, &popped[12], 300)));
    stand.kill_and_start();
    assert_eq!([stand.position(0), stand.position(1)], [10, 10]);
    let again = stand.pop_next(LONG_MS);
    assert_eq!(bodies(&again), [short.body.as_str()], "its time was over; the others are invisible still");
    assert!(stand.pop(LONG_MS).is_empty());
    for message in again.iter().chain(&popped[13..]) {
        assert_eq!(stand.ack(message), 0, "handles live on");
    }
    stand.kill_and_start();
    assert!(stand.pop(LONG_MS).is_empty());
    // From the disk: nothing of it is in memory after a start.
    let others = interop::pops::pop("others", crate::stand::TOPIC, LONG_MS, 0);
    let mut seen = BTreeSet::new();
    let began = Instant::now();
    while seen.len() < 20 {
        assert!(began.elapsed() < SOON, "only {seen:?} came from the disk");
        seen.extend(stand.ask(others.clone()).into_iter().map(|message| message.body));
    }
}

#[test]
fn nothing_is_lost_and_nothing_that_was_done_comes_again_through_kills() {
    const MESSAGES: usize = 300;
    let mut stand = Stand::start("kills", 3, "");
    for number in 0..MESSAGES {
        stand.send(number as i32 % 3, &format!("m{number:03}"));
    }
    let (mut done, mut pops) = (BTreeSet::new(), 0);
    let began = Instant::now();
    while done.len() < MESSAGES {
        assert!(began.elapsed() < 3 * SOON, "{} of {MESSAGES} came", done.len());
        for message in stand.ask(interop::pops::pop(crate::stand::GROUP, crate::stand::TOPIC, 1_000, 200)) {
            assert!(!done.contains(&message.body), "{} was done and came again", message.body);
            // One in five is not acknowledged when it first comes.
            let is_acknowledged = message.reconsume_times > 0 || message.offset % 5 != 0;
            if is_acknowledged && stand.ack(&message) == 0 {
                done.insert(message.body);
            }
        }
        pops += 1;
        if pops % 4 == 0 && pops <= 12 {
            stand.kill_and_start();
        }
    }
}
