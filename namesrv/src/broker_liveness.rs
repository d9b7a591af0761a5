//! Which brokers are alive, and since when each was last heard.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::body::DataVersion;

use crate::Connection;

/// A broker that says no other time may be silent for this long.
pub const SILENCE_MAX_DEFAULT: Duration = Duration::from_secs(120);

/// Who a live broker is. Two clusters may use one address (behind different gateways), so both count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokerIdentity {
    /// `brokerClusterName`.
    pub cluster: String,
    /// `ip:port` that clients connect to.
    pub address: String,
}

impl BrokerIdentity {
    /// From borrowed parts.
    pub fn new(cluster: &str, address: &str) -> Self {
        Self { cluster: cluster.to_owned(), address: address.to_owned() }
    }
}

/// What the last registration of a broker said.
#[derive(Debug, Clone)]
pub struct LiveBroker {
    /// Its group.
    pub broker_name: String,
    /// The connection it registered over: its close is the broker's end.
    pub connection: Connection,
    /// Last registration, version query or heartbeat.
    pub heard_at: Duration,
    /// How long it may be silent.
    pub silence_max: Duration,
    /// Version of its topic table.
    pub data_version: DataVersion,
    /// Where its slaves replicate from; empty when it gave none.
    pub ha_server_address: String,
    /// Addresses of its filter servers (a 4.x feature).
    pub filter_servers: Vec<String>,
}

/// All live brokers. Time is an argument: a point on the caller's clock that never goes back.
#[derive(Debug, Default)]
pub struct BrokerLiveness {
    brokers: BTreeMap<BrokerIdentity, LiveBroker>,
}

impl BrokerLiveness {
    /// How many brokers are alive.
    pub fn count(&self) -> usize {
        self.brokers.len()
    }

    /// One live broker.
    pub fn get(&self, identity: &BrokerIdentity) -> Option<&LiveBroker> {
        self.brokers.get(identity)
    }

    /// All live brokers in order of their identity.
    pub fn iter(&self) -> impl Iterator<Item = (&BrokerIdentity, &LiveBroker)> {
        self.brokers.iter()
    }

    /// Notes a registration; returns what was known before.
    pub fn register(&mut self, identity: BrokerIdentity, broker: LiveBroker) -> Option<LiveBroker> {
        self.brokers.insert(identity, broker)
    }

    /// Notes a sign of life other than a registration. A broker that is not known stays unknown.
    pub fn heard(&mut self, identity: &BrokerIdentity, now: Duration) {
        if let Some(broker) = self.brokers.get_mut(identity) {
            broker.heard_at = now;
        }
    }

    /// Forgets one broker.
    pub fn remove(&mut self, identity: &BrokerIdentity) -> Option<LiveBroker> {
        self.brokers.remove(identity)
    }

    /// Forgets and returns the brokers that were silent for longer than they may.
    pub fn take_silent(&mut self, now: Duration) -> Vec<(BrokerIdentity, LiveBroker)> {
        self.take(|broker| broker.heard_at.saturating_add(broker.silence_max) < now)
    }

    /// Forgets and returns the brokers whose last registration came over `connection`.
    pub fn take_connection(&mut self, connection: Connection) -> Vec<(BrokerIdentity, LiveBroker)> {
        self.take(|broker| broker.connection == connection)
    }

    /// Whether some live broker registered over `connection`.
    pub fn is_used(&self, connection: Connection) -> bool {
        self.brokers.values().any(|broker| broker.connection == connection)
    }

    fn take(&mut self, gone: impl Fn(&LiveBroker) -> bool) -> Vec<(BrokerIdentity, LiveBroker)> {
        let identities: Vec<_> =
            self.brokers.iter().filter(|(_, broker)| gone(broker)).map(|(identity, _)| identity.clone()).collect();
        identities.into_iter().filter_map(|identity| self.brokers.remove_entry(&identity)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Connection = Connection(1);
    const B: Connection = Connection(2);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn broker(connection: Connection, heard_at: Duration) -> LiveBroker {
        LiveBroker {
            broker_name: "broker-a".to_owned(),
            connection,
            heard_at,
            silence_max: SILENCE_MAX_DEFAULT,
            data_version: DataVersion::default(),
            ha_server_address: String::new(),
            filter_servers: Vec::new(),
        }
    }

    fn identity(address: &str) -> BrokerIdentity {
        BrokerIdentity::new("C", address)
    }

    fn addresses(brokers: Vec<(BrokerIdentity, LiveBroker)>) -> Vec<String> {
        brokers.into_iter().map(|(identity, _)| identity.address).collect()
    }

    #[test]
    fn a_broker_is_silent_only_after_its_whole_time_is_over() {
        let mut liveness = BrokerLiveness::default();
        liveness.register(identity("a:1"), broker(A, at(10)));
        assert!(liveness.take_silent(at(130)).is_empty());
        assert_eq!(addresses(liveness.take_silent(at(131))), ["a:1"]);
        assert!(liveness.get(&identity("a:1")).is_none());
    }

    #[test]
    fn a_broker_may_ask_for_a_shorter_time() {
        let mut liveness = BrokerLiveness::default();
        liveness.register(identity("a:1"), broker(A, at(0)));
        liveness.register(identity("b:1"), LiveBroker { silence_max: at(5), ..broker(B, at(0)) });
        assert_eq!(addresses(liveness.take_silent(at(6))), ["b:1"]);
    }

    #[test]
    fn an_endless_time_never_overflows() {
        let mut liveness = BrokerLiveness::default();
        liveness.register(identity("a:1"), LiveBroker { silence_max: Duration::MAX, ..broker(A, at(9)) });
        assert!(liveness.take_silent(Duration::MAX).is_empty());
    }

    #[test]
    fn a_heartbeat_prolongs_a_known_broker_and_makes_no_new_one() {
        let mut liveness = BrokerLiveness::default();
        liveness.register(identity("a:1"), broker(A, at(0)));
        liveness.heard(&identity("a:1"), at(100));
        liveness.heard(&identity("b:1"), at(100));
        assert!(liveness.take_silent(at(200)).is_empty());
        assert_eq!(liveness.count(), 1);
    }

    #[test]
    fn a_closed_connection_takes_what_last_registered_over_it() {
        let mut liveness = BrokerLiveness::default();
        liveness.register(identity("a:1"), broker(A, at(0)));
        liveness.register(identity("b:1"), broker(A, at(0)));
        liveness.register(identity("c:1"), broker(A, at(0)));
        liveness.register(identity("c:1"), broker(B, at(1)));
        assert_eq!(addresses(liveness.take_connection(A)), ["a:1", "b:1"]);
        assert!(!liveness.is_used(A));
        assert!(liveness.is_used(B));
    }

    #[test]
    fn one_address_in_two_clusters_is_two_brokers() {
        let mut liveness = BrokerLiveness::default();
        liveness.register(BrokerIdentity::new("C", "a:1"), broker(A, at(0)));
        liveness.register(BrokerIdentity::new("D", "a:1"), broker(B, at(0)));
        assert_eq!(liveness.count(), 2);
        liveness.remove(&BrokerIdentity::new("C", "a:1"));
        assert!(liveness.get(&BrokerIdentity::new("D", "a:1")).is_some());
    }
}
