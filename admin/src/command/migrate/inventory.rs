//! What a broker has for applications: topics, groups, who consumes what. Not what it has for itself.

use std::collections::{BTreeMap, BTreeSet};

use client::Admin;
use protocol::body::{
    ConsumerConnection, MessageModel, SubscriptionGroupConfig, SubscriptionGroupTable, TopicConfig, TopicConfigTable,
};
use protocol::topic_name::{
    LMQ_PREFIX, REPLY_TOPIC_SUFFIX, is_dlq_topic, is_retry_topic, is_system_group, is_system_topic, retry_topic,
};

use crate::concurrently::concurrently;
use crate::failure::Failure;
use crate::progress::Progress;

/// Something that no other broker can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Immovable {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) why: &'static str,
}

/// What applications have at a broker.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Retry topics too, as they are part of how their groups consume.
    pub(super) topics: BTreeMap<String, TopicConfig>,
    pub(super) groups: BTreeMap<String, SubscriptionGroupConfig>,
    pub(super) immovable: Vec<Immovable>,
    /// They are read by people, and stay.
    pub(super) dead_letters: Vec<String>,
    /// By `topic@group` and queue.
    pub(super) offsets: BTreeMap<String, BTreeMap<i32, i64>>,
    /// Of every group; `None` of one that is not online.
    pub(super) members: BTreeMap<String, Option<ConsumerConnection>>,
}

impl Inventory {
    /// Asks a broker for all of it, but for what is to be left where it is.
    pub(super) async fn of(admin: &Admin, address: &str, left: &BTreeSet<String>) -> Result<Self, Failure> {
        let topics = admin.topic_configs(address).await?;
        let system = admin.system_topics(address).await?.topic_list;
        let groups = admin.group_configs(address).await?;
        let mut inventory = Self::sorted(topics, &system, groups, left);
        inventory.offsets = admin.consumer_offsets(address).await?.offset_table;
        let mut progress = Progress::new("groups", inventory.groups.len());
        let ask = |group: String| async move {
            let members = admin.consumer_connection(address, &group).await?;
            Ok::<_, client::ClientError>((group, members))
        };
        let questions = inventory.groups.keys().cloned().map(ask);
        let answers = concurrently(questions, |count| progress.done(count)).await;
        inventory.members = answers.into_iter().collect::<Result<_, _>>()?;
        Ok(inventory)
    }

    fn sorted(
        table: TopicConfigTable,
        system: &[String],
        groups: SubscriptionGroupTable,
        left: &BTreeSet<String>,
    ) -> Self {
        let mut inventory = Self::default();
        for (name, config) in table.topic_config_table {
            let is_own = is_system_topic(&name) || name.ends_with(REPLY_TOPIC_SUFFIX) || system.contains(&name);
            if is_own || left.contains(&name) {
                continue;
            }
            let immovable = |why| Immovable { kind: "topic", name: name.clone(), why };
            if is_dlq_topic(&name) {
                inventory.dead_letters.push(name);
            } else if name.starts_with(LMQ_PREFIX) {
                inventory.immovable.push(immovable("a light queue belongs to its broker"));
            } else if table.topic_queue_mapping_detail_map.contains_key(&name) {
                inventory.immovable.push(immovable("a static topic is tied to its brokers"));
            } else {
                inventory.topics.insert(name, config);
            }
        }
        for (name, config) in groups.subscription_group_table {
            if is_system_group(&name) || left.contains(&name) {
                continue;
            }
            if groups.forbidden_table.get(&name).is_some_and(|topics| !topics.is_empty()) {
                let why = "topics are forbidden to it, which no request copies";
                inventory.immovable.push(Immovable { kind: "group", name, why });
            } else {
                inventory.groups.insert(name, config);
            }
        }
        // A retry topic whose group stays, stays too.
        let retry_topics: BTreeSet<_> = left.iter().map(|group| retry_topic(group)).collect();
        inventory.topics.retain(|name, _| !retry_topics.contains(name));
        inventory
    }

    /// The topics that producers send to.
    pub(super) fn written(&self) -> impl Iterator<Item = &TopicConfig> {
        self.topics
            .values()
            .filter(|config| !is_retry_topic(&config.topic_name) && config.perm & client::PERM_WRITE != 0)
    }

    /// Which group consumes which topic: those with an offset, and those that listen to it now. A broadcasting group is not among
    /// them: its members keep their offsets themselves.
    pub(super) fn consumed(&self) -> BTreeSet<(String, String)> {
        let mut pairs = BTreeSet::new();
        for (topic, group) in self.offsets.keys().filter_map(|key| key.split_once('@')) {
            pairs.insert((topic.to_owned(), group.to_owned()));
        }
        for (group, members) in &self.members {
            for topic in members.iter().flat_map(|members| members.subscription_table.keys()) {
                pairs.insert((topic.clone(), group.clone()));
            }
            pairs.insert((retry_topic(group), group.clone()));
        }
        pairs.retain(|(topic, group)| {
            self.topics.contains_key(topic) && self.groups.contains_key(group) && !self.is_broadcasting(group)
        });
        pairs
    }

    pub(super) fn is_broadcasting(&self, group: &str) -> bool {
        let members = self.members.get(group).and_then(Option::as_ref);
        members.is_some_and(|members| members.message_model == MessageModel::Broadcasting)
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::SubscriptionData;
    use serde_json::json;

    use super::*;

    fn table(names: &[&str]) -> TopicConfigTable {
        let topic =
            |name: &&str| (name.to_string(), TopicConfig { topic_name: name.to_string(), ..TopicConfig::default() });
        TopicConfigTable { topic_config_table: names.iter().map(topic).collect(), ..TopicConfigTable::default() }
    }

    fn groups(names: &[&str]) -> SubscriptionGroupTable {
        let group = |name: &&str| (name.to_string(), SubscriptionGroupConfig::default());
        SubscriptionGroupTable {
            subscription_group_table: names.iter().map(group).collect(),
            ..SubscriptionGroupTable::default()
        }
    }

    #[test]
    fn what_a_broker_has_for_itself_stays() {
        let names = ["orders", "%RETRY%g", "%DLQ%g", "TBW102", "broker-a", "C_REPLY_TOPIC", "rmq_sys_wheel_timer"];
        let system = ["broker-a".to_owned()];
        let inventory = Inventory::sorted(table(&names), &system, groups(&["g", "TOOLS_CONSUMER"]), &BTreeSet::new());
        assert_eq!(inventory.topics.keys().collect::<Vec<_>>(), ["%RETRY%g", "orders"]);
        assert_eq!(inventory.groups.keys().collect::<Vec<_>>(), ["g"]);
        assert_eq!(inventory.dead_letters, ["%DLQ%g"]);
        assert_eq!(inventory.written().map(|topic| topic.topic_name.as_str()).collect::<Vec<_>>(), ["orders"]);
    }

    #[test]
    fn what_cannot_move_is_named_unless_it_is_left() {
        let mut topics = table(&["static", "%LMQ%q", "plain"]);
        topics.topic_queue_mapping_detail_map.insert("static".to_owned(), json!({}));
        let mut forbidding = groups(&["g"]);
        forbidding.forbidden_table.insert("g".to_owned(), [("plain".to_owned(), 1)].into());
        let inventory = Inventory::sorted(topics.clone(), &[], forbidding.clone(), &BTreeSet::new());
        let named: Vec<_> = inventory.immovable.iter().map(|of| (of.kind, of.name.as_str())).collect();
        assert_eq!(named, [("topic", "%LMQ%q"), ("topic", "static"), ("group", "g")]);
        let left = ["static", "%LMQ%q", "g"].map(str::to_owned).into();
        assert!(Inventory::sorted(topics, &[], forbidding, &left).immovable.is_empty());
    }

    #[test]
    fn a_group_consumes_what_it_has_an_offset_in_and_what_it_listens_to() {
        let names = ["old", "new", "other", "%RETRY%g", "%RETRY%b"];
        let mut inventory = Inventory::sorted(table(&names), &[], groups(&["g", "b"]), &BTreeSet::new());
        inventory.offsets = [("old@g".to_owned(), [(0, 5)].into()), ("gone@g".to_owned(), [(0, 1)].into())].into();
        let members = |model| {
            let topics = ["new".to_owned()];
            Some(ConsumerConnection {
                message_model: model,
                subscription_table: topics.map(|topic| (topic, SubscriptionData::default())).into(),
                ..ConsumerConnection::default()
            })
        };
        inventory.members.insert("g".to_owned(), members(MessageModel::Clustering));
        inventory.members.insert("b".to_owned(), members(MessageModel::Broadcasting));
        let pairs = inventory.consumed();
        let topics: Vec<_> = pairs.iter().map(|(topic, group)| (topic.as_str(), group.as_str())).collect();
        assert_eq!(topics, [("%RETRY%g", "g"), ("new", "g"), ("old", "g")]);
    }
}
