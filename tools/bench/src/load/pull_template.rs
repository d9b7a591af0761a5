//! The requests for one queue to read, encoded once; each pull writes opaque and offsets over them.

use memchr::memmem;
use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;
use protocol::header::FLAG_ONEWAY;
use protocol::sys_flag::PullSysFlag;

use super::digits::put_decimal;
use crate::plan::{Consumers, ReceiveMode};

/// How long a broker may hold a pull: what RocketMQ's push consumers ask for.
pub(crate) const HOLD_MS: u64 = 15_000;

/// Digits of a queue offset: those of the greatest i64. Leading zeros are as good as none to every parser.
const OFFSET_DIGITS: usize = 19;

/// The whole frame, and where in it the placeholders are.
#[derive(Debug, Clone)]
pub(crate) struct PullTemplate {
    frame: Vec<u8>,
    opaque_at: usize,
    offset_at: usize,
    commit_at: usize,
    /// The request that only commits, and where its offset is.
    commit: (Vec<u8>, usize),
}

impl PullTemplate {
    pub(crate) fn new(consumers: &Consumers, topic: &str, queue_id: i32) -> Self {
        let hold = match consumers.mode {
            ReceiveMode::Pull => 0,
            ReceiveMode::Push => PullSysFlag::SUSPEND,
        };
        let zeros = "0".repeat(OFFSET_DIGITS);
        let mut frame = Vec::new();
        let code = RequestCode::PULL_MESSAGE.0;
        let mut encoder = CommandEncoder::request(&mut frame, HeaderEncoding::Json, code, 1_000_000_000, 0);
        encoder
            .field("consumerGroup", consumers.group.as_str())
            .field("topic", topic)
            .field("queueId", queue_id)
            .field("queueOffset", zeros.as_str())
            .field("maxMsgNums", consumers.batch)
            .field("sysFlag", PullSysFlag::COMMIT_OFFSET | PullSysFlag::SUBSCRIPTION | hold)
            .field("commitOffset", zeros.as_str())
            .field("suspendTimeoutMillis", HOLD_MS)
            .field("subscription", "*")
            .field("subVersion", 0)
            .field("expressionType", "TAG");
        encoder.finish();
        let opaque_at = after(&frame, b"\"opaque\":");
        let offset_at = after(&frame, b"\"queueOffset\":\"");
        let commit_at = after(&frame, b"\"commitOffset\":\"");
        Self { frame, opaque_at, offset_at, commit_at, commit: commit_template(consumers, topic, queue_id) }
    }

    /// Appends a one-way request that commits `offset`, for a queue that is not pulled any more.
    pub(crate) fn append_commit(&mut self, out: &mut Vec<u8>, offset: i64) {
        let (frame, at) = &mut self.commit;
        put_decimal(&mut frame[*at..*at + OFFSET_DIGITS], u64::try_from(offset).unwrap_or(0));
        out.extend_from_slice(frame);
    }

    /// Appends the request for what follows `offset`, which is committed too: everything before it was received.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>, opaque: u64, offset: i64) {
        let offset = u64::try_from(offset).unwrap_or(0);
        put_decimal(&mut self.frame[self.opaque_at..self.opaque_at + 10], opaque);
        put_decimal(&mut self.frame[self.offset_at..self.offset_at + OFFSET_DIGITS], offset);
        put_decimal(&mut self.frame[self.commit_at..self.commit_at + OFFSET_DIGITS], offset);
        out.extend_from_slice(&self.frame);
    }
}

fn commit_template(consumers: &Consumers, topic: &str, queue_id: i32) -> (Vec<u8>, usize) {
    let mut frame = Vec::new();
    let code = RequestCode::UPDATE_CONSUMER_OFFSET.0;
    let mut encoder = CommandEncoder::request(&mut frame, HeaderEncoding::Json, code, 0, FLAG_ONEWAY);
    encoder
        .field("consumerGroup", consumers.group.as_str())
        .field("topic", topic)
        .field("queueId", queue_id)
        .field("commitOffset", "0".repeat(OFFSET_DIGITS));
    encoder.finish();
    let at = after(&frame, b"\"commitOffset\":\"");
    (frame, at)
}

fn after(bytes: &[u8], text: &[u8]) -> usize {
    memmem::find(bytes, text).expect("the template was just written with this text") + text.len()
}

#[cfg(test)]
mod tests {
    use protocol::frame::decode_frame;
    use protocol::header::Header;

    use super::*;
    use crate::plan::StartAt;

    fn template(mode: ReceiveMode) -> PullTemplate {
        let consumers =
            Consumers { mode, group: "G".to_owned(), connections: 1, batch: 32, from: StartAt::First, verify: false };
        PullTemplate::new(&consumers, "T", 3)
    }

    fn decoded(mode: ReceiveMode, offset: i64) -> Header {
        let mut out = Vec::new();
        template(mode).append(&mut out, 1_234_567_890, offset);
        header_of(&out)
    }

    fn header_of(out: &[u8]) -> Header {
        let (frame, used) = decode_frame(out).unwrap().unwrap();
        assert_eq!(used, out.len());
        let mut header = Header::default();
        header.decode(&frame).unwrap();
        header
    }

    #[test]
    fn a_pull_decodes_to_what_was_asked_for() {
        let header = decoded(ReceiveMode::Pull, i64::MAX);
        assert_eq!((header.code, header.opaque, header.flag), (11, 1_234_567_890, 0));
        assert_eq!((header.get("consumerGroup"), header.get("topic")), (Some("G"), Some("T")));
        assert_eq!((header.require("queueId"), header.require("maxMsgNums")), (Ok(3), Ok(32)));
        assert_eq!(header.require("queueOffset"), Ok(i64::MAX));
        assert_eq!(header.require("commitOffset"), Ok(i64::MAX));
        assert_eq!(header.get("subscription"), Some("*"));
    }

    #[test]
    fn only_push_lets_the_broker_hold_it() {
        for (mode, is_held) in [(ReceiveMode::Pull, false), (ReceiveMode::Push, true)] {
            let header = decoded(mode, 0);
            let flags = PullSysFlag(header.require("sysFlag").unwrap());
            assert_eq!(flags.may_suspend(), is_held);
            assert!(flags.commits_offset() && flags.has_subscription());
            assert_eq!(header.require("suspendTimeoutMillis"), Ok(HOLD_MS));
            assert_eq!(header.require("queueOffset"), Ok(0_i64));
        }
    }

    #[test]
    fn a_commit_decodes_to_what_was_asked_for() {
        let mut out = Vec::new();
        template(ReceiveMode::Pull).append_commit(&mut out, 77);
        let header = header_of(&out);
        assert_eq!((header.code, header.is_oneway()), (15, true));
        assert_eq!((header.get("consumerGroup"), header.get("topic")), (Some("G"), Some("T")));
        assert_eq!((header.require("queueId"), header.require("commitOffset")), (Ok(3), Ok(77_i64)));
    }
}
