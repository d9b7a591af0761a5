//! Which broker a consumer is told to ask next: the master, or a slave where what it wants is far behind.

use super::{MasterSlave, Part};
use crate::config::replication::SlaveReads;
use crate::env::Env;
use crate::preflight::memory_bytes;
use crate::registration::MASTER_ID;
use crate::shard::Shard;

/// A slave has to have this much more than what was read last, so that there is something to read.
const AHEAD_BYTES: u64 = 1 << 20;

/// What a group's settings say of brokers.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) struct GroupBrokers {
    /// `brokerId`: where the group reads.
    pub(crate) home: i64,
    /// `whichBrokerWhenConsumeSlowly`: where it reads what is far behind.
    pub(crate) slow: i64,
}

/// Bytes behind the end of the log from which on consumers are sent to a slave; `None`: they are not, whatever they want.
pub(super) fn slave_read_bytes(reads: SlaveReads) -> Option<u64> {
    let memory = memory_bytes().filter(|_| reads.enabled)?;
    Some(memory / 100 * u64::from(reads.memory_percent))
}

impl<E: Env> Shard<E> {
    /// `suggestWhichBrokerId`, for a consumer that has just read up to the physical offset `read_end`.
    pub(crate) fn suggested_broker(&self, brokers: GroupBrokers, read_end: Option<u64>) -> i64 {
        let Some(ms) = self.master_slave.get() else { return MASTER_ID };
        let Some(behind_max) = ms.slave_read_bytes else { return MASTER_ID };
        let end = self.store.log().end().position;
        let is_slow = read_end.is_some_and(|read_end| end.saturating_sub(read_end) > behind_max);
        if is_slow && self.slave_can_serve(ms, brokers.slow, read_end, end) { brokers.slow } else { brokers.home }
    }

    fn slave_can_serve(&self, ms: &MasterSlave, slow: i64, read_end: Option<u64>, end: u64) -> bool {
        match ms.part() {
            Part::Serves => {
                let wanted = read_end.map_or(end, |read_end| end.min(read_end + AHEAD_BYTES));
                slow == MASTER_ID || ms.slaves.borrow().has(slow, wanted)
            }
            // It has just served it.
            Part::Copies => true,
            Part::Asks | Part::Changes => false,
        }
    }
}
