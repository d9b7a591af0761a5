//! One pending timer as the index has it.
//!
//! ```text
//! 0 due i64, ms since 1970 | 8 order u64 | 16 physical offset u64 | 24 record bytes u32 | 28 crc32 of the 28 bytes before
//! ```
//! Big-endian. `order` is the queue offset in the timer topic; its top bit is set for messages and clear for recalls.

/// Bytes of an entry in a bucket's file.
pub(super) const ENTRY_BYTES: usize = 32;
const CHECKED_BYTES: usize = 28;
const MESSAGE: u64 = 1 << 63;

/// Where a timer stands among all: by due time; of one due time recalls first, so that they are known before what they
/// recall; then as they were stored.
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TimerKey {
    /// When it is due, ms since 1970.
    pub due_ms: i64,
    /// Kind and queue offset, see [`TimerKey::message`].
    pub order: u64,
}

impl TimerKey {
    /// Of a message.
    pub fn message(due_ms: i64, queue_offset: u64) -> Self {
        Self { due_ms, order: queue_offset | MESSAGE }
    }

    /// Of a recall.
    pub fn recall(due_ms: i64, queue_offset: u64) -> Self {
        Self { due_ms, order: queue_offset & !MESSAGE }
    }

    /// The last one of a due time.
    pub fn end_of(due_ms: i64) -> Self {
        Self { due_ms, order: u64::MAX }
    }

    /// Whether it recalls another one.
    pub fn is_recall(self) -> bool {
        self.order & MESSAGE == 0
    }

    /// Its number in the timer topic's queue.
    pub fn queue_offset(self) -> u64 {
        self.order & !MESSAGE
    }
}

/// Where a timer's record lies.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct TimerPlace {
    /// Physical offset.
    pub position: u64,
    /// Bytes of the record.
    pub bytes: u32,
}

/// A timer and where its record lies.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct TimerEntry {
    /// Its place in the order.
    pub key: TimerKey,
    /// Its record.
    pub place: TimerPlace,
}

impl TimerEntry {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.key.due_ms.to_be_bytes());
        out.extend_from_slice(&self.key.order.to_be_bytes());
        out.extend_from_slice(&self.place.position.to_be_bytes());
        out.extend_from_slice(&self.place.bytes.to_be_bytes());
        let crc = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&crc.to_be_bytes());
    }

    /// `None` where the checksum does not match.
    pub(super) fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let read =
            |at: usize, end: usize| bytes[at..end].iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
        if read(CHECKED_BYTES, ENTRY_BYTES) != u64::from(crc32fast::hash(&bytes[..CHECKED_BYTES])) {
            return None;
        }
        let key = TimerKey { due_ms: read(0, 8) as i64, order: read(8, 16) };
        let place = TimerPlace { position: read(16, 24), bytes: read(24, 28) as u32 };
        Some(Self { key, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_any_change_of_a_byte_is_noticed() {
        let key = TimerKey::message(1_795_319_705_000, 12_345);
        let entry = TimerEntry { key, place: TimerPlace { position: 77 << 30, bytes: 345 } };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let bytes: [u8; ENTRY_BYTES] = bytes.try_into().unwrap();
        assert_eq!(TimerEntry::decode(&bytes), Some(entry));
        for at in 0..ENTRY_BYTES {
            let mut changed = bytes;
            changed[at] ^= 4;
            assert_eq!(TimerEntry::decode(&changed), None, "byte {at}");
        }
    }

    #[test]
    fn recalls_of_a_due_time_come_before_its_messages_whenever_they_were_stored() {
        let mut keys =
            [TimerKey::message(5, 1), TimerKey::recall(5, 9), TimerKey::message(4, 7), TimerKey::message(5, 0)];
        keys.sort();
        assert_eq!(
            keys,
            [TimerKey::message(4, 7), TimerKey::recall(5, 9), TimerKey::message(5, 0), TimerKey::message(5, 1)]
        );
        assert!(keys[1].is_recall() && !keys[0].is_recall());
        assert_eq!((keys[0].queue_offset(), keys[1].queue_offset()), (7, 9));
    }
}
