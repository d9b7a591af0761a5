//! Messages that just became readable, shown to the filters of the pulls that wait for some.

use std::cell::Cell;

use storage::consume_queue::Unit;
use storage::file::Disk;
use storage::store::MessageStore;

use crate::subscription_filter::SubscriptionFilter;

/// What one round of arrivals spends on expressions at most, in [`SubscriptionFilter::steps`]: some milliseconds.
const STEPS_MAX: u64 = 100_000;

/// One round of arrivals.
pub(crate) struct Arrivals<'a, D: Disk> {
    store: &'a MessageStore<D>,
    steps: Cell<u64>,
}

impl<'a, D: Disk> Arrivals<'a, D> {
    pub(crate) fn new(store: &'a MessageStore<D>) -> Self {
        Self { store, steps: Cell::new(0) }
    }

    /// Whether a pull with this filter is to be woken. One too many does no harm: it looks again, within bounds of its own;
    /// so it is when the record is not in memory any more, or the round has cost enough.
    pub(crate) fn passes(&self, unit: Unit, filter: &SubscriptionFilter) -> bool {
        if filter.is_by_tag() {
            return filter.may_match(unit.tags_code);
        }
        let steps = self.steps.get() + filter.steps(unit.bytes);
        self.steps.set(steps);
        if steps > STEPS_MAX {
            return true;
        }
        let passes = |record: &[u8]| filter.matches_record(record);
        self.store.log().with_newest(unit.physical_offset, unit.bytes as usize, passes).unwrap_or(true)
    }
}
