//! SEND_REPLY_MESSAGE (324), SEND_REPLY_MESSAGE_V2 (325): the answer of one client to another's message, pushed to the
//! client that waits for it, and stored.
//!
//! It is stored before it is pushed: then a full log holds up a reply of which nothing is done yet, and what waits for the
//! requester's word is a row of [`ClientCalls`](crate::client_calls::ClientCalls) without the body.

use std::rc::Rc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{CommandEncoder, RemotingCommand};
use protocol::message_id::OffsetMessageId;
use protocol::properties;
use protocol::record::RecordFields;
use protocol::send::SendRequest;
use protocol::sys_flag::MessageSysFlag;

use super::client_call::{Outcome, Waiter, ask};
use super::send;
use crate::env::Env;
use crate::request::{Halt, Refusal, Request, Ticket};
use crate::send_properties::append_send_properties;
use crate::shard::Shard;

/// The requester has this long to say that it has the reply, as with the reference.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A reply that was pushed; its sender waits for what comes of it.
#[derive(Clone)]
pub(crate) struct PushedReply {
    ticket: Ticket,
    requester: String,
    queue_id: i32,
    stored: Stored,
}

/// What became of the reply in the store.
#[derive(Clone)]
enum Stored {
    /// `storeReplyMessageEnable` is false.
    NotAsked,
    At {
        physical_offset: u64,
        queue_offset: u64,
    },
    Refused(Refusal),
}

/// A message of the reply topic, as it is stored and pushed.
struct Reply<'a> {
    send: SendRequest<'a>,
    queue_id: i32,
    properties: &'a [u8],
    tags_code: i64,
    body: &'a [u8],
    now_ms: i64,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let send = SendRequest::from_header(request.header, RequestCode(request.header.code))?;
    send::check_body(shard, &send, request.body.len())?;
    let queue_id = send::queue_of(shard, request, &send)?;
    let now_ms = shard.env.now_ms();
    let mut properties = Vec::new();
    let new_id = |out: &mut Vec<u8>| {
        out.extend_from_slice(shard.unique_ids.borrow_mut().next_id(now_ms).as_str().as_bytes());
    };
    let seen = append_send_properties(send.properties, &shard.broker_properties, new_id, &mut properties)
        .map_err(|error| Halt::refuse(ResponseCode::MESSAGE_ILLEGAL, error.to_string()))?;
    let reply =
        Reply { send, queue_id, properties: &properties, tags_code: seen.tags_code, body: request.body, now_ms };
    let stored = store(shard, request, &reply)?;
    let requester = properties::get_text(&properties, properties::REPLY_TO_CLIENT).map(str::to_owned);
    let pushed = PushedReply {
        ticket: Ticket { is_held: true, ..request.ticket() },
        requester: requester.unwrap_or_default(),
        queue_id,
        stored,
    };
    if let Err(why) = push(shard, request, &reply, &pushed) {
        pushed.fail(shard, &why);
    }
    Ok(())
}

/// # Errors
/// [`Halt::Stall`] alone: whatever else keeps it out of the log does not keep it from whoever waits for it.
fn store<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>, reply: &Reply<'_>) -> Result<Stored, Halt> {
    if !shard.config.sends.stores_replies {
        return Ok(Stored::NotAsked);
    }
    let Reply { send, queue_id, .. } = reply;
    let mut record = [RecordFields {
        queue_id: *queue_id,
        flag: send.flag,
        queue_offset: 0,
        physical_offset: 0,
        sys_flag: send.sys_flag & !MessageSysFlag::TRANSACTION_MASK,
        born_timestamp: send.born_timestamp,
        born_host: request.peer.remote,
        store_timestamp: reply.now_ms,
        store_host: shard.store_host,
        reconsume_times: send.reconsume_times.max(0),
        prepared_transaction_offset: 0,
        body: reply.body,
        topic: send.topic,
        properties: reply.properties,
    }];
    let appended = send::check_disk(shard)
        .and_then(|()| shard.check_copy_waits())
        .and_then(|()| Ok(shard.append(send.topic, *queue_id, &mut record, |_| reply.tags_code, &[])?));
    match appended {
        Ok(at) => Ok(Stored::At { physical_offset: at.physical_offset, queue_offset: at.queue_offset }),
        Err(Halt::Refuse(refusal)) => {
            shard.statistics.borrow_mut().put_failed();
            Ok(Stored::Refused(refusal))
        }
        Err(Halt::Stall) => Err(Halt::Stall),
    }
}

/// # Errors
/// Nobody was asked, and why.
fn push<E: Env>(
    shard: &Rc<Shard<E>>,
    request: &Request<'_>,
    reply: &Reply<'_>,
    pushed: &PushedReply,
) -> Result<(), String> {
    let requester = &pushed.requester;
    if requester.is_empty() {
        return Err(format!("push reply message fail, property {} is missing", properties::REPLY_TO_CLIENT));
    }
    let connection = shard.clients.borrow().producers.connection_of_client(requester);
    let Some(connection) = connection else {
        return Err(format!("push reply message fail, channel of <{requester}> not found."));
    };
    let command = pushed_command(shard, request, reply);
    ask(shard, connection, command, ANSWER_WITHIN, Waiter::Reply(pushed.clone()))
        .map_err(|refusal| format!("push reply message to {requester} fail. {}", refusal.remark))
}

/// PUSH_REPLY_MESSAGE_TO_CLIENT (326).
fn pushed_command<E: Env>(shard: &Shard<E>, request: &Request<'_>, reply: &Reply<'_>) -> RemotingCommand {
    let Reply { send, now_ms, .. } = reply;
    let mut text = reply.properties.to_vec();
    text.extend_from_slice(properties::PUSH_REPLY_TIME.as_bytes());
    text.push(properties::NAME_END);
    text.extend_from_slice(now_ms.to_string().as_bytes());
    text.push(properties::VALUE_END);
    let (born_host, store_host) = (request.peer.remote.to_string(), shard.store_host.to_string());
    RemotingCommand::request(RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT.0, 0)
        .with_field("bornHost", born_host.as_str())
        .with_field("storeHost", store_host.as_str())
        .with_field("storeTimestamp", *now_ms)
        .with_field("producerGroup", send.producer_group)
        .with_field("topic", send.topic)
        .with_field("defaultTopic", send.default_topic)
        .with_field("defaultTopicQueueNums", send.default_topic_queue_nums)
        .with_field("queueId", reply.queue_id)
        .with_field("sysFlag", send.sys_flag)
        .with_field("bornTimestamp", send.born_timestamp)
        .with_field("flag", send.flag)
        .with_field("reconsumeTimes", send.reconsume_times)
        .with_field("unitMode", send.unit_mode)
        .with_field("properties", String::from_utf8_lossy(&text).as_ref())
        .with_body(reply.body)
}

impl PushedReply {
    /// Tells the sender what came of it.
    pub(crate) fn go_on<E: Env>(self, shard: &Rc<Shard<E>>, outcome: &Outcome<'_>) {
        let requester = &self.requester;
        let why = match outcome {
            Outcome::Answered(header, _) if header.code == ResponseCode::SUCCESS.0 => None,
            Outcome::Answered(header, _) => Some(format!("it answers {}", header.code)),
            Outcome::Closed => Some("its connection was closed".to_owned()),
            Outcome::Overdue => Some(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        };
        match why {
            None => self.succeed(shard),
            Some(why) => {
                let remark = format!("push reply message to {requester} fail. {why}");
                self.fail(shard, &remark);
            }
        }
    }

    fn succeed<E: Env>(self, shard: &Rc<Shard<E>>) {
        match &self.stored {
            Stored::Refused(refusal) => self.ticket.refuse(shard, refusal),
            Stored::At { .. } if !shard.may_change() => {
                if let Halt::Refuse(refusal) = shard.not_leading() {
                    self.ticket.refuse(shard, &refusal);
                }
            }
            Stored::NotAsked => self.answer_now(shard, ResponseCode::SUCCESS, None),
            Stored::At { .. } => {
                let ticket = self.ticket;
                shard.answer_stored(ticket, |code, buffer| {
                    let mut encoder = CommandEncoder::response(buffer, ticket.encoding, code.0, ticket.opaque, None);
                    self.write_fields(shard, &mut encoder);
                    encoder.finish();
                });
            }
        }
    }

    /// Nobody has it; where it lies in the log is said all the same.
    fn fail<E: Env>(&self, shard: &Rc<Shard<E>>, remark: &str) {
        self.answer_now(shard, ResponseCode::SYSTEM_ERROR, Some(remark));
    }

    fn answer_now<E: Env>(&self, shard: &Rc<Shard<E>>, code: ResponseCode, remark: Option<&str>) {
        self.ticket.answer(shard, code, remark, |encoder| self.write_fields(shard, encoder));
    }

    fn write_fields<E: Env>(&self, shard: &Shard<E>, encoder: &mut CommandEncoder<'_>) {
        // Clients parse these fields even where nothing was stored.
        let (id, queue_offset) = match self.stored {
            Stored::At { physical_offset, queue_offset } => {
                let physical_offset = physical_offset as i64;
                (OffsetMessageId { store_host: shard.store_host, physical_offset }.to_string(), queue_offset)
            }
            Stored::NotAsked | Stored::Refused(_) => ("0".to_owned(), 0),
        };
        encoder.field("msgId", id.as_str()).field("queueId", self.queue_id).field("queueOffset", queue_offset);
        encoder.field("MSG_REGION", shard.config.identity.region_id.as_str());
        encoder.field("TRACE_ON", shard.config.identity.trace_on);
    }
}
