//! What can go wrong between this client and a cluster: which request, which server, how far it got, and the cause.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::body::BodyError;
use protocol::code::{RequestCode, ResponseCode};
use protocol::frame::FrameError;
use protocol::header::HeaderError;
use protocol::record::RecordError;

use crate::connection::BODY_BYTES_MAX;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The name server list cannot be used.
    #[error("name server list {list:?}: {reason}")]
    NameServerList {
        /// As it was given.
        list: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Whom we tried to reach.
        address: String,
        /// Shared: all callers that waited for the same attempt get it.
        source: Arc<io::Error>,
    },
    /// The connection ended before the answer came. The request may or may not have been carried out.
    #[error("{code} to {address}: the connection closed")]
    Closed {
        /// The request.
        code: RequestCode,
        /// The server.
        address: String,
        /// Why it closed.
        #[source]
        cause: Arc<CloseCause>,
    },
    /// No answer in time. The request may or may not have been carried out.
    #[error("{code} to {address}: no answer within {} ms", after.as_millis())]
    Timeout {
        /// The request.
        code: RequestCode,
        /// The server.
        address: String,
        /// The deadline, from the call on.
        after: Duration,
    },
    /// The request exceeds what the protocol allows in one frame; nothing was sent.
    #[error("{code} to {address}: a body of {body_bytes} bytes exceeds the limit of {BODY_BYTES_MAX}")]
    BodyTooLong {
        /// The request.
        code: RequestCode,
        /// The server.
        address: String,
        /// Its size.
        body_bytes: usize,
    },
    /// The server answered with an error.
    #[error("{code} to {address}: answered {response}{}{remark}", if remark.is_empty() { "" } else { ": " })]
    Refused {
        /// The request.
        code: RequestCode,
        /// The server.
        address: String,
        /// Its answer.
        response: ResponseCode,
        /// Its words; may be empty.
        remark: String,
    },
    /// The server's answer does not hold what the protocol promises.
    #[error("{code} to {address}: the answer cannot be read")]
    Answer {
        /// The request.
        code: RequestCode,
        /// The server.
        address: String,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// None of the name servers could be asked.
    #[error("no name server could be asked: {}", Attempts(attempts))]
    NameServers {
        /// What happened at each, in the order they were tried.
        attempts: Vec<Self>,
    },
    /// No broker has registered the topic.
    #[error("topic {topic} has no route at name server {name_server}")]
    NoRoute {
        /// The topic.
        topic: String,
        /// Who said so.
        name_server: String,
    },
    /// The topic has a route, but no queue that could be used.
    #[error("topic {topic} has no {access} queue on any broker")]
    NoQueue {
        /// The topic.
        topic: String,
        /// `writable` or `readable`.
        access: &'static str,
    },
    /// The route of the topic has no address for the broker.
    #[error("broker {broker_name} is not in the route of topic {topic}")]
    NoBroker {
        /// The broker asked for.
        broker_name: String,
        /// The topic whose route was looked at.
        topic: String,
    },
    /// A message could not be handed to any broker.
    #[error("message to topic {topic} was not sent in {} attempts: {}", attempts.len(), Attempts(attempts))]
    NotSent {
        /// The topic.
        topic: String,
        /// What happened at each attempt, in order.
        attempts: Vec<Self>,
    },
    /// The message cannot be written into a request.
    #[error("message to topic {topic}: {reason}")]
    Message {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// The code the server answered with, if it answered.
    #[must_use]
    pub fn response_code(&self) -> Option<ResponseCode> {
        match self {
            Self::Refused { response, .. } => Some(*response),
            _ => None,
        }
    }

    /// Whether the server could not be reached or was lost, so that another one may still do it.
    #[must_use]
    pub fn is_transport(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Closed { .. } | Self::Timeout { .. })
    }
}

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseCause {
    /// The server closed it.
    #[error("the server closed it{}", PartialFrame(*partial_frame_bytes))]
    Peer {
        /// Bytes of an unfinished frame that had arrived.
        partial_frame_bytes: usize,
    },
    /// Reading failed.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// Writing failed.
    #[error("writing failed")]
    Write(#[source] io::Error),
    /// The server sent bytes that are no frame.
    #[error("the server sent a bad frame")]
    Frame(#[source] FrameError),
    /// The server sent a frame whose header cannot be read.
    #[error("the server sent a bad header")]
    Header(#[source] HeaderError),
    /// The last handle was dropped.
    #[error("this side closed it")]
    Local,
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A header field is missing.
    #[error("field {key} is missing")]
    MissingField {
        /// The field.
        key: &'static str,
    },
    /// A header field holds something else than it should.
    #[error("field {key} is {value:?}, not {expected}")]
    Field {
        /// The field.
        key: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A message record was expected, and the body is empty.
    #[error("there is no record in it")]
    NoRecord,
    /// The JSON body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A message record in the body.
    #[error("record at byte {at} of {body_bytes}")]
    Record {
        /// Where it starts in the body.
        at: usize,
        /// Size of the body.
        body_bytes: usize,
        /// What is wrong.
        source: RecordError,
    },
}

/// Writes failures in one line, each with its causes.
struct Attempts<'a>(&'a [ClientError]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", WithCauses(attempt))?;
        }
        Ok(())
    }
}

/// Writes an error and its causes in one line: `cannot connect to a:1: connection refused`.
pub struct WithCauses<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let more = error.to_string();
            // Some errors quote their cause themselves.
            if !text.ends_with(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

struct PartialFrame(usize);

impl fmt::Display for PartialFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            bytes => write!(f, " {bytes} bytes into a frame"),
        }
    }
}
