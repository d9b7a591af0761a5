//! Reads a queue to its end, for clients that look at everything in it.

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::record::iterate;
use protocol::sys_flag::PullSysFlag;

use super::client::{ANSWER_TIMEOUT, ClientWorld};
use super::rpc::Rpc;
use crate::{Violation, require};

/// A message whose body begins with the number that its sender gave it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// In its queue.
    pub(super) offset: u64,
    /// Of its sender.
    pub(super) number: u64,
    /// When the broker that stored it says that it did, ms since 1970.
    pub(super) stored_ms: i64,
    /// As stored.
    pub(super) properties: Vec<u8>,
}

/// What a queue holds from an offset on.
#[derive(Debug)]
pub(super) struct Read {
    /// In order, without gaps.
    pub(super) found: Vec<Found>,
    /// Where it ends.
    pub(super) end: u64,
}

fn pull(topic: &str, at: u64) -> RemotingCommand {
    RemotingCommand::request(RequestCode::PULL_MESSAGE.0, 0)
        .with_field("consumerGroup", "readers")
        .with_field("topic", topic)
        .with_field("queueId", 0)
        .with_field("queueOffset", at)
        .with_field("maxMsgNums", 32)
        .with_field("sysFlag", PullSysFlag::SUBSCRIPTION)
        .with_field("commitOffset", 0)
        .with_field("suspendTimeoutMillis", 0)
        .with_field("subscription", "*")
        .with_field("subVersion", 0)
}

/// All of queue 0 of a topic from `at` on. `None`: somebody did not answer, or cannot read it now.
/// # Errors
/// What was answered is no part of the queue.
pub(super) async fn read_from(
    world: &ClientWorld,
    rpc: &mut Rpc,
    topic: &str,
    mut at: u64,
) -> Result<Option<Read>, Violation> {
    let mut found = Vec::new();
    loop {
        let Some(answer) = rpc.ask(pull(topic, at), ANSWER_TIMEOUT).await? else { return Ok(None) };
        let next: Option<u64> = answer.get("nextBeginOffset").and_then(|next| next.parse().ok());
        match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => {
                let Some(messages) = decode(world, rpc, topic, &answer)? else { return Ok(None) };
                let next = next.ok_or_else(|| Violation(format!("a pull without an end: {answer:?}")))?;
                let is_dense = messages.iter().map(|message| message.offset).eq(at..next);
                require(is_dense && next > at, || {
                    format!("a pull of {topic} at {at} goes on at {next}: {messages:?}")
                })?;
                found.extend(messages);
                at = next;
            }
            ResponseCode::PULL_OFFSET_MOVED if next.is_some_and(|next| next > at) => at = next.unwrap_or(at),
            // A replica that lags may end before.
            ResponseCode::PULL_NOT_FOUND | ResponseCode::PULL_OFFSET_MOVED => return Ok(Some(Read { found, end: at })),
            // Nothing was ever sent there.
            ResponseCode::TOPIC_NOT_EXIST => return Ok(Some(Read { found, end: at })),
            _ => return Ok(None),
        }
    }
}

/// `None`: the disk fails, and every client would notice and ask again.
fn decode(
    world: &ClientWorld,
    rpc: &Rpc,
    topic: &str,
    answer: &RemotingCommand,
) -> Result<Option<Vec<Found>>, Violation> {
    let mut found = Vec::new();
    for record in iterate(&answer.body) {
        let checked = record.and_then(|record| record.check_body_crc().map(|()| record));
        let record = match checked {
            Ok(record) => record,
            Err(_) if world.oracle.borrow().may_read_damage(rpc.life()) => return Ok(None),
            Err(error) => return Err(Violation(format!("a damaged message in {topic}: {error}"))),
        };
        require(record.topic == topic, || format!("{topic} has a message of {}", record.topic))?;
        let number = record.body.first_chunk().map(|number| u64::from_be_bytes(*number));
        found.push(Found {
            offset: record.queue_offset as u64,
            number: number.ok_or_else(|| Violation(format!("a message without a number in {topic}")))?,
            stored_ms: record.store_timestamp,
            properties: record.properties.to_vec(),
        });
    }
    Ok(Some(found))
}
