//! From the names a user gives to the addresses requests go to; what does not exist is a failure that names what does.

use std::collections::BTreeMap;

use client::{Admin, ClientError, MASTER_ID, MessageQueue, TopicRoute};

use crate::failure::Failure;
use crate::nearest::nearest;

/// The masters of a cluster: address by broker name.
pub(crate) async fn masters(admin: &Admin, cluster: &str) -> Result<BTreeMap<String, String>, Failure> {
    let info = admin.cluster_info().await?;
    let Some(broker_names) = info.cluster_addr_table.get(cluster) else {
        let known = info.cluster_addr_table.into_keys().collect();
        return Err(Failure::UnknownCluster { cluster: cluster.to_owned(), known });
    };
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
