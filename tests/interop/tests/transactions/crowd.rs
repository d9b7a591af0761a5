//! 100,000 half messages at once: what they cost, and that none is lost.

use interop::raw_client::{RawClient, Received};
use interop::resident_memory::anonymous_bytes;
use interop::transactions::{COMMIT, Half, half};

use crate::stand::{ASKS_LATE, GROUP, Stand, TOPIC};

const HALVES: usize = 100_000;
const IN_FLIGHT: usize = 500;
/// Times that as many plain messages are sent beforehand: by then the log's cache and the allocator have what they will have.
const WARM_UPS: usize = 4;
/// What a shard may need more for all of them: 80 bytes each as stated at `HALF_MESSAGES_MAX`, and what the allocator's hold
/// on memory goes up and down by from one hundred thousand plain messages to the next, seen at up to 20 MiB.
const BYTES_MAX: u64 = 100_000 * 80 + (24 << 20);

fn pipelined(
    client: &mut RawClient,
    count: usize,
    mut request: impl FnMut(usize) -> protocol::RemotingCommand,
) -> Vec<protocol::RemotingCommand> {
    let mut answers = Vec::with_capacity(count);
    let mut started = 0;
    while answers.len() < count {
        while started < count && started - answers.len() < IN_FLIGHT {
            client.start(request(started));
            started += 1;
        }
        match client.receive() {
            Received::Command(answer) => answers.push(answer),
            Received::Closed => panic!("closed after {} answers", answers.len()),
        }
    }
    answers.sort_by_key(|answer| answer.opaque);
    answers
}

#[test]
fn a_hundred_thousand_half_messages_wait_in_bounded_memory_and_each_ends_once() {
    let mut stand = Stand::start("crowd", ASKS_LATE);
    let pid = stand.broker.pid();
    let mut before = 0;
    for _ in 0..WARM_UPS {
        let warm = pipelined(&mut stand.client, HALVES, |_| interop::requests::send("warm", 0, &[b'w'; 300]));
        assert!(warm.iter().all(|answer| answer.code == 0));
        before = before.max(anonymous_bytes(pid));
    }
    let answers =
        pipelined(&mut stand.client, HALVES, |number| half(TOPIC, GROUP, format!("{number}").as_bytes(), &[]));
    let halves: Vec<Half> = answers.iter().map(Half::of).collect();
    let after = anonymous_bytes(pid);
    println!("{HALVES} half messages: {} KiB more", after.saturating_sub(before) / 1024);
    assert!(after < before + BYTES_MAX, "{before} bytes before, {after} with {HALVES} half messages");
    assert!(halves.iter().enumerate().all(|(number, half)| half.queue_offset == number as i64));
    stand.kill_and_start();
    let ends = pipelined(&mut stand.client, HALVES, |number| halves[number].end(GROUP, COMMIT));
    assert!(ends.iter().all(|answer| answer.code == 0), "{:?}", ends.iter().find(|answer| answer.code != 0));
    let seen = stand.seen();
    assert_eq!(seen.len(), HALVES);
    let mut numbers: Vec<usize> = seen.iter().map(|body| body.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..HALVES), "each once");
}
