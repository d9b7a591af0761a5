//! What a broker says to a pull.

use bytes::Bytes;
use protocol::code::ResponseCode;

use crate::answer::Answer;
use crate::error::ClientError;
use crate::filter::Filter;
use crate::received_message::ReceivedMessage;

/// The queue as the broker sees it when it answers a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePositions {
    /// Where to pull next.
    pub next_offset: i64,
    /// The first message that is still there.
    pub min_offset: i64,
    /// One past the last message.
    pub max_offset: i64,
    /// The replica to ask next time.
    pub suggested_broker_id: i64,
}

/// The outcome of a pull. In every case the positions say where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullResult {
    /// Messages, in order of queue offset. May be empty when the broker found only messages whose tags have the same
    /// hash as the wanted ones.
    Found {
        /// The messages.
        messages: Vec<ReceivedMessage>,
        /// Where to go on.
        positions: QueuePositions,
    },
    /// Nothing at or after the offset yet.
    NoNewMessage {
        /// Where to go on.
        positions: QueuePositions,
    },
    /// Messages, but none that the filter wants.
    NoMatchedMessage {
        /// Where to go on.
        positions: QueuePositions,
    },
    /// The offset is outside the queue, or was reset.
    OffsetMoved {
        /// Where to go on.
        positions: QueuePositions,
    },
}

impl PullResult {
    /// Reads a broker's answer and drops what the filter does not want.
    pub(crate) fn from_answer(mut answer: Answer, filter: &Filter) -> Result<Self, ClientError> {
        let code = answer.response();
        let is_outcome = matches!(
            code,
            ResponseCode::SUCCESS
                | ResponseCode::PULL_NOT_FOUND
                | ResponseCode::PULL_RETRY_IMMEDIATELY
                | ResponseCode::PULL_OFFSET_MOVED
        );
        if !is_outcome {
            return Err(answer.refused());
        }
        let positions = QueuePositions {
            next_offset: answer.field("nextBeginOffset")?,
            min_offset: answer.field("minOffset")?,
            max_offset: answer.field("maxOffset")?,
            suggested_broker_id: answer.field("suggestWhichBrokerId")?,
        };
        Ok(match code {
            ResponseCode::PULL_NOT_FOUND => Self::NoNewMessage { positions },
            ResponseCode::PULL_RETRY_IMMEDIATELY => Self::NoMatchedMessage { positions },
            ResponseCode::PULL_OFFSET_MOVED => Self::OffsetMoved { positions },
            _ => {
                let body = Bytes::from(std::mem::take(&mut answer.command.body));
                let mut messages = ReceivedMessage::decode_all(&body).map_err(|source| answer.unreadable(source))?;
                messages.retain(|message| filter.matches(message));
                Self::Found { messages, positions }
            }
        })
    }

    /// Where to go on.
    #[must_use]
    pub fn positions(&self) -> QueuePositions {
        match self {
            Self::Found { positions, .. }
            | Self::NoNewMessage { positions }
            | Self::NoMatchedMessage { positions }
            | Self::OffsetMoved { positions } => *positions,
        }
    }

    /// Where to pull next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.positions().next_offset
    }

    /// The messages; none unless some were found.
    #[must_use]
    pub fn messages(&self) -> &[ReceivedMessage] {
        match self {
            Self::Found { messages, .. } => messages,
            _ => &[],
        }
    }

    /// The messages by value.
    #[must_use]
    pub fn into_messages(self) -> Vec<ReceivedMessage> {
        match self {
            Self::Found { messages, .. } => messages,
            _ => Vec::new(),
        }
    }
}
