//! What a shard does with what arrives.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use protocol::frame::Frame;

use crate::connection::Peer;
use crate::dial::DialError;

/// What becomes of a frame and its connection.
#[derive(Debug)]
pub enum Flow {
    /// The frame is dealt with.
    Continue,
    /// It cannot be taken now: it is kept, and nothing more is read from this connection until
    /// [`Outbox::resume_stalled`](crate::Outbox::resume_stalled); then it is offered again. Not for replicas: what they send
    /// has answers to what was sent to them among it, so a connection of theirs is never left unread; it is closed instead.
    Stall,
    /// The connection is closed; the reason is logged once.
    Close(CloseReason),
}

/// Why a connection was closed.
#[derive(Clone, Debug)]
pub struct CloseReason(pub Cow<'static, str>);

impl fmt::Display for CloseReason {
    /// Reasons repeat what came from outside: control characters are escaped, so that nobody writes log lines of his
    /// own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// What a shard that has nothing to do waits for. How long that takes is another matter for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The next request.
    Requests,
    /// Something that answers wait for: a disk, or other nodes.
    Answers,
    /// Other nodes that nobody waits for: they are late, and will be heard soon.
    LateNodes,
}

/// One shard's behaviour. All calls come on the shard's thread; none may block.
pub trait Service: 'static {
    /// What other threads may send here.
    type Message: Send + 'static;

    /// A sweep begins: what `frame` gets until `sweep_end` was there at `now`.
    fn sweep_began(&self, _now: Instant) {}
    /// The shard was awake for so long and found nothing to do: short pauses are sat out.
    fn looked_in_vain(&self, _for_so_long: Duration) {}
    /// A connection is there: accepted, or dialed. Its [`Origin`](crate::Origin) tells.
    fn connected(&self, _peer: &Peer) {}
    /// What has become of the [`Outbox::dial`](crate::Outbox::dial) with this ticket; said once for each. A connection that
    /// was made has been told as `connected` just before; to hang up there is [`Outbox::close`](crate::Outbox::close).
    /// Who dials again after an error waits a while first.
    fn dialed(&self, _ticket: u64, _result: Result<&Peer, DialError>) {}
    /// A whole frame arrived. Answers go to the shard's [`Outbox`](crate::Outbox), now or later.
    fn frame(&self, peer: &Peer, frame: &Frame<'_>) -> Flow;
    /// A connection is gone.
    fn closed(&self, _peer: &Peer) {}
    /// Every ready connection has been read: the group-commit point.
    fn sweep_end(&self) {}
    /// What was due has been handed to the sockets. `stalled` connections are not read for now.
    fn sweep_sent(&self, _stalled: usize) {}
    /// Whether answers will follow without further requests: the end waits for them a while.
    fn has_pending(&self) -> bool {
        false
    }
    /// What is waited for in the pause that begins now.
    fn awaited(&self) -> Awaited {
        if self.has_pending() { Awaited::Answers } else { Awaited::Requests }
    }
    /// Another thread sent something.
    fn message(&self, message: Self::Message);
}
