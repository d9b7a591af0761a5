//! GET_CONSUMER_RUNNING_INFO (307) and CONSUME_MESSAGE_DIRECTLY (309): an operator's request that a consumer answers.

use std::rc::Rc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{RemotingCommand, VERSION};
use protocol::frame::{FRAME_BYTES_MAX, HeaderEncoding};
use protocol::message_id::OffsetMessageId;
use runtime::ExpectedBytes;

use super::client_call::{self, Outcome, Waiter, ask};
use crate::env::Env;
use crate::request::{Halt, Refusal, Request, Ticket};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// A consumer has this long, as with the reference.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The first version that knows these requests: V3_1_8_SNAPSHOT.
const VERSION_MIN: i32 = 62;
const VERSION_MIN_NAME: &str = "V3_1_8_SNAPSHOT";
/// Remark, keys and values of what is passed on, one way or the other.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// What that may take in a header, each byte of it escaped.
const HEADER_BYTES_MAX: usize = 64 << 10;
const _: () = assert!(6 * TEXT_BYTES_MAX < HEADER_BYTES_MAX);

/// Whoever asked waits for the consumer's answer.
pub(crate) struct Relayed {
    ticket: Ticket,
    consumer: Consumer,
    _expected: ExpectedBytes,
}

#[derive(Clone)]
struct Consumer {
    group: String,
    client_id: String,
}

impl Consumer {
    fn of(request: &Request<'_>) -> Result<Self, Halt> {
        let header = request.header;
        let (group, client_id) = (header.require_str("consumerGroup")?, header.require_str("clientId")?);
        Ok(Self { group: group.to_owned(), client_id: client_id.to_owned() })
    }

    /// Its connection, if it is one that can be asked.
    fn connection<E: Env>(&self, shard: &Shard<E>) -> Result<u64, Halt> {
        let Self { group, client_id } = self;
        let clients = shard.clients.borrow();
        let Some((connection, member)) = clients.consumers.member(group, client_id) else {
            let remark = format!("The Consumer <{group}> <{client_id}> not online");
            return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
        };
        if member.version < VERSION_MIN {
            return Err(client_call::too_old(client_id, member.version, VERSION_MIN_NAME));
        }
        Ok(connection)
    }

    fn failed(&self, code: ResponseCode, why: &str) -> Refusal {
        let Self { group, client_id } = self;
        let remark = match code {
            ResponseCode::CONSUME_MSG_TIMEOUT => format!("consumer <{group}> <{client_id}> Timeout: {why}"),
            _ => format!("invoke consumer <{group}> <{client_id}> Exception: {why}"),
        };
        Refusal::new(code, remark)
    }
}

/// GET_CONSUMER_RUNNING_INFO (307).
pub(crate) fn running_info<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let consumer = Consumer::of(request)?;
    consumer.connection(shard)?;
    let passed = passed_on(request, RequestCode::GET_CONSUMER_RUNNING_INFO)?;
    relay(shard, request.ticket(), consumer, passed)
}

/// CONSUME_MESSAGE_DIRECTLY (309): the consumer is handed a message of this broker, out of turn.
pub(crate) fn consume_directly<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let consumer = Consumer::of(request)?;
    let id = header.require_str("msgId")?;
    consumer.connection(shard)?;
    let id: OffsetMessageId = id.parse().map_err(|error| {
        Halt::refuse(ResponseCode::SYSTEM_ERROR, format!("header field `msgId` is no offset message id: {error}"))
    })?;
    let mut passed = passed_on(request, RequestCode::CONSUME_MESSAGE_DIRECTLY)?;
    let mut set = |key: &str, value: String| {
        passed.fields.retain(|(known, _)| known != key);
        passed.fields.push((key.to_owned(), value));
    };
    set("brokerName", shard.identity.broker_name.clone());
    let tables = shard.tables.borrow();
    if let Some(config) = header.get("topic").and_then(|topic| tables.topics.get(topic)) {
        set("topicSysFlag", config.topic_sys_flag.to_string());
    }
    if let Some(config) = tables.groups.get(&consumer.group) {
        set("groupSysFlag", config.group_sys_flag.to_string());
    }
    drop(tables);
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    let bytes = shard.config.sends.body_bytes_max as usize;
    shard.spawn_read(ticket, bytes, async move {
        let at = id.physical_offset;
        let found = match u64::try_from(at) {
            Ok(position) => task_shard.store.read_record_at(position).await.ok(),
            Err(_) => None,
        };
        let relayed = match found {
            Some(record) => relay(&task_shard, ticket, consumer, RemotingCommand { body: record, ..passed }),
            None => Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, format!("can not find message by the offset, {at}"))),
        };
        if let Err(Halt::Refuse(refusal)) = relayed {
            ticket.refuse(&task_shard, &refusal);
        }
    })
}

/// The request as the client gets it: with all its fields.
fn passed_on(request: &Request<'_>, code: RequestCode) -> Result<RemotingCommand, Halt> {
    let fields: Vec<(String, String)> =
        request.header.fields().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let bytes = text_bytes(&fields);
    if bytes > TEXT_BYTES_MAX {
        let remark =
            format!("the header fields have {bytes} bytes, at most {TEXT_BYTES_MAX} are passed on to a client");
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    }
    Ok(RemotingCommand { fields, ..RemotingCommand::request(code.0, 0) })
}

fn text_bytes(fields: &[(String, String)]) -> usize {
    fields.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn relay<E: Env>(
    shard: &Rc<Shard<E>>,
    ticket: Ticket,
    consumer: Consumer,
    passed: RemotingCommand,
) -> Result<(), Halt> {
    if ticket.is_oneway {
        return Ok(());
    }
    let connection = consumer.connection(shard)?;
    let ticket = Ticket { is_held: true, ..ticket };
    let expected = shard.outbox.expect(ticket.connection, SMALL_READ_BYTES);
    let waiter = Waiter::Relayed(Relayed { ticket, consumer: consumer.clone(), _expected: expected });
    ask(shard, connection, passed, ANSWER_WITHIN, waiter).map_err(|refusal| {
        let Refusal { code, remark, .. } = refusal;
        Halt::Refuse(consumer.failed(code, &remark))
    })
}

impl Relayed {
    /// Hands the client's answer on as it is.
    pub(crate) fn go_on<E: Env>(self, shard: &Rc<Shard<E>>, outcome: &Outcome<'_>) {
        let Self { ticket, consumer, .. } = self;
        let failed = match outcome {
            Outcome::Answered(header, frame) => match RemotingCommand::decode(frame) {
                Ok(answer) => match handed_back(answer, ticket) {
                    Ok(answer) => {
                        shard.outbox.with_buffer(ticket.connection, |buffer| answer.encode(buffer, ticket.encoding));
                        return ticket.answered(shard, ResponseCode(header.code));
                    }
                    Err(why) => consumer.failed(ResponseCode::SYSTEM_ERROR, &why),
                },
                Err(error) => consumer.failed(ResponseCode::SYSTEM_ERROR, &error.to_string()),
            },
            Outcome::Closed => consumer.failed(ResponseCode::SYSTEM_ERROR, "its connection was closed"),
            Outcome::Overdue => {
                let why = format!("no answer within {} s", ANSWER_WITHIN.as_secs());
                consumer.failed(ResponseCode::CONSUME_MSG_TIMEOUT, &why)
            }
        };
        ticket.refuse(shard, &failed);
    }
}

/// A client's answer under the number and in the encoding of the request, if it can be written so.
fn handed_back(answer: RemotingCommand, ticket: Ticket) -> Result<RemotingCommand, String> {
    let text = text_bytes(&answer.fields) + answer.remark.as_ref().map_or(0, String::len);
    let body = answer.body.len();
    if text > TEXT_BYTES_MAX || body + HEADER_BYTES_MAX > FRAME_BYTES_MAX as usize {
        return Err(format!("its answer has {text} bytes of text and {body} of body, too much to be handed on"));
    }
    let is_binary = ticket.encoding == HeaderEncoding::RocketMq;
    if is_binary && i16::try_from(answer.code).is_err() {
        return Err(format!("its answer's code {} does not fit a binary header", answer.code));
    }
    let version = if is_binary && i16::try_from(answer.version).is_err() { VERSION } else { answer.version };
    Ok(RemotingCommand { opaque: ticket.opaque, version, flag: protocol::header::FLAG_RESPONSE, ..answer })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use runtime::ConnectionId;

    use super::*;
    use crate::metrics::ShardMetrics;

    fn ticket(encoding: HeaderEncoding) -> Ticket {
        Ticket {
            connection: ConnectionId::NOBODY,
            opaque: 77,
            encoding,
            is_oneway: false,
            is_held: false,
            number: 0,
            read_at: ShardMetrics::new(Instant::now()).read_at(),
        }
    }

    fn answer() -> RemotingCommand {
        RemotingCommand { version: 409, ..RemotingCommand::response(0, 5, Some("fine")) }.with_field("k", "v")
    }

    #[test]
    fn an_answer_goes_back_whole_under_the_number_that_was_asked() {
        let back = handed_back(answer().with_body(*b"{}"), ticket(HeaderEncoding::Json)).unwrap();
        assert_eq!((back.opaque, back.version, back.remark.as_deref()), (77, 409, Some("fine")));
        assert_eq!((back.get("k"), &*back.body), (Some("v"), &b"{}"[..]));
        assert!(back.is_response() && !back.is_oneway());
    }

    #[test]
    fn what_no_frame_or_no_binary_header_holds_is_not_handed_on() {
        let large = answer().with_body(vec![0; FRAME_BYTES_MAX as usize - HEADER_BYTES_MAX + 1]);
        assert!(handed_back(large, ticket(HeaderEncoding::Json)).unwrap_err().contains("too much"));
        let wordy = answer().with_field("x", "y".repeat(TEXT_BYTES_MAX).as_str());
        assert!(handed_back(wordy, ticket(HeaderEncoding::Json)).is_err());
        let odd = RemotingCommand { code: 70_000, version: 70_000, ..answer() };
        assert!(handed_back(odd.clone(), ticket(HeaderEncoding::Json)).is_ok());
        assert!(handed_back(odd.clone(), ticket(HeaderEncoding::RocketMq)).unwrap_err().contains("70000"));
        let new = RemotingCommand { code: 1, ..odd };
        assert_eq!(handed_back(new, ticket(HeaderEncoding::RocketMq)).unwrap().version, VERSION);
    }
}
