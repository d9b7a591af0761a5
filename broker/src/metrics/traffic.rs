//! Messages in and out, by topic and by consumer group.

use std::collections::HashMap;
use std::rc::Rc;

use storage::consume_queue::QueueIndex;

/// Topics of a shard that are told apart; what comes later counts together as [`OTHERS`].
pub(crate) const TOPIC_METRICS_MAX: usize = 500;
/// Pairs of consumer group and topic of a shard that are told apart, likewise.
pub(crate) const GROUP_METRICS_MAX: usize = 500;
/// Stands for all topics or groups beyond the limit. No topic or group can be called so.
pub(crate) const OTHERS: &str = "(others)";

const UNKNOWN: u32 = u32::MAX;

/// Messages and their bytes as stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Volume {
    fn add(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
    }
}

/// A consumer group by its number in [`Traffic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupSlot(u32);

/// Messages that came in for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicVolume {
    pub(crate) topic: String,
    pub(crate) volume: Volume,
}

/// Messages of a topic that went out to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupVolume {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) volume: Volume,
}

/// See the module's text. A queue finds its topic by its number; only its first message looks at a name.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Index into `topics`, by queue; [`UNKNOWN`] until its first message.
    topic_of_queue: Vec<u32>,
    topic_numbers: HashMap<Box<str>, u32>,
    /// The first stands for [`OTHERS`].
    topics: Vec<(Box<str>, Volume)>,
    group_numbers: HashMap<Box<str>, u32>,
    groups: Vec<Rc<str>>,
    pair_numbers: HashMap<(GroupSlot, u32), usize>,
    pairs: Vec<(GroupSlot, u32, Volume)>,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        let others = GroupSlot(0);
        Self {
            topic_of_queue: Vec::new(),
            topic_numbers: HashMap::new(),
            topics: vec![(OTHERS.into(), Volume::default())],
            group_numbers: HashMap::new(),
            groups: vec![OTHERS.into()],
            pair_numbers: HashMap::new(),
            pairs: vec![(others, 0, Volume::default())],
        }
    }

    /// Messages were stored in a queue of the topic that `topic` names.
    pub(crate) fn stored<'a>(
        &mut self,
        queue: QueueIndex,
        topic: impl FnOnce() -> Option<&'a str>,
        messages: u64,
        bytes: u64,
    ) {
        let topic = self.topic_of(queue, topic);
        self.topics[topic as usize].1.add(messages, bytes);
    }

    /// The number of a group, to be handed to [`Self::pulled`].
    pub(crate) fn group(&mut self, group: &str) -> GroupSlot {
        let numbers = &mut self.group_numbers;
        GroupSlot(number_of(group, numbers, GROUP_METRICS_MAX, || self.groups.push(group.into())))
    }

    /// The name behind a slot; `None` for the slot of all those that have none of their own.
    pub(crate) fn group_name(&self, slot: GroupSlot) -> Option<Rc<str>> {
        (slot.0 != 0).then(|| self.groups[slot.0 as usize].clone())
    }

    /// Messages went from a queue to a group.
    pub(crate) fn pulled<'a>(
        &mut self,
        queue: QueueIndex,
        topic: impl FnOnce() -> Option<&'a str>,
        group: GroupSlot,
        messages: u64,
        bytes: u64,
    ) {
        let topic = self.topic_of(queue, topic);
        let known = self.pair_numbers.get(&(group, topic)).copied();
        let pair = known.unwrap_or_else(|| {
            if self.pairs.len() > GROUP_METRICS_MAX {
                return 0;
            }
            self.pairs.push((group, topic, Volume::default()));
            self.pair_numbers.insert((group, topic), self.pairs.len() - 1);
            self.pairs.len() - 1
        });
        self.pairs[pair].2.add(messages, bytes);
    }

    fn topic_of<'a>(&mut self, queue: QueueIndex, topic: impl FnOnce() -> Option<&'a str>) -> u32 {
        let at = queue.number();
        match self.topic_of_queue.get(at) {
            Some(&known) if known != UNKNOWN => return known,
            Some(_) => {}
            None => self.topic_of_queue.resize(at + 1, UNKNOWN),
        }
        // A queue whose topic was removed meanwhile has no name any more.
        let Some(topic) = topic() else { return 0 };
        let (numbers, topics) = (&mut self.topic_numbers, &mut self.topics);
        let number = number_of(topic, numbers, TOPIC_METRICS_MAX, || topics.push((topic.into(), Volume::default())));
        self.topic_of_queue[at] = number;
        number
    }

    /// What came in, by topic, as far as anything did.
    pub(crate) fn topics(&self) -> Vec<TopicVolume> {
        let seen = self.topics.iter().filter(|(_, volume)| volume.messages > 0);
        seen.map(|(topic, volume)| TopicVolume { topic: topic.to_string(), volume: *volume }).collect()
    }

    /// What went out, by group and topic.
    pub(crate) fn groups(&self) -> Vec<GroupVolume> {
        let seen = self.pairs.iter().filter(|(_, _, volume)| volume.messages > 0);
        seen.map(|(group, topic, volume)| GroupVolume {
            group: self.groups[group.0 as usize].to_string(),
            topic: self.topics[*topic as usize].0.to_string(),
            volume: *volume,
        })
        .collect()
    }
}

/// The number of `name`, from 1; a new one is announced to `add`. 0 when there are `names_max` others.
fn number_of(name: &str, numbers: &mut HashMap<Box<str>, u32>, names_max: usize, add: impl FnOnce()) -> u32 {
    if let Some(number) = numbers.get(name) {
        return *number;
    }
    if numbers.len() >= names_max {
        return 0;
    }
    let number = numbers.len() as u32 + 1;
    numbers.insert(name.into(), number);
    add();
    number
}

#[cfg(test)]
mod tests {
    use storage::consume_queue::ConsumeQueues;

    use super::*;

    #[test]
    fn queues_of_a_topic_count_together() {
        let mut queues = ConsumeQueues::default();
        let mut traffic = Traffic::new();
        for queue_id in [0, 3] {
            let queue = queues.find_or_add("T", queue_id);
            traffic.stored(queue, || Some("T"), 2, 200);
            traffic.stored(queue, || unreachable!("its topic is known"), 1, 100);
        }
        let volume = Volume { messages: 6, bytes: 600 };
        assert_eq!(traffic.topics(), [TopicVolume { topic: "T".to_owned(), volume }]);
        assert_eq!(traffic.groups(), []);
    }

    #[test]
    fn what_goes_out_counts_by_group_and_topic() {
        let mut queues = ConsumeQueues::default();
        let mut traffic = Traffic::new();
        let queue = queues.find_or_add("T", 0);
        let (a, b) = (traffic.group("a"), traffic.group("b"));
        assert_eq!(traffic.group("a"), a);
        traffic.pulled(queue, || Some("T"), a, 32, 3_200);
        traffic.pulled(queue, || Some("T"), b, 1, 100);
        traffic.pulled(queue, || Some("T"), a, 1, 100);
        let seen: Vec<_> = traffic.groups().into_iter().map(|pair| (pair.group, pair.volume.messages)).collect();
        assert_eq!(seen, [("a".to_owned(), 33), ("b".to_owned(), 1)]);
    }

    #[test]
    fn topics_and_groups_beyond_the_limit_count_together() {
        let mut queues = ConsumeQueues::default();
        let mut traffic = Traffic::new();
        for number in 0..TOPIC_METRICS_MAX + 7 {
            let topic = format!("T{number}");
            let queue = queues.find_or_add(&topic, 0);
            traffic.stored(queue, || Some(&topic), 1, 10);
            let group = traffic.group(&format!("g{number}"));
            traffic.pulled(queue, || Some(&topic), group, 1, 10);
        }
        let topics = traffic.topics();
        assert_eq!(topics.len(), TOPIC_METRICS_MAX + 1);
        assert_eq!((topics[0].topic.as_str(), topics[0].volume.messages), (OTHERS, 7));
        let groups = traffic.groups();
        assert_eq!(groups.len(), GROUP_METRICS_MAX + 1);
        assert_eq!((groups[0].group.as_str(), groups[0].volume.messages), (OTHERS, 7));
        let all: u64 = groups.iter().map(|pair| pair.volume.messages).sum();
        assert_eq!(all, (TOPIC_METRICS_MAX + 7) as u64, "nothing is lost");
    }

    #[test]
    fn a_queue_whose_topic_is_gone_counts_with_the_others() {
        let mut queues = ConsumeQueues::default();
        let mut traffic = Traffic::new();
        traffic.stored(queues.find_or_add("T", 0), || None, 1, 10);
        assert_eq!(traffic.topics()[0].topic, OTHERS);
    }
}
