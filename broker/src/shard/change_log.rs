//! What changes in the tables, on its way into the log.

use storage::AppendError;
use storage::commit_log::frame_control;

use super::{CONTROL_BYTES_MAX, Scratch, Shard};
use crate::control_record::ControlRecord;
use crate::env::Env;
use crate::request::Halt;

impl<E: Env> Shard<E> {
    /// Fails with [`Halt::Stall`] unless all changes so far are in the log and it takes another one now: asked before a
    /// table is changed, so that the change is never answered, nor built upon, without its record.
    pub(crate) fn admit_change(&self) -> Result<(), Halt> {
        if !self.may_change() {
            return Err(self.not_leading());
        }
        if let Ok(mut scratch) = self.scratch.try_borrow_mut()
            && !self.append_changes(&mut scratch)
        {
            // The log says itself if it is not merely full.
            self.store.log().admit(0, CONTROL_BYTES_MAX)?;
            return Err(Halt::Stall);
        }
        Ok(self.store.log().admit(0, CONTROL_BYTES_MAX)?)
    }

    /// Appends what topics and groups have changed since the last call. False: some of it has to wait for the log.
    pub(crate) fn log_changes(&self) -> bool {
        self.append_changes(&mut self.scratch.borrow_mut())
    }

    fn append_changes(&self, scratch: &mut Scratch) -> bool {
        {
            let mut tables = self.tables.borrow_mut();
            tables.topics.take_records(&mut scratch.records);
            tables.groups.take_records(&mut scratch.records);
            tables.request_modes.take_records(&mut scratch.records);
        }
        self.append_records(scratch)
    }

    /// Appends what was popped and the offsets that consumers committed since the last call. False: some have to wait for the
    /// log.
    pub(crate) fn log_offsets(&self) -> bool {
        let mut scratch = self.scratch.borrow_mut();
        // What waits goes first, and nothing is taken meanwhile: the table keeps one position a queue, a list would grow.
        if !self.append_records(&mut scratch) {
            return false;
        }
        self.tables.borrow_mut().take_consumption_records(&mut scratch.records);
        self.append_records(&mut scratch)
    }

    /// Whether tables hold changes that the log does not. They are lost with this call.
    pub(crate) fn has_unlogged_changes(&self) -> bool {
        let mut scratch = self.scratch.borrow_mut();
        self.tables.borrow_mut().take_records(&mut scratch.records);
        !scratch.records.is_empty()
    }

    /// What the log does not take now stays for the next call. The log has all of it together, as far as a unit can be so long:
    /// a restart, or the next leader, knows of what was popped and how far that brought its group, or of neither.
    fn append_records(&self, scratch: &mut Scratch) -> bool {
        let Scratch { records, control, .. } = scratch;
        if records.is_empty() || !self.takes_appends() {
            return records.is_empty();
        }
        let appended = match self.append_together(records, control) {
            Err(AppendError::TooLong { .. }) => records
                .iter()
                .take_while(|record| self.append_together(std::slice::from_ref(record), control).is_ok())
                .count(),
            Ok(()) => records.len(),
            Err(_) => 0,
        };
        let changes_topics =
            |record: &ControlRecord| matches!(record, ControlRecord::TopicPut(_) | ControlRecord::TopicDelete(_));
        if records[..appended].iter().any(changes_topics) {
            self.topics_changed.set(true);
        }
        records.drain(..appended);
        records.is_empty()
    }

    fn append_together(&self, records: &[ControlRecord], framed: &mut Vec<u8>) -> Result<(), AppendError> {
        framed.clear();
        records.iter().for_each(|record| frame_control(framed, |out| record.encode(out)));
        let appended = self.store.append_framed(framed);
        if let Err(error) = &appended {
            tracing::debug!(%error, waiting = records.len(), "changes wait for the log");
        }
        appended
    }
}
