//! A message on its way to a broker: the request that stores it, and what the answer says became of it.

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::message_id::OffsetMessageId;
use protocol::topic_name::AUTO_CREATE_TOPIC;

use super::sim_env::BEGAN_MS;
use crate::Violation;

/// How a broker says that it cannot tell what became of a message.
const AMBIGUOUS_REMARK: &str = "it may or may not be stored";

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) producer_group: &'a str,
    pub(super) topic: &'a str,
    /// A topic that is not there is made with so many.
    pub(super) queues: u32,
    pub(super) queue_id: u32,
    pub(super) sys_flag: i32,
    pub(super) born_ms: i64,
    pub(super) properties: String,
    pub(super) body: Vec<u8>,
}

impl<'a> Outgoing<'a> {
    /// For the one queue of a topic.
    pub(super) fn new(producer_group: &'a str, topic: &'a str, properties: String, body: Vec<u8>) -> Self {
        let (queues, queue_id, sys_flag, born_ms) = (1, 0, 0, BEGAN_MS);
        Self { producer_group, topic, queues, queue_id, sys_flag, born_ms, properties, body }
    }

    pub(super) fn request(self) -> RemotingCommand {
        RemotingCommand::request(RequestCode::SEND_MESSAGE_V2.0, 0)
            .with_field("a", self.producer_group)
            .with_field("b", self.topic)
            .with_field("c", AUTO_CREATE_TOPIC)
            .with_field("d", self.queues)
            .with_field("e", self.queue_id)
            .with_field("f", self.sys_flag)
            .with_field("g", self.born_ms)
            .with_field("h", 0)
            .with_field("i", self.properties.as_str())
            .with_body(self.body)
    }
}

/// What the sender of a message knows of it.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Sent {
    /// No answer, or one that leaves it open.
    #[default]
    Unknown,
    Stored,
    Refused,
}

/// Where a message is, as the answer to its send says.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stored {
    pub(super) queue_id: u32,
    pub(super) offset: u64,
    pub(super) physical_offset: u64,
    /// As safe as it was to be: where a master waits for slaves, they have it.
    pub(super) is_whole: bool,
}

/// What an answer to a send says.
pub(super) enum SendAnswer {
    Stored(Stored),
    Refused(String),
    Ambiguous,
}

/// # Errors
/// It is acknowledged, and no client would know where it is.
pub(super) fn read_answer(answer: &RemotingCommand) -> Result<SendAnswer, Violation> {
    let remark = answer.remark.clone().unwrap_or_default();
    match ResponseCode(answer.code) {
        // Stored, and less safe than it was to be: clients take it as delivered.
        ResponseCode::SUCCESS
        | ResponseCode::FLUSH_DISK_TIMEOUT
        | ResponseCode::SLAVE_NOT_AVAILABLE
        | ResponseCode::FLUSH_SLAVE_TIMEOUT => {
            let number = |key| answer.get(key).and_then(|text: &str| text.parse::<u64>().ok());
            let id = answer.get("msgId").and_then(|id| id.parse::<OffsetMessageId>().ok());
            match (number("queueId"), number("queueOffset"), id) {
                (Some(queue_id), Some(offset), Some(id)) => {
                    let (queue_id, physical_offset) = (queue_id as u32, id.physical_offset as u64);
                    let is_whole = answer.code == ResponseCode::SUCCESS.0;
                    Ok(SendAnswer::Stored(Stored { queue_id, offset, physical_offset, is_whole }))
                }
                _ => Err(Violation(format!("a send was acknowledged without its place: {answer:?}"))),
            }
        }
        _ if remark.contains(AMBIGUOUS_REMARK) => Ok(SendAnswer::Ambiguous),
        code => Ok(SendAnswer::Refused(format!("{} {remark}", code.0))),
    }
}
