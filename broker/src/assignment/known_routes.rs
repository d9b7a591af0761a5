//! What name servers said about topics that members ask about, and who waits until they say it.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::body::{MessageQueue, TopicRouteData};

/// Topics whose queues are known at a time.
const TOPICS_MAX: usize = 4_096;

/// Members that wait for a name server's answer at a time.
const WAITING_MAX: usize = 1_024;

/// Queues of one topic on all brokers; what a route has beyond that is no broker's.
const QUEUES_MAX: usize = 65_536;

/// In a route's `perm`: the queues can be consumed.
const PERM_READ: i32 = 4;

/// A route that nobody asked about for this many poll intervals is looked up anew before it is told.
const INTERVALS_MAX: i64 = 2;

/// The queues of a topic that can be read, on all brokers, sorted.
pub type RoutedQueues = Rc<[MessageQueue]>;

/// What a look-up has found about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteNews {
    /// It is here.
    Found(TopicRouteData),
    /// There is no such topic.
    NotThere,
    /// No name server has answered.
    NoAnswer,
}

/// What becomes of a question about a topic.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked<W> {
    /// The queues are known.
    Known {
        /// They.
        queues: RoutedQueues,
        /// Who asked.
        waiter: W,
        /// Whether it is time to look the topic up again.
        looks_up: bool,
    },
    /// Who asked is kept until [`KnownRoutes::learn`].
    Waits {
        /// Whether nobody has the topic looked up already.
        looks_up: bool,
    },
    /// Too many wait, or too many topics are asked about.
    Full {
        /// Who asked.
        waiter: W,
    },
}

/// See the module's text. `W` is who waits.
#[derive(Debug)]
pub struct KnownRoutes<W> {
    poll_interval_ms: i64,
    topics: BTreeMap<String, Topic<W>>,
    waiting: usize,
}

#[derive(Debug)]
struct Topic<W> {
    queues: Option<RoutedQueues>,
    /// When that was learned.
    learned_ms: i64,
    /// When it was asked about last.
    asked_ms: i64,
    is_looked_up: bool,
    waiting: Vec<W>,
}

impl<W> KnownRoutes<W> {
    /// Nothing known; each topic that is asked about is looked up again this often.
    pub fn new(poll_interval_ms: i64) -> Self {
        Self { poll_interval_ms, topics: BTreeMap::new(), waiting: 0 }
    }

    /// The queues of a topic, now or later.
    pub fn ask(&mut self, topic: &str, waiter: W, now_ms: i64) -> Asked<W> {
        if !self.topics.contains_key(topic) {
            if self.waiting >= WAITING_MAX || !self.has_room(now_ms) {
                return Asked::Full { waiter };
            }
            let new = Topic { queues: None, learned_ms: 0, asked_ms: now_ms, is_looked_up: false, waiting: Vec::new() };
            self.topics.insert(topic.to_owned(), new);
        }
        let age_ms_max = self.poll_interval_ms * INTERVALS_MAX;
        let known = self.topics.get_mut(topic).expect("inserted above");
        known.asked_ms = now_ms;
        let age_ms = now_ms - known.learned_ms;
        if let Some(queues) = known.queues.as_ref().filter(|_| age_ms < age_ms_max) {
            let looks_up = age_ms >= self.poll_interval_ms && !std::mem::replace(&mut known.is_looked_up, true);
            return Asked::Known { queues: queues.clone(), waiter, looks_up };
        }
        if self.waiting >= WAITING_MAX {
            return Asked::Full { waiter };
        }
        self.waiting += 1;
        known.waiting.push(waiter);
        Asked::Waits { looks_up: !std::mem::replace(&mut known.is_looked_up, true) }
    }

    /// A look-up of a topic is done. Returns who waited, with the queues; `None`: there are none, or nobody knows.
    pub fn learn(&mut self, topic: &str, news: RouteNews, now_ms: i64) -> (Option<RoutedQueues>, Vec<W>) {
        let Some(known) = self.topics.get_mut(topic) else { return (None, Vec::new()) };
        known.is_looked_up = false;
        let waiting = std::mem::take(&mut known.waiting);
        self.waiting -= waiting.len();
        match news {
            RouteNews::Found(route) => {
                known.queues = Some(readable_queues(topic, &route));
                known.learned_ms = now_ms;
            }
            RouteNews::NotThere => {
                self.topics.remove(topic);
                return (None, waiting);
            }
            // What was known holds until somebody knows better.
            RouteNews::NoAnswer => {}
        }
        (known.queues.clone(), waiting)
    }

    fn has_room(&mut self, now_ms: i64) -> bool {
        if self.topics.len() >= TOPICS_MAX {
            let age_ms_max = self.poll_interval_ms * INTERVALS_MAX;
            self.topics.retain(|_, topic| topic.is_looked_up || now_ms - topic.asked_ms < age_ms_max);
        }
        self.topics.len() < TOPICS_MAX
    }
}

fn readable_queues(topic: &str, route: &TopicRouteData) -> RoutedQueues {
    let readable = route.queue_datas.iter().filter(|data| data.perm & PERM_READ != 0);
    let mut queues: Vec<MessageQueue> = readable
        .flat_map(|data| (0..data.read_queue_nums).map(|id| MessageQueue::new(topic, data.broker_name.as_str(), id)))
        .take(QUEUES_MAX)
        .collect();
    queues.sort_unstable();
    queues.into()
}

#[cfg(test)]
mod tests {
    use protocol::body::QueueData;

    use super::*;

    const INTERVAL_MS: i64 = 30_000;

    fn found(queue_nums: i32) -> RouteNews {
        let of = |broker: &str, perm| QueueData {
            broker_name: broker.to_owned(),
            perm,
            read_queue_nums: queue_nums,
            ..QueueData::default()
        };
        RouteNews::Found(TopicRouteData {
            queue_datas: vec![of("b", 6), of("a", 4), of("c", 2)],
            ..TopicRouteData::default()
        })
    }

    fn routes() -> KnownRoutes<u32> {
        KnownRoutes::new(INTERVAL_MS)
    }

    fn known(asked: Asked<u32>) -> (usize, bool) {
        match asked {
            Asked::Known { queues, looks_up, .. } => (queues.len(), looks_up),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_asks_first_waits_and_others_are_answered_from_what_was_found() {
        let mut routes = routes();
        assert_eq!(routes.ask("T", 1, 0), Asked::Waits { looks_up: true });
        assert_eq!(routes.ask("T", 2, 1), Asked::Waits { looks_up: false });
        let (queues, waited) = routes.learn("T", found(2), 5);
        let expected: Vec<_> =
            [("a", 0), ("a", 1), ("b", 0), ("b", 1)].map(|(broker, id)| MessageQueue::new("T", broker, id)).into();
        assert_eq!((queues.unwrap().to_vec(), waited), (expected, vec![1, 2]));
        assert_eq!(known(routes.ask("T", 3, 6)), (4, false));
        assert_eq!(routes.waiting, 0);
    }

    #[test]
    fn what_is_known_is_looked_up_again_once_an_interval_while_it_is_asked_about() {
        let mut routes = routes();
        _ = routes.ask("T", 1, 0);
        _ = routes.learn("T", found(2), 0);
        assert_eq!(known(routes.ask("T", 1, INTERVAL_MS)), (4, true));
        assert_eq!(known(routes.ask("T", 1, INTERVAL_MS + 1)), (4, false), "it is under way");
        _ = routes.learn("T", found(3), INTERVAL_MS + 2);
        assert_eq!(known(routes.ask("T", 1, INTERVAL_MS + 3)), (6, false));
        // Nobody asked for long: who asks now is not told what was so long ago ...
        assert_eq!(routes.ask("T", 1, 9 * INTERVAL_MS), Asked::Waits { looks_up: true });
        // ... unless nobody knows better.
        let (queues, waited) = routes.learn("T", RouteNews::NoAnswer, 9 * INTERVAL_MS);
        assert_eq!((queues.map(|queues| queues.len()), waited), (Some(6), vec![1]));
    }

    #[test]
    fn a_topic_that_is_not_there_is_forgotten() {
        let mut routes = routes();
        _ = routes.ask("T", 1, 0);
        assert_eq!(routes.learn("T", RouteNews::NotThere, 0), (None, vec![1]));
        assert!(routes.topics.is_empty());
        assert_eq!(routes.ask("T", 2, 1), Asked::Waits { looks_up: true });
    }

    #[test]
    fn topics_and_who_waits_are_bounded() {
        let mut routes = routes();
        for waiter in 0..WAITING_MAX as u32 {
            assert_eq!(routes.ask("T", waiter, 0), Asked::Waits { looks_up: waiter == 0 });
        }
        assert_eq!(routes.ask("T", 7, 0), Asked::Full { waiter: 7 });
        assert_eq!(routes.ask("U", 7, 0), Asked::Full { waiter: 7 });
        assert_eq!(routes.learn("T", found(1), 0).1.len(), WAITING_MAX);
        for number in 1..TOPICS_MAX {
            let topic = format!("T{number}");
            assert_eq!(routes.ask(&topic, 0, 0), Asked::Waits { looks_up: true });
            _ = routes.learn(&topic, found(1), 0);
        }
        assert_eq!(routes.ask("U", 7, 0), Asked::Full { waiter: 7 });
        assert_eq!(routes.ask("U", 7, INTERVALS_MAX * INTERVAL_MS), Asked::Waits { looks_up: true });
        assert_eq!(routes.topics.len(), 1);
    }
}
