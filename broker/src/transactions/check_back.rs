//! Asks producers about half messages that are old enough and have no end: CHECK_TRANSACTION_STATE (39), one way. Nobody waits
//! for an answer: it comes as an END_TRANSACTION, soon, late or never.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use protocol::header::FLAG_ONEWAY;
use protocol::message_id::OffsetMessageId;
use protocol::record::{RecordFields, RecordView, decode_record};
use protocol::topic_name::{TRANS_GROUP, TRANS_HALF_TOPIC};
use runtime::ConnectionId;

use super::give_up::{give_up, read_half};
use super::{CheckLimits, Due, DueTurn, HALF_QUEUE_ID};
use crate::control_record::{ControlRecord, TransactionsChecked};
use crate::env::Env;
use crate::processor::admission::offer_patiently;
use crate::processor::client_call::next_opaque;
use crate::request::Refusal;
use crate::send_properties::{SendProperties, append_check_properties, delivery_target, producer_group};
use crate::shard::Shard;

/// Rows looked at in one turn of the shard.
const LOOKED_MAX: usize = 4096;
/// Producers asked in one turn, and so in one record of the log ...
const TURN_MAX: usize = 64;
/// ... unless their messages are larger than this together.
const TURN_BYTES_MAX: usize = 1 << 20;
/// Between two turns.
const PAUSE: Duration = Duration::from_micros(200);

/// What a shard remembers of its asking; not in the log.
#[derive(Debug, Default)]
pub(crate) struct CheckBack {
    is_running: Cell<bool>,
}

/// A question that is ready to be sent.
struct Question {
    queue_offset: u64,
    checks: u32,
    group: String,
    request: RemotingCommand,
}

/// Begins to look at all half messages, unless that is still being done since last time.
pub(crate) fn begin<E: Env>(shard: &Rc<Shard<E>>) {
    let is_idle = shard.tables.borrow().half_messages.is_empty() && progress(shard).is_none();
    if is_idle || !shard.may_change() || shard.check_back.is_running.replace(true) {
        return;
    }
    let task_shard = shard.clone();
    shard.env.spawn_background(async move {
        if let Err(refusal) = ask_all(&task_shard).await {
            let shard = &task_shard.identity.broker_name;
            tracing::error!(remark = refusal.remark, shard, "producers are not asked about their half messages now");
        }
        note_progress(&task_shard);
        task_shard.sweep_end();
        task_shard.check_back.is_running.set(false);
    });
}

fn limits<E: Env>(shard: &Shard<E>) -> CheckLimits {
    let config = &shard.config.transactions;
    CheckLimits {
        timeout_ms: config.timeout.as_millis() as i64,
        checks_max: config.checks_max,
        kept_ms: shard.config.store.reserved_time.as_millis() as i64,
    }
}

/// One look at every half message there is. Those that come meanwhile are too young.
async fn ask_all<E: Env>(shard: &Rc<Shard<E>>) -> Result<(), Refusal> {
    let mut from = Some(0);
    let mut unasked = Unasked::default();
    while let Some(at) = from {
        if !shard.may_change() {
            break;
        }
        let now_ms = shard.env.now_ms();
        let asked_about = at..end_of_stored(shard).max(at);
        let DueTurn { due, next } =
            shard.tables.borrow().half_messages.due_in(asked_about, now_ms, &limits(shard), LOOKED_MAX, TURN_MAX);
        from = next;
        let mut questions = Vec::new();
        let mut bytes = 0;
        for (queue_offset, due) in due {
            match due {
                Due::NotYet => {}
                Due::GiveUp => {
                    if !give_up(shard, queue_offset, "its producers were asked often enough, or it is too old").await {
                        return Ok(());
                    }
                }
                Due::Check(checks) => {
                    if let Some(question) = prepare(shard, queue_offset, checks).await {
                        bytes += question.request.body.len();
                        questions.push(question);
                    }
                }
            }
            if bytes >= TURN_BYTES_MAX {
                ask(shard, std::mem::take(&mut questions), &mut unasked).await?;
                bytes = 0;
            }
        }
        ask(shard, questions, &mut unasked).await?;
        shard.sweep_end();
        // Requests that came meanwhile go first.
        shard.env.sleep(PAUSE).await;
    }
    unasked.say(&shard.identity.broker_name);
    Ok(())
}

/// Queue offset behind the half messages that are stored for good. The next leader may not have those behind it: a producer that
/// says how such a one ends names a place where another one may be by then.
fn end_of_stored<E: Env>(shard: &Shard<E>) -> u64 {
    shard.queue_range(TRANS_HALF_TOPIC, HALF_QUEUE_ID).map_or(0, |(_, readable)| readable.end)
}

/// Reads a half message and makes the question of it. One that cannot be read and never will be is ended here.
async fn prepare<E: Env>(shard: &Rc<Shard<E>>, queue_offset: u64, checks: u32) -> Option<Question> {
    let question = match read_half(shard, queue_offset).await {
        Ok(Ok(bytes)) => decode_record(&bytes).ok().and_then(|(record, _)| question_of(shard, &record, checks)),
        Ok(Err(_)) => None,
        Err(error) => {
            let shard = &shard.identity.broker_name;
            tracing::warn!(%error, queue_offset, shard, "a half message cannot be read; its producer is asked later");
            return None;
        }
    };
    if question.is_none() {
        give_up(shard, queue_offset, "its producer cannot be told what it is about").await;
    }
    question
}

/// Counts the questions in the log, then asks.
async fn ask<E: Env>(shard: &Rc<Shard<E>>, questions: Vec<Question>, unasked: &mut Unasked) -> Result<(), Refusal> {
    if questions.is_empty() {
        return Ok(());
    }
    let halves = questions.iter().map(|question| (question.queue_offset, question.checks)).collect();
    let checked = TransactionsChecked { halves };
    let mut control = Vec::new();
    ControlRecord::TransactionsChecked(checked.clone()).encode(&mut control);
    offer_patiently(shard, || Ok(shard.append_control(&control)?)).await?;
    shard.tables.borrow_mut().half_messages.apply_checked(&checked);
    for question in questions {
        // It may have ended while others were read.
        if shard.tables.borrow().half_messages.get(question.queue_offset).is_some() {
            send(shard, question, unasked);
        }
    }
    Ok(())
}

/// To any producer of the group that reads what it is sent.
fn send<E: Env>(shard: &Shard<E>, question: Question, unasked: &mut Unasked) {
    let Question { group, mut request, queue_offset, checks } = question;
    let clients = shard.clients.borrow();
    let count = clients.producers.members(&group).count();
    // Neighbours ask different producers, and so does the next question about the same half message.
    let first = (queue_offset as usize).wrapping_add(checks as usize);
    for number in 0..count {
        let Some((connection, member)) = clients.producers.pick(&group, first.wrapping_add(number)) else { break };
        let to = ConnectionId::from_u64(connection);
        if shard.outbox.is_congested(to) {
            continue;
        }
        request.opaque = next_opaque(shard);
        if shard.outbox.with_buffer(to, |buffer| request.encode(buffer, HeaderEncoding::Json)) {
            tracing::debug!(queue_offset, checks, group, client = &*member.client_id, "asked about a half message");
            return;
        }
    }
    unasked.note(group);
}

fn question_of<E: Env>(shard: &Shard<E>, half: &RecordView<'_>, checks: u32) -> Option<Question> {
    let (topic, queue_id) = delivery_target(half.properties).ok()?;
    let group = producer_group(half.properties)?;
    let mut properties = Vec::new();
    append_check_properties(half.properties, checks, &mut properties);
    let seen = SendProperties::scan(&properties, 0).ok()?;
    let unique_key = std::str::from_utf8(&properties[seen.unique_key?]).ok()?;
    let fields = RecordFields { topic, queue_id, properties: &properties, ..half.to_fields() };
    let mut body = vec![0; fields.encoded_bytes()];
    fields.encode(&mut body);
    let id = OffsetMessageId { store_host: shard.store_host, physical_offset: half.physical_offset };
    let request = RemotingCommand::request(RequestCode::CHECK_TRANSACTION_STATE.0, 0)
        .with_field("bname", shard.identity.broker_name.as_str())
        .with_field("commitLogOffset", half.physical_offset)
        .with_field("msgId", unique_key)
        .with_field("offsetMsgId", id)
        .with_field("topic", TRANS_HALF_TOPIC)
        .with_field("tranStateTableOffset", half.queue_offset)
        .with_field("transactionId", unique_key)
        .with_body(body);
    let request = RemotingCommand { flag: FLAG_ONEWAY, ..request };
    Some(Question { queue_offset: half.queue_offset as u64, checks, group: group.to_owned(), request })
}

/// Tools show how many half messages wait as what the group of the system has not consumed.
fn note_progress<E: Env>(shard: &Shard<E>) {
    if let Some(first) = progress(shard).filter(|_| shard.may_change()) {
        let mut tables = shard.tables.borrow_mut();
        tables.offsets.commit(TRANS_GROUP, TRANS_HALF_TOPIC, HALF_QUEUE_ID, first);
    }
}

/// Where that group should be, unless it is.
fn progress<E: Env>(shard: &Shard<E>) -> Option<i64> {
    let (_, range) = shard.queue_range(TRANS_HALF_TOPIC, HALF_QUEUE_ID)?;
    let tables = shard.tables.borrow();
    let first = tables.half_messages.first().unwrap_or(range.end).min(range.end) as i64;
    let noted = tables.offsets.query(TRANS_GROUP, TRANS_HALF_TOPIC, HALF_QUEUE_ID);
    noted.is_none_or(|noted| noted < first).then_some(first)
}

/// Half messages of groups none of whose producers could be asked.
#[derive(Debug, Default)]
struct Unasked {
    count: u64,
    example: String,
}

impl Unasked {
    fn note(&mut self, group: String) {
        self.count += 1;
        self.example = group;
    }

    fn say(&self, shard: &str) {
        if self.count > 0 {
            let Self { count, example } = self;
            tracing::warn!(count, group = example, shard, "half messages wait for groups without a connected producer");
        }
    }
}
