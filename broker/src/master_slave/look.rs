//! What a master or slave is and has at this moment, for whoever looks at all of a name at once, as tests do.

use storage::commit_log::{LogId, LogPosition};

use super::{Part, Shared};
use crate::env::Env;
use crate::shard::Shard;

/// See the module's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MasterSlaveView {
    /// What it does.
    pub part: Part,
    /// Promotions that led to the present master, as far as it has heard.
    pub epoch: u64,
    /// Whether its answers to sends wait for slaves.
    pub is_sync: bool,
    /// Why it copies no more, if it does not.
    pub stuck: Option<String>,
    /// Whether it fetches a store.
    pub is_installing: bool,
    /// Whether it lacks what its master cannot give it any more but by a store.
    pub lacks_log: bool,
    /// Stores that it began to fetch.
    pub installations: u64,
    /// Id of its log: a slave's is that of its master's from the first entry on.
    pub log_id: LogId,
    /// Physical offset of the first byte of its log that is still there.
    pub first: u64,
    /// Where its log ends.
    pub end: LogPosition,
    /// Physical offset up to which it keeps its log whatever befalls it that its flush mode speaks of.
    pub kept: u64,
    /// Of a master: `brokerId` of each slave that is connected, and up to where it has confirmed the log.
    pub confirmed: Vec<(i64, LogPosition)>,
}

impl<E: Env> Shard<E> {
    /// Looks at this shard's part; `None` in another mode.
    pub fn master_slave_view(&self) -> Option<MasterSlaveView> {
        let ms = self.master_slave.get()?;
        let log = self.store.log();
        let slaves = ms.slaves.borrow();
        let confirmed = slaves.sorted().into_iter().filter_map(|slave| Some((slave.id, slave.confirmed?)));
        Some(MasterSlaveView {
            part: ms.part(),
            epoch: ms.epoch(),
            is_sync: ms.sync.is_some(),
            stuck: ms.stuck.borrow().clone(),
            is_installing: self.installing.is_under_way(),
            lacks_log: ms.state.borrow().lacks_log,
            installations: ms.installations.get(),
            log_id: log.id(),
            first: log.first(),
            end: log.end(),
            kept: log.kept(),
            confirmed: confirmed.collect(),
        })
    }

    /// Promotes this slave as an operator does; what was said against it otherwise.
    /// # Errors
    /// It stays what it is.
    pub async fn promote_slave(self: &Shared<E>, is_forced: bool) -> Result<(), String> {
        let Some(ms) = self.master_slave.get() else { return Err("it is of another mode".to_owned()) };
        self.promote(ms, is_forced).await.map_err(|refused| refused.to_string())
    }
}
