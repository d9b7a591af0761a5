//! What a name server says of the replicas of a broker, asked again and again over one connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use protocol::body::ClusterInfo;
use protocol::code::RequestCode;

use crate::raw_client::RawClient;
use crate::requests;

/// How exact the moment of a change is known.
const POLL: Duration = Duration::from_millis(5);
const MASTER_ID: i64 = 0;

/// One name server's view.
#[derive(Debug)]
pub struct ClusterView {
    client: RawClient,
}

impl ClusterView {
    /// Connects to the name server.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn of(name_server: SocketAddr) -> Self {
        Self { client: RawClient::connect(name_server) }
    }

    /// Addresses of a broker's replicas by `brokerId`.
    ///
    /// # Panics
    /// When the name server does not answer.
    pub fn replicas(&mut self, broker: &str) -> BTreeMap<i64, String> {
        let answer = self.client.ask(requests::with_body(RequestCode::GET_BROKER_CLUSTER_INFO, &[]));
        let decoded = ClusterInfo::decode(&answer.body);
        let mut info = decoded.unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        info.broker_addr_table.remove(broker).map(|data| data.broker_addrs).unwrap_or_default()
    }

    /// Who is registered as the master.
    pub fn leader(&mut self, broker: &str) -> Option<SocketAddr> {
        self.replicas(broker).get(&MASTER_ID).and_then(|address| address.parse().ok())
    }

    /// Waits until another one than `old` is the master; returns who, and when that was seen.
    ///
    /// # Panics
    /// When `limit` passes.
    pub fn wait_for_other_leader(&mut self, broker: &str, old: SocketAddr, limit: Duration) -> (SocketAddr, Instant) {
        let start = Instant::now();
        loop {
            let leader = self.leader(broker);
            let now = Instant::now();
            if let Some(leader) = leader.filter(|leader| *leader != old) {
                return (leader, now);
            }
            assert!(now - start < limit, "waited {limit:?} for another leader of {broker} than {old}: {leader:?}");
            thread::sleep(POLL);
        }
    }
}
