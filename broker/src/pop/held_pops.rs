//! Long polling of POP: pops and notifications that found nothing wait here until something arrives, or their time is up. No
//! clock and no I/O here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// A request to hold. `P` is what the caller needs to try it again.
#[derive(Debug)]
pub struct HeldPop<P> {
    /// The group.
    pub group: Rc<str>,
    /// The topic that was asked for.
    pub topic: Rc<str>,
    /// The queue that was asked for; -1: any.
    pub queue_id: i32,
    /// Retry topics whose messages it gets too.
    pub retry_topics: Vec<Rc<str>>,
    /// The connection that asked; the request dies with it.
    pub connection: u64,
    /// When it is answered although nothing came.
    pub deadline_ms: i64,
    /// Handed back with it.
    pub payload: P,
}

/// How many may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldPopsLimits {
    /// Of a shard.
    pub all_max: usize,
    /// Of one group, topic and queue (or any queue).
    pub of_queue_max: usize,
}

/// All requests that a shard holds. Each comes out once, through [`HeldPops::take`] or [`HeldPops::expired`], unless its
/// connection closes first.
#[derive(Debug)]
pub struct HeldPops<P> {
    held: BTreeMap<Number, HeldPop<P>>,
    next: Number,
    /// Looked up only, never iterated: by topic that is listened to, then group, in the order they came.
    listeners: HashMap<Rc<str>, BTreeMap<Rc<str>, BTreeSet<Number>>>,
    counts: BTreeMap<(Rc<str>, Rc<str>, i32), usize>,
    by_connection: BTreeSet<(u64, Number)>,
    by_deadline: BTreeSet<(i64, Number)>,
}

type Number = u64;

impl<P> Default for HeldPops<P> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            next: 0,
            listeners: HashMap::new(),
            counts: BTreeMap::new(),
            by_connection: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
        }
    }
}

impl<P> HeldPops<P> {
    /// Holds a request.
    ///
    /// # Errors
    /// There is no room: it comes back untouched.
    pub fn hold(&mut self, request: HeldPop<P>, limits: HeldPopsLimits) -> Result<(), HeldPop<P>> {
        let of_queue = self.held_of(&request.group, &request.topic, request.queue_id);
        if self.held.len() >= limits.all_max || of_queue >= limits.of_queue_max {
            return Err(request);
        }
        let number = self.next;
        self.next += 1;
        self.put_back(number, request);
        Ok(())
    }

    /// Holds one again that was taken and found nothing, in its old place.
    pub fn put_back(&mut self, number: Number, request: HeldPop<P>) {
        for topic in std::iter::once(&request.topic).chain(&request.retry_topics) {
            let groups = self.listeners.entry(topic.clone()).or_default();
            groups.entry(request.group.clone()).or_default().insert(number);
        }
        *self.counts.entry((request.group.clone(), request.topic.clone(), request.queue_id)).or_default() += 1;
        self.by_connection.insert((request.connection, number));
        self.by_deadline.insert((request.deadline_ms, number));
        let before = self.held.insert(number, request);
        assert!(before.is_none(), "each number is held once");
    }

    /// Whether somebody listens to the topic.
    pub fn listens(&self, topic: &str) -> bool {
        self.listeners.contains_key(topic)
    }

    /// The groups that listen to a topic, ascending.
    pub fn groups(&self, topic: &str) -> Vec<Rc<str>> {
        self.listeners.get(topic).map(|groups| groups.keys().cloned().collect()).unwrap_or_default()
    }

    /// The requests of a group that listen to a topic, in the order they came.
    pub fn waiting(&self, topic: &str, group: &str) -> Vec<u64> {
        let numbers = self.listeners.get(topic).and_then(|groups| groups.get(group));
        numbers.map(|numbers| numbers.iter().copied().collect()).unwrap_or_default()
    }

    /// A request that is held.
    pub fn get(&self, number: u64) -> Option<&HeldPop<P>> {
        self.held.get(&number)
    }

    /// Takes one out.
    pub fn take(&mut self, number: u64) -> Option<HeldPop<P>> {
        let request = self.held.remove(&number)?;
        for topic in std::iter::once(&request.topic).chain(&request.retry_topics) {
            let Some(groups) = self.listeners.get_mut(topic) else { continue };
            if let Some(numbers) = groups.get_mut(&request.group) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    groups.remove(&request.group);
                }
            }
            if groups.is_empty() {
                self.listeners.remove(topic);
            }
        }
        let counted = (request.group.clone(), request.topic.clone(), request.queue_id);
        if let Some(count) = self.counts.get_mut(&counted) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&counted);
            }
        }
        self.by_connection.remove(&(request.connection, number));
        self.by_deadline.remove(&(request.deadline_ms, number));
        Some(request)
    }

    /// Appends to `expired` every request whose time is up, earliest first.
    pub fn expired(&mut self, now_ms: i64, expired: &mut Vec<HeldPop<P>>) {
        while let Some(&(_, number)) = self.by_deadline.first().filter(|(deadline_ms, _)| *deadline_ms <= now_ms) {
            expired.extend(self.take(number));
        }
    }

    /// The connection closed: its requests are dropped unanswered.
    pub fn cancel(&mut self, connection: u64) {
        while let Some(&(_, number)) = self.by_connection.range((connection, 0)..=(connection, u64::MAX)).next() {
            self.take(number);
        }
    }

    /// How many a group has for exactly this topic and queue.
    pub fn held_of(&self, group: &Rc<str>, topic: &Rc<str>, queue_id: i32) -> usize {
        self.counts.get(&(group.clone(), topic.clone(), queue_id)).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeldPopsLimits = HeldPopsLimits { all_max: 4, of_queue_max: 2 };

    fn request(group: &str, queue_id: i32, connection: u64, deadline_ms: i64) -> HeldPop<&'static str> {
        let retry_topics = vec![format!("%RETRY%{group}_T").into()];
        HeldPop {
            group: group.into(),
            topic: "T".into(),
            queue_id,
            retry_topics,
            connection,
            deadline_ms,
            payload: "p",
        }
    }

    #[test]
    fn a_request_listens_to_its_topic_and_its_retry_topics() {
        let mut held = HeldPops::default();
        held.hold(request("g", -1, 1, 10), LIMITS).unwrap();
        held.hold(request("h", -1, 1, 10), LIMITS).unwrap();
        assert_eq!(held.groups("T"), ["g".into(), "h".into()]);
        assert_eq!(held.groups("%RETRY%g_T"), ["g".into()]);
        assert_eq!(held.waiting("T", "g"), [0]);
        let taken = held.take(0).unwrap();
        assert!(!held.listens("%RETRY%g_T") && held.listens("T"));
        held.put_back(0, taken);
        assert_eq!(held.waiting("%RETRY%g_T", "g"), [0], "in its old place");
    }

    #[test]
    fn there_is_room_for_so_many_a_queue_and_so_many_in_all() {
        let mut held = HeldPops::default();
        held.hold(request("g", -1, 1, 10), LIMITS).unwrap();
        held.hold(request("g", -1, 2, 10), LIMITS).unwrap();
        assert!(held.hold(request("g", -1, 3, 10), LIMITS).is_err());
        held.hold(request("g", 0, 3, 10), LIMITS).unwrap();
        held.hold(request("h", 0, 3, 10), LIMITS).unwrap();
        assert!(held.hold(request("i", 0, 3, 10), LIMITS).is_err());
        assert_eq!(held.held_of(&"g".into(), &"T".into(), -1), 2);
    }

    #[test]
    fn requests_leave_by_the_clock_and_with_their_connection_and_leave_nothing_behind() {
        let mut held = HeldPops::default();
        held.hold(request("g", 0, 1, 30), LIMITS).unwrap();
        held.hold(request("g", 1, 2, 20), LIMITS).unwrap();
        held.hold(request("h", 1, 2, 40), LIMITS).unwrap();
        let mut expired = Vec::new();
        held.expired(30, &mut expired);
        assert_eq!(expired.iter().map(|request| request.deadline_ms).collect::<Vec<_>>(), [20, 30]);
        held.cancel(2);
        assert!(held.is_empty() && held.listeners.is_empty() && held.counts.is_empty());
        assert!(held.by_connection.is_empty() && held.by_deadline.is_empty());
    }
}
