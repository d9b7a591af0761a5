//! Java's own mqadmin, of both releases, while a producer and a consumer of the stock client are online.

use std::process::Command;
use std::time::Duration;

use interop::binaries;
use interop::clients::JavaClient;
use interop::java;
use interop::mqadmin::{Mqadmin, Printed};
use interop::requests;
use interop::scenario::Running;
use interop::scratch::Scratch;
use interop::until::until;
use protocol::RequestCode;
use protocol::body::{ConsumerConnection, ConsumerStatus, MessageRequestModes};

use crate::stand::Stand;

const TOPIC: &str = "topic-tools";
const GROUP: &str = "group-tools";
/// In each of two queues.
const MESSAGES: i64 = 5;
const SLOW: i64 = 200;
const LIMIT: Duration = Duration::from_secs(90);
/// Long ago.
const FROM: &str = "1000000000000";

/// One test, since what takes long is the start of clients and their 10 s of waiting after a reset.
#[test]
fn the_tools_see_and_move_a_group_that_is_online() {
    let mut attended = Attended::start();
    attended.says_where_it_is();
    for client in [JavaClient::V5, JavaClient::V4] {
        let tool = Mqadmin::new(client, &attended.stand.broker.target().name_servers, &attended.scratch);
        attended.is_shown(client, &tool);
        attended.is_administered(client, &tool);
    }
    attended.reset_and_skip();
}

struct Attended {
    stand: Stand,
    scratch: Scratch,
    address: String,
    consumer: Running,
    client_id: String,
    message_id: String,
}

impl Attended {
    fn start() -> Self {
        let mut stand = Stand::start("tools");
        let scratch = Scratch::new("operators-tools-clients");
        let created = stand.operator.ask(requests::create_topic(TOPIC, 2));
        assert_eq!(created.code, 0, "{created:?}");
        let mut message_id = String::new();
        for number in 0..2 * MESSAGES as i32 {
            let sent = stand.operator.ask(requests::send(TOPIC, number % 2, b"quick"));
            message_id = sent.get("msgId").expect("an id").to_owned();
        }
        let target = stand.broker.target();
        let limit = 2 * LIMIT;
        let consumer = java::start(JavaClient::V5, "attended", target, "tools", &[], limit, &scratch);
        let address = stand.address.to_string();
        let mut attended = Self { stand, scratch, address, consumer, client_id: String::new(), message_id };
        attended.wait_for([MESSAGES, MESSAGES]);
        let fields = [("consumerGroup", GROUP)];
        let members = attended.stand.done(RequestCode::GET_CONSUMER_CONNECTION_LIST, &fields, &[]);
        let members = ConsumerConnection::decode(&members.body).expect("members").connection_set;
        attended.client_id = members[0].client_id.clone();
        attended
    }

    fn wait_for(&mut self, offsets: [i64; 2]) {
        until("the group's offsets", LIMIT, || {
            self.consumer.expect_running();
            let seen = [0, 1].map(|queue_id| self.stand.committed_in(GROUP, TOPIC, queue_id));
            if seen == offsets.map(Some) { Ok(()) } else { Err(format!("{seen:?} instead of {offsets:?}")) }
        });
    }

    /// No subcommand of either release asks for that, only their library does.
    fn says_where_it_is(&mut self) {
        let fields = [("topic", TOPIC), ("group", GROUP)];
        let answer = self.stand.done(RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, &fields, &[]);
        let status = ConsumerStatus::decode(&answer.body).expect("positions").consumer_table;
        let of_topic: Vec<(i32, i64)> =
            status[&self.client_id].offsets.iter().map(|(queue, offset)| (queue.queue_id, *offset)).collect();
        assert_eq!(of_topic, [(0, MESSAGES), (1, MESSAGES)], "{answer:?}");
    }

    fn is_shown(&self, client: JavaClient, tool: &Mqadmin) {
        let address = self.address.as_str();
        let producer_group = format!("{GROUP}-producer");
        let printed = tool.run_all(&[
            &["consumerProgress", "-g", GROUP],
            &["consumerProgress"],
            &["consumerStatus", "-g", GROUP, "-s"],
            &["consumerStatus", "-g", GROUP, "-i", &self.client_id],
            &["producer", "-b", address],
            &["queryCq", "-t", TOPIC, "-q", "0", "-i", "1", "-c", "2", "-b", address, "-g", GROUP],
            &["statsAll", "-t", TOPIC],
            &["brokerConsumeStats", "-b", address],
            &["clusterList", "-m"],
            &["brokerStatus", "-b", address],
            &["consumerConnection", "-g", GROUP],
            &["producerConnection", "-g", &producer_group, "-t", TOPIC],
        ]);
        let [progress, all, status, running, producers, units, stats, consume_stats, today, runtime, members, producer] =
            &printed[..]
        else {
            panic!("{printed:?}")
        };
        let rows_of_topic = |printed: &Printed| -> Vec<Vec<String>> {
            let rows = printed.rows();
            let rows = rows.iter().filter(|row| row[0] == TOPIC);
            rows.map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
        };
        let of_topic = rows_of_topic(progress);
        assert_eq!(of_topic.len(), 2, "{progress:?}");
        for (queue_id, row) in of_topic.iter().enumerate() {
            assert_eq!(row[2..6], [queue_id.to_string().as_str(), "5", "5", "0"], "{progress:?}");
        }
        assert!(progress.out.contains("Diff Total: 0"), "{progress:?}");
        let row = all.rows().into_iter().find(|row| row[0] == GROUP).unwrap_or_else(|| panic!("{all:?}"));
        assert_eq!((row[1], row[3], row[4]), ("1", "PUSH", "CLUSTERING"), "{all:?}");
        assert!(status.out.contains(&self.client_id) && status.out.contains("Rebalance OK"), "{status:?}");
        for part in ["#Consumer Properties#", "#Consumer Subscription#", TOPIC] {
            assert!(running.out.contains(part), "{part} of the consumer's own words: {running:?}");
        }
        assert!(producers.out.contains(&format!("producer group ({producer_group})")), "{client:?} {producers:?}");
        assert!(units.out.contains("max: 5, min: 0") && units.out.contains("tagsCode=0"), "{units:?}");
        assert_eq!(units.out.matches("physicSize=221").count(), 2, "{units:?}");
        let of_group = rows_of_topic(stats).into_iter().find(|row| row[1..3] == [GROUP, "0"]);
        let of_group = of_group.unwrap_or_else(|| panic!("{stats:?}"));
        // What came in and went out in the last 24 hours, behind the rates.
        assert_eq!(of_group[5..7], ["10", "10"], "{stats:?}");
        let in_and_out: Vec<f64> = of_group[3..5].iter().map(|rate| rate.parse().expect("a rate")).collect();
        assert!(in_and_out.iter().all(|rate| (0.0..10.0).contains(rate)), "{stats:?}");
        let row = today.rows().into_iter().find(|row| row[1] == "turbopump").unwrap_or_else(|| panic!("{today:?}"));
        // Yesterday's and today's messages, in and out.
        assert_eq!(row[2..4], ["0", "0"], "it began today: {today:?}");
        assert!(row[4..6].iter().all(|total| total.parse::<u64>().expect("a number") >= 10), "{today:?}");
        for key in
            ["putTps", "getTotalTps", "msgPutTotalTodayNow", "msgGetTotalYesterdayMorning", "earliestMessageTimeStamp"]
        {
            assert!(runtime.out.lines().any(|line| line.trim_start().starts_with(key)), "{key}: {runtime:?}");
        }
        let mut queues = rows_of_topic(consume_stats);
        queues.retain(|row| row[1] == GROUP);
        assert_eq!(queues.len(), 2, "{consume_stats:?}");
        assert_eq!(queues[0][1..7], [GROUP, "turbopump", "0", "5", "5", "0"], "{consume_stats:?}");
        for fact in [self.client_id.as_str(), TOPIC, "ConsumeType: CONSUME_PASSIVELY", "MessageModel: CLUSTERING"] {
            assert!(members.out.contains(fact), "{fact}: {members:?}");
        }
        assert_eq!(producer.rows().len(), 1, "{producer:?}");
        assert!(producer.out.contains("JAVA") && producer.out.contains("127.0.0.1:"), "{producer:?}");
        assert!(printed.iter().all(|printed| !printed.err.contains("Exception")), "{printed:?}");
    }

    fn is_administered(&mut self, client: JavaClient, tool: &Mqadmin) {
        let address = self.address.as_str();
        let clone = format!("cloned-{}", client.module());
        self.stand.make_group(&clone);
        let mut subcommands = vec![
            vec!["cloneGroupOffset", "-s", GROUP, "-d", &clone, "-t", TOPIC, "-o", "true"],
            vec!["cleanExpiredCQ", "-b", address],
            vec!["cleanUnusedTopic", "-b", address],
            vec!["deleteExpiredCommitLog", "-b", address],
            vec!["queryMsgById", "-i", &self.message_id, "-g", GROUP, "-d", &self.client_id],
            vec!["updateBrokerConfig", "-b", address, "-k", "fileReservedTime", "-v", "24"],
            vec!["updateBrokerConfig", "-b", address, "-k", "listenPort", "-v", "24"],
        ];
        let topics = self
            .scratch
            .file("topics.json", r#"[{"topicName":"listed","readQueueNums":3,"writeQueueNums":3,"perm":6}]"#);
        let groups = self.scratch.file("groups.json", r#"[{"groupName":"listed","retryMaxTimes":3}]"#);
        let (topics, groups) = (topics.display().to_string(), groups.display().to_string());
        // 4.9.8 finds the topic by the id, and has no lists.
        if client == JavaClient::V5 {
            subcommands[4].extend(["-t", TOPIC]);
            subcommands.push(vec!["updateTopicList", "-b", address, "-f", &topics]);
            subcommands.push(vec!["updateSubGroupList", "-b", address, "-f", &groups]);
            subcommands.push(vec!["setConsumeMode", "-b", address, "-t", TOPIC, "-g", &clone, "-m", "POP", "-q", "3"]);
        }
        let subcommands: Vec<&[&str]> = subcommands.iter().map(Vec::as_slice).collect();
        let printed = tool.run_all(&subcommands);
        assert!(printed[0].out.contains("clone group offset success"), "{:?}", printed[0]);
        for cleaned in &printed[1..4] {
            assert!(cleaned.out.contains("success"), "{cleaned:?}");
        }
        assert!(printed[4].out.contains("consumeResult=CR_SUCCESS"), "{:?}", printed[4]);
        assert!(printed[5].out.contains("update broker config success"), "{:?}", printed[5]);
        assert!(printed[6].err.contains("listenPort is not changed"), "{:?}", printed[6]);
        for submitted in &printed[7..] {
            assert!(submitted.out.contains(&format!("to {} success", self.address)), "{submitted:?}");
        }
        if client == JavaClient::V5 {
            self.has_mode(&clone, "POP", 3);
            let mut ours = Command::new(binaries::path_of("mqadmin"));
            ours.args(["setConsumeMode", "-n", &self.stand.broker.target().name_servers, "-c", "DefaultCluster"]);
            ours.args(["-t", TOPIC, "-g", &clone, "-m", "pull"]);
            let output = ours.output().unwrap_or_else(|error| panic!("cannot run {ours:?}: {error}"));
            assert!(output.status.success(), "{output:?}");
            self.has_mode(&clone, "PULL", 0);
        }
        assert_eq!(self.stand.committed_in(&clone, TOPIC, 0), Some(MESSAGES));
        if client == JavaClient::V5 {
            self.stand.done(RequestCode::GET_TOPIC_CONFIG, &[("topic", "listed")], &[]);
            let all = self.stand.done(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &[], &[]).body;
            assert!(String::from_utf8_lossy(&all).contains(r#""groupName":"listed""#));
        }
    }

    fn has_mode(&mut self, group: &str, mode: &str, share: i32) {
        let answer = self.stand.done(RequestCode::GET_ALL_MESSAGE_REQUEST_MODE, &[], &[]);
        let modes = MessageRequestModes::decode(&answer.body).expect("modes").message_request_mode_map;
        let set = &modes[TOPIC][group];
        assert_eq!((set.mode.as_str(), set.pop_share_queue_num), (mode, share), "{answer:?}");
    }

    fn reset_and_skip(mut self) {
        let servers = self.stand.broker.target().name_servers.clone();
        let [tool5, tool4] = [JavaClient::V5, JavaClient::V4].map(|each| Mqadmin::new(each, &servers, &self.scratch));
        let reset: &[&str] = &["resetOffsetByTime", "-g", GROUP, "-t", TOPIC, "-s", FROM, "-f", "true"];
        let skip: &[&str] = &["skipAccumulatedMessage", "-g", GROUP, "-t", TOPIC, "-f", "true"];
        let offsets = |printed: &Printed| -> Vec<String> {
            let rows = printed.rows();
            let rows = rows.iter().filter(|row| row[0] == "turbopump");
            rows.map(|row| row[row.len() - 1].to_owned()).collect()
        };
        let printed = tool5.run_all(&[reset]);
        assert_eq!(offsets(&printed[0]), ["0", "0"], "{printed:?}");
        // The consumer is sent back, waits its 10 s, and gets all of it again.
        self.wait_for([MESSAGES, MESSAGES]);

        for _ in 0..SLOW {
            assert_eq!(self.stand.operator.ask(requests::send(TOPIC, 0, b"slow")).code, 0);
        }
        let printed = tool5.run_all(&[skip]);
        let end = MESSAGES + SLOW;
        let skipped = [end.to_string(), MESSAGES.to_string()];
        assert_eq!(offsets(&printed[0]), skipped, "{printed:?}");
        assert_eq!(self.stand.committed_in(GROUP, TOPIC, 0), Some(end));
        let printed = tool4.run_all(&[reset, skip]);
        assert_eq!(offsets(&printed[0]), ["0", "0"], "{printed:?}");
        assert_eq!(offsets(&printed[1]), skipped, "{printed:?}");

        self.consumer.ask_to_stop();
        let facts = self.consumer.expect_pass();
        // Handed to it directly by both tools, too.
        let (quick, slow) = facts.split_once(", slow ").expect("two numbers");
        assert_eq!(quick, format!("quick {}", 4 * MESSAGES + 2), "each came twice");
        assert!(slow.parse::<i64>().expect("a number") < SLOW, "not all of what was skipped came: {facts}");
    }
}
