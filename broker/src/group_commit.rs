//! Answers that wait until what they promise is true.
//!
//! The answers of one sweep form a batch. It is encoded at once and copied to its connections when the log may be
//! acknowledged up to the batch's end. No I/O and no clock here.

use std::collections::VecDeque;

use protocol::code::ResponseCode;
use runtime::Outbox;

use crate::request::{Refusal, Ticket};

/// Emptied batches kept for the next sweeps.
const SPARE_MAX: usize = 8;

struct Waiter {
    ticket: Ticket,
    /// How many of the batch's bytes are its answer.
    bytes: usize,
}

#[derive(Default)]
struct Batch {
    /// The log must be acknowledgeable up to here.
    end: u64,
    waiters: Vec<Waiter>,
    bytes: Vec<u8>,
}

/// All answers of a shard that wait for the log.
#[derive(Default)]
pub(crate) struct GroupCommit {
    open: Batch,
    sealed: VecDeque<Batch>,
    spare: Vec<Batch>,
}

impl GroupCommit {
    /// Adds the answer that `encode` appends to its buffer. A one-way request has none.
    pub(crate) fn push(&mut self, ticket: Ticket, encode: impl FnOnce(&mut Vec<u8>)) {
        if ticket.is_oneway {
            return;
        }
        let before = self.open.bytes.len();
        encode(&mut self.open.bytes);
        self.open.waiters.push(Waiter { ticket, bytes: self.open.bytes.len() - before });
    }

    /// Ends the sweep's batch: its entries end at `end`.
    pub(crate) fn seal(&mut self, end: u64) {
        if self.open.waiters.is_empty() {
            return;
        }
        assert!(self.sealed.back().is_none_or(|last| last.end <= end), "the log only grows");
        let next = self.spare.pop().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.open, next);
        batch.end = end;
        self.sealed.push_back(batch);
    }

    /// Sends every batch that ends at or below `acknowledgeable`; `answered` is told of each answer.
    pub(crate) fn release(&mut self, acknowledgeable: u64, outbox: &Outbox, mut answered: impl FnMut(Ticket)) {
        while self.sealed.front().is_some_and(|batch| batch.end <= acknowledgeable) {
            let Some(mut batch) = self.sealed.pop_front() else { return };
            let mut at = 0;
            for waiter in batch.waiters.drain(..) {
                let answer = &batch.bytes[at..at + waiter.bytes];
                outbox.with_buffer(waiter.ticket.connection, |buffer| buffer.extend_from_slice(answer));
                answered(waiter.ticket);
                at += waiter.bytes;
            }
            batch.bytes.clear();
            if self.spare.len() < SPARE_MAX {
                self.spare.push(batch);
            }
        }
    }

    /// What the answers that wait take.
    pub(crate) fn bytes(&self) -> usize {
        self.open.bytes.len() + self.sealed.iter().map(|batch| batch.bytes.len()).sum::<usize>()
    }

    /// How many answers wait.
    pub(crate) fn len(&self) -> usize {
        self.open.waiters.len() + self.sealed.iter().map(|batch| batch.waiters.len()).sum::<usize>()
    }

    /// Whether no answer waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.waiters.is_empty() && self.sealed.is_empty()
    }

    /// The log failed: whoever waits is told so. What they sent may be in the log or not.
    pub(crate) fn fail(&mut self, cause: &str, refuse: impl Fn(Ticket, &Refusal)) {
        if self.is_empty() {
            return;
        }
        self.seal(u64::MAX);
        let refusal = Refusal::new(ResponseCode::SYSTEM_ERROR, format!("it may or may not be stored: {cause}"));
        for batch in self.sealed.drain(..) {
            for waiter in batch.waiters {
                refuse(waiter.ticket, &refusal);
            }
        }
    }
}
