//! Which client consumes a queue in order: the locks of requests 41 and 42. In memory only.

use protocol::body::MessageQueue;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A lock that was not renewed for longer is free; orderly clients renew every 20 s.
pub const QUEUE_LOCK_EXPIRY_MS: i64 = 60_000;

/// Locks of all groups together. When full, and no lock has expired, further queues are not granted.
pub const QUEUE_LOCKS_MAX: usize = 262_144;

/// A full table is searched for expired locks no more often than this: the search looks at every lock.
const FULL_SEARCH_PAUSE_MS: i64 = 1_000;

/// The locks of one shard, by group and queue.
#[derive(Debug, Default)]
pub struct QueueLocks {
    groups: BTreeMap<String, BTreeMap<MessageQueue, QueueLock>>,
    /// All entries of `groups`, expired ones too.
    count: usize,
    /// When a full table was last searched for expired locks.
    searched_ms: Option<i64>,
}

#[derive(Debug)]
struct QueueLock {
    client_id: Rc<str>,
    renewed_ms: i64,
}

impl QueueLock {
    fn is_alive(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.renewed_ms) <= QUEUE_LOCK_EXPIRY_MS
    }
}

impl QueueLocks {
    /// No locks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks, or renews, each queue that is free or already this client's; returns those the client now holds.
    pub fn lock<'q>(
        &mut self,
        group: &str,
        client_id: &str,
        queues: impl IntoIterator<Item = &'q MessageQueue>,
        now_ms: i64,
    ) -> BTreeSet<MessageQueue> {
        let client_id: Rc<str> = client_id.into();
        let held = queues.into_iter().filter(|queue| self.lock_one(group, &client_id, queue, now_ms));
        held.cloned().collect()
    }

    /// Frees those of the queues that this client holds; others are left alone.
    pub fn unlock<'q>(&mut self, group: &str, client_id: &str, queues: impl IntoIterator<Item = &'q MessageQueue>) {
        let Some(locks) = self.groups.get_mut(group) else { return };
        for queue in queues {
            if locks.get(queue).is_some_and(|lock| *lock.client_id == *client_id) {
                locks.remove(queue);
                self.count -= 1;
            }
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Whether any queue is locked for the group: its failed messages then go to the dead letters at once.
    pub fn any_alive(&self, group: &str, now_ms: i64) -> bool {
        self.groups.get(group).is_some_and(|locks| locks.values().any(|lock| lock.is_alive(now_ms)))
    }

    /// The client that holds the queue for the group.
    pub fn holder(&self, group: &str, queue: &MessageQueue, now_ms: i64) -> Option<&str> {
        let lock = self.groups.get(group)?.get(queue)?;
        lock.is_alive(now_ms).then_some(&*lock.client_id)
    }

    /// Forgets expired locks. They are free without this too; call it now and then to get the memory back.
    pub fn expire(&mut self, now_ms: i64) {
        let mut count = 0;
        self.groups.retain(|_, locks| {
            locks.retain(|_, lock| lock.is_alive(now_ms));
            count += locks.len();
            !locks.is_empty()
        });
        self.count = count;
    }

    /// How many locks are held, expired ones that were not yet forgotten too.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no lock at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn lock_one(&mut self, group: &str, client_id: &Rc<str>, queue: &MessageQueue, now_ms: i64) -> bool {
        if let Some(lock) = self.groups.get_mut(group).and_then(|locks| locks.get_mut(queue)) {
            if lock.is_alive(now_ms) && *lock.client_id != **client_id {
                return false;
            }
            *lock = QueueLock { client_id: client_id.clone(), renewed_ms: now_ms };
            return true;
        }
        if !self.has_room(now_ms) {
            return false;
        }
        let lock = QueueLock { client_id: client_id.clone(), renewed_ms: now_ms };
        self.groups.entry(group.to_owned()).or_default().insert(queue.clone(), lock);
        self.count += 1;
        true
    }

    fn has_room(&mut self, now_ms: i64) -> bool {
        let searched_lately = self.searched_ms.is_some_and(|ms| now_ms.saturating_sub(ms) < FULL_SEARCH_PAUSE_MS);
        if self.count >= QUEUE_LOCKS_MAX && !searched_lately {
            self.searched_ms = Some(now_ms);
            self.expire(now_ms);
        }
        self.count < QUEUE_LOCKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue::new("JT", "broker-v", queue_id)
    }

    #[test]
    fn a_free_queue_is_granted_and_a_held_one_is_not() {
        let mut locks = QueueLocks::new();
        assert_eq!(locks.lock("jog", "a", &[queue(0), queue(1)], 0), BTreeSet::from([queue(0), queue(1)]));
        assert_eq!(locks.lock("jog", "b", &[queue(1), queue(2)], 1), BTreeSet::from([queue(2)]));
        assert_eq!(locks.holder("jog", &queue(1), 1), Some("a"));
    }

    #[test]
    fn groups_do_not_share_locks() {
        let mut locks = QueueLocks::new();
        locks.lock("g1", "a", &[queue(0)], 0);
        assert_eq!(locks.lock("g2", "b", &[queue(0)], 0), BTreeSet::from([queue(0)]));
    }

    #[test]
    fn the_holder_renews_and_others_wait_60_s_from_then() {
        let mut locks = QueueLocks::new();
        locks.lock("g", "a", &[queue(0)], 0);
        assert_eq!(locks.lock("g", "a", &[queue(0)], 20_000), BTreeSet::from([queue(0)]));
        assert!(locks.lock("g", "b", &[queue(0)], 80_000).is_empty());
        assert_eq!(locks.lock("g", "b", &[queue(0)], 80_001), BTreeSet::from([queue(0)]));
        assert!(locks.lock("g", "a", &[queue(0)], 80_002).is_empty());
    }

    #[test]
    fn only_the_holder_unlocks() {
        let mut locks = QueueLocks::new();
        locks.lock("g", "a", &[queue(0), queue(1)], 0);
        locks.unlock("g", "b", &[queue(0)]);
        assert!(locks.lock("g", "b", &[queue(0)], 1).is_empty());
        locks.unlock("g", "a", &[queue(0), queue(7)]);
        assert_eq!(locks.lock("g", "b", &[queue(0)], 2), BTreeSet::from([queue(0)]));
        assert_eq!(locks.len(), 2);
    }

    #[test]
    fn a_group_is_locked_while_any_of_its_locks_is_alive() {
        let mut locks = QueueLocks::new();
        assert!(!locks.any_alive("g", 0));
        locks.lock("g", "a", &[queue(0)], 0);
        locks.lock("g", "b", &[queue(1)], 30_000);
        assert!(locks.any_alive("g", 90_000));
        assert!(!locks.any_alive("g", 90_001));
        locks.expire(90_001);
        assert!(locks.is_empty());
    }

    #[test]
    fn a_full_table_grants_nothing_until_locks_expire() {
        let mut locks = QueueLocks::new();
        let all: Vec<_> = (0..QUEUE_LOCKS_MAX as i32).map(queue).collect();
        assert_eq!(locks.lock("g", "a", &all, 0).len(), QUEUE_LOCKS_MAX);
        assert!(locks.lock("h", "a", &[queue(-1)], 60_000).is_empty());
        assert_eq!(locks.lock("g", "a", &[queue(3)], 60_000), BTreeSet::from([queue(3)]), "a renewal needs no room");
        assert!(locks.lock("h", "a", &[queue(-1)], 60_999).is_empty(), "it was searched a moment ago");
        assert_eq!(locks.lock("h", "a", &[queue(-1)], 61_000), BTreeSet::from([queue(-1)]));
        assert_eq!(locks.len(), 2);
    }

    proptest! {
        /// What each client believes: it holds a queue from a granted lock until 60 s later, or until it unlocks.
        #[test]
        fn two_clients_never_believe_to_hold_the_same_queue(
            steps in prop::collection::vec((0..4u8, 0..3usize, 0..3i32, 0..45_000i64), 1..200)
        ) {
            let clients = ["a", "b", "c"];
            let mut locks = QueueLocks::new();
            let mut granted_ms: BTreeMap<(usize, i32), i64> = BTreeMap::new();
            let mut now_ms = 0;
            for (action, client, queue_id, later_ms) in steps {
                now_ms += later_ms;
                match action {
                    0 | 1 => {
                        if !locks.lock("g", clients[client], &[queue(queue_id)], now_ms).is_empty() {
                            granted_ms.insert((client, queue_id), now_ms);
                        }
                    }
                    2 => {
                        locks.unlock("g", clients[client], &[queue(queue_id)]);
                        granted_ms.remove(&(client, queue_id));
                    }
                    _ => locks.expire(now_ms),
                }
                granted_ms.retain(|_, granted| now_ms - *granted <= QUEUE_LOCK_EXPIRY_MS);
                for queue_id in 0..3 {
                    let believers: Vec<_> = (0..3).filter(|client| granted_ms.contains_key(&(*client, queue_id))).collect();
                    prop_assert!(believers.len() <= 1, "{believers:?} all hold queue {queue_id}");
                    let holder = locks.holder("g", &queue(queue_id), now_ms);
                    prop_assert_eq!(holder, believers.first().map(|client| clients[*client]));
                }
                prop_assert_eq!(locks.any_alive("g", now_ms), !granted_ms.is_empty());
            }
        }
    }
}
