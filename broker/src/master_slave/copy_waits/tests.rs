use observe::ReadAt;
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;

use super::*;

const TIMEOUT: ResponseCode = ResponseCode::FLUSH_SLAVE_TIMEOUT;
const NO_SLAVE: ResponseCode = ResponseCode::SLAVE_NOT_AVAILABLE;

struct World {
    waits: CopyWaits,
    outbox: Outbox,
}

impl World {
    fn new() -> Self {
        Self { waits: CopyWaits::default(), outbox: Outbox::default() }
    }

    fn send(&mut self, opaque: i32, copies: u32, code: ResponseCode) {
        let encoding = HeaderEncoding::Json;
        let ticket = Ticket {
            connection: self.outbox.open_detached(),
            opaque,
            encoding,
            is_oneway: false,
            is_held: false,
            number: 0,
            read_at: ReadAt::default(),
        };
        self.waits.push(ticket, Demand { copies, code, late: TIMEOUT }, |code, buffer| {
            let mut encoder = CommandEncoder::response(buffer, encoding, code.0, opaque, None);
            encoder.field("queueOffset", 17);
            encoder.finish();
        });
    }

    /// Codes by opaque of what was answered now.
    fn release(&mut self, kept: u64, copied: u64, now_ms: i64) -> Vec<(i32, ResponseCode)> {
        let mut told = Vec::new();
        let of_two = |copies| if copies == 2 { copied } else { 0 };
        self.waits.release(kept, of_two, now_ms, &self.outbox, |ticket, code| told.push((ticket.opaque, code)));
        let written: Vec<u8> = self.outbox.take_detached().into_iter().flat_map(|(_, bytes)| bytes).collect();
        let (mut rest, mut answers) = (&written[..], Vec::new());
        while let Some((frame, used)) = decode_frame(rest).unwrap() {
            let command = RemotingCommand::decode(&frame).unwrap();
            assert_eq!(command.get("queueOffset"), Some("17"));
            answers.push((command.opaque, ResponseCode(command.code)));
            rest = &rest[used..];
        }
        assert_eq!(answers, told);
        answers
    }
}

#[test]
fn a_send_is_answered_when_this_log_and_a_slave_s_have_it() {
    for (kept, copied, is_answered) in [(99, 100, false), (100, 99, false), (100, 100, true)] {
        let mut world = World::new();
        world.send(1, 2, ResponseCode::SUCCESS);
        world.waits.seal(100, 3_000);
        let answers = world.release(kept, copied, 10);
        assert_eq!(answers, if is_answered { vec![(1, ResponseCode::SUCCESS)] } else { vec![] });
        assert_eq!(world.waits.len(), usize::from(!is_answered));
    }
}

#[test]
fn the_time_over_it_is_answered_that_the_slave_was_too_slow_but_never_before_this_log_has_it() {
    let mut world = World::new();
    world.send(1, 2, ResponseCode::SUCCESS);
    world.waits.seal(100, 3_000);
    assert_eq!(world.release(100, 50, 2_999), []);
    assert_eq!(world.release(99, 50, 3_000), []);
    assert_eq!(world.release(100, 50, 3_000), [(1, TIMEOUT)]);
}

#[test]
fn who_waits_for_no_slave_is_answered_at_once_with_the_code_of_its_moment() {
    let mut world = World::new();
    world.send(1, 1, NO_SLAVE);
    world.waits.seal(100, 3_000);
    assert_eq!(world.release(100, 0, 0), [(1, NO_SLAVE)]);
}

#[test]
fn three_copies_are_not_there_when_two_are() {
    let mut world = World::new();
    world.send(1, 3, ResponseCode::SUCCESS);
    world.waits.seal(100, 3_000);
    assert_eq!(world.release(100, 100, 0), []);
    assert_eq!(world.release(100, 100, 4_000), [(1, TIMEOUT)]);
}

#[test]
fn answers_leave_in_the_order_of_the_log() {
    let mut world = World::new();
    for (opaque, end) in [(1, 100), (2, 200), (3, 300)] {
        world.send(opaque, 2, ResponseCode::SUCCESS);
        world.waits.seal(end, 3_000);
    }
    assert_eq!(world.release(300, 250, 0), [(1, ResponseCode::SUCCESS), (2, ResponseCode::SUCCESS)]);
    assert_eq!(world.release(300, 300, 0), [(3, ResponseCode::SUCCESS)]);
}

#[test]
fn who_waits_when_this_is_no_master_any_more_hears_that_nobody_knows() {
    let mut world = World::new();
    world.send(1, 2, ResponseCode::SUCCESS);
    world.waits.seal(100, 3_000);
    world.send(2, 2, ResponseCode::SUCCESS);
    let refused = std::cell::RefCell::new(Vec::new());
    world.waits.fail("gone", |ticket, refusal| refused.borrow_mut().push((ticket.opaque, refusal.remark.clone())));
    let refused = refused.into_inner();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|(_, remark)| remark == "it may or may not be stored: gone"));
    assert_eq!(world.waits.len(), 0);
}
