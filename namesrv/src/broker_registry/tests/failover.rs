//! A group whose replicas elect their master: each registers under its own id as a slave and under 0 as the leader, with
//! the term as the state version. `a:1` is id 1 as a slave, `b:1` is 2, `c:1` is 3, each on a connection of its own.

use super::*;

/// What of a replica's registration the election decides.
fn replica(address: &'static str, broker_id: i64, term: i64) -> Registration<'static> {
    let connection = Connection(u64::from(address.as_bytes()[0]));
    Registration {
        broker_id,
        connection,
        ha_server_address: Some("ha:1"),
        acting_master: Some(false),
        data_version: version(term, 1),
        ..master(address)
    }
}

fn with_queues(registration: Registration<'static>, queues: i32) -> Registration<'static> {
    let topics = ["T", "U"].into_iter().map(|name| (name.to_owned(), topic(name, queues))).collect();
    Registration { topics, ..registration }
}

/// `a:1` leads term 5, the others follow.
fn group() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.register(replica("a:1", 0, 5));
    cluster.register(replica("b:1", 2, 5));
    cluster.register(replica("c:1", 3, 5));
    cluster
}

fn close(cluster: &mut Cluster, address: &'static str) {
    cluster.0.connection_closed(replica(address, 0, 0).connection);
}

fn is_alive(cluster: &Cluster, address: &str) -> bool {
    cluster.0.liveness().get(&BrokerIdentity::new("C", address)).is_some()
}

/// What a slave is told while `address` is the master.
fn led_by(address: &str) -> MasterOfGroup {
    MasterOfGroup { address: Some(address.to_owned()), ha_server_address: Some("ha:1".to_owned()) }
}

#[test]
fn a_group_lists_its_leader_under_0_and_its_followers_under_their_own_ids() {
    let cluster = group();
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1"), (2, "b:1"), (3, "c:1")]));
    let route = cluster.0.route("T", false).unwrap();
    assert_eq!(route.broker_datas[0].broker_addrs.len(), 3);
    assert!(!route.broker_datas[0].enable_acting_master);
}

#[test]
fn a_demoted_leader_is_moved_to_its_own_id_and_holds_no_other() {
    let mut cluster = group();
    assert_eq!(cluster.register(replica("a:1", 1, 5)), MasterOfGroup::default(), "nobody leads yet");
    assert_eq!(cluster.addresses(), pairs(&[(1, "a:1"), (2, "b:1"), (3, "c:1")]));
    assert_eq!(cluster.register(replica("b:1", 0, 6)), MasterOfGroup::default());
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (1, "a:1"), (3, "c:1")]));
    assert_eq!(cluster.register(replica("a:1", 1, 6)), led_by("b:1"));
}

#[test]
fn a_new_leader_takes_0_from_one_that_is_still_connected() {
    let mut cluster = group();
    cluster.register(replica("b:1", 0, 6));
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (3, "c:1")]));
    assert!(is_alive(&cluster, "a:1"), "it has no id until it registers again");
    close(&mut cluster, "a:1");
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (3, "c:1")]), "its end changes nothing any more");
}

#[test]
fn a_leader_of_an_older_term_is_answered_like_any_and_ignored_until_it_follows() {
    let mut cluster = group();
    cluster.register(replica("b:1", 0, 6));
    for _ in 0..2 {
        assert_eq!(cluster.register(with_queues(replica("a:1", 0, 5), 16)), MasterOfGroup::default());
        assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (3, "c:1")]));
        assert_eq!(cluster.write_queues("T"), Some(4), "its topics do not count");
        assert!(!is_alive(&cluster, "a:1"));
    }
    assert_eq!(cluster.register(replica("a:1", 1, 6)), led_by("b:1"));
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (1, "a:1"), (3, "c:1")]));
}

#[test]
fn a_late_registration_as_leader_takes_the_senders_own_id_until_its_next_one() {
    let mut cluster = group();
    cluster.register(replica("b:1", 0, 6));
    cluster.register(replica("a:1", 1, 6));
    cluster.register(replica("a:1", 0, 5));
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (3, "c:1")]), "the leader stays");
    cluster.register(replica("a:1", 1, 6));
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (1, "a:1"), (3, "c:1")]));
}

#[test]
fn an_older_term_counts_when_the_holder_of_the_id_is_gone() {
    let mut cluster = group();
    close(&mut cluster, "a:1");
    cluster.register(replica("b:1", 0, 3));
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (3, "c:1")]));
}

#[test]
fn the_term_is_compared_for_a_slaves_id_too() {
    let mut cluster = group();
    cluster.register(replica("x:1", 3, 4));
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1"), (2, "b:1"), (3, "c:1")]));
    assert_eq!(cluster.register(replica("x:1", 3, 5)), led_by("a:1"), "a replica that moved to another host");
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1"), (2, "b:1"), (3, "x:1")]));
}

#[test]
fn a_leader_that_lost_its_connection_comes_back_with_the_term_it_has() {
    let mut cluster = group();
    close(&mut cluster, "a:1");
    cluster.register(replica("a:1", 0, 5));
    assert_eq!(cluster.addresses(), pairs(&[(0, "a:1"), (2, "b:1"), (3, "c:1")]));
}

#[test]
fn followers_stay_readable_when_the_leader_is_gone() {
    let mut cluster = group();
    close(&mut cluster, "a:1");
    for show_acting_master in [false, true] {
        let route = cluster.0.route("T", show_acting_master).unwrap();
        let addresses = BTreeMap::from([(2, "b:1".to_owned()), (3, "c:1".to_owned())]);
        assert_eq!(route.broker_datas[0].broker_addrs, addresses, "none of them stands in for the leader");
        assert_eq!(route.queue_datas[0].perm, PERM_READ | PERM_WRITE, "the next leader has not to give it back");
    }
    assert_eq!(cluster.register(replica("c:1", 3, 5)), MasterOfGroup::default());
    close(&mut cluster, "b:1");
    close(&mut cluster, "c:1");
    assert_eq!(cluster.0.route("T", false), None);
}

#[test]
fn followers_that_register_before_their_leader_bring_the_topics_and_the_leaders_count_from_then_on() {
    let mut cluster = Cluster::new();
    cluster.register(with_queues(replica("c:1", 3, 5), 3));
    assert_eq!(cluster.write_queues("T"), Some(3));
    cluster.register(with_queues(replica("b:1", 2, 5), 2));
    assert_eq!(cluster.write_queues("T"), Some(2), "the smallest id's");
    cluster.register(with_queues(replica("c:1", 3, 6), 9));
    assert_eq!(cluster.write_queues("T"), Some(2));
    cluster.register(with_queues(replica("a:1", 0, 5), 4));
    assert_eq!(cluster.write_queues("T"), Some(4));
    cluster.register(with_queues(replica("b:1", 2, 7), 2));
    assert_eq!(cluster.write_queues("T"), Some(4), "no follower's any more, whatever its version");
}

#[test]
fn a_new_leaders_topics_count_even_if_it_registered_the_same_version_as_a_follower() {
    let mut cluster = group();
    cluster.register(with_queues(replica("b:1", 2, 6), 8));
    cluster.register(with_queues(replica("b:1", 0, 6), 8));
    assert_eq!(cluster.write_queues("T"), Some(8));
}

#[test]
fn a_leader_that_stops_takes_only_itself_out() {
    let mut cluster = group();
    cluster.register(replica("b:1", 0, 6));
    cluster.register(replica("a:1", 1, 6));
    cluster.0.unregister(&BrokerIdentity::new("C", "a:1"));
    assert_eq!(cluster.addresses(), pairs(&[(0, "b:1"), (3, "c:1")]));
}
