//! Messages looked up by what they are about: traces of stock clients, and Apache's mqadmin.

use interop::clients::JavaClient;
use interop::java;
use interop::mqadmin::Mqadmin;
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};

fn traces_are_found(client: JavaClient, name: &str) {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new(name);
    let settings = Settings { properties: "traceTopicEnable=true\n", ..Settings::standalone() };
    let broker = Turbopump::start(&settings, &scratch);
    wait_until_registered(broker.target());
    let scenario = java::start(client, "traced", broker.target(), name, &[], java::LIMIT, &scratch);
    let facts = scenario.expect_pass();
    let id = facts.strip_prefix("first id ").expect("the id of a message");
    let (topic, group) = (format!("topic-{name}"), format!("group-{name}"));
    let tool = Mqadmin::new(client, &broker.target().name_servers, &scratch);
    let printed = tool.run_all(&[
        &["queryMsgByUniqueKey", "-t", &topic, "-i", id],
        &["queryMsgByKey", "-t", &topic, "-k", "key-0"],
        &["queryMsgTraceById", "-i", id],
    ]);
    let [by_id, by_key, traces] = &printed[..] else { panic!("{printed:?}") };
    assert!(by_id.out.contains("key-0") && by_id.out.contains(&topic), "{by_id:?}");
    assert!(by_key.out.contains(id), "{by_key:?}");
    for (kind, by) in [("Pub", format!("{group}-traced")), ("Sub", group)] {
        let rows = traces.rows();
        let row = rows.iter().find(|row| row[0] == kind).unwrap_or_else(|| panic!("no {kind}: {traces:?}"));
        assert_eq!((row[1], row[row.len() - 1]), (by.as_str(), "success"), "{traces:?}");
    }
}

#[test]
fn traces_of_java_5_clients_are_found_by_key_and_shown_by_its_tool() {
    traces_are_found(JavaClient::V5, "traced-java5");
}

#[test]
fn traces_of_java_4_clients_are_found_by_key_and_shown_by_its_tool() {
    traces_are_found(JavaClient::V4, "traced-java4");
}
