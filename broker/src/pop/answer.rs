//! What a pop is answered.

use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;
use protocol::pop_handle::{ORDERED_REVIVE_QUEUE, PopHandle, PopQueuesText, PopSource};
use protocol::record::{RecordFields, decode_record};

use super::attempt::{Attempt, Chosen, ColdRecords, Part};
use super::revived_properties::append_handle;
use super::{PopJob, PopKind};
use crate::env::Env;
use crate::request::Refusal;
use crate::shard::Shard;

/// `reviveQid` of a pop that is not ordered. The reference spreads them over queues of its own; here it means nothing.
const REVIVE_QUEUE: i32 = 0;

impl PopJob {
    fn revive_queue_id(&self) -> i32 {
        if self.is_ordered { ORDERED_REVIVE_QUEUE } else { REVIVE_QUEUE }
    }

    /// Answers what was found: once the log has it, where something was taken.
    pub(super) fn answer_found<E: Env>(&self, shard: &Shard<E>, attempt: &Attempt, cold: &ColdRecords) {
        if self.kind == PopKind::Notify {
            return self.answer_notified(shard, true, false);
        }
        let (text, body) = (self.queues_text(attempt), self.body(shard, attempt, cold));
        let (code, ticket) = (ResponseCode::SUCCESS, self.ticket);
        shard.statistics.borrow_mut().get_found(attempt.messages as u64);
        if self.kind == PopKind::Peek {
            let fields = |encoder: &mut CommandEncoder<'_>| _ = self.write_fields(encoder, 0, 0, attempt.rest);
            return ticket.answer_with_body(shard, code, Some("FOUND"), fields, &body);
        }
        shard.answer_when_safe(ticket, |buffer| {
            let mut encoder = CommandEncoder::response(buffer, ticket.encoding, code.0, ticket.opaque, Some("FOUND"));
            self.write_fields(&mut encoder, attempt.now_ms, self.invisible_ms, attempt.rest)
                .field("startOffsetInfo", &text.start)
                .field("msgOffsetInfo", &text.offsets);
            if self.is_ordered {
                encoder.field("orderCountInfo", &text.order_counts);
            }
            encoder.finish_with_body(&body);
        });
    }

    /// Answers that there is nothing, or why nothing is given out.
    pub(super) fn answer_nothing<E: Env>(&self, shard: &Shard<E>, attempt: &Attempt) {
        match attempt.full {
            Some(why) => self.answer_empty(shard, ResponseCode::POLLING_FULL, why, attempt.rest),
            None => self.answer_timeout(shard, attempt.rest),
        }
    }

    /// The time that it may be held is over.
    pub(crate) fn answer_timeout<E: Env>(&self, shard: &Shard<E>, rest: u64) {
        let remark = "NO_MESSAGE_IN_QUEUE";
        match self.kind {
            PopKind::Notify => self.answer_notified(shard, false, false),
            PopKind::Take => self.answer_empty(shard, ResponseCode::POLLING_TIMEOUT, remark, rest),
            PopKind::Peek => self.answer_empty(shard, ResponseCode::PULL_NOT_FOUND, remark, rest),
        }
    }

    /// As many are held as may be.
    pub(super) fn answer_held_full<E: Env>(&self, shard: &Shard<E>, rest: u64) {
        match self.kind {
            PopKind::Notify => self.answer_notified(shard, false, true),
            _ => {
                let remark = format!(
                    "as many requests of group {} wait for topic {} as may, try again: see popPollingSize, maxPopPollingSize",
                    self.group, self.topic
                );
                self.answer_empty(shard, ResponseCode::POLLING_FULL, &remark, rest);
            }
        }
    }

    /// It can not be run any more.
    pub(super) fn refuse<E: Env>(&self, shard: &Shard<E>, refusal: &Refusal) {
        self.ticket.refuse(shard, refusal);
    }

    fn answer_notified<E: Env>(&self, shard: &Shard<E>, has_message: bool, is_full: bool) {
        self.ticket.answer(shard, ResponseCode::SUCCESS, None, |encoder| {
            encoder.field("hasMsg", has_message).field("pollingFull", is_full);
        });
    }

    fn answer_empty<E: Env>(&self, shard: &Shard<E>, code: ResponseCode, remark: &str, rest: u64) {
        shard.statistics.borrow_mut().get_miss();
        self.ticket.answer(shard, code, Some(remark), |encoder| {
            let takes = self.kind == PopKind::Take;
            let (pop_ms, invisible_ms) = if takes { (shard.env.now_ms(), self.invisible_ms) } else { (0, 0) };
            self.write_fields(encoder, pop_ms, invisible_ms, rest)
                .field("startOffsetInfo", "")
                .field("msgOffsetInfo", "");
        });
    }

    fn write_fields<'a, 'b>(
        &self,
        encoder: &'a mut CommandEncoder<'b>,
        pop_ms: i64,
        invisible_ms: i64,
        rest: u64,
    ) -> &'a mut CommandEncoder<'b> {
        let revive_queue_id = if self.kind == PopKind::Take { self.revive_queue_id() } else { REVIVE_QUEUE };
        encoder
            .field("popTime", pop_ms)
            .field("invisibleTime", invisible_ms)
            .field("reviveQid", revive_queue_id)
            .field("restNum", rest)
    }

    fn queues_text(&self, attempt: &Attempt) -> PopQueuesText {
        let mut text = PopQueuesText::default();
        for part in &attempt.parts {
            let offsets = part.chosen.iter().map(|message| message.offset);
            text.add(part.source, part.queue_id, part.start, offsets.clone());
            if self.is_ordered {
                text.add_order_counts(part.source, part.queue_id, offsets.zip(part.times.iter().copied()));
            }
        }
        text
    }

    fn body<E: Env>(&self, shard: &Shard<E>, attempt: &Attempt, cold: &ColdRecords) -> Vec<u8> {
        let mut body = Vec::with_capacity(attempt.bytes + 256 * attempt.messages);
        for part in &attempt.parts {
            for message in &part.chosen {
                let append = |record: &[u8]| self.append(shard, attempt, part, message, record, &mut body);
                let shown = shard.with_popped(message.position, message.bytes, cold, append);
                assert!(shown.is_some(), "what was in memory in this turn still is");
            }
        }
        body
    }

    /// A message of a retry topic comes as one of the topic that was popped, with its handle: clients make handles of those that
    /// have none.
    fn append<E: Env>(
        &self,
        shard: &Shard<E>,
        attempt: &Attempt,
        part: &Part,
        message: &Chosen,
        record: &[u8],
        body: &mut Vec<u8>,
    ) {
        let as_stored = part.source == PopSource::Topic || self.kind != PopKind::Take;
        let rewritten = match decode_record(record) {
            Ok((decoded, _)) if !as_stored && !shard.config.pops.shows_retry_topic => Some(decoded),
            _ => None,
        };
        let Some(decoded) = rewritten else { return body.extend_from_slice(record) };
        let handle = PopHandle {
            start: part.start as i64,
            pop_ms: attempt.now_ms,
            invisible_ms: self.invisible_ms,
            revive_queue_id: self.revive_queue_id(),
            source: part.source,
            broker_name: &shard.identity.broker_name,
            queue_id: part.queue_id,
            offset: Some(message.offset as i64),
        };
        let mut properties = Vec::new();
        append_handle(decoded.properties, &handle, &mut properties);
        let fields = RecordFields { topic: &self.topic, properties: &properties, ..decoded.to_fields() };
        let at = body.len();
        body.resize(at + fields.encoded_bytes(), 0);
        fields.encode(&mut body[at..]);
    }
}
