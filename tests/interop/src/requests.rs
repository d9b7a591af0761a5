//! Well-formed requests as stock clients send them: what a test then spoils.

use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::topic_name::AUTO_CREATE_TOPIC;

/// Queues that sends ask for when they create a topic.
pub const QUEUES: i32 = 4;
/// `sysFlag` of a pull: its expression is in the header.
pub const PULL_WITH_SUBSCRIPTION: i32 = 0b100;
/// `sysFlag` of a pull: it may be held.
pub const PULL_MAY_WAIT: i32 = 0b010;

fn request(code: RequestCode) -> RemotingCommand {
    RemotingCommand::request(code.0, 0)
}

/// SEND_MESSAGE_V2 (310).
#[must_use]
pub fn send(topic: &str, queue_id: i32, body: &[u8]) -> RemotingCommand {
    request(RequestCode::SEND_MESSAGE_V2)
        .with_field("a", "group")
        .with_field("b", topic)
        .with_field("c", AUTO_CREATE_TOPIC)
        .with_field("d", QUEUES)
        .with_field("e", queue_id)
        .with_field("f", 0)
        .with_field("g", 1_795_256_200_294_i64)
        .with_field("h", 0)
        .with_field("i", "WAIT\u{1}true\u{2}")
        .with_body(body)
}

/// SEND_BATCH_MESSAGE (320).
#[must_use]
pub fn send_batch(topic: &str, queue_id: i32, body: &[u8]) -> RemotingCommand {
    RemotingCommand { code: RequestCode::SEND_BATCH_MESSAGE.0, ..send(topic, queue_id, body) }.with_field("m", true)
}

/// SEND_MESSAGE (10).
#[must_use]
pub fn send_v1(topic: &str, queue_id: i32, body: &[u8]) -> RemotingCommand {
    request(RequestCode::SEND_MESSAGE)
        .with_field("producerGroup", "group")
        .with_field("topic", topic)
        .with_field("defaultTopic", AUTO_CREATE_TOPIC)
        .with_field("defaultTopicQueueNums", QUEUES)
        .with_field("queueId", queue_id)
        .with_field("sysFlag", 0)
        .with_field("bornTimestamp", 1_795_256_200_294_i64)
        .with_field("flag", 0)
        .with_body(body)
}

/// PULL_MESSAGE (11) of everything from `offset` on, answered at once.
#[must_use]
pub fn pull(topic: &str, queue_id: i32, offset: i64) -> RemotingCommand {
    request(RequestCode::PULL_MESSAGE)
        .with_field("consumerGroup", "pullers")
        .with_field("topic", topic)
        .with_field("queueId", queue_id)
        .with_field("queueOffset", offset)
        .with_field("maxMsgNums", 32)
        .with_field("sysFlag", PULL_WITH_SUBSCRIPTION)
        .with_field("commitOffset", 0)
        .with_field("suspendTimeoutMillis", 0)
        .with_field("subVersion", 0)
        .with_field("subscription", "*")
}

/// A request about one queue: GET_MAX_OFFSET (30) and its kind.
#[must_use]
pub fn of_queue(code: RequestCode, topic: &str, queue_id: i32) -> RemotingCommand {
    request(code).with_field("topic", topic).with_field("queueId", queue_id)
}

/// QUERY_CONSUMER_OFFSET (14).
#[must_use]
pub fn query_offset(group: &str, topic: &str, queue_id: i32) -> RemotingCommand {
    of_queue(RequestCode::QUERY_CONSUMER_OFFSET, topic, queue_id).with_field("consumerGroup", group)
}

/// UPDATE_CONSUMER_OFFSET (15).
#[must_use]
pub fn commit_offset(group: &str, topic: &str, queue_id: i32, offset: i64) -> RemotingCommand {
    of_queue(RequestCode::UPDATE_CONSUMER_OFFSET, topic, queue_id)
        .with_field("consumerGroup", group)
        .with_field("commitOffset", offset)
}

/// SEARCH_OFFSET_BY_TIMESTAMP (29).
#[must_use]
pub fn search_offset(topic: &str, queue_id: i32, timestamp: i64) -> RemotingCommand {
    of_queue(RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, topic, queue_id).with_field("timestamp", timestamp)
}

/// VIEW_MESSAGE_BY_ID (33).
#[must_use]
pub fn view(physical_offset: i64) -> RemotingCommand {
    request(RequestCode::VIEW_MESSAGE_BY_ID).with_field("offset", physical_offset)
}

/// CONSUMER_SEND_MSG_BACK (36).
#[must_use]
pub fn send_back(group: &str, physical_offset: i64, delay_level: i32) -> RemotingCommand {
    request(RequestCode::CONSUMER_SEND_MSG_BACK)
        .with_field("group", group)
        .with_field("offset", physical_offset)
        .with_field("delayLevel", delay_level)
        .with_field("unitMode", false)
}

/// UPDATE_AND_CREATE_TOPIC (17).
#[must_use]
pub fn create_topic(topic: &str, queue_nums: i32) -> RemotingCommand {
    request(RequestCode::UPDATE_AND_CREATE_TOPIC)
        .with_field("topic", topic)
        .with_field("defaultTopic", AUTO_CREATE_TOPIC)
        .with_field("readQueueNums", queue_nums)
        .with_field("writeQueueNums", queue_nums)
        .with_field("perm", 6)
        .with_field("topicFilterType", "SINGLE_TAG")
        .with_field("topicSysFlag", 0)
        .with_field("order", false)
}

/// A request that is a body and nothing else.
#[must_use]
pub fn with_body(code: RequestCode, body: &[u8]) -> RemotingCommand {
    request(code).with_body(body)
}

/// A request about a group, whose field is called `key` there.
#[must_use]
pub fn of_group(code: RequestCode, key: &str, group: &str) -> RemotingCommand {
    request(code).with_field(key, group)
}

/// GET_ROUTEINFO_BY_TOPIC (105).
#[must_use]
pub fn route(topic: &str) -> RemotingCommand {
    request(RequestCode::GET_ROUTEINFO_BY_TOPIC).with_field("topic", topic)
}

/// The same request with another value in a field, or with the field if it had none.
#[must_use]
pub fn with(mut command: RemotingCommand, key: &str, value: &str) -> RemotingCommand {
    command = without(command, key);
    command.fields.push((key.to_owned(), value.to_owned()));
    command
}

/// The same request without a field.
#[must_use]
pub fn without(mut command: RemotingCommand, key: &str) -> RemotingCommand {
    command.fields.retain(|(known, _)| known != key);
    command
}
