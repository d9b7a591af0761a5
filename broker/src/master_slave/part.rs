//! What a master and a slave let clients do, and what both tell name servers.

use std::sync::Arc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use storage::commit_log::LogPosition;

use super::master_link::MASTER_SILENCE_MS;
use super::master_search::Search;
use super::{MasterSlave, Part, Shared};
use crate::env::Env;
use crate::registration::{MASTER_ID, Standing};
use crate::replication::Answerer;
use crate::request::{Halt, Request};
use crate::route_table::{AnsweredBy, answered_by};
use crate::shard::Shard;

/// What a slave answers to sends, as Apache's does.
const REJECTED: &str = "[REJECTREQUEST]system busy, start flow control for a while";
/// A slave is promoted without force when its master was silent for longer than this.
const PAUSE_MAX: Duration = Duration::from_millis(MASTER_SILENCE_MS as u64 - 1_000);
/// How often the master is looked for by one who does not know who it is ...
const SEARCH_SOON: Duration = Duration::from_millis(500);
/// ... and by one who does.
const SEARCH_LATER: Duration = Duration::from_secs(5);

impl<E: Env> Shard<E> {
    /// Whether it copies another's log.
    pub(crate) fn is_slave(&self) -> bool {
        self.master_slave.get().is_some_and(|ms| ms.part() == Part::Copies)
    }

    /// Makes this shard a master or slave: before its first request.
    pub fn join_master_slave(self: &Shared<E>, ms: MasterSlave) {
        assert!(self.master_slave.set(ms).is_ok(), "a shard has one part");
        let Some(ms) = self.master_slave.get() else { return };
        if ms.part() == Part::Asks {
            tracing::info!(
                shard = self.identity.broker_name,
                "this master has had slaves: it takes messages when name servers, or all these slaves, say that none was promoted"
            );
        }
        self.announce_part(ms);
    }

    /// Whether this one answers the request, and with what not.
    pub(crate) fn answered_here(&self, ms: &MasterSlave, request: &Request<'_>) -> Result<Answerer, Halt> {
        let code = RequestCode(request.header.code);
        self.doubt_after_pause(ms);
        let is_pull = matches!(code, RequestCode::PULL_MESSAGE | RequestCode::LITE_PULL_MESSAGE);
        match (ms.part(), answered_by(request.number)) {
            (Part::Serves, _) | (Part::Asks, AnsweredBy::Any | AnsweredBy::Always) => Ok(Answerer::Own),
            (Part::Copies, AnsweredBy::Any) if is_pull && !self.config.replication.slave_reads.enabled => {
                Err(Halt::refuse(ResponseCode::SYSTEM_BUSY, REJECTED))
            }
            (Part::Copies, AnsweredBy::Any | AnsweredBy::Always) => Ok(Answerer::Own),
            (Part::Copies, AnsweredBy::Leader) => self.answered_by_slave(ms, code),
            (Part::Asks, AnsweredBy::Leader) => {
                let remark = "this master was away and asks whether a slave was promoted meanwhile; try again";
                Err(Halt::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, remark))
            }
            (Part::Changes, _) if is_about_broker(code) => Ok(Answerer::Own),
            (Part::Changes, _) => {
                let remark =
                    "this broker becomes master or slave, or takes back what its master does not have; try again";
                Err(Halt::refuse(ResponseCode::SYSTEM_BUSY, remark))
            }
        }
    }

    /// A master that hung for so long that a slave may have been promoted asks before it goes on.
    fn doubt_after_pause(&self, ms: &MasterSlave) {
        if ms.part() != Part::Serves || ms.state.borrow().slaves.is_empty() {
            return;
        }
        let pause = ms.ticked.get().map_or(Duration::ZERO, |ticked| self.env.instant() - ticked);
        if pause >= PAUSE_MAX {
            let pause_ms = pause.as_millis() as u64;
            tracing::warn!(
                shard = self.identity.broker_name,
                pause_ms,
                "this master hung, and asks whether a slave was promoted meanwhile before it takes messages"
            );
            ms.part.set(Part::Asks);
            self.announce_part(ms);
        }
    }

    /// As Apache's: consumers of a slave keep their offsets and locks there, and nothing else is changed.
    fn answered_by_slave(&self, ms: &MasterSlave, code: RequestCode) -> Result<Answerer, Halt> {
        match code {
            RequestCode::QUERY_CONSUMER_OFFSET
            | RequestCode::UPDATE_CONSUMER_OFFSET
            | RequestCode::LOCK_BATCH_MQ
            | RequestCode::UNLOCK_BATCH_MQ => Ok(Answerer::Own),
            RequestCode::SEND_MESSAGE
            | RequestCode::SEND_MESSAGE_V2
            | RequestCode::SEND_BATCH_MESSAGE
            | RequestCode::CONSUMER_SEND_MSG_BACK => Err(Halt::refuse(ResponseCode::SYSTEM_BUSY, REJECTED)),
            _ => Err(self.not_master(ms)),
        }
    }

    /// The refusal of what only the master does.
    pub(crate) fn not_master(&self, ms: &MasterSlave) -> Halt {
        let name = &self.identity.broker_name;
        let master = ms.master.borrow().address.clone();
        let master = master.unwrap_or_else(|| "not known at present".to_owned());
        Halt::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, format!("this is a slave of {name}; its master is {master}"))
    }

    /// Where the log stands that queues and tables reflect; `None`: nowhere in particular now.
    pub(crate) fn reflected_by_copy(&self, ms: &MasterSlave) -> Option<LogPosition> {
        let end = Some(self.store.log().end());
        match ms.part() {
            Part::Serves | Part::Asks => end,
            // An empty log has no id of its own yet.
            Part::Copies => end.filter(|end| end.index > 0),
            Part::Changes => None,
        }
    }

    /// After every sweep and flush.
    pub(crate) fn tend_copies(self: &Shared<E>, ms: &MasterSlave) {
        match ms.part() {
            Part::Serves if ms.slaves.borrow().is_empty() && ms.waits.borrow().len() == 0 => {}
            Part::Serves => self.tend_slaves(ms),
            Part::Copies => self.ask_master(ms),
            Part::Asks | Part::Changes => {}
        }
        if let Some(cause) = self.store.log().failure() {
            ms.waits.borrow_mut().fail(&cause, |ticket, refusal| ticket.refuse(self, refusal));
        }
    }

    /// By the clock.
    pub(crate) fn tick_copies(self: &Shared<E>) {
        let Some(ms) = self.master_slave.get() else { return };
        self.doubt_after_pause(ms);
        ms.ticked.set(Some(self.env.instant()));
        let now_ms = self.uptime_ms();
        match ms.part() {
            Part::Serves => self.tick_master(ms, now_ms),
            Part::Copies => self.tick_slave(ms, now_ms),
            Part::Asks | Part::Changes => {}
        }
        self.announce_part(ms);
    }

    /// Tells name servers what this one is, and the search for the master whom to ask and how often.
    pub(super) fn announce_part(&self, ms: &MasterSlave) {
        let state = ms.state.borrow();
        let state_version = i64::try_from(state.epoch).unwrap_or(i64::MAX);
        let slave = Standing { broker_id: ms.slave_id.get(), state_version };
        let standing = match ms.part() {
            Part::Serves => Some(Standing { broker_id: MASTER_ID, state_version }),
            Part::Copies => Some(slave),
            Part::Asks | Part::Changes => None,
        };
        let pause = match ms.part() {
            // Nobody was ever there to be promoted.
            Part::Serves if state.slaves.is_empty() && state.epoch == 0 => None,
            Part::Serves => Some(SEARCH_LATER),
            Part::Copies if ms.master.borrow().is_up() => Some(SEARCH_LATER),
            Part::Copies | Part::Asks | Part::Changes => Some(SEARCH_SOON),
        };
        let search = pause.map(|pause| {
            let slaves = state.slaves.iter().map(|slave| slave.address.clone()).collect();
            Arc::new(Search { pause, slaves, is_slave: ms.part() == Part::Copies })
        });
        self.registration.part_changed(standing, search);
    }
}

/// Requests that ask about the broker itself, and are answered whatever it does.
fn is_about_broker(code: RequestCode) -> bool {
    matches!(
        code,
        RequestCode::GET_BROKER_CONFIG
            | RequestCode::GET_BROKER_RUNTIME_INFO
            | RequestCode::GET_BROKER_HA_STATUS
            | RequestCode::GET_MASTER_SLAVE_STATE
            | RequestCode::HEART_BEAT
    )
}
