//! A replica that is far behind gets the log itself, as it lies on the leader's disk, in large pieces.
//!
//! It asks with where its log stands; the leader (`give_log`) answers with the entries behind that place, or, if its own log
//! never was there, with those behind what the asker has applied. Only committed entries are sent, so each is applied as it
//! comes. Several pieces are on their way at once: each that comes goes into the log's tail, and what has come meanwhile is
//! written and applied together. When the target is reached, Raft goes on from there.

use std::rc::Rc;

use raft_driver::eraftpb::ConfState;
use raft_driver::{CatchUpNews, EntryId, Group};
use storage::commit_log::LogPosition;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES};
use storage::error::DamageReason;
use storage::{AdoptError, StorageError};

use super::drive::waits;
use super::raw_entries::RawEntries;
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, Pull, PullStatus, Pulled, ReplicaMessage};
use super::write_later::PendingWrites;
use crate::env::Env;
use crate::shard::Shard;

/// Of the log on its way at once, at most. It is asked for more when half of that has come.
pub(super) const WINDOW_BYTES: u32 = 4 << 20;
/// More of it is asked for only while no more than this waits to be written.
const UNWRITTEN_BYTES_MAX: u64 = 6 << 20;
/// An answer that does not come is asked for again.
pub(super) const PATIENCE_MS: i64 = 1_000;
/// Where the log was full, the rest is asked for again after this.
pub(super) const FULL_MS: i64 = 10;
/// A leader that has no more now is asked again after this.
pub(super) const IDLE_MS: i64 = 20;
/// Where something failed that may fail again, it is tried again after this.
pub(super) const PAUSE_MS: i64 = 10_000;

/// What is left of an installation is looked for this often, in ticks: every minute.
const LEFT_TICKS: u64 = 1200;

/// A catch-up under way.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct CatchingUp {
    /// When to begin a new round, see [`Shard::uptime_ms`].
    pub(super) ask_ms: i64,
    /// Number of the last round of pulls.
    pub(super) round: u64,
    /// What comes of that round is taken, and it was asked for up to this physical offset; `None`: the round is over.
    pub(super) asked_until: Option<u64>,
    /// What was pulled is committed up to this index.
    apply_to: u64,
}

impl CatchingUp {
    /// The round is over, the next one begins then.
    pub(super) fn ends_round(&mut self, ask_ms: i64) {
        (self.asked_until, self.ask_ms) = (None, ask_ms);
    }

    /// What to pull next, of a log that ends at `end` and of which `unwritten` bytes wait to be written. `None`: nothing now.
    pub(super) fn next_pull(
        &mut self,
        now_ms: i64,
        end: LogPosition,
        applied: LogPosition,
        unwritten: u64,
    ) -> Option<Pull> {
        let window = u64::from(WINDOW_BYTES);
        let is_new = now_ms >= self.ask_ms;
        let goes_on = self.asked_until.is_some_and(|until| until.saturating_sub(end.position) <= window / 2);
        if unwritten > UNWRITTEN_BYTES_MAX || !(is_new || goes_on) {
            return None;
        }
        if is_new {
            self.round += 1;
        }
        self.ask_ms = now_ms + PATIENCE_MS;
        self.asked_until = Some(end.position + window);
        Some(Pull { round: self.round, end, applied, bytes_wanted: WINDOW_BYTES })
    }
}

impl<E: Env> Shard<E> {
    pub(super) fn note_catch_up(self: &Rc<Self>, replica: &Replica, news: CatchUpNews) {
        let shard = &self.identity.broker_name;
        match news {
            CatchUpNews::Due(due) => {
                if replica.catching_up.get().is_none() {
                    let (leader, target, from) = (due.leader, due.target.index, self.store.log().end().index);
                    tracing::info!(shard, leader, from, target, "this replica catches up from the leader's files");
                    // Another number than of any round before, of whatever process.
                    let round = self.nonce() >> 8;
                    replica.catching_up.set(Some(CatchingUp { round, ..CatchingUp::default() }));
                    replica.watch.history.began_catch_up();
                }
                self.pull_more(replica);
            }
            CatchUpNews::Void => {
                replica.catching_up.set(None);
                self.installing.forget();
            }
        }
    }

    /// Asks for more if it is time.
    pub(super) fn pull_more(self: &Rc<Self>, replica: &Replica) {
        let Some(mut state) = replica.catching_up.get() else { return };
        let Some(due) = replica.group.borrow().catch_up() else { return };
        if self.installing.is_under_way() {
            if replica.phase() == Phase::Follows {
                self.install_more(replica, due.leader);
            }
            return;
        }
        if !may_pull(replica) {
            return;
        }
        let end = self.store.log().end();
        if state.apply_to >= due.target.index && state.apply_to >= end.index {
            // Raft has to go on from here, before more comes.
            state.ends_round(self.uptime_ms());
            replica.catching_up.set(Some(state));
            return;
        }
        let unwritten = self.store.log().waiting_bytes();
        let Some(pull) = state.next_pull(self.uptime_ms(), end, replica.applied.get(), unwritten) else { return };
        if !self.send_pull(replica, due.leader, pull) {
            state.ends_round(self.uptime_ms() + FULL_MS);
        }
        replica.catching_up.set(Some(state));
    }

    pub(super) fn send_pull(&self, replica: &Replica, leader: u64, pull: Pull) -> bool {
        let message = ReplicaMessage::Pull(pull);
        replica.links.borrow_mut().send(leader, ConnectionClass::Bulk, &message, &self.outbox)
    }

    /// At every tick.
    pub(super) fn tend_catch_ups(self: &Rc<Self>, replica: &Replica) {
        self.tend_giving();
        let is_pulling = replica.catching_up.get().is_some() && !self.installing.is_under_way();
        if is_pulling && may_pull(replica) {
            // Raft may have kept the catch-up from its end.
            self.begin_applying(replica);
        }
        // What an earlier process has begun is not gone on with where there is nothing to catch up with.
        let is_time = replica.ticks.get().is_multiple_of(LEFT_TICKS);
        if is_time && replica.catching_up.get().is_none() && replica.phase() != Phase::Installs {
            let shard = self.clone();
            self.env.spawn_background(async move { shard.remove_left_installation().await });
        }
    }

    /// # Errors
    /// What a sound replica never says.
    pub(super) fn take_piece(self: &Rc<Self>, replica: &Replica, node: u64, pulled: &Pulled<'_>) -> Result<(), String> {
        let (Some(mut state), Some(due)) = (replica.catching_up.get(), replica.group.borrow().catch_up()) else {
            return Ok(());
        };
        let is_expected = pulled.round == state.round && state.asked_until.is_some();
        if due.leader != node || !is_expected || replica.phase() != Phase::Follows {
            return Ok(());
        }
        if self.install_piece(replica, pulled)? {
            return Ok(());
        }
        let now_ms = self.uptime_ms();
        if !may_pull(replica) {
            state.ends_round(now_ms + FULL_MS);
            replica.catching_up.set(Some(state));
            return Ok(());
        }
        match pulled.status {
            PullStatus::NotNow => {
                state.ends_round(now_ms + PATIENCE_MS);
                replica.catching_up.set(Some(state));
                return Ok(());
            }
            PullStatus::TooOld => {
                state.ends_round(now_ms);
                replica.catching_up.set(Some(state));
                self.begin_installation(replica, node, pulled.first_position);
                self.pull_more(replica);
                return Ok(());
            }
            PullStatus::Entries => {}
        }
        let entries = split(self.store.log().id(), pulled)?;
        replica.watch.history.caught_up(pulled.log.len());
        state.ask_ms = now_ms + PATIENCE_MS;
        if entries.is_empty() {
            state.ends_round(now_ms + IDLE_MS);
        }
        // Behind what was compared, this log may hold what the leader's never did.
        let mut shared = replica.applied.get().index;
        match self.take_over(replica, &entries, &mut shared) {
            Ok(Taken::All) => {}
            Ok(Taken::Some) => state.ends_round(now_ms + FULL_MS),
            Ok(Taken::Conflict { kept }) => {
                state.ends_round(now_ms);
                replica.catching_up.set(Some(state));
                let shard = self.clone();
                let pending = PendingWrites::new(None, Some(kept));
                self.env.spawn(async move { shard.write_later(pending).await });
                return Ok(());
            }
            Err(error) => {
                self.stop_replica(replica, &error);
                return Ok(());
            }
        }
        state.apply_to = state.apply_to.max(pulled.commit_index.min(shared));
        replica.catching_up.set(Some(state));
        self.pull_more(replica);
        self.begin_applying(replica);
        Ok(())
    }

    /// Puts pulled entries behind this log; those that it has already are compared. `shared` becomes the last index up to
    /// which the two logs are known to be the same.
    fn take_over(
        &self,
        replica: &Replica,
        entries: &[(EntryHeader, &[u8])],
        shared: &mut u64,
    ) -> Result<Taken, AdoptError> {
        for (header, bytes) in entries {
            // Pieces in between did not come.
            if header.index > self.store.log().end().index + 1 {
                return Ok(Taken::Some);
            }
            if header.index <= self.store.log().end().index {
                let own = replica.group.borrow().term_of(header.index);
                if own.is_none_or(|term| term == header.term) {
                    *shared = header.index.max(*shared);
                    continue;
                }
                let conflict = EntryId { index: header.index, term: header.term };
                // What is being applied stays; then it is looked again.
                if replica.is_applying_pulled.get() {
                    return Ok(Taken::Some);
                }
                return match replica.group.borrow_mut().cut_log(conflict) {
                    Ok(()) => Ok(Taken::Conflict { kept: header.index - 1 }),
                    Err(error) => {
                        tracing::debug!(%error, shard = self.identity.broker_name, "the end of the log stays");
                        Ok(Taken::Some)
                    }
                };
            }
            match self.store.log().adopt(bytes) {
                Ok(_) => *shared = header.index.max(*shared),
                Err(error) if waits(&error) => return Ok(Taken::Some),
                Err(error) => return Err(error),
            }
        }
        Ok(Taken::All)
    }

    /// Has what was pulled written and applied, unless that is being done.
    fn begin_applying(self: &Rc<Self>, replica: &Replica) {
        if !replica.is_reading.get() {
            // Raft may learn meanwhile that some of it is committed: it is applied once.
            replica.is_reading.set(true);
            replica.is_applying_pulled.set(true);
            let shard = self.clone();
            self.env.spawn(async move { shard.apply_pulled().await });
        }
    }

    /// Makes last what was pulled, applies it, and asks for more or is done; again while more has come.
    async fn apply_pulled(self: Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        loop {
            let apply_to = replica.catching_up.get().map_or(0, |state| state.apply_to);
            let applied = self.apply_up_to(replica, apply_to).await;
            replica.is_reading.set(false);
            replica.is_applying_pulled.set(false);
            if let Err(error) = applied {
                return self.stop_replica(replica, &error);
            }
            if self.store.log().needs_next_segment() {
                self.make_next_segment();
            }
            self.end_catch_up(replica);
            self.pull_more(replica);
            self.replicate();
            self.confirm_and_resume();
            let has_more = replica.catching_up.get().is_some_and(|state| state.apply_to > apply_to);
            if !has_more || !may_pull(replica) || replica.is_reading.get() {
                return;
            }
            replica.is_reading.set(true);
            replica.is_applying_pulled.set(true);
        }
    }

    fn make_next_segment(self: &Rc<Self>) {
        let shard = self.clone();
        self.env.spawn_background(async move {
            // What it waits for goes on then; a full disk shows with the next entry.
            let _ = shard.store.log().prepare_next_segment().await;
        });
    }

    pub(super) async fn apply_up_to(self: &Rc<Self>, replica: &Replica, commit_index: u64) -> Result<(), StorageError> {
        let log = self.store.log();
        self.save_told_members(replica).await?;
        log.flush().await?;
        let mut woken = Vec::new();
        loop {
            let at = replica.applied.get();
            if at.index >= commit_index || at.index >= log.end().index {
                break;
            }
            let newest = log.with_newest_entry(at, |bytes, next| (next, self.apply_entry(bytes, next, &mut woken)));
            let (next, applied) = match newest {
                Some(newest) => newest,
                None => {
                    let Some(next) = log.continuation(at).await? else { break };
                    let bytes = self.sound_entry(next).await?;
                    (next, self.apply_entry(&bytes, next, &mut woken))
                }
            };
            let at = applied.map_err(|reason| self.unsound(next, reason))?;
            replica.applied.set(at);
            log.set_committed(at.position);
        }
        for job in woken {
            crate::processor::pull::run_again(self, job);
        }
        Ok(())
    }

    /// The members that hold for what was pulled. Its leader tells of each change before it sends what lies behind it.
    pub(super) fn members_behind_catch_up(&self, replica: &Replica, group: &Group) -> (u64, ConfState) {
        let told = replica.members.borrow();
        if told.roles.is_empty() { (0, group.conf_state().clone()) } else { (told.index, told.roles.conf_state()) }
    }

    /// An entry that is no longer in memory, which may have been damaged since it came.
    async fn sound_entry(&self, position: u64) -> Result<Vec<u8>, StorageError> {
        let log = self.store.log();
        let unsound = |reason| self.unsound(position, reason);
        let head = log.copy(position, HEADER_BYTES).await?;
        let header = EntryHeader::decode(log.id(), position, &head).map_err(unsound)?;
        let bytes = log.copy(position, (header.end() - position) as usize).await?;
        header.check_payload(&bytes[HEADER_BYTES..]).map_err(unsound)?;
        Ok(bytes)
    }

    fn unsound(&self, at: u64, reason: DamageReason) -> StorageError {
        StorageError::Damaged { file: self.store.log().file_name(at), at, reason, stable: at }
    }

    /// Lets Raft go on once the target is reached.
    fn end_catch_up(self: &Rc<Self>, replica: &Replica) {
        let Some(due) = replica.group.borrow().catch_up() else { return };
        let (applied, end) = (replica.applied.get(), self.store.log().end());
        let is_there = applied.index >= due.target.index && applied.index == end.index;
        if !is_there || self.store.log().kept() < end.position || replica.group.borrow().is_writing() {
            return;
        }
        self.drive(replica, &RawEntries::default());
        let mut group = replica.group.borrow_mut();
        if group.is_writing() || group.catch_up().is_none() {
            return;
        }
        let (members_index, members) = self.members_behind_catch_up(replica, &group);
        let at = EntryId { term: applied.term, index: applied.index };
        match group.reset_log_with_members(members_index, members, at, Vec::new()) {
            Ok(()) => {
                drop(group);
                replica.start_log_at(applied.index);
                replica.catching_up.set(None);
                tracing::info!(shard = self.identity.broker_name, index = applied.index, "this replica has caught up");
                self.report_to_all(replica);
            }
            Err(error) => tracing::debug!(%error, shard = self.identity.broker_name, "the catch-up goes on"),
        }
    }
}

/// Whether what is pulled may go into the log now.
fn may_pull(replica: &Replica) -> bool {
    let is_read = replica.is_reading.get() && !replica.is_applying_pulled.get();
    let is_behind = replica.phase() == Phase::Follows && replica.applied_start.get().is_none();
    is_behind && !is_read && !replica.group.borrow().is_writing()
}

/// What became of a piece.
enum Taken {
    /// It is in the log.
    All,
    /// The log is full, or waits for its next segment.
    Some,
    /// The log has something else there, which goes: all behind this index.
    Conflict { kept: u64 },
}

/// The entries of an answer, each sound.
pub(super) fn split<'a>(
    id: storage::commit_log::LogId,
    pulled: &Pulled<'a>,
) -> Result<Vec<(EntryHeader, &'a [u8])>, String> {
    let (mut rest, mut position) = (pulled.log, pulled.first_position);
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let unsound = |reason| format!("an entry it sent for a catch-up is unsound: {reason}");
        let header = EntryHeader::decode(id, position, rest).map_err(unsound)?;
        let bytes = usize::try_from(header.end() - position).unwrap_or(usize::MAX);
        let is_whole = bytes <= rest.len() && header.kind != EntryKind::Filler;
        let (entry, behind) =
            rest.split_at_checked(bytes).filter(|_| is_whole).ok_or("a piece of the log it sent is cut short")?;
        header.check_payload(&entry[HEADER_BYTES..]).map_err(unsound)?;
        entries.push((header, entry));
        (rest, position) = (behind, header.end());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = WINDOW_BYTES as u64;

    fn end(position: u64) -> LogPosition {
        LogPosition { position, index: position, term: 1, previous: 0 }
    }

    /// Round and end of what is pulled at this moment.
    fn pull(state: &mut CatchingUp, now_ms: i64, position: u64, unwritten: u64) -> Option<(u64, u64)> {
        let pull = state.next_pull(now_ms, end(position), LogPosition::default(), unwritten)?;
        Some((pull.round, pull.end.position))
    }

    #[test]
    fn more_is_asked_for_when_half_of_the_window_has_come() {
        let mut state = CatchingUp::default();
        assert_eq!(pull(&mut state, 0, 100, 0), Some((1, 100)));
        assert_eq!(pull(&mut state, 1, 100, 0), None, "it is on its way");
        assert_eq!(pull(&mut state, 1, 99 + WINDOW / 2, 0), None);
        assert_eq!(pull(&mut state, 1, 100 + WINDOW / 2, 0), Some((1, 100 + WINDOW / 2)));
        assert_eq!(pull(&mut state, 1, 101 + WINDOW / 2, 0), None);
        // An entry may be longer than was asked for.
        assert_eq!(pull(&mut state, 1, 9 * WINDOW, 0), Some((1, 9 * WINDOW)));
    }

    #[test]
    fn a_round_that_nothing_comes_of_is_followed_by_another() {
        let mut state = CatchingUp::default();
        pull(&mut state, 0, 100, 0);
        assert_eq!(pull(&mut state, PATIENCE_MS - 1, 100, 0), None);
        assert_eq!(pull(&mut state, PATIENCE_MS, 100, 0), Some((2, 100)));
        state.ends_round(PATIENCE_MS + 50);
        assert_eq!(pull(&mut state, PATIENCE_MS + 49, 9 * WINDOW, 0), None, "it is over");
        assert_eq!(pull(&mut state, PATIENCE_MS + 50, 100, 0), Some((3, 100)));
    }

    #[test]
    fn nothing_is_asked_for_that_the_disk_cannot_keep_up_with() {
        let mut state = CatchingUp::default();
        assert_eq!(pull(&mut state, 0, 100, UNWRITTEN_BYTES_MAX + 1), None);
        assert_eq!(pull(&mut state, 0, 100, UNWRITTEN_BYTES_MAX), Some((1, 100)));
        assert_eq!(pull(&mut state, 0, 100 + WINDOW, UNWRITTEN_BYTES_MAX + 1), None);
        assert_eq!(pull(&mut state, 0, 100 + WINDOW, 0), Some((1, 100 + WINDOW)));
    }
}
