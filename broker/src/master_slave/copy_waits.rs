//! Answers of a SYNC_MASTER that wait until slaves have the message too, or until their time is over. The message is
//! stored in either case; the code says which. No I/O and no clock here.

use std::collections::VecDeque;

use protocol::code::ResponseCode;
use protocol::command::RemotingCommand;
use protocol::frame::decode_frame;
use runtime::Outbox;

use crate::request::{Refusal, Ticket};

/// Answers that may wait; further sends are refused as busy.
pub(crate) const COPY_WAITS_MAX: usize = 1 << 16;

/// What an answer waits for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct Demand {
    /// Copies, the master's own among them; 1 waits for no slave.
    pub(crate) copies: u32,
    /// The code in time ...
    pub(crate) code: ResponseCode,
    /// ... and the one when the time is over.
    pub(crate) late: ResponseCode,
}

struct Waiter {
    ticket: Ticket,
    demand: Demand,
    /// How many of the batch's bytes are its answer.
    bytes: usize,
}

#[derive(Default)]
struct Batch {
    end: u64,
    deadline_ms: i64,
    waiters: Vec<Waiter>,
    bytes: Vec<u8>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct CopyWaits {
    open: Batch,
    sealed: VecDeque<Batch>,
    count: usize,
}

impl CopyWaits {
    /// Adds the answer that `encode` appends to its buffer with the code it is given. A one-way request has none.
    pub(crate) fn push(&mut self, ticket: Ticket, demand: Demand, encode: impl FnOnce(ResponseCode, &mut Vec<u8>)) {
        if ticket.is_oneway {
            return;
        }
        let before = self.open.bytes.len();
        encode(demand.code, &mut self.open.bytes);
        self.open.waiters.push(Waiter { ticket, demand, bytes: self.open.bytes.len() - before });
        self.count += 1;
    }

    /// Ends the sweep's batch: its entries end at `end`, and it waits until `deadline_ms`.
    pub(crate) fn seal(&mut self, end: u64, deadline_ms: i64) {
        if !self.open.waiters.is_empty() {
            let batch = std::mem::take(&mut self.open);
            self.sealed.push_back(Batch { end, deadline_ms, ..batch });
        }
    }

    /// How many answers wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Sends what has not to wait any longer: this log is safe up to `kept`, and so many copies as given have it up to
    /// where `copied` says. `answered` is told of each answer and its code.
    pub(crate) fn release(
        &mut self,
        kept: u64,
        copied: impl Fn(u32) -> u64,
        now_ms: i64,
        outbox: &Outbox,
        mut answered: impl FnMut(Ticket, ResponseCode),
    ) {
        while let Some(batch) = self.sealed.front() {
            let has_copies = |waiter: &Waiter| waiter.demand.copies <= 1 || copied(waiter.demand.copies) >= batch.end;
            // What this log does not keep yet is not answered, however late it is: it would not be stored.
            if batch.end > kept || (now_ms < batch.deadline_ms && !batch.waiters.iter().all(has_copies)) {
                return;
            }
            let mut at = 0;
            for waiter in &batch.waiters {
                let answer = &batch.bytes[at..at + waiter.bytes];
                at += waiter.bytes;
                let Demand { code, late, .. } = waiter.demand;
                let code = if has_copies(waiter) { code } else { late };
                outbox.with_buffer(waiter.ticket.connection, |buffer| {
                    if code == waiter.demand.code {
                        buffer.extend_from_slice(answer);
                    } else {
                        with_code(answer, code, waiter.ticket, buffer);
                    }
                });
                answered(waiter.ticket, code);
            }
            self.count -= batch.waiters.len();
            self.sealed.pop_front();
        }
    }

    /// Nobody can say any more what becomes of what they sent: whoever waits is told so.
    pub(crate) fn fail(&mut self, cause: &str, refuse: impl Fn(Ticket, &Refusal)) {
        self.seal(u64::MAX, i64::MAX);
        let refusal = Refusal::new(ResponseCode::SYSTEM_ERROR, format!("it may or may not be stored: {cause}"));
        for waiter in self.sealed.drain(..).flat_map(|batch| batch.waiters) {
            refuse(waiter.ticket, &refusal);
        }
        self.count = 0;
    }
}

/// The same answer with another code: rare, so it may take its time.
fn with_code(answer: &[u8], code: ResponseCode, ticket: Ticket, out: &mut Vec<u8>) {
    let frame = decode_frame(answer).ok().flatten();
    let command = frame.and_then(|(frame, _)| RemotingCommand::decode(&frame).ok());
    match command {
        Some(command) => RemotingCommand { code: code.0, ..command }.encode(out, ticket.encoding),
        None => unreachable!("it was encoded here"),
    }
}

#[cfg(test)]
mod tests;
