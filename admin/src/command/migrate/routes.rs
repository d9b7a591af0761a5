//! What name servers tell clients of a broker, and changing it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::{Admin, ClientError, PERM_WRITE};
use protocol::ResponseCode;
use protocol::body::{QueueData, TopicConfig};
use protocol::properties_text;
use protocol::topic_name::is_retry_topic;

use super::sides::Broker;
use crate::concurrently::concurrently;
use crate::failure::{Failure, ServerError};

/// A broker registers a changed topic at once.
const ROUTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const PERM_READ_WRITE: i32 = client::PERM_READ | PERM_WRITE;

/// Waits until every name server routes the topics to the broker with permissions that `is_right` of them.
pub(super) async fn wait_until(
    admin: &Admin,
    broker: &Broker,
    topics: &[String],
    what: &str,
    is_right: impl Fn(Option<i32>) -> bool,
) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let wrong = wrong_routes(admin, broker, topics, &is_right).await?;
        if wrong.is_empty() {
            return Ok(());
        }
        if start.elapsed() >= ROUTED_WITHIN {
            let what = format!(
                "{} s after it was changed, name servers do not show broker {} {what} for all topics; is it registered with all of them?",
                ROUTED_WITHIN.as_secs(),
                broker.name
            );
            return Err(Failure::Unready { what, reasons: wrong });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn wrong_routes(
    admin: &Admin,
    broker: &Broker,
    topics: &[String],
    is_right: &impl Fn(Option<i32>) -> bool,
) -> Result<Vec<String>, ClientError> {
    let mut wrong = Vec::new();
    for name_server in admin.client().name_servers() {
        let ask = |topic: &String| {
            let topic = topic.clone();
            async move { Ok((perm_at(admin, name_server, broker, &topic).await?, topic)) }
        };
        let answers = concurrently(topics.iter().map(ask), |_| {}).await;
        for answer in answers {
            let (perm, topic) = answer?;
            if !is_right(perm) {
                wrong.push(format!("topic {topic} at name server {name_server}"));
            }
        }
    }
    Ok(wrong)
}

/// The permission of a topic at a broker as a name server tells it; `None` where it does not route it there.
pub(super) async fn perm_at(
    admin: &Admin,
    name_server: &str,
    broker: &Broker,
    topic: &str,
) -> Result<Option<i32>, ClientError> {
    let route = admin.topic_route_at(name_server, topic).await?;
    let queues = route.into_iter().flat_map(|route| route.queue_datas);
    Ok(queues.into_iter().find(|queues| queues.broker_name == broker.name).map(|queues| queues.perm))
}

/// A topic by which to see whether a broker takes messages.
pub(super) fn sample<'a>(mut written: impl Iterator<Item = &'a TopicConfig>) -> Option<String> {
    written.next().map(|config| config.topic_name.clone())
}

/// Has every name server tell producers to send nothing to a broker. Returns how many topics that changed, by name server.
pub(super) async fn close(admin: &Admin, broker: &Broker) -> Result<BTreeMap<String, i32>, Failure> {
    let mut counts = BTreeMap::new();
    let mut errors = Vec::new();
    for name_server in admin.client().name_servers() {
        match admin.wipe_write_perm(name_server, &broker.name).await {
            Ok(count) => _ = counts.insert(name_server.clone(), count),
            Err(error) => errors.push(ServerError::new(name_server, &error)),
        }
    }
    Failure::unless_complete(errors)?;
    Ok(counts)
}

/// Takes that back. A name server then says "read and write" of every topic; those of which the broker says something else are
/// mended one by one. Returns those that could not be, as name servers of before 5.0 do not know how.
pub(super) async fn open(admin: &Admin, broker: &Broker) -> Result<Vec<String>, Failure> {
    let topics = admin.topic_configs(&broker.address).await?.topic_config_table;
    let settings = admin.broker_config(&broker.address).await?;
    let others = other_than_read_write(&topics, broker_permission(&settings), &broker.name);
    let (mut unmended, mut errors) = (Vec::new(), Vec::new());
    for name_server in admin.client().name_servers() {
        // One that is away must not keep the others from being told.
        match open_at(admin, broker, name_server, &others).await {
            Ok(of_server) => unmended.extend(of_server),
            Err(error) => errors.push(ServerError::new(name_server, &error)),
        }
    }
    Failure::unless_complete(errors)?;
    Ok(unmended)
}

async fn open_at(
    admin: &Admin,
    broker: &Broker,
    name_server: &str,
    others: &[(String, QueueData)],
) -> Result<Vec<String>, ClientError> {
    admin.add_write_perm(name_server, &broker.name).await?;
    let mut unmended = Vec::new();
    for (topic, queues) in others {
        if perm_at(admin, name_server, broker, topic).await?.is_none_or(|perm| perm == queues.perm) {
            continue;
        }
        match admin.route_topic_at(name_server, topic, queues.clone()).await {
            Err(error) if error.response_code() == Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED) => {
                unmended.push(topic.clone());
            }
            other => other?,
        }
    }
    Ok(unmended)
}

fn broker_permission(settings: &str) -> i32 {
    let pairs = properties_text::parse(settings).unwrap_or_default();
    let value = pairs.into_iter().find(|(_, key, _)| key == "brokerPermission");
    value.and_then(|(_, _, value)| value.parse().ok()).unwrap_or(PERM_READ_WRITE)
}

/// What a broker registers of topics that are not simply readable and writable.
fn other_than_read_write(
    topics: &BTreeMap<String, TopicConfig>,
    broker_permission: i32,
    broker_name: &str,
) -> Vec<(String, QueueData)> {
    let mask = if broker_permission & PERM_READ_WRITE == PERM_READ_WRITE { !0 } else { broker_permission };
    let others = topics.iter().filter(|(_, config)| config.perm & mask != PERM_READ_WRITE);
    let queues = |(topic, config): (&String, &TopicConfig)| {
        let queues = QueueData {
            broker_name: broker_name.to_owned(),
            perm: config.perm & mask,
            read_queue_nums: config.read_queue_nums,
            topic_sys_flag: config.topic_sys_flag,
            write_queue_nums: config.write_queue_nums,
        };
        (topic.clone(), queues)
    };
    others.map(queues).collect()
}

/// Gives topics a permission at a broker, those whose permission it is not already.
pub(super) async fn set_perms<'a>(
    admin: &Admin,
    broker: &Broker,
    topics: impl Iterator<Item = (&'a TopicConfig, i32)>,
) -> Result<(), Failure> {
    let changed: Vec<_> = topics.filter(|(config, perm)| config.perm != *perm).collect();
    let change = |(config, perm): (&TopicConfig, i32)| {
        let config = TopicConfig { perm, ..config.clone() };
        // No change of attributes: they stay.
        async move { admin.create_topic(&broker.address, &config, "").await }
    };
    let answers = concurrently(changed.into_iter().map(change), |_| {}).await;
    Ok(answers.into_iter().collect::<Result<(), ClientError>>()?)
}

/// Retry topics are sent to by the broker itself, and by consumers, so they are never closed.
pub(super) fn is_closed_while_copying(topic: &str) -> bool {
    !is_retry_topic(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_were_not_readable_and_writable_get_back_what_they_had() {
        let topic = |name: &str, perm| (name.to_owned(), TopicConfig { perm, ..TopicConfig::default() });
        let topics = [topic("plain", 6), topic("draining", 4), topic("TBW102", 7)].into();
        let perms = |permission| {
            let others = other_than_read_write(&topics, permission, "b");
            others.into_iter().map(|(topic, queues)| (topic, queues.perm)).collect::<Vec<_>>()
        };
        assert_eq!(perms(6), [("TBW102".to_owned(), 7), ("draining".to_owned(), 4)]);
        assert_eq!(perms(4), [("TBW102".to_owned(), 4), ("draining".to_owned(), 4), ("plain".to_owned(), 4)]);
        assert_eq!(broker_permission("a=1\nbrokerPermission=4\n"), 4);
        assert_eq!(broker_permission(""), 6);
    }
}
