//! QUERY_MESSAGE (12): the messages of a topic that have a key, a unique key or a tag, newest first.

use std::rc::Rc;

use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;
use protocol::record::decode_record;
use storage::key_index::{Found, KeyHash, KeyKind, has_key};

use crate::env::Env;
use crate::key_indexing::{self, KeyIndexing};
use crate::request::{Halt, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};

/// Records that one question reads: of another time, or of another key that the index takes for the same.
const EXAMINED_MAX: usize = 4_096;
/// One answer holds no more; the newest messages are in it.
const BODY_BYTES_MAX: usize = 12 << 20;
/// An index that is damaged in so many places is not waited for.
const DAMAGED_MAX: usize = 16;

/// What is asked for.
struct Wanted {
    topic: String,
    key: String,
    kind: KeyKind,
    messages_max: usize,
    /// Store times, ms, both included.
    begin_ms: i64,
    end_ms: i64,
}

impl Wanted {
    fn of<E: Env>(shard: &Shard<E>, request: &Request<'_>) -> Result<Self, Halt> {
        let header = request.header;
        let is_unique = header.optional("_UNIQUE_KEY_QUERY")?.unwrap_or(false);
        let asked: i32 = header.require("maxNum")?;
        let messages_max = match is_unique {
            true => shard.config.queries.unique_messages_max,
            false => u32::try_from(asked).unwrap_or(0).min(shard.config.queries.messages_max),
        };
        Ok(Self {
            topic: header.require_str("topic")?.to_owned(),
            key: header.require_str("key")?.to_owned(),
            kind: if header.get("indexType") == Some("T") { KeyKind::Tag } else { KeyKind::Key },
            messages_max: messages_max as usize,
            begin_ms: header.require("beginTimestamp")?,
            end_ms: header.require("endTimestamp")?,
        })
    }

    fn is(&self, record: &[u8]) -> bool {
        let Ok((record, _)) = decode_record(record) else { return false };
        record.topic == self.topic
            && (self.begin_ms..=self.end_ms).contains(&record.store_timestamp)
            && has_key(record.properties, self.kind, self.key.as_bytes())
    }
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let wanted = Wanted::of(shard, request)?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let shard = &task_shard;
        let Some(indexing) = &shard.key_indexing else {
            let remark = "messageIndexEnable is false: messages are not found by key";
            return ticket
                .answer(shard, ResponseCode::QUERY_NOT_FOUND, Some(remark), |encoder| write_fields(encoder, 0, 0));
        };
        key_indexing::until_caught_up(shard, indexing).await;
        match gather(shard, indexing, &wanted).await {
            Ok(records) if records.is_empty() => {
                let remark = "can not find message, maybe time range not correct";
                let fields = |encoder: &mut CommandEncoder<'_>| write_fields(encoder, 0, 0);
                ticket.answer(shard, ResponseCode::QUERY_NOT_FOUND, Some(remark), fields);
            }
            Ok(records) => {
                let (_, newest_ms, newest) = indexing.index.reached(shard.store.log());
                let fields = |encoder: &mut CommandEncoder<'_>| write_fields(encoder, newest_ms, newest);
                ticket.answer_with_body(shard, ResponseCode::SUCCESS, None, fields, &records);
            }
            Err(error) => {
                let remark = format!("the index of keys cannot be read: {error}");
                ticket.answer(shard, ResponseCode::SYSTEM_ERROR, Some(&remark), |_| ());
            }
        }
    })
}

fn write_fields(encoder: &mut CommandEncoder<'_>, newest_ms: i64, newest: u64) {
    encoder.field("indexLastUpdateTimestamp", newest_ms).field("indexLastUpdatePhyoffset", newest);
}

/// The records, newest first.
async fn gather<E: Env>(
    shard: &Rc<Shard<E>>,
    indexing: &KeyIndexing,
    wanted: &Wanted,
) -> Result<Vec<u8>, storage::StorageError> {
    let key = KeyHash::new(wanted.kind, &wanted.topic, wanted.key.as_bytes());
    let times = (wanted.begin_ms, wanted.end_ms);
    let (mut records, mut count, mut examined, mut damaged) = (Vec::new(), 0, 0, 0);
    let mut below = u64::MAX;
    while count < wanted.messages_max {
        let positions = match indexing.index.find(shard.store.log(), key, times, below).await? {
            Found::Nothing => break,
            Found::Candidates { positions, below: next } => {
                below = next;
                positions
            }
            // What was found so far lies above; the rest is looked for when it is made again.
            Found::Damaged if damaged < DAMAGED_MAX => {
                damaged += 1;
                key_indexing::until_caught_up(shard, indexing).await;
                continue;
            }
            Found::Damaged => break,
        };
        for position in positions {
            examined += 1;
            if count == wanted.messages_max || examined > EXAMINED_MAX {
                return Ok(records);
            }
            // Its segment may be gone meanwhile.
            let Ok(record) = shard.read_record_at(position).await else { continue };
            if !wanted.is(&record) {
                continue;
            }
            if records.len() + record.len() > BODY_BYTES_MAX {
                return Ok(records);
            }
            records.extend_from_slice(&record);
            count += 1;
        }
    }
    Ok(records)
}
