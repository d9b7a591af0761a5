//! Brokers: who belongs to which cluster, and how each is doing.

use std::net::SocketAddr;

use protocol::body::{ClusterInfo, HaStatus, KvTable, MasterSlaveState, MemberChange};
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

    /// Adds a node, `n3`, to a group of Turbopump's replicas, in the place of `replaces` if that is given; `address` is where
    /// shard 0 of it listens for the others. The leader is asked; returns how far it is, which the same call tells again.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn add_replica(
        &self,
        broker_address: &str,
        node: &str,
        address: SocketAddr,
        replaces: Option<&str>,
    ) -> Result<MemberChange, ClientError> {
        let answer = self.request(broker_address, RequestCode::CHANGE_GROUP_MEMBERS, |fields| {
            fields.field("change", "add").field("node", node).field("address", address.to_string().as_str());
            if let Some(replaces) = replaces {
                fields.field("replaces", replaces);
            }
        });
        answer.await?.body(MemberChange::decode)
    }

    /// Removes a node, `n3`, from a group of Turbopump's replicas. As [`Self::add_replica`].
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked.
    pub async fn remove_replica(&self, broker_address: &str, node: &str) -> Result<MemberChange, ClientError> {
        let answer = self.request(broker_address, RequestCode::CHANGE_GROUP_MEMBERS, |fields| {
            fields.field("change", "remove").field("node", node);
        });
        answer.await?.body(MemberChange::decode)
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
