//! Which queue the next message goes to: round robin over the topic's queues, past a broker that has just failed.

use std::collections::BTreeMap;

use protocol::body::MessageQueue;

/// Topics whose position is kept. When full, all start over: position only serves an even spread.
const TOPICS_MAX: usize = 16_384;

/// A position a topic.
#[derive(Debug)]
pub(crate) struct QueueSelection {
    /// Where a topic starts. Differs between producers, so that many short-lived ones do not all hit queue 0.
    start: usize,
    positions: BTreeMap<String, usize>,
}

impl QueueSelection {
    pub(crate) fn new(start: usize) -> Self {
        Self { start, positions: BTreeMap::new() }
    }

    /// The next queue of `topic`, on another broker than `avoid` if there is one. `None` if there is no queue.
    pub(crate) fn next<'a>(
        &mut self,
        topic: &str,
        queues: &'a [MessageQueue],
        avoid: Option<&str>,
    ) -> Option<&'a MessageQueue> {
        let fallback = queues.get(self.advance(topic) % queues.len().max(1))?;
        if avoid.is_none_or(|avoid| fallback.broker_name != avoid) {
            return Some(fallback);
        }
        // Queues are grouped by broker, so going on one by one would give the next broker's first queue only.
        let elsewhere: Vec<_> = queues.iter().filter(|queue| Some(queue.broker_name.as_str()) != avoid).collect();
        if elsewhere.is_empty() {
            return Some(fallback);
        }
        Some(elsewhere[self.advance(topic) % elsewhere.len()])
    }

    fn advance(&mut self, topic: &str) -> usize {
        if let Some(position) = self.positions.get_mut(topic) {
            *position = position.wrapping_add(1);
            return *position;
        }
        if self.positions.len() >= TOPICS_MAX {
            self.positions.clear();
        }
        self.positions.insert(topic.to_owned(), self.start);
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(counts: &[(&str, i32)]) -> Vec<MessageQueue> {
        let queue =
            |broker: &str, queue_id| MessageQueue { topic: "T".to_owned(), broker_name: broker.to_owned(), queue_id };
        counts.iter().flat_map(|(broker, count)| (0..*count).map(move |id| queue(broker, id))).collect()
    }

    #[test]
    fn messages_go_round_all_queues() {
        let queues = queues(&[("a", 2), ("b", 1)]);
        let mut selection = QueueSelection::new(1);
        let chosen: Vec<_> = (0..4)
            .map(|_| selection.next("T", &queues, None).unwrap())
            .map(|q| (&*q.broker_name, q.queue_id))
            .collect();
        assert_eq!(chosen, [("a", 1), ("b", 0), ("a", 0), ("a", 1)]);
    }

    #[test]
    fn two_topics_in_turn_still_reach_every_queue() {
        let queues = queues(&[("a", 2)]);
        let mut selection = QueueSelection::new(0);
        let mut ids = |topic| selection.next(topic, &queues, None).unwrap().queue_id;
        assert_eq!([ids("T"), ids("U"), ids("T"), ids("U")], [0, 0, 1, 1]);
    }

    #[test]
    fn a_failed_broker_is_avoided_while_there_is_another() {
        let two = queues(&[("a", 4), ("b", 2)]);
        let mut selection = QueueSelection::new(0);
        for _ in 0..12 {
            assert_eq!(selection.next("T", &two, Some("a")).unwrap().broker_name, "b");
        }
        let one = queues(&[("a", 4)]);
        assert_eq!(selection.next("T", &one, Some("a")).unwrap().broker_name, "a");
    }

    #[test]
    fn without_queues_nothing_is_selected() {
        assert_eq!(QueueSelection::new(7).next("T", &[], None), None);
    }
}
