//! Records of the timers that come next, read side by side: after a long downtime they may lie all over the log, and one
//! after the other each would wait for the disk.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use storage::StorageError;
use storage::consume_queue::QueueIndex;
use storage::timer_index::{TimerEntry, TimerKey};

use super::deliver::{self, Read};
use crate::env::Env;
use crate::shard::Shard;

/// Records that are read together, ...
const RECORDS_MAX: usize = 256;
/// ... and how many bytes of them, about.
const BYTES_MAX: usize = 4 << 20;
/// Places of the log that are read at the same time. Fewer than it keeps of such reads, so that all find theirs.
const PLACES_MAX: usize = 16;
/// What lies in the same stretch of so many bytes, as a power of two, comes with one read.
const PLACE_BITS: u32 = 18;

/// What was read and not yet delivered. What the queue does not have is there too, as `None`.
#[derive(Debug, Default)]
pub(super) struct LookAhead {
    records: BTreeMap<TimerKey, Option<Read>>,
    /// Of the queues, when they were read: what is in the log then stays what it is until they go back.
    times_gone_back: u64,
}

impl LookAhead {
    /// The record of a timer, if it was read.
    pub(super) fn take(&mut self, key: TimerKey, times_gone_back: u64) -> Option<Option<Read>> {
        if times_gone_back != self.times_gone_back {
            self.records.clear();
        }
        self.records.remove(&key)
    }

    /// One that was taken could not be delivered yet.
    pub(super) fn put_back(&mut self, key: TimerKey, record: Read) {
        self.records.insert(key, Some(record));
    }

    /// Reads the records of `next`, ascending, as far as the bounds go; that of the first one in any case.
    pub(super) async fn read<E: Env>(
        &mut self,
        shard: &Rc<Shard<E>>,
        queue: QueueIndex,
        next: impl Iterator<Item = TimerEntry>,
    ) -> Result<(), StorageError> {
        self.records.clear();
        self.times_gone_back = shard.store.queues().borrow().times_gone_back();
        let reads = by_place(next).into_values().map(|entries| -> OfPlace<'_> {
            Box::pin(async move {
                let mut records = Vec::with_capacity(entries.len());
                for entry in entries {
                    records.push((entry.key, deliver::read(shard, queue, &entry).await?));
                }
                Ok(records)
            })
        });
        for records in together(reads.collect()).await {
            self.records.extend(records?);
        }
        Ok(())
    }
}

/// Reads what lies in one place.
type OfPlace<'a> = Pin<Box<dyn Future<Output = Result<Vec<(TimerKey, Option<Read>)>, StorageError>> + 'a>>;

fn by_place(next: impl Iterator<Item = TimerEntry>) -> BTreeMap<u64, Vec<TimerEntry>> {
    let mut places: BTreeMap<u64, Vec<TimerEntry>> = BTreeMap::new();
    let mut bytes = 0;
    for entry in next.take(RECORDS_MAX) {
        let place = entry.place.position >> PLACE_BITS;
        bytes += entry.place.bytes as usize;
        let is_too_much = bytes > BYTES_MAX || places.len() == PLACES_MAX && !places.contains_key(&place);
        if is_too_much && !places.is_empty() {
            break;
        }
        places.entry(place).or_default().push(entry);
    }
    places
}

/// What all of the futures give, in their order.
async fn together<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(given) = Pin::new(future).poll(context)
            {
                *output = Some(given);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use storage::timer_index::TimerPlace;

    use super::*;

    fn entry(number: u32, position: u64, bytes: u32) -> TimerEntry {
        let key = TimerKey { due_ms: i64::from(number), order: 0 };
        TimerEntry { key, place: TimerPlace { position, bytes } }
    }

    fn count(places: &BTreeMap<u64, Vec<TimerEntry>>) -> usize {
        places.values().map(Vec::len).sum()
    }

    #[test]
    fn what_lies_together_is_read_together_and_places_are_bounded() {
        let places = by_place((0..1000).map(|number| entry(number, u64::from(number) * 400, 400)));
        assert_eq!((places.len(), count(&places)), (1, RECORDS_MAX));
        let places = by_place((0..1000).map(|number| entry(number, u64::from(number) << 20, 400)));
        assert_eq!((places.len(), count(&places)), (PLACES_MAX, PLACES_MAX));
        // From time to time one that lies beside another.
        let places = by_place((0..1000).map(|number| entry(number, u64::from(number % 8) << 20, 400)));
        assert_eq!((places.len(), count(&places)), (8, RECORDS_MAX));
    }

    #[test]
    fn long_records_are_read_few_at_a_time_and_one_in_any_case() {
        let places = by_place((0..1000).map(|number| entry(number, u64::from(number) << 20, 1 << 20)));
        assert_eq!(count(&places), 4);
        let places = by_place((0..1000).map(|number| entry(number, u64::from(number) << 20, 5 << 20)));
        assert_eq!(count(&places), 1);
        assert_eq!(count(&by_place(std::iter::empty())), 0);
    }

    #[test]
    fn futures_run_side_by_side_and_give_their_outputs_in_order() {
        let polled = std::cell::Cell::new(0);
        let turns = |times: u32| {
            let polled = &polled;
            let mut left = times;
            Box::pin(poll_fn(move |context| {
                polled.set(polled.get() + 1);
                if left == 0 {
                    return Poll::Ready(times);
                }
                left -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }))
        };
        let outputs = futures_lite::future::block_on(together(vec![turns(3), turns(0), turns(1)]));
        assert_eq!(outputs, [3, 0, 1]);
        assert_eq!(polled.get(), 4 + 1 + 2, "what has ended is not asked again");
    }
}
