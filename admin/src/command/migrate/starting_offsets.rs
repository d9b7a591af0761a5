//! Where groups begin at a target.
//!
//! A queue that the migration made is empty, and a group begins at its first message: at 0. Of a topic that a target had before, a
//! queue may hold what the group never asked for, so there it begins at the end: all that comes from now on. An offset that is
//! there is the group's own and stays, except in a new queue that nobody can have sent to yet: there it is what a member still thought of
//! a queue of that name that an earlier migration made and undid.

use std::collections::BTreeMap;

use client::{Admin, ClientError};
use protocol::body::MessageQueue;

use super::inventory::Inventory;
use super::plan::Target;
use super::record::{Record, Stage};
use super::routes;
use crate::concurrently::concurrently;
use crate::failure::Failure;
use crate::progress::Progress;

/// An offset that a group does not have yet.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    group: String,
    queue: MessageQueue,
    /// The end of the queue, which has to be asked for; else 0.
    at_end: bool,
}

/// Gives every group that consumes at the source an offset in every queue of a target. Returns how many had none.
pub(super) async fn set(
    admin: &Admin,
    target: &Target,
    inventory: &Inventory,
    record: &Record,
) -> Result<usize, Failure> {
    let missing = missing(target, inventory, record);
    let mut progress = Progress::new("offsets", missing.len());
    let count = missing.len();
    let ask = |of: Missing| async move {
        let address = &target.broker.address;
        let offset = if of.at_end { end(admin, address, &of.queue).await? } else { 0 };
        admin.commit_offset(address, &of.group, &of.queue, offset).await
    };
    let answers = concurrently(missing.into_iter().map(ask), |count| progress.done(count)).await;
    answers.into_iter().collect::<Result<(), ClientError>>()?;
    Ok(count)
}

async fn end(admin: &Admin, address: &str, queue: &MessageQueue) -> Result<i64, ClientError> {
    let stats = admin.topic_stats(address, &queue.topic).await?;
    Ok(stats.offset_table.get(queue).map_or(0, |offsets| offsets.max_offset))
}

fn missing(target: &Target, inventory: &Inventory, record: &Record) -> Vec<Missing> {
    let none = BTreeMap::new();
    let mut missing = Vec::new();
    for (topic, group) in inventory.consumed() {
        let Some(config) = target.topics.get(&topic) else { continue };
        let known = target.offsets.offset_table.get(&format!("{topic}@{group}")).unwrap_or(&none);
        let is_made = record.made(&target.broker.name, &topic);
        let at_end = !is_made;
        let is_closed = matches!(record.stage, Stage::Copying | Stage::Copied);
        let is_empty = is_made && is_closed && routes::is_closed_while_copying(&topic);
        let is_right = |queue_id: &i32| known.get(queue_id).is_some_and(|offset| *offset == 0 || !is_empty);
        for queue_id in (0..config.read_queue_nums).filter(|queue_id| !is_right(queue_id)) {
            let queue = MessageQueue::new(topic.as_str(), target.broker.name.as_str(), queue_id);
            missing.push(Missing { group: group.clone(), queue, at_end });
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use protocol::body::{ConsumerOffsetTable, SubscriptionGroupConfig, TopicConfig};

    use super::super::sides::Broker;
    use super::*;

    #[test]
    fn a_group_begins_at_the_first_message_of_a_new_queue_and_behind_the_last_of_an_old_one() {
        let topic = |name: &str, queues| {
            let config = TopicConfig { topic_name: name.to_owned(), read_queue_nums: queues, ..TopicConfig::default() };
            (name.to_owned(), config)
        };
        let topics: BTreeMap<_, _> = [topic("new", 2), topic("old", 1)].into();
        let offsets = ["new@g", "old@g"].map(|key| (key.to_owned(), [(0, 9)].into()));
        let inventory = Inventory {
            topics: topics.clone(),
            groups: [("g".to_owned(), SubscriptionGroupConfig::default())].into(),
            offsets: offsets.into(),
            ..Inventory::default()
        };
        let known = [("new@g".to_owned(), [(1, 3)].into())].into();
        let target = Target {
            broker: Broker { name: "tp".to_owned(), address: "h:1".to_owned() },
            topics,
            groups: BTreeMap::new(),
            offsets: ConsumerOffsetTable { offset_table: known, ..ConsumerOffsetTable::default() },
        };
        let mut record = Record::new("apache", vec!["tp".to_owned()], None, 0);
        record.created.entry("tp".to_owned()).or_default().topics.insert("new".to_owned());
        let told = |record: &Record| {
            let missing = missing(&target, &inventory, record).into_iter();
            missing.map(|of| (of.queue.topic, of.queue.queue_id, of.at_end)).collect::<Vec<_>>()
        };
        let of = |topic: &str, queue_id, at_end| (topic.to_owned(), queue_id, at_end);
        // Nobody can have consumed three messages of a queue that nobody could send to.
        assert_eq!(told(&record), [of("new", 0, false), of("new", 1, false), of("old", 0, true)]);
        record.stage = Stage::Stopped;
        assert_eq!(told(&record), [of("new", 0, false), of("old", 0, true)]);
    }
}
