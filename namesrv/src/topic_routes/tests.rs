use super::*;

fn queues(broker_name: &str, perm: i32) -> QueueData {
    QueueData { broker_name: broker_name.to_owned(), read_queue_nums: 4, write_queue_nums: 4, perm, topic_sys_flag: 0 }
}

/// `broker-a` in cluster C with a master and a slave, `broker-b` in cluster D; both have T.
fn two_groups() -> TopicRoutes {
    let mut routes = TopicRoutes::default();
    for (broker_name, id, address, cluster) in
        [("broker-a", 0, "a:1", "C"), ("broker-a", 1, "a:2", "C"), ("broker-b", 0, "b:1", "D")]
    {
        routes.join(broker_name, id, address);
        routes.describe_group(broker_name, cluster, false, None);
        routes.set_queues("T", queues(broker_name, PERM_READ | PERM_WRITE));
    }
    routes
}

fn brokers(route: &TopicRouteData) -> Vec<&str> {
    route.broker_datas.iter().map(|broker| broker.broker_name.as_str()).collect()
}

#[test]
fn a_route_lists_the_groups_and_queues_of_its_topic() {
    let mut routes = two_groups();
    routes.set_queues("only-a", queues("broker-a", 6));
    let route = routes.route("T", false).unwrap();
    assert_eq!(brokers(&route), ["broker-a", "broker-b"]);
    assert_eq!(route.queue_datas.len(), 2);
    assert_eq!(brokers(&routes.route("only-a", false).unwrap()), ["broker-a"]);
    assert_eq!(routes.route("none", false), None);
}

#[test]
fn an_address_has_one_id_in_its_group() {
    let mut routes = two_groups();
    assert!(!routes.join("broker-a", 0, "a:2"), "the id had another address");
    assert_eq!(routes.group("broker-a").unwrap().addresses, BTreeMap::from([(0, "a:2".to_owned())]));
    assert!(routes.join("broker-a", 0, "a:2"));
}

#[test]
fn a_group_goes_with_its_last_address_and_takes_its_topics() {
    let mut routes = two_groups();
    routes.set_queues("only-a", queues("broker-a", 6));
    routes.leave("broker-a", "a:1");
    assert_eq!(routes.group("broker-a").unwrap().addresses, BTreeMap::from([(1, "a:2".to_owned())]));
    routes.leave("broker-a", "a:2");
    assert_eq!(routes.group("broker-a"), None);
    assert_eq!(routes.route("only-a", false), None);
    assert_eq!(brokers(&routes.route("T", false).unwrap()), ["broker-b"]);
    assert_eq!(routes.cluster_info().cluster_addr_table.keys().collect::<Vec<_>>(), ["D"]);
    routes.leave("broker-b", "b:1");
    assert_eq!(routes.topic_count(), 0);
}

#[test]
fn an_address_that_is_no_member_leaves_nothing_behind() {
    let mut routes = two_groups();
    routes.leave("broker-a", "x:1");
    routes.leave("no such group", "a:1");
    assert_eq!(routes.group("broker-a").unwrap().addresses.len(), 2);
}

#[test]
fn losing_the_master_wipes_the_write_permission_only_with_acting_master() {
    let mut routes = two_groups();
    routes.leave("broker-a", "a:1");
    assert_eq!(routes.route("T", false).unwrap().queue_datas[0].perm, 6);

    let mut routes = two_groups();
    routes.describe_group("broker-a", "C", true, None);
    routes.leave("broker-a", "a:1");
    let route = routes.route("T", false).unwrap();
    assert_eq!(route.queue_datas[0].perm, 4);
    assert_eq!(route.queue_datas[1].perm, 6, "the other group is as it was");
}

#[test]
fn an_acting_master_is_shown_as_id_0_where_that_is_supported() {
    let mut routes = two_groups();
    routes.set_queues("rmq_sys_SYNC_BROKER_MEMBER_broker-a", queues("broker-a", 4));
    routes.describe_group("broker-a", "C", true, None);
    routes.leave("broker-a", "a:1");
    let ids = |routes: &TopicRoutes, topic, shown| {
        let route = routes.route(topic, shown).unwrap();
        route.broker_datas[0].broker_addrs.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(ids(&routes, "T", false), [1]);
    assert_eq!(ids(&routes, "T", true), [0]);
    assert_eq!(ids(&routes, "rmq_sys_SYNC_BROKER_MEMBER_broker-a", true), [1], "members see who is there");
    routes.set_queues("T", queues("broker-a", 6));
    assert_eq!(ids(&routes, "T", true), [1], "a writable queue is no acting master's");
    routes.set_queues("T", queues("broker-a", 4));
    routes.describe_group("broker-a", "C", false, None);
    assert_eq!(ids(&routes, "T", true), [1], "the group does not allow it");
}

#[test]
fn a_topic_can_be_deleted_in_one_cluster() {
    let mut routes = two_groups();
    routes.delete_topic("T", Some("no such cluster"));
    assert_eq!(brokers(&routes.route("T", false).unwrap()).len(), 2);
    routes.delete_topic("T", Some("C"));
    assert_eq!(brokers(&routes.route("T", false).unwrap()), ["broker-b"]);
    routes.delete_topic("T", Some("D"));
    assert_eq!(routes.route("T", false), None);
}

#[test]
fn a_topic_can_be_deleted_everywhere() {
    let mut routes = two_groups();
    routes.delete_topic("T", None);
    assert_eq!(routes.route("T", false), None);
    assert!(routes.group("broker-a").is_some());
}

#[test]
fn permissions_change_for_all_topics_of_one_broker() {
    let mut routes = two_groups();
    routes.set_queues("only-a", queues("broker-a", 6));
    assert_eq!(routes.change_permission("broker-a", |perm| perm & !PERM_WRITE), 2);
    assert_eq!(routes.route("only-a", false).unwrap().queue_datas[0].perm, 4);
    assert_eq!(routes.route("T", false).unwrap().queue_datas[1].perm, 6);
    assert_eq!(routes.change_permission("none", |_| 0), 0);
}

#[test]
fn topics_that_are_no_longer_registered_can_be_dropped() {
    let mut routes = two_groups();
    routes.set_queues("old", queues("broker-a", 6));
    routes.retain_topics("broker-a", |topic| topic == "T");
    assert_eq!(routes.topics().collect::<Vec<_>>(), ["T"]);
    routes.retain_topics("broker-a", |_| false);
    assert_eq!(brokers(&routes.route("T", false).unwrap()), ["broker-b"]);
}

#[test]
fn a_cluster_lists_each_of_its_topics_once() {
    let mut routes = two_groups();
    routes.join("broker-c", 0, "c:1");
    routes.describe_group("broker-c", "C", false, None);
    routes.set_queues("T", queues("broker-c", 6));
    routes.set_queues("only-b", queues("broker-b", 6));
    assert_eq!(routes.topics_of_cluster("C").into_iter().collect::<Vec<_>>(), ["T"]);
    assert_eq!(routes.topics_of_cluster("D").into_iter().collect::<Vec<_>>(), ["T", "only-b"]);
    assert!(routes.topics_of_cluster("E").is_empty());
}

#[test]
fn unit_topics_are_told_by_their_flags() {
    let mut routes = two_groups();
    for (topic, topic_sys_flag) in [("unit", 1), ("subscribed", 2), ("both", 3)] {
        routes.set_queues(topic, QueueData { topic_sys_flag, ..queues("broker-a", 6) });
    }
    assert_eq!(routes.unit_topics(UnitTopics::Unit), ["both", "unit"]);
    assert_eq!(routes.unit_topics(UnitTopics::Subscribed), ["both", "subscribed"]);
    assert_eq!(routes.unit_topics(UnitTopics::SubscribedOnly), ["subscribed"]);
}

#[test]
fn a_static_topics_mapping_comes_and_goes_with_its_broker() {
    let mut routes = two_groups();
    routes.set_mapping("T", "broker-a", TopicQueueMapping::default());
    routes.set_mapping("none", "broker-a", TopicQueueMapping::default());
    let mapped =
        |routes: &TopicRoutes| routes.route("T", false).unwrap().topic_queue_mapping_by_broker.map(|m| m.len());
    assert_eq!(mapped(&routes), Some(1));
    routes.leave("broker-a", "a:1");
    routes.leave("broker-a", "a:2");
    assert_eq!(mapped(&routes), None);
    assert_eq!(routes.route("none", false), None);
}
