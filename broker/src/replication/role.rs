//! What a replica lets clients do: all of it where it leads, reads where it follows.

use std::rc::Rc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use storage::commit_log::LogPosition;

use super::members::node_name;
use super::open;
use super::replica::{Phase, Replica};
use crate::env::Env;
use crate::registration::{self, ReplicaRole};
use crate::request::{Halt, Request};
use crate::route_table::{AnsweredBy, answered_by};
use crate::shard::Shard;

/// How often a checkpoint that waits for a majority looks ...
const COMMIT_WAIT: Duration = Duration::from_millis(2);
/// ... and how many times.
const COMMIT_WAITS_MAX: u32 = 2500;

/// Who answers a request.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answerer {
    /// This replica.
    Own,
    /// The node that leads.
    Leader(u64),
}

impl<E: Env> Shard<E> {
    /// Who answers the request, now.
    pub(crate) fn answerer(&self, request: &Request<'_>) -> Result<Answerer, Halt> {
        if let Some(ms) = self.master_slave.get() {
            return self.answered_here(ms, request);
        }
        let Some(replica) = self.replica.get() else { return Ok(Answerer::Own) };
        if replica.is_outside() {
            return self.answerer_outside(replica, request);
        }
        match (replica.phase(), answered_by(request.number)) {
            (_, AnsweredBy::Any | AnsweredBy::Always) if request.peer.id.is_detached() => {
                // What others answer by themselves has its place on their connections.
                let remark = format!(" request type {} is not handed on", request.header.code);
                Err(Halt::refuse(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark))
            }
            (Phase::Leads | Phase::Follows | Phase::HandsOver, AnsweredBy::Any | AnsweredBy::Always)
            | (Phase::Stopped, AnsweredBy::Always) => Ok(Answerer::Own),
            // While it writes something of its own, or hands its lead over, or has lost it: a moment.
            (Phase::Leads, AnsweredBy::Leader) if replica.group.borrow().is_writing() => Err(Halt::Stall),
            (Phase::Leads, AnsweredBy::Leader) => Ok(Answerer::Own),
            (Phase::HandsOver | Phase::TakesBack, AnsweredBy::Leader) => Err(Halt::Stall),
            (Phase::Follows, AnsweredBy::Leader) => self.leader_to_ask(replica, request).map(Answerer::Leader),
            (Phase::TakesBack, AnsweredBy::Any | AnsweredBy::Always) => Err(Halt::refuse(
                ResponseCode::SYSTEM_BUSY,
                "the replica has lost its lead and takes back what nobody else has; try again",
            )),
            (Phase::Installs, _) => Err(Halt::refuse(
                ResponseCode::SYSTEM_BUSY,
                "the replica puts a store in place that it has fetched from its leader; try again",
            )),
            (Phase::Stopped, _) => {
                let remark = format!(
                    "this replica of {} takes no part in its group: its log says why",
                    self.identity.broker_name
                );
                Err(Halt::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, remark))
            }
        }
    }

    /// A node that is no member of its group says how it is, and nothing else.
    fn answerer_outside(&self, replica: &Replica, request: &Request<'_>) -> Result<Answerer, Halt> {
        let shown = [
            RequestCode::GET_BROKER_RUNTIME_INFO,
            RequestCode::GET_BROKER_CONFIG,
            RequestCode::GET_BROKER_HA_STATUS,
            RequestCode::HEART_BEAT,
            RequestCode::UNREGISTER_CLIENT,
        ];
        if shown.iter().any(|code| code.0 == request.header.code) {
            return Ok(Answerer::Own);
        }
        let (name, node) = (&self.identity.broker_name, node_name(replica.node));
        let remark = format!("{node} is no member of {name}: not yet, or no more; refresh the route");
        Err(Halt::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, remark))
    }

    /// The refusal of what only the leader does.
    pub(crate) fn not_leading(&self) -> Halt {
        if let Some(ms) = self.master_slave.get() {
            return self.not_master(ms);
        }
        let leader = self.replica.get().and_then(|replica| {
            let leader = replica.leader()?;
            replica.links.borrow().client_address(leader).map(str::to_owned)
        });
        let name = &self.identity.broker_name;
        let remark = match leader {
            Some(address) => format!("this replica of {name} does not lead, {address} does; refresh the route"),
            None => format!("{name} has no leader at present, try again"),
        };
        Halt::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, remark)
    }

    /// Where the log stands that queues and tables reflect; `None`: nowhere in particular now.
    pub(crate) fn reflected(&self) -> Option<LogPosition> {
        if let Some(ms) = self.master_slave.get() {
            return self.reflected_by_copy(ms);
        }
        let Some(replica) = self.replica.get() else { return Some(self.store.log().end()) };
        if !replica.members_are_saved() {
            return None;
        }
        match replica.phase() {
            Phase::Leads => Some(self.store.log().end()),
            // What was pulled is applied entry by entry: between two, both reflect all that is applied.
            Phase::Follows
                if (!replica.is_reading.get() || replica.is_applying_pulled.get())
                    && replica.applied_start.get().is_none() =>
            {
                Some(replica.applied.get()).filter(|at| at.index > 0)
            }
            _ => None,
        }
    }

    /// Waits until a majority has the log up to `position`. False: it lost its lead, or no majority comes.
    pub(crate) async fn until_committed(&self, position: u64) -> bool {
        let Some(replica) = self.replica.get() else { return true };
        let phase = replica.phase();
        for _ in 0..COMMIT_WAITS_MAX {
            if self.store.log().acknowledgeable() >= position && replica.members_are_saved() {
                return true;
            }
            self.env.sleep(COMMIT_WAIT).await;
            if replica.phase() != phase {
                return false;
            }
        }
        false
    }

    /// Makes this shard a replica: before its first request.
    pub fn join_group(&self, replica: Replica) {
        assert!(self.replica.set(replica).is_ok(), "a shard is one replica");
    }

    /// The process ends and serves nobody any more: puts all there is on stable storage. True: that is done, and the ring,
    /// if there was one, holds nothing that is needed.
    pub async fn leave_in_order(self: &Rc<Self>) -> bool {
        self.checkpoint().await;
        let log = self.store.log();
        let is_flushed = log.flush().await.is_ok() && log.sync().await.is_ok() && log.waiting_bytes() == 0;
        if is_flushed {
            self.leave_group().await;
            log.replace_ring(None);
        }
        is_flushed
    }

    /// The process ends, and everything that this replica confirmed is on stable storage.
    async fn leave_group(&self) {
        let Some(replica) = self.replica.get() else { return };
        if let Err(error) = open::close(self.store.log().disk(), replica).await {
            tracing::warn!(%error, shard = self.identity.broker_name, "the next start takes this replica for one that may have forgotten something");
        }
    }

    /// Tells name servers what part this replica has.
    pub(crate) fn announce_role(&self, replica: &Replica) {
        let role = match replica.phase() {
            _ if replica.is_outside() => ReplicaRole::Outside,
            // It stays registered as it is.
            Phase::Follows | Phase::TakesBack if self.is_last_known_leader(replica) => return,
            Phase::Leads | Phase::HandsOver => ReplicaRole::Leading,
            Phase::Follows | Phase::TakesBack if replica.leader().is_some() => ReplicaRole::Following,
            Phase::Stopped => ReplicaRole::Stopped,
            _ => ReplicaRole::Undecided,
        };
        let slave_id = i64::try_from(replica.node).unwrap_or(i64::MAX);
        self.registration.role_changed(registration::Replica { slave_id, term: replica.term(), role });
    }
}
