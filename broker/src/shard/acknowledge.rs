//! Answers that wait until what they tell is safe, and what consumers see at the same moment.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;

use super::Shard;
use crate::arrivals::Arrivals;
use crate::env::Env;
use crate::processor::pull;
use crate::request::{Halt, Ticket};

impl<E: Env> Shard<E> {
    /// Makes an entry of everything appended since the last one, and a batch of the answers that wait for it.
    pub(crate) fn seal(&self) {
        // Another replica may lead the next moment, and has to know the offsets; and nobody hears of a pop that is not in the log.
        // What waits in the list since a sweep whose end the log took nothing at is no longer marked.
        let wants_offsets = self.replica.get().is_some()
            || self.tables.borrow().pops.is_dirty()
            || !self.scratch.borrow().records.is_empty();
        let are_offsets_logged = !wants_offsets || self.log_offsets();
        let end = self.store.log().seal();
        // Those who were to hear of an offset that the log does not take now wait for the next batch.
        if are_offsets_logged {
            self.commit.borrow_mut().seal(end.position);
            self.seal_copy_waits(end.position);
        }
    }

    /// Has this replica show, before what [`Self::answer_settled`] answers, that it leads still: by an entry that a majority
    /// has to take. One that stood still, and was replaced meanwhile, would tell what was so before.
    /// # Errors
    /// The log takes none now.
    pub(crate) fn confirm_lead(&self) -> Result<(), Halt> {
        if self.replica.get().is_some() {
            self.store.log().append(0, 0, &[], |_, _| ())?;
        }
        Ok(())
    }

    /// Answers what shows the tables. What they hold may be in doubt yet where a majority has to agree.
    pub(crate) fn answer_settled(&self, ticket: Ticket, fields: impl FnOnce(&mut CommandEncoder<'_>)) {
        if self.replica.get().is_none() {
            return ticket.answer(self, ResponseCode::SUCCESS, None, fields);
        }
        self.answer_when_safe(ticket, |buffer| {
            let mut encoder =
                CommandEncoder::response(buffer, ticket.encoding, ResponseCode::SUCCESS.0, ticket.opaque, None);
            fields(&mut encoder);
            encoder.finish();
        });
    }

    /// Answers a request once everything appended so far is as safe as the flush mode promises.
    pub(crate) fn answer_when_safe(&self, ticket: Ticket, encode: impl FnOnce(&mut Vec<u8>)) {
        self.commit.borrow_mut().push(ticket, encode);
    }

    /// Answers 0, without fields, once everything appended so far is safe.
    pub(crate) fn succeed_when_safe(&self, ticket: Ticket) {
        self.answer_when_safe(ticket, |buffer| {
            CommandEncoder::response(buffer, ticket.encoding, ResponseCode::SUCCESS.0, ticket.opaque, None).finish();
        });
    }

    /// Acknowledges and shows to consumers what may be by now.
    pub(super) fn confirm(self: &Rc<Self>) {
        let mut woken = std::mem::take(&mut self.scratch.borrow_mut().woken);
        let now_ms = self.env.now_ms();
        let arrivals = Arrivals::new(&self.store);
        let are_pops_held = self.pops.has_listeners();
        let limit = self.store.confirm(|queue, from, end| {
            if are_pops_held {
                self.pops.grew(&self.store.queues().borrow(), queue);
            }
            let mut parked = self.parked.borrow_mut();
            if parked.parked_in(queue) == 0 {
                return;
            }
            for at in from..end {
                let Some(unit) = self.store.unit(queue, at) else { continue };
                parked.wake(queue, at as i64 + 1, |filter| arrivals.passes(unit, filter), now_ms, &mut woken);
            }
        });
        {
            let mut latency = self.metrics.latency.borrow_mut();
            latency.refresh(|| self.env.instant());
            let success = |ticket: Ticket| latency.answered(ticket.answer_kind(ResponseCode::SUCCESS), ticket.read_at);
            self.commit.borrow_mut().release(limit, &self.outbox, success);
        }
        if let Some(cause) = self.store.log().failure() {
            self.commit.borrow_mut().fail(&cause, |ticket, refusal| ticket.refuse(self, refusal));
        }
        if let Some(ms) = self.master_slave.get() {
            self.tend_copies(ms);
        }
        for job in woken.drain(..) {
            pull::run_again(self, job);
        }
        if are_pops_held {
            self.wake_pops();
        }
        self.scratch.borrow_mut().woken = woken;
    }

    /// After a flush or sync of any task: answers, shows, and serves on.
    pub(crate) fn confirm_and_resume(self: &Rc<Self>) {
        self.confirm();
        self.resume_stalled();
    }
}
