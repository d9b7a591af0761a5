//! Which broker groups there are, and which of them has which topic: the data that clients route by.

use std::collections::{BTreeMap, BTreeSet};

use protocol::body::{BrokerData, ClusterInfo, QueueData, TopicRouteData};

/// Where a broker's queues of a static topic stand in the whole; only clients read what is in it.
pub type TopicQueueMapping = serde_json::Value;

/// The id of a group's master.
pub const MASTER_ID: i64 = 0;

/// Permission bit: consumers may read.
pub const PERM_READ: i32 = 0b100;
/// Permission bit: producers may write.
pub const PERM_WRITE: i32 = 0b010;

const TOPIC_FLAG_UNIT: i32 = 0b01;
const TOPIC_FLAG_UNIT_SUBSCRIBED: i32 = 0b10;

/// Topics that only tell the members of a group about each other; their route never shows an acting master.
const SYNC_MEMBER_TOPIC_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

/// Groups and topics. A group has at least one address, a topic at least one group: what runs empty goes.
#[derive(Debug, Default)]
pub struct TopicRoutes {
    groups: BTreeMap<String, BrokerGroup>,
    topics: BTreeMap<String, Topic>,
}

/// Brokers of one name: a master and its slaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerGroup {
    /// The cluster that the last registration named.
    pub cluster: String,
    /// Address by broker id.
    pub addresses: BTreeMap<i64, String>,
    /// A slave may stand in for a lost master.
    pub acting_master: bool,
    /// Zone of the last registration.
    pub zone: Option<String>,
}

impl BrokerGroup {
    /// The smallest id that has an address.
    pub fn first_id(&self) -> Option<i64> {
        self.addresses.keys().next().copied()
    }

    /// Whether `address` serves the group under any id.
    pub fn has_address(&self, address: &str) -> bool {
        self.addresses.values().any(|member| member == address)
    }
}

#[derive(Debug, Default)]
struct Topic {
    queues: BTreeMap<String, QueueData>,
    /// Static topics only.
    mappings: BTreeMap<String, TopicQueueMapping>,
}

impl Topic {
    /// What one queue list says about units holds for the topic: all brokers get it from the same command.
    fn flags(&self) -> i32 {
        self.queues.values().next().map_or(0, |queues| queues.topic_sys_flag)
    }
}

/// Topics that tools list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitTopics {
    /// Of a unit.
    Unit,
    /// With subscribers in units.
    Subscribed,
    /// With subscribers in units, not of a unit itself.
    SubscribedOnly,
}

impl TopicRoutes {
    /// One group.
    pub fn group(&self, broker_name: &str) -> Option<&BrokerGroup> {
        self.groups.get(broker_name)
    }

    /// All groups in order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &BrokerGroup)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group))
    }

    /// How many topics are known.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Whether some group has `topic`.
    pub fn is_known(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// All topics in order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// Names of the groups that have `topic`.
    pub fn brokers_of_topic(&self, topic: &str) -> impl Iterator<Item = &str> {
        self.topics.get(topic).into_iter().flat_map(|topic| topic.queues.keys().map(String::as_str))
    }

    /// Whether `broker_name` has `topic`.
    pub fn has_topic(&self, topic: &str, broker_name: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.queues.contains_key(broker_name))
    }

    /// Gives `address` the id `broker_id` in its group, makes the group if need be, and takes every other id from the
    /// address. Whether the id had this address already.
    pub fn join(&mut self, broker_name: &str, broker_id: i64, address: &str) -> bool {
        let group = self.groups.entry(broker_name.to_owned()).or_default();
        group.addresses.retain(|id, member| *id == broker_id || member != address);
        group.addresses.insert(broker_id, address.to_owned()).as_deref() == Some(address)
    }

    /// Notes what the last registration said about its group.
    pub fn describe_group(&mut self, broker_name: &str, cluster: &str, acting_master: bool, zone: Option<&str>) {
        let Some(group) = self.groups.get_mut(broker_name) else { return };
        if group.cluster != cluster {
            group.cluster = cluster.to_owned();
        }
        group.acting_master = acting_master;
        group.zone = zone.map(str::to_owned);
    }

    /// Takes every id from `address`. The group goes with its last address, and its topics with it; a group that is
    /// left without a master under acting-master rules loses the write permission.
    pub fn leave(&mut self, broker_name: &str, address: &str) {
        let Some(group) = self.groups.get_mut(broker_name) else { return };
        group.addresses.retain(|_, member| member != address);
        if group.addresses.is_empty() {
            self.groups.remove(broker_name);
            self.forget_broker(broker_name);
        } else if group.acting_master && !group.addresses.contains_key(&MASTER_ID) {
            self.change_permission(broker_name, |perm| perm & !PERM_WRITE);
        }
    }

    fn forget_broker(&mut self, broker_name: &str) {
        self.topics.retain(|_, topic| {
            topic.queues.remove(broker_name);
            topic.mappings.remove(broker_name);
            !topic.queues.is_empty()
        });
    }

    /// Sets the queues of `topic` at `queues.broker_name`.
    pub fn set_queues(&mut self, topic: &str, queues: QueueData) {
        debug_assert!(self.groups.contains_key(&queues.broker_name), "a topic is only known through a group");
        let topic = self.topics.entry(topic.to_owned()).or_default();
        topic.queues.insert(queues.broker_name.clone(), queues);
    }

    /// Sets the static-topic mapping of `topic` at `broker_name`; nothing if the broker does not have the topic.
    pub fn set_mapping(&mut self, topic: &str, broker_name: &str, mapping: TopicQueueMapping) {
        if let Some(topic) = self.topics.get_mut(topic).filter(|topic| topic.queues.contains_key(broker_name)) {
            topic.mappings.insert(broker_name.to_owned(), mapping);
        }
    }

    /// Takes the topics for which `keep` is false from `broker_name`.
    pub fn retain_topics(&mut self, broker_name: &str, keep: impl Fn(&str) -> bool) {
        self.topics.retain(|name, topic| {
            if !keep(name) {
                topic.queues.remove(broker_name);
                topic.mappings.remove(broker_name);
            }
            !topic.queues.is_empty()
        });
    }

    /// Deletes `topic`, in one cluster or everywhere. The brokers keep it, and may bring it back.
    pub fn delete_topic(&mut self, name: &str, cluster: Option<&str>) {
        let Some(cluster) = cluster else {
            self.topics.remove(name);
            return;
        };
        let Some(topic) = self.topics.get_mut(name) else { return };
        let groups = &self.groups;
        let elsewhere = |broker_name: &String| groups.get(broker_name).is_none_or(|group| group.cluster != cluster);
        topic.queues.retain(|broker_name, _| elsewhere(broker_name));
        topic.mappings.retain(|broker_name, _| elsewhere(broker_name));
        if topic.queues.is_empty() {
            self.topics.remove(name);
        }
    }

    /// Changes the permission of every topic at `broker_name`; how many topics that were.
    pub fn change_permission(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> usize {
        let mut count = 0;
        for queues in self.topics.values_mut().filter_map(|topic| topic.queues.get_mut(broker_name)) {
            queues.perm = change(queues.perm);
            count += 1;
        }
        count
    }

    /// The route of `topic` without filter servers; `None` when no group has it. With `show_acting_master` a group
    /// without a master, whose queues take no writes, shows its smallest id as the master.
    pub fn route(&self, name: &str, show_acting_master: bool) -> Option<TopicRouteData> {
        let topic = self.topics.get(name)?;
        let mut route = TopicRouteData {
            queue_datas: topic.queues.values().cloned().collect(),
            broker_datas: topic.queues.keys().filter_map(|broker_name| self.broker_data(broker_name)).collect(),
            ..TopicRouteData::default()
        };
        if !topic.mappings.is_empty() {
            route.topic_queue_mapping_by_broker = Some(topic.mappings.clone());
        }
        if show_acting_master && !name.starts_with(SYNC_MEMBER_TOPIC_PREFIX) {
            for broker in &mut route.broker_datas {
                let writable =
                    topic.queues.get(&broker.broker_name).is_some_and(|queues| queues.perm & PERM_WRITE != 0);
                if broker.enable_acting_master && !writable && !broker.broker_addrs.contains_key(&MASTER_ID) {
                    let acting = broker.broker_addrs.pop_first();
                    broker.broker_addrs.extend(acting.map(|(_, address)| (MASTER_ID, address)));
                }
            }
        }
        Some(route)
    }

    /// All groups, and the groups of each cluster.
    pub fn cluster_info(&self) -> ClusterInfo {
        let mut info = ClusterInfo::default();
        for (broker_name, group) in &self.groups {
            info.cluster_addr_table.entry(group.cluster.clone()).or_default().insert(broker_name.clone());
            info.broker_addr_table.extend(self.broker_data(broker_name).map(|data| (broker_name.clone(), data)));
        }
        info
    }

    fn broker_data(&self, broker_name: &str) -> Option<BrokerData> {
        let group = self.groups.get(broker_name)?;
        Some(BrokerData {
            cluster: group.cluster.clone(),
            broker_name: broker_name.to_owned(),
            broker_addrs: group.addresses.clone(),
            zone_name: group.zone.clone(),
            enable_acting_master: group.acting_master,
        })
    }

    /// Topics that at least one group of `cluster` has, each once.
    pub fn topics_of_cluster(&self, cluster: &str) -> BTreeSet<String> {
        let of_cluster = |broker_name: &String| self.groups.get(broker_name).is_some_and(|g| g.cluster == cluster);
        let topics = self.topics.iter().filter(|(_, topic)| topic.queues.keys().any(of_cluster));
        topics.map(|(name, _)| name.clone()).collect()
    }

    /// Topics by their unit flags.
    pub fn unit_topics(&self, which: UnitTopics) -> Vec<String> {
        let wanted = |flags: i32| match which {
            UnitTopics::Unit => flags & TOPIC_FLAG_UNIT != 0,
            UnitTopics::Subscribed => flags & TOPIC_FLAG_UNIT_SUBSCRIBED != 0,
            UnitTopics::SubscribedOnly => flags & TOPIC_FLAG_UNIT == 0 && flags & TOPIC_FLAG_UNIT_SUBSCRIBED != 0,
        };
        self.topics.iter().filter(|(_, topic)| wanted(topic.flags())).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
