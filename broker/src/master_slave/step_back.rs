//! A slave whose log has something else than its master's: finds the last common entry and goes back to it.

use storage::StorageError;
use storage::commit_log::LogPosition;

use super::parting::{Next, Parting};
use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::replay::TableReplay;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// The master's log never stood where this one ends.
    pub(super) fn begin_parting(self: &Shared<E>, ms: &MasterSlave) {
        ms.is_busy.set(true);
        let shard = self.clone();
        self.env.spawn(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            let end = shard.store.log().end();
            match shard.store.newest_checkpoint().await {
                Ok(checkpoint) => {
                    let at = end.position;
                    tracing::warn!(
                        shard = shard.identity.broker_name,
                        at,
                        "this log has something else than the master's: looking for where"
                    );
                    ms.parting.replace(Some(Parting::new(checkpoint, end)));
                }
                Err(error) => shard.give_up(ms, error.to_string()),
            }
            ms.is_busy.set(false);
            shard.ask_master(ms);
        });
    }

    pub(super) fn parting_answered(self: &Shared<E>, ms: &MasterSlave, is_shared: bool) {
        let next = ms.parting.borrow_mut().as_mut().map(|parting| parting.answered(is_shared));
        match next {
            // What older segments said of topics, groups and offsets is only in the checkpoint.
            Some(Next::Ask(at)) if at == LogPosition::default() && self.store.log().first() > 0 => {
                self.nothing_shared(ms)
            }
            Some(Next::Ask(_)) => self.ask_master(ms),
            Some(Next::Find { low, high }) => {
                ms.is_busy.set(true);
                let shard = self.clone();
                self.env.spawn_background(async move {
                    let Some(ms) = shard.master_slave.get() else { return };
                    shard.find_places(ms, low, high).await;
                });
            }
            Some(Next::Nothing) => self.nothing_shared(ms),
            None => {}
        }
    }

    /// What the two have in common, if anything, lies below what this one has a checkpoint or the log of.
    fn nothing_shared(self: &Shared<E>, ms: &MasterSlave) {
        let first = self.store.log().first();
        let why = format!("this log (from {first} on) parts from the master's below its oldest checkpoint or segment");
        self.begin_fetching_store(ms, &why);
    }

    async fn find_places(self: &Shared<E>, ms: &MasterSlave, low: LogPosition, high: LogPosition) {
        let places = match self.store.log().places_between(low, high).await {
            Ok(places) => places,
            Err(error) => {
                ms.is_busy.set(false);
                return self.give_up(ms, error.to_string());
            }
        };
        let found = ms.parting.borrow_mut().as_mut().map(|parting| parting.found(places));
        if let Some(Err(at)) = found {
            ms.parting.replace(None);
            if let Err(error) = self.step_back(ms, at).await {
                self.give_up(ms, error.to_string());
            }
        }
        ms.is_busy.set(false);
        // Another one may have become of it meanwhile.
        if ms.part() == Part::Copies {
            self.ask_master(ms);
        }
    }

    /// Takes everything behind `at` back: from the log, and from what was made of it.
    async fn step_back(self: &Shared<E>, ms: &MasterSlave, at: LogPosition) -> Result<(), StorageError> {
        let (shard, from) = (&self.identity.broker_name, self.store.log().end().position);
        ms.part.set(Part::Changes);
        self.until_no_checkpoint().await;
        let checkpoint = self.store.newest_checkpoint().await?;
        let is_below = at.position < checkpoint.position;
        if is_below {
            self.store.remove_checkpoints().await?;
        }
        self.store.log().truncate(at).await?;
        self.remake(is_below).await?;
        ms.part.set(Part::Copies);
        let (to, index, term) = (at.position, at.index, at.term);
        tracing::warn!(
            shard,
            from,
            to,
            index,
            term,
            "the end of this log that the master does not have was taken back"
        );
        // The one there is may call more stable than what lies there now.
        self.checkpoint().await;
        Ok(())
    }

    /// Makes queues and tables again as the log has them.
    pub(super) async fn remake(self: &Shared<E>, from_log_alone: bool) -> Result<(), StorageError> {
        let end = self.store.log().end().position;
        let mut replay = TableReplay::for_shard(&self.config, &self.identity, self.env.now_ms());
        match from_log_alone {
            true => self.store.reload_from_log(end, &mut replay).await?,
            false => self.store.reload(end, &mut replay).await?,
        }
        *self.tables.borrow_mut() = replay.into_replayed_tables();
        self.scratch.borrow_mut().records.clear();
        self.note_topics_changed();
        Ok(())
    }
}
