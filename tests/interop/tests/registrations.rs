//! The registrations of a group that elects its leader, at an original name server and at ours: what either answers and
//! shows after each step has to be the same, and what a failover needs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use interop::apache::ApacheNameServer;
use interop::name_server::NameServer;
use interop::raw_client::RawClient;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::until::until;
use protocol::body::{DataVersion, RegisterBrokerBody, TopicConfig, TopicConfigTable, TopicRouteData};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;

const GROUP: &str = "elected";
const TOPICS: [&str; 2] = ["T", "U"];
/// An original name server takes a broker out a moment after its connection has closed.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A name server and the connections of the group's replicas to it.
struct Registrations {
    address: SocketAddr,
    links: BTreeMap<&'static str, RawClient>,
    reader: RawClient,
}

impl Registrations {
    fn at(name_server: &str) -> Self {
        let address = name_server.parse().expect("a name server tells its address");
        Self { address, links: BTreeMap::new(), reader: RawClient::connect(address) }
    }

    /// Registers the replica at `address` in a term, with topics of so many queues, over its connection. Nothing but
    /// the answer may come over it, so no notice of a changed group either.
    ///
    /// Returns what the answer says of the master, and what a client sees then.
    fn register(&mut self, address: &'static str, broker_id: i64, term: i64, queues: i32) -> String {
        let link = self.links.entry(address).or_insert_with(|| RawClient::connect(self.address));
        let answer = link.ask(registration(address, broker_id, term, queues));
        assert_eq!(answer.code, ResponseCode::SUCCESS.0, "{answer:?}");
        let [master, ha_server] = ["masterAddr", "haServerAddr"].map(|key| answer.get(key).unwrap_or("-"));
        format!("told {master} {ha_server}, {}", self.route())
    }

    /// Ends the connection of a replica, and waits until no route lists it.
    fn close(&mut self, address: &'static str) -> String {
        drop(self.links.remove(address));
        until(&format!("{address} to be gone from the route"), GONE_WITHIN, || {
            let route = self.route();
            if route.contains(address) { Err(route) } else { Ok(route) }
        })
    }

    /// Brokers, write queues and permission of the first topic, as a client sees them.
    fn route(&mut self) -> String {
        let answer = self.reader.ask(requests::route(TOPICS[0]));
        if answer.code == ResponseCode::TOPIC_NOT_EXIST.0 {
            return "no route".to_owned();
        }
        let route = TopicRouteData::decode(&answer.body).expect("a route is answered");
        let (group, queues) = (&route.broker_datas[0], &route.queue_datas[0]);
        assert!(!group.enable_acting_master);
        let members: Vec<_> = group.broker_addrs.iter().map(|(id, address)| format!("{id}={address}")).collect();
        format!("{} with {} queues, perm {}", members.join(" "), queues.write_queue_nums, queues.perm)
    }
}

fn registration(address: &str, broker_id: i64, term: i64, queues: i32) -> RemotingCommand {
    let topic = |name: &str| TopicConfig {
        topic_name: name.to_owned(),
        read_queue_nums: queues,
        write_queue_nums: queues,
        perm: 6,
        ..TopicConfig::default()
    };
    let table = TopicConfigTable {
        data_version: DataVersion { counter: 1, state_version: term, timestamp: 1_795_256_200_294 },
        topic_config_table: TOPICS.iter().map(|name| ((*name).to_owned(), topic(name))).collect(),
        ..TopicConfigTable::default()
    };
    let body = RegisterBrokerBody { topic_config_table: table, ..RegisterBrokerBody::default() };
    RemotingCommand::request(RequestCode::REGISTER_BROKER.0, 0)
        .with_field("brokerName", GROUP)
        .with_field("brokerAddr", address)
        .with_field("clusterName", "DefaultCluster")
        .with_field("haServerAddr", format!("{address}1"))
        .with_field("brokerId", broker_id)
        .with_field("enableActingMaster", false)
        .with_field("compressed", false)
        .with_field("bodyCrc32", 0)
        .with_body(body.encode())
}

/// The life of a group of `a:1`, `b:1` and `c:1`, which are 1, 2 and 3 as slaves; each step with what has to come of it.
fn live(at: &mut Registrations) {
    let steps: [(&'static str, i64, i64, i32, &str); 15] = [
        // Followers first: the smallest id brings the topics, until a leader does.
        ("c:1", 3, 5, 3, "told - -, 3=c:1 with 3 queues, perm 6"),
        ("b:1", 2, 5, 2, "told - -, 2=b:1 3=c:1 with 2 queues, perm 6"),
        ("a:1", 0, 5, 4, "told - -, 0=a:1 2=b:1 3=c:1 with 4 queues, perm 6"),
        ("b:1", 2, 5, 2, "told a:1 a:11, 0=a:1 2=b:1 3=c:1 with 4 queues, perm 6"),
        // b:1 is elected while a:1 hangs; when that goes on it still takes itself for the leader.
        ("b:1", 0, 6, 5, "told - -, 0=b:1 3=c:1 with 5 queues, perm 6"),
        ("a:1", 0, 5, 7, "told - -, 0=b:1 3=c:1 with 5 queues, perm 6"),
        ("a:1", 0, 5, 7, "told - -, 0=b:1 3=c:1 with 5 queues, perm 6"),
        ("a:1", 1, 6, 7, "told b:1 b:11, 0=b:1 1=a:1 3=c:1 with 5 queues, perm 6"),
        ("c:1", 3, 6, 7, "told b:1 b:11, 0=b:1 1=a:1 3=c:1 with 5 queues, perm 6"),
        // A late word of a:1 costs it its place, not b:1, until it speaks again.
        ("a:1", 0, 5, 7, "told - -, 0=b:1 3=c:1 with 5 queues, perm 6"),
        ("a:1", 1, 6, 7, "told b:1 b:11, 0=b:1 1=a:1 3=c:1 with 5 queues, perm 6"),
        // b:1 steps down before there is another leader.
        ("b:1", 2, 6, 5, "told - -, 1=a:1 2=b:1 3=c:1 with 5 queues, perm 6"),
        ("c:1", 0, 7, 6, "told - -, 0=c:1 1=a:1 2=b:1 with 6 queues, perm 6"),
        // A replica that moved to another host while its old one hangs.
        ("x:1", 2, 5, 9, "told - -, 0=c:1 1=a:1 2=b:1 with 6 queues, perm 6"),
        ("x:1", 2, 7, 9, "told c:1 c:11, 0=c:1 1=a:1 2=x:1 with 6 queues, perm 6"),
    ];
    for (number, (address, broker_id, term, queues, expected)) in steps.into_iter().enumerate() {
        let seen = at.register(address, broker_id, term, queues);
        assert_eq!(seen, expected, "step {number}: {address} registers as {broker_id} in term {term}");
    }
    // Its old holder's end changes nothing, the leader's leaves the slaves.
    assert_eq!(at.close("b:1"), "0=c:1 1=a:1 2=x:1 with 6 queues, perm 6");
    assert_eq!(at.close("c:1"), "1=a:1 2=x:1 with 6 queues, perm 6");
    // With the holder gone an older term counts too: a group that was set up anew.
    assert_eq!(at.register("a:1", 0, 1, 4), "told - -, 0=a:1 2=x:1 with 4 queues, perm 6");
    at.close("x:1");
    assert_eq!(at.close("a:1"), "no route");
}

#[test]
fn a_failover_is_seen_alike_at_an_apache_name_server_and_at_ours() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("registrations");
    let (ours, theirs) = (NameServer::start(&scratch), ApacheNameServer::start(&scratch));
    live(&mut Registrations::at(&theirs.address()));
    live(&mut Registrations::at(&ours.address()));
}
