//! A pull's whole way through a shard: bytes of requests in, bytes of messages out.

use std::cell::Cell;

use runtime::Peer;

use super::{MESSAGES, Rounds};
use crate::bench::Bench;
use crate::inputs::{self, Client, Pull};
use crate::world::Stand;

/// See the module's text.
pub const ALL: &[Bench] = &[
    Bench { name: "pull-32", covers: "pulls of 32 messages of 1 KiB from memory", run: || pull(32) },
    Bench { name: "pull-256", covers: "pulls of 256 messages of 1 KiB from memory", run: || pull(256) },
    Bench { name: "pull-held", covers: "64 pulls that find nothing and wait", run: held },
    Bench { name: "push", covers: "a sweep of 64 sends that four held pulls get", run: push },
];

const ROUNDS: Rounds = Rounds { warm_up: 4, counted: 8 };
/// Holds all that is pulled.
const CACHE_BYTES: usize = 64 << 20;
/// Messages of each queue.
const FILLED: u64 = 512;
/// Pulls of one sweep, one a queue.
const PULLS: u64 = inputs::QUEUES as u64;
const GROUP: &str = "billing-service";

fn request(queue_id: u32, offset: u64, messages_max: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (topic, broker_name, opaque) = (inputs::TOPIC, inputs::BROKER_NAME, 90_000 + queue_id as i32);
    let bytes_max = 1 << 20;
    let pull = Pull {
        group: GROUP,
        topic,
        queue_id,
        offset,
        commit_offset: offset,
        messages_max,
        bytes_max,
        opaque,
        broker_name,
    };
    pull.java(&mut bytes);
    bytes
}

fn heartbeat() -> Vec<u8> {
    let mut bytes = Vec::new();
    let (topic, broker_name) = (inputs::TOPIC, inputs::BROKER_NAME);
    let pull = Pull {
        group: GROUP,
        topic,
        queue_id: 0,
        offset: 0,
        commit_offset: 0,
        messages_max: 32,
        bytes_max: 0,
        opaque: 1,
        broker_name,
    };
    pull.java_heartbeat(&mut bytes);
    bytes
}

/// A sweep's worth of sends.
fn sends() -> Vec<u8> {
    let (mut bytes, body) = (Vec::new(), inputs::body());
    for number in 0..MESSAGES {
        inputs::nth_send(number, |send| send.encode(Client::Java, &mut bytes, &body));
    }
    bytes
}

/// A shard whose queues hold [`FILLED`] messages each, and a consumer that is subscribed to them.
fn filled() -> (Stand, Peer) {
    let stand = Stand::new(CACHE_BYTES);
    let (producer, consumer) = (stand.connect(), stand.connect());
    let sends = sends();
    for _ in 0..FILLED * u64::from(inputs::QUEUES) / MESSAGES {
        stand.sweep([(&producer, sends.as_slice())]);
        stand.run_tasks();
    }
    stand.sweep([(&consumer, heartbeat().as_slice())]);
    stand.take_answered();
    (stand, consumer)
}

fn pull(messages: u32) -> u64 {
    let (stand, consumer) = filled();
    let requests: Vec<_> = (0..inputs::QUEUES).map(|queue_id| request(queue_id, 128, messages)).collect();
    let sweep = || stand.sweep(requests.iter().map(|request| (&consumer, request.as_slice())));
    let count = PULLS * u64::from(messages);
    ROUNDS.run(
        count,
        || (),
        sweep,
        || {
            assert!(stand.take_answered() as u64 > count * inputs::BODY_BYTES as u64, "every message was sent");
        },
    )
}

/// One pull for each of 64 consumers of a group, at the end of a queue.
fn held() -> u64 {
    let (stand, _) = filled();
    let requests: Vec<_> = (0..inputs::QUEUES).map(|queue_id| request(queue_id, FILLED, 32)).collect();
    let consumers: Vec<_> = (0..MESSAGES).map(|_| stand.connect()).collect();
    let sweep = || stand.sweep(consumers.iter().zip(requests.iter().cycle().map(Vec::as_slice)));
    ROUNDS.run(
        MESSAGES,
        || (),
        sweep,
        || {
            assert_eq!(stand.take_answered(), 0, "all wait");
            consumers.iter().for_each(|consumer| stand.give_up_pulls(consumer));
        },
    )
}

fn push() -> u64 {
    let (stand, consumer) = filled();
    let producer = stand.connect();
    let sends = sends();
    let end = Cell::new(FILLED);
    let hold = || {
        let end = end.replace(end.get() + MESSAGES / PULLS);
        let requests: Vec<_> = (0..inputs::QUEUES).map(|queue_id| request(queue_id, end, 32)).collect();
        stand.sweep(requests.iter().map(|request| (&consumer, request.as_slice())));
        stand.take_answered();
    };
    let sweep = || stand.sweep([(&producer, sends.as_slice())]);
    ROUNDS.run(MESSAGES, hold, sweep, || {
        let bytes = stand.take_answered();
        assert!(bytes > MESSAGES as usize * inputs::BODY_BYTES, "answers and messages were sent");
        stand.run_tasks();
    })
}
