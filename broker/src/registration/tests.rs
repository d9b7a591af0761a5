//! A shard's registration, as a name server on the loopback address sees it.

mod fake_name_server;

use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::body::{DataVersion, TopicConfig, TopicConfigTable};
use protocol::code::ResponseCode;
use rustix::net::sockopt::tcp_user_timeout;
use tokio::task::JoinHandle;

use self::fake_name_server::{FakeNameServer, Heard, Link, within};
use super::name_server_link::UNACKNOWLEDGED_MAX;
use super::*;
use crate::config::{MachineDefaults, Mode, Sources};

/// A broker named `g` of one shard that keeps itself registered.
struct Broker {
    sender: RegistrationSender,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    successes: Arc<AtomicUsize>,
}

impl Broker {
    fn start(standing: Option<Standing>, servers: &[&FakeNameServer], properties: &str) -> Self {
        let mut sources = Sources::new(Mode::Server, None);
        let list: Vec<_> = servers.iter().map(|server| server.address()).collect();
        let text = format!(
            "brokerName=g\ncpus=any\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nlistenPort=40911\nnamesrvAddr={}\n{properties}",
            list.join(";")
        );
        sources.add_text("broker.conf", &text).unwrap();
        let (config, _) =
            BrokerConfig::load(&sources, MachineDefaults::gather()).unwrap_or_else(|errors| panic!("{errors}"));
        let config = Arc::new(config);
        let (sender, receiver) = channel(standing);
        let (stop, stopped) = watch::channel(false);
        let successes = Arc::new(AtomicUsize::new(0));
        let keep = |server: &NameServerAddress| {
            let counter = successes.clone();
            let registered = move || _ = counter.fetch_add(1, Ordering::Relaxed);
            let (config, shard, receiver) = (config.clone(), config.shard(0), receiver.clone());
            tokio::spawn(keep_registered(config, shard, server.clone(), receiver, stopped.clone(), registered))
        };
        let tasks = config.registration.name_servers.0.iter().map(keep).collect();
        Self { sender, stop, tasks, successes }
    }

    fn replica(server: &FakeNameServer) -> Self {
        Self::start(None, &[server], "")
    }

    fn topics(&self, counter: i64) {
        let topic = TopicConfig { topic_name: format!("T{counter}"), ..TopicConfig::default() };
        self.sender.topics_changed(TopicConfigTable {
            data_version: DataVersion { counter, state_version: 0, timestamp: 17 },
            topic_config_table: [(topic.topic_name.clone(), topic)].into(),
            ..TopicConfigTable::default()
        });
    }

    /// The replica `n1`.
    fn role(&self, role: ReplicaRole, term: u64) {
        self.sender.role_changed(Replica { slave_id: 2, term, role });
    }

    /// Stops it; its tasks have to come to their end.
    async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            within("the end of a registration's task", task).await.unwrap();
        }
    }
}

/// What a name server hears from the broker that is registered so, with the table of this number.
fn registered(broker_id: i64, state_version: i64, counter: i64) -> Heard {
    Heard::Registered { broker_id, state_version, topics: vec![format!("T{counter}")], counter }
}

/// A replica that is registered in this part, with table 1; the name server and the connection between them.
async fn registered_replica(role: ReplicaRole, term: u64) -> (FakeNameServer, Broker, Link) {
    let (server, replica, mut link) = heard_replica(role, term).await;
    link.answer(ResponseCode::SUCCESS).await;
    (server, replica, link)
}

/// The same before the name server has answered.
async fn heard_replica(role: ReplicaRole, term: u64) -> (FakeNameServer, Broker, Link) {
    let server = FakeNameServer::start().await;
    let replica = Broker::replica(&server);
    replica.topics(1);
    replica.role(role, term);
    let mut link = server.accept().await;
    let broker_id = if role == ReplicaRole::Leading { 0 } else { 2 };
    assert_eq!(link.hear().await, registered(broker_id, term as i64, 1));
    (server, replica, link)
}

use ReplicaRole::{Following, Leading, Stopped, Undecided};

#[tokio::test]
async fn a_broker_with_a_fixed_id_registers_with_state_version_0() {
    let server = FakeNameServer::start().await;
    let broker = Broker::start(Some(Standing::fixed(0)), &[&server], "");
    broker.topics(1);
    let mut link = server.accept().await;
    assert_eq!(link.hear_and_answer().await, registered(0, 0, 1));
    broker.topics(2);
    assert_eq!(link.hear_and_answer().await, registered(0, 0, 2));
}

#[tokio::test]
async fn a_replica_that_no_leader_has_told_of_its_part_says_nothing() {
    let server = FakeNameServer::start().await;
    let replica = Broker::replica(&server);
    replica.topics(1);
    replica.role(Undecided, 3);
    // A broker that starts after it and is heard first: the replica had its turn and did not connect.
    let other = Broker::start(Some(Standing::fixed(0)), &[&server], "");
    other.topics(7);
    assert_eq!(server.accept().await.hear_and_answer().await, registered(0, 0, 7));
    replica.role(Following, 3);
    assert_eq!(server.accept().await.hear_and_answer().await, registered(2, 3, 1));
}

#[tokio::test]
async fn each_change_of_role_is_registered_at_once_over_the_same_connection() {
    for properties in ["", "compressedRegister=true"] {
        let server = FakeNameServer::start().await;
        let broker = Broker::start(None, &[&server], properties);
        broker.topics(1);
        broker.role(Following, 5);
        let mut link = server.accept().await;
        assert_eq!(link.hear_and_answer().await, registered(2, 5, 1));
        // The period is 30 s, which is longer than the test waits.
        broker.role(Leading, 6);
        assert_eq!(link.hear_and_answer().await, registered(0, 6, 1));
        broker.topics(2);
        assert_eq!(link.hear_and_answer().await, registered(0, 6, 2));
        broker.role(Following, 7);
        assert_eq!(link.hear_and_answer().await, registered(2, 7, 2));
    }
}

#[tokio::test]
async fn a_leader_that_loses_its_followers_is_a_slave_at_once_and_stays_one_while_it_looks_for_another() {
    let (_server, broker, mut link) = registered_replica(Leading, 5).await;
    broker.role(Undecided, 5);
    assert_eq!(link.hear_and_answer().await, registered(2, 5, 1));
    broker.role(Undecided, 6);
    broker.topics(2);
    assert_eq!(link.hear_and_answer().await, registered(2, 5, 2));
}

#[tokio::test]
async fn what_changes_while_a_name_server_is_busy_is_said_after_its_answer_and_only_the_last() {
    let (_server, broker, mut link) = heard_replica(Leading, 5).await;
    broker.role(Undecided, 5);
    broker.role(Following, 6);
    broker.topics(2);
    // Something else that takes a turn of everybody: had it been said already, it would be there.
    tokio::task::yield_now().await;
    assert!(link.is_silent(), "two registrations at a time may change places");
    link.answer(ResponseCode::SUCCESS).await;
    assert_eq!(link.hear_and_answer().await, registered(2, 6, 2));
}

#[tokio::test]
async fn a_refused_registration_is_tried_again_over_a_new_connection_as_what_it_is_then() {
    let (server, broker, mut link) = heard_replica(Leading, 5).await;
    link.answer(ResponseCode::SYSTEM_ERROR).await;
    within("the end of the connection", link.closed()).await;
    broker.role(Following, 6);
    assert_eq!(server.accept().await.hear_and_answer().await, registered(2, 6, 1));
}

#[tokio::test]
async fn a_name_server_that_closes_or_is_away_does_not_keep_a_role_from_the_other() {
    let [away, there] = [FakeNameServer::start().await, FakeNameServer::start().await];
    let broker = Broker::start(None, &[&away, &there], "");
    broker.topics(1);
    broker.role(Following, 5);
    let mut link = there.accept().await;
    assert_eq!(link.hear_and_answer().await, registered(2, 5, 1));
    drop(away.accept().await);
    broker.role(Leading, 6);
    assert_eq!(link.hear_and_answer().await, registered(0, 6, 1));
    assert_eq!(away.accept().await.hear_and_answer().await, registered(0, 6, 1));
}

#[tokio::test]
async fn a_replica_that_takes_no_part_any_more_unregisters_while_its_process_goes_on() {
    let (server, replica, mut link) = registered_replica(Leading, 5).await;
    replica.role(Stopped, 5);
    assert_eq!(link.hear_and_answer().await, Heard::Unregistered { broker_id: 0 });
    within("the end of the connection", link.closed()).await;
    replica.topics(2);
    replica.stop().await;
    let other = Broker::start(Some(Standing::fixed(0)), &[&server], "");
    other.topics(7);
    assert_eq!(server.accept().await.hear().await, registered(0, 0, 7), "the first that is heard after that");
}

#[tokio::test]
async fn a_stopped_replica_unregisters_as_what_it_was_registered_last() {
    let (server, broker, mut link) = registered_replica(Leading, 5).await;
    broker.role(Following, 6);
    link.hear_and_answer().await;
    let name_server = async {
        within("the end of the connection", link.closed()).await;
        server.accept().await.hear_and_answer().await
    };
    let ((), heard) = tokio::join!(broker.stop(), name_server);
    assert_eq!(heard, Heard::Unregistered { broker_id: 2 });
}

#[tokio::test]
async fn a_replica_that_was_never_registered_ends_without_a_word() {
    let server = FakeNameServer::start().await;
    let replica = Broker::replica(&server);
    replica.topics(1);
    replica.stop().await;
    let other = Broker::start(Some(Standing::fixed(0)), &[&server], "");
    other.topics(7);
    assert_eq!(server.accept().await.hear().await, registered(0, 0, 7), "the first that is heard");
}

#[tokio::test]
async fn only_what_was_accepted_counts_as_registered() {
    let (server, broker, mut link) = heard_replica(Leading, 5).await;
    link.answer(ResponseCode::SYSTEM_ERROR).await;
    let mut link = server.accept().await;
    link.hear().await;
    assert_eq!(broker.successes.load(Ordering::Relaxed), 0);
    link.answer(ResponseCode::SUCCESS).await;
    broker.role(Leading, 6);
    link.hear().await;
    assert_eq!(broker.successes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_whose_other_end_is_cut_off_is_given_up_soon() {
    let server = FakeNameServer::start().await;
    let address = NameServerAddress { host: "127.0.0.1".to_owned(), port: server.port() };
    let link = NameServerLink::connect(&address, Duration::from_secs(1)).await.unwrap();
    assert_eq!(u128::from(tcp_user_timeout(&link.stream).unwrap()), UNACKNOWLEDGED_MAX.as_millis());
}
