//! What was recalled of the due time that is being delivered.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Hashes of unique keys: of a million keys with one due time, two share one by chance once in 10^26 times.
#[derive(Debug, Default)]
pub(super) struct RecalledKeys {
    due_ms: i64,
    keys: HashSet<u128>,
}

impl RecalledKeys {
    /// A recall of a due time, which is not before any it was told of.
    pub(super) fn note(&mut self, due_ms: i64, topic: &[u8], unique_key: &[u8]) {
        if due_ms != self.due_ms {
            // Not `clear`: many keys of one moment would stay memory for ever.
            *self = Self { due_ms, keys: HashSet::new() };
        }
        self.keys.insert(hash(topic, unique_key));
    }

    pub(super) fn contains(&self, due_ms: i64, topic: &[u8], unique_key: &[u8]) -> bool {
        due_ms == self.due_ms && self.keys.contains(&hash(topic, unique_key))
    }
}

fn hash(topic: &[u8], unique_key: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, topic, unique_key).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_count_for_their_topic_and_due_time_only() {
        let mut keys = RecalledKeys::default();
        keys.note(5, b"T", b"a");
        keys.note(5, b"T", b"b");
        assert!(keys.contains(5, b"T", b"a") && keys.contains(5, b"T", b"b"));
        assert!(!keys.contains(5, b"T", b"c") && !keys.contains(5, b"U", b"a") && !keys.contains(6, b"T", b"a"));
        keys.note(6, b"T", b"c");
        assert!(keys.contains(6, b"T", b"c") && !keys.contains(6, b"T", b"a") && !keys.contains(5, b"T", b"a"));
    }
}
