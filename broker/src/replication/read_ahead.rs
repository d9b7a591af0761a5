//! What a leader has read of its log for replicas that catch up and has not given yet. A disk takes about as long for one long
//! read as for a short one, and what a short one cuts off in the middle of an entry is read again. While what one read brought
//! is given, the next one is under way.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures_channel::oneshot::{Receiver, channel};
use storage::StorageError;
use storage::commit_log::LogPiece;

use super::give_log::told_up_to;
use super::replica::Replica;
use crate::env::Env;
use crate::shard::Shard;

/// One read. For each node two are held at most: what is being given, and the next.
pub(super) const READ_BYTES: usize = 1 << 20;

/// See the module's text.
#[derive(Default)]
pub(crate) struct ReadAhead {
    of_nodes: BTreeMap<u64, Ahead>,
}

struct Ahead {
    /// What was read and is not given yet, if anything.
    rest: LogPiece,
    /// What comes behind it; `None`: nobody reads it.
    next: Option<Receiver<LogPiece>>,
}

impl<E: Env> Shard<E> {
    /// Entries from `position` on for a node: at most `bytes` bytes, but one entry at least if there is any that it may have.
    /// # Errors
    /// As [`storage::commit_log::CommitLog::piece`].
    pub(super) async fn read_for(
        self: &Rc<Self>,
        replica: &Replica,
        node: u64,
        position: u64,
        bytes: usize,
    ) -> Result<LogPiece, StorageError> {
        // What was read for it elsewhere is let go.
        let ahead =
            replica.read_ahead.borrow_mut().of_nodes.remove(&node).filter(|ahead| ahead.rest.position == position);
        let (mut piece, mut next) = match ahead {
            Some(Ahead { rest, next }) if !rest.bytes().is_empty() => (rest, next),
            Some(Ahead { next: Some(next), .. }) => match next.await {
                Ok(piece) => (piece, None),
                // It could not be read, or there was nothing yet.
                Err(_) => (self.read_told(replica, position).await?, None),
            },
            _ => (self.read_told(replica, position).await?, None),
        };
        let front = piece.take_front(bytes);
        if next.is_none() && !front.bytes().is_empty() {
            next = self.begin_reading(replica, if piece.bytes().is_empty() { front.end() } else { piece.end() });
        }
        if next.is_some() || !piece.bytes().is_empty() {
            replica.read_ahead.borrow_mut().of_nodes.insert(node, Ahead { rest: piece, next });
        }
        Ok(front)
    }

    /// What was committed, and what of it may be told, stays so.
    async fn read_told(&self, replica: &Replica, position: u64) -> Result<LogPiece, StorageError> {
        let log = self.store.log();
        log.piece(position, log.acknowledgeable().min(told_up_to(replica).0), READ_BYTES).await
    }

    fn begin_reading(self: &Rc<Self>, replica: &Replica, position: u64) -> Option<Receiver<LogPiece>> {
        let end = self.store.log().acknowledgeable().min(told_up_to(replica).0);
        if position >= end {
            return None;
        }
        let (sender, receiver) = channel();
        let shard = self.clone();
        self.spawn_giving(async move {
            let Some(replica) = shard.replica.get() else { return };
            // An error shows again when the one that needs it reads it.
            if let Ok(piece) = shard.read_told(replica, position).await
                && !piece.bytes().is_empty()
            {
                let _ = sender.send(piece);
            }
        });
        Some(receiver)
    }
}
