//! One look for messages to pop: through the queues in the order a pop wants them, in one turn of the shard.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use protocol::pop_handle::PopSource;
use protocol::topic_name::is_retry_topic;
use storage::consume_queue::{QueueIndex, Unit};

use super::{Begin, Invisible, ORDERED_MESSAGES_MAX, OrderedMessage, OrderedPop, PopJob, PopKey, PopKind};
use crate::consumer_offsets::CommitOutcome;
use crate::control_tables::ControlTables;
use crate::env::Env;
use crate::shard::Shard;
use crate::subscription_filter::SubscriptionFilter;
use crate::topic_table::perm;

/// ConsumeQueue units of one queue that one look goes through at most, as a pull.
const EXAMINED_MAX: u64 = 800;
/// What one look spends on expressions at most, in [`SubscriptionFilter::steps`]: some milliseconds.
const FILTER_STEPS_MAX: u64 = 100_000;

/// Records that were read from disk for a pop, by physical offset.
pub(super) type ColdRecords = HashMap<u64, Vec<u8>>;

/// Queues of a topic that a look is confined to.
pub(super) type Only<'a> = (&'a str, &'a BTreeSet<i32>);

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) now_ms: i64,
    /// A queue each.
    pub(super) parts: Vec<Part>,
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// Messages that are there still, in the queues that were looked at.
    pub(super) rest: u64,
    /// A queue whose next message lies on disk, and where.
    pub(super) cold: Option<(Rc<str>, i32, u64)>,
    /// Nothing more can be given out, and why.
    pub(super) full: Option<&'static str>,
    steps: u64,
}

/// Messages of one queue.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) source: PopSource,
    pub(super) queue_id: i32,
    queue: QueueIndex,
    pub(super) start: u64,
    pub(super) chosen: Vec<Chosen>,
    /// Of an ordered pop: how often each was popped in vain.
    pub(super) times: Vec<u32>,
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen {
    pub(super) offset: u64,
    pub(super) position: u64,
    pub(super) bytes: u32,
}

/// A queue to look at.
struct Visit<'a> {
    source: PopSource,
    topic: &'a Rc<str>,
    queue_id: i32,
    filter: &'a SubscriptionFilter,
}

impl<E: Env> Shard<E> {
    /// Looks, and takes what it finds if that is what the job wants. `only` confines it to queues that something came to.
    pub(super) fn attempt_pop(&self, job: &PopJob, only: Option<Only<'_>>, cold: &ColdRecords) -> Attempt {
        let mut attempt = Attempt { now_ms: self.env.now_ms(), ..Attempt::default() };
        let retries_first = self.env.random_below(100) < self.config.pops.retry_first_percent;
        if retries_first {
            self.visit_retries(job, only, cold, &mut attempt);
        }
        self.visit_topic(job, PopSource::Topic, &job.topic, only, cold, &mut attempt);
        if !retries_first {
            self.visit_retries(job, only, cold, &mut attempt);
        }
        if job.kind == PopKind::Take {
            for part in &attempt.parts {
                let bytes = part.chosen.iter().map(|message| u64::from(message.bytes)).sum();
                self.pulled(part.queue, job.slot, part.chosen.len() as u64, bytes);
            }
        }
        attempt
    }

    fn visit_retries(&self, job: &PopJob, only: Option<Only<'_>>, cold: &ColdRecords, attempt: &mut Attempt) {
        // A retry would overtake what is behind it in its queue: those who want order get it from the queue again.
        if job.is_ordered {
            return;
        }
        for (source, topic) in &job.retries {
            self.visit_topic(job, *source, topic, only, cold, attempt);
        }
    }

    fn visit_topic(
        &self,
        job: &PopJob,
        source: PopSource,
        topic: &Rc<str>,
        only: Option<Only<'_>>,
        cold: &ColdRecords,
        attempt: &mut Attempt,
    ) {
        let queues = {
            let tables = self.tables.borrow();
            let Some(config) = tables.topics.get(topic).filter(|config| config.perm & perm::READ != 0) else { return };
            config.read_queue_nums.max(0)
        };
        let everything = SubscriptionFilter::all();
        let filter = if source == PopSource::Topic { &*job.filter } else { &everything };
        let is_one = source == PopSource::Topic && job.queue_id >= 0;
        let wanted = if is_one { job.queue_id..job.queue_id + 1 } else { 0..queues };
        let count = wanted.len() as u32;
        if count == 0 {
            return;
        }
        // Each look begins elsewhere, so that no queue is always the last one.
        let first = if count > 1 { self.env.random_below(count) } else { 0 };
        for number in 0..count {
            let queue_id = wanted.start + ((first + number) % count) as i32;
            if only.is_some_and(|(name, queue_ids)| name != &**topic || !queue_ids.contains(&queue_id)) {
                continue;
            }
            if attempt.is_filled(job) {
                return;
            }
            self.visit(job, &Visit { source, topic, queue_id, filter }, cold, attempt);
        }
    }

    fn visit(&self, job: &PopJob, visit: &Visit<'_>, cold: &ColdRecords, attempt: &mut Attempt) {
        let group_queue = (job.group.clone(), visit.topic.clone(), visit.queue_id);
        if cold.is_empty() && self.pops.reading.borrow().contains(&group_queue) {
            return;
        }
        let found = self.queue_range(visit.topic, visit.queue_id);
        let range = found.as_ref().map_or(0..0, |(_, range)| range.clone());
        let key = PopKey { group: &job.group, topic: visit.topic, queue_id: visit.queue_id };
        let takes = job.kind == PopKind::Take;
        let tables = &mut *self.tables.borrow_mut();
        if takes && tables.offsets.take_reset(key.group, key.topic, key.queue_id).is_some() {
            tables.pops.end_ordered(key);
        }
        let committed = tables.offsets.query(key.group, key.topic, key.queue_id);
        let position = committed.unwrap_or_else(|| self.first_position(job, visit, &found));
        if takes && committed.is_none() {
            let outcome = tables.offsets.commit(key.group, key.topic, key.queue_id, position);
            if outcome == CommitOutcome::Full {
                attempt.full = Some("the broker keeps positions of as many queues as it can");
                return;
            }
        }
        let Some((queue, _)) = found else { return };
        let start = u64::try_from(position).unwrap_or(0).clamp(range.start, range.end);
        let mut look = Look { shard: self, visit, queue, key, cold, range, next: start, chosen: Vec::new() };
        let times = match job.is_ordered {
            true => look.ordered(job, tables, attempt, position),
            false => look.normal(job, tables, attempt).then(Vec::new),
        };
        let Look { chosen, range, next, .. } = look;
        let Some(times) = times else { return };
        attempt.rest += range.end - next.min(range.end);
        attempt.messages += chosen.len();
        if !chosen.is_empty() {
            let Visit { source, queue_id, .. } = *visit;
            attempt.parts.push(Part { source, queue_id, queue, start, chosen, times });
        }
    }

    /// Where a group begins that has no position in a queue.
    fn first_position(&self, job: &PopJob, visit: &Visit<'_>, found: &Option<(QueueIndex, Range<u64>)>) -> i64 {
        let Some((queue, range)) = found else { return 0 };
        if job.begin == Begin::First || is_retry_topic(visit.topic) {
            return range.start as i64;
        }
        let is_in_memory =
            |unit: Unit| self.store.log().with_cached(unit.physical_offset, unit.bytes as usize, |_| ()).is_some();
        let is_young = range.start == 0 && !range.is_empty() && self.store.unit(*queue, 0).is_some_and(is_in_memory);
        if self.config.pops.young_queues_from_first && is_young {
            return 0;
        }
        range.end.saturating_sub(1).max(range.start) as i64
    }

    /// Shows `read` a record that is in memory, or was read for this pop.
    pub(super) fn with_popped<R>(
        &self,
        position: u64,
        bytes: u32,
        cold: &ColdRecords,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        match cold.get(&position) {
            Some(record) => Some(read(record)),
            None => self.store.log().with_cached(position, bytes as usize, read),
        }
    }
}

impl Attempt {
    fn is_filled(&self, job: &PopJob) -> bool {
        self.full.is_some() || self.messages >= job.messages_max
    }
}

/// One queue while it is looked at.
struct Look<'a, E: Env> {
    shard: &'a Shard<E>,
    visit: &'a Visit<'a>,
    queue: QueueIndex,
    key: PopKey<'a>,
    cold: &'a ColdRecords,
    range: Range<u64>,
    /// The first queue offset that was not looked at.
    next: u64,
    chosen: Vec<Chosen>,
}

/// What stands at a queue offset.
enum At {
    /// It is chosen.
    Message(Chosen),
    /// It is not for this group.
    Filtered,
    /// It does not fit any more, or nobody knows without the disk.
    Stop,
}

impl<E: Env> Look<'_, E> {
    /// False where the queue gives nothing for now.
    fn normal(&mut self, job: &PopJob, tables: &mut ControlTables, attempt: &mut Attempt) -> bool {
        let takes = job.kind == PopKind::Take;
        let room = tables.pops.room();
        if takes && room == 0 {
            attempt.full = Some("as many messages are invisible as the broker keeps: acknowledge some");
            return false;
        }
        let of_queue_max = self.shard.config.pops.invisible_of_queue_max.unwrap_or(usize::MAX);
        let of_queue = of_queue_max.saturating_sub(tables.pops.len_of(self.key));
        let wanted = (job.messages_max - attempt.messages).min(room.max(1)).min(of_queue);
        let until = self.range.end.min(self.next + EXAMINED_MAX);
        while self.next < until && self.chosen.len() < wanted {
            // After a reset what is out still is.
            if tables.pops.get(self.key, self.next).is_none() {
                match self.at(self.next, attempt) {
                    At::Message(message) => self.chosen.push(message),
                    At::Filtered => {}
                    At::Stop => break,
                }
            }
            self.next += 1;
        }
        if takes {
            let row =
                Invisible { pop_ms: attempt.now_ms, due_ms: attempt.now_ms + job.invisible_ms, is_suspended: false };
            for message in &self.chosen {
                tables.pops.put(self.key, message.offset, row);
            }
            self.commit(tables, self.next);
        }
        true
    }

    /// How often each chosen message was popped in vain; `None` where the queue gives nothing for now.
    fn ordered(
        &mut self,
        job: &PopJob,
        tables: &mut ControlTables,
        attempt: &mut Attempt,
        position: i64,
    ) -> Option<Vec<u32>> {
        let takes = job.kind == PopKind::Take;
        // Who moved the position by hand has ended what was out.
        let held = tables.pops.ordered(self.key).filter(|held| held.position() as i64 == position).cloned();
        if held.as_ref().is_some_and(|held| held.is_locked(attempt.now_ms, &job.attempt_id)) {
            return None;
        }
        let wanted = job.messages_max - attempt.messages;
        let mut messages: BTreeMap<u64, OrderedMessage> = BTreeMap::new();
        let mut is_all_again = true;
        if let Some(held) = &held {
            messages.extend(held.messages.iter().map(|message| (message.offset, *message)));
            // What retention removed is nobody's any more.
            messages.retain(|offset, _| *offset >= self.range.start);
            for message in held.open().filter(|message| message.offset >= self.range.start) {
                let at = if self.chosen.len() < wanted { self.at(message.offset, attempt) } else { At::Stop };
                match at {
                    At::Message(chosen) => self.chosen.push(chosen),
                    At::Filtered => _ = messages.remove(&message.offset),
                    At::Stop => {
                        is_all_again = false;
                        break;
                    }
                }
            }
            self.next = held.next.clamp(self.range.start, self.range.end);
        }
        let until = self.range.end.min(self.next + EXAMINED_MAX);
        while is_all_again
            && self.next < until
            && self.chosen.len() < wanted
            && messages.len() + self.chosen.len() < ORDERED_MESSAGES_MAX
        {
            match self.at(self.next, attempt) {
                At::Message(message) => self.chosen.push(message),
                At::Filtered => {}
                At::Stop => break,
            }
            self.next += 1;
        }
        let times_of = |offset| held.as_ref().map_or(0, |held| held.times_of(offset, &job.attempt_id));
        let times: Vec<u32> = self.chosen.iter().map(|message| times_of(message.offset)).collect();
        if takes {
            let visible_ms = attempt.now_ms + job.invisible_ms;
            for (message, times) in self.chosen.iter().zip(&times) {
                let offset = message.offset;
                messages.insert(offset, OrderedMessage { offset, visible_ms, is_acked: false, times: *times });
            }
            let messages: Vec<_> = messages.into_values().skip_while(|message| message.is_acked).collect();
            let state =
                OrderedPop { attempt_id: job.attempt_id.clone(), pop_ms: attempt.now_ms, next: self.next, messages };
            self.commit(tables, state.position());
            if state.is_done() {
                tables.pops.end_ordered(self.key);
            } else if !self.chosen.is_empty() {
                tables.pops.put_ordered(self.key, state);
            }
        }
        Some(times)
    }

    fn at(&self, offset: u64, attempt: &mut Attempt) -> At {
        let shard = self.shard;
        let Some(unit) = shard.store.unit(self.queue, offset) else {
            return self.is_cold(offset, attempt);
        };
        if !self.visit.filter.may_match(unit.tags_code) {
            return At::Filtered;
        }
        let (position, bytes) = (unit.physical_offset, unit.bytes);
        if !self.cold.contains_key(&position) && !shard.store.is_cached(position, bytes as usize) {
            return self.is_cold(offset, attempt);
        }
        let bytes_max = shard.config.pulls.from_memory.bytes_max as usize;
        let is_first = attempt.messages + self.chosen.len() == 0;
        if attempt.steps >= FILTER_STEPS_MAX || (!is_first && attempt.bytes + bytes as usize > bytes_max) {
            return At::Stop;
        }
        if !self.visit.filter.is_by_tag() {
            attempt.steps += self.visit.filter.steps(bytes);
            let passes = |record: &[u8]| self.visit.filter.matches_record(record);
            if !shard.with_popped(position, bytes, self.cold, passes).unwrap_or(false) {
                return At::Filtered;
            }
        }
        attempt.bytes += bytes as usize;
        At::Message(Chosen { offset, position, bytes })
    }

    fn is_cold(&self, offset: u64, attempt: &mut Attempt) -> At {
        if attempt.cold.is_none() {
            attempt.cold = Some((self.visit.topic.clone(), self.visit.queue_id, offset));
        }
        At::Stop
    }

    fn commit(&self, tables: &mut ControlTables, position: u64) {
        let PopKey { group, topic, queue_id } = self.key;
        tables.offsets.commit(group, topic, queue_id, position as i64);
    }
}
