//! Faults of the broker itself, put between a shard and its clients: each must be found out, or the oracle checks
//! nothing.

use protocol::body::{LockBatchRequest, LockBatchResponse};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::frame::{Frame, HeaderEncoding, decode_frame};
use protocol::properties::TIMER_DELAY_MS;

use super::network::End;

/// How a broker refuses an acknowledgement by a handle that is too old.
const IS_EXPIRED: &str = "the message comes again unless it was acknowledged";
/// A year, ms.
const FOREVER_MS: i64 = 365 * 24 * 3_600_000;

/// What goes wrong.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Mischief {
    /// A request to send is done twice, and answered once.
    SentTwice,
    /// An answer goes out twice.
    AnsweredTwice,
    /// A consumer's commit is stored as one less.
    CommittedBehind,
    /// A send that was done is answered with a refusal.
    RefusedAfterAll,
    /// A send is acknowledged with the queue offset behind its own.
    WrongOffset,
    /// A send is acknowledged and never done.
    AcknowledgedOnly,
    /// Of two sends over one connection, the later is done first.
    DoneInDisorder,
    /// A message is to wait half as long as its sender wants.
    DelayHalved,
    /// Whoever wants a queue is told that it has it.
    LockShared,
    /// The end of a transaction is answered and not done.
    EndAcknowledgedOnly,
    /// What is popped is invisible for half as long as it is to be.
    InvisibleHalved,
    /// What is popped never comes again.
    InvisibleForever,
    /// An acknowledgement of popped messages is answered and not done.
    PopAcknowledgedOnly,
    /// An acknowledgement by a handle that is too old is answered as if it were done.
    ExpiredTaken,
    /// Who pops in order is given messages as anybody.
    OrderIgnored,
    /// A send of which a master has no copy is acknowledged as if slaves had it.
    CopiesClaimed,
}

/// What is done with a request.
pub(super) enum Treatment {
    /// What it asks for.
    Honest,
    /// These frames are handled instead, if any.
    Instead(Vec<u8>),
    /// It is not handled, and answered with this.
    Answered(Vec<u8>),
}

/// Does mischief at every `every`-th occasion.
#[derive(Clone, Debug)]
pub struct Meddler {
    mischief: Option<Mischief>,
    every: u32,
    occasions: u32,
    kept: Option<(End, Vec<u8>)>,
}

impl Meddler {
    /// Never does any.
    pub fn idle() -> Self {
        Self { mischief: None, every: 1, occasions: 0, kept: None }
    }

    /// Does this at every `every`-th occasion.
    pub fn new(mischief: Mischief, every: u32) -> Self {
        Self { mischief: Some(mischief), every, occasions: 0, kept: None }
    }

    fn strikes(&mut self, mischief: Mischief) -> bool {
        if self.mischief != Some(mischief) {
            return false;
        }
        self.occasions += 1;
        self.occasions.is_multiple_of(self.every)
    }

    /// What to do with a request.
    pub(super) fn treat(&mut self, end: End, frame: &Frame<'_>) -> Treatment {
        if self.mischief.is_none() {
            return Treatment::Honest;
        }
        let Ok(mut command) = RemotingCommand::decode(frame) else { return Treatment::Honest };
        if command.code == RequestCode::SEND_MESSAGE_V2.0 {
            let itself = encode(&command, frame.encoding);
            if let Some((_, kept)) = self.kept.take_if(|(from, _)| *from == end) {
                return Treatment::Instead([itself, kept].concat());
            }
            if self.strikes(Mischief::DoneInDisorder) {
                self.kept = Some((end, itself));
                return Treatment::Instead(Vec::new());
            }
            if let Some(sooner) = sooner(&command).filter(|_| self.strikes(Mischief::DelayHalved)) {
                return Treatment::Instead(encode(&sooner, frame.encoding));
            }
            if self.strikes(Mischief::SentTwice) {
                command.opaque = -command.opaque;
                return Treatment::Instead([encode(&command, frame.encoding), itself].concat());
            }
            if self.strikes(Mischief::AcknowledgedOnly) {
                let answer = RemotingCommand::response(0, command.opaque, None)
                    .with_field("msgId", "0A000001000029FF0000000000000000")
                    .with_field("queueId", command.get("e").unwrap_or("0"))
                    .with_field("queueOffset", 1_000_000);
                return Treatment::Answered(encode(&answer, frame.encoding));
            }
        }
        if command.code == RequestCode::UPDATE_CONSUMER_OFFSET.0 && self.strikes(Mischief::CommittedBehind) {
            for (key, value) in &mut command.fields {
                let behind = value.parse::<i64>().map(|offset| offset - 1);
                if key == "commitOffset"
                    && let Ok(behind) = behind
                {
                    *value = behind.to_string();
                }
            }
            return Treatment::Instead(encode(&command, frame.encoding));
        }
        if command.code == RequestCode::LOCK_BATCH_MQ.0 && self.strikes(Mischief::LockShared) {
            let wanted = LockBatchRequest::decode(frame.body).map(|wanted| wanted.mq_set).unwrap_or_default();
            let answer = RemotingCommand::response(0, command.opaque, None)
                .with_body(LockBatchResponse { lock_ok_mq_set: wanted }.encode());
            return Treatment::Answered(encode(&answer, frame.encoding));
        }
        let acks = [RequestCode::ACK_MESSAGE.0, RequestCode::BATCH_ACK_MESSAGE.0].contains(&command.code);
        if acks && self.strikes(Mischief::PopAcknowledgedOnly) {
            let answer = RemotingCommand::response(0, command.opaque, None);
            return Treatment::Answered(encode(&answer, frame.encoding));
        }
        if command.code == RequestCode::POP_MESSAGE.0
            && let Some(other) = self.popped_otherwise(&command)
        {
            return Treatment::Instead(encode(&other, frame.encoding));
        }
        if command.code == RequestCode::END_TRANSACTION.0 && self.strikes(Mischief::EndAcknowledgedOnly) {
            let answer = RemotingCommand::response(0, command.opaque, None);
            return Treatment::Answered(encode(&answer, frame.encoding));
        }
        Treatment::Honest
    }

    /// A pop that asks for something else, if this is an occasion.
    fn popped_otherwise(&mut self, command: &RemotingCommand) -> Option<RemotingCommand> {
        let invisible_ms: i64 = command.get("invisibleTime")?.parse().ok()?;
        if self.strikes(Mischief::InvisibleHalved) {
            Some(with_other(command, "invisibleTime", &(invisible_ms / 2).to_string()))
        } else if self.strikes(Mischief::InvisibleForever) {
            Some(with_other(command, "invisibleTime", &FOREVER_MS.to_string()))
        } else if command.get("order") == Some("true") && self.strikes(Mischief::OrderIgnored) {
            Some(with_other(command, "order", "false"))
        } else {
            None
        }
    }

    /// What goes out instead of what a shard answers: whole frames.
    pub(super) fn answers(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.mischief.is_none() {
            return bytes;
        }
        let mut out = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Some((frame, used))) = decode_frame(rest) {
            let Ok(mut answer) = RemotingCommand::decode(&frame) else { break };
            let is_send = answer.code == 0 && answer.get("msgId").is_some();
            // The answer to what was done a second time.
            let is_extra = answer.opaque < 0;
            if is_send && !is_extra && self.strikes(Mischief::RefusedAfterAll) {
                let refused = RemotingCommand::response(14, answer.opaque, Some("not stored"));
                refused.encode(&mut out, frame.encoding);
            } else if is_send && !is_extra && self.strikes(Mischief::WrongOffset) {
                for (key, value) in &mut answer.fields {
                    if key == "queueOffset" {
                        *value = (value.parse::<i64>().unwrap_or(0) + 1).to_string();
                    }
                }
                answer.encode(&mut out, frame.encoding);
            } else if says_expired(&answer) && self.strikes(Mischief::ExpiredTaken)
                || lacks_copies(&answer) && self.strikes(Mischief::CopiesClaimed)
            {
                answer.code = ResponseCode::SUCCESS.0;
                answer.encode(&mut out, frame.encoding);
            } else if !is_extra {
                out.extend_from_slice(&rest[..used]);
                if self.strikes(Mischief::AnsweredTwice) {
                    out.extend_from_slice(&rest[..used]);
                }
            }
            rest = &rest[used..];
        }
        out
    }
}

fn with_other(command: &RemotingCommand, name: &str, value: &str) -> RemotingCommand {
    let mut other = command.clone();
    other.fields.iter_mut().filter(|(key, _)| key == name).for_each(|(_, old)| value.clone_into(old));
    other
}

/// An acknowledgement was refused, because its handle is too old.
fn says_expired(answer: &RemotingCommand) -> bool {
    answer.code == ResponseCode::NO_MESSAGE.0 && answer.remark.as_deref().is_some_and(|why| why.contains(IS_EXPIRED))
}

fn lacks_copies(answer: &RemotingCommand) -> bool {
    [ResponseCode::SLAVE_NOT_AVAILABLE, ResponseCode::FLUSH_SLAVE_TIMEOUT].contains(&ResponseCode(answer.code))
}

/// A send whose delay is half as long; `None` if it has none.
fn sooner(command: &RemotingCommand) -> Option<RemotingCommand> {
    let mut sooner = command.clone();
    let (_, text) = sooner.fields.iter_mut().find(|(key, _)| key == "i")?;
    let (before, rest) = text.split_once(TIMER_DELAY_MS)?;
    let (value, after) = rest.strip_prefix('\u{1}')?.split_once('\u{2}')?;
    let half = value.parse::<i64>().ok().filter(|delay_ms| *delay_ms > 1)? / 2;
    *text = format!("{before}{TIMER_DELAY_MS}\u{1}{half}\u{2}{after}");
    Some(sooner)
}

fn encode(command: &RemotingCommand, encoding: HeaderEncoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    command.encode(&mut bytes, encoding);
    bytes
}
