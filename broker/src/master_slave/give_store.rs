//! What a master gives to slaves that lack much of its log: a checkpoint in pieces, and the log from its files, both within the
//! budget that keeps them from clients' way.

use std::time::Duration;

use runtime::ConnectionId;
use storage::StorageError;
use storage::commit_log::LogPosition;

use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::replication::wire::{CheckpointPiece, CheckpointRequest, CopyRequest, ReplicaMessage};
use crate::replication::{GroupMembers, Preface};
use crate::shard::Shard;

/// Of the log in one answer, at most.
pub(super) const PIECE_BYTES_MAX: u32 = 1 << 20;
/// How often it is looked whether the budget has room for an answer.
const LOOK: Duration = Duration::from_millis(1);

impl<E: Env> Shard<E> {
    /// Answers a slave that asks for a piece of a checkpoint.
    pub(super) fn give_checkpoint_to_slave(
        self: &Shared<E>,
        ms: &MasterSlave,
        connection: ConnectionId,
        request: &CheckpointRequest<'_>,
    ) {
        let Some(giver) = ms.slaves.borrow_mut().get_mut(connection).map(|slave| slave.link.peer()) else { return };
        let CheckpointRequest { offset, bytes_wanted, name } = *request;
        let (shard, name) = (self.clone(), name.to_owned());
        self.env.spawn_background(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            // One that took its end back has none, and nobody may send what brings about the next.
            if shard.store.checkpoint_position() == 0 && ms.part() == Part::Serves {
                shard.checkpoint().await;
            }
            let bytes_max = loop {
                match shard.begin_checkpoint_piece(giver, bytes_wanted) {
                    Some(bytes_max) => break bytes_max,
                    None => shard.env.sleep(LOOK).await,
                }
            };
            // It has no members; who may be asked is configured.
            let preface = |first| (ms.part() == Part::Serves).then(|| Preface::new(first, GroupMembers::default()));
            match shard.checkpoint_to_give(&name, preface).await {
                Ok(offer) => {
                    let piece = offer.as_ref().map_or(CheckpointPiece::NONE, |offer| offer.piece(offset, bytes_max));
                    shard.pay_for_answer(piece.bytes.len()).await;
                    ms.slaves.borrow_mut().send(connection, &ReplicaMessage::CheckpointPiece(piece), &shard.outbox);
                }
                Err(error) => shard.fail_slave(connection, &error),
            }
            shard.end_answer(giver);
        });
    }

    /// Answers a request for the log from the files.
    pub(super) fn give_from_files(self: &Shared<E>, ms: &MasterSlave, connection: ConnectionId, request: CopyRequest) {
        let Some(taker) = ms.slaves.borrow_mut().get_mut(connection).map(|slave| slave.link.peer()) else { return };
        let shard = self.clone();
        self.env.spawn_background(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            let wanted = request.bytes_wanted.min(PIECE_BYTES_MAX) as usize;
            let bytes_max = loop {
                match shard.begin_answer(taker, wanted) {
                    Some(bytes_max) => break bytes_max,
                    None => shard.env.sleep(LOOK).await,
                }
            };
            match shard.paid_piece(request.end, bytes_max).await {
                Ok((piece, to)) => shard.send_entries(ms, connection, request.end, &piece, to),
                // Retention may have taken it meanwhile.
                Err(error) => shard.fail_slave(connection, &error),
            }
            shard.end_answer(taker);
        });
    }

    async fn paid_piece(&self, from: LogPosition, bytes: usize) -> Result<(Vec<u8>, LogPosition), StorageError> {
        let (piece, to) = self.store.log().copy_from_files(from, bytes).await?;
        self.pay_for_answer(piece.len()).await;
        Ok((piece, to))
    }
}
