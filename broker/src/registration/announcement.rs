//! What a shard says last is what is registered: the channel between its thread and the control thread.

use std::sync::{Arc, OnceLock};

use protocol::body::{DataVersion, RegisterBrokerBody, TopicConfigTable};
use tokio::sync::{mpsc, watch};

use super::standing::{Replica, Standing};
use crate::master_slave::master_search::Search;

/// What one shard has to say to name servers.
#[derive(Debug, Clone, Default)]
pub struct Announcement {
    standing: Option<Standing>,
    topics: Option<Arc<TopicConfigTable>>,
    /// What it wants to know of its master.
    search: Option<Arc<Search>>,
    /// Made by the first name server's task that needs it, for all.
    body: Arc<OnceLock<Vec<u8>>>,
}

impl Announcement {
    /// As what to register; `None` while there is nothing to register: no topics yet, or no part in a group.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.standing.filter(|_| self.topics.is_some())
    }

    /// What the shard wants to know of its master; `None`: nothing.
    pub fn search(&self) -> Option<Arc<Search>> {
        self.search.clone()
    }

    /// The body of a registration: the topics, under the standing's state version.
    pub(super) fn body(&self, compressed: bool) -> &[u8] {
        self.body.get_or_init(|| {
            let table = self.topics.as_deref().cloned().unwrap_or_default();
            let state_version = self.standing.map_or(0, |standing| standing.state_version);
            let data_version = DataVersion { state_version, ..table.data_version };
            let table = TopicConfigTable { data_version, ..table };
            let body = RegisterBrokerBody { topic_config_table: table, ..RegisterBrokerBody::default() };
            if compressed { body.encode_compressed() } else { body.encode() }
        })
    }
}

/// A shard's end.
#[derive(Clone)]
pub struct RegistrationSender {
    announcements: Option<watch::Sender<Announcement>>,
    /// Topics that are to be looked up; `None`: nobody does.
    wanted_routes: Option<mpsc::UnboundedSender<String>>,
}

/// The control thread's end.
pub type RegistrationReceiver = watch::Receiver<Announcement>;

/// Both ends of one shard's registration. `standing` is as what the shard is registered from the start; `None` for a
/// replica, which has to say so first.
pub fn channel(standing: Option<Standing>) -> (RegistrationSender, RegistrationReceiver) {
    let (sender, receiver) = watch::channel(Announcement { standing, ..Announcement::default() });
    (RegistrationSender { announcements: Some(sender), wanted_routes: None }, receiver)
}

impl RegistrationSender {
    /// One that tells nobody, for tests.
    pub fn to_nobody() -> Self {
        Self { announcements: None, wanted_routes: None }
    }

    /// The same, with somebody who looks topics up.
    #[must_use]
    pub(crate) fn with_route_look_up(self, wanted: mpsc::UnboundedSender<String>) -> Self {
        Self { wanted_routes: Some(wanted), ..self }
    }

    /// Whether topics can be looked up.
    pub(crate) fn looks_up_routes(&self) -> bool {
        self.wanted_routes.is_some()
    }

    /// Has name servers asked where a topic is; they say it by [`ShardMessage::Route`](crate::shard_message::ShardMessage).
    pub(crate) fn look_up_route(&self, topic: String) {
        if let Some(wanted) = &self.wanted_routes {
            // Nobody is there any more when the process ends.
            let _ = wanted.send(topic);
        }
    }

    /// The shard's topics from now on.
    pub fn topics_changed(&self, table: TopicConfigTable) {
        let Some(sender) = &self.announcements else { return };
        sender.send_modify(|announcement| {
            announcement.topics = Some(Arc::new(table));
            announcement.body = Arc::default();
        });
    }

    /// As what a master or slave is registered from now on, and what it wants to know; telling the same again costs nothing.
    pub(crate) fn part_changed(&self, standing: Option<Standing>, search: Option<Arc<Search>>) {
        let Some(sender) = &self.announcements else { return };
        sender.send_if_modified(|announcement| {
            let is_changed = announcement.standing != standing || announcement.search != search;
            if announcement.standing != standing {
                announcement.standing = standing;
                announcement.body = Arc::default();
            }
            announcement.search = search;
            is_changed
        });
    }

    /// The shard's part in its group from now on, see [`Standing::of_replica`]. Name servers are told at once what it
    /// changes for them; telling the same again costs nothing.
    pub fn role_changed(&self, replica: Replica) {
        let Some(sender) = &self.announcements else { return };
        sender.send_if_modified(|announcement| {
            let standing = Standing::of_replica(announcement.standing, replica);
            let is_changed = standing != announcement.standing;
            if is_changed {
                announcement.standing = standing;
                announcement.body = Arc::default();
            }
            is_changed
        });
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::TopicConfig;

    use super::super::standing::ReplicaRole;
    use super::*;

    fn table(counter: i64) -> TopicConfigTable {
        let topic = TopicConfig { topic_name: "T".to_owned(), read_queue_nums: 3, ..TopicConfig::default() };
        TopicConfigTable {
            data_version: DataVersion { counter, state_version: 0, timestamp: 17 },
            topic_config_table: [("T".to_owned(), topic)].into(),
            ..TopicConfigTable::default()
        }
    }

    fn replica(role: ReplicaRole, term: u64) -> Replica {
        Replica { slave_id: 2, term, role }
    }

    fn registered(receiver: &RegistrationReceiver, compressed: bool) -> TopicConfigTable {
        RegisterBrokerBody::decode(receiver.borrow().body(compressed)).unwrap().topic_config_table
    }

    #[test]
    fn a_name_server_reads_the_same_topics_from_either_form() {
        let mut bodies = Vec::new();
        for compressed in [false, true] {
            let (sender, receiver) = channel(Some(Standing::fixed(0)));
            sender.topics_changed(table(9));
            assert_eq!(registered(&receiver, compressed), table(9));
            bodies.push(receiver.borrow().body(compressed).to_vec());
        }
        assert_ne!(bodies[0], bodies[1]);
    }

    #[test]
    fn there_is_nothing_to_register_before_there_are_topics_and_a_part() {
        let (sender, receiver) = channel(Some(Standing::fixed(0)));
        assert_eq!(receiver.borrow().standing(), None);
        sender.topics_changed(table(1));
        assert_eq!(receiver.borrow().standing(), Some(Standing::fixed(0)));

        let (sender, receiver) = channel(None);
        sender.topics_changed(table(1));
        sender.role_changed(replica(ReplicaRole::Undecided, 1));
        assert_eq!(receiver.borrow().standing(), None);
        sender.role_changed(replica(ReplicaRole::Following, 1));
        assert_eq!(receiver.borrow().standing(), Some(Standing { broker_id: 2, state_version: 1 }));
    }

    #[test]
    fn topics_are_registered_under_the_term_whichever_of_the_two_changed_last() {
        let (sender, receiver) = channel(None);
        let version = |counter, state_version| DataVersion { counter, state_version, timestamp: 17 };
        sender.topics_changed(table(1));
        sender.role_changed(replica(ReplicaRole::Leading, 6));
        assert_eq!(registered(&receiver, false).data_version, version(1, 6));
        sender.topics_changed(table(2));
        assert_eq!(registered(&receiver, false).data_version, version(2, 6));
        sender.role_changed(replica(ReplicaRole::Following, 7));
        assert_eq!(registered(&receiver, false).data_version, version(2, 7));
        assert_eq!(registered(&receiver, false).topic_config_table, table(2).topic_config_table);
    }

    #[test]
    fn a_role_that_changes_nothing_for_name_servers_wakes_nobody() {
        let (sender, mut receiver) = channel(None);
        sender.topics_changed(table(1));
        sender.role_changed(replica(ReplicaRole::Following, 5));
        receiver.mark_unchanged();
        for (role, term) in [(ReplicaRole::Following, 5), (ReplicaRole::Undecided, 5), (ReplicaRole::Undecided, 6)] {
            sender.role_changed(replica(role, term));
            assert!(!receiver.has_changed().unwrap(), "{role:?} {term}");
        }
        sender.role_changed(replica(ReplicaRole::Following, 6));
        assert!(receiver.has_changed().unwrap());
    }
}
