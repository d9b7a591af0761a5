//! A leader gives its log to replicas that catch up: one piece behind the other, read ahead of what the other side has got
//! so far, on a connection of its own.
//!
//! Each piece is a task, in the background while clients are served. What waits on the connection is bounded, and the budget says
//! how fast and how long pieces may be.

use std::rc::Rc;
use std::time::Duration;

use storage::StorageError;
use storage::commit_log::LogPiece;

use super::catch_up_budget::BUSY_PIECE_BYTES;
use super::pull_rounds::From;
use super::read_ahead::READ_BYTES;
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, Pull, PullStatus, Pulled, ReplicaMessage};
use crate::env::Env;
use crate::shard::Shard;

/// Of the log in one piece.
const PIECE_BYTES_MAX: usize = READ_BYTES;
/// The next piece is put on a connection when no more than this waits there: the socket has something to do meanwhile.
const QUEUED_BYTES_MAX: usize = 2 * BUSY_PIECE_BYTES;
/// How often it is looked whether a piece can be made or sent ...
const LOOK: Duration = Duration::from_millis(1);
/// ... and how many times: who takes nothing for so long asks again.
const LOOKS_MAX: u32 = 1_000;

/// What a node gets.
enum Gift {
    Piece(LogPiece),
    /// The log begins there only.
    TooOld(u64),
    NotNow,
}

impl<E: Env> Shard<E> {
    /// Answers another replica that catches up.
    pub(super) fn pulled_by(self: &Rc<Self>, replica: &Replica, node: u64, pull: Pull) {
        replica.watch.pulled(self.env.now_ms(), node, &pull.end);
        if replica.rounds.borrow_mut().ask(node, &pull) {
            self.give_next(node, 0);
        }
    }

    /// Makes and sends the next piece, and so on: beside requests, and behind them where there are any. `looks` is how often it
    /// was looked in vain.
    fn give_next(self: &Rc<Self>, node: u64, looks: u32) {
        let shard = self.clone();
        self.spawn_giving(async move { shard.give(node, looks).await });
    }

    /// What runs in the background gets little even of a shard that only looks out for requests.
    pub(super) fn spawn_giving(&self, task: impl Future<Output = ()> + 'static) {
        let is_idle = self.giving.budget.borrow().is_idle();
        if is_idle { self.env.spawn(task) } else { self.env.spawn_background(task) }
    }

    async fn give(self: Rc<Self>, node: u64, mut looks: u32) {
        let Some(replica) = self.replica.get() else { return };
        let next = replica.rounds.borrow_mut().next(node);
        let Some((from, wanted)) = next else { return };
        match self.begin_answer(node, wanted.min(PIECE_BYTES_MAX)) {
            Some(bytes_max) => {
                looks = 0;
                self.give_piece(replica, node, from, bytes_max).await;
                self.end_answer(node);
            }
            None => {
                looks += 1;
                if looks > LOOKS_MAX {
                    replica.rounds.borrow_mut().forget(node);
                }
                self.env.sleep(LOOK).await;
            }
        }
        self.give_next(node, looks);
    }

    async fn give_piece(self: &Rc<Self>, replica: &Replica, node: u64, from: From, bytes_max: usize) {
        let gift = match self.gift(replica, node, from, bytes_max).await {
            Ok(gift) => gift,
            Err(error) => {
                tracing::error!(%error, node, shard = self.identity.broker_name, "a replica cannot be given what it lacks");
                Gift::NotNow
            }
        };
        if let Gift::Piece(piece) = &gift {
            self.pay_for_answer(piece.bytes().len()).await;
        }
        let is_taken = self.until_taken(replica, node).await;
        // It may have asked for something else meanwhile.
        let Some(round) = replica.rounds.borrow().number(node, from) else { return };
        let (status, first_position) = match &gift {
            Gift::Piece(piece) => (PullStatus::Entries, piece.position),
            Gift::TooOld(first) => (PullStatus::TooOld, *first),
            Gift::NotNow => (PullStatus::NotNow, 0),
        };
        let (_, told_index) = told_up_to(replica);
        let (commit_index, end_position) =
            (replica.applied.get().index.min(told_index), self.store.log().end().position);
        let pulled = Pulled { round, status, first_position, commit_index, end_position, log: &[] };
        let message = ReplicaMessage::Pulled(pulled);
        let (mut links, mut rounds) = (replica.links.borrow_mut(), replica.rounds.borrow_mut());
        match gift {
            Gift::Piece(piece) if is_taken && !piece.bytes().is_empty() => {
                let end = piece.end();
                if links.share_body(node, ConnectionClass::Bulk, &message, piece.into_parts(), &self.outbox) {
                    return rounds.gave(node, end);
                }
            }
            Gift::Piece(_) if !is_taken => {}
            // There is nothing behind it.
            _ => {
                links.send(node, ConnectionClass::Bulk, &message, &self.outbox);
            }
        }
        rounds.forget(node);
    }

    /// Waits until most of what was sent to a node is on its way. False: it takes nothing.
    async fn until_taken(&self, replica: &Replica, node: u64) -> bool {
        for _ in 0..LOOKS_MAX {
            let queued = replica.links.borrow().queued_bytes(node, ConnectionClass::Bulk, &self.outbox);
            if queued <= QUEUED_BYTES_MAX {
                return true;
            }
            self.env.sleep(LOOK).await;
        }
        false
    }

    async fn gift(
        self: &Rc<Self>,
        replica: &Replica,
        node: u64,
        from: From,
        bytes: usize,
    ) -> Result<Gift, StorageError> {
        match self.sound_gift(replica, node, from, bytes).await {
            Err(error @ (StorageError::Damaged { .. } | StorageError::DamagedRecord { .. })) => {
                let position = match from {
                    From::Asked { end, .. } => end.position,
                    From::Position(position) => position,
                };
                self.mended(position, error).await?;
                self.sound_gift(replica, node, from, bytes).await
            }
            result => result,
        }
    }

    async fn sound_gift(
        self: &Rc<Self>,
        replica: &Replica,
        node: u64,
        from: From,
        bytes: usize,
    ) -> Result<Gift, StorageError> {
        let log = self.store.log();
        // Not only where it serves already: it may need the very one that asks to commit its first entry.
        if !replica.group.borrow().is_leader() || replica.phase() == Phase::Stopped {
            return Ok(Gift::NotNow);
        }
        let position = match from {
            From::Position(position) if position >= log.first() => position,
            From::Position(_) => return Ok(Gift::TooOld(log.first())),
            From::Asked { end, applied } => match log.continuation(end).await? {
                Some(position) => position,
                // A header that cannot be read any more names nobody a stranger.
                None if log.holds(end.position) && !log.is_sound_around(end.position).await? => {
                    let (at, file) = (end.position, log.file_name(end.position));
                    let what = "the entry that comes next cannot be read".to_owned();
                    return Err(StorageError::DamagedRecord { at, file, what });
                }
                None => match log.continuation(applied).await? {
                    Some(position) => position,
                    None => return Ok(Gift::TooOld(log.first())),
                },
            },
        };
        Ok(Gift::Piece(self.read_for(replica, node, position, bytes).await?))
    }
}

/// Physical offset and index up to which others know the members: before the first change that they are not told of yet.
pub(super) fn told_up_to(replica: &Replica) -> (u64, u64) {
    let group = replica.group.borrow();
    let next = group.next_membership().and_then(|at| group.entry(at)).map(|entry| (entry.index, entry.position));
    let first = [replica.changing.unstable.get(), next].into_iter().flatten().min();
    first.map_or((u64::MAX, u64::MAX), |(index, position)| (position, index - 1))
}
