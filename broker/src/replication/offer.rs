//! A leader or master gives its checkpoint, in pieces, to a replica or slave that lacks the beginning of what its log still holds.
//!
//! What is sent is kept in memory while somebody asks for it: checkpoints are made again and again meanwhile. A piece of
//! another than the present one is answered with nothing, and the asker begins anew.

use std::rc::Rc;

use storage::StorageError;
use storage::checkpoint;
use storage::commit_log::{LogId, LogPosition};
use storage::file::{Disk, read_file};

use super::checkpoint_image::{CheckpointImage, Preface};
use super::replica::Phase;
use super::wire::{CheckpointPiece, CheckpointRequest, ConnectionClass, ReplicaMessage};
use crate::env::Env;
use crate::shard::Shard;

/// Longest piece, bytes.
const PIECE_BYTES_MAX: u32 = 1 << 20;
/// What nobody has asked for so long is forgotten.
const KEPT_MS: i64 = 30_000;
/// A replica that begins gets one that is no older than this.
const YOUNG_MS: i64 = 60_000;

/// The checkpoint that is being given.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    name: Rc<str>,
    bytes: Rc<[u8]>,
    /// First physical offset of the log when it was made.
    first: u64,
    made_ms: i64,
    asked_ms: i64,
}

impl<E: Env> Shard<E> {
    /// Answers a replica that asks for a piece of a checkpoint.
    pub(super) fn give_checkpoint(self: &Rc<Self>, node: u64, request: &CheckpointRequest<'_>) {
        let CheckpointRequest { offset, bytes_wanted, name } = *request;
        let Some(bytes_max) = self.begin_checkpoint_piece(node, bytes_wanted) else { return };
        let (shard, name) = (self.clone(), name.to_owned());
        self.env.spawn_background(async move {
            let Some(replica) = shard.replica.get() else { return };
            let preface = |first| {
                // One that leads has applied all that leaders before it committed: it knows the members of all that it can give.
                let knows_members = matches!(replica.phase(), Phase::Leads | Phase::HandsOver);
                let may_give = knows_members && replica.changing.unstable.get().is_none();
                may_give.then(|| Preface::new(first, replica.members.borrow().clone()))
            };
            match shard.checkpoint_to_give(&name, preface).await {
                Ok(offer) => {
                    let piece = offer.as_ref().map_or(CheckpointPiece::NONE, |offer| offer.piece(offset, bytes_max));
                    shard.pay_for_answer(piece.bytes.len()).await;
                    let message = ReplicaMessage::CheckpointPiece(piece);
                    replica.links.borrow_mut().send(node, ConnectionClass::Bulk, &message, &shard.outbox);
                }
                Err(error) => {
                    tracing::error!(%error, node, shard = shard.identity.broker_name, "a replica cannot be given a checkpoint");
                }
            }
            shard.end_answer(node);
        });
    }

    /// Begins an answer with a piece of a checkpoint: how long it may be. `None`: not now.
    pub(crate) fn begin_checkpoint_piece(&self, node: u64, bytes_wanted: u32) -> Option<usize> {
        self.begin_answer(node, bytes_wanted.min(PIECE_BYTES_MAX) as usize)
    }

    /// The checkpoint of this name, the newest without one; `None` if it is not to be had. `preface` makes what goes before
    /// it, given where the log begins; `None`: this one may not give any.
    pub(crate) async fn checkpoint_to_give(
        &self,
        name: &str,
        preface: impl Fn(LogPosition) -> Option<Preface>,
    ) -> Result<Option<Offer>, StorageError> {
        if preface(LogPosition::default()).is_none() {
            return Ok(None);
        }
        let now_ms = self.uptime_ms();
        let kept = self.giving.offer.borrow().clone();
        let is_wanted = |offer: &Offer| match name {
            "" => offer.first == self.store.log().first() && now_ms - offer.made_ms < YOUNG_MS,
            name => *offer.name == *name,
        };
        let offer = match kept.filter(is_wanted) {
            Some(kept) => Some(Offer { asked_ms: now_ms, ..kept }),
            // After a restart of this process it may be the very same again.
            None => self.make_offer(preface).await?.filter(|offer| name.is_empty() || *offer.name == *name),
        };
        if let Some(offer) = &offer {
            self.giving.offer.replace(Some(offer.clone()));
        }
        Ok(offer)
    }

    async fn make_offer(
        &self,
        preface: impl Fn(LogPosition) -> Option<Preface>,
    ) -> Result<Option<Offer>, StorageError> {
        let log = self.store.log();
        let first = log.beginning().await?;
        let Some((position, file)) = newest_checkpoint(log.disk(), log.id()).await? else { return Ok(None) };
        let Some(preface) = preface(first) else { return Ok(None) };
        // Retention may have gone on while the files were read.
        if log.first() != first.position {
            return Ok(None);
        }
        let (name, bytes) = CheckpointImage::encode(&preface, position, &file);
        let now_ms = self.uptime_ms();
        let (name, bytes) = (name.into(), bytes.into());
        Ok(Some(Offer { name, bytes, first: first.position, made_ms: now_ms, asked_ms: now_ms }))
    }

    /// Forgets what nobody asks for any more.
    pub(super) fn tend_offer(&self) {
        let now_ms = self.uptime_ms();
        self.giving.offer.borrow_mut().take_if(|offer| now_ms - offer.asked_ms > KEPT_MS);
    }
}

impl Offer {
    /// What of it begins there; nothing where it ends before.
    pub(crate) fn piece(&self, offset: u64, bytes_max: usize) -> CheckpointPiece<'_> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        let Some(rest) = rest else { return CheckpointPiece::NONE };
        let bytes = &rest[..bytes_max.min(rest.len())];
        CheckpointPiece { offset, total: self.bytes.len() as u64, name: &self.name, bytes }
    }
}

/// Its position, and its file as it is.
async fn newest_checkpoint<D: Disk>(disk: &D, id: LogId) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
    for path in [checkpoint::PATH, checkpoint::PREVIOUS_PATH] {
        let read = read_file(disk, path).await;
        let Some(file) = read.map_err(|source| StorageError::Io { op: "read", path: path.to_owned(), source })? else {
            continue;
        };
        match checkpoint::decode(id, &file) {
            Ok(checkpoint) => return Ok(Some((checkpoint.position, file))),
            Err(what) => tracing::warn!(path, what, "a checkpoint cannot be read and is given to no replica"),
        }
    }
    Ok(None)
}
