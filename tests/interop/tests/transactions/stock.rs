//! Stock clients' transactions. The same scenarios pass against an original broker.

use interop::apache::{ApacheBroker, ApacheNameServer};
use interop::clients::JavaClient;
use interop::go;
use interop::java;
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};

/// The scenarios are about what is asked, not about waiting for it.
const PROPERTIES: &str = "transactionTimeOut=1000\ntransactionCheckInterval=1000\n";
const GIVES_UP_SOON: &str = "transactionTimeOut=1000\ntransactionCheckInterval=1000\ntransactionCheckMax=3\n";
/// The original gathers what has ended for `transactionOpBatchInterval`, asks about it again meanwhile, and then stores its
/// message a second time.
const OF_THE_ORIGINAL: &str =
    "transactionTimeOut=1000\ntransactionCheckInterval=8000\ntransactionOpBatchInterval=300\n";
const GIVES_UP_SOON_OF_THE_ORIGINAL: &str =
    "transactionTimeOut=1000\ntransactionCheckInterval=8000\ntransactionOpBatchInterval=300\ntransactionCheckMax=3\n";

fn ours(name: &str, properties: &'static str) -> (RunLock, Scratch, Turbopump) {
    let turn = RunLock::beside_another();
    let scratch = Scratch::new(&format!("transactions-{name}"));
    let broker = Turbopump::start(&Settings { properties, ..Settings::standalone() }, &scratch);
    wait_until_registered(broker.target());
    (turn, scratch, broker)
}

fn given_up(client: JavaClient, name: &str) {
    let (_turn, scratch, broker) = ours(name, GIVES_UP_SOON);
    let options = [("check-max", "3")];
    java::start(client, "transactions-given-up", broker.target(), name, &options, java::LIMIT, &scratch).expect_pass();
}

#[test]
fn java_5_s_transactions_are_committed_rolled_back_and_asked_about() {
    let (_turn, scratch, broker) = ours("java5", PROPERTIES);
    java::passes_on(JavaClient::V5, "transactions", broker.target(), &scratch);
}

#[test]
fn java_4_s_transactions_are_committed_rolled_back_and_asked_about() {
    let (_turn, scratch, broker) = ours("java4", PROPERTIES);
    java::passes_on(JavaClient::V4, "transactions", broker.target(), &scratch);
}

#[test]
fn go_s_transactions_are_committed_rolled_back_and_asked_about() {
    let (_turn, scratch, broker) = ours("go", PROPERTIES);
    go::passes_on("transactions", broker.target(), &scratch);
}

#[test]
fn java_5_s_transactions_that_nobody_ends_are_given_up() {
    given_up(JavaClient::V5, "given-up-java5");
}

#[test]
#[ignore = "make interop-long: java_5's is tried with every change"]
fn java_4_s_transactions_that_nobody_ends_are_given_up() {
    given_up(JavaClient::V4, "given-up-java4");
}

/// Minutes, and of the original's: it shows that the scenarios are right about the protocol.
#[test]
#[ignore = "about the original broker: cargo test -p interop --test transactions -- --ignored"]
fn the_scenarios_pass_against_an_original_broker() {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new("transactions-apache");
    let name_server = ApacheNameServer::start(&scratch);
    let broker = ApacheBroker::start_with("apache", &name_server.address(), OF_THE_ORIGINAL, &scratch);
    wait_until_registered(broker.target());
    java::passes_on(JavaClient::V5, "transactions", broker.target(), &scratch);
    java::passes_on(JavaClient::V4, "transactions", broker.target(), &scratch);
    go::passes_on("transactions", broker.target(), &scratch);
    drop(broker);
    let address = name_server.address();
    let broker = ApacheBroker::start_with("gives-up", &address, GIVES_UP_SOON_OF_THE_ORIGINAL, &scratch);
    wait_until_registered(broker.target());
    let (client, scenario, options) = (JavaClient::V5, "transactions-given-up", [("check-max", "3")]);
    java::start(client, scenario, broker.target(), "given-up", &options, java::LIMIT, &scratch).expect_pass();
}
