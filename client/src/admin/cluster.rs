//! Brokers: who belongs to which cluster, and how each is doing.

use protocol::body::{ClusterInfo, HaStatus, KvTable, MasterSlaveState};
use protocol::code::RequestCode;

use super::Admin;
use crate::error::ClientError;

impl Admin {
    /// All brokers that are registered, by cluster.
    ///
    /// # Errors
    /// Why no name server could be asked.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, ClientError> {
        self.ask(RequestCode::GET_BROKER_CLUSTER_INFO, |_| {}).await?.body(ClusterInfo::decode)
    }

    /// A broker's version, load, counters and disk use, as text by name.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn broker_runtime_info(&self, broker_address: &str) -> Result<KvTable, ClientError> {
        self.request(broker_address, RequestCode::GET_BROKER_RUNTIME_INFO, |_| {}).await?.body(KvTable::decode)
    }

    /// How far the copies of a broker's log are.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn broker_ha_status(&self, broker_address: &str) -> Result<HaStatus, ClientError> {
        self.request(broker_address, RequestCode::GET_BROKER_HA_STATUS, |_| {}).await?.body(HaStatus::decode)
    }

    /// Whether a broker is master or slave, and how far its log goes. Only this project's brokers know the request.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn master_slave_state(&self, broker_address: &str) -> Result<MasterSlaveState, ClientError> {
        let code = RequestCode::GET_MASTER_SLAVE_STATE;
        self.request(broker_address, code, |_| {}).await?.body(MasterSlaveState::decode)
    }

    /// Makes a slave the master of its name; with `is_forced` although its master is there. Returns what it is then. Only
    /// this project's brokers know the request.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn promote_slave(&self, broker_address: &str, is_forced: bool) -> Result<MasterSlaveState, ClientError> {
        let answer = self.request(broker_address, RequestCode::PROMOTE_SLAVE, |encoder| {
            encoder.field("force", is_forced);
        });
        answer.await?.body(MasterSlaveState::decode)
    }
}
