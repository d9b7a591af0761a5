//! The texts that POP's clients build and take apart: the handle of a popped message, and what an answer says of its queues.
//!
//! A handle (`extraInfo`, property `POP_CK`) is `start popTime invisibleTime reviveQid r brokerName queueId msgOffset`, one space
//! between. Clients make it from the answer's `startOffsetInfo` (`r queueId start`, joined by `;`), `msgOffsetInfo` (`r queueId
//! offset,offset`) and `orderCountInfo`, and send it back with an acknowledgement. A proxy appends parts of its own.

use std::fmt::{self, Write as _};

use crate::topic_name::{pop_retry_topic, pop_retry_topic_v2};

/// `reviveQid` of an ordered pop.
pub const ORDERED_REVIVE_QUEUE: i32 = 999;
/// Longest handle that is looked into.
const HANDLE_CHARS_MAX: usize = 4096;
/// What a handle consists of, for errors.
const PARTS: [&str; 8] =
    ["start offset", "pop time", "invisible time", "revive queue", "retry", "broker name", "queue id", "queue offset"];
/// Parts that have to be there.
const PARTS_MIN: usize = 7;

/// Which topic a message was popped from, as `r` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PopSource {
    /// The topic that was asked for.
    Topic,
    /// Its retry topic, with `_` between group and topic.
    RetryV1,
    /// Its retry topic, with `+` between.
    RetryV2,
}

impl PopSource {
    /// As it stands in handles and answers.
    pub fn letter(self) -> char {
        match self {
            Self::Topic => '0',
            Self::RetryV1 => '1',
            Self::RetryV2 => '2',
        }
    }

    /// `None` for what is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => Some(Self::Topic),
            "1" => Some(Self::RetryV1),
            "2" => Some(Self::RetryV2),
            _ => None,
        }
    }

    /// The topic whose queue the message lies in.
    pub fn topic(self, group: &str, topic: &str) -> String {
        match self {
            Self::Topic => topic.to_owned(),
            Self::RetryV1 => pop_retry_topic(group, topic),
            Self::RetryV2 => pop_retry_topic_v2(group, topic),
        }
    }
}

/// A handle, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PopHandle<'a> {
    /// Where the pop began in the queue.
    pub start: i64,
    /// When it was popped, or its invisible time changed, ms since 1970.
    pub pop_ms: i64,
    /// How long it is invisible from then on, ms.
    pub invisible_ms: i64,
    /// [`ORDERED_REVIVE_QUEUE`], or anything.
    pub revive_queue_id: i32,
    /// Where it was popped from.
    pub source: PopSource,
    /// Who gave it out.
    pub broker_name: &'a str,
    /// Its queue.
    pub queue_id: i32,
    /// Its place there; old clients leave it out.
    pub offset: Option<i64>,
}

/// Why a text is no handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PopHandleError {
    /// Not as many parts as there have to be.
    #[error("it has {parts} parts; wanted `start popTime invisibleTime reviveQid r brokerName queueId msgOffset`")]
    Parts {
        /// How many there are.
        parts: usize,
    },
    /// Longer than any.
    #[error("it has {chars} characters, a handle has at most {HANDLE_CHARS_MAX}")]
    TooLong {
        /// How many.
        chars: usize,
    },
    /// A part that is not what it should be.
    #[error("its {part} is `{value}`")]
    Part {
        /// Which.
        part: &'static str,
        /// The beginning of it.
        value: String,
    },
}

impl<'a> PopHandle<'a> {
    /// Takes a handle apart.
    ///
    /// # Errors
    /// [`PopHandleError`].
    pub fn parse(text: &'a str) -> Result<Self, PopHandleError> {
        if text.len() > HANDLE_CHARS_MAX {
            return Err(PopHandleError::TooLong { chars: text.len() });
        }
        let parts: Vec<&str> = text.split(' ').collect();
        if parts.len() < PARTS_MIN {
            return Err(PopHandleError::Parts { parts: parts.len() });
        }
        let wrong = |at: usize| PopHandleError::Part { part: PARTS[at], value: parts[at].chars().take(64).collect() };
        let number = |at: usize| parts[at].parse::<i64>().map_err(|_| wrong(at));
        let small = |at: usize| parts[at].parse::<i32>().map_err(|_| wrong(at));
        let offset = if parts.len() > PARTS_MIN { Some(number(PARTS_MIN)?) } else { None };
        Ok(Self {
            start: number(0)?,
            pop_ms: number(1)?,
            invisible_ms: number(2)?,
            revive_queue_id: small(3)?,
            source: PopSource::parse(parts[4]).ok_or_else(|| wrong(4))?,
            broker_name: parts[5],
            queue_id: small(6)?,
            offset,
        })
    }

    /// Whether an ordered pop gave it out.
    pub fn is_ordered(&self) -> bool {
        self.revive_queue_id == ORDERED_REVIVE_QUEUE
    }
}

impl fmt::Display for PopHandle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, pop_ms, invisible_ms, revive_queue_id, source, broker_name, queue_id, offset } = self;
        let letter = source.letter();
        write!(f, "{start} {pop_ms} {invisible_ms} {revive_queue_id} {letter} {broker_name} {queue_id}")?;
        offset.map_or(Ok(()), |offset| write!(f, " {offset}"))
    }
}

/// What an answer says of the queues that its messages come from. Each queue is added at most once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PopQueuesText {
    /// `startOffsetInfo`.
    pub start: String,
    /// `msgOffsetInfo`.
    pub offsets: String,
    /// `orderCountInfo`.
    pub order_counts: String,
}

impl PopQueuesText {
    /// Adds a queue and the queue offsets of its messages, ascending.
    pub fn add(&mut self, source: PopSource, queue_id: i32, start: u64, offsets: impl Iterator<Item = u64>) {
        let letter = source.letter();
        separate(&mut self.start);
        // Writing to a String cannot fail.
        let _ = write!(self.start, "{letter} {queue_id} {start}");
        separate(&mut self.offsets);
        let _ = write!(self.offsets, "{letter} {queue_id}");
        for (number, offset) in offsets.enumerate() {
            let _ = write!(self.offsets, "{}{offset}", if number == 0 { ' ' } else { ',' });
        }
    }

    /// Adds how often messages of a queue were consumed in vain: `counts` are queue offset and number. Clients of old releases
    /// know one number a queue, the smallest.
    pub fn add_order_counts(&mut self, source: PopSource, queue_id: i32, counts: impl Iterator<Item = (u64, u32)>) {
        let letter = source.letter();
        let mut least = u32::MAX;
        for (offset, times) in counts {
            least = least.min(times);
            if times > 0 {
                separate(&mut self.order_counts);
                let _ = write!(self.order_counts, "{letter} qo{queue_id}%{offset} {times}");
            }
        }
        separate(&mut self.order_counts);
        let least = if least == u32::MAX { 0 } else { least };
        let _ = write!(self.order_counts, "{letter} {queue_id} {least}");
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(';');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// transcripts.md §18 and §19.
    #[test]
    fn handles_of_stock_clients_are_read_and_written_as_they_are() {
        for text in
            ["0 1795257234051 10000 0 0 broker-v 2 1", "1 1795257078347 3000 999 1 broker-v 0", "3 1 2 7 2 b 0 4"]
        {
            assert_eq!(PopHandle::parse(text).unwrap().to_string(), text);
        }
        let handle = PopHandle::parse("5 1795257072248 3000 999 0 broker-v 1 7 proxys own").unwrap();
        assert!(handle.is_ordered());
        assert_eq!((handle.start, handle.queue_id, handle.offset), (5, 1, Some(7)));
    }

    #[test]
    fn what_is_wrong_with_a_handle_is_named() {
        let error = |text: &str| PopHandle::parse(text).unwrap_err().to_string();
        assert!(error("").contains("it has 1 parts"));
        assert!(error("0 1 2 3 0 b").contains("it has 6 parts"));
        assert_eq!(error("0 soon 2 3 0 b 1 2"), "its pop time is `soon`");
        assert_eq!(error("0 1 2 3 9 b 1 2"), "its retry is `9`");
        assert_eq!(error("0 1 2 3 0 b 99999999999 2"), "its queue id is `99999999999`");
        assert_eq!(error("0 1 2 3 0 b 1 x"), "its queue offset is `x`");
        assert!(error(&"9".repeat(5000)).contains("5000 characters"));
    }

    /// transcripts.md §18.
    #[test]
    fn queues_are_listed_as_clients_take_them_apart() {
        let mut text = PopQueuesText::default();
        text.add(PopSource::Topic, 0, 0, [0, 1].into_iter());
        text.add(PopSource::RetryV1, 0, 4, [5].into_iter());
        assert_eq!((text.start.as_str(), text.offsets.as_str()), ("0 0 0;1 0 4", "0 0 0,1;1 0 5"));
        text.add_order_counts(PopSource::Topic, 3, [(7, 2), (8, 0)].into_iter());
        assert_eq!(text.order_counts, "0 qo3%7 2;0 3 0");
        text.add_order_counts(PopSource::Topic, 4, [(7, 2), (8, 1)].into_iter());
        assert_eq!(text.order_counts, "0 qo3%7 2;0 3 0;0 qo4%7 2;0 qo4%8 1;0 4 1");
    }

    #[test]
    fn the_source_names_the_topic_that_a_message_lies_in() {
        assert_eq!(PopSource::Topic.topic("g", "T"), "T");
        assert_eq!(PopSource::RetryV1.topic("g", "T"), "%RETRY%g_T");
        assert_eq!(PopSource::RetryV2.topic("g", "T"), "%RETRY%g+T");
    }
}
