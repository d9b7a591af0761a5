//! What a master does for its slaves: says whether its log has stood where theirs ends, and sends what comes behind.

use runtime::{CloseReason, ConnectionId};
use storage::StorageError;
use storage::commit_log::LogPosition;

use super::give_store::PIECE_BYTES_MAX;
use super::{Demand, MasterSlave, Part, Shared};
use crate::env::Env;
use crate::replication::wire::{CopyPiece, CopyRequest, CopyStatus, ReplicaMessage};
use crate::request::{Halt, Ticket};
use crate::shard::Shard;
use protocol::code::ResponseCode;

/// A request for what is not there yet is answered after this, with nothing: so each side hears of the other.
const PARK_MS: i64 = 2_000;

impl<E: Env> Shard<E> {
    /// A slave asks for what comes next, and confirms what came before.
    pub(super) fn copy_requested(self: &Shared<E>, ms: &MasterSlave, connection: ConnectionId, request: CopyRequest) {
        if request.epoch > ms.epoch() && matches!(ms.part(), Part::Serves | Part::Asks) {
            self.doubt_own_part(ms, request.epoch);
        }
        let log = self.store.log();
        let is_empty = request.end == LogPosition::default();
        if ms.part() != Part::Serves {
            return self.answer_slave(ms, connection, CopyStatus::NoMaster, 0, &[]);
        }
        if request.log_id != log.id().0 && !(request.log_id == 0 && is_empty) {
            return self.answer_slave(ms, connection, CopyStatus::OtherLog, 0, &[]);
        }
        if self.note_slave(ms, connection, request) {
            // It is asked again when the slave is written down: see there.
            return;
        }
        let mut slaves = ms.slaves.borrow_mut();
        let Some(slave) = slaves.get_mut(connection) else { return };
        let stands_there = slave.sent_to == Some(request.end) || log.end() == request.end;
        drop(slaves);
        if stands_there {
            return self.serve_shared(ms, connection, request);
        }
        let shard = self.clone();
        self.env.spawn_background(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            match shard.store.log().has_stood_at(request.end).await {
                Ok(true) => shard.serve_shared(ms, connection, request),
                Ok(false) => {
                    let first = shard.store.log().first();
                    let is_older = request.end.position < first;
                    let status = if is_older { CopyStatus::TooOld } else { CopyStatus::Parted };
                    shard.answer_slave(ms, connection, status, first, &[]);
                }
                Err(error) => shard.fail_slave(connection, &error),
            }
        });
    }

    /// Makes sure that this master remembers a slave before it gives it anything: it could be promoted from then on. True:
    /// that takes a moment, and the request is taken up then.
    fn note_slave(self: &Shared<E>, ms: &MasterSlave, connection: ConnectionId, request: CopyRequest) -> bool {
        let (id, address) = {
            let mut slaves = ms.slaves.borrow_mut();
            let Some(slave) = slaves.get_mut(connection) else { return true };
            (slave.id, slave.address.clone())
        };
        if ms.state.borrow().with_slave(id, &address).is_none() {
            return false;
        }
        let shard = self.clone();
        self.env.spawn(async move {
            let Some(ms) = shard.master_slave.get() else { return };
            let saved = shard.save_part(ms, |state| state.with_slave(id, &address).unwrap_or(state)).await;
            match saved {
                Ok(()) => {
                    shard.announce_part(ms);
                    shard.copy_requested(ms, connection, request);
                }
                Err(error) => shard.fail_slave(connection, &error),
            }
        });
        true
    }

    pub(super) fn fail_slave(&self, connection: ConnectionId, error: &StorageError) {
        tracing::error!(%error, shard = self.identity.broker_name, "a slave cannot be given what it lacks");
        self.outbox.close(connection, CloseReason(format!("replication: {error}").into()));
    }

    /// The slave's log and this one are the same up to where it asks from.
    fn serve_shared(self: &Shared<E>, ms: &MasterSlave, connection: ConnectionId, request: CopyRequest) {
        if request.bytes_wanted == 0 {
            return self.answer_slave(ms, connection, CopyStatus::Entries, request.end.position, &[]);
        }
        if let Some(slave) = ms.slaves.borrow_mut().get_mut(connection) {
            // What lies beside its store it neither serves nor keeps in a promotion.
            slave.confirmed = (!request.installs).then_some(request.end);
            slave.sent_to = Some(request.end);
            slave.rate.note(self.uptime_ms(), request.end.position);
            slave.waiting = Some((request, self.uptime_ms() + PARK_MS));
        }
        self.tend_slaves(ms);
    }

    /// Answers the requests for which there is something by now, and the sends that waited for what slaves confirmed.
    pub(super) fn tend_slaves(self: &Shared<E>, ms: &MasterSlave) {
        let end = self.store.log().end();
        let due: Vec<(ConnectionId, CopyRequest)> = ms
            .slaves
            .borrow_mut()
            .iter_mut()
            .filter_map(|(connection, slave)| {
                let (request, _) = slave.waiting.take_if(|(request, _)| request.end.position < end.position)?;
                Some((connection, request))
            })
            .collect();
        for (connection, request) in due {
            self.send_piece(ms, connection, request);
        }
        self.release_copied(ms);
    }

    fn send_piece(self: &Shared<E>, ms: &MasterSlave, connection: ConnectionId, request: CopyRequest) {
        let bytes = request.bytes_wanted.min(PIECE_BYTES_MAX) as usize;
        if let Some((piece, to)) = self.store.log().copy_cached(request.end, bytes) {
            return self.send_entries(ms, connection, request.end, &piece, to);
        }
        self.give_from_files(ms, connection, request);
    }

    pub(super) fn send_entries(
        &self,
        ms: &MasterSlave,
        to: ConnectionId,
        from: LogPosition,
        piece: &[u8],
        behind: LogPosition,
    ) {
        if let Some(slave) = ms.slaves.borrow_mut().get_mut(to) {
            slave.sent_to = Some(behind);
        }
        self.answer_slave(ms, to, CopyStatus::Entries, from.position, piece);
    }

    fn answer_slave(&self, ms: &MasterSlave, to: ConnectionId, status: CopyStatus, first_position: u64, log: &[u8]) {
        let (own, epoch) = (self.store.log(), ms.epoch());
        let end_position = own.end().position;
        let piece = CopyPiece { status, log_id: own.id().0, epoch, first_position, end_position, log };
        ms.slaves.borrow_mut().send(to, &ReplicaMessage::CopyPiece(piece), &self.outbox);
    }

    /// By the clock: requests that waited long enough, and sends that did.
    pub(super) fn tick_master(self: &Shared<E>, ms: &MasterSlave, now_ms: i64) {
        self.tend_giving();
        if !ms.slaves.borrow().is_empty() {
            let end = self.store.log().end();
            {
                let mut times = ms.times.borrow_mut();
                times.note(now_ms, end.index);
                let slaves = ms.slaves.borrow();
                let all_have = slaves.sorted().iter().map(|slave| slave.confirmed.map_or(0, |at| at.index)).min();
                times.forget(all_have.unwrap_or(0));
            }
            let over: Vec<(ConnectionId, CopyRequest)> = ms
                .slaves
                .borrow_mut()
                .iter_mut()
                .filter_map(|(connection, slave)| {
                    let (request, _) = slave.waiting.take_if(|(_, until_ms)| *until_ms <= now_ms)?;
                    Some((connection, request))
                })
                .collect();
            for (connection, request) in over {
                self.send_entries(ms, connection, request.end, &[], request.end);
            }
        }
        self.release_copied(ms);
    }

    /// Sends the answers that slaves' copies have made true, or whose time is over.
    fn release_copied(&self, ms: &MasterSlave) {
        if ms.waits.borrow().len() == 0 {
            return;
        }
        let slaves = ms.slaves.borrow();
        let copied = |copies: u32| slaves.confirmed_by(copies as usize - 1);
        let mut latency = self.metrics.latency.borrow_mut();
        latency.refresh(|| self.env.instant());
        let answered = |ticket: Ticket, code: ResponseCode| latency.answered(ticket.answer_kind(code), ticket.read_at);
        let (kept, now_ms) = (self.store.log().kept(), self.uptime_ms());
        ms.waits.borrow_mut().release(kept, copied, now_ms, &self.outbox, answered);
    }

    /// What the answer to a send waits for beside this log; `None`: for nothing.
    fn demand(&self, ms: &MasterSlave) -> Option<Demand> {
        let sync = ms.sync.as_ref().filter(|_| ms.serves())?;
        let end = self.store.log().end().position;
        let there = 1 + ms.slaves.borrow().in_sync(end, sync.gap_bytes_max);
        let copies = sync.copies.min(there).max(sync.copies_min);
        let (success, late) = (ResponseCode::SUCCESS, ResponseCode::FLUSH_SLAVE_TIMEOUT);
        Some(match copies > there {
            true => Demand { copies: 1, code: ResponseCode::SLAVE_NOT_AVAILABLE, late },
            false => Demand { copies, code: success, late },
        })
    }

    /// Answers a send once it is as safe as flush mode and role promise; `encode` is given the code.
    pub(crate) fn answer_stored(&self, ticket: Ticket, encode: impl FnOnce(ResponseCode, &mut Vec<u8>)) {
        let waits = self.master_slave.get().and_then(|ms| Some((ms, self.demand(ms)?)));
        match waits {
            None => self.answer_when_safe(ticket, |buffer| encode(ResponseCode::SUCCESS, buffer)),
            Some((ms, demand)) => ms.waits.borrow_mut().push(ticket, demand, encode),
        }
    }

    /// Answers 0 as late as [`Self::answer_stored`] would, whatever becomes of the copies: for requests whose clients know no
    /// such codes, and would do them again.
    pub(crate) fn succeed_when_copied(&self, ticket: Ticket) {
        let waits = self.master_slave.get().and_then(|ms| Some((ms, self.demand(ms)?)));
        let Some((ms, demand)) = waits else { return self.succeed_when_safe(ticket) };
        let success = ResponseCode::SUCCESS;
        let demand = Demand { code: success, late: success, ..demand };
        ms.waits.borrow_mut().push(ticket, demand, |code, buffer| {
            protocol::command::CommandEncoder::response(buffer, ticket.encoding, code.0, ticket.opaque, None).finish();
        });
    }

    /// Ends the sweep's batch of answers that wait for slaves.
    pub(crate) fn seal_copy_waits(&self, end: u64) {
        let Some(ms) = self.master_slave.get() else { return };
        if let Some(sync) = &ms.sync {
            let deadline_ms = self.uptime_ms() + sync.timeout.as_millis() as i64;
            ms.waits.borrow_mut().seal(end, deadline_ms);
        }
    }

    /// # Errors
    /// Too many answers wait for slaves already.
    pub(crate) fn check_copy_waits(&self) -> Result<(), Halt> {
        let waiting = self.master_slave.get().filter(|ms| ms.sync.is_some()).map_or(0, |ms| ms.waits.borrow().len());
        if waiting < super::copy_waits::COPY_WAITS_MAX {
            return Ok(());
        }
        let remark = format!("[OVERLOAD]{waiting} sends wait for a slave, try again");
        Err(Halt::refuse(ResponseCode::SYSTEM_BUSY, remark))
    }
}
