//! The receiving role of a connection: one pull outstanding for each of its queues.

use std::io;

use protocol::ResponseCode;
use protocol::frame::Frame;
use protocol::header::Header;
use protocol::record::RecordError;

use super::link::Link;
use super::pull_template::PullTemplate;
use super::record_walk::{count_records, for_each_body, verify_records};
use super::stamp::read_stamp;
use super::tally::{Failure, Tally};
use super::window::{InFlight, Window};
use crate::clock::MILLISECOND_NS;

/// Pause before a queue is asked again that had nothing, when the broker did not hold the pull.
const EMPTY_PAUSE_NS: u64 = 5 * MILLISECOND_NS;
/// Pause before a queue is asked again whose pull was refused.
const REFUSED_PAUSE_NS: u64 = 100 * MILLISECOND_NS;

/// A queue and how far it is read.
#[derive(Debug)]
pub(crate) struct ConsumedQueue {
    pub(crate) template: PullTemplate,
    /// Next message to ask for.
    pub(crate) offset: i64,
    /// Where a drain stops.
    pub(crate) end: Option<i64>,
}

/// How received messages are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// Counted.
    Count,
    /// Decoded, and their checksums compared.
    Verify,
    /// Their stamps are read: latency is from when they were due.
    Stamps {
        /// Messages of other runs are left out.
        run_id: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Consumer {
    queues: Vec<ConsumedQueue>,
    /// Queue of the pull in each slot of the window.
    pulled: Vec<usize>,
    window: Window,
    /// Queues to be asked now.
    idle: Vec<usize>,
    /// Queues to be asked later: when, and which. Not in order.
    resting: Vec<(u64, usize)>,
    look: Look,
    /// Queues that have not reached their end; those without one never do.
    undrained: usize,
    /// Queues that have, and whose last offset is to be committed: no pull will do it.
    to_commit: Vec<usize>,
    header: Header,
}

/// What became of a pull.
enum Outcome {
    /// Ask on at once.
    Next,
    /// Ask again after a pause.
    Rest(u64),
}

impl Consumer {
    pub(crate) fn new(queues: Vec<ConsumedQueue>, look: Look) -> Self {
        let window = Window::new(queues.len());
        let mut consumer = Self {
            pulled: vec![0; queues.len()],
            queues,
            window,
            idle: Vec::new(),
            resting: Vec::new(),
            look,
            undrained: 0,
            to_commit: Vec::new(),
            header: Header::default(),
        };
        consumer.idle = (0..consumer.queues.len()).filter(|queue| !consumer.is_drained(*queue)).collect();
        consumer.undrained = consumer.idle.len();
        consumer
    }

    /// Whether every queue has reached the end that it had at the start.
    pub(crate) fn has_drained(&self) -> bool {
        self.undrained == 0
    }

    fn is_drained(&self, queue: usize) -> bool {
        let queue = &self.queues[queue];
        queue.end.is_some_and(|end| queue.offset >= end)
    }

    /// Puts into the link's buffer the pulls that are to be made now.
    pub(crate) fn fill(&mut self, link: &mut Link, now_ns: u64) {
        self.resting.retain(|(at_ns, queue)| {
            let rests = *at_ns > now_ns;
            if !rests {
                self.idle.push(*queue);
            }
            rests
        });
        for queue in self.to_commit.drain(..) {
            let queue = &mut self.queues[queue];
            queue.template.append_commit(&mut link.out, queue.offset);
        }
        while link.takes_more()
            && let Some(queue) = self.idle.pop()
        {
            let opaque = self.window.start(now_ns, now_ns).expect("there is a slot for each queue");
            self.pulled[self.window.slot_of(opaque)] = queue;
            let queue = &mut self.queues[queue];
            queue.template.append(&mut link.out, opaque, queue.offset);
        }
    }

    /// When a queue's rest is over.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.resting.iter().map(|(at_ns, _)| *at_ns).min()
    }

    /// An answer has come.
    pub(crate) fn answer(&mut self, frame: &Frame<'_>, now_ns: u64, tally: &mut Tally) {
        if let Err(error) = self.header.decode(frame) {
            // Whose answer it is cannot be told; its pull is given up when its time is over.
            tally.failures.count(Failure::BadAnswer, 1, || error.to_string());
            return;
        }
        if !self.header.is_response() {
            return;
        }
        let Some(pull) = self.window.finish(self.header.opaque) else { return };
        let queue = self.pulled[pull.slot];
        let outcome = self.outcome(queue, &pull, frame, now_ns, tally);
        if self.is_drained(queue) {
            // It is not asked again, so it is counted once.
            self.undrained -= 1;
            self.to_commit.push(queue);
            return;
        }
        match outcome {
            Outcome::Next => self.idle.push(queue),
            Outcome::Rest(pause_ns) => self.resting.push((now_ns + pause_ns, queue)),
        }
    }

    fn outcome(&mut self, queue: usize, pull: &InFlight, frame: &Frame<'_>, now_ns: u64, tally: &mut Tally) -> Outcome {
        let code = ResponseCode(self.header.code);
        let next = self.header.require::<i64>("nextBeginOffset");
        let waited_ns = now_ns.saturating_sub(pull.sent_ns);
        let before = self.queues[queue].offset;
        match (code, next) {
            (ResponseCode::SUCCESS, Ok(next)) => match self.receive(frame.body, waited_ns, now_ns, tally) {
                Ok(()) => {
                    tally.requests += 1;
                    self.queues[queue].offset = next;
                    if next > before { Outcome::Next } else { Outcome::Rest(EMPTY_PAUSE_NS) }
                }
                Err(error) => {
                    tally.failures.count(Failure::BadAnswer, 1, || error.to_string());
                    Outcome::Rest(REFUSED_PAUSE_NS)
                }
            },
            (ResponseCode::PULL_NOT_FOUND | ResponseCode::PULL_RETRY_IMMEDIATELY, Ok(next)) => {
                tally.empty_pulls += 1;
                self.queues[queue].offset = next;
                let is_held = waited_ns >= EMPTY_PAUSE_NS;
                if next > before || is_held { Outcome::Next } else { Outcome::Rest(EMPTY_PAUSE_NS) }
            }
            (ResponseCode::PULL_OFFSET_MOVED, Ok(next)) => {
                // Messages between the two offsets are not there any more; whoever reads the report should know.
                let example = || format!("offset {before} moved to {next}");
                tally.failures.count(Failure::Answer(code.0), 1, example);
                self.queues[queue].offset = next;
                if next == before { Outcome::Rest(REFUSED_PAUSE_NS) } else { Outcome::Next }
            }
            (ResponseCode::SUCCESS, Err(error)) => {
                tally.failures.count(Failure::BadAnswer, 1, || error.to_string());
                Outcome::Rest(REFUSED_PAUSE_NS)
            }
            _ => {
                let remark = || self.header.remark().unwrap_or_default().to_owned();
                tally.failures.count(Failure::Answer(code.0), 1, remark);
                Outcome::Rest(REFUSED_PAUSE_NS)
            }
        }
    }

    fn receive(&self, body: &[u8], waited_ns: u64, now_ns: u64, tally: &mut Tally) -> Result<(), RecordError> {
        match self.look {
            Look::Count => tally.messages += count_records(body)?,
            Look::Verify => {
                verify_records(body)?;
                tally.messages += count_records(body)?;
            }
            Look::Stamps { run_id } => {
                return for_each_body(body, |body| match read_stamp(body, run_id) {
                    Some(due_ns) => {
                        tally.messages += 1;
                        tally.record_ns(now_ns.saturating_sub(due_ns));
                    }
                    None => tally.foreign_messages += 1,
                });
            }
        }
        tally.record_ns(waited_ns);
        Ok(())
    }

    /// The connection is lost: all queues are asked again when there is a new one.
    pub(crate) fn lost(&mut self, link: &Link, error: &io::Error, tally: &mut Tally) {
        let mut pulls = 0;
        let (pulled, idle) = (&self.pulled, &mut self.idle);
        self.window.give_up(u64::MAX, |pull| {
            pulls += 1;
            idle.push(pulled[pull.slot]);
        });
        tally.failures.count(Failure::ConnectionLost, pulls.max(1), || format!("{}: {error}", link.address()));
    }

    /// Asks again where a pull that was sent before this time was not answered.
    pub(crate) fn give_up(&mut self, sent_before_ns: u64, link: &Link, tally: &mut Tally) {
        let mut pulls = 0;
        let (pulled, idle) = (&self.pulled, &mut self.idle);
        self.window.give_up(sent_before_ns, |pull| {
            pulls += 1;
            idle.push(pulled[pull.slot]);
        });
        tally.failures.count(Failure::NoAnswer, pulls, || link.address().to_string());
    }
}

#[cfg(test)]
mod tests;
