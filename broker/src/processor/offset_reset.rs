//! INVOKE_BROKER_TO_RESET_OFFSET (222). The broker sets the offsets itself and tells each queue's next pull; or, with
//! `useServerSideResetOffset=false`, it tells the group's members (220), which set them.

use std::ops::Range;
use std::rc::Rc;

use protocol::body::{MessageQueue, QueueOffsets};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{CommandEncoder, RemotingCommand};
use protocol::frame::HeaderEncoding;
use protocol::header::FLAG_ONEWAY;
use protocol::language::Language;
use runtime::ConnectionId;
use storage::StorageError;

use super::admission::{admit_patiently, log_offsets_patiently};
use super::client_call::{next_opaque, too_old};
use super::consumer_status::{VERSION_MIN, VERSION_MIN_NAME};
use super::offset::search_offset;
use crate::env::Env;
use crate::queue_turns::QueueTurns;
use crate::request::{Halt, Refusal, Request, Ticket};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// What is asked for.
struct Reset {
    topic: String,
    group: String,
    /// Go to the first message stored then or later, ms; negative: behind the last one.
    timestamp: i64,
    /// Also forward.
    is_forced: bool,
    queue_ids: Range<i32>,
    /// Instead of the time; of one queue.
    offset: Option<i64>,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (topic, group) = (header.require_str("topic")?, header.require_str("group")?);
    let timestamp: i64 = header.require("timestamp")?;
    let is_forced = header.optional::<bool>("isForce")?.unwrap_or(false);
    let queue_id = header.optional::<i32>("queueId")?.filter(|queue_id| *queue_id >= 0);
    let offset = header.optional::<i64>("offset")?.filter(|offset| queue_id.is_some() && *offset != -1);
    let is_server_side = shard.config.consumers.resets_offsets_itself;
    let queue_nums = {
        let tables = shard.tables.borrow();
        let Some(config) = tables.topics.get(topic) else {
            return Err(Halt::refuse(ResponseCode::TOPIC_NOT_EXIST, format!("Topic {topic} does not exist")));
        };
        if tables.groups.get(group).is_none() {
            let remark = format!("Group {group} does not exist");
            return Err(Halt::refuse(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, remark));
        }
        if is_server_side { config.read_queue_nums } else { config.write_queue_nums }
    };
    let queue_ids = match queue_id {
        None => 0..queue_nums,
        Some(queue_id) if queue_id < queue_nums => queue_id..queue_id + 1,
        Some(queue_id) => {
            let remark = format!("header field `queueId` is {queue_id}, topic {topic} has {queue_nums} queues");
            return Err(Halt::refuse(ResponseCode::INVALID_PARAMETER, remark));
        }
    };
    if queue_ids.is_empty() {
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, "No queues to reset."));
    }
    let (topic, group) = (topic.to_owned(), group.to_owned());
    let reset = Reset { topic, group, timestamp, is_forced, queue_ids, offset };
    if is_server_side {
        shard.admit_change()?;
        check_offset(shard, &reset)?;
    } else {
        check_members(shard, &reset)?;
    }
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let done = match is_server_side {
            true => reset.by_the_broker(&task_shard, ticket).await,
            false => reset.by_the_members(&task_shard, ticket).await,
        };
        if let Err(refusal) = done {
            ticket.refuse(&task_shard, &refusal);
        }
        task_shard.sweep_end();
    })
}

/// An offset that is given has to be one that the queue has, or its end.
fn check_offset<E: Env>(shard: &Shard<E>, reset: &Reset) -> Result<(), Halt> {
    let Some(offset) = reset.offset else { return Ok(()) };
    let range = shard.queue_range(&reset.topic, reset.queue_ids.start).map_or(0..0, |(_, range)| range);
    let is_inside = u64::try_from(offset).is_ok_and(|offset| (range.start..=range.end).contains(&offset));
    if is_inside {
        return Ok(());
    }
    let remark = format!("Target offset {offset} not in consume queue range [{}-{}]", range.start, range.end);
    Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark))
}

/// Members that set offsets by themselves have to be there, and the group to have offsets they can be compared with.
fn check_members<E: Env>(shard: &Shard<E>, reset: &Reset) -> Result<(), Halt> {
    let Reset { topic, group, timestamp, .. } = reset;
    let offsets = &shard.tables.borrow().offsets;
    if reset.queue_ids.clone().any(|queue_id| offsets.query(group, topic, queue_id).is_none()) {
        let remark = format!("The consumer group <{group}> not exist: it has no offset in a queue of {topic}");
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    }
    let clients = shard.clients.borrow();
    if !clients.consumers.is_online(group) {
        let remark = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {timestamp}"
        );
        return Err(Halt::refuse(ResponseCode::CONSUMER_NOT_ONLINE, remark));
    }
    let too_old_one = clients.consumers.members(group).find(|(_, member)| member.version < VERSION_MIN);
    match too_old_one {
        Some((_, member)) => Err(too_old(&member.client_id, member.version, VERSION_MIN_NAME)),
        None => Ok(()),
    }
}

impl Reset {
    /// Where the group is to continue, by queue id.
    async fn targets<E: Env>(&self, shard: &Shard<E>) -> Result<Vec<(i32, i64)>, StorageError> {
        let (mut targets, mut turns) = (Vec::new(), QueueTurns::default());
        for queue_id in self.queue_ids.clone() {
            turns.next(shard).await;
            let target = match (self.offset, shard.queue_range(&self.topic, queue_id)) {
                (Some(offset), _) => offset,
                (None, None) => 0,
                (None, Some((_, range))) if self.timestamp < 0 => range.end as i64,
                (None, Some((queue, range))) => search_offset(shard, queue, range, self.timestamp, false).await? as i64,
            };
            targets.push((queue_id, target));
        }
        Ok(targets)
    }

    fn table<E: Env>(&self, shard: &Shard<E>, offsets: &[(i32, i64)]) -> QueueOffsets {
        let queue = |id: i32| MessageQueue::new(self.topic.as_str(), shard.identity.broker_name.as_str(), id);
        QueueOffsets { offset_table: offsets.iter().map(|(id, offset)| (queue(*id), *offset)).collect() }
    }

    async fn by_the_broker<E: Env>(&self, shard: &Rc<Shard<E>>, ticket: Ticket) -> Result<(), Refusal> {
        let targets = self.targets(shard).await.map_err(|error| unreadable(&error))?;
        admit_patiently(shard).await?;
        let set = shard.tables.borrow_mut().offsets.set_reset(&self.group, &self.topic, &targets);
        log_offsets_patiently(shard).await?;
        self.tell_held_pulls(shard);
        if set.len() < targets.len() {
            let (set, all) = (set.len(), targets.len());
            let remark = format!("{set} of {all} queues were reset: this broker keeps no more offsets");
            return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
        }
        tracing::info!(
            group = self.group,
            topic = self.topic,
            queues = set.len(),
            timestamp = self.timestamp,
            "offsets were reset"
        );
        let body = self.table(shard, &set).encode();
        shard.answer_when_safe(ticket, |buffer| {
            let success = ResponseCode::SUCCESS.0;
            CommandEncoder::response(buffer, ticket.encoding, success, ticket.opaque, None).finish_with_body(&body);
        });
        Ok(())
    }

    /// A pull that waits at the end of a queue would hear of it only when its time is up.
    fn tell_held_pulls<E: Env>(&self, shard: &Rc<Shard<E>>) {
        let mut woken = Vec::new();
        for queue_id in self.queue_ids.clone() {
            if let Some((queue, _)) = shard.queue_range(&self.topic, queue_id) {
                shard.parked.borrow_mut().wake_all(queue, &mut woken);
            }
            shard.pops.note_arrival(&self.topic, queue_id);
        }
        woken.into_iter().for_each(|job| super::pull::run_after_reset(shard, job));
        shard.wake_pops();
    }

    async fn by_the_members<E: Env>(&self, shard: &Rc<Shard<E>>, ticket: Ticket) -> Result<(), Refusal> {
        let targets = self.targets(shard).await.map_err(|error| unreadable(&error))?;
        let backward = |(queue_id, target): (i32, i64)| {
            let committed = shard.tables.borrow().offsets.query(&self.group, &self.topic, queue_id);
            let target = committed.filter(|at| *at < target && !self.is_forced).unwrap_or(target);
            (queue_id, target)
        };
        let targets: Vec<(i32, i64)> = targets.into_iter().map(backward).collect();
        let table = self.table(shard, &targets);
        let request = RemotingCommand::request(RequestCode::RESET_CONSUMER_CLIENT_OFFSET.0, 0)
            .with_field("topic", self.topic.as_str())
            .with_field("group", self.group.as_str())
            .with_field("timestamp", self.timestamp)
            .with_field("isForce", self.is_forced);
        let members: Vec<(u64, Language)> = {
            let clients = shard.clients.borrow();
            clients.consumers.members(&self.group).map(|(connection, member)| (connection, member.language)).collect()
        };
        for (connection, language) in members {
            let body = if language == Language::CPP { table.encode_for_cpp() } else { table.encode() };
            let request = RemotingCommand { flag: FLAG_ONEWAY, opaque: next_opaque(shard), body, ..request.clone() };
            let to = ConnectionId::from_u64(connection);
            shard.outbox.with_buffer(to, |buffer| request.encode(buffer, HeaderEncoding::Json));
        }
        ticket.succeed_with_body(shard, &table.encode());
        Ok(())
    }
}

fn unreadable(error: &StorageError) -> Refusal {
    Refusal::new(ResponseCode::SYSTEM_ERROR, format!("reading messages failed: {error}"))
}
