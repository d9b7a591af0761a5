//! How a slave becomes the master, and a master a slave.

use std::net::SocketAddr;

use protocol::body::{MasterSlavePart, MasterSlaveState};
use storage::commit_log::entry::EntryKind;
use storage::{AppendError, StorageError};

use super::kept_state::{KeptState, Turned};
use super::master_search::MasterNews;
use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::shard::Shard;

/// Why a slave is not promoted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromotionRefused {
    #[error("{0} is no slave")]
    NoSlave(String),
    #[error(
        "{0} takes back what its master does not have, puts a store in place, or was told whom to follow just now; try again"
    )]
    Busy(String),
    #[error(
        "its master {master} is there: it answered {heard_ms_ago} ms ago. Stop it first, or say that it is to be forced"
    )]
    MasterIsThere { master: String, heard_ms_ago: i64 },
    #[error("it copies no more, because {0}; promoted by force it may lack much")]
    Stuck(String),
    #[error("it has nothing of its master's log yet; promoted by force it begins with nothing")]
    Empty,
    #[error(
        "it lacks much of what its master has, and is fetching it; promoted by force it has what it had before, up to {end}"
    )]
    LacksLog { end: u64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl<E: Env> Shard<E> {
    /// Makes this slave the master.
    /// # Errors
    /// It stays what it is.
    pub(crate) async fn promote(self: &Shared<E>, ms: &MasterSlave, is_forced: bool) -> Result<(), PromotionRefused> {
        let name = || self.identity.broker_name.clone();
        match ms.part() {
            Part::Serves | Part::Asks => return Err(PromotionRefused::NoSlave(name())),
            Part::Changes => return Err(PromotionRefused::Busy(name())),
            Part::Copies if ms.is_busy.get() || self.installing.is_at_work() => {
                return Err(PromotionRefused::Busy(name()));
            }
            Part::Copies => {}
        }
        let now_ms = self.uptime_ms();
        {
            let mut master = ms.master.borrow_mut();
            if master.is_alive(now_ms) && !is_forced {
                let heard_ms_ago = now_ms - master.heard_ms.unwrap_or(now_ms);
                let master = master.address.clone().unwrap_or_default();
                return Err(PromotionRefused::MasterIsThere { master, heard_ms_ago });
            }
            if let Some(why) = ms.stuck.borrow().clone().filter(|_| !is_forced) {
                return Err(PromotionRefused::Stuck(why));
            }
            if self.store.log().end().index == 0 && !is_forced {
                return Err(PromotionRefused::Empty);
            }
            if (ms.state.borrow().lacks_log || self.installing.is_under_way()) && !is_forced {
                return Err(PromotionRefused::LacksLog { end: self.store.log().end().position });
            }
            master.leave(&self.outbox, "replication: this slave becomes the master");
        }
        self.installing.forget();
        ms.part.set(Part::Changes);
        ms.parting.replace(None);
        match self.become_master(ms).await {
            Ok(()) => Ok(()),
            Err(error) => {
                ms.part.set(Part::Copies);
                Err(error.into())
            }
        }
    }

    async fn become_master(self: &Shared<E>, ms: &MasterSlave) -> Result<(), StorageError> {
        self.until_no_checkpoint().await;
        // Of another log from here on.
        self.clone().remove_left_installation().await;
        let log = self.store.log();
        // What entries from the master say is stable has to be so here too from now on.
        log.flush().await?;
        log.sync().await?;
        let term = self.store.raise_term().await?;
        // What was taken back from this log once cannot follow an entry of a higher term.
        let mut made = log.append_marker(EntryKind::Control, &[]);
        if made == Err(AppendError::SegmentPending) {
            log.prepare_next_segment().await?;
            made = log.append_marker(EntryKind::Control, &[]);
        }
        made.map_err(|error| StorageError::Io {
            op: "append to",
            path: "the log".to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
        log.flush().await?;
        log.sync().await?;
        let turned = Some(Turned::Master);
        // Whoever was master before may follow, and be promoted, before it has asked this one for anything.
        let former = ms.master.borrow().address.clone();
        let with_former = |state: KeptState| match &former {
            Some(address) => state.with_slave(ms.slave_id.get(), address).unwrap_or(state),
            None => state,
        };
        self.save_part(ms, |state| {
            let state = with_former(state);
            KeptState { epoch: state.epoch + 1, turned, lacks_log: false, ..state }
        })
        .await?;
        let epoch = ms.epoch();
        ms.stuck.replace(None);
        ms.part.set(Part::Serves);
        self.tables.borrow_mut().create_system_entries(self.env.now_ms());
        self.note_topics_changed();
        let at = log.end().position;
        tracing::warn!(
            shard = self.identity.broker_name,
            epoch,
            term,
            at,
            "this slave was promoted and is the master now"
        );
        self.announce_part(ms);
        self.sweep_end();
        Ok(())
    }

    /// What the search for the master has found.
    pub(crate) fn note_master(self: &Shared<E>, news: MasterNews) {
        let Some(ms) = self.master_slave.get() else { return };
        let own_epoch = ms.epoch();
        match (ms.part(), news) {
            (Part::Asks, MasterNews::NoOther) => self.serve_again(ms),
            (Part::Asks, MasterNews::Other { epoch, .. }) if epoch < own_epoch => self.serve_again(ms),
            (Part::Asks | Part::Serves, MasterNews::Other { epoch, address, slaves_address }) if epoch > own_epoch => {
                self.begin_to_follow(ms, epoch, address, slaves_address);
            }
            (Part::Asks, MasterNews::Other { address, .. }) => {
                let what = format!("{address} takes itself for the master after as many promotions as this one");
                if ms.master.borrow_mut().is_news(&what) {
                    tracing::error!(
                        shard = self.identity.broker_name,
                        "{what}: stop one of them, or start it with brokerRole=SLAVE"
                    );
                }
            }
            (Part::Copies, MasterNews::Other { epoch, address, slaves_address })
                if epoch > own_epoch || epoch == own_epoch && !ms.master.borrow().is_up() =>
            {
                ms.master.borrow_mut().set_target(slaves_address, Some(address), &self.outbox);
            }
            (Part::Copies, MasterNews::Configured { slaves_address }) => {
                let mut master = ms.master.borrow_mut();
                if !master.is_up() {
                    master.set_target(slaves_address, None, &self.outbox);
                }
            }
            _ => {}
        }
    }

    fn serve_again(self: &Shared<E>, ms: &MasterSlave) {
        tracing::info!(shard = self.identity.broker_name, "no slave was promoted meanwhile: this master serves");
        ms.part.set(Part::Serves);
        self.announce_part(ms);
        self.resume_stalled();
    }

    /// Somebody has heard of a promotion that this master has not.
    pub(super) fn doubt_own_part(&self, ms: &MasterSlave, epoch: u64) {
        if ms.part() == Part::Serves {
            tracing::error!(
                shard = self.identity.broker_name,
                epoch,
                "another one was promoted: this master takes no more messages until it knows whom to follow"
            );
            ms.part.set(Part::Asks);
            self.fail_waiting(ms, "another one was promoted to master");
            self.announce_part(ms);
        }
    }

    fn fail_waiting(&self, ms: &MasterSlave, cause: &str) {
        self.commit.borrow_mut().fail(cause, |ticket, refusal| ticket.refuse(self, refusal));
        ms.waits.borrow_mut().fail(cause, |ticket, refusal| ticket.refuse(self, refusal));
    }

    /// This master becomes a slave of the one that was promoted.
    fn begin_to_follow(self: &Shared<E>, ms: &MasterSlave, epoch: u64, address: String, slaves_address: SocketAddr) {
        let shard = self.identity.broker_name.clone();
        tracing::warn!(shard, epoch, master = address, "another one was promoted: this master becomes its slave");
        ms.part.set(Part::Changes);
        // The id that the other one has no more.
        if let Some(known) = ms.state.borrow().slaves.iter().find(|slave| slave.address == address) {
            ms.slave_id.set(known.id);
        }
        self.fail_waiting(ms, "another one was promoted to master");
        ms.slaves.borrow_mut().close_all(&self.outbox, "replication: this is no master any more");
        self.announce_part(ms);
        let task = self.clone();
        self.env.spawn(async move {
            let Some(ms) = task.master_slave.get() else { return };
            if let Err(error) = task.become_slave(ms, epoch).await {
                task.give_up(ms, error.to_string());
                return;
            }
            ms.master.borrow_mut().set_target(slaves_address, Some(address), &task.outbox);
        });
    }

    async fn become_slave(self: &Shared<E>, ms: &MasterSlave, epoch: u64) -> Result<(), StorageError> {
        self.until_no_checkpoint().await;
        self.store.log().seal();
        self.store.log().flush().await?;
        let slave_id = Some(ms.slave_id.get());
        let turned = Some(Turned::Slave);
        self.save_part(ms, |state| KeptState { epoch, turned, slave_id, ..state }).await?;
        // Tables may be ahead of the log.
        self.remake(false).await?;
        ms.part.set(Part::Copies);
        self.announce_part(ms);
        Ok(())
    }

    /// What this shard says of itself to those who look for the master.
    pub(crate) fn master_slave_state(&self, ms: &MasterSlave) -> MasterSlaveState {
        let (log, master) = (self.store.log(), ms.master.borrow());
        let end = log.end();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        MasterSlaveState {
            broker_name: self.identity.broker_name.clone(),
            shard: self.identity.index,
            shards: self.config.shards.count,
            part: match ms.part() {
                Part::Asks => MasterSlavePart::Asks,
                Part::Serves => MasterSlavePart::Master,
                Part::Copies => MasterSlavePart::Slave,
                Part::Changes => MasterSlavePart::Changes,
            },
            epoch: number(ms.epoch()),
            term: number(end.term),
            end_offset: number(end.position),
            slaves_address: self.identity.ha_advertised_address.clone(),
            master_address: master.address.clone().filter(|_| ms.part() != Part::Serves),
            master_end_offset: master.end_position.map(number).filter(|_| ms.part() != Part::Serves),
            master_is_there: master.is_alive(self.uptime_ms()),
            stuck: ms.stuck.borrow().clone(),
        }
    }
}
