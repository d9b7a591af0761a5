//! What a message can be found by: its unique key, its keys, its tag; and where each goes in the index.

use protocol::properties;

/// Keys of one message that are indexed; the others do not find it.
pub const KEYS_PER_MESSAGE_MAX: usize = 1024;
/// Buckets of keys; tags, of which many messages share one, have their own behind them.
const KEY_BUCKETS: usize = 256;
const TAG_BUCKETS: usize = 16;
/// Buckets of a run.
pub(super) const BUCKETS: usize = KEY_BUCKETS + TAG_BUCKETS;

/// What is looked up.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// `UNIQ_KEY`, or one of `KEYS`.
    Key,
    /// `TAGS`.
    Tag,
}

/// A key of a topic as the index knows it: different keys may share one, so whoever finds a message compares.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct KeyHash {
    pub(super) bucket: u16,
    pub(super) hash: u32,
}

impl KeyHash {
    /// Of `key` in `topic`.
    pub fn new(kind: KeyKind, topic: &str, key: &[u8]) -> Self {
        of_topic(topic).of(kind, key)
    }
}

/// The checksum of a topic, with which those of its keys begin.
struct TopicHash(crc32fast::Hasher);

fn of_topic(topic: &str) -> TopicHash {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(topic.as_bytes());
    hasher.update(b"#");
    TopicHash(hasher)
}

impl TopicHash {
    fn of(&self, kind: KeyKind, key: &[u8]) -> KeyHash {
        let mut hasher = self.0.clone();
        hasher.update(key);
        // A checksum keeps alike what is alike; the buckets are to fill evenly.
        let hash = hasher.finalize().wrapping_mul(0x9E37_79B1);
        let hash = hash ^ (hash >> 15);
        let bucket = match kind {
            KeyKind::Key => hash as usize % KEY_BUCKETS,
            KeyKind::Tag => KEY_BUCKETS + hash as usize % TAG_BUCKETS,
        };
        KeyHash { bucket: bucket as u16, hash }
    }
}

/// Hands every indexed key of a message to `each`.
pub(super) fn for_each_key(topic: &str, properties: &[u8], mut each: impl FnMut(KeyHash)) {
    let mut left = KEYS_PER_MESSAGE_MAX;
    let topic = of_topic(topic);
    for (kind, key) in keys(properties) {
        if left == 0 {
            return;
        }
        left -= 1;
        each(topic.of(kind, key));
    }
}

/// Whether a message of the topic that was asked for has this key.
pub fn has_key(properties: &[u8], kind: KeyKind, key: &[u8]) -> bool {
    keys(properties).any(|found| found == (kind, key))
}

fn keys(text: &[u8]) -> impl Iterator<Item = (KeyKind, &[u8])> {
    properties::iterate(text).flat_map(|(name, value)| {
        let is_list = name == properties::KEYS.as_bytes();
        let kind = match name {
            _ if is_list || name == properties::UNIQ_KEY.as_bytes() => Some(KeyKind::Key),
            _ if name == properties::TAGS.as_bytes() => Some(KeyKind::Tag),
            _ => None,
        };
        let pieces = kind
            .into_iter()
            .flat_map(move |kind| value.split(move |byte| is_list && *byte == b' ').map(move |piece| (kind, piece)));
        pieces.filter(|(_, key)| !key.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"UNIQ_KEY\x01id 1\x02KEYS\x01a bc  d \x02WAIT\x01true\x02TAGS\x01t u\x02";

    #[test]
    fn a_message_is_found_by_its_unique_key_its_keys_and_its_tag() {
        let found: Vec<_> = keys(TEXT).map(|(kind, key)| (kind, std::str::from_utf8(key).unwrap())).collect();
        let key = KeyKind::Key;
        assert_eq!(found, [(key, "id 1"), (key, "a"), (key, "bc"), (key, "d"), (KeyKind::Tag, "t u")]);
        assert!(has_key(TEXT, key, b"bc") && !has_key(TEXT, key, b"b") && !has_key(TEXT, key, b"t u"));
        assert!(has_key(TEXT, KeyKind::Tag, b"t u") && !has_key(TEXT, KeyKind::Tag, b"t"));
    }

    #[test]
    fn a_message_of_very_many_keys_is_indexed_by_the_first_of_them() {
        let mut text = b"KEYS\x01".to_vec();
        text.extend((0..2000).flat_map(|number| format!("k{number} ").into_bytes()));
        let mut count = 0;
        for_each_key("t", &text, |_| count += 1);
        assert_eq!(count, KEYS_PER_MESSAGE_MAX);
    }

    #[test]
    fn alike_keys_fill_all_buckets() {
        let mut filled = [0; BUCKETS];
        for number in 0..25_600 {
            let key = format!("7F00000100002A9F0000018B{number:08X}");
            filled[usize::from(KeyHash::new(KeyKind::Key, "t", key.as_bytes()).bucket)] += 1;
        }
        assert!(filled[..KEY_BUCKETS].iter().all(|count| (30..300).contains(count)), "{filled:?}");
        assert!(filled[KEY_BUCKETS..].iter().all(|count| *count == 0));
    }
}
