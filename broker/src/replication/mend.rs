//! Damage that a read of the log finds is mended from another replica, and the read goes on.
//!
//! Each of the others is asked, the leader first, for the entry around the place; the first that fits what is sound around it is
//! written over what is there. Where nobody has it, the reader is told so, and for a while nobody is asked again.

use std::rc::Rc;
use std::time::Duration;

use storage::StorageError;

use super::mendings::{Begun, Mendings};
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, EntryGiven, EntryWanted, ReplicaMessage};
use crate::env::Env;
use crate::shard::Shard;

/// A node that does not answer is waited for so long, ...
const PATIENCE: Duration = Duration::from_secs(1);
/// ... and looked for this often.
const LOOK: Duration = Duration::from_millis(5);
/// Whoever waits for another's mending of the same place gives up after this.
const OTHERS_PATIENCE: Duration = Duration::from_secs(4);

impl<E: Env> Shard<E> {
    /// As [`storage::store::MessageStore::read_record`], mending the log first where it is damaged and other replicas have it.
    /// # Errors
    /// As there; of damage, why it could not be mended.
    pub(crate) async fn read_record<R>(
        &self,
        physical_offset: u64,
        bytes: usize,
        mut read: impl FnMut(&[u8]) -> R,
    ) -> Result<R, StorageError> {
        let error = match self.store.read_record(physical_offset, bytes, &mut read).await {
            Err(error @ StorageError::DamagedRecord { .. }) => error,
            result => return result,
        };
        self.mended(physical_offset, error).await?;
        self.store.read_record(physical_offset, bytes, read).await
    }

    /// As [`storage::store::MessageStore::read_record_at`], mending as [`Self::read_record`] does.
    /// # Errors
    /// As there.
    pub(crate) async fn read_record_at(&self, physical_offset: u64) -> Result<Vec<u8>, StorageError> {
        let error = match self.store.read_record_at(physical_offset).await {
            Err(error @ StorageError::DamagedRecord { .. }) => error,
            result => return result,
        };
        self.mended(physical_offset, error).await?;
        self.store.read_record_at(physical_offset).await
    }

    /// Has what a read at `position` found to be damaged mended.
    /// # Errors
    /// `error`, with why it stays so.
    pub(super) async fn mended(&self, position: u64, error: StorageError) -> Result<(), StorageError> {
        let Some(replica) = self.replica.get().filter(|replica| replica.phase() != Phase::Stopped) else {
            return Err(error);
        };
        let why = match self.mend(replica, position).await {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        Err(match error {
            StorageError::DamagedRecord { at, file, what } => {
                StorageError::DamagedRecord { at, file, what: format!("{what}; {why}") }
            }
            error => error,
        })
    }

    /// Whether what a read at `position` found to be damaged is lost: there is no other replica, or all of them were asked and
    /// have nothing sound there. Otherwise it may be read another time.
    pub(crate) fn is_beyond_mending(&self, position: u64) -> bool {
        self.replica.get().is_none_or(|replica| replica.mendings.borrow().is_hopeless(position))
    }

    async fn mend(&self, replica: &Replica, position: u64) -> Result<(), String> {
        let log = self.store.log();
        let begun = replica.mendings.borrow_mut().begin(position, self.uptime_ms());
        match begun {
            Begun::Own => {}
            Begun::Others => return self.until_mended(replica, position).await,
            Begun::NotNow(why) => return Err(why.to_owned()),
        }
        // What a recent read brought may be what is damaged.
        log.forget_read_ahead();
        let result = match log.is_sound_around(position).await {
            Ok(true) => {
                // Another reader's mending came in between; or it is not the log that is wrong, which shows again.
                replica.mendings.borrow_mut().leave(position);
                return Ok(());
            }
            Ok(false) => self.ask_around(replica, position).await,
            Err(error) => Err(error.to_string()),
        };
        let is_new = replica.mendings.borrow_mut().end(position, result.is_ok(), self.uptime_ms());
        let (shard, file) = (&self.identity.broker_name, log.file_name(position));
        match &result {
            Ok(()) if is_new => {
                tracing::warn!(
                    shard,
                    position,
                    file,
                    "the log was damaged there; it has been mended from another replica"
                );
            }
            Err(why) if is_new => tracing::error!(shard, position, file, why, "the log is damaged there"),
            _ => {}
        }
        result
    }

    async fn until_mended(&self, replica: &Replica, position: u64) -> Result<(), String> {
        for _ in 0..OTHERS_PATIENCE.as_millis() / LOOK.as_millis() {
            self.env.sleep(LOOK).await;
            if !replica.mendings.borrow().is_under_way(position) {
                return Ok(());
            }
        }
        Err("it is being mended, come again".to_owned())
    }

    async fn ask_around(&self, replica: &Replica, position: u64) -> Result<(), String> {
        let mut nodes = replica.links.borrow().nodes();
        let leader = replica.leader();
        nodes.sort_by_key(|node| Some(*node) != leader);
        let (mut refused, mut is_hopeless) = (Vec::new(), true);
        for node in nodes {
            match self.ask_for_entry(replica, node, position).await {
                Some(entry) if entry.is_empty() => refused.push(format!("node {node} has nothing sound there")),
                Some(entry) => match self.store.log().mend(&entry).await {
                    Ok(()) => {
                        replica.mendings.borrow_mut().set_hopeless(position, false);
                        return Ok(());
                    }
                    Err(error) => refused.push(format!("what node {node} has does not fit: {error}")),
                },
                None => {
                    is_hopeless = false;
                    refused.push(format!("node {node} does not answer"));
                }
            }
        }
        replica.mendings.borrow_mut().set_hopeless(position, is_hopeless);
        Err(format!("no other replica could give it ({}); come again", refused.join(", ")))
    }

    async fn ask_for_entry(&self, replica: &Replica, node: u64, position: u64) -> Option<Vec<u8>> {
        replica.mendings.borrow_mut().asks(position, node);
        let wanted = ReplicaMessage::EntryWanted(EntryWanted { position });
        if !replica.links.borrow_mut().send(node, ConnectionClass::Log, &wanted, &self.outbox) {
            return None;
        }
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            self.env.sleep(LOOK).await;
            if let Some(entry) = replica.mendings.borrow_mut().take_answer(position) {
                return Some(entry);
            }
        }
        None
    }

    /// Another replica wants an entry.
    pub(super) fn give_entry(self: &Rc<Self>, replica: &Replica, node: u64, wanted: EntryWanted) {
        if !replica.mendings.borrow_mut().begin_giving() {
            return;
        }
        let shard = self.clone();
        self.env.spawn_background(async move {
            let Some(replica) = shard.replica.get() else { return };
            let position = wanted.position;
            let entry = match shard.store.log().entry_around(position).await {
                Ok(entry) => entry.unwrap_or_default(),
                Err(error) => {
                    tracing::warn!(%error, node, position, shard = shard.identity.broker_name, "an entry cannot be given");
                    Vec::new()
                }
            };
            shard.pay_for_answer(entry.len()).await;
            let given = ReplicaMessage::EntryGiven(EntryGiven { position, entry: &entry });
            replica.links.borrow_mut().send(node, ConnectionClass::Log, &given, &shard.outbox);
            replica.mendings.borrow_mut().end_giving();
        });
    }

    /// Another replica gives an entry.
    pub(super) fn take_entry(&self, replica: &Replica, node: u64, given: &EntryGiven<'_>) {
        replica.mendings.borrow_mut().answered(given.position, node, given.entry);
    }
}

/// Of all places so far: mended, and not.
pub(crate) fn counts(mendings: &Mendings) -> (u64, u64) {
    (mendings.mended, mendings.failed)
}
