//! Requests and their answers over one connection, as a client sees them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_lite::future::or;
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::frame::{HeaderEncoding, decode_frame};

use super::clock::Clock;
use super::network::{End, HostId};
use super::sockets::{LifeNumber, Socket, Sockets};
use crate::Violation;

/// What a client hears.
pub enum Heard {
    /// An answer to one of its requests, each once.
    Answer(RemotingCommand),
    /// The end of the connection.
    Closed,
    /// Nothing in time.
    Nothing,
}

/// See the module's text.
pub struct Rpc {
    clock: Clock,
    socket: Socket,
    encoding: HeaderEncoding,
    received: Vec<u8>,
    next_opaque: i32,
    unanswered: BTreeSet<i32>,
    questions: VecDeque<RemotingCommand>,
}

impl Rpc {
    /// Connects; `None`: refused, or not in time.
    pub async fn connect(
        clock: &Clock,
        sockets: &Sockets,
        (from, to, port): (HostId, HostId, u16),
        encoding: HeaderEncoding,
        within: Duration,
    ) -> Option<Self> {
        let socket = sockets.dial(from, to, port);
        let too_late = async {
            clock.sleep(within).await;
            false
        };
        if !or(socket.is_connected(), too_late).await {
            return None;
        }
        let clock = clock.clone();
        let (received, unanswered, questions) = Default::default();
        Some(Self { clock, socket, encoding, received, next_opaque: 1, unanswered, questions })
    }

    /// The life that answers.
    pub fn life(&self) -> LifeNumber {
        self.socket.life()
    }

    /// The client's end of the connection.
    pub fn end(&self) -> End {
        self.socket.end()
    }

    /// Sends a request; returns its number.
    pub fn start(&mut self, mut request: RemotingCommand) -> i32 {
        request.opaque = self.next_opaque;
        self.next_opaque += 1;
        self.unanswered.insert(request.opaque);
        let mut bytes = Vec::new();
        request.encode(&mut bytes, self.encoding);
        self.socket.send(&bytes);
        request.opaque
    }

    /// The next answer, unless the connection or the time is over before.
    /// # Errors
    /// What came is no answer to any request that waits for one.
    pub async fn hear(&mut self, deadline: Duration) -> Result<Heard, Violation> {
        loop {
            if let Some(answer) = self.take_answer()? {
                return Ok(Heard::Answer(answer));
            }
            let too_late = async {
                self.clock.sleep_until(deadline).await;
                None
            };
            let heard = or(async { Some(self.socket.receive().await) }, too_late).await;
            match heard {
                Some(Some(bytes)) => self.received.extend_from_slice(&bytes),
                Some(None) => return Ok(Heard::Closed),
                None => return Ok(Heard::Nothing),
            }
        }
    }

    /// Sends a request and waits for its answer; `None`: there was none in time. Answers to earlier requests are passed
    /// over.
    /// # Errors
    /// As [`Self::hear`].
    pub async fn ask(
        &mut self,
        request: RemotingCommand,
        within: Duration,
    ) -> Result<Option<RemotingCommand>, Violation> {
        let deadline = self.clock.now() + within;
        let opaque = self.start(request);
        loop {
            match self.hear(deadline).await? {
                Heard::Answer(answer) if answer.opaque == opaque => return Ok(Some(answer)),
                Heard::Answer(_) => {}
                Heard::Closed | Heard::Nothing => return Ok(None),
            }
        }
    }

    /// Questions about transactions that have come, in their order.
    pub fn take_questions(&mut self) -> VecDeque<RemotingCommand> {
        std::mem::take(&mut self.questions)
    }

    fn take_answer(&mut self) -> Result<Option<RemotingCommand>, Violation> {
        loop {
            let wrong = |what: String| Violation(format!("a client was answered what it cannot read: {what}"));
            let decoded = decode_frame(&self.received).map_err(|error| wrong(error.to_string()))?;
            let Some((frame, used)) = decoded else { return Ok(None) };
            let command = RemotingCommand::decode(&frame).map_err(|error| wrong(error.to_string()))?;
            self.received.drain(..used);
            if !command.is_response() {
                // The broker tells members of a group of each other; nobody here wants to know.
                if command.code == RequestCode::CHECK_TRANSACTION_STATE.0 {
                    self.questions.push_back(command);
                }
                continue;
            }
            if !self.unanswered.remove(&command.opaque) {
                let opaque = command.opaque;
                return Err(Violation(format!("request {opaque} was answered twice, or never made: {command:?}")));
            }
            return Ok(Some(command));
        }
    }
}
