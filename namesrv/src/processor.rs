//! What a request comes with and what it is answered with; one file a kind of request below.

pub(crate) mod broker_heartbeat;
pub(crate) mod cluster_info;
pub(crate) mod delete_topic;
pub(crate) mod get_route;
pub(crate) mod kv_config;
pub(crate) mod member_group;
pub(crate) mod name_server_config;
pub(crate) mod query_data_version;
pub(crate) mod register_broker;
pub(crate) mod register_topic;
pub(crate) mod topic_list;
pub(crate) mod unregister_broker;
pub(crate) mod write_permission;
mod zone;

use std::time::Duration;

use protocol::code::ResponseCode;
use protocol::header::{FieldError, Header};

use crate::Connection;
use crate::broker_liveness::BrokerIdentity;

/// Longest name or address in a request. It is kept, compared and sent back, so it must not be a frame long.
const NAME_BYTES_MAX: usize = 1024;

/// Longest remark; what comes from outside and stands in it is cut.
const REMARK_CHARS_MAX: usize = 1024;

/// A decoded request.
pub(crate) struct Request<'a> {
    /// When it arrived.
    pub(crate) now: Duration,
    /// Where from.
    pub(crate) connection: Connection,
    pub(crate) header: &'a Header,
    /// Empty when there is none.
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    /// A name without which the request means nothing.
    pub(crate) fn require(&self, key: &'static str) -> Result<&str, Refusal> {
        Ok(self.optional(key)?.ok_or(FieldError::Missing { field: key })?)
    }

    /// A name that may be absent.
    pub(crate) fn optional(&self, key: &'static str) -> Result<Option<&str>, Refusal> {
        match self.header.get(key) {
            Some(name) if name.len() > NAME_BYTES_MAX => {
                let bytes = name.len();
                Err(Refusal::error(format!("header field `{key}` has {bytes} bytes, the limit is {NAME_BYTES_MAX}")))
            }
            name => Ok(name),
        }
    }

    /// The broker that a request is about or from.
    pub(crate) fn broker_identity(&self) -> Result<BrokerIdentity, Refusal> {
        Ok(BrokerIdentity::new(self.require("clusterName")?, self.require("brokerAddr")?))
    }
}

/// A successful answer.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Success and nothing else.
    pub(crate) fn done() -> Self {
        Self::default()
    }

    pub(crate) fn body(body: Vec<u8>) -> Self {
        Self { body, ..Self::default() }
    }

    pub(crate) fn field(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((key, value.into()));
        self
    }
}

/// Any other answer: a code and why, no body.
pub(crate) struct Refusal {
    pub(crate) code: ResponseCode,
    pub(crate) remark: String,
}

impl Refusal {
    pub(crate) fn new(code: ResponseCode, remark: impl Into<String>) -> Self {
        let mut remark = remark.into();
        if let Some((end, _)) = remark.char_indices().nth(REMARK_CHARS_MAX) {
            remark.truncate(end);
        }
        Self { code, remark }
    }

    /// A refusal for which the protocol has no better code.
    pub(crate) fn error(remark: impl Into<String>) -> Self {
        Self::new(ResponseCode::SYSTEM_ERROR, remark)
    }

    /// The same for what cannot be read or done.
    pub(crate) fn from_error(error: &dyn std::error::Error) -> Self {
        Self::error(error.to_string())
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::error(error.to_string())
    }
}

pub(crate) type Outcome = Result<Answer, Refusal>;
