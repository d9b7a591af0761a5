//! Stock consumers with `clientRebalance=false`: brokers share out the queues among them.

use interop::clients::JavaClient;
use interop::java;

#[test]
fn consumers_that_pull_have_the_queues_that_the_brokers_give_them() {
    java::passes(JavaClient::V5, "assigned-rebalance");
}

#[test]
fn consumers_that_pop_share_all_queues_and_get_each_message() {
    java::passes(JavaClient::V5, "push-pop");
}
