//! Messages in and out, by topic and by consumer group, and how much it was lately.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use storage::consume_queue::QueueIndex;

use super::history::{History, Rates, SampleTimes, Span};

/// Topics of a shard that are counted apart, and pairs of consumer group and topic, likewise; what comes later counts
/// together as [`OTHERS`]. Each takes about a kilobyte.
const SERIES_MAX: usize = 10_000;
/// Topics that metrics tell apart.
pub(crate) const TOPIC_METRICS_MAX: usize = 500;
/// Pairs of consumer group and topic that metrics tell apart.
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

/// A counter: what was counted, and how often something was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) value: u64,
    pub(crate) times: u64,
}

/// What is counted of one topic or pair, and how it stood.
#[derive(Debug, Clone)]
struct Counted {
    volume: Volume,
    times: u64,
    messages: History,
    bytes: History,
}

impl Counted {
    fn new() -> Self {
        Self { volume: Volume::default(), times: 0, messages: History::new(), bytes: History::new() }
    }

    fn add(&mut self, messages: u64, bytes: u64) {
        self.volume.add(messages, bytes);
        self.times += 1;
    }

    fn count(&self, what: What) -> (Count, &History) {
        let (value, history) = match what {
            What::Messages => (self.volume.messages, &self.messages),
            What::Bytes => (self.volume.bytes, &self.bytes),
        };
        (Count { value, times: self.times }, history)
    }

    fn sample(&mut self, at: super::history::SampleAt) {
        self.messages.keep(at, self.count(What::Messages).0);
        self.bytes.keep(at, self.count(What::Bytes).0);
    }
}

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Messages,
    Bytes,
}

/// A consumer group by its number in [`Traffic`]. A number is given again when the group is gone and nobody holds its name, see
/// [`Traffic::group_name`]: who keeps a number longer than a turn keeps that with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupSlot(u32);

impl GroupSlot {
    /// Whether it stands for all groups beyond the limit.
    pub(crate) fn is_of_others(self) -> bool {
        self.0 == 0
    }

    #[cfg(test)]
    pub(crate) fn numbered(number: u32) -> Self {
        Self(number)
    }
}

/// What became of groups that are there no more.
#[derive(Debug, Default)]
pub(crate) struct GoneGroups {
    /// These numbers will be of other groups.
    pub(crate) freed: BTreeSet<GroupSlot>,
    /// Others are held by a request under way: they are to be looked at again.
    pub(crate) are_some_in_use: bool,
}

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

#[derive(Debug)]
struct Topic {
    name: Box<str>,
    put: Counted,
}

#[derive(Debug)]
struct Pair {
    group: GroupSlot,
    topic: u32,
    got: Counted,
    /// Messages that the group could not consume and sent back, once there was one.
    sent_back: Option<Counted>,
}

/// See the module's text. A queue finds its topic by its number; only its first message looks at a name.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Index into `topics`, by queue; [`UNKNOWN`] until its first message.
    topic_of_queue: Vec<u32>,
    topic_numbers: HashMap<Box<str>, u32>,
    /// The first stands for [`OTHERS`]; those without a name are free.
    topics: Vec<Topic>,
    free_topics: Vec<u32>,
    group_numbers: HashMap<Rc<str>, u32>,
    /// Likewise.
    groups: Vec<Rc<str>>,
    free_groups: Vec<u32>,
    pair_numbers: HashMap<(GroupSlot, u32), usize>,
    pairs: Vec<Pair>,
    free_pairs: Vec<usize>,
    /// What went in and out of topics and groups that are gone, so that the sums go on.
    gone: [Count; 2],
    /// Of all that went in, and out.
    sums: [History; 2],
    sample_times: SampleTimes,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        let others = GroupSlot(0);
        Self {
            topic_of_queue: Vec::new(),
            topic_numbers: HashMap::new(),
            topics: vec![Topic { name: OTHERS.into(), put: Counted::new() }],
            free_topics: Vec::new(),
            group_numbers: HashMap::new(),
            groups: vec![OTHERS.into()],
            free_groups: Vec::new(),
            pair_numbers: HashMap::new(),
            pairs: vec![Pair { group: others, topic: 0, got: Counted::new(), sent_back: None }],
            free_pairs: Vec::new(),
            gone: [Count::default(); 2],
            sums: [History::new(), History::new()],
            sample_times: SampleTimes::new(),
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
        self.topics[topic as usize].put.add(messages, bytes);
    }

    /// The number of a group, to be handed to [`Self::pulled`].
    pub(crate) fn group(&mut self, group: &str) -> GroupSlot {
        if let Some(number) = self.group_numbers.get(group) {
            return GroupSlot(*number);
        }
        let number = match self.free_groups.pop() {
            Some(number) => number as usize,
            None if self.groups.len() > SERIES_MAX => return GroupSlot(0),
            None => self.groups.len(),
        };
        let name: Rc<str> = group.into();
        self.group_numbers.insert(name.clone(), number as u32);
        if number == self.groups.len() {
            self.groups.push(name);
        } else {
            self.groups[number] = name;
        }
        GroupSlot(number as u32)
    }

    /// The same, if the group has one of its own.
    pub(crate) fn find_group(&self, group: &str) -> Option<GroupSlot> {
        self.group_numbers.get(group).copied().map(GroupSlot)
    }

    /// The name behind a slot; `None` for the slot of all those that have none of their own.
    pub(crate) fn group_name(&self, slot: GroupSlot) -> Option<Rc<str>> {
        (!slot.is_of_others()).then(|| self.groups[slot.0 as usize].clone())
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
        self.pair_of(group, topic).got.add(messages, bytes);
    }

    /// A group sent a message of a topic back.
    pub(crate) fn sent_back(&mut self, topic: &str, group: &str) {
        let (group, topic) = (self.group(group), self.topic_number(topic));
        self.pair_of(group, topic).sent_back.get_or_insert_with(Counted::new).add(1, 0);
    }

    fn pair_of(&mut self, group: GroupSlot, topic: u32) -> &mut Pair {
        let number = match self.pair_numbers.get(&(group, topic)) {
            Some(number) => *number,
            None => self.new_pair(group, topic),
        };
        &mut self.pairs[number]
    }

    fn new_pair(&mut self, group: GroupSlot, topic: u32) -> usize {
        let pair = Pair { group, topic, got: Counted::new(), sent_back: None };
        let number = match self.free_pairs.pop() {
            Some(number) => number,
            None if self.pairs.len() > SERIES_MAX => return 0,
            None => self.pairs.len(),
        };
        if number == self.pairs.len() {
            self.pairs.push(pair);
        } else {
            self.pairs[number] = pair;
        }
        self.pair_numbers.insert((group, topic), number);
        number
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
        let number = self.topic_number(topic);
        self.topic_of_queue[at] = number;
        number
    }

    fn topic_number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.topic_numbers.get(name) {
            return *number;
        }
        let number = match self.free_topics.pop() {
            Some(number) => number as usize,
            None if self.topics.len() > SERIES_MAX => return 0,
            None => self.topics.len(),
        };
        let topic = Topic { name: name.into(), put: Counted::new() };
        if number == self.topics.len() {
            self.topics.push(topic);
        } else {
            self.topics[number] = topic;
        }
        self.topic_numbers.insert(name.into(), number as u32);
        number as u32
    }

    /// Forgets topics and groups that are there no more.
    pub(crate) fn retain(
        &mut self,
        topic_is_there: impl Fn(&str) -> bool,
        group_is_there: impl Fn(&str) -> bool,
    ) -> GoneGroups {
        let mut is_gone = vec![false; self.topics.len()];
        for (number, topic) in self.topics.iter_mut().enumerate().skip(1) {
            if topic.name.is_empty() || topic_is_there(&topic.name) {
                continue;
            }
            is_gone[number] = true;
            add(&mut self.gone[IN], topic.put.count(What::Messages).0);
            self.topic_numbers.remove(&topic.name);
            *topic = Topic { name: "".into(), put: Counted::new() };
            self.free_topics.push(number as u32);
        }
        for topic in self.topic_of_queue.iter_mut().filter(|topic| **topic != UNKNOWN) {
            if is_gone[*topic as usize] {
                *topic = UNKNOWN;
            }
        }
        for (number, pair) in self.pairs.iter_mut().enumerate().skip(1) {
            // Free ones have the number of the others.
            let is_free = !self.pair_numbers.contains_key(&(pair.group, pair.topic));
            let is_kept = !is_gone[pair.topic as usize]
                && (pair.group.is_of_others() || group_is_there(&self.groups[pair.group.0 as usize]));
            if is_free || is_kept {
                continue;
            }
            add(&mut self.gone[OUT], pair.got.count(What::Messages).0);
            self.pair_numbers.remove(&(pair.group, pair.topic));
            *pair = Pair { group: GroupSlot(0), topic: 0, got: Counted::new(), sent_back: None };
            self.free_pairs.push(number);
        }
        self.retain_groups(group_is_there)
    }

    /// Their pairs are gone already.
    fn retain_groups(&mut self, is_there: impl Fn(&str) -> bool) -> GoneGroups {
        let mut gone = GoneGroups::default();
        for (number, name) in self.groups.iter_mut().enumerate().skip(1) {
            if name.is_empty() || is_there(name) {
                continue;
            }
            // Its places in both tables here. A pull or pop under way has the name too, and counts by the number when it ends.
            if Rc::strong_count(name) > 2 {
                gone.are_some_in_use = true;
                continue;
            }
            self.group_numbers.remove(&**name);
            *name = "".into();
            self.free_groups.push(number as u32);
            gone.freed.insert(GroupSlot(number as u32));
        }
        gone
    }

    /// By the clock, ms since the shard began: keeps how counters stand if it is time.
    pub(crate) fn tick(&mut self, now_ms: i64) -> bool {
        let due = self.sample_times.due(now_ms);
        for at in due.into_iter().flatten() {
            self.topics.iter_mut().for_each(|topic| topic.put.sample(at));
            for pair in &mut self.pairs {
                pair.got.sample(at);
                if let Some(sent_back) = &mut pair.sent_back {
                    sent_back.sample(at);
                }
            }
            let sums = [self.sum(IN), self.sum(OUT)];
            self.sums.iter_mut().zip(sums).for_each(|(history, sum)| history.keep(at, sum));
        }
        due.iter().any(Option::is_some)
    }

    fn sum(&self, direction: usize) -> Count {
        let mut sum = self.gone[direction];
        let counts: &mut dyn Iterator<Item = &Counted> = match direction {
            IN => &mut self.topics.iter().map(|topic| &topic.put),
            _ => &mut self.pairs.iter().map(|pair| &pair.got),
        };
        counts.for_each(|counted| add(&mut sum, counted.count(What::Messages).0));
        sum
    }

    /// What was stored lately of all topics.
    pub(crate) fn stored_rates(&self, span: Span, now_ms: i64) -> Rates {
        self.sample_times.rates(span, &self.sums[IN], self.sum(IN), now_ms)
    }

    /// What went out lately to all groups.
    pub(crate) fn pulled_rates(&self, span: Span, now_ms: i64) -> Rates {
        self.sample_times.rates(span, &self.sums[OUT], self.sum(OUT), now_ms)
    }

    /// What was stored lately of all topics, and what went out lately, of those that `is_system` does not tell to be the
    /// system's. What is gone was users': topics of the system are not deleted.
    pub(crate) fn rates_without_system(
        &self,
        span: Span,
        now_ms: i64,
        is_system: impl Fn(&str) -> bool,
    ) -> (Rates, Rates) {
        let rates = |counted: &Counted| self.rates_of(counted, What::Messages, span, now_ms);
        let is_system = |topic: u32| topic != 0 && is_system(&self.topics[topic as usize].name);
        let topics = self.topics.iter().zip(0..).filter(|(_, number)| is_system(*number));
        let pairs = self.pairs.iter().filter(|pair| is_system(pair.topic));
        let stored = topics.map(|(topic, _)| rates(&topic.put));
        let pulled = pairs.map(|pair| rates(&pair.got));
        (
            stored.fold(self.stored_rates(span, now_ms), Rates::without),
            pulled.fold(self.pulled_rates(span, now_ms), Rates::without),
        )
    }

    /// What was stored lately of one topic; `None`: nothing since the start.
    pub(crate) fn topic_rates(&self, topic: &str, what: What, span: Span, now_ms: i64) -> Option<Rates> {
        let topic = &self.topics[*self.topic_numbers.get(topic)? as usize];
        (topic.put.times > 0).then(|| self.rates_of(&topic.put, what, span, now_ms))
    }

    /// What of one topic went lately to one group; `None`: nothing since the start.
    pub(crate) fn group_rates(&self, topic: &str, group: &str, what: What, span: Span, now_ms: i64) -> Option<Rates> {
        let got = &self.pair(topic, group)?.got;
        (got.times > 0).then(|| self.rates_of(got, what, span, now_ms))
    }

    /// What of one topic one group sent back lately; `None`: nothing since the start.
    pub(crate) fn sent_back_rates(&self, topic: &str, group: &str, span: Span, now_ms: i64) -> Option<Rates> {
        let sent_back = self.pair(topic, group)?.sent_back.as_ref()?;
        Some(self.rates_of(sent_back, What::Messages, span, now_ms))
    }

    fn pair(&self, topic: &str, group: &str) -> Option<&Pair> {
        let (group, topic) = (GroupSlot(*self.group_numbers.get(group)?), *self.topic_numbers.get(topic)?);
        self.pair_numbers.get(&(group, topic)).map(|number| &self.pairs[*number])
    }

    fn rates_of(&self, counted: &Counted, what: What, span: Span, now_ms: i64) -> Rates {
        let (count, history) = counted.count(what);
        self.sample_times.rates(span, history, count, now_ms)
    }

    /// What came in, by topic, as far as anything did; of more than metrics tell apart the rest together.
    pub(crate) fn topics(&self) -> Vec<TopicVolume> {
        let (apart, rest) = self.topics.split_at(self.topics.len().min(TOPIC_METRICS_MAX + 1));
        let mut volumes: Vec<(&str, Volume)> = apart.iter().map(|topic| (&*topic.name, topic.put.volume)).collect();
        rest.iter().for_each(|topic| volumes[0].1.add(topic.put.volume.messages, topic.put.volume.bytes));
        let seen = volumes.into_iter().filter(|(_, volume)| volume.messages > 0);
        seen.map(|(topic, volume)| TopicVolume { topic: topic.to_owned(), volume }).collect()
    }

    /// What went out, by group and topic, likewise.
    pub(crate) fn groups(&self) -> Vec<GroupVolume> {
        let (apart, rest) = self.pairs.split_at(self.pairs.len().min(GROUP_METRICS_MAX + 1));
        let mut volumes: Vec<(&Pair, Volume)> = apart.iter().map(|pair| (pair, pair.got.volume)).collect();
        rest.iter().for_each(|pair| volumes[0].1.add(pair.got.volume.messages, pair.got.volume.bytes));
        let seen = volumes.into_iter().filter(|(_, volume)| volume.messages > 0);
        seen.map(|(pair, volume)| GroupVolume {
            group: self.groups[pair.group.0 as usize].to_string(),
            topic: self.topics[pair.topic as usize].name.to_string(),
            volume,
        })
        .collect()
    }
}

const IN: usize = 0;
const OUT: usize = 1;

fn add(to: &mut Count, count: Count) {
    to.value += count.value;
    to.times += count.times;
}

#[cfg(test)]
mod tests;
