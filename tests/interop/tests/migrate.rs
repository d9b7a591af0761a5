//! `mqadmin migrate`: a topic, its groups and their consumers move from one broker to another, and back, while clients go on.

use std::time::Duration;

use client::{Admin, Client, ClientOptions, Message, MessageQueue, PERM_READ, PERM_WRITE, Producer};
use interop::apache::{ApacheBroker, ApacheNameServer};
use interop::name_server::NameServer;
use interop::our_mqadmin::{run, try_run};
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::target::Target;
use interop::turbopump::{Settings, Turbopump};
use interop::until::until;
use interop::working_clients::{WorkingClients, now_ms};
use protocol::body::{SubscriptionGroupConfig, TopicConfig};
use protocol::topic_name::AUTO_CREATE_TOPIC;
use tokio::runtime::Runtime;

const TOPIC: &str = "orders";
const GROUP: &str = "billing";
const MESSAGES: i64 = 10;
const LIMIT: Duration = Duration::from_secs(60);
/// Clients of these tests look at routes far more often than every 30 s.
const SETTLE: [&str; 2] = ["--settle", "1"];

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A broker of one shard.
fn broker(name: &str, name_servers: &str, scratch: &Scratch) -> Turbopump {
    broker_of(1, name, name_servers, scratch)
}

fn broker_of(shards: u16, name: &str, name_servers: &str, scratch: &Scratch) -> Turbopump {
    let settings = Settings { name: name.to_owned(), shards, ..Settings::beside(name_servers) };
    Turbopump::start(&settings, scratch)
}

/// A topic with two queues and a group that is offline and has an offset, at a broker with messages.
struct Stand {
    runtime: Runtime,
    client: Client,
    name_servers: String,
    from: String,
}

impl Stand {
    fn new(name_servers: &str, from: &str) -> Self {
        let runtime = runtime();
        let client = runtime.block_on(Client::new(name_servers, ClientOptions::default())).expect("a client");
        let stand = Self { runtime, client, name_servers: name_servers.to_owned(), from: from.to_owned() };
        let admin = stand.admin();
        let topic = TopicConfig {
            topic_name: TOPIC.to_owned(),
            read_queue_nums: 2,
            write_queue_nums: 2,
            ..TopicConfig::default()
        };
        let group = SubscriptionGroupConfig { group_name: GROUP.to_owned(), ..SubscriptionGroupConfig::default() };
        stand.runtime.block_on(async {
            admin.create_topic(from, &topic, "").await.expect("a topic");
            admin.create_group(from, &group).await.expect("a group");
            for queue_id in 0..2 {
                let queue = MessageQueue::new(TOPIC, "old", queue_id);
                admin.commit_offset(from, GROUP, &queue, 0).await.expect("a commit");
            }
        });
        stand
    }

    fn admin(&self) -> Admin {
        self.client.admin()
    }

    /// Sends to where the route says, and returns the brokers that took it.
    fn send(&self, delay_level: i32) -> Vec<String> {
        self.client.expire_route(TOPIC);
        let producer = Producer::new(&self.client, "producers");
        let message = Message::new(TOPIC, "a body").delay_level(delay_level);
        let count = if delay_level == 0 { MESSAGES } else { 1 };
        let mut brokers: Vec<_> = (0..count)
            .map(|_| self.runtime.block_on(producer.send(&message)).expect("a send that works").queue.broker_name)
            .collect();
        brokers.dedup();
        brokers
    }

    /// The group's offset in each queue of a broker, as stored there.
    fn offsets(&self, address: &str) -> Vec<i64> {
        let table = self.runtime.block_on(self.admin().consumer_offsets(address)).expect("offsets").offset_table;
        table.get(&format!("{TOPIC}@{GROUP}")).map(|queues| queues.values().copied().collect()).unwrap_or_default()
    }

    /// The group has consumed all that is at a broker.
    fn consume(&self, name: &str, address: &str) {
        let admin = self.admin();
        self.runtime.block_on(async {
            let stats = admin.topic_stats(address, TOPIC).await.expect("the ends of queues");
            for (queue, offsets) in stats.offset_table {
                let queue = MessageQueue::new(TOPIC, name, queue.queue_id);
                admin.commit_offset(address, GROUP, &queue, offsets.max_offset).await.expect("a commit");
            }
        });
    }

    fn migrate(&self, stage: &str, more: &[&str]) -> Result<Vec<Vec<String>>, String> {
        try_run(&self.name_servers, &[&["migrate", stage, "--from", &self.from], more].concat())
    }

    fn expect(&self, stage: &str, more: &[&str]) -> Vec<Vec<String>> {
        self.migrate(stage, more).unwrap_or_else(|error| panic!("migrate {stage} {more:?}: {error}"))
    }

    fn expect_failure(&self, stage: &str, more: &[&str], expected: &[&str]) {
        let failure = self.migrate(stage, more).expect_err(stage);
        for part in expected {
            assert!(failure.contains(part), "{stage} without {part:?}: {failure}");
        }
    }
}

/// The permission of a topic at a broker, as a name server tells it.
fn perm_of(name_server: &str, topic: &str, broker_name: &str) -> i32 {
    runtime().block_on(async {
        let client = Client::new(name_server, ClientOptions::default()).await.expect("a client");
        let route = client.admin().topic_route_at(name_server, topic).await.expect("an answer").expect("a route");
        let queues = route.queue_datas.into_iter().find(|queues| queues.broker_name == broker_name);
        queues.unwrap_or_else(|| panic!("{topic} is not at {broker_name}")).perm
    })
}

/// A message with a delay level and one with a timer, due in half a minute.
fn send_for_later(name_servers: &str, topic: &str) {
    const LEVEL_OF_30_S: i32 = 4;
    runtime().block_on(async {
        let client = Client::new(name_servers, ClientOptions::default()).await.expect("a client");
        let producer = Producer::new(&client, "producers");
        let message = Message::new(topic, "a body");
        producer.send(&message.clone().delay_level(LEVEL_OF_30_S)).await.expect("a delayed message");
        producer.send(&message.property("TIMER_DELAY_SEC", "30")).await.expect("a timer message");
    });
}

fn shows(rows: &[Vec<String>], wanted: &[&str]) {
    assert!(rows.iter().any(|row| row.iter().map(String::as_str).eq(wanted.iter().copied())), "{wanted:?} in {rows:?}");
}

#[test]
fn a_topic_and_its_group_move_between_brokers_of_ours_and_back() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("migrate-ours");
    let name_server = NameServer::start(&scratch);
    let (old, new) = (broker("old", &name_server.address(), &scratch), broker("new", &name_server.address(), &scratch));
    wait_until_registered(&old.target().clone().with(new.target()));
    let (old, new) = (&old.target().brokers["old"], &new.target().brokers["new"]);
    let stand = Stand::new(&name_server.address(), old);
    let order = ["updateOrderConf", "-t", TOPIC, "-m"];
    run(&stand.name_servers, &[&order[..], &["put", "-v", "old:2"]].concat());
    assert_eq!(stand.send(0), ["old"]);

    stand.expect_failure("stop-writes", &[], &["no migration from old is under way"]);
    shows(&stand.expect("plan", &["--to", "new"]), &["topic", TOPIC, "new", "create", "2", "queues,", "RW-"]);
    shows(&stand.expect("copy", &["--to", "new"]), &["new", "1", "1", "2"]);
    assert_eq!(stand.offsets(new), [0, 0]);
    // Again, by address: nothing is left to do.
    shows(&stand.expect("copy", &["--to", new]), &["new", "0", "0", "0"]);
    assert_eq!(stand.send(0), ["old"], "producers did not notice");
    stand.expect_failure("wait", &[], &["is at \"copied\"; next is: stop-writes, or undo"]);

    for _ in 0..2 {
        stand.expect("stop-writes", &[]);
        assert_eq!(stand.send(0), ["new"]);
        shows(&run(&stand.name_servers, &[&order[..], &["get"]].concat()), &["Queue", "order", "new:2"]);
    }
    let left = format!("group {GROUP} has {} messages to consume and no member online", 2 * MESSAGES);
    stand.expect_failure("wait", &["--timeout", "0", "--settle", "1"], &[&left]);
    stand.expect_failure("finish", &SETTLE, &["old is not drained, nothing changed", &left]);

    // Back: what went to the target in the meantime has to be consumed there first.
    let left = format!("group {GROUP} has {} messages to consume", 2 * MESSAGES);
    stand.expect_failure("undo", &["--timeout", "0", "--settle", "1"], &["producers are back at old", &left]);
    assert_eq!(stand.send(0), ["old"]);
    shows(&run(&stand.name_servers, &[&order[..], &["get"]].concat()), &["Queue", "order", "old:2"]);
    stand.consume("new", new);
    shows(&stand.expect("undo", &SETTLE), &["new", "1", "1"]);
    shows(&stand.expect("undo", &[]), &["Stage", "nothing", "to", "undo"]);
    let gone = stand.runtime.block_on(stand.admin().topic_config(new, TOPIC));
    assert!(gone.is_err(), "{gone:?}");
    assert_eq!(stand.send(0), ["old"]);

    // And once more to the end.
    stand.expect("copy", &["--to", "new"]);
    assert_eq!(stand.send(5), ["old"], "with a delay of a minute");
    stand.expect("stop-writes", &[]);
    stand.consume("old", old);
    stand.expect_failure("wait", &["--timeout", "0", "--settle", "1"], &["1 delayed messages are not due yet"]);
    shows(&stand.expect("status", &[]), &["Source", "writable", "at", "0", "of", "1", "name", "servers"]);
    stand.expect_failure("finish", &SETTLE, &["1 delayed messages are not due yet"]);
    stand.expect("finish", &["--force", "--close", "--settle", "1"]);
    shows(
        &run(&stand.name_servers, &["topicRoute", "-t", TOPIC]),
        &["DefaultCluster", "old", "0", old, "2", "2", "---"],
    );
    assert_eq!(stand.send(0), ["new"]);
    stand.expect_failure("undo", &[], &["is finished, and so cannot be undone"]);
}

#[test]
fn a_topic_moves_to_the_shards_of_a_broker_of_other_name_servers() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("migrate-two-sets");
    let (here, there) = (NameServer::start(&scratch), NameServer::start(&scratch));
    let old = broker("old", &here.address(), &scratch);
    let mut new = broker_of(2, "new", &there.address(), &scratch);
    wait_until_registered(old.target());
    wait_until_registered(new.target());
    let stand = Stand::new(&here.address(), &old.target().brokers["old"]);
    stand.send(0);
    let producer = Producer::new(&stand.client, "producers");
    stand.runtime.block_on(producer.heartbeat()).expect("a heartbeat");
    let copied = stand.expect("copy", &["--to", "new,new-1", "--to-namesrv", &there.address()]);
    shows(&copied, &["new", "1", "1", "2"]);
    shows(&copied, &["new-1", "1", "1", "2"]);
    stand.expect_failure(
        "stop-writes",
        &[],
        &["producers of group producers use name servers that do not know the targets"],
    );
    stand.expect("stop-writes", &["--force"]);
    let at_new = Target { name_servers: there.address(), ..new.target().clone() };
    let route = run(&at_new.name_servers, &["topicRoute", "-t", TOPIC]);
    for name in ["new", "new-1"] {
        shows(&route, &["DefaultCluster", name, "0", &at_new.brokers[name], "2", "2", "RW-"]);
    }

    // A target that is gone does not keep producers from their source.
    new.kill_nine();
    until("the end of the target's registration", LIMIT, || match stand.migrate("undo", &SETTLE) {
        Err(failure) if failure.contains("producers are back at old, but what was copied is not removed yet") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(stand.send(0), ["old"]);
    new.start_again();
    new.wait_until_ready();
    wait_until_registered(new.target());
    shows(&stand.expect("undo", &SETTLE), &["new-1", "1", "1"]);
}

/// A stock producer and a stock consumer at work, first there and back, then for good; with a name server of each make, who are both
/// told.
#[test]
#[ignore = "make interop-long: it starts an original broker and two stock clients"]
fn stock_clients_go_on_while_their_topic_moves_from_an_apache_broker_to_ours() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("migrate-apache");
    let (ours, theirs) = (NameServer::start(&scratch), ApacheNameServer::start(&scratch));
    let name_servers = format!("{};{}", ours.address(), theirs.address());
    let apache = ApacheBroker::start("apache", &name_servers, &scratch);
    wait_until_registered(apache.target());
    let options = [("poll-ms", "200"), ("pause-ms", "2")];
    let mut clients = WorkingClients::start(apache.target(), "moving", &options, &scratch);
    clients.expect_acknowledged_by("apache", 500);
    let turbopump = broker("turbopump", &name_servers, &scratch);
    let both = apache.target().clone().with(turbopump.target());
    wait_until_registered(&both);
    let migrate =
        |stage: &str, more: &[&str]| run(&both.name_servers, &[&["migrate", stage, "--from", "apache"], more].concat());

    let template_perms = || [ours.address(), theirs.address()].map(|at| perm_of(&at, AUTO_CREATE_TOPIC, "apache"));
    let before = template_perms();

    migrate("copy", &["--to", "turbopump"]);
    clients.expect_acknowledged_by("apache", 200);
    migrate("stop-writes", &[]);
    assert_eq!(template_perms(), before.map(|perm| perm & !PERM_WRITE));
    clients.expect_acknowledged_by("turbopump", 500);
    migrate("undo", &SETTLE);
    let undone_ms = now_ms();
    assert_eq!(template_perms(), before);
    clients.expect_acknowledged_by("apache", 500);

    let address = &apache.target().brokers["apache"];
    run(&both.name_servers, &["updateTopic", "-b", address, "-t", "later", "-r", "1", "-w", "1"]);
    until("the route of the topic", LIMIT, || try_run(&both.name_servers, &["topicRoute", "-t", "later"]));
    send_for_later(&both.name_servers, "later");
    migrate("copy", &["--to", "turbopump"]);
    migrate("stop-writes", &[]);
    let status = migrate("status", &[]);
    shows(&status, &["Delayed", "messages", "1"]);
    shows(&status, &["Timer", "messages", "1"]);
    clients.expect_acknowledged_by("turbopump", 500);
    // A new topic at the source comes with write permission; whoever waits takes it away again.
    run(&both.name_servers, &["updateTopic", "-b", address, "-t", "late", "-r", "1", "-w", "1"]);
    until("the route of the new topic", LIMIT, || try_run(&both.name_servers, &["topicRoute", "-t", "late"]));
    let waited = migrate("wait", &["--settle", "2", "--timeout", "60"]);
    shows(&waited, &["Drained", "true"]);
    shows(&waited, &["Closed", "again", "1"]);
    assert_eq!(perm_of(&ours.address(), "late", "apache"), PERM_READ);
    // How fast it was depends on when it was looked at.
    let group = waited.iter().find(|row| row[0] == "group-moving").expect("its row");
    assert_eq!(group[..5], ["group-moving", "online", "1", "0", "0"]);
    let late = try_run(&both.name_servers, &["migrate", "finish", "--from", "apache", "--settle", "2"]);
    let failure = late.expect_err("a topic that is nowhere else");
    assert!(failure.contains("topic late is not at turbopump: copy again"), "{failure}");
    migrate("copy", &["--to", "turbopump"]);
    assert_eq!(perm_of(&theirs.address(), "late", "turbopump"), PERM_READ | PERM_WRITE);
    migrate("finish", &["--close", "--settle", "2"]);
    clients.expect_acknowledged_by("turbopump", 500);
    until("no more sends to the source", LIMIT, || {
        let acks = clients.acknowledged();
        let late = acks.iter().rev().take(200).filter(|ack| ack.broker == "apache").count();
        if late == 0 { Ok(()) } else { Err(format!("{late} of the last 200")) }
    });
    let failed = clients.failed();
    assert!(failed.is_empty(), "{failed:?}");

    // What undo removed at the target was consumed before; all else is where it was acknowledged. The source is shut: it is opened
    // again for the look at what it holds.
    run(&both.name_servers, &["updateTopic", "-b", address, "-t", "topic-moving", "-r", "4", "-w", "4", "-p", "4"]);
    clients.are_at(&both);
    let facts = clients.finish_with(|ack| ack.broker == "apache" || ack.at_ms > undone_ms, &scratch);
    assert!(facts.ends_with("failed 0"), "{facts}");

    // The other way round, with what begins here.
    let back = |stage: &str, more: &[&str]| {
        run(&both.name_servers, &[&["migrate", stage, "--from", "turbopump"], more].concat())
    };
    let ours_at = &both.brokers["turbopump"];
    run(&both.name_servers, &["updateTopic", "-b", ours_at, "-t", "back", "-r", "2", "-w", "2"]);
    let perms = || {
        [ours.address(), theirs.address()].map(|at| [perm_of(&at, "back", "turbopump"), perm_of(&at, "back", "apache")])
    };
    back("copy", &["--to", "apache", "--leave", "topic-moving,group-moving,later,late"]);
    assert_eq!(perms(), [[PERM_READ | PERM_WRITE, PERM_READ]; 2]);
    back("stop-writes", &[]);
    assert_eq!(perms(), [[PERM_READ, PERM_READ | PERM_WRITE]; 2]);
    back("undo", &SETTLE);
    assert_eq!(perms(), [[PERM_READ | PERM_WRITE, 0]; 2]);
}
