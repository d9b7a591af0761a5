//! Reading units and records, from memory or disk, checked.

use protocol::record::{PHYSICAL_OFFSET_AT, decode_record};

use super::MessageStore;
use crate::commit_log::ENTRY_BYTES_MAX;
use crate::consume_queue::{QueueIndex, Unit};
use crate::error::StorageError;
use crate::file::Disk;

/// Bytes of a record that hold its size and its physical offset.
const RECORD_HEAD_BYTES: usize = PHYSICAL_OFFSET_AT + 8;

impl<D: Disk> MessageStore<D> {
    /// The unit at `at` of a queue, if it is in memory.
    pub fn unit(&self, queue: QueueIndex, at: u64) -> Option<Unit> {
        self.queues.borrow().unit(queue, at)
    }

    /// The unit at `at` of a queue, read from its file if need be.
    /// # Errors
    /// [`StorageError::OutOfRange`] where the queue has none, or I/O.
    pub async fn read_unit(&self, queue: QueueIndex, at: u64) -> Result<Unit, StorageError> {
        if let Some(unit) = self.unit(queue, at) {
            return Ok(unit);
        }
        let Some(located) = self.queues.borrow().locate(queue, at) else {
            let (first, end) = self.queues.borrow().get(queue).map_or((0, 0), |queue| (queue.first(), queue.end()));
            return Err(StorageError::OutOfRange { asked: at, first, end });
        };
        let units = located.read(self.log.disk()).await?;
        let unit = units[0];
        self.queues.borrow_mut().keep_window(queue, at, units);
        Ok(unit)
    }

    /// Whether the record at `physical_offset` is in memory and sound, so that [`CommitLog::with_cached`](crate::commit_log::CommitLog::with_cached) gives it.
    pub fn is_cached(&self, physical_offset: u64, bytes: usize) -> bool {
        self.log.with_newest(physical_offset, bytes, |_| ()).is_some()
            || (self.log.is_verified(physical_offset)
                && self
                    .log
                    .with_cached(physical_offset, bytes, |record| self.check_record(physical_offset, record).is_ok())
                    == Some(true))
    }

    /// Reads the record at `physical_offset`, from memory or disk, checks it, and hands it to `read`.
    /// # Errors
    /// [`StorageError::OutOfRange`] for what the log does not hold, [`StorageError::DamagedRecord`], I/O.
    pub async fn read_record<R>(
        &self,
        physical_offset: u64,
        bytes: usize,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, StorageError> {
        let mut read = Some(read);
        let mut take = |slice: &[u8]| read.take().map(|read| read(slice));
        if let Some(Some(result)) = self.log.with_newest(physical_offset, bytes, &mut take) {
            return Ok(result);
        }
        self.check_entry(physical_offset).await?;
        let slice = self.log.read_cold(physical_offset, bytes).await?;
        self.check_record(physical_offset, slice.as_ref())?;
        match take(slice.as_ref()) {
            Some(result) => Ok(result),
            None => unreachable!("the cached read did not happen"),
        }
    }

    /// Reads the record that begins at `physical_offset`, which somebody outside named: it may be no record at all.
    /// # Errors
    /// As [`Self::read_record`]; also where no record begins.
    pub async fn read_record_at(&self, physical_offset: u64) -> Result<Vec<u8>, StorageError> {
        // Its head tells whether a record begins there at all, before as much is read as it says.
        let head = self.log.copy(physical_offset, RECORD_HEAD_BYTES).await?;
        let claimed = i64::from_be_bytes(head_field(&head, PHYSICAL_OFFSET_AT));
        let bytes = head[..4].iter().fold(0usize, |value, byte| (value << 8) | usize::from(*byte));
        if bytes > ENTRY_BYTES_MAX || claimed as u64 != physical_offset {
            let (at, file) = (physical_offset, self.log.file_name(physical_offset));
            return Err(StorageError::DamagedRecord { at, file, what: "no record begins there".to_owned() });
        }
        if self.log.with_newest(physical_offset, bytes, |_| ()).is_none() {
            self.check_entry(physical_offset).await?;
        }
        let record = self.log.copy(physical_offset, bytes).await?;
        self.check_record(physical_offset, &record)?;
        Ok(record)
    }

    /// What of a record its own checksum does not cover, the entry's does.
    async fn check_entry(&self, at: u64) -> Result<(), StorageError> {
        if self.log.verify(at).await? {
            return Ok(());
        }
        let what = "the entry around it does not match its checksums".to_owned();
        Err(StorageError::DamagedRecord { at, file: self.log.file_name(at), what })
    }

    fn check_record(&self, at: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let damaged = |what: String| StorageError::DamagedRecord { at, file: self.log.file_name(at), what };
        let (record, used) = decode_record(bytes).map_err(|error| damaged(error.to_string()))?;
        record.check_body_crc().map_err(|error| damaged(error.to_string()))?;
        if used != bytes.len() || record.physical_offset as u64 != at {
            return Err(damaged(format!("it claims physical offset {} and {used} bytes", record.physical_offset)));
        }
        Ok(())
    }
}

fn head_field(head: &[u8], at: usize) -> [u8; 8] {
    let mut field = [0; 8];
    field.copy_from_slice(&head[at..at + 8]);
    field
}
