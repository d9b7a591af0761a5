//! A group as its clients see it: who leads, whether a send is acknowledged, how far the others are.

use std::collections::BTreeMap;

use client::{Client, ClientError, ClientOptions, MASTER_ID};
use tokio::runtime::{Builder, Runtime};

use crate::error::CompareError;
use crate::peer::group_plan::GROUP;
use crate::peer::ready_probe;

/// Asks each time anew: nothing that was learned before is in an answer.
#[derive(Debug)]
pub struct GroupView {
    runtime: Runtime,
    name_servers: String,
}

impl GroupView {
    /// Through a name server. Asks nothing yet.
    /// # Errors
    /// There are no threads or descriptors to be had.
    pub fn new(name_servers: &str) -> Result<Self, CompareError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|source| CompareError::Start { name: "the probe's runtime".to_owned(), source })?;
        Ok(Self { runtime, name_servers: name_servers.to_owned() })
    }

    /// Addresses of the replicas that are registered, by `brokerId`; none if the name server does not answer.
    #[must_use]
    pub fn replicas(&self) -> BTreeMap<i64, String> {
        self.runtime.block_on(self.registered()).unwrap_or_default()
    }

    /// Address of the one that leads, as far as the name server knows.
    #[must_use]
    pub fn leader(&self) -> Option<String> {
        self.replicas().remove(&MASTER_ID)
    }

    /// Whether a client that has just asked for the route gets a send acknowledged.
    #[must_use]
    pub fn accepts_sends(&self) -> bool {
        self.runtime.block_on(ready_probe::send(&self.name_servers)).is_ok()
    }

    /// Physical offset where the log of the one that leads ends; `None` if it does not say.
    #[must_use]
    pub fn log_end(&self, leader: &str) -> Option<u64> {
        let status = self.runtime.block_on(self.ha_status(leader)).ok()?;
        u64::try_from(status.master_commit_log_max_offset).ok()
    }

    /// Whether the one that leads says that the replica at this address keeps up with it.
    #[must_use]
    pub fn keeps_up(&self, leader: &str, replica: &str) -> bool {
        let status = self.runtime.block_on(self.ha_status(leader));
        status.is_ok_and(|status| status.ha_connection_info.iter().any(|known| known.addr == replica && known.in_sync))
    }

    async fn registered(&self) -> Result<BTreeMap<i64, String>, ClientError> {
        let mut info = self.client().await?.admin().cluster_info().await?;
        Ok(info.broker_addr_table.remove(GROUP).map(|data| data.broker_addrs).unwrap_or_default())
    }

    async fn ha_status(&self, broker: &str) -> Result<protocol::body::HaStatus, ClientError> {
        self.client().await?.admin().broker_ha_status(broker).await
    }

    async fn client(&self) -> Result<Client, ClientError> {
        let options = ClientOptions {
            connect_timeout: ready_probe::ATTEMPT,
            request_timeout: ready_probe::ATTEMPT,
            ..ClientOptions::default()
        };
        Client::new(&self.name_servers, options).await
    }
}
