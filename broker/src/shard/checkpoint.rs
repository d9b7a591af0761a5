//! Checkpoints of a shard: its store and its tables as they are at one moment.

use std::rc::Rc;
use std::time::Duration;

use super::Shard;
use crate::env::Env;

/// How often a checkpoint that has to wait for another looks.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(1);
/// Requests go on for so long between two parts of a checkpoint's tables that are encoded.
const CHECKPOINT_PAUSE: Duration = Duration::from_micros(200);

impl<E: Env> Shard<E> {
    /// Makes a checkpoint of this moment. False: it could not be made, which is logged.
    pub async fn checkpoint(self: &Rc<Self>) -> bool {
        // One at a time: the last one, at the end, waits for the one that the clock began.
        while self.is_checkpointing.replace(true) {
            self.env.sleep(CHECKPOINT_WAIT).await;
        }
        let made = self.make_checkpoint().await;
        self.is_checkpointing.set(false);
        made
    }

    /// Waits for a checkpoint that is being made.
    pub(crate) async fn until_no_checkpoint(&self) {
        while self.is_checkpointing.get() {
            self.env.sleep(CHECKPOINT_WAIT).await;
        }
    }

    async fn make_checkpoint(self: &Rc<Self>) -> bool {
        if self.may_change() && (!self.log_changes() || !self.log_offsets()) {
            // The tables are ahead of the log: a checkpoint of them would be replayed over twice.
            return false;
        }
        self.sweep_end();
        let Some(at) = self.reflected() else { return false };
        // Of one moment, though what they hold is written down and encoded later.
        let tables = self.tables.borrow().freeze();
        let begun = self.store.begin_checkpoint(at);
        if !self.until_committed(at.position).await {
            return false;
        }
        let state = tables.encode(&mut async || self.env.sleep(CHECKPOINT_PAUSE).await).await;
        let shard = &self.identity.broker_name;
        // What its flush made safe is answered before the queues' files are written.
        let made = self.store.finish_checkpoint(begun, state, || self.confirm_and_resume()).await;
        match &made {
            Ok(()) => tracing::debug!(position = self.store.checkpoint_position(), shard, "checkpoint"),
            Err(error) => tracing::error!(%error, shard, "no checkpoint could be made; the next start takes longer"),
        }
        self.confirm_and_resume();
        made.is_ok()
    }
}
