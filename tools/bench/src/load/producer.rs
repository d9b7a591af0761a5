//! The sending role of a connection: what to put into its buffer, and what answers mean.

use std::io;

use protocol::frame::Frame;
use protocol::header::Header;

use super::bodies::Bodies;
use super::link::Link;
use super::response_scan::successful_opaque;
use super::schedule::ConnectionSchedule;
use super::send_template::{MessageStamp, SendTemplate};
use super::tally::{Failure, Tally};
use super::window::Window;

/// Messages of one-way sends that wait for the kernel to take them. When full, no more are put into the buffer, so that
/// the other connections get their turn.
const HAND_OVER_MAX: usize = 256;

/// What producers of one worker share.
#[derive(Debug)]
pub(crate) struct SendContext {
    /// One template for each queue; producers name them by index.
    pub(crate) templates: Vec<SendTemplate>,
    pub(crate) bodies: Bodies,
    /// Number of the next message; the upper bits are the worker's.
    pub(crate) next_number: u64,
    /// Milliseconds since 1970, as of this turn.
    pub(crate) born_ms: u64,
    /// Requests that may still be sent; `None` = no limit.
    pub(crate) requests_left: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Producer {
    /// The queues of this connection's broker, as indices of templates, taken in turn.
    queues: Vec<usize>,
    next_queue: usize,
    window: Window,
    batch: usize,
    is_oneway: bool,
    pace: Pace,
    /// Due times of one-way messages that are in the buffer.
    hand_over: Vec<u64>,
    header: Header,
}

/// When a producer sends.
#[derive(Debug)]
pub(crate) enum Pace {
    /// As soon as there is room.
    Closed,
    /// When it owes something.
    Open { schedule: ConnectionSchedule, owed: u64 },
}

impl Producer {
    /// `first_queue` keeps connections from sending to the same queue at the same time.
    pub(crate) fn new(
        queues: Vec<usize>,
        first_queue: usize,
        in_flight: usize,
        batch: usize,
        is_oneway: bool,
        pace: Pace,
    ) -> Self {
        assert!(!queues.is_empty(), "a connection is made only to a broker with a queue");
        let next_queue = first_queue % queues.len();
        let window = Window::new(in_flight);
        Self { queues, next_queue, window, batch, is_oneway, pace, hand_over: Vec::new(), header: Header::default() }
    }

    /// One more request is due.
    pub(crate) fn owe(&mut self) {
        if let Pace::Open { owed, .. } = &mut self.pace {
            *owed += 1;
        }
    }

    /// Requests that are due and not sent.
    pub(crate) fn owed(&self) -> u64 {
        match &self.pace {
            Pace::Closed => 0,
            Pace::Open { owed, .. } => *owed,
        }
    }

    /// Requests that wait for an answer, or for the kernel.
    pub(crate) fn in_flight(&self) -> usize {
        self.window.in_flight() + self.hand_over.len()
    }

    /// Puts into the link's buffer what may be sent now.
    pub(crate) fn fill(&mut self, link: &mut Link, context: &mut SendContext, now_ns: u64, tally: &mut Tally) {
        let before = link.out.len();
        self.put(link, context, now_ns);
        tally.bytes += (link.out.len() - before) as u64;
    }

    fn put(&mut self, link: &mut Link, context: &mut SendContext, now_ns: u64) {
        while link.takes_more() && self.has_room() {
            let due_ns = match &mut self.pace {
                Pace::Open { owed: 0, .. } => return,
                Pace::Open { schedule, owed } => {
                    *owed -= 1;
                    schedule.take_ns()
                }
                Pace::Closed => match &mut context.requests_left {
                    Some(0) => return,
                    Some(left) => {
                        *left -= 1;
                        now_ns
                    }
                    None => now_ns,
                },
            };
            self.send(link, context, due_ns, now_ns);
        }
    }

    /// Whether it could send more at once: it had filled the buffer, and the kernel has taken that meanwhile.
    pub(crate) fn wants_turn(&self, context: &SendContext) -> bool {
        self.has_room()
            && match &self.pace {
                Pace::Closed => context.requests_left != Some(0),
                Pace::Open { owed, .. } => *owed > 0,
            }
    }

    fn has_room(&self) -> bool {
        if self.is_oneway { self.hand_over.len() < HAND_OVER_MAX } else { self.window.has_room() }
    }

    fn send(&mut self, link: &mut Link, context: &mut SendContext, due_ns: u64, now_ns: u64) {
        let opaque = if self.is_oneway {
            self.hand_over.push(due_ns);
            1_000_000_000
        } else {
            self.window.start(due_ns, now_ns).expect("there is room")
        };
        let template = &mut context.templates[self.queues[self.next_queue]];
        self.next_queue = (self.next_queue + 1) % self.queues.len();
        let number = &mut context.next_number;
        let stamp = MessageStamp { opaque, born_ms: context.born_ms, due_ns, number, batch: self.batch };
        template.append(&mut link.out, &mut context.bodies, stamp);
    }

    /// An answer has come.
    pub(crate) fn answer(&mut self, frame: &Frame<'_>, now_ns: u64, tally: &mut Tally) {
        if let Some(opaque) = successful_opaque(frame) {
            if let Some(request) = self.window.finish(opaque) {
                self.succeeded(now_ns.saturating_sub(request.due_ns), tally);
            }
            return;
        }
        if let Err(error) = self.header.decode(frame) {
            // Whose answer it is cannot be told; its request is given up when its time is over.
            tally.failures.count(Failure::BadAnswer, 1, || error.to_string());
            return;
        }
        let header = &self.header;
        if !header.is_response() {
            return;
        }
        let Some(request) = self.window.finish(header.opaque) else { return };
        if header.code == 0 {
            self.succeeded(now_ns.saturating_sub(request.due_ns), tally);
        } else {
            let remark = || header.remark().unwrap_or_default().to_owned();
            tally.failures.count(Failure::Answer(header.code), 1, remark);
        }
    }

    /// The kernel has taken all of the buffer.
    pub(crate) fn flushed(&mut self, clock: impl Fn() -> u64, tally: &mut Tally) {
        if self.hand_over.is_empty() {
            return;
        }
        let now_ns = clock();
        while let Some(due_ns) = self.hand_over.pop() {
            self.succeeded(now_ns.saturating_sub(due_ns), tally);
        }
    }

    fn succeeded(&self, latency_ns: u64, tally: &mut Tally) {
        tally.record_ns(latency_ns);
        tally.requests += 1;
        tally.messages += self.batch as u64;
    }

    /// The connection is lost, and with it every request in flight.
    pub(crate) fn lost(&mut self, link: &Link, error: &io::Error, tally: &mut Tally) {
        let requests = self.abandon();
        tally.failures.count(Failure::ConnectionLost, requests.max(1), || format!("{}: {error}", link.address()));
    }

    /// Gives up requests that were sent before this time.
    pub(crate) fn give_up(&mut self, sent_before_ns: u64, link: &Link, tally: &mut Tally) {
        let mut requests = 0;
        self.window.give_up(sent_before_ns, |_| requests += 1);
        tally.failures.count(Failure::NoAnswer, requests, || link.address().to_string());
    }

    /// Forgets all requests in flight; returns how many.
    pub(crate) fn abandon(&mut self) -> u64 {
        let mut requests = self.hand_over.len() as u64;
        self.hand_over.clear();
        self.window.give_up(u64::MAX, |_| requests += 1);
        requests
    }
}
