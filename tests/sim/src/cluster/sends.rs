//! What producers sent, what became of it, and what each queue is known to hold.

use std::collections::BTreeMap;
use std::ops::RangeFrom;
use std::time::Duration;

use super::network::End;
use super::oracle::{GroupNumber, Lives, Queue, Told};
use super::outgoing::Stored;
use crate::{Violation, require};

/// Longest body, bytes.
pub const BODY_BYTES_MAX: usize = 6 << 10;
/// A body begins with its attempt's number.
const NUMBER_BYTES: usize = 8;

/// Numbers every request to store something: a message that is sent again is another attempt.
pub type Attempt = u64;

/// What a producer knows of an attempt.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Outcome {
    /// No answer yet, or none at all.
    Unknown,
    /// It is stored.
    Acknowledged(Duration),
    /// It is not stored, and never will be.
    Refused,
}

#[derive(Clone, Debug)]
struct Sent {
    queue: Queue,
    /// Requests of one connection are done in order.
    connection: End,
    at: Duration,
    body_bytes: usize,
    outcome: Outcome,
    /// The queue offset that somebody was told it has.
    place: Option<u64>,
}

/// What a queue holds at an offset, as somebody was told.
#[derive(Copy, Clone, Debug)]
struct Known {
    attempt: Attempt,
    /// Who said so; the first time it was heard.
    told: Told,
    /// Where it lies in the log.
    physical_offset: u64,
    /// It was acknowledged when slaves had it too.
    is_copied: bool,
}

/// A message as a consumer read it.
#[derive(Copy, Clone, Debug)]
pub(super) struct ReadMessage<'a> {
    pub(super) offset: u64,
    pub(super) physical_offset: u64,
    pub(super) body: &'a [u8],
}

/// See the module's text.
#[derive(Default)]
pub struct Sends {
    attempts: Vec<Sent>,
    queues: BTreeMap<Queue, BTreeMap<u64, Known>>,
    /// Messages that somebody was told of and that were lost, where that had been allowed.
    pub(super) forgiven: u64,
    /// Messages read, again or not.
    pub(super) read: u64,
}

/// The body of an attempt.
pub fn body(attempt: Attempt, bytes: usize) -> Vec<u8> {
    let mut body = attempt.to_be_bytes().to_vec();
    let mut state = attempt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while body.len() < bytes {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        body.extend_from_slice(&state.to_be_bytes());
    }
    body.truncate(bytes.max(NUMBER_BYTES));
    body
}

impl Sends {
    /// A producer is about to send an attempt with a body of this size.
    pub(super) fn begin(&mut self, queue: Queue, connection: End, at: Duration, body_bytes: usize) -> Attempt {
        self.attempts.push(Sent { queue, connection, at, body_bytes, outcome: Outcome::Unknown, place: None });
        self.attempts.len() as Attempt - 1
    }

    fn sent(&mut self, attempt: Attempt) -> &mut Sent {
        &mut self.attempts[attempt as usize]
    }

    /// It was answered with the queue offset it is stored at.
    pub(super) fn acknowledged(
        &mut self,
        lives: &Lives,
        attempt: Attempt,
        stored: Stored,
        told: Told,
    ) -> Result<(), Violation> {
        let Stored { queue_id, offset, physical_offset, is_whole } = stored;
        let queue = self.sent(attempt).queue;
        let what = || format!("attempt {attempt} went to {queue:?} and was stored in queue {queue_id}");
        require(queue_id == queue.queue_id, what)?;
        let is_copied = is_whole && lives.promises_copies(&told);
        if !is_copied && !lives.counts(&told) {
            return Ok(());
        }
        if self.place(lives, queue, offset, Known { attempt, told, physical_offset, is_copied })? {
            self.sent(attempt).outcome = Outcome::Acknowledged(told.heard);
        }
        Ok(())
    }

    /// It was answered with an error that says it is not stored.
    pub(super) fn refused(&mut self, attempt: Attempt, why: &str) -> Result<(), Violation> {
        let sent = self.sent(attempt);
        sent.outcome = Outcome::Refused;
        require(sent.place.is_none(), || format!("attempt {attempt} was refused ({why}) and is stored: {sent:?}"))
    }

    /// A consumer read messages from a queue.
    pub(super) fn read<'a>(
        &mut self,
        lives: &Lives,
        queue: Queue,
        messages: impl IntoIterator<Item = ReadMessage<'a>>,
        told: Told,
    ) -> Result<(), Violation> {
        for ReadMessage { offset, physical_offset, body: found } in messages {
            let attempt = found.first_chunk().map(|number| Attempt::from_be_bytes(*number));
            let known = attempt.filter(|attempt| (*attempt as usize) < self.attempts.len());
            let Some(attempt) = known else {
                return Err(Violation(format!("{queue:?} has at {offset} a message that nobody sent")));
            };
            let sent = self.sent(attempt);
            let what = || format!("{queue:?} has at {offset} a message that is not what was sent: {sent:?}");
            require(found == body(attempt, sent.body_bytes), what)?;
            self.read += 1;
            if lives.counts(&told) {
                self.place(lives, queue, offset, Known { attempt, told, physical_offset, is_copied: false })?;
            }
        }
        Ok(())
    }

    /// A consumer was told that the queue ends at `end`.
    pub(super) fn ends_at(&mut self, lives: &Lives, queue: Queue, end: u64, told: Told) -> Result<(), Violation> {
        if lives.is_forgiven(told.by) || lives.may_lag(told.by) || !lives.counts(&told) {
            return Ok(());
        }
        let known = self.queues.entry(queue).or_default();
        let gone =
            known.range(end..).find(|(_, known)| known.told.heard <= told.asked && !lives.is_forgiven(known.told.by));
        if let Some((offset, known)) = gone {
            return Err(Violation(format!("{queue:?} ends at {end}, and was said to hold at {offset} {known:?}")));
        }
        self.drop_forgiven(lives, queue, end);
        Ok(())
    }

    /// False: it is old news of what was lost since.
    fn place(&mut self, lives: &Lives, queue: Queue, offset: u64, new: Known) -> Result<bool, Violation> {
        let attempt = new.attempt;
        let found = self.queues.entry(queue).or_default().get(&offset).copied();
        if let Some(old) = found.filter(|old| old.attempt != attempt) {
            if lives.is_forgiven(new.told.by) && !lives.is_forgiven(old.told.by) {
                return Ok(false);
            }
            let what = || format!("{queue:?} held at {offset} {old:?} and now holds {new:?}");
            require(lives.is_forgiven(old.told.by), what)?;
            self.drop_forgiven(lives, queue, offset);
        }
        let sent = self.sent(attempt);
        require(sent.outcome != Outcome::Refused, || format!("attempt {attempt} is stored and was refused: {sent:?}"))?;
        let what = || format!("attempt {attempt} went to another queue than {queue:?}: {sent:?}");
        require(sent.queue == queue, what)?;
        let what = || format!("attempt {attempt} is in {queue:?} twice, at {offset} too: {sent:?}");
        require(sent.place.is_none_or(|place| place == offset), what)?;
        sent.place = Some(offset);
        let known = self.queues.entry(queue).or_default().entry(offset).or_insert(new);
        known.is_copied |= new.is_copied;
        if lives.is_forgiven(known.told.by) {
            // It is still there, so it was not lost, nor what came before it.
            known.told = new.told;
        }
        Ok(true)
    }

    /// What a group was said to hold may be gone, but for what lies below `kept_to` in the log, and, if `keeps_copied`, for what was
    /// acknowledged when slaves had it too.
    pub(super) fn forget(&mut self, group: GroupNumber, kept_to: u64, keeps_copied: bool) {
        let queues: Vec<Queue> = self.queues.keys().filter(|queue| queue.group == group).copied().collect();
        for queue in queues {
            let keeps = |known: &Known| known.physical_offset < kept_to || keeps_copied && known.is_copied;
            self.drop_known(queue, 0.., |known| !keeps(known));
        }
    }

    /// Forgets what may be lost from `offset` on.
    fn drop_forgiven(&mut self, lives: &Lives, queue: Queue, offset: u64) {
        self.drop_known(queue, offset.., |known| lives.is_forgiven(known.told.by));
    }

    /// Forgets what the queue is known to hold at these offsets, where it `may_be_lost`.
    fn drop_known(&mut self, queue: Queue, offsets: RangeFrom<u64>, may_be_lost: impl Fn(&Known) -> bool) {
        let Some(known) = self.queues.get_mut(&queue) else { return };
        let dropped = known.extract_if(offsets, |_, known| may_be_lost(known));
        let dropped: Vec<Attempt> = dropped.map(|(_, known)| known.attempt).collect();
        self.forgiven += dropped.len() as u64;
        for attempt in dropped {
            let sent = self.sent(attempt);
            sent.place = None;
            if sent.outcome != Outcome::Refused {
                sent.outcome = Outcome::Unknown;
            }
        }
    }

    /// Everything was read from `first`, where the queue begins by now, to `end`, and nothing changes any more: is all there, in order?
    /// With `in_order`, what is sent over one connection is done in that order; where others hand it on to a leader that
    /// changes, only what was sent after an answer is.
    pub(super) fn settle(
        &mut self,
        queue: Queue,
        first: u64,
        end: u64,
        in_order: bool,
        may_keep_more: bool,
    ) -> Result<u64, Violation> {
        let known = self.queues.entry(queue).or_default();
        // A slave may still have what retention has removed from its master, whose word alone counts.
        let first = if may_keep_more { first.max(known.keys().next().copied().unwrap_or(end)) } else { first };
        let missing = known.range(end..).next();
        let what = || format!("{queue:?} ends at {end}, and was said to hold more: {missing:?}");
        require(missing.is_none(), what)?;
        let dense = known.range(first..).map(|(at, _)| *at).eq(first..end);
        require(dense, || {
            format!("{queue:?} holds {first}..{end}, and {} of its messages could be read", known.len())
        })?;
        for (attempt, sent) in self.attempts.iter().enumerate().filter(|(_, sent)| sent.queue == queue) {
            let is_lost = matches!(sent.outcome, Outcome::Acknowledged(_)) && sent.place.is_none();
            require(!is_lost, || format!("attempt {attempt} was acknowledged and is not there: {sent:?}"))?;
        }
        self.check_order(queue, in_order)?;
        Ok(end - first)
    }

    /// What was sent after something had been acknowledged stands behind it, and with `in_order` so does what was sent later
    /// over the same connection.
    fn check_order(&self, queue: Queue, in_order: bool) -> Result<(), Violation> {
        let Some(known) = self.queues.get(&queue) else { return Ok(()) };
        let mut last_sent: Option<(Duration, Attempt)> = None;
        let mut last_of: BTreeMap<End, Attempt> = BTreeMap::new();
        for (offset, known) in known {
            let attempt = known.attempt;
            let sent = &self.attempts[attempt as usize];
            if let (Outcome::Acknowledged(at), Some((later, other))) = (sent.outcome, last_sent) {
                let what = || {
                    format!(
                        "{queue:?} has attempt {other}, sent at {later:?}, before {attempt} at {offset}, acknowledged at {at:?}"
                    )
                };
                require(later <= at, what)?;
            }
            last_sent = last_sent.max(Some((sent.at, attempt)));
            if !in_order {
                continue;
            }
            let before = last_of.insert(sent.connection, attempt);
            let what = || {
                format!(
                    "{queue:?} has {before:?} before {attempt} at {offset}, sent in the other order over one connection"
                )
            };
            require(before.is_none_or(|before| before < attempt), what)?;
        }
        Ok(())
    }

    /// Whether something that was sent to a group since `moment` was acknowledged.
    pub(super) fn acknowledged_since(&self, group: GroupNumber, moment: Duration) -> bool {
        let sent_since = self.attempts.iter().rev().take_while(|sent| sent.at >= moment);
        sent_since.into_iter().any(|sent| sent.queue.group == group && matches!(sent.outcome, Outcome::Acknowledged(_)))
    }

    /// How many attempts were made, acknowledged and refused.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let count = |is: fn(&Outcome) -> bool| self.attempts.iter().filter(|sent| is(&sent.outcome)).count() as u64;
        let acknowledged = count(|outcome| matches!(outcome, Outcome::Acknowledged(_)));
        (self.attempts.len() as u64, acknowledged, count(|outcome| *outcome == Outcome::Refused))
    }
}
