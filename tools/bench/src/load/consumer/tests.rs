//! What a consumer asks for after each kind of answer.

use std::net::{TcpListener, TcpStream};

use protocol::command::CommandEncoder;
use protocol::frame::{HeaderEncoding, decode_frame};
use protocol::record::RecordFields;

use super::super::stamp::put_stamp;
use super::*;
use crate::plan::{Consumers, ReceiveMode, StartAt};

const NOW: u64 = 1_000_000_000;

struct Bench {
    consumer: Consumer,
    link: Link,
    tally: Tally,
    now_ns: u64,
    /// Keeps the connection open.
    _peer: TcpStream,
}

impl Bench {
    fn new(ends: &[Option<i64>], look: Look) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        let consumers = Consumers {
            mode: ReceiveMode::Pull,
            group: "G".to_owned(),
            connections: 1,
            batch: 32,
            from: StartAt::First,
            verify: false,
        };
        let queue = |(number, end): (usize, &Option<i64>)| ConsumedQueue {
            template: PullTemplate::new(&consumers, "T", number as i32),
            offset: 10,
            end: *end,
        };
        Self {
            consumer: Consumer::new(ends.iter().enumerate().map(queue).collect(), look),
            link: Link::open(address, socket.into(), 0).unwrap(),
            tally: Tally::new(),
            now_ns: NOW,
            _peer: listener.accept().unwrap().0,
        }
    }

    /// The pulls that are made now: opaque, queue and offset.
    fn pulls(&mut self) -> Vec<(i32, i32, i64)> {
        self.consumer.fill(&mut self.link, self.now_ns);
        let (mut pulls, mut rest, mut header) = (Vec::new(), self.link.out.as_slice(), Header::default());
        while let Some((frame, used)) = decode_frame(rest).unwrap() {
            header.decode(&frame).unwrap();
            let offset = header.require("queueOffset").unwrap();
            assert_eq!(header.require("commitOffset"), Ok(offset), "what was received is committed");
            pulls.push((header.opaque, header.require("queueId").unwrap(), offset));
            rest = &rest[used..];
        }
        self.link.out.clear();
        pulls
    }

    /// The offset of the one pull that is made now.
    fn pull(&mut self) -> (i32, i64) {
        let pulls = self.pulls();
        assert_eq!(pulls.len(), 1, "{pulls:?}");
        (pulls[0].0, pulls[0].2)
    }

    fn answer(&mut self, opaque: i32, code: ResponseCode, next: Option<i64>, body: &[u8]) {
        let mut bytes = Vec::new();
        let mut encoder =
            CommandEncoder::response(&mut bytes, HeaderEncoding::Json, code.0, opaque, Some("the remark"));
        encoder.optional_field("nextBeginOffset", next);
        encoder.finish_with_body(body);
        let (frame, _) = decode_frame(&bytes).unwrap().unwrap();
        self.consumer.answer(&frame, self.now_ns, &mut self.tally);
    }

    fn failures(&self) -> Vec<(Failure, u64, &str)> {
        self.tally.failures.by_count()
    }
}

fn records(bodies: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for body in bodies {
        let host = "127.0.0.1:1".parse().unwrap();
        let fields = RecordFields {
            queue_id: 0,
            flag: 0,
            queue_offset: 0,
            physical_offset: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: host,
            store_timestamp: 0,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            topic: "T",
            properties: b"",
        };
        let at = out.len();
        out.resize(at + fields.encoded_bytes(), 0);
        fields.encode(&mut out[at..]);
    }
    out
}

#[test]
fn each_queue_has_one_pull_outstanding() {
    let mut bench = Bench::new(&[None, None, None], Look::Count);
    let mut queues: Vec<_> = bench.pulls().into_iter().map(|(_, queue, offset)| (queue, offset)).collect();
    queues.sort_unstable();
    assert_eq!(queues, [(0, 10), (1, 10), (2, 10)]);
    assert!(bench.pulls().is_empty());
}

#[test]
fn messages_are_counted_and_the_next_pull_follows_at_once() {
    let mut bench = Bench::new(&[None], Look::Count);
    let (opaque, _) = bench.pull();
    bench.now_ns += 3_000_000;
    bench.answer(opaque, ResponseCode::SUCCESS, Some(12), &records(&[b"a", b"b"]));
    assert_eq!(bench.pull().1, 12);
    assert_eq!((bench.tally.messages, bench.tally.requests), (2, 1));
    assert_eq!(bench.tally.latency.max(), bench.tally.latency.highest_equivalent(3_000));
}

#[test]
fn an_empty_queue_rests_unless_the_broker_held_the_pull() {
    let mut bench = Bench::new(&[None], Look::Count);
    let (opaque, _) = bench.pull();
    bench.answer(opaque, ResponseCode::PULL_NOT_FOUND, Some(10), b"");
    assert!(bench.pulls().is_empty());
    assert_eq!(bench.consumer.next_ns(), Some(NOW + EMPTY_PAUSE_NS));
    bench.now_ns = NOW + EMPTY_PAUSE_NS;
    let (opaque, offset) = bench.pull();
    assert_eq!((offset, bench.consumer.next_ns()), (10, None));
    bench.now_ns += 15_000_000_000;
    bench.answer(opaque, ResponseCode::PULL_NOT_FOUND, Some(10), b"");
    assert_eq!(bench.pull().1, 10);
    assert_eq!((bench.tally.empty_pulls, bench.tally.failures.total()), (2, 0));
}

#[test]
fn retry_immediately_moves_on_without_a_pause() {
    let mut bench = Bench::new(&[None], Look::Count);
    let (opaque, _) = bench.pull();
    bench.answer(opaque, ResponseCode::PULL_RETRY_IMMEDIATELY, Some(500), b"");
    assert_eq!(bench.pull().1, 500);
}

#[test]
fn a_moved_offset_is_followed_and_counted() {
    let mut bench = Bench::new(&[None], Look::Count);
    let (opaque, _) = bench.pull();
    bench.answer(opaque, ResponseCode::PULL_OFFSET_MOVED, Some(90), b"");
    assert_eq!(bench.pull().1, 90);
    assert_eq!(bench.failures(), [(Failure::Answer(21), 1, "offset 10 moved to 90")]);
}

#[test]
fn a_refused_pull_is_counted_with_its_remark_and_made_again_later() {
    let mut bench = Bench::new(&[None], Look::Count);
    let (opaque, _) = bench.pull();
    bench.answer(opaque, ResponseCode::SYSTEM_BUSY, None, b"");
    assert_eq!(bench.failures(), [(Failure::Answer(2), 1, "the remark")]);
    assert!(bench.pulls().is_empty());
    bench.now_ns += REFUSED_PAUSE_NS;
    assert_eq!(bench.pull().1, 10);
}

#[test]
fn records_that_are_none_are_a_failure_and_are_asked_for_again() {
    let mut bench = Bench::new(&[None], Look::Count);
    let (opaque, _) = bench.pull();
    bench.answer(opaque, ResponseCode::SUCCESS, Some(11), &[1; 200]);
    assert_eq!(bench.failures()[0].0, Failure::BadAnswer);
    bench.now_ns += REFUSED_PAUSE_NS;
    let (opaque, offset) = bench.pull();
    assert_eq!(offset, 10);
    bench.answer(opaque, ResponseCode::SUCCESS, None, b"");
    assert_eq!(bench.failures()[0].1, 2, "an answer without the next offset is none either");
}

#[test]
fn a_changed_body_is_found_by_those_who_verify() {
    let mut bytes = records(&[b"body"]);
    bytes[protocol::record::BODY_CRC_AT] ^= 1;
    for (look, failures) in [(Look::Count, 0), (Look::Verify, 1)] {
        let mut bench = Bench::new(&[None], look);
        let (opaque, _) = bench.pull();
        bench.answer(opaque, ResponseCode::SUCCESS, Some(11), &bytes);
        assert_eq!(bench.tally.failures.total(), failures);
    }
}

#[test]
fn stamps_tell_latency_and_whose_message_it_is() {
    let mut bench = Bench::new(&[None], Look::Stamps { run_id: 7 });
    let (opaque, _) = bench.pull();
    let (mut own, mut foreign) = ([0; 16], [0; 16]);
    put_stamp(&mut own, 7, NOW - 5_000_000);
    put_stamp(&mut foreign, 8, NOW);
    bench.answer(opaque, ResponseCode::SUCCESS, Some(13), &records(&[&own, &foreign, b"short"]));
    assert_eq!((bench.tally.messages, bench.tally.foreign_messages), (1, 2));
    assert_eq!(bench.tally.latency.max(), bench.tally.latency.highest_equivalent(5_000));
}

#[test]
fn a_drain_ends_where_the_queues_ended() {
    let mut bench = Bench::new(&[Some(12), Some(10)], Look::Count);
    assert!(!bench.consumer.has_drained());
    let (opaque, offset) = bench.pull();
    assert_eq!(offset, 10, "the queue that has nothing is not asked");
    bench.answer(opaque, ResponseCode::SUCCESS, Some(12), &records(&[b"a", b"b"]));
    assert!(bench.consumer.has_drained());
    bench.consumer.fill(&mut bench.link, bench.now_ns);
    let (frame, used) = decode_frame(&bench.link.out).unwrap().unwrap();
    let mut header = Header::default();
    header.decode(&frame).unwrap();
    assert_eq!((header.code, header.require("commitOffset")), (15, Ok(12_i64)), "its end is committed");
    assert_eq!(used, bench.link.out.len(), "and nothing is pulled");
}

#[test]
fn a_lost_connection_is_counted_and_all_queues_are_asked_again() {
    let mut bench = Bench::new(&[None, None], Look::Count);
    let late = bench.pulls()[0].0;
    bench.consumer.lost(&bench.link, &io::Error::other("reset"), &mut bench.tally);
    let failures = bench.failures();
    assert_eq!((failures[0].0, failures[0].1), (Failure::ConnectionLost, 2));
    assert!(failures[0].2.ends_with("reset"), "{failures:?}");
    assert_eq!(bench.pulls().len(), 2);
    bench.answer(late, ResponseCode::SUCCESS, Some(11), &records(&[b"a"]));
    assert_eq!(bench.tally.messages, 0, "the answer to the lost pull comes too late");
}

#[test]
fn a_pull_without_answer_is_given_up_and_made_again() {
    let mut bench = Bench::new(&[None], Look::Count);
    bench.pull();
    bench.consumer.give_up(NOW, &bench.link, &mut bench.tally);
    assert!(bench.pulls().is_empty(), "it is not old enough");
    bench.consumer.give_up(NOW + 1, &bench.link, &mut bench.tally);
    assert_eq!(bench.pulls().len(), 1);
    assert_eq!(bench.failures()[0].0, Failure::NoAnswer);
}
