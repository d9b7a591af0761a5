//! The consumers that are connected, by group, and what each group subscribes to.

use crate::group_members::{ClientConnection, GroupMembers, Member, RegistrationError};
use crate::subscription_filter::{SubscriptionFilter, SubscriptionFilterError, is_by_tag};
use protocol::ResponseCode;
use protocol::body::{
    ConsumeFromWhere, ConsumeType, ConsumerConnection, ConsumerData, ConsumerIdList, MessageModel, SubscriptionData,
};
use protocol::tags::TagFilter;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use thiserror::Error;

/// Topics one group can subscribe to.
pub const SUBSCRIPTIONS_PER_GROUP_MAX: usize = 8_192;

/// Expression and tags of one subscription.
pub const SUBSCRIPTION_BYTES_MAX: usize = 65_536;

/// Subscriptions that only stood in the headers of pulls; when full, further ones are not noted.
pub const HEADER_SUBSCRIPTIONS_MAX: usize = 8_192;

/// A subscription that stood in the header of a pull is forgotten after this long.
pub const HEADER_SUBSCRIPTION_EXPIRY_MS: i64 = 600_000;

/// The consumers of one shard. A group is online while it has a member.
#[derive(Debug, Default)]
pub struct Consumers {
    members: GroupMembers,
    /// Groups that have a member.
    groups: BTreeMap<Rc<str>, OnlineGroup>,
    /// Groups whose members have to be told that members or topics changed.
    changed: BTreeSet<Rc<str>>,
    /// Group and topic of pulls that brought their subscription along: no membership.
    header_subscriptions: BTreeMap<(String, String), HeaderSubscription>,
}

#[derive(Debug)]
struct OnlineGroup {
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
    /// By topic. All members share it: members that subscribe differently overwrite each other.
    subscriptions: BTreeMap<String, Subscription>,
    /// Of the last heartbeat that listed its subscriptions.
    fingerprint: Option<i32>,
    /// Whether members are told of changes.
    notifies: bool,
}

#[derive(Debug)]
struct Subscription {
    data: SubscriptionData,
    /// Compiled once, when this version of the subscription first came.
    filter: Result<Rc<SubscriptionFilter>, SubscriptionFilterError>,
}

#[derive(Debug)]
struct HeaderSubscription {
    expression: String,
    seen_ms: i64,
}

/// A member to be told (with code 40) that its group changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerIdsChanged {
    /// Whom to tell.
    pub connection: u64,
    /// Which group.
    pub group: Rc<str>,
}

/// Why a pull without a subscription in its header is refused. The text is the answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubscriptionError {
    /// The heartbeat's expression has no filter. Letting everything pass would be wrong: clients leave a filter that is
    /// not by tags to the broker.
    #[error("The broker's consumer filter data is not exist!Your expression may be wrong! {error}")]
    NoFilter {
        /// What is wrong with it.
        error: SubscriptionFilterError,
    },
    /// The client knows a newer subscription than the last heartbeat listed, and one of them is not by tags.
    #[error(
        "the consumer's subscription not latest: version {version} came with a heartbeat, the pull has {request_version}"
    )]
    NotLatest {
        /// Of the heartbeat.
        version: i64,
        /// Of the pull.
        request_version: i64,
    },
    /// Nobody of the group sent a heartbeat.
    #[error(
        "the consumer's group info not exist\n\
         See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
    )]
    GroupOffline,
    /// The group's heartbeats do not list the topic.
    #[error(
        "the consumer's subscription not exist\n\
         See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
    )]
    TopicNotSubscribed,
}

impl SubscriptionError {
    /// The code that tells a client so.
    pub fn response_code(&self) -> ResponseCode {
        match self {
            Self::GroupOffline | Self::TopicNotSubscribed => ResponseCode::SUBSCRIPTION_NOT_EXIST,
            Self::NoFilter { .. } => ResponseCode::FILTER_DATA_NOT_EXIST,
            Self::NotLatest { .. } => ResponseCode::SUBSCRIPTION_NOT_LATEST,
        }
    }
}

/// Body of request 345.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSubscriptionBody {
    /// The group.
    pub group: String,
    /// What it subscribes to there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
    /// The topic.
    pub topic: String,
}

impl GroupSubscriptionBody {
    /// The JSON text.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialize")
    }
}

impl Consumers {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// One group of a heartbeat. `lists_subscriptions` is false for a heartbeat that leaves them out, since they are
    /// those of the fingerprint; it then keeps those the group has. Returns whether the client should list them next
    /// time, because the fingerprint is not that of the last heartbeat that did.
    ///
    /// # Errors
    /// [`RegistrationError`]; the group is unchanged then.
    pub fn register(
        &mut self,
        data: &ConsumerData,
        heartbeat: &ConsumerHeartbeat<'_>,
        now_ms: i64,
    ) -> Result<bool, RegistrationError> {
        check_subscriptions(data)?;
        let name = data.group_name.as_str();
        let mut changed = self.members.register(name, heartbeat.client_id, heartbeat.connection, now_ms)?;
        if !self.groups.contains_key(name) {
            self.groups.insert(name.into(), OnlineGroup::new());
        }
        let group = self.groups.get_mut(name).expect("inserted above");
        group.consume_type = data.consume_type;
        group.message_model = data.message_model;
        group.consume_from_where = data.consume_from_where;
        group.notifies = heartbeat.notifies_changes;
        if heartbeat.lists_subscriptions {
            group.fingerprint = Some(heartbeat.fingerprint);
            changed |= group.subscribe(name, &data.subscription_data_set);
        }
        let knows_subscriptions = group.fingerprint == Some(heartbeat.fingerprint);
        if changed {
            self.mark_changed(name);
        }
        Ok(!knows_subscriptions)
    }

    /// A client leaves a group.
    pub fn unregister(&mut self, group: &str, connection: u64) {
        if self.members.remove(group, connection).is_some() {
            self.member_left(group);
        }
    }

    /// The connection closed: it leaves all its groups.
    pub fn closed(&mut self, connection: u64) {
        for (group, _) in self.members.remove_connection(connection) {
            self.member_left(&group);
        }
    }

    /// Forgets who sent no heartbeat for longer than `silence_ms_max`; adds their connections to `expired`.
    pub fn expire(&mut self, now_ms: i64, silence_ms_max: i64, expired: &mut BTreeSet<u64>) {
        while let Some((connection, group, _)) = self.members.take_expired(now_ms, silence_ms_max) {
            self.member_left(&group);
            expired.insert(connection);
        }
        let is_fresh = |seen_ms: i64| now_ms.saturating_sub(seen_ms) <= HEADER_SUBSCRIPTION_EXPIRY_MS;
        self.header_subscriptions.retain(|_, subscription| is_fresh(subscription.seen_ms));
    }

    /// Whom to tell that members or topics of their groups changed since the last call: each once for each group.
    pub fn take_ids_changed(&mut self) -> Vec<ConsumerIdsChanged> {
        let mut told = Vec::new();
        for group in std::mem::take(&mut self.changed) {
            let online = self.groups.get(&group);
            if online.is_some_and(|online| online.notifies && online.message_model != MessageModel::Broadcasting) {
                let members = self.members.of_group(&group);
                told.extend(members.map(|(connection, _)| ConsumerIdsChanged { connection, group: group.clone() }));
            }
        }
        told
    }

    /// Whether anybody of the group is connected.
    pub fn is_online(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// How the group consumes, if it is online.
    pub fn consume_type(&self, group: &str) -> Option<ConsumeType> {
        self.groups.get(group).map(|group| group.consume_type)
    }

    /// Who of the group gets a message, if it is online.
    pub fn message_model(&self, group: &str) -> Option<MessageModel> {
        self.groups.get(group).map(|group| group.message_model)
    }

    /// The group's members with their connection, in the order they connected.
    pub fn members<'a>(&'a self, group: &str) -> impl Iterator<Item = (u64, &'a Member)> + use<'a> {
        self.members.of_group(group)
    }

    /// The member of this client id, of several the last to connect.
    pub fn member(&self, group: &str, client_id: &str) -> Option<(u64, &Member)> {
        self.members.of_client(group, client_id)
    }

    /// Body of request 38; `None` if nobody of the group is connected.
    pub fn ids(&self, group: &str) -> Option<ConsumerIdList> {
        let consumer_id_list: Vec<_> = self.members(group).map(|(_, member)| member.client_id.to_string()).collect();
        (!consumer_id_list.is_empty()).then_some(ConsumerIdList { consumer_id_list })
    }

    /// Body of request 203; `None` if nobody of the group is connected.
    pub fn connections(&self, group: &str) -> Option<ConsumerConnection> {
        let online = self.groups.get(group)?;
        let subscription = |(topic, subscription): (&String, &Subscription)| (topic.clone(), subscription.data.clone());
        Some(ConsumerConnection {
            connection_set: self.members(group).map(|(_, member)| member.connection()).collect(),
            consume_from_where: online.consume_from_where,
            consume_type: online.consume_type,
            message_model: online.message_model,
            subscription_table: online.subscriptions.iter().map(subscription).collect(),
        })
    }

    /// Groups that are online, ascending by name.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(|group| &**group)
    }

    /// Groups that are online and subscribe to the topic (300).
    pub fn groups_of_topic(&self, topic: &str) -> impl Iterator<Item = &str> {
        let subscribes = move |group: &OnlineGroup| group.subscriptions.contains_key(topic);
        self.groups.iter().filter(move |(_, group)| subscribes(group)).map(|(name, _)| &**name)
    }

    /// Whether the group subscribes to the topic; `None` while nobody of it has said what it subscribes to.
    pub fn subscribes(&self, group: &str, topic: &str) -> Option<bool> {
        let online = self.groups.get(group).filter(|online| !online.subscriptions.is_empty())?;
        Some(online.subscriptions.contains_key(topic))
    }

    /// What the group subscribes to in the topic: by heartbeat, else by the header of a recent pull (345).
    pub fn subscription(&self, group: &str, topic: &str) -> GroupSubscriptionBody {
        let online = self.groups.get(group).and_then(|online| online.subscriptions.get(topic));
        let subscription_data = online.map(|subscription| subscription.data.clone()).or_else(|| {
            let noted = self.header_subscriptions.get(&(group.to_owned(), topic.to_owned()))?;
            let sub_string = noted.expression.clone();
            Some(SubscriptionData { sub_string, topic: topic.to_owned(), ..SubscriptionData::default() })
        });
        GroupSubscriptionBody { group: group.to_owned(), subscription_data, topic: topic.to_owned() }
    }

    /// The filter of a pull that has no subscription of its own. A request that knows a newer subscription than the
    /// last heartbeat gets everything, since the client compares tags once more: its heartbeat may be 30 s away, and a
    /// filter that is too old would lose messages, an error would stop the consumer for as long. With a filter that is not
    /// by tags, before or after (`is_by_tag`: that of the request), there is nothing but the error.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub fn pull_filter(
        &self,
        group: &str,
        topic: &str,
        request_version: i64,
        is_by_tag: bool,
    ) -> Result<Rc<SubscriptionFilter>, SubscriptionError> {
        let online = self.groups.get(group).ok_or(SubscriptionError::GroupOffline)?;
        let subscription = online.subscriptions.get(topic).ok_or(SubscriptionError::TopicNotSubscribed)?;
        let version = subscription.data.sub_version;
        let is_old = version < request_version;
        match &subscription.filter {
            Ok(filter) if is_old && is_by_tag && filter.is_by_tag() => Ok(Rc::new(SubscriptionFilter::all())),
            _ if is_old => Err(SubscriptionError::NotLatest { version, request_version }),
            Ok(filter) => Ok(filter.clone()),
            Err(error) => Err(SubscriptionError::NoFilter { error: error.clone() }),
        }
    }

    /// The filters of the topics that the group subscribes to and that are not by tags, for its retry topic.
    pub fn filters_by_topic(&self, group: &str) -> BTreeMap<String, Rc<SubscriptionFilter>> {
        let subscriptions = self.groups.get(group).into_iter().flat_map(|group| &group.subscriptions);
        let filters =
            subscriptions.filter_map(|(topic, known)| Some((topic.clone(), known.filter.as_ref().ok()?.clone())));
        filters.filter(|(_, filter)| !filter.is_by_tag()).collect()
    }

    /// Notes a pull that brought its subscription along, of a group that may never send a heartbeat. It does not make
    /// the puller a member.
    pub fn note_header_subscription(&mut self, group: &str, topic: &str, expression: &str, now_ms: i64) {
        if self.is_online(group) || expression.len() > SUBSCRIPTION_BYTES_MAX {
            return;
        }
        let key = (group.to_owned(), topic.to_owned());
        let is_full = self.header_subscriptions.len() >= HEADER_SUBSCRIPTIONS_MAX;
        if is_full && !self.header_subscriptions.contains_key(&key) {
            return;
        }
        let fresh = || HeaderSubscription { expression: String::new(), seen_ms: now_ms };
        let noted = self.header_subscriptions.entry(key).or_insert_with(fresh);
        noted.seen_ms = now_ms;
        if noted.expression != expression {
            noted.expression = expression.to_owned();
        }
    }

    /// How many memberships there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A group without members is offline, and its subscriptions are forgotten.
    fn member_left(&mut self, group: &str) {
        if self.members.has_group(group) {
            self.mark_changed(group);
        } else {
            self.groups.remove(group);
            self.changed.remove(group);
        }
    }

    fn mark_changed(&mut self, group: &str) {
        let (group, _) = self.groups.get_key_value(group).expect("only groups that are online change");
        self.changed.insert(group.clone());
    }
}

/// What a heartbeat says about all its groups, and the broker about this one.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerHeartbeat<'a> {
    /// Who sent it.
    pub client_id: &'a str,
    /// On which connection.
    pub connection: &'a ClientConnection,
    /// Stands for the subscriptions; 0 if the client does not leave them out.
    pub fingerprint: i32,
    /// Whether the subscriptions stand in it.
    pub lists_subscriptions: bool,
    /// The group's setting.
    pub notifies_changes: bool,
}

impl OnlineGroup {
    fn new() -> Self {
        Self {
            consume_type: ConsumeType::default(),
            message_model: MessageModel::default(),
            consume_from_where: ConsumeFromWhere::default(),
            subscriptions: BTreeMap::new(),
            fingerprint: None,
            notifies: true,
        }
    }

    /// Takes over what a member subscribes to: newer versions replace, topics that are not listed go. True if a topic
    /// came or went.
    fn subscribe(&mut self, group: &str, listed: &[SubscriptionData]) -> bool {
        let mut changed = false;
        for data in listed {
            match self.subscriptions.get(&data.topic) {
                Some(known) if known.data.sub_version >= data.sub_version => {}
                known => {
                    changed |= known.is_none();
                    let filter = filter_of(data);
                    tell_of_doubts(group, data, &filter);
                    let filter = filter.map(Rc::new);
                    self.subscriptions.insert(data.topic.clone(), Subscription { data: data.clone(), filter });
                }
            }
        }
        let topics: BTreeSet<_> = listed.iter().map(|data| data.topic.as_str()).collect();
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| topics.contains(topic.as_str()));
        changed || self.subscriptions.len() < before
    }
}

/// Compiled from the expression, never from the codes a client computed.
fn filter_of(data: &SubscriptionData) -> Result<SubscriptionFilter, SubscriptionFilterError> {
    if !is_by_tag(&data.expression_type) {
        return SubscriptionFilter::parse(&data.expression_type, &data.sub_string);
    }
    let of_tags = || {
        let tags: Vec<_> = data.tags_set.iter().map(String::as_str).collect();
        TagFilter::parse(&tags.join("||"))
    };
    Ok(SubscriptionFilter::Tags(TagFilter::parse(&data.sub_string).or_else(|_| of_tags()).unwrap_or_default()))
}

/// Clients that do not ask whether their expression is right never learn it otherwise.
fn tell_of_doubts(group: &str, data: &SubscriptionData, filter: &Result<SubscriptionFilter, SubscriptionFilterError>) {
    let (topic, expression) = (&data.topic, &data.sub_string);
    match filter {
        Err(error) => {
            tracing::warn!(group, topic, %error, "a subscription's expression is wrong; its pulls are refused")
        }
        Ok(SubscriptionFilter::Sql(filter)) => {
            if let Some(position) = filter.ignored_from() {
                tracing::warn!(group, topic, %position, expression, "a subscription's expression ends before its text does; the rest means nothing");
            }
        }
        Ok(_) => {}
    }
}

fn check_subscriptions(data: &ConsumerData) -> Result<(), RegistrationError> {
    let group = || data.group_name.clone();
    let topics = data.subscription_data_set.len();
    if topics > SUBSCRIPTIONS_PER_GROUP_MAX {
        let topics_max = SUBSCRIPTIONS_PER_GROUP_MAX;
        return Err(RegistrationError::TooManyTopics { group: group(), topics, topics_max });
    }
    for subscription in &data.subscription_data_set {
        let tags: usize = subscription.tags_set.iter().map(String::len).sum();
        let bytes =
            subscription.topic.len() + subscription.sub_string.len() + subscription.expression_type.len() + tags;
        if bytes > SUBSCRIPTION_BYTES_MAX {
            let topic = subscription.topic.chars().take(64).collect();
            let bytes_max = SUBSCRIPTION_BYTES_MAX;
            return Err(RegistrationError::SubscriptionTooLong { group: group(), topic, bytes, bytes_max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
