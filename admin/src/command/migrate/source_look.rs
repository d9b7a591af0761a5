//! One look at a broker that is drained: what its groups have not consumed, and what only time or producers bring out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use client::{Admin, ClientError};
use protocol::body::{ConsumeStats, MessageQueue};
use protocol::topic_name::{TRANS_GROUP, TRANS_HALF_TOPIC, retry_topic};

use super::backlog::{GroupBacklog, GroupState};
use super::inventory::Inventory;
use crate::failure::Failure;

/// A broker with thousands of groups takes its time.
const STATS_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// What a broker holds that somebody is still to get.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SourceLook {
    pub(super) groups: Vec<GroupBacklog>,
    /// Messages of delay levels that are not due.
    pub(super) delayed: i64,
    /// Timer messages that are not due.
    pub(super) timers: i64,
    /// Half messages that nobody has committed or rolled back.
    pub(super) half: i64,
    /// Ends of all queues that a group consumes, added up: it grows while somebody sends.
    pub(super) ends: i64,
    /// Groups that have no offset at all.
    pub(super) without_offsets: Vec<String>,
}

impl SourceLook {
    /// Looks at a broker, at the topics of the inventory.
    pub(super) async fn at(
        admin: &Admin,
        address: &str,
        inventory: &Inventory,
        excepted: &[String],
    ) -> Result<Self, Failure> {
        let list = admin.broker_consume_stats(address, false, STATS_WITHIN).await?.consume_stats_list;
        let stats: BTreeMap<String, Vec<ConsumeStats>> = list.into_iter().flatten().collect();
        let mut look = Self::counted(&stats, inventory, excepted);
        look.mark_starting(admin, address, &stats, inventory).await?;
        let running = admin.broker_runtime_info(address).await?.table;
        look.delayed = delayed(&running);
        let timers = admin.timer_metrics(address).await?.unwrap_or_default().timing_count;
        look.timers = timers.values().map(|timing| timing.count.max(0)).sum();
        look.half = half_messages(admin, address).await?;
        Ok(look)
    }

    fn counted(stats: &BTreeMap<String, Vec<ConsumeStats>>, inventory: &Inventory, excepted: &[String]) -> Self {
        let mut look = Self::default();
        let mut ends = BTreeMap::new();
        for group in inventory.groups.keys() {
            let of_group = stats.get(group).map(Vec::as_slice).unwrap_or_default();
            let is_of_interest =
                |queue: &MessageQueue| inventory.topics.contains_key(&queue.topic) || queue.topic == retry_topic(group);
            let mut backlog = GroupBacklog::count(group, of_group, is_of_interest);
            let members = inventory.members.get(group).and_then(Option::as_ref);
            backlog.members = members.map_or(0, |members| members.connection_set.len());
            backlog.state = match members {
                _ if excepted.contains(group) => GroupState::Excepted,
                _ if inventory.is_broadcasting(group) => GroupState::Broadcasting,
                Some(_) => GroupState::Online,
                None => GroupState::Offline,
            };
            let queues = of_group.iter().flat_map(|stats| &stats.offset_table);
            for (queue, offsets) in queues.filter(|(queue, _)| is_of_interest(queue)) {
                ends.insert(queue.clone(), offsets.broker_offset);
            }
            if of_group.iter().all(|stats| stats.offset_table.is_empty()) {
                look.without_offsets.push(group.clone());
            }
            look.groups.push(backlog);
        }
        look.ends = ends.values().sum();
        look
    }

    /// A member that came just now has not said where it begins, so what is left for it does not show.
    async fn mark_starting(
        &mut self,
        admin: &Admin,
        address: &str,
        stats: &BTreeMap<String, Vec<ConsumeStats>>,
        inventory: &Inventory,
    ) -> Result<(), ClientError> {
        let mut filled = BTreeMap::new();
        for backlog in self.groups.iter_mut().filter(|backlog| backlog.state == GroupState::Online) {
            let members = inventory.members.get(&backlog.group).and_then(Option::as_ref);
            let begun: BTreeSet<_> = stats
                .get(&backlog.group)
                .into_iter()
                .flatten()
                .flat_map(|stats| stats.offset_table.keys().map(|queue| queue.topic.as_str()))
                .collect();
            let topics = members.into_iter().flat_map(|members| members.subscription_table.keys());
            for topic in topics.filter(|topic| inventory.topics.contains_key(*topic) && !begun.contains(topic.as_str()))
            {
                if !filled.contains_key(topic) {
                    let queues = admin.topic_stats(address, topic).await?.offset_table;
                    let has_messages = queues.values().any(|queue| queue.max_offset > queue.min_offset);
                    filled.insert(topic.clone(), has_messages);
                }
                if filled.get(topic) == Some(&true) {
                    backlog.state = GroupState::Starting;
                }
            }
        }
        Ok(())
    }

    /// What keeps the broker from being done, in words; empty when nothing does.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for group in self.groups.iter().filter(|group| group.is_waited_for()) {
            let mut reason = match group.state {
                GroupState::Starting => format!("group {} has not said yet where it begins", group.group),
                _ => format!("group {} has {} messages to consume", group.group, group.left),
            };
            if group.state == GroupState::Offline {
                reason.push_str(" and no member online: start it, or --except-group it");
            } else if group.retry_left > 0 {
                let _ = write!(reason, ", {} of them retries", group.retry_left);
            }
            reasons.push(reason);
        }
        let waiting = [
            (self.delayed, "delayed messages are not due yet"),
            (self.timers, "timer messages are not due yet"),
            (self.half, "half messages have no end yet: their producers have to be there to be asked"),
        ];
        reasons.extend(waiting.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        reasons
    }

    /// Messages that are still to come to somebody who is waited for.
    pub(super) fn left(&self) -> i64 {
        self.groups.iter().filter(|group| group.is_waited_for()).map(|group| group.left).sum()
    }
}

/// Of every level, `delivered,end`.
fn delayed(running: &BTreeMap<String, String>) -> i64 {
    let levels = running.iter().filter(|(key, _)| key.starts_with("scheduleMessageOffset_"));
    let waiting = levels.filter_map(|(_, value)| {
        let (done, end) = value.split_once(',')?;
        Some(end.trim().parse::<i64>().ok()? - done.trim().parse::<i64>().ok()?)
    });
    waiting.map(|count| count.max(0)).sum()
}

async fn half_messages(admin: &Admin, address: &str) -> Result<i64, ClientError> {
    let stats = admin.consume_stats(address, TRANS_GROUP, Some(TRANS_HALF_TOPIC)).await;
    match stats {
        Ok(stats) => {
            let queues = stats.offset_table.iter().filter(|(queue, _)| queue.topic == TRANS_HALF_TOPIC);
            Ok(queues.map(|(_, of)| (of.broker_offset - of.consumer_offset.max(0)).max(0)).sum())
        }
        // A broker that never had a transaction may not have the topic.
        Err(error) if error.response_code().is_some() => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::{ConsumeOffsets, ConsumerConnection, SubscriptionGroupConfig, TopicConfig};

    use super::*;

    #[test]
    fn what_still_waits_is_named() {
        let mut inventory = Inventory::default();
        inventory.topics.insert("orders".to_owned(), TopicConfig::default());
        for (group, members) in [("away", None), ("here", Some(ConsumerConnection::default())), ("new", None)] {
            inventory.groups.insert(group.to_owned(), SubscriptionGroupConfig::default());
            inventory.members.insert(group.to_owned(), members);
        }
        let offsets =
            |consumer_offset| ConsumeOffsets { broker_offset: 9, consumer_offset, ..ConsumeOffsets::default() };
        let stats = |topic: &str, consumer_offset| {
            let table = [(MessageQueue::new(topic, "b", 0), offsets(consumer_offset))].into();
            vec![ConsumeStats { offset_table: table, ..ConsumeStats::default() }]
        };
        let stats = [("away".to_owned(), stats("orders", 4)), ("here".to_owned(), stats("orders", 8))].into();
        let mut look = SourceLook::counted(&stats, &inventory, &[]);
        look.half = 2;
        let expected = [
            "group away has 5 messages to consume and no member online: start it, or --except-group it",
            "group here has 1 messages to consume",
            "2 half messages have no end yet: their producers have to be there to be asked",
        ];
        assert_eq!(look.reasons(), expected);
        assert_eq!((look.left(), look.ends), (6, 9));
        assert_eq!(look.without_offsets, ["new"]);
        let look = SourceLook::counted(&stats, &inventory, &["away".to_owned()]);
        assert_eq!(look.reasons(), ["group here has 1 messages to consume"]);
    }

    #[test]
    fn delayed_messages_are_the_distance_of_each_level() {
        let running = [("scheduleMessageOffset_3", "5,9"), ("scheduleMessageOffset_4", "2,2"), ("x", "1,7")];
        let running = running.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(delayed(&running), 4);
    }
}
