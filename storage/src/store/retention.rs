//! Removing the oldest segments of the log, and what of the queues points into them.

use super::MessageStore;
use crate::consume_queue::{FILES_AT_ONCE, QueueIndex};
use crate::error::StorageError;
use crate::file::Disk;
use crate::side_by_side;

impl<D: Disk> MessageStore<D> {
    /// Removes the oldest segment if it lies below `position` and no checkpoint needs it. The queues' first offsets
    /// follow. Returns whether one was removed.
    /// # Errors
    /// I/O.
    pub async fn remove_oldest_segment_below(&self, position: u64) -> Result<bool, StorageError> {
        let limit = position.min(self.retained_from.get());
        let Some(first) = self.log.remove_oldest_below(limit).await? else { return Ok(false) };
        self.drop_below(first).await?;
        Ok(true)
    }

    /// Moves the first offset of every queue to the first message that the log still holds.
    pub(super) async fn drop_below(&self, log_first: u64) -> Result<(), StorageError> {
        let unknown = self.queues.borrow_mut().drop_below(log_first);
        side_by_side::for_each(&unknown, FILES_AT_ONCE, async |queue| {
            let found = self.find_first(*queue, log_first).await;
            // Its topic may have been removed meanwhile.
            if self.queues.borrow().get(*queue).is_some() { found } else { Ok(()) }
        })
        .await
    }

    /// Searches the files for the first unit that the log still holds. Of most queues that is the first one.
    async fn find_first(&self, queue: QueueIndex, log_first: u64) -> Result<(), StorageError> {
        let range = self.queues.borrow().get(queue).map(|queue| (queue.first(), queue.end()));
        let Some((mut low, mut high)) = range else { return Ok(()) };
        let (mut at, mut points_from) = (low, log_first);
        while low < high {
            let position = self.read_unit(queue, at).await?.physical_offset;
            if position < log_first {
                low = at + 1;
            } else {
                (high, points_from) = (at, position);
            }
            at = low + (high - low) / 2;
        }
        self.queues.borrow_mut().set_first(queue, low, points_from);
        Ok(())
    }
}
