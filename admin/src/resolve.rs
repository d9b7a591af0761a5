//! From the names a user gives to the addresses requests go to; what does not exist is a failure that names what does.

use std::collections::BTreeMap;

use client::{Admin, ClientError, MASTER_ID, MessageQueue, TopicRoute};
use protocol::body::{BrokerData, ClusterInfo, TopicRouteData};
use protocol::topic_name::retry_topic;

use crate::brokers::{Place, ask_each};
use crate::failure::Failure;
use crate::nearest::nearest;

/// All brokers; `cluster`, if it is given, has to be among their clusters.
pub(crate) async fn cluster_info(admin: &Admin, cluster: Option<&str>) -> Result<ClusterInfo, Failure> {
    let info = admin.cluster_info().await?;
    if let Some(cluster) = cluster.filter(|cluster| !info.cluster_addr_table.contains_key(*cluster)) {
        let known = info.cluster_addr_table.into_keys().collect();
        return Err(Failure::UnknownCluster { cluster: cluster.to_owned(), known });
    }
    Ok(info)
}

/// Every broker's master, or the lowest of its replicas while it has none.
pub(crate) fn heads(info: &ClusterInfo) -> Vec<Place> {
    let head = |(name, broker): (&String, &BrokerData)| {
        let address = broker.broker_addrs.values().next()?;
        Some(Place { broker_name: Some(name.clone()), broker_addr: address.clone() })
    };
    info.broker_addr_table.iter().filter_map(head).collect()
}

/// The brokers of a route: each one's master, or the lowest of its replicas while it has none.
pub(crate) fn route_brokers(route: &TopicRouteData) -> Vec<Place> {
    let mut places = Vec::new();
    for broker in &route.broker_datas {
        // In order of id: the master's comes first.
        if let Some(address) = broker.broker_addrs.values().next() {
            places.push(Place { broker_name: Some(broker.broker_name.clone()), broker_addr: address.clone() });
        }
    }
    places.sort_unstable_by(|a, b| a.broker_name.cmp(&b.broker_name));
    places
}

/// The brokers a consumer group is known to: those of its retry topic, which the first member brings; before that, those that
/// have its settings.
pub(crate) async fn group_brokers(admin: &Admin, group: &str) -> Result<Vec<Place>, Failure> {
    match admin.topic_route(&retry_topic(group)).await {
        Ok(route) => return Ok(route_brokers(&route)),
        Err(ClientError::NoRoute { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let ask = |address: String| async move { admin.group_configs(&address).await };
    let (tables, errors) = ask_each(heads(&cluster_info(admin, None).await?), ask).await?;
    let (having, others): (Vec<_>, Vec<_>) =
        tables.into_iter().partition(|(_, table)| table.subscription_group_table.contains_key(group));
    if !having.is_empty() {
        return Ok(having.into_iter().map(|(place, _)| place).collect());
    }
    // A broker that does not say may have it.
    Failure::unless_complete(errors)?;
    let others = others.iter().flat_map(|(_, table)| table.subscription_group_table.keys());
    Err(unknown_group(group, others.map(String::as_str)))
}

/// The failure for a consumer group that does not exist.
pub(crate) fn unknown_group<'a>(group: &str, others: impl Iterator<Item = &'a str>) -> Failure {
    Failure::UnknownGroup { group: group.to_owned(), nearest: nearest(group, others).map(str::to_owned) }
}

/// The failure for a broker name that is not registered.
pub(crate) fn unregistered_broker(info: &ClusterInfo, broker_name: &str) -> Failure {
    let nearest = nearest(broker_name, info.broker_addr_table.keys().map(String::as_str)).map(str::to_owned);
    Failure::UnregisteredBroker { broker_name: broker_name.to_owned(), nearest }
}

/// The masters of a cluster: address by broker name.
pub(crate) async fn masters(admin: &Admin, cluster: &str) -> Result<BTreeMap<String, String>, Failure> {
    let info = cluster_info(admin, Some(cluster)).await?;
    let broker_names = info.cluster_addr_table.get(cluster).into_iter().flatten();
    let mut masters = BTreeMap::new();
    for name in broker_names {
        if let Some(address) = info.broker_addr_table.get(name).and_then(|broker| broker.broker_addrs.get(&MASTER_ID)) {
            masters.insert(name.clone(), address.clone());
        }
    }
    if masters.is_empty() {
        return Err(Failure::Usage(format!("cluster {cluster} has no master at present")));
    }
    Ok(masters)
}

/// The route of a topic that has to exist.
pub(crate) async fn route(admin: &Admin, topic: &str) -> Result<TopicRoute, Failure> {
    match admin.topic_route(topic).await {
        Ok(data) => Ok(TopicRoute::new(topic, data)),
        Err(error) => Err(or_unknown_topic(admin, topic, error).await),
    }
}

/// Says "unknown topic" for a missing route, with the topic that was probably meant; passes on any other error.
pub(crate) async fn or_unknown_topic(admin: &Admin, topic: &str, error: ClientError) -> Failure {
    match error {
        ClientError::NoRoute { .. } => unknown_topic(admin, topic).await,
        other => other.into(),
    }
}

/// The failure for a topic that does not exist.
pub(crate) async fn unknown_topic(admin: &Admin, topic: &str) -> Failure {
    // The list only serves the hint; without it the failure is still the right one.
    let topics = admin.topic_list().await.map(|list| list.topic_list).unwrap_or_default();
    let others = topics.iter().map(String::as_str).filter(|other| *other != topic);
    Failure::UnknownTopic { topic: topic.to_owned(), nearest: nearest(topic, others).map(str::to_owned) }
}

/// The queues of a topic that match the given broker name and queue id.
pub(crate) fn select_queues(
    topic: &str,
    queues: &[MessageQueue],
    broker_name: Option<&str>,
    queue_id: Option<i32>,
) -> Result<Vec<MessageQueue>, Failure> {
    let Some(broker_name) = broker_name else { return Ok(queues.to_vec()) };
    let on_broker: Vec<_> = queues.iter().filter(|queue| queue.broker_name == broker_name).cloned().collect();
    let Some(last) = on_broker.iter().map(|queue| queue.queue_id).max() else {
        let mut known: Vec<_> = queues.iter().map(|queue| queue.broker_name.clone()).collect();
        known.dedup();
        return Err(Failure::UnknownBroker { topic: topic.to_owned(), broker_name: broker_name.to_owned(), known });
    };
    let Some(queue_id) = queue_id else { return Ok(on_broker) };
    match on_broker.into_iter().find(|queue| queue.queue_id == queue_id) {
        Some(queue) => Ok(vec![queue]),
        None => {
            Err(Failure::UnknownQueue { topic: topic.to_owned(), broker_name: broker_name.to_owned(), queue_id, last })
        }
    }
}
