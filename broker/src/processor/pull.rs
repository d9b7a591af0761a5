//! PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361): answer at once, or hold until something arrives.

use std::net::SocketAddr;
use std::rc::Rc;

use protocol::body::SubscriptionGroupConfig;
use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;
use protocol::sys_flag::PullSysFlag;
use storage::StorageError;
use storage::consume_queue::{QueueIndex, UNIT_BYTES, Unit};

use crate::config::TransferLimits;
use crate::env::Env;
use crate::master_slave::GroupBrokers;
use crate::metrics::GroupSlot;
use crate::parked_pulls::Pull;
use crate::queue_id_check::check_pull_queue_id;
use crate::request::{Halt, Request, Ticket};
use crate::shard::Shard;
use crate::subscription_filter::{SQL92, SubscriptionFilter, SubscriptionFilterError, is_by_tag};
use crate::topic_table::perm;

/// Bytes of ConsumeQueue units one request looks through at least, as the reference.
const EXAMINED_BYTES_MIN: u64 = 16_000;
/// What one request spends on expressions at most, in [`SubscriptionFilter::steps`]: some milliseconds.
const FILTER_STEPS_MAX: u64 = 100_000;
/// Bytes of records that one request reads from disk to look at their properties, about.
const FILTERED_COLD_BYTES_MAX: usize = 1 << 20;
/// What one read from disk brings into memory at least, however little of it is asked for.
const COLD_READ_BYTES: usize = 256 << 10;
/// What the header of an answer with messages takes, or a little more.
const HEADER_BYTES_ABOUT: usize = 512;
/// Longest time a pull may ask to be held.
const SUSPEND_MS_MAX: i64 = 600_000;

/// A pull that can be run again.
pub(crate) struct PullJob {
    ticket: Ticket,
    queue: QueueIndex,
    offset: i64,
    messages_max: usize,
    filter: Rc<SubscriptionFilter>,
    topic_sys_flag: i32,
    group_sys_flag: i32,
    /// Where the group reads.
    brokers: GroupBrokers,
    /// For the metrics.
    group: GroupSlot,
    /// The group.
    puller: Rc<str>,
}

/// What a pull found.
struct Outcome {
    code: ResponseCode,
    remark: &'static str,
    next_offset: i64,
}

/// The records to send: physical offset and bytes.
#[derive(Default)]
struct Found {
    records: Vec<(u64, u32)>,
    bytes: usize,
    next_offset: i64,
}

impl Found {
    fn add(&mut self, unit: Unit) {
        self.records.push((unit.physical_offset, unit.bytes));
        self.bytes += unit.bytes as usize;
    }

    fn has_room(&self, unit: Unit, limits: &TransferLimits, messages_max: usize) -> bool {
        let count = self.records.len();
        count == 0
            || count < messages_max.min(limits.messages_max as usize)
                && self.bytes + unit.bytes as usize <= limits.bytes_max as usize
    }
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (group, topic) = (header.require_str("consumerGroup")?, header.require_str("topic")?);
    let queue_id: i32 = header.require("queueId")?;
    let offset: i64 = header.require("queueOffset")?;
    let messages_max: i32 = header.require("maxMsgNums")?;
    let flags = PullSysFlag(header.require("sysFlag")?);
    let suspend_ms: i64 = header.optional("suspendTimeoutMillis")?.unwrap_or(0);
    let Allowed { group_sys_flag, topic_sys_flag, brokers } =
        check(shard, request.peer.remote, group, topic, queue_id)?;
    let filter = filter_of(shard, request, flags, group, topic)?;
    if flags.commits_offset() && shard.may_change() {
        let committed: i64 = header.require("commitOffset")?;
        let offsets = &mut shard.tables.borrow_mut().offsets;
        super::offset::commit(shard, offsets, group, topic, queue_id, committed);
    }
    let queue = shard.store.queues().borrow_mut().find_or_add(topic, queue_id as u32);
    let ticket = request.ticket();
    if ticket.is_oneway {
        // The offset is committed; for the rest there is nobody to answer.
        return Ok(());
    }
    let messages_max = messages_max.max(1) as usize;
    let slot = shard.metrics.group(group);
    let (puller, group) = (shard.metrics.group_name(slot, group), slot);
    let job =
        PullJob { ticket, queue, offset, messages_max, filter, topic_sys_flag, group_sys_flag, brokers, group, puller };
    if job.tells_reset(shard) {
        return Ok(());
    }
    let hold_ms = match flags.may_suspend() {
        false => 0,
        true if shard.config.pulls.long_polling => suspend_ms.clamp(0, SUSPEND_MS_MAX),
        true => shard.config.pulls.short_polling.as_millis() as i64,
    };
    execute(shard, job, hold_ms);
    Ok(())
}

/// A held pull whose time has come, by a message or by the clock. It is answered whatever it finds.
pub(crate) fn run_again<E: Env>(shard: &Rc<Shard<E>>, job: PullJob) {
    execute(shard, job, 0);
}

/// Of a group and a topic, what an answer says.
struct Allowed {
    group_sys_flag: i32,
    topic_sys_flag: i32,
    brokers: GroupBrokers,
}

/// Whether the group may read the queue.
fn check<E: Env>(
    shard: &Shard<E>,
    consumer: SocketAddr,
    group: &str,
    topic: &str,
    queue_id: i32,
) -> Result<Allowed, Halt> {
    let forbidden = |remark: String| Halt::refuse(ResponseCode::NO_PERMISSION, remark);
    if shard.config.identity.permission & perm::READ == 0 {
        return Err(forbidden(format!("the broker[{}] pulling message is forbidden", shard.store_host.ip())));
    }
    let known = shard.tables.borrow().groups.get(group).map(GroupSays::of);
    let GroupSays { may_consume, sys_flag: group_sys_flag, brokers } = match known {
        Some(known) => known,
        None => create_group(shard, group)?,
    };
    if !may_consume {
        return Err(forbidden(format!("subscription group no permission, {group}")));
    }
    let tables = shard.tables.borrow();
    let config =
        tables.topics.require(topic).map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    if config.perm & perm::READ == 0 {
        return Err(forbidden(format!("the topic[{topic}] pulling message is forbidden")));
    }
    check_pull_queue_id(config, queue_id, consumer)
        .map_err(|error| Halt::refuse(ResponseCode::INVALID_PARAMETER, error.to_string()))?;
    Ok(Allowed { group_sys_flag, topic_sys_flag: config.topic_sys_flag, brokers })
}

/// What the group's settings say of pulls.
struct GroupSays {
    may_consume: bool,
    sys_flag: i32,
    brokers: GroupBrokers,
}

impl GroupSays {
    fn of(config: &SubscriptionGroupConfig) -> Self {
        let brokers = GroupBrokers { home: config.broker_id, slow: config.which_broker_when_consume_slowly };
        Self { may_consume: config.consume_enable, sys_flag: config.group_sys_flag, brokers }
    }
}

/// A group comes to be by its first pull.
fn create_group<E: Env>(shard: &Shard<E>, group: &str) -> Result<GroupSays, Halt> {
    // A slave notes a new group for itself: its log is its master's.
    if !shard.is_slave() {
        shard.admit_change()?;
    }
    let mut tables = shard.tables.borrow_mut();
    let created = tables.groups.auto_create(group, shard.env.now_ms());
    created.map(GroupSays::of).map_err(|error| Halt::refuse(error.response_code(), error.to_string()))
}

/// The same after an operator has reset offsets of its queue.
pub(crate) fn run_after_reset<E: Env>(shard: &Rc<Shard<E>>, job: PullJob) {
    if !job.tells_reset(shard) {
        execute(shard, job, 0);
    }
}

fn filter_of<E: Env>(
    shard: &Shard<E>,
    request: &Request<'_>,
    flags: PullSysFlag,
    group: &str,
    topic: &str,
) -> Result<Rc<SubscriptionFilter>, Halt> {
    if !flags.has_subscription() {
        return super::heartbeat::subscription_filter(shard, request, group, topic);
    }
    let header = request.header;
    let kind = header.get("expressionType").unwrap_or_default();
    inline_filter(shard, kind, header.get("subscription").unwrap_or_default())
}

/// The filter of an expression that stands in a request's header.
pub(crate) fn inline_filter<E: Env>(
    shard: &Shard<E>,
    kind: &str,
    expression: &str,
) -> Result<Rc<SubscriptionFilter>, Halt> {
    let filter = if is_by_tag(kind) {
        SubscriptionFilter::parse(kind, expression).map(Rc::new)
    } else {
        super::heartbeat::check_property_filter(shard, kind)?;
        match kind {
            SQL92 => shard.inline_filters.borrow_mut().sql(expression),
            _ => Err(SubscriptionFilterError::UnknownKind { kind: kind.to_owned() }),
        }
    };
    filter.map_err(|error| {
        let remark = format!("parse the consumer's subscription failed: {error}");
        Halt::refuse(ResponseCode::SUBSCRIPTION_PARSE_FAILED, remark)
    })
}

fn execute<E: Env>(shard: &Rc<Shard<E>>, job: PullJob, hold_ms: i64) {
    let (first, end) = range(shard, job.queue);
    if let Some(mut outcome) = position_outcome(job.offset, first, end) {
        if shard.is_slave() && outcome.code == ResponseCode::PULL_OFFSET_MOVED {
            // The master may have what this log has not yet, or has no more: only it moves a consumer's offset. Who is told
            // to ask again asks at once, so it waits here as for a message.
            if job.offset > end && hold_ms > 0 {
                return park(shard, job, hold_ms);
            }
            (outcome.code, outcome.next_offset) = (ResponseCode::PULL_RETRY_IMMEDIATELY, job.offset);
        }
        if outcome.code == ResponseCode::PULL_NOT_FOUND && hold_ms > 0 {
            return park(shard, job, hold_ms);
        }
        return job.answer_empty(shard, &outcome);
    }
    match collect_cached(shard, &job, end) {
        Some(found) => job.answer_found(shard, &found),
        None => {
            let (task_shard, ticket) = (shard.clone(), job.ticket);
            let bytes = COLD_READ_BYTES.max(shard.config.pulls.from_disk.bytes_max as usize);
            let read = async move { pull_cold(&task_shard, job).await };
            if let Err(Halt::Refuse(busy)) = shard.spawn_read(ticket, bytes, read) {
                ticket.refuse(shard, &busy);
            }
        }
    }
}

fn range<E: Env>(shard: &Shard<E>, queue: QueueIndex) -> (i64, i64) {
    let queues = shard.store.queues().borrow();
    queues.get(queue).map_or((0, 0), |queue| (queue.first() as i64, queue.readable() as i64))
}

/// What an offset outside `first..end` is answered; `None` for one inside.
fn position_outcome(offset: i64, first: i64, end: i64) -> Option<Outcome> {
    let (moved, none) = (ResponseCode::PULL_OFFSET_MOVED, ResponseCode::PULL_NOT_FOUND);
    let (code, remark, next_offset) = match offset {
        0 if end == 0 => (none, "NO_MESSAGE_IN_QUEUE", 0),
        _ if end == 0 => (moved, "NO_MATCHED_LOGIC_QUEUE", 0),
        _ if offset < first => (moved, "OFFSET_TOO_SMALL", first),
        _ if offset == end => (none, "OFFSET_OVERFLOW_ONE", end),
        _ if offset > end => (moved, "OFFSET_OVERFLOW_BADLY", end),
        _ => return None,
    };
    Some(Outcome { code, remark, next_offset })
}

fn park<E: Env>(shard: &Rc<Shard<E>>, mut job: PullJob, hold_ms: i64) {
    job.ticket.is_held = true;
    let deadline_ms = shard.env.now_ms() + hold_ms;
    let connection = job.ticket.connection.to_u64();
    let (queue, offset, filter) = (job.queue, job.offset, job.filter.clone());
    let pull = Pull { queue, connection, offset, deadline_ms, filter, payload: job };
    let refused = shard.parked.borrow_mut().park(pull).err();
    if let Some(full) = refused {
        // No room to wait: it is told at once that there is nothing new.
        execute(shard, full.pull.payload, 0);
    }
}

fn examined_end(job: &PullJob, end: i64) -> i64 {
    let bytes = EXAMINED_BYTES_MIN.max(UNIT_BYTES * job.messages_max as u64);
    end.min(job.offset + (bytes / UNIT_BYTES) as i64)
}

/// What the pull gets from memory; `None` if its first message has to be read from disk.
fn collect_cached<E: Env>(shard: &Shard<E>, job: &PullJob, end: i64) -> Option<Found> {
    let limits = &shard.config.pulls.from_memory;
    let until = examined_end(job, end);
    let messages_max = job.messages_max.min(limits.messages_max as usize);
    let records = Vec::with_capacity(messages_max.min((until - job.offset) as usize));
    let mut found = Found { records, bytes: 0, next_offset: job.offset };
    let mut cached = shard.store.cached_records();
    let queues = shard.store.queues().borrow();
    let mut steps = 0;
    'units: while found.next_offset < until {
        let units = queues.units(job.queue, found.next_offset as u64);
        if units.is_empty() {
            break;
        }
        for unit in units.iter().take((until - found.next_offset) as usize) {
            if job.filter.may_match(unit.tags_code) {
                if !cached.contains(*unit) || !found.has_room(*unit, limits, messages_max) {
                    break 'units;
                }
                if job.filter.is_by_tag() {
                    found.add(*unit);
                } else if steps >= FILTER_STEPS_MAX {
                    break 'units;
                } else {
                    steps += job.filter.steps(unit.bytes);
                    if passes_cached(shard, job, *unit) {
                        found.add(*unit);
                    }
                }
            }
            found.next_offset += 1;
        }
    }
    (found.next_offset > job.offset).then_some(found)
}

fn passes_cached<E: Env>(shard: &Shard<E>, job: &PullJob, unit: Unit) -> bool {
    let passes = |record: &[u8]| job.filter.matches_record(record);
    shard.store.log().with_cached(unit.physical_offset, unit.bytes as usize, passes).unwrap_or(false)
}

/// As [`collect_cached`], from disk, and answers.
async fn pull_cold<E: Env>(shard: &Rc<Shard<E>>, job: PullJob) {
    let (_, end) = range(shard, job.queue);
    let mut bodies = Vec::new();
    match collect_cold(shard, &job, end, &mut bodies).await {
        Ok(found) => job.answer_bytes(shard, &found, &bodies),
        Err(StorageError::OutOfRange { .. }) => {
            // Removed while it was read: the queue begins later now.
            let (next_offset, _) = range(shard, job.queue);
            let (code, remark) = (ResponseCode::PULL_RETRY_IMMEDIATELY, "MESSAGE_WAS_REMOVING");
            job.answer_empty(shard, &Outcome { code, remark, next_offset });
        }
        Err(error) => {
            tracing::error!(%error, shard = shard.identity.broker_name, "reading messages failed");
            job.ticket.answer(shard, ResponseCode::SYSTEM_ERROR, Some(&error.to_string()), |_| ());
        }
    }
}

async fn collect_cold<E: Env>(
    shard: &Shard<E>,
    job: &PullJob,
    end: i64,
    bodies: &mut Vec<u8>,
) -> Result<Found, StorageError> {
    let mut found = Found { next_offset: job.offset, ..Found::default() };
    let limits = &shard.config.pulls.from_disk;
    let until = examined_end(job, end);
    let (mut steps, mut filtered_bytes) = (0, 0);
    while found.next_offset < until && steps < FILTER_STEPS_MAX && filtered_bytes < FILTERED_COLD_BYTES_MAX {
        let unit = shard.store.read_unit(job.queue, found.next_offset as u64).await?;
        if job.filter.may_match(unit.tags_code) {
            if !found.has_room(unit, limits, job.messages_max) {
                break;
            }
            let append_passing = |record: &[u8]| {
                let passes = job.filter.matches_record(record);
                if passes {
                    bodies.extend_from_slice(record);
                }
                passes
            };
            steps += job.filter.steps(unit.bytes);
            match shard.read_record(unit.physical_offset, unit.bytes as usize, append_passing).await? {
                true => found.add(unit),
                false => filtered_bytes += unit.bytes as usize,
            }
        }
        found.next_offset += 1;
    }
    Ok(found)
}

impl PullJob {
    /// Sends its consumer to where an operator has set the group's offset, if that is to be told.
    fn tells_reset<E: Env>(&self, shard: &Shard<E>) -> bool {
        let mut tables = shard.tables.borrow_mut();
        if !tables.offsets.has_pending_resets() || !shard.may_change() || !shard.config.consumers.resets_offsets_itself
        {
            return false;
        }
        let reset = {
            let queues = shard.store.queues().borrow();
            let name = queues.name(self.queue);
            name.and_then(|(topic, queue_id)| tables.offsets.take_reset(&self.puller, topic, queue_id as i32))
        };
        drop(tables);
        let Some(next_offset) = reset else { return false };
        let (code, remark) = (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_RESET");
        self.answer_empty(shard, &Outcome { code, remark, next_offset });
        true
    }

    /// The group has been sent this far, which tells what it has and has not consumed yet.
    fn note_pulled<E: Env>(&self, shard: &Shard<E>, next_offset: i64) {
        shard.pulled_offsets.borrow_mut().note(self.queue, self.group, next_offset);
    }

    fn answer_found<E: Env>(&self, shard: &Shard<E>, found: &Found) {
        if self.is_unread(shard) {
            return;
        }
        let log = shard.store.log();
        self.answer(shard, found, |buffer| {
            let copied = log.gather_cached(&found.records, buffer);
            assert_eq!(copied, found.records.len(), "what was in memory in this turn still is");
        });
    }

    /// A consumer that has much to read still is told that there is nothing new, and asks again when it has read: one
    /// message may wake thousands of held pulls, whose answers would otherwise fill the memory in one turn.
    fn is_unread<E: Env>(&self, shard: &Shard<E>) -> bool {
        let is_unread = shard.outbox.is_unread(self.ticket.connection);
        if is_unread {
            let (code, remark, next_offset) = (ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE", self.offset);
            self.answer_empty(shard, &Outcome { code, remark, next_offset });
        }
        is_unread
    }

    fn answer_bytes<E: Env>(&self, shard: &Shard<E>, found: &Found, bodies: &[u8]) {
        if self.is_unread(shard) {
            return;
        }
        self.answer(shard, found, |buffer| buffer.extend_from_slice(bodies));
    }

    fn answer<E: Env>(&self, shard: &Shard<E>, found: &Found, body: impl FnOnce(&mut Vec<u8>)) {
        if found.records.is_empty() {
            let (code, remark) = (ResponseCode::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE");
            return self.answer_empty(shard, &Outcome { code, remark, next_offset: found.next_offset });
        }
        shard.statistics.borrow_mut().get_found(found.records.len() as u64);
        shard.pulled(self.queue, self.group, found.records.len() as u64, found.bytes as u64);
        self.note_pulled(shard, found.next_offset);
        self.ticket.answered(shard, ResponseCode::SUCCESS);
        let (code, remark) = (ResponseCode::SUCCESS, "FOUND");
        let outcome = Outcome { code, remark, next_offset: found.next_offset };
        shard.outbox.with_buffer(self.ticket.connection, |buffer| {
            // Else the buffer would be moved again and again while it grows.
            buffer.reserve(HEADER_BYTES_ABOUT + found.bytes);
            let read_end = found.records.last().map(|(position, bytes)| position + u64::from(*bytes));
            self.encode(shard, &outcome, read_end, buffer).finish_with_body_bytes(found.bytes);
            let before = buffer.len();
            body(buffer);
            assert_eq!(buffer.len() - before, found.bytes);
        });
    }

    fn answer_empty<E: Env>(&self, shard: &Shard<E>, outcome: &Outcome) {
        shard.statistics.borrow_mut().get_miss();
        self.note_pulled(shard, outcome.next_offset);
        self.ticket.answered(shard, outcome.code);
        shard.outbox.with_buffer(self.ticket.connection, |buffer| {
            self.encode(shard, outcome, None, buffer).finish();
        });
    }

    fn encode<'a, E: Env>(
        &self,
        shard: &Shard<E>,
        outcome: &Outcome,
        read_end: Option<u64>,
        buffer: &'a mut Vec<u8>,
    ) -> CommandEncoder<'a> {
        let (first, end) = range(shard, self.queue);
        let Ticket { encoding, opaque, .. } = self.ticket;
        let mut encoder = CommandEncoder::response(buffer, encoding, outcome.code.0, opaque, Some(outcome.remark));
        encoder
            .field("suggestWhichBrokerId", shard.suggested_broker(self.brokers, read_end))
            .field("nextBeginOffset", outcome.next_offset)
            .field("minOffset", first)
            .field("maxOffset", end)
            .field("topicSysFlag", self.topic_sys_flag)
            .field("groupSysFlag", self.group_sys_flag);
        encoder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// behaviour.md §8, the table of offsets.
    #[test]
    fn offsets_outside_the_queue_are_answered_as_clients_expect() {
        let outcome = |offset, first, end| position_outcome(offset, first, end).map(|o| (o.code.0, o.next_offset));
        assert_eq!(outcome(0, 0, 0), Some((19, 0)));
        assert_eq!(outcome(5, 0, 0), Some((21, 0)));
        assert_eq!(outcome(3, 4, 9), Some((21, 4)));
        assert_eq!(outcome(-1, 0, 9), Some((21, 0)));
        assert_eq!(outcome(9, 4, 9), Some((19, 9)));
        assert_eq!(outcome(10, 4, 9), Some((21, 9)));
        assert_eq!(outcome(4, 4, 9), None);
        assert_eq!(outcome(8, 4, 9), None);
    }
}
