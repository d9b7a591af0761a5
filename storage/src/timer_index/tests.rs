//! Whatever happens to disk and process, every timer comes once it is due, in order, and none before.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::file::sim::{SimDisk, block_on};

const START_MS: i64 = 1_795_319_703_859;
const DAY_MS: i64 = 24 * 3_600_000;

/// The timer topic's queue: due time and kind of each message.
#[derive(Clone, Default)]
struct Queue(Vec<(i64, bool)>);

impl Queue {
    fn entry(&self, at: u64) -> TimerEntry {
        let (due_ms, is_recall) = self.0[at as usize];
        let key = if is_recall { TimerKey::recall(due_ms, at) } else { TimerKey::message(due_ms, at) };
        TimerEntry { key, place: TimerPlace { position: 1000 * at + 7, bytes: 300 } }
    }

    fn feed_all(&self, index: &mut TimerIndex<SimDisk>, now_ms: i64) {
        while index.fed().queue_offset < self.0.len() as u64 && !index.is_full() {
            let entry = self.entry(index.fed().queue_offset);
            index.feed(&entry, entry.key.due_ms, now_ms);
        }
    }
}

/// A due time as people ask for: soon, at a full hour, some day of the year.
fn due_ms(random: &mut StdRng, now_ms: i64) -> i64 {
    match random.random_range(0..5) {
        0 => now_ms + random.random_range(1..2_000),
        1 => now_ms + random.random_range(1..200_000),
        2 => (now_ms / 3_600_000 + random.random_range(1..4)) * 3_600_000,
        3 => now_ms + random.random_range(1..3 * DAY_MS),
        _ => now_ms + random.random_range(1..365 * DAY_MS),
    }
}

async fn advance_all(index: &mut TimerIndex<SimDisk>, now_ms: i64) {
    let mut steps = 0;
    while index.advance(now_ms).await.unwrap() {
        steps += 1;
        assert!(steps < 100_000, "it comes to an end");
    }
}

/// Takes all that is due and returns the keys in the order they came.
async fn take_due(index: &mut TimerIndex<SimDisk>, done: &mut TimerKey, now_ms: i64) -> Vec<TimerKey> {
    let mut taken = Vec::new();
    loop {
        advance_all(index, now_ms).await;
        let Some(entry) = index.first().filter(|entry| entry.key.due_ms <= now_ms) else { return taken };
        index.remove(entry.key);
        if entry.key > *done {
            assert_eq!(entry.place.position, 1000 * entry.key.queue_offset() + 7);
            *done = entry.key;
            taken.push(entry.key);
        }
        index.forget_before(done.due_ms);
    }
}

async fn save(index: &mut TimerIndex<SimDisk>, safe: Fed) {
    index.flush().await.unwrap();
    let save = index.begin_save(safe);
    let saved = save.run().await;
    assert!(saved.error.is_none(), "{:?}", saved.error);
    index.finish_save(saved);
}

#[test]
fn timers_come_in_order_once_each_and_never_early_whatever_the_window_holds() {
    for seed in 0..40 {
        block_on(seed, async move {
            let mut random = StdRng::seed_from_u64(seed);
            let window_max = random.random_range(1..40);
            let (mut index, _) = TimerIndex::open_bounded(SimDisk::new(seed), window_max).await.unwrap();
            let (mut queue, mut pending, mut now_ms) = (Queue::default(), BTreeSet::new(), START_MS);
            let mut done = TimerKey::default();
            for _ in 0..120 {
                for _ in 0..random.random_range(0..20) {
                    let due_ms = due_ms(&mut random, now_ms).max(done.due_ms + 1);
                    queue.0.push((due_ms, random.random_bool(0.1)));
                    pending.insert(queue.entry(queue.0.len() as u64 - 1).key);
                }
                queue.feed_all(&mut index, now_ms);
                now_ms += [1, 500, 60_000, DAY_MS, 40 * DAY_MS][random.random_range(0..5)];
                let rest = pending.split_off(&TimerKey::end_of(now_ms));
                let expected: Vec<_> = std::mem::replace(&mut pending, rest).into_iter().collect();
                assert_eq!(take_due(&mut index, &mut done, now_ms).await, expected, "seed={seed}");
                assert!(index.window.count() <= window_max, "seed={seed}");
                if random.random_bool(0.3) {
                    let fed = index.fed();
                    save(&mut index, fed).await;
                }
            }
            assert!(done > TimerKey::default(), "seed={seed}");
        });
    }
}

#[test]
fn a_crash_at_any_moment_loses_no_timer() {
    let mut resumed = 0;
    for seed in 0..60 {
        let (mut queue, mut done, mut now_ms) = (Queue::default(), TimerKey::default(), START_MS);
        let mut random = StdRng::seed_from_u64(seed);
        let mut pending = BTreeSet::new();
        let mut disk = SimDisk::new(seed);
        for life in 0..6 {
            for _ in 0..random.random_range(1..300) {
                let due_ms = due_ms(&mut random, now_ms).max(done.due_ms + 1);
                queue.0.push((due_ms, random.random_bool(0.1)));
                pending.insert(queue.entry(queue.0.len() as u64 - 1).key);
            }
            let (lived, life_disk, life_queue) = (random.random_range(1..30), disk.clone(), queue.clone());
            let life_seed = seed * 10 + life;
            let lived = block_on(life_seed, async move {
                let mut random = StdRng::seed_from_u64(life_seed);
                let (mut index, damage) = TimerIndex::open_bounded(life_disk, 20).await.unwrap();
                assert_eq!(damage, None, "seed={seed}");
                let found = index.fed().queue_offset;
                let mut taken = Vec::new();
                for _ in 0..lived {
                    life_queue.feed_all(&mut index, now_ms);
                    now_ms += random.random_range(1..DAY_MS);
                    taken.append(&mut take_due(&mut index, &mut done, now_ms).await);
                    if random.random_bool(0.2) {
                        let safe = random.random_range(found..=index.fed().queue_offset);
                        save(&mut index, Fed { queue_offset: safe, ..Fed::default() }).await;
                    } else if random.random_bool(0.2) {
                        index.flush().await.unwrap();
                    }
                }
                (taken, done, now_ms, found)
            });
            let found;
            let taken;
            (taken, done, now_ms, found) = lived;
            resumed += u32::from(found > 0);
            let rest = pending.split_off(&TimerKey::end_of(now_ms));
            let expected: Vec<_> = std::mem::replace(&mut pending, rest).into_iter().collect();
            assert_eq!(taken, expected, "seed={seed} life={life}");
            disk = disk.power_loss();
        }
    }
    assert!(resumed > 50, "{resumed} lives went on with what the one before had saved");
}

#[test]
fn a_damaged_or_missing_file_is_told_and_all_can_be_fed_again() {
    block_on(3, async {
        let disk = SimDisk::new(3);
        let mut queue = Queue::default();
        queue.0.extend((0..100).map(|number| (START_MS + 1000 + number, false)));
        let (mut index, _) = TimerIndex::open(disk.clone()).await.unwrap();
        queue.feed_all(&mut index, START_MS);
        let fed = index.fed();
        save(&mut index, fed).await;
        let path = path_of(0);
        let file = disk.open_plain(&path, false).await.unwrap();
        file.write_all_at(50 * ENTRY_BYTES as u64 + 3, vec![0xEE]).await.unwrap();

        let (mut index, damage) = TimerIndex::open(disk.clone()).await.unwrap();
        assert_eq!((damage, index.fed().queue_offset), (None, 100));
        let mut error = None;
        for _ in 0..100 {
            match index.advance(START_MS).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(found) => error = Some(found.to_string()),
            }
        }
        assert!(error.is_some_and(|error| error.contains("entry 50 does not match its checksum")));

        index.reset(0).await.unwrap();
        queue.feed_all(&mut index, START_MS);
        let mut done = TimerKey::default();
        assert_eq!(take_due(&mut index, &mut done, START_MS + 2000).await.len(), 100);

        let (mut index, _) = TimerIndex::open(disk.clone()).await.unwrap();
        assert_eq!(index.fed().queue_offset, 0, "a reset is durable");
        queue.feed_all(&mut index, START_MS);
        let fed = index.fed();
        save(&mut index, fed).await;
        for path in disk.list(DIRECTORY).await.unwrap().iter().filter(|name| !name.starts_with("state")) {
            disk.remove(&format!("{DIRECTORY}/{path}")).await.unwrap();
        }
        let (index, damage) = TimerIndex::open(disk).await.unwrap();
        assert!(damage.is_some_and(|what| what.contains("holds 0 of 3200 bytes")));
        assert_eq!(index.fed().queue_offset, 0);
    });
}

#[test]
fn what_cannot_be_written_stays_in_memory_and_is_written_later() {
    block_on(4, async {
        let disk = SimDisk::new(4);
        let mut queue = Queue::default();
        queue.0.extend((0..50).map(|number| (START_MS + 1000 * number, false)));
        let (mut index, _) = TimerIndex::open(disk.clone()).await.unwrap();
        queue.feed_all(&mut index, START_MS);
        disk.set_capacity(Some(disk.used()));
        assert!(index.flush().await.is_err());
        disk.set_capacity(None);
        let fed = index.fed();
        save(&mut index, fed).await;
        let (mut index, _) = TimerIndex::open(disk).await.unwrap();
        let mut done = TimerKey::default();
        assert_eq!(take_due(&mut index, &mut done, START_MS + DAY_MS).await.len(), 50);
    });
}

#[test]
fn entries_that_were_stored_again_are_left_out_when_their_bucket_is_moved() {
    block_on(5, async {
        let (mut index, _) = TimerIndex::open(SimDisk::new(5)).await.unwrap();
        let mut queue = Queue::default();
        let far_ms = START_MS + 300 * DAY_MS;
        queue.0.extend((0..10).map(|_| (far_ms, false)));
        queue.feed_all(&mut index, START_MS);
        index.supersede_below(7);
        let mut done = TimerKey::default();
        let taken = take_due(&mut index, &mut done, far_ms).await;
        assert_eq!(taken, (7..10).map(|at| TimerKey::message(far_ms, at)).collect::<Vec<_>>());
    });
}

#[test]
fn hundreds_of_thousands_of_pending_timers_take_no_more_memory_than_the_window() {
    block_on(6, async {
        let (mut index, _) = TimerIndex::open(SimDisk::new(6)).await.unwrap();
        let mut random = StdRng::seed_from_u64(6);
        let mut queue = Queue::default();
        // Most of them within a second, more than the window holds.
        queue.0.extend((0..300_000).map(|_| (START_MS + DAY_MS + random.random_range(0..1000), false)));
        let mut most = 0;
        while index.fed().queue_offset < queue.0.len() as u64 {
            queue.feed_all(&mut index, START_MS);
            index.flush_some().await.unwrap();
            most = most.max(index.count_in_memory());
        }
        let (mut done, mut taken, now_ms) = (TimerKey::default(), 0, START_MS + 2 * DAY_MS);
        loop {
            while index.advance(now_ms).await.unwrap() {
                most = most.max(index.count_in_memory());
            }
            let Some(entry) = index.first() else { break };
            assert!(entry.key > done, "in order");
            done = entry.key;
            index.remove(done);
            taken += 1;
        }
        assert_eq!(taken, 300_000);
        assert!(most <= WINDOW_ENTRIES_MAX + UNWRITTEN_MAX, "{most} in memory");
    });
}
