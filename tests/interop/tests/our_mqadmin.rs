//! Our own mqadmin on a cluster of a broker of ours and an original one, while a stock consumer is online: what it says of both,
//! what it does to both, and that the original tool sees the same.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use interop::apache::ApacheBroker;
use interop::clients::JavaClient;
use interop::java;
use interop::mqadmin::Mqadmin;
use interop::name_server::NameServer;
use interop::our_mqadmin;
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scenario::Running;
use interop::scratch::Scratch;
use interop::target::Target;
use interop::turbopump::{Settings, Turbopump};
use interop::until::until;

const CLUSTER: &str = "DefaultCluster";
/// As the scenario names them.
const TOPIC: &str = "topic-both";
const GROUP: &str = "group-both";
/// Created by the tool, and never online.
const IDLE: &str = "idle-both";
/// To each broker.
const MESSAGES: usize = 4;
const LIMIT: Duration = Duration::from_secs(90);

/// One test, since what takes long is the start of the original broker and of the stock consumer.
#[test]
fn our_tool_administers_brokers_of_both_kinds() {
    let _turn = RunLock::alone();
    let scratch = Scratch::new("our-mqadmin");
    let name_server = NameServer::start(&scratch);
    let properties = "traceTopicEnable=true\n";
    let settings = Settings { shards: 1, properties, ..Settings::beside(&name_server.address()) };
    let ours = Turbopump::start(&settings, &scratch);
    let theirs = ApacheBroker::start_with("apache", &name_server.address(), properties, &scratch);
    let target = ours.target().clone().with(theirs.target());
    wait_until_registered(&target);
    let mut stand = Stand::start(target, &scratch);
    stand.consumer_is_told_of();
    stand.numbers_are_those_of_the_original_tool(&scratch);
    stand.messages_are_found();
    stand.an_idle_group_is_moved();
    stand.settings_and_permissions_change();
    stand.what_is_wrong_is_named();
    stand.answers_come_many_times_sooner_than_from_the_original_tool(&scratch);
    stand.a_message_s_own_trace_is_found();
    stand.metrics_are_exported(&scratch);
    stand.consumer.ask_to_stop();
    stand.topic_and_groups_are_deleted();
}

struct Stand {
    target: Target,
    consumer: Running,
}

impl Stand {
    fn start(target: Target, scratch: &Scratch) -> Self {
        let at = |arguments: &[&str]| run(&target, arguments);
        at(&["updateTopic", "-c", CLUSTER, "-t", TOPIC, "-r", "2", "-w", "2"]);
        for group in [GROUP, IDLE] {
            let created = at(&["updateSubGroup", "-c", CLUSTER, "-g", group, "-r", "3"]);
            assert_eq!(created.len(), 3, "{created:?}");
            let config = at(&["getConsumerConfig", "-g", group]);
            let retries = config.iter().filter(|row| row[..] == ["retryMaxTimes", "3"]).count();
            assert_eq!(retries, 2, "{config:?}");
        }
        for name in target.brokers.keys() {
            until("the topic's route", LIMIT, || {
                let route = try_run(&target, &["topicRoute", "-t", TOPIC]).unwrap_or_default();
                if route.iter().any(|row| row[1] == *name) { Ok(()) } else { Err(format!("{route:?}")) }
            });
            for number in 0..MESSAGES {
                let queue = (number % 2).to_string();
                let body = format!("{number} at {name}");
                let line = ["sendMessage", "-t", TOPIC, "-b", name, "-i", &queue, "-c", "TagA", "-p", &body];
                let sent = at(&line);
                assert_eq!(sent[1][3], "SEND_OK", "{sent:?}");
            }
        }
        let consumer = java::start(JavaClient::V5, "attended", &target, "both", &[], 2 * LIMIT, scratch);
        let mut stand = Self { target, consumer };
        until("the group to have consumed all", LIMIT, || {
            stand.consumer.expect_running();
            let rows = try_run(&stand.target, &["consumerProgress", "-g", GROUP, "-t", TOPIC])?;
            let done = rows.iter().filter(|row| row[0] == TOPIC && row[6] == "0" && row[4] == "2").count();
            if done == 4 { Ok(()) } else { Err(format!("{rows:?}")) }
        });
        stand
    }

    fn run(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        run(&self.target, arguments)
    }

    fn consumer_is_told_of(&mut self) {
        let all = self.run(&["consumerProgress"]);
        let row = all.iter().find(|row| row[0] == GROUP).unwrap_or_else(|| panic!("{all:?}"));
        assert_eq!(row[1..5], ["1", "V5_5_0", "PUSH", "CLUSTERING"]);
        let connection = self.run(&["consumerConnection", "-g", GROUP]);
        let client_id = connection.iter().find(|row| row.len() == 4 && row[2] == "JAVA").expect("a member")[0].clone();
        assert!(connection.iter().any(|row| row[..] == [TOPIC, "TAG", "*"]), "{connection:?}");
        let status = self.run(&["consumerStatus", "-g", GROUP, "-i", &client_id]);
        let queues = status.iter().filter(|row| row[0] == TOPIC && row.len() > 4 && row[3] == "2").count();
        assert_eq!(queues, 4, "{status:?}");
        let ip = client_id.split('@').next().expect("an address");
        let owned = self.run(&["consumerProgress", "-g", GROUP, "-t", TOPIC, "-s", "true"]);
        assert_eq!(owned.iter().filter(|row| row[0] == TOPIC && row[5] == ip).count(), 4, "{owned:?}");
        let positions = self.run(&["getConsumerStatus", "-g", GROUP, "-t", TOPIC]);
        let two = positions.iter().filter(|row| row[0] == client_id && row[3] == "2").count();
        assert_eq!(two, 4, "{positions:?}");
        for address in self.target.brokers.values() {
            let stats = self.run(&["brokerConsumeStats", "-b", address]);
            assert!(stats.iter().any(|row| row[0] == TOPIC && row[1] == GROUP && row[6] == "0"), "{stats:?}");
            let producers = self.run(&["producer", "-b", address]);
            assert!(producers.iter().any(|row| row.len() > 3 && row[3] == "JAVA"), "{producers:?}");
        }
        let shares = self.run(&["allocateMQ", "-t", TOPIC, "-i", "10.0.0.1,10.0.0.2"]);
        assert_eq!(shares.iter().filter(|row| row[0] == "10.0.0.2").count(), 2, "{shares:?}");
    }

    /// Topic, broker, queue and both offsets stand in the same columns.
    fn numbers_are_those_of_the_original_tool(&self, scratch: &Scratch) {
        let tool = Mqadmin::new(JavaClient::V5, &self.target.name_servers, scratch);
        let theirs = tool.run("consumerProgress", &["-g", GROUP, "-t", TOPIC]);
        let first_five = |rows: Vec<Vec<String>>| -> BTreeSet<Vec<String>> {
            rows.into_iter().filter(|row| row[0] == TOPIC).map(|row| row[..5].to_vec()).collect()
        };
        let rows = theirs.rows().into_iter().map(|row| row.into_iter().map(str::to_owned).collect());
        let ours = first_five(self.run(&["consumerProgress", "-g", GROUP, "-t", TOPIC]));
        assert_eq!(ours.len(), 4);
        assert_eq!(first_five(rows.collect()), ours, "{theirs:?}");
    }

    fn messages_are_found(&self) {
        let printed = self.run(&["printMsg", "-t", TOPIC, "-s", "TagA", "-d", "false"]);
        assert_eq!(printed.len(), 1 + 2 * MESSAGES, "{printed:?}");
        for (name, address) in &self.target.brokers {
            let queue = ["-t", TOPIC, "-b", name, "-i", "1", "-o", "1"];
            let message = self.run(&[&["queryMsgByOffset"], &queue[..]].concat());
            let body = format!("3 at {name}");
            assert_eq!(message.last().map(|row| row[1..].join(" ")), Some(body), "{message:?}");
            let units = self.run(&["queryCq", "-t", TOPIC, "-q", "1", "-i", "0", "-c", "2", "-b", address]);
            assert_eq!(units.iter().filter(|row| row.len() == 5 && row[0] != "OFFSET").count(), 2, "{units:?}");
            let counted = self.run(&["printMsgByQueue", "-t", TOPIC, "-a", name, "-i", "0", "-f", "true"]);
            assert!(counted.iter().any(|row| row[..] == ["TagA", "2"]), "{counted:?}");
            let sends = self.run(&["sendMsgStatus", "-b", name, "-c", "3"]);
            assert_eq!(sends.iter().filter(|row| row.contains(&"SEND_OK".to_owned())).count(), 3, "{sends:?}");
        }
    }

    fn an_idle_group_is_moved(&self) {
        let offsets = |rows: &[Vec<String>], wanted: &str| {
            let of_queue = rows.iter().filter(|row| row.len() == 3 && row[2] == wanted);
            assert_eq!(of_queue.count(), 4, "{rows:?}");
        };
        offsets(&self.run(&["resetOffsetByTime", "-g", IDLE, "-t", TOPIC, "-s", "0"]), "0");
        offsets(&self.run(&["skipAccumulatedMessage", "-g", IDLE, "-t", TOPIC]), "2");
        let address = &self.target.brokers["apache"];
        let one = ["resetOffsetByTime", "-g", IDLE, "-t", TOPIC, "-s", "now", "-b", address, "-q", "1", "-o", "1"];
        let moved = self.run(&one);
        assert_eq!(moved.last().expect("a row")[..], ["apache", "1", "1"], "{moved:?}");
        offsets(&self.run(&["cloneGroupOffset", "-s", GROUP, "-d", IDLE, "-t", TOPIC]), "2");
    }

    fn settings_and_permissions_change(&self) {
        let changed = self.run(&["updateBrokerConfig", "-c", CLUSTER, "-k", "fileReservedTime", "-v", "51"]);
        assert_eq!(changed.len(), 3, "{changed:?}");
        let settings = self.run(&["getBrokerConfig", "-c", CLUSTER]);
        assert_eq!(settings.iter().filter(|row| row[..] == ["fileReservedTime", "51"]).count(), 2);
        let status = self.run(&["brokerStatus", "-c", CLUSTER]);
        assert_eq!(status.iter().filter(|row| row[0] == "putTps").count(), 2, "{status:?}");
        let perms = self.run(&["updateTopicPerm", "-c", CLUSTER, "-t", TOPIC, "-p", "4"]);
        assert_eq!(perms.iter().filter(|row| row[3..] == ["RW-", "R--"]).count(), 2, "{perms:?}");
        self.run(&["updateTopicPerm", "-c", CLUSTER, "-t", TOPIC, "-p", "6"]);
        let wiped = self.run(&["wipeWritePerm", "-b", "apache"]);
        assert_ne!(wiped[1][2], "0", "{wiped:?}");
        let route = self.run(&["topicRoute", "-t", TOPIC]);
        let perm = |route: &[Vec<String>]| route.iter().find(|row| row[1] == "apache").expect("a row")[6].clone();
        assert_eq!(perm(&route), "R--");
        self.run(&["addWritePerm", "-b", "apache"]);
        assert_eq!(perm(&self.run(&["topicRoute", "-t", TOPIC])), "RW-");
        for line in [&["cleanExpiredCQ"][..], &["cleanUnusedTopic", "-c", CLUSTER], &["deleteExpiredCommitLog"]] {
            assert_eq!(self.run(line).len(), 3, "{line:?}");
        }
        let order = format!("apache:2;{}:2", self.our_name());
        self.run(&["updateOrderConf", "-t", TOPIC, "-m", "put", "-v", &order]);
        let stored = self.run(&["updateOrderConf", "-t", TOPIC, "-m", "get"]);
        assert!(stored.iter().any(|row| row.last() == Some(&order)), "{stored:?}");
        self.run(&["updateOrderConf", "-t", TOPIC, "-m", "delete"]);
    }

    fn what_is_wrong_is_named(&self) {
        for (line, expected) in [
            (&["consumerProgress", "-g", "group-bth"][..], "did you mean group-both?"),
            (&["topicClusterList", "-t", "topic-bth"], "did you mean topic-both?"),
            (&["wipeWritePerm", "-b", "apach"], "did you mean apache?"),
            (&["brokerStatus", "-b", "127.0.0.1:1"], "cannot connect to 127.0.0.1:1: Connection refused"),
            (&["brokerStatus"], "--brokerAddr"),
            (&["consumerProgres"], "'consumerProgress'"),
        ] {
            let failure = try_run(&self.target, line).expect_err("a failure");
            assert!(failure.contains(expected), "{line:?}: {failure}");
        }
    }

    /// A run of the tool, from its start to its end, both on the same brokers.
    fn answers_come_many_times_sooner_than_from_the_original_tool(&self, scratch: &Scratch) {
        let tool = Mqadmin::new(JavaClient::V5, &self.target.name_servers, scratch);
        let median = |run: &dyn Fn()| {
            let mut times: Vec<Duration> = (0..5)
                .map(|_| {
                    let start = Instant::now();
                    run();
                    start.elapsed()
                })
                .collect();
            times.sort_unstable();
            times[2]
        };
        let ours = median(&|| _ = self.run(&["clusterList"]));
        let theirs = median(&|| assert!(!tool.run("clusterList", &[]).rows().is_empty()));
        println!("clusterList, medians of 5 runs: ours {ours:?}, the original {theirs:?}");
        assert!(ours * 5 < theirs, "ours {ours:?}, the original {theirs:?}");
    }

    fn a_message_s_own_trace_is_found(&self) {
        let sent = self.run(&["sendMessage", "-t", TOPIC, "-b", "apache", "-p", "traced", "-m", "true"]);
        let id = &sent[1][4];
        until("its trace", LIMIT, || {
            let trace = try_run(&self.target, &["queryMsgTraceById", "-i", id])?;
            let is_it = |row: &Vec<String>| row[0] == "Pub" && row.last().is_some_and(|status| status == "success");
            if trace.iter().any(is_it) { Ok(()) } else { Err(format!("{trace:?}")) }
        });
    }

    fn metrics_are_exported(&self, scratch: &Scratch) {
        let folder = scratch.folder("metrics");
        self.run(&["exportMetrics", "-c", CLUSTER, "-f", folder.to_str().expect("made from text")]);
        let text = std::fs::read_to_string(folder.join("metrics.json")).expect("the file");
        for name in ["apache", self.our_name()] {
            assert!(text.contains(&format!("{name:?}: {{")), "{text}");
        }
        assert_eq!(text.matches("JAVA%V5_5_0").count(), 2, "the consumer's client at both: {text}");
    }

    fn topic_and_groups_are_deleted(&self) {
        assert_eq!(self.run(&["deleteSubGroup", "-c", CLUSTER, "-g", IDLE, "-r", "true"]).len(), 3);
        self.run(&["deleteTopic", "-c", CLUSTER, "-t", TOPIC]);
        let failure = try_run(&self.target, &["topicRoute", "-t", TOPIC]).expect_err("no such topic");
        assert!(failure.contains("does not exist"), "{failure}");
    }

    fn our_name(&self) -> &str {
        self.target.brokers.keys().find(|name| *name != "apache").expect("a broker of ours")
    }
}

fn run(target: &Target, arguments: &[&str]) -> Vec<Vec<String>> {
    our_mqadmin::run(&target.name_servers, arguments)
}

fn try_run(target: &Target, arguments: &[&str]) -> Result<Vec<Vec<String>>, String> {
    our_mqadmin::try_run(&target.name_servers, arguments)
}
