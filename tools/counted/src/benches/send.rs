//! A send's whole way through a shard: bytes of requests in, bytes of answers out.

use super::{CACHE_BYTES, MESSAGES, Rounds};
use crate::bench::Bench;
use crate::inputs::{self, Client};
use crate::world::Stand;

/// See the module's text.
pub const ALL: &[Bench] = &[
    Bench { name: "send-java", covers: "a sweep of 64 clients with one send each", run: || send(Client::Java, 64, 1) },
    Bench { name: "send-go", covers: "the same, Go clients", run: || send(Client::Go, 64, 1) },
    Bench { name: "send-binary", covers: "the same, binary headers", run: || send(Client::JavaBinary, 64, 1) },
    Bench { name: "send-pipelined", covers: "a sweep of one client with 64 sends", run: || send(Client::Java, 1, 64) },
    Bench { name: "send-alone", covers: "a sweep of one client with one send", run: || send(Client::Java, 1, 1) },
    Bench { name: "send-batch", covers: "a sweep of one client with two batches of 32", run: batch },
    Bench { name: "commit", covers: "what writes the log after a sweep of 64, without the write", run: commit },
];

/// An answer with less is none to a send.
const ANSWER_BYTES_MIN: u64 = 100;
const MESSAGE_ID_BYTES: u64 = 32;

/// Each client's bytes.
fn received(client: Client, clients: u64, each: u64) -> Vec<Vec<u8>> {
    let body = inputs::body();
    let bytes_of = |first: u64| {
        let mut bytes = Vec::new();
        for number in first..first + each {
            inputs::nth_send(number, |send| send.encode(client, &mut bytes, &body));
        }
        bytes
    };
    (0..clients).map(|number| bytes_of(number * each)).collect()
}

fn send(client: Client, clients: u64, each: u64) -> u64 {
    let stand = Stand::new(CACHE_BYTES);
    let received = received(client, clients, each);
    let peers: Vec<_> = received.iter().map(|_| stand.connect()).collect();
    let sweep = || stand.sweep(peers.iter().zip(received.iter().map(Vec::as_slice)));
    let messages = clients * each;
    // Sweeps of one message make small buffers: more of them fill the cache, and other things happen more rarely.
    let rounds = if messages == 1 { Rounds { warm_up: 256, counted: 256 } } else { Rounds::OF_SWEEPS };
    rounds.run(
        messages,
        || (),
        sweep,
        || {
            assert!(stand.take_answered() as u64 > messages * ANSWER_BYTES_MIN, "every send was answered");
            stand.run_tasks();
        },
    )
}

fn batch() -> u64 {
    const EACH: u64 = 32;
    let stand = Stand::new(CACHE_BYTES);
    let peer = stand.connect();
    let (mut bytes, body) = (Vec::new(), inputs::body());
    for first in (0..MESSAGES).step_by(EACH as usize) {
        inputs::nth_send(first, |send| send.java_batch(EACH, &mut bytes, &body));
    }
    let sweep = || stand.sweep([(&peer, bytes.as_slice())]);
    Rounds::OF_SWEEPS.run(
        MESSAGES,
        || (),
        sweep,
        || {
            assert!(stand.take_answered() as u64 > MESSAGES * MESSAGE_ID_BYTES, "every message has an id in an answer");
            stand.run_tasks();
        },
    )
}

fn commit() -> u64 {
    let stand = Stand::new(CACHE_BYTES);
    let received = received(Client::Java, MESSAGES, 1);
    let peers: Vec<_> = received.iter().map(|_| stand.connect()).collect();
    let sweep = || stand.sweep(peers.iter().zip(received.iter().map(Vec::as_slice)));
    Rounds::OF_SWEEPS.run(
        MESSAGES,
        sweep,
        || stand.run_tasks(),
        || {
            assert!(stand.take_written() >= MESSAGES * inputs::BODY_BYTES as u64, "the sweep was written");
        },
    )
}
