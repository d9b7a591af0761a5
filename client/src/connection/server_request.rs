//! A request that a server sent to this client.

use std::fmt;
use std::sync::{Arc, Weak};

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;

use super::link::Link;

/// A request of a broker, e.g. "the consumers of your group have changed", and the way to answer it.
pub struct ServerRequest {
    /// The request as it came.
    pub command: RemotingCommand,
    /// Who sent it.
    pub address: Arc<str>,
    /// Weak: an unanswered request must not keep its connection open.
    link: Weak<Link>,
}

impl ServerRequest {
    pub(super) fn new(command: RemotingCommand, link: &Arc<Link>) -> Self {
        Self { command, address: link.shared_address(), link: Arc::downgrade(link) }
    }

    /// What is asked for.
    #[must_use]
    pub fn code(&self) -> RequestCode {
        RequestCode(self.command.code)
    }

    /// Answers it, unless it is one-way or its connection is gone.
    pub fn answer(&self, code: ResponseCode, remark: Option<&str>, body: &[u8]) {
        if self.command.is_oneway() {
            return;
        }
        if let Some(link) = self.link.upgrade() {
            link.queue_response(self.command.opaque, code, remark, body);
        }
    }
}

impl fmt::Debug for ServerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRequest").field("command", &self.command).field("address", &self.address).finish()
    }
}
