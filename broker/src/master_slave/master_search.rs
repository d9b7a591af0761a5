//! Who is the master of a broker name? Looked for on the control thread, by slaves, by masters that have had slaves, and by
//! those of them that come back: name servers say who is registered, and whoever is says what it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::body::{ClusterInfo, MasterSlavePart, MasterSlaveState};
use protocol::code::RequestCode;
use protocol::command::{CommandEncoder, RemotingCommand};
use protocol::frame::HeaderEncoding;
use runtime::MailboxSender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::parse::host_port::HostPort;
use crate::config::parse::name_servers::NameServerAddress;
use crate::config::replication::BrokerRole;
use crate::config::shard_layout::SHARD_PORT_STEP;
use crate::config::{BrokerConfig, ReplicationMode, ShardIdentity};
use crate::registration::{NameServerLink, RegistrationReceiver};
use crate::shard_message::ShardMessage;

/// Who does not answer within this is not there.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a shard wants to know of its master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// How often.
    pub pause: Duration,
    /// Slaves that this master has had: `host:port` for clients.
    pub slaves: Vec<String>,
    /// Whether it is a slave.
    pub is_slave: bool,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterNews {
    /// Nobody else is the master, for certain.
    NoOther,
    /// This one is.
    Other {
        /// Promotions that led to it.
        epoch: u64,
        /// `host:port` for clients.
        address: String,
        /// Where it listens for slaves.
        slaves_address: SocketAddr,
    },
    /// None was found, and this is configured.
    Configured {
        /// Where it listens for slaves.
        slaves_address: SocketAddr,
    },
}

/// Searches for one shard, as often as it wants to, until `stop` changes.
pub(crate) async fn keep_searching(
    config: Arc<BrokerConfig>,
    shard: ShardIdentity,
    mut announcements: RegistrationReceiver,
    mailbox: MailboxSender<ShardMessage>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let search = announcements.borrow_and_update().search();
        let look = async {
            let Some(search) = search else { return std::future::pending().await };
            if let Some(news) = look(&config, &shard, &search).await {
                mailbox.send(ShardMessage::Master(news));
            }
            tokio::time::sleep(search.pause).await;
        };
        let searched = announcements.clone();
        let changed = async {
            let before = searched.borrow().search();
            let mut searched = searched.clone();
            // Topics change often, and say nothing here.
            let _ = searched.wait_for(|announcement| announcement.search() != before).await;
        };
        tokio::select! {
            () = look => {}
            () = changed => {}
            _ = stop.changed() => return,
        }
        if *stop.borrow() {
            return;
        }
    }
}

async fn look(config: &BrokerConfig, shard: &ShardIdentity, search: &Search) -> Option<MasterNews> {
    let mut asked = JoinSet::new();
    for server in config.registration.name_servers.0.clone() {
        let (cluster, name) = (config.identity.cluster_name.clone(), shard.broker_name.clone());
        asked.spawn(async move { registered(&server, &cluster, &name).await });
    }
    let answers: Vec<Vec<String>> = asked.join_all().await.into_iter().flatten().collect();
    let has_name_server = !answers.is_empty();
    let mut addresses: Vec<String> = answers.into_iter().flatten().chain(search.slaves.iter().cloned()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.retain(|address| *address != shard.advertised_address);
    let mut asked = JoinSet::new();
    for address in addresses {
        let name = shard.broker_name.clone();
        asked.spawn(async move {
            let state = state_of(&address).await.filter(|state| state.broker_name == name);
            (address, state)
        });
    }
    let states = asked.join_all().await;
    match search.judge(has_name_server, &states) {
        Verdict::Master { epoch, address, slaves_address } => {
            let slaves_address = resolve(&slaves_address).await?;
            Some(MasterNews::Other { epoch, address, slaves_address })
        }
        Verdict::NotFound => {
            let slaves_address = configured(config, shard.index).await?;
            Some(MasterNews::Configured { slaves_address })
        }
        Verdict::NoOther => Some(MasterNews::NoOther),
        Verdict::Unknown => None,
    }
}

/// What follows from what was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This one is the master.
    Master {
        /// Promotions that led to it.
        epoch: u64,
        /// `host:port` for clients.
        address: String,
        /// `host:port` where it listens for slaves.
        slaves_address: String,
    },
    /// A slave has found none.
    NotFound,
    /// A master is the only one, for certain.
    NoOther,
    /// A master cannot tell.
    Unknown,
}

impl Search {
    /// `states` has the answer, if there was one, of everybody who was asked: all that are registered, and this master's slaves.
    pub fn judge(&self, has_name_server: bool, states: &[(String, Option<MasterSlaveState>)]) -> Verdict {
        let masters = states.iter().filter_map(|(address, state)| {
            let state = state.as_ref().filter(|state| state.part == MasterSlavePart::Master)?;
            Some((u64::try_from(state.epoch).ok()?, address, state))
        });
        if let Some((epoch, address, state)) = masters.max_by_key(|(epoch, ..)| *epoch) {
            let (address, slaves_address) = (address.clone(), state.slaves_address.clone());
            return Verdict::Master { epoch, address, slaves_address };
        }
        if self.is_slave {
            return Verdict::NotFound;
        }
        // Whoever is registered and does not answer may be a master that is busy, or cut off from here only. A slave that is
        // not registered is dead, or was never promoted: a master is registered wherever this one could be.
        let answered = |address: &String| states.iter().any(|(other, state)| other == address && state.is_some());
        let all_slaves = !self.slaves.is_empty() && self.slaves.iter().all(answered);
        let registered = states.iter().map(|(address, _)| address).filter(|address| !self.slaves.contains(address));
        let all_registered = registered.into_iter().all(answered);
        if all_slaves || (has_name_server && all_registered) { Verdict::NoOther } else { Verdict::Unknown }
    }
}

/// Addresses that are registered under a broker name; `None`: this name server does not answer.
async fn registered(server: &NameServerAddress, cluster: &str, broker_name: &str) -> Option<Vec<String>> {
    let answer = ask(server, RequestCode::GET_BROKER_CLUSTER_INFO).await?;
    let info = ClusterInfo::decode(&answer.body).ok()?;
    let group = info.broker_addr_table.get(broker_name).filter(|group| group.cluster == cluster);
    Some(group.map(|group| group.broker_addrs.values().cloned().collect()).unwrap_or_default())
}

/// What a broker is; `None`: it does not answer, or is none of this mode.
async fn state_of(address: &str) -> Option<MasterSlaveState> {
    let answer = ask(&HostPort::parse(address)?, RequestCode::GET_MASTER_SLAVE_STATE).await?;
    MasterSlaveState::decode(&answer.body).ok()
}

async fn ask(server: &NameServerAddress, code: RequestCode) -> Option<RemotingCommand> {
    let mut link = NameServerLink::connect(server, PATIENCE).await.ok()?;
    let encode = |buffer: &mut Vec<u8>, opaque| {
        CommandEncoder::request(buffer, HeaderEncoding::Json, code.0, opaque, 0).finish();
    };
    link.ask(PATIENCE, encode).await.ok()
}

async fn resolve(address: &str) -> Option<SocketAddr> {
    let HostPort { host, port } = HostPort::parse(address)?;
    tokio::net::lookup_host((host.as_str(), port)).await.ok()?.next()
}

/// `haMasterAddress`, for a shard.
async fn configured(config: &BrokerConfig, shard: u32) -> Option<SocketAddr> {
    let ReplicationMode::MasterSlave(BrokerRole::Slave(slave)) = &config.replication.mode else { return None };
    let HostPort { host, port } = slave.master.as_ref()?;
    let port = u16::try_from(u32::from(*port) + shard * u32::from(SHARD_PORT_STEP)).ok()?;
    tokio::net::lookup_host((host.as_str(), port)).await.ok()?.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(slaves: &[&str]) -> Search {
        let slaves = slaves.iter().map(|slave| (*slave).to_owned()).collect();
        Search { pause: PATIENCE, slaves, is_slave: false }
    }

    fn answer(address: &str, part: MasterSlavePart, epoch: i64) -> (String, Option<MasterSlaveState>) {
        let slaves_address = format!("{address}2");
        (address.to_owned(), Some(MasterSlaveState { part, epoch, slaves_address, ..MasterSlaveState::default() }))
    }

    #[test]
    fn of_two_masters_the_one_with_more_promotions_is_it() {
        let heard = [answer("a:1", MasterSlavePart::Master, 1), answer("b:1", MasterSlavePart::Master, 2)];
        let expected = Verdict::Master { epoch: 2, address: "b:1".to_owned(), slaves_address: "b:12".to_owned() };
        assert_eq!(search(&[]).judge(true, &heard), expected);
    }

    #[test]
    fn nobody_else_is_master_when_all_slaves_or_all_who_are_registered_say_so() {
        let slave = |address| answer(address, MasterSlavePart::Slave, 1);
        let silent = |address: &str| (address.to_owned(), None);
        assert_eq!(search(&["a:1"]).judge(false, &[slave("a:1")]), Verdict::NoOther);
        assert_eq!(search(&["a:1"]).judge(true, &[silent("a:1")]), Verdict::NoOther, "it is not registered");
        assert_eq!(search(&["a:1"]).judge(true, &[slave("a:1"), silent("b:1")]), Verdict::NoOther);
        assert_eq!(
            search(&["a:1", "c:1"]).judge(true, &[slave("a:1"), silent("b:1"), silent("c:1")]),
            Verdict::Unknown
        );
        assert_eq!(search(&["a:1"]).judge(false, &[silent("a:1")]), Verdict::Unknown);
        assert_eq!(search(&[]).judge(false, &[]), Verdict::Unknown);
    }
}
