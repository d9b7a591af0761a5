//! Java's own mqadmin, of both releases, against two shards of ours: what it prints, not only that it ends.

use std::time::Duration;

use interop::clients::JavaClient;
use interop::mqadmin::{Mqadmin, Printed};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::target::Target;
use interop::turbopump::Turbopump;
use interop::until::until;

const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: &str = "administered";

#[test]
fn the_tool_of_5_creates_describes_and_deletes_a_topic() {
    administer(JavaClient::V5);
}

#[test]
fn the_tool_of_4_creates_describes_and_deletes_a_topic() {
    administer(JavaClient::V4);
}

fn administer(client: JavaClient) {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new(&format!("mqadmin-{}", client.module()));
    let broker = Turbopump::standalone(&scratch);
    let target = broker.target();
    let tool = Mqadmin::new(client, &target.name_servers, &scratch);

    cluster_list_shows_both_shards(&tool, target);
    update_topic_reaches_every_broker_of_the_cluster(&tool, target);
    update_topic_reaches_one_broker(&tool, target);
    topic_route_shows_the_queues(&tool, target);
    topic_status_shows_every_queue_empty(&tool, target);
    let listed = tool.run("topicList", &[]);
    assert!(listed.out.lines().any(|line| line.trim() == TOPIC), "{listed:?}");
    delete_topic_takes_it_away(&tool);
}

fn cluster_list_shows_both_shards(tool: &Mqadmin, target: &Target) {
    let printed = tool.run("clusterList", &[]);
    let rows = printed.rows();
    assert_eq!(rows.len(), target.brokers.len(), "{printed:?}");
    for (row, (name, address)) in rows.iter().zip(&target.brokers) {
        assert_eq!(row[..4], ["DefaultCluster", name.as_str(), "0", address.as_str()], "{printed:?}");
    }
    // The 4.x tool prints its stack trace between the rows' beginning and end when a key of the runtime info is missing.
    assert!(!printed.err.contains("Exception"), "{printed:?}");
}

fn update_topic_reaches_every_broker_of_the_cluster(tool: &Mqadmin, target: &Target) {
    let printed = tool.run("updateTopic", &["-c", "DefaultCluster", "-t", TOPIC, "-r", "6", "-w", "4"]);
    for address in target.brokers.values() {
        assert!(printed.out.contains(&format!("create topic to {address} success.")), "{printed:?}");
    }
    assert!(
        printed.out.contains(&format!("topicName={TOPIC}, readQueueNums=6, writeQueueNums=4, perm=RW-")),
        "{printed:?}"
    );
}

fn update_topic_reaches_one_broker(tool: &Mqadmin, target: &Target) {
    let (_, address) = target.brokers.iter().next().expect("brokers run");
    let printed = tool.run("updateTopic", &["-b", address, "-t", "one-broker", "-r", "3", "-w", "3", "-p", "4"]);
    assert!(printed.out.contains(&format!("create topic to {address} success.")), "{printed:?}");
    until("the route of a topic on one broker", LIMIT, || {
        let route = tool.run("topicRoute", &["-t", "one-broker"]);
        let text = route.squeezed();
        let shown = text.contains(r#""perm":4,"readQueueNums":3,"topicSysFlag":0,"writeQueueNums":3"#);
        if shown && text.matches("readQueueNums").count() == 1 { Ok(()) } else { Err(format!("{route:?}")) }
    });
}

fn topic_route_shows_the_queues(tool: &Mqadmin, target: &Target) {
    until("the route of the topic", LIMIT, || {
        let printed = tool.run("topicRoute", &["-t", TOPIC]);
        if all_brokers_are_routed(&printed, target) { Ok(()) } else { Err(format!("{printed:?}")) }
    });
}

fn all_brokers_are_routed(printed: &Printed, target: &Target) -> bool {
    let text = printed.squeezed();
    target.brokers.iter().all(|(name, address)| {
        let queues =
            format!(r#"{{"brokerName":"{name}","perm":6,"readQueueNums":6,"topicSysFlag":0,"writeQueueNums":4}}"#);
        text.contains(&queues)
            && text.contains(&format!(r#"0:"{address}"}},"brokerName":"{name}","cluster":"DefaultCluster""#))
    })
}

fn topic_status_shows_every_queue_empty(tool: &Mqadmin, target: &Target) {
    let printed = tool.run("topicStatus", &["-t", TOPIC]);
    let mut queues: Vec<String> =
        printed.rows().iter().filter(|row| target.brokers.contains_key(row[0])).map(|row| row[..4].join(" ")).collect();
    queues.sort();
    let mut expected: Vec<String> =
        target.brokers.keys().flat_map(|name| (0..6).map(move |queue| format!("{name} {queue} 0 0"))).collect();
    expected.sort();
    assert_eq!(queues, expected, "{printed:?}");
}

fn delete_topic_takes_it_away(tool: &Mqadmin) {
    let printed = tool.run("deleteTopic", &["-c", "DefaultCluster", "-t", TOPIC]);
    assert!(
        printed.out.contains(&format!("delete topic [{TOPIC}] from cluster [DefaultCluster] success.")),
        "{printed:?}"
    );
    assert!(printed.out.contains(&format!("delete topic [{TOPIC}] from NameServer success.")), "{printed:?}");
    until("the route to be gone", LIMIT, || {
        let route = tool.run("topicRoute", &["-t", TOPIC]);
        if route.err.contains("CODE: 17") { Ok(()) } else { Err(format!("{route:?}")) }
    });
    let listed = tool.run("topicList", &[]);
    assert!(!listed.out.lines().any(|line| line.trim() == TOPIC), "{listed:?}");
}
