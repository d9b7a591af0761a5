//! What a network that promises nothing does to the messages of Raft: some are lost, come twice, or late. TCP does none of
//! that within a connection; Raft has to bear it all the same, for it happens across connections. What else replicas say
//! to each other relies on the connection, and is left alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use broker::replication::wire::ReplicaMessage;
use protocol::frame::{Frame, decode_frame_up_to};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::REPLICA_FRAME_BYTES_MAX;
use storage::file::sim::salted;

use super::meddler::Treatment;
use super::network::End;

/// A late message is overtaken by up to this many others.
const OVERTAKEN_MAX: u32 = 6;

/// Chances of each, of the messages that one machine receives.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct MessageChances {
    /// It never arrives.
    pub lost: f64,
    /// It arrives twice.
    pub twice: f64,
    /// Others overtake it.
    pub late: f64,
}

/// What was done to messages.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub struct MessageCounts {
    /// Lost.
    pub lost: u64,
    /// Arrived twice.
    pub twice: u64,
    /// Overtaken.
    pub late: u64,
}

impl MessageCounts {
    /// Adds those of another machine.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.twice += other.twice;
        self.late += other.late;
    }
}

impl fmt::Display for MessageCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lost, {} twice, {} late", self.lost, self.twice, self.late)
    }
}

/// One connection, as its receiver sees it.
#[derive(Default)]
struct Conversation {
    /// Frames that the receiver was given: they have to be numbered without a gap.
    given: u64,
    /// Held back, and how many others go first.
    late: Option<(u32, Vec<u8>)>,
}

/// See the module's text. Clones are the same machine's.
#[derive(Clone)]
pub struct MessageFaults {
    state: Rc<RefCell<State>>,
}

struct State {
    rng: StdRng,
    chances: MessageChances,
    conversations: BTreeMap<End, Conversation>,
    counts: MessageCounts,
}

impl MessageFaults {
    /// Of a machine that receives everything as it was sent.
    pub fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(salted(seed, "message faults"));
        let (chances, conversations, counts) = Default::default();
        Self { state: Rc::new(RefCell::new(State { rng, chances, conversations, counts })) }
    }

    /// From now on.
    pub fn set(&self, chances: MessageChances) {
        self.state.borrow_mut().chances = chances;
    }

    /// So far.
    pub fn counts(&self) -> MessageCounts {
        self.state.borrow().counts
    }

    /// A connection is over, and what was late on it is lost.
    pub(super) fn forget(&self, end: End) {
        self.state.borrow_mut().conversations.remove(&end);
    }

    /// Numbers frames that somebody else put in the place of one, as its receiver expects them.
    pub(super) fn renumber(&self, end: End, bytes: Vec<u8>) -> Vec<u8> {
        let mut state = self.state.borrow_mut();
        let Some(known) = state.conversations.get_mut(&end) else { return bytes };
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let Ok(Some((frame, used))) = decode_frame_up_to(rest, REPLICA_FRAME_BYTES_MAX) {
            known.give(&frame, &mut frames);
            rest = &rest[used..];
        }
        frames
    }

    /// What to do with a frame that another replica sent.
    pub(super) fn received(&self, end: End, frame: &Frame<'_>) -> Treatment {
        let State { rng, chances, conversations, counts } = &mut *self.state.borrow_mut();
        if *chances == MessageChances::default() && !conversations.contains_key(&end) {
            return Treatment::Honest;
        }
        let Ok((mut envelope, message)) = ReplicaMessage::decode(frame) else { return Treatment::Honest };
        let known = conversations.entry(end).or_insert_with(|| Conversation { given: envelope.sequence, late: None });
        let is_fair = *chances == MessageChances::default() || !matches!(message, ReplicaMessage::Raft(_));
        if is_fair && known.late.is_none() && known.given == envelope.sequence {
            known.given += 1;
            return Treatment::Honest;
        }
        let mut copies = 1;
        if !is_fair {
            if rng.random_bool(chances.lost) {
                counts.lost += 1;
                copies = 0;
            } else if rng.random_bool(chances.twice) {
                counts.twice += 1;
                copies = 2;
            } else if known.late.is_none() && rng.random_bool(chances.late) {
                counts.late += 1;
                let mut bytes = Vec::new();
                message.encode(&envelope, &mut bytes);
                known.late = Some((rng.random_range(1..=OVERTAKEN_MAX), bytes));
                copies = 0;
            }
        }
        let mut frames = Vec::new();
        for _ in 0..copies {
            envelope.sequence = known.given;
            known.given += 1;
            message.encode(&envelope, &mut frames);
        }
        if copies > 0 {
            known.give_late(&mut frames);
        }
        Treatment::Instead(frames)
    }
}

impl Conversation {
    /// One more has overtaken what is late.
    fn give_late(&mut self, frames: &mut Vec<u8>) {
        let Some((left, _)) = &mut self.late else { return };
        *left -= 1;
        if *left > 0 {
            return;
        }
        let Some((_, bytes)) = self.late.take() else { return };
        if let Ok(Some((frame, _))) = decode_frame_up_to(&bytes, REPLICA_FRAME_BYTES_MAX) {
            self.give(&frame, frames);
        }
    }

    fn give(&mut self, frame: &Frame<'_>, frames: &mut Vec<u8>) {
        if let Ok((mut envelope, message)) = ReplicaMessage::decode(frame) {
            envelope.sequence = self.given;
            self.given += 1;
            message.encode(&envelope, frames);
        }
    }
}
