//! Runs pops: when they come, when something arrives that they wait for, and when their time is up.

use std::rc::Rc;

use protocol::code::ResponseCode;

use super::attempt::ColdRecords;
use super::{HeldPop, PopJob, PopKind};
use crate::env::Env;
use crate::request::{Halt, Refusal};
use crate::shard::{CONTROL_BYTES_MAX, Shard};
use crate::subscription_filter::SubscriptionFilter;

/// What pops and acknowledgements may have changed before it is written into the log within a sweep: some KiB.
const CHANGES_MAX: usize = 1_024;
/// Answers with messages that may wait for the log; further pops wait for them.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How often one job reads from disk: others may take what it read.
const COLD_TRIES: u32 = 4;
/// How long the leader holds a request that another node has handed on, which has no more patience.
const FORWARDED_HOLD_MS_MAX: i64 = 2_000;

impl PopJob {
    /// Looks for messages; answers, or waits for them until `deadline_ms`, ms since 1970.
    pub(crate) fn begin<E: Env>(self, shard: &Rc<Shard<E>>, deadline_ms: i64) {
        self.run(shard, deadline_ms, &ColdRecords::new(), 0);
    }

    pub(super) fn run<E: Env>(self, shard: &Rc<Shard<E>>, deadline_ms: i64, cold: &ColdRecords, tries: u32) {
        if let Err(halt) = shard.admit_pop() {
            return match halt {
                Halt::Refuse(refusal) => self.refuse(shard, &refusal),
                // Only a task comes here with a full log: its client asks again.
                Halt::Stall => {
                    self.refuse(shard, &Refusal::new(ResponseCode::SYSTEM_BUSY, "the log takes no more now"))
                }
            };
        }
        let attempt = shard.attempt_pop(&self, None, cold);
        if attempt.messages > 0 {
            return self.answer_found(shard, &attempt, cold);
        }
        match &attempt.cold {
            // Whether a message on disk passes a filter is seen when it is popped.
            Some(_) if self.kind == PopKind::Notify => return self.answer_found(shard, &attempt, cold),
            Some(place) if tries < COLD_TRIES => {
                return shard.read_and_run(self, deadline_ms, tries + 1, place.clone());
            }
            _ => {}
        }
        let now_ms = shard.env.now_ms();
        let deadline_ms = match self.ticket.connection.is_detached() {
            true => deadline_ms.min(now_ms + FORWARDED_HOLD_MS_MAX),
            false => deadline_ms,
        };
        if attempt.full.is_some() || deadline_ms <= now_ms || self.kind == PopKind::Peek {
            return self.answer_nothing(shard, &attempt);
        }
        self.hold(shard, deadline_ms, attempt.rest);
    }

    fn hold<E: Env>(mut self, shard: &Rc<Shard<E>>, deadline_ms: i64, rest: u64) {
        self.ticket.is_held = true;
        let retry_topics = match self.is_ordered {
            true => Vec::new(),
            false => self.retries.iter().map(|(_, topic)| topic.clone()).collect(),
        };
        let request = HeldPop {
            group: self.group.clone(),
            topic: self.topic.clone(),
            queue_id: self.queue_id,
            retry_topics,
            connection: self.ticket.connection.to_u64(),
            deadline_ms,
            payload: self,
        };
        let limits = shard.config.pops.held;
        let refused = shard.pops.held.borrow_mut().hold(request, limits).err();
        if let Some(request) = refused {
            request.payload.answer_held_full(shard, rest);
        }
    }

    /// What else would find nothing where this one found nothing.
    fn kin(&self) -> Kin {
        Kin {
            kind: self.kind,
            queue_id: self.queue_id,
            is_ordered: self.is_ordered,
            attempt_id: self.attempt_id.clone(),
            filter: self.filter.clone(),
        }
    }
}

/// See [`PopJob::kin`].
#[derive(Debug, PartialEq)]
struct Kin {
    kind: PopKind,
    queue_id: i32,
    is_ordered: bool,
    attempt_id: String,
    filter: Rc<SubscriptionFilter>,
}

impl<E: Env> Shard<E> {
    /// Asked for before anything of POP is changed: the change is written at the end of the sweep, and answers wait for it.
    /// # Errors
    /// [`Halt::Stall`] while the log is full.
    pub(crate) fn admit_pop(&self) -> Result<(), Halt> {
        if !self.may_change() {
            return Err(self.not_leading());
        }
        self.store.log().admit(0, CONTROL_BYTES_MAX)?;
        let has_much = self.tables.borrow().pops.dirty_count() >= CHANGES_MAX;
        if (has_much && !self.log_offsets()) || self.commit.borrow().bytes() > WAITING_BYTES_MAX {
            return Err(Halt::Stall);
        }
        Ok(())
    }

    /// Tries held requests for whose queues something may have come, in a task of its own: what they take is written by its sweep.
    pub(crate) fn wake_pops(self: &Rc<Self>) {
        if self.pops.arrived.borrow().is_empty() || self.pops.is_waking.replace(true) {
            return;
        }
        let shard = self.clone();
        self.env.spawn(async move {
            shard.try_arrived();
            shard.pops.is_waking.set(false);
            shard.sweep_end();
        });
    }

    fn try_arrived(self: &Rc<Self>) {
        let arrived = std::mem::take(&mut *self.pops.arrived.borrow_mut());
        for (topic, queue_ids) in arrived {
            let groups = self.pops.held.borrow().groups(&topic);
            for group in groups {
                let mut found_nothing: Vec<Kin> = Vec::new();
                let waiting = self.pops.held.borrow().waiting(&topic, &group);
                for number in waiting {
                    match self.admit_pop() {
                        Ok(()) => {}
                        Err(Halt::Refuse(_)) => return,
                        Err(Halt::Stall) => {
                            // Tried again by the clock.
                            queue_ids.iter().for_each(|queue_id| self.pops.note_arrival(&topic, *queue_id));
                            return;
                        }
                    }
                    self.try_held(number, (&topic, &queue_ids), &mut found_nothing);
                }
            }
        }
    }

    fn try_held(self: &Rc<Self>, number: u64, only: super::attempt::Only<'_>, found_nothing: &mut Vec<Kin>) {
        let kin = {
            let held = self.pops.held.borrow();
            let Some(request) = held.get(number) else { return };
            let is_other_queue =
                *request.topic == *only.0 && request.queue_id >= 0 && !only.1.contains(&request.queue_id);
            // A consumer that has much to read still would not read this soon either.
            if is_other_queue || self.outbox.is_unread(request.payload.ticket.connection) {
                return;
            }
            request.payload.kin()
        };
        if found_nothing.contains(&kin) {
            return;
        }
        let Some(request) = self.pops.held.borrow_mut().take(number) else { return };
        let cold = ColdRecords::new();
        let attempt = self.attempt_pop(&request.payload, Some(only), &cold);
        if attempt.messages > 0 {
            return request.payload.answer_found(self, &attempt, &cold);
        }
        if let Some(place) = attempt.cold {
            return self.read_and_run(request.payload, request.deadline_ms, 1, place);
        }
        self.pops.held.borrow_mut().put_back(number, request);
        found_nothing.push(kin);
    }

    /// Looks at the clock: requests whose time is up, ordered pops that gave way, messages that are visible again.
    pub(crate) fn tend_pops(self: &Rc<Self>) {
        let now_ms = self.env.now_ms();
        let mut expired = Vec::new();
        self.pops.held.borrow_mut().expired(now_ms, &mut expired);
        for request in expired {
            request.payload.answer_timeout(self, 0);
        }
        if !self.may_change() {
            return;
        }
        let released = self.tables.borrow_mut().pops.take_released(now_ms);
        for (topic, queue_id) in released {
            self.pops.note_arrival(&topic, queue_id);
        }
        self.wake_pops();
        self.begin_reviving(now_ms);
        if self.tables.borrow().pops.is_dirty() {
            // The log took nothing at the end of the sweep.
            self.sweep_end();
        }
    }

    /// Where messages of a topic go that a group does not acknowledge in time, those of a former setting included.
    pub(crate) fn retry_topics(&self, group: &str, topic: &str) -> Vec<(protocol::pop_handle::PopSource, Rc<str>)> {
        use protocol::pop_handle::PopSource::{RetryV1, RetryV2};
        let pops = &self.config.pops;
        let sources = [(RetryV2, pops.retry_topic_v2), (RetryV1, !pops.retry_topic_v2 || pops.also_retry_topic_v1)];
        let wanted = sources.into_iter().filter(|(_, is_wanted)| *is_wanted);
        wanted.map(|(source, _)| (source, source.topic(group, topic).into())).collect()
    }
}
