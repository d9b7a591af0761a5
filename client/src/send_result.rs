//! What a broker says about a message it has stored.

use protocol::body::MessageQueue;
use protocol::code::ResponseCode;

use crate::answer::Answer;
use crate::error::ClientError;

/// How far storing a message has come. In each case the message is stored, and will be delivered unless a machine
/// is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendStatus {
    /// Stored as the broker is configured to.
    Ok,
    /// Not on the disk in time.
    FlushDiskTimeout,
    /// Not on a replica in time.
    FlushSlaveTimeout,
    /// No replica to copy it to.
    SlaveNotAvailable,
}

impl SendStatus {
    /// The status a response code stands for; `None` for one that says the message was not stored.
    #[must_use]
    pub fn from_code(code: ResponseCode) -> Option<Self> {
        match code {
            ResponseCode::SUCCESS => Some(Self::Ok),
            ResponseCode::FLUSH_DISK_TIMEOUT => Some(Self::FlushDiskTimeout),
            ResponseCode::FLUSH_SLAVE_TIMEOUT => Some(Self::FlushSlaveTimeout),
            ResponseCode::SLAVE_NOT_AVAILABLE => Some(Self::SlaveNotAvailable),
            _ => None,
        }
    }

    /// The name RocketMQ's tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "SEND_OK",
            Self::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            Self::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            Self::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        }
    }
}

/// Where and how a message was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendResult {
    /// How far it has come.
    pub status: SendStatus,
    /// The unique id the producer gave it; of a batch all ids, joined by commas.
    pub msg_id: String,
    /// The id the broker gave it, which holds address and physical offset; of a batch all ids, joined by commas.
    pub offset_msg_id: String,
    /// The queue it is in.
    pub queue: MessageQueue,
    /// Its number in the queue; of a batch the first message's.
    pub queue_offset: i64,
}

impl SendResult {
    /// Reads a broker's answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the message was not stored.
    pub(crate) fn from_answer(answer: Answer, msg_id: String, sent_to: &MessageQueue) -> Result<Self, ClientError> {
        let Some(status) = SendStatus::from_code(answer.response()) else { return Err(answer.refused()) };
        Ok(Self {
            status,
            msg_id,
            offset_msg_id: answer.field("msgId")?,
            queue: MessageQueue { queue_id: answer.field("queueId")?, ..sent_to.clone() },
            queue_offset: answer.field("queueOffset")?,
        })
    }
}
