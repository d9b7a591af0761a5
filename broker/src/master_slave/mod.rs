//! A master and its slaves, as `brokerRole` says: a slave keeps a copy of its master's log, shard by shard.
//!
//! The master is an ordinary broker. Each shard of a slave asks the same shard of its master for what comes behind the end of
//! its own log (`copying`), over the master's port for slaves (`connect`); the master answers (`serve`) at once, or in the sweep
//! that makes something new. With each request the slave confirms what came before, which answers of a SYNC_MASTER wait
//! for (`copy_waits`). Where the two logs part, the slave takes its end back (`parting`, `step_back`); where the master keeps
//! nothing any more that continues the slave's log, the slave fetches a store (`install`, on the master's side `give_store`). An operator promotes
//! a slave (`turn`), which raises the *epoch*: of two that take themselves for the master, the one of the higher epoch is.
//! `master_search` finds the master, for a slave and for a former master alike. `kept_state` is what none of them must forget.

mod connect;
mod copy_waits;
mod copying;
mod give_store;
mod install;
pub mod kept_state;
mod look;
mod master_link;
pub mod master_search;
mod part;
mod parting;
mod serve;
mod slaves;
mod status;
mod step_back;
mod suggest;
mod turn;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use storage::StorageError;

use self::copy_waits::CopyWaits;
use self::copy_waits::Demand;
use self::kept_state::{KeptState, Turned};
pub use self::look::MasterSlaveView;
use self::master_link::MasterLink;
pub use self::master_search::MasterNews;
use self::parting::Parting;
use self::slaves::Slaves;
pub(crate) use self::suggest::GroupBrokers;
use crate::config::replication::{BrokerRole, SyncMaster};
use crate::config::{BrokerConfig, ReplicationMode};
use crate::env::Env;
use crate::registration::MASTER_ID;
use crate::replication::AppendTimes;
use crate::shard::Shard;

/// `brokerId` of a former master, where its configuration says none.
const SLAVE_ID_DEFAULT: i64 = 1;

/// How often a change of the kept state that has to wait for another looks.
const SAVE_WAIT: Duration = Duration::from_millis(1);

/// What a shard is to the others of its name at present.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// A master that has had slaves, and does not know yet whether one of them was promoted while it was away.
    Asks,
    /// The master.
    Serves,
    /// A slave.
    Copies,
    /// It takes an end of its log back, or becomes the other of both.
    Changes,
}

/// A shard's part in this mode.
pub struct MasterSlave {
    part: Cell<Part>,
    /// As it is on disk.
    state: RefCell<KeptState>,
    /// It is being replaced.
    is_saving: Cell<bool>,
    /// Set on a SYNC_MASTER.
    sync: Option<SyncMaster>,
    /// `brokerId` as a slave.
    slave_id: Cell<i64>,
    slaves: RefCell<Slaves>,
    waits: RefCell<CopyWaits>,
    master: RefCell<MasterLink>,
    parting: RefCell<Option<Parting>>,
    /// A task of the slave's is under way: it asks for nothing meanwhile.
    is_busy: Cell<bool>,
    /// Stores that a slave began to fetch.
    installations: Cell<u64>,
    /// What an earlier process began to fetch was looked for, and removed if it was of no use any more.
    left_is_removed: Cell<bool>,
    /// Why a slave has given up copying.
    stuck: RefCell<Option<String>>,
    times: RefCell<AppendTimes>,
    /// When the clock was looked at last.
    ticked: Cell<Option<Instant>>,
    /// Bytes behind the end of the log from which on consumers are sent to a slave; `None`: they are not.
    slave_read_bytes: Option<u64>,
}

impl MasterSlave {
    /// The part that configuration and kept state give a shard; `None` in another mode.
    pub fn new(config: &BrokerConfig, state: KeptState) -> Option<Self> {
        let ReplicationMode::MasterSlave(role) = &config.replication.mode else { return None };
        let part = if is_slave(config, &state) {
            Part::Copies
        } else if state.slaves.is_empty() {
            Part::Serves
        } else {
            Part::Asks
        };
        let sync = match role {
            BrokerRole::SyncMaster(sync) => Some(sync.clone()),
            BrokerRole::AsyncMaster | BrokerRole::Slave(_) => None,
        };
        let configured = Some(config.identity.broker_id).filter(|id| *id != MASTER_ID);
        let slave_id = configured.or(state.slave_id).unwrap_or(SLAVE_ID_DEFAULT);
        Some(Self {
            part: Cell::new(part),
            state: RefCell::new(state),
            is_saving: Cell::new(false),
            sync,
            slave_id: Cell::new(slave_id),
            slaves: RefCell::default(),
            waits: RefCell::default(),
            master: RefCell::default(),
            parting: RefCell::default(),
            is_busy: Cell::new(false),
            installations: Cell::default(),
            left_is_removed: Cell::default(),
            stuck: RefCell::default(),
            times: RefCell::default(),
            ticked: Cell::new(None),
            slave_read_bytes: suggest::slave_read_bytes(config.replication.slave_reads),
        })
    }

    /// Whether clients may change anything here.
    pub(crate) fn serves(&self) -> bool {
        self.part.get() == Part::Serves
    }

    fn part(&self) -> Part {
        self.part.get()
    }

    fn epoch(&self) -> u64 {
        self.state.borrow().epoch
    }
}

/// Whether a shard starts as a slave: its store knows better than its configuration.
pub fn is_slave(config: &BrokerConfig, state: &KeptState) -> bool {
    let ReplicationMode::MasterSlave(role) = &config.replication.mode else { return false };
    match state.turned {
        Some(turned) => turned == Turned::Slave,
        None => matches!(role, BrokerRole::Slave(_)),
    }
}

/// Says at start where the store knows better.
pub(crate) fn say_if_turned(config: &BrokerConfig, state: &KeptState, shard: &str) {
    let ReplicationMode::MasterSlave(role) = &config.replication.mode else { return };
    let epoch = state.epoch;
    match (state.turned, role) {
        (Some(Turned::Master), BrokerRole::Slave(_)) => tracing::warn!(
            shard,
            epoch,
            "brokerRole=SLAVE, but this slave was promoted and stays the master; set brokerRole to what it is to be from now on"
        ),
        (Some(Turned::Slave), BrokerRole::AsyncMaster | BrokerRole::SyncMaster(_)) => tracing::warn!(
            shard,
            epoch,
            "brokerRole says master, but a slave of this broker was promoted, so it is a slave; mqadmin promoteSlave makes it \
             the master again"
        ),
        _ => {}
    }
}

impl<E: Env> Shard<E> {
    /// Changes what must not be forgotten, durably; one change at a time.
    async fn save_part(
        &self,
        ms: &MasterSlave,
        change: impl FnOnce(KeptState) -> KeptState,
    ) -> Result<(), StorageError> {
        while ms.is_saving.replace(true) {
            self.env.sleep(SAVE_WAIT).await;
        }
        let state = change(ms.state.borrow().clone());
        let saved = kept_state::save(self.store.log().disk(), &state).await;
        if saved.is_ok() {
            ms.state.replace(state);
        }
        ms.is_saving.set(false);
        saved
    }
}

/// Tasks hold the shard, and with it this.
type Shared<E> = Rc<Shard<E>>;
