//! The RocketMQ dashboard: what each of its pages asks for, by the tools' own classes that it is built on.

use interop::clients::JavaClient;
use interop::java;
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};

#[test]
fn every_page_shows_the_facts() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("dashboard");
    let settings = Settings { properties: "traceTopicEnable=true\n", ..Settings::standalone() };
    let broker = Turbopump::start(&settings, &scratch);
    wait_until_registered(broker.target());
    java::passes_on(JavaClient::V5, "dashboard", broker.target(), &scratch);
}
