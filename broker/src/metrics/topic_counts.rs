//! Counters by topic, of a bounded number of topics.

use std::collections::BTreeMap;

use super::traffic::{OTHERS, TOPIC_METRICS_MAX};

/// `N` counters for each of up to [`TOPIC_METRICS_MAX`] topics; further ones count together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicCounts<const N: usize> {
    topics: BTreeMap<String, [u64; N]>,
    others: [u64; N],
}

impl<const N: usize> TopicCounts<N> {
    pub(crate) fn new() -> Self {
        Self { topics: BTreeMap::new(), others: [0; N] }
    }

    /// Adds one to a counter of a topic.
    pub(crate) fn count(&mut self, topic: &str, which: usize) {
        if !self.topics.contains_key(topic) && self.topics.len() < TOPIC_METRICS_MAX {
            self.topics.insert(topic.to_owned(), [0; N]);
        }
        self.topics.get_mut(topic).unwrap_or(&mut self.others)[which] += 1;
    }

    /// Forgets topics that are there no more.
    pub(crate) fn retain(&mut self, topic_is_there: impl Fn(&str) -> bool) {
        self.topics.retain(|topic, _| topic_is_there(topic));
    }

    /// A counter of each topic that it has counted anything for.
    pub(crate) fn of(&self, which: usize) -> impl Iterator<Item = (&str, u64)> {
        let topics = self.topics.iter().map(move |(topic, counts)| (topic.as_str(), counts[which]));
        topics.chain([(OTHERS, self.others[which])]).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_told_apart_up_to_a_bound_and_forgotten_when_they_are_gone() {
        let mut counts = TopicCounts::<2>::new();
        for number in 0..TOPIC_METRICS_MAX + 3 {
            counts.count(&format!("T{number}"), 1);
        }
        counts.count("T0", 1);
        counts.count("T0", 0);
        assert_eq!(counts.of(0).collect::<Vec<_>>(), [("T0", 1)]);
        assert_eq!(counts.of(1).next(), Some(("T0", 2)));
        assert_eq!(counts.of(1).last(), Some((OTHERS, 3)));
        counts.retain(|topic| topic == "T1");
        assert_eq!(counts.of(1).collect::<Vec<_>>(), [("T1", 1), (OTHERS, 3)]);
        counts.count("new", 0);
        assert_eq!(counts.of(0).collect::<Vec<_>>(), [("new", 1)]);
    }
}
