//! What an ordered pop holds of one queue for one group: nobody else gets anything from it until all is acknowledged or visible
//! again. No clock and no I/O here.

/// Messages of one state. A pop adds new ones behind those that come again only while there are fewer.
pub const ORDERED_MESSAGES_MAX: usize = 64;

/// Longest `attemptId`.
pub const ATTEMPT_ID_BYTES_MAX: usize = 128;

/// One message that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct OrderedMessage {
    /// Its queue offset.
    pub offset: u64,
    /// When it may be popped again, ms since 1970.
    pub visible_ms: i64,
    /// It is done; it stays here only because one before it is not.
    pub is_acked: bool,
    /// How often it was popped in vain.
    pub times: u32,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct OrderedPop {
    /// What the client calls its try; the same one again gets the same messages. Empty: none.
    pub attempt_id: String,
    /// When they were popped; part of their handles.
    pub pop_ms: i64,
    /// Where the group goes on when all is acknowledged.
    pub next: u64,
    /// Ascending by offset, at least one of them not acknowledged.
    pub messages: Vec<OrderedMessage>,
}

/// What a handle did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleUse {
    /// What it was for.
    Done,
    /// The message has another handle by now: its invisible time was changed, or it was popped again.
    Replaced,
    /// No such message is invisible: it was acknowledged, or its time is over.
    Gone,
}

impl OrderedPop {
    /// Whether the queue gives nothing at `now_ms`, unless to the try that holds it.
    pub fn is_locked(&self, now_ms: i64, attempt_id: &str) -> bool {
        let is_same_try = !attempt_id.is_empty() && attempt_id == self.attempt_id;
        !is_same_try && self.messages.iter().any(|message| !message.is_acked && message.visible_ms > now_ms)
    }

    /// When it gives again if nothing is acknowledged, ms since 1970.
    pub fn free_ms(&self) -> i64 {
        let open = self.messages.iter().filter(|message| !message.is_acked);
        open.map(|message| message.visible_ms).max().unwrap_or(i64::MIN)
    }

    /// The position of the group: the first message that is not acknowledged.
    pub fn position(&self) -> u64 {
        self.messages.iter().find(|message| !message.is_acked).map_or(self.next, |message| message.offset)
    }

    /// Whether all is acknowledged.
    pub fn is_done(&self) -> bool {
        self.messages.iter().all(|message| message.is_acked)
    }

    /// The messages that come again with the next pop, ascending.
    pub fn open(&self) -> impl Iterator<Item = &OrderedMessage> {
        self.messages.iter().filter(|message| !message.is_acked)
    }

    /// How often the message at `offset` was popped in vain when it is popped by this try.
    pub fn times_of(&self, offset: u64, attempt_id: &str) -> u32 {
        let is_same_try = !attempt_id.is_empty() && attempt_id == self.attempt_id;
        let known = self.messages.iter().find(|message| message.offset == offset);
        known.map_or(0, |message| if is_same_try { message.times } else { message.times.saturating_add(1) })
    }

    /// A message is done.
    pub fn ack(&mut self, offset: u64, pop_ms: i64) -> HandleUse {
        self.with(offset, pop_ms, |message| message.is_acked = true)
    }

    /// A message may be popped again at another time.
    pub fn change(&mut self, offset: u64, pop_ms: i64, visible_ms: i64) -> HandleUse {
        self.with(offset, pop_ms, |message| message.visible_ms = visible_ms)
    }

    fn with(&mut self, offset: u64, pop_ms: i64, change: impl FnOnce(&mut OrderedMessage)) -> HandleUse {
        match self.messages.iter_mut().find(|message| message.offset == offset && !message.is_acked) {
            None => HandleUse::Gone,
            Some(_) if self.pop_ms != pop_ms => HandleUse::Replaced,
            Some(message) => {
                change(message);
                HandleUse::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn popped(offsets: &[u64]) -> OrderedPop {
        let message = |offset: &u64| OrderedMessage { offset: *offset, visible_ms: 100, is_acked: false, times: 0 };
        let messages = offsets.iter().map(message).collect();
        OrderedPop { attempt_id: "a".to_owned(), pop_ms: 50, next: 10, messages }
    }

    #[test]
    fn a_queue_is_locked_until_all_is_acknowledged_or_visible() {
        let mut state = popped(&[3, 4]);
        assert!(state.is_locked(99, "") && state.is_locked(99, "b"));
        assert!(!state.is_locked(99, "a"), "the same try comes again");
        assert!(!state.is_locked(100, ""));
        assert_eq!(state.ack(3, 50), HandleUse::Done);
        assert!(state.is_locked(99, ""));
        assert_eq!(state.ack(4, 50), HandleUse::Done);
        assert!(!state.is_locked(99, "") && state.is_done());
    }

    #[test]
    fn the_position_is_that_of_the_first_message_that_is_not_acknowledged() {
        let mut state = popped(&[3, 4, 7]);
        assert_eq!(state.position(), 3);
        state.ack(4, 50);
        assert_eq!(state.position(), 3);
        state.ack(3, 50);
        assert_eq!(state.position(), 7);
        state.ack(7, 50);
        assert_eq!(state.position(), 10);
    }

    #[test]
    fn handles_of_another_pop_and_of_no_message_do_nothing() {
        let mut state = popped(&[3]);
        assert_eq!(state.ack(3, 49), HandleUse::Replaced);
        assert_eq!(state.ack(4, 50), HandleUse::Gone);
        assert_eq!(state.change(3, 50, 500), HandleUse::Done);
        assert_eq!(state.free_ms(), 500);
        state.ack(3, 50);
        assert_eq!(state.ack(3, 50), HandleUse::Gone);
    }

    #[test]
    fn times_count_with_each_other_try() {
        let state = popped(&[3]);
        assert_eq!((state.times_of(3, "a"), state.times_of(3, "b"), state.times_of(3, "")), (0, 1, 1));
        assert_eq!(state.times_of(9, "b"), 0);
    }
}
