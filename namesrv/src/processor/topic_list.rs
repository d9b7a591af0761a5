//! Lists of names: 206, 224, 304, 311, 312, 313.

use protocol::body::TopicList;

use super::{Answer, Outcome, Refusal, Request};
use crate::name_server::NameServer;
use crate::topic_routes::UnitTopics;

/// GET_ALL_TOPIC_LIST_FROM_NAMESERVER.
pub(crate) fn all(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    allowed(server.config.enable_all_topic_list)?;
    answer(server.registry.routes().topics().map(str::to_owned).collect())
}

/// GET_TOPICS_BY_CLUSTER.
pub(crate) fn of_cluster(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    allowed(server.config.enable_topic_list)?;
    let topics = server.registry.routes().topics_of_cluster(request.require("cluster")?);
    answer(topics.into_iter().collect())
}

/// GET_SYSTEM_TOPIC_LIST_FROM_NS: every cluster and every broker name is a topic too. The tools ask the given broker for
/// the system topics proper.
pub(crate) fn system(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    let mut topic_list = Vec::new();
    for (cluster, broker_names) in server.registry.routes().cluster_info().cluster_addr_table {
        topic_list.push(cluster);
        topic_list.extend(broker_names);
    }
    let broker_addr = server.registry.routes().groups().find_map(|(_, group)| group.addresses.values().next());
    let list = TopicList { topic_list, broker_addr: broker_addr.cloned() };
    Ok(Answer::body(list.encode()))
}

/// GET_UNIT_TOPIC_LIST.
pub(crate) fn unit(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    unit_topics(server, UnitTopics::Unit)
}

/// GET_HAS_UNIT_SUB_TOPIC_LIST.
pub(crate) fn unit_subscribed(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    unit_topics(server, UnitTopics::Subscribed)
}

/// GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST.
pub(crate) fn unit_subscribed_only(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    unit_topics(server, UnitTopics::SubscribedOnly)
}

fn unit_topics(server: &NameServer, which: UnitTopics) -> Outcome {
    allowed(server.config.enable_topic_list)?;
    answer(server.registry.routes().unit_topics(which))
}

fn allowed(enabled: bool) -> Result<(), Refusal> {
    if enabled { Ok(()) } else { Err(Refusal::error("disable")) }
}

fn answer(topic_list: Vec<String>) -> Outcome {
    Ok(Answer::body(TopicList { topic_list, broker_addr: None }.encode()))
}
