//! Which connections are members of which groups: the same for producer and consumer groups.

use protocol::Language;
use protocol::body::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use thiserror::Error;

/// Memberships of one table: a connection counts once for each of its groups.
pub const MEMBERSHIPS_MAX: usize = 262_144;

/// Longest client id or group that is kept.
pub const CLIENT_NAME_BYTES_MAX: usize = 512;

/// A connection as its requests describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientConnection {
    /// Never used again for another connection.
    pub id: u64,
    /// The client's address.
    pub remote: SocketAddr,
    /// From the request's header.
    pub language: Language,
    /// From the request's header.
    pub version: i32,
}

/// Why a client could not be registered. The text is the answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistrationError {
    /// [`MEMBERSHIPS_MAX`] is reached.
    #[error("client was not registered in group {group}, this broker has {MEMBERSHIPS_MAX} registrations already")]
    Full {
        /// The group it did not get into.
        group: String,
    },
    /// A client id or group longer than [`CLIENT_NAME_BYTES_MAX`].
    #[error("{what} of {bytes} bytes, at most {CLIENT_NAME_BYTES_MAX} are kept")]
    NameTooLong {
        /// `clientID` or `groupName`.
        what: &'static str,
        /// As received.
        bytes: usize,
    },
    /// More topics than a group's subscription table takes.
    #[error("group {group} subscribes to {topics} topics, at most {topics_max} are kept")]
    TooManyTopics {
        /// The group.
        group: String,
        /// As received.
        topics: usize,
        /// The limit.
        topics_max: usize,
    },
    /// A subscription expression longer than is kept.
    #[error("subscription of group {group} to topic {topic} takes {bytes} bytes, at most {bytes_max} are kept")]
    SubscriptionTooLong {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// As received.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

/// One connection in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What the client calls itself. A client that reconnects is there twice for a while.
    pub client_id: Rc<str>,
    /// The client's address.
    pub remote: SocketAddr,
    /// What it is written in.
    pub language: Language,
    /// Its version, an ordinal.
    pub version: i32,
    /// When its last heartbeat came.
    pub seen_ms: i64,
}

impl Member {
    /// As consoles see it.
    pub fn connection(&self) -> Connection {
        Connection {
            client_addr: self.remote.to_string(),
            client_id: self.client_id.to_string(),
            language: self.language,
            version: self.version,
        }
    }
}

/// Members by group, in the order they connected.
#[derive(Debug, Default)]
pub struct GroupMembers {
    groups: BTreeMap<Rc<str>, BTreeMap<u64, Member>>,
    by_connection: BTreeSet<(u64, Rc<str>)>,
    by_seen: BTreeSet<(i64, u64, Rc<str>)>,
}

impl GroupMembers {
    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a connection in a group, or notes that it is alive. True if it is new there, or now calls itself
    /// something else.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub fn register(
        &mut self,
        group: &str,
        client_id: &str,
        connection: &ClientConnection,
        now_ms: i64,
    ) -> Result<bool, RegistrationError> {
        check_name("groupName", group)?;
        check_name("clientID", client_id)?;
        let known = self.groups.get_key_value(group).map(|(group, _)| group.clone());
        let group = known.unwrap_or_else(|| group.into());
        let before = self.groups.get(&group).and_then(|members| members.get(&connection.id));
        if before.is_none() && self.len() >= MEMBERSHIPS_MAX {
            return Err(RegistrationError::Full { group: group.to_string() });
        }
        let same_client = before.map(|member| member.client_id.clone()).filter(|before| **before == *client_id);
        let changed = same_client.is_none();
        if let Some(before) = before {
            self.by_seen.remove(&(before.seen_ms, connection.id, group.clone()));
        }
        let member = Member {
            client_id: same_client.unwrap_or_else(|| client_id.into()),
            remote: connection.remote,
            language: connection.language,
            version: connection.version,
            seen_ms: now_ms,
        };
        self.by_connection.insert((connection.id, group.clone()));
        self.by_seen.insert((now_ms, connection.id, group.clone()));
        self.groups.entry(group).or_default().insert(connection.id, member);
        Ok(changed)
    }

    /// Takes a connection out of a group.
    pub fn remove(&mut self, group: &str, connection: u64) -> Option<Member> {
        let (group, _) = self.groups.get_key_value(group)?;
        let group = group.clone();
        let members = self.groups.get_mut(&group)?;
        let member = members.remove(&connection)?;
        if members.is_empty() {
            self.groups.remove(&group);
        }
        assert!(self.by_seen.remove(&(member.seen_ms, connection, group.clone())), "a member was seen");
        assert!(self.by_connection.remove(&(connection, group)), "a member has a connection");
        Some(member)
    }

    /// Takes a connection out of all its groups; returns them with what it was there.
    pub fn remove_connection(&mut self, connection: u64) -> Vec<(Rc<str>, Member)> {
        let groups: Vec<_> = self.groups_of(connection).cloned().collect();
        let mut remove = |group: &str| self.remove(group, connection).expect("a connection is a member of its groups");
        groups.into_iter().map(|group| (group.clone(), remove(&group))).collect()
    }

    /// Takes out the member that was not seen for longest, if that is more than `silence_ms_max`.
    pub fn take_expired(&mut self, now_ms: i64, silence_ms_max: i64) -> Option<(u64, Rc<str>, Member)> {
        let (seen_ms, connection, group) = self.by_seen.first()?.clone();
        if now_ms.saturating_sub(seen_ms) <= silence_ms_max {
            return None;
        }
        let member = self.remove(&group, connection).expect("whoever was seen is a member");
        Some((connection, group, member))
    }

    /// The connection as a member of the group.
    pub fn get(&self, group: &str, connection: u64) -> Option<&Member> {
        self.groups.get(group)?.get(&connection)
    }

    /// The group's members with their connection, in the order they connected.
    pub fn of_group<'a>(&'a self, group: &str) -> impl Iterator<Item = (u64, &'a Member)> + use<'a> {
        self.groups.get(group).into_iter().flatten().map(|(connection, member)| (*connection, member))
    }

    /// The member of this client id, of several the last to connect.
    pub fn of_client<'a>(&'a self, group: &str, client_id: &str) -> Option<(u64, &'a Member)> {
        let members = self.groups.get(group)?.iter().rev();
        let mut found = members.filter(|(_, member)| *member.client_id == *client_id);
        found.next().map(|(connection, member)| (*connection, member))
    }

    /// One of the group's members: `pick` counts through them, over and over.
    pub fn pick(&self, group: &str, pick: usize) -> Option<(u64, &Member)> {
        let members = self.groups.get(group)?;
        members.iter().nth(pick % members.len()).map(|(connection, member)| (*connection, member))
    }

    /// Whether the group has a member.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// All groups that have a member, ascending by name.
    pub fn groups(&self) -> impl Iterator<Item = &Rc<str>> {
        self.groups.keys()
    }

    /// The groups a connection is a member of.
    pub fn groups_of(&self, connection: u64) -> impl Iterator<Item = &Rc<str>> {
        let from = (connection, Rc::from(""));
        self.by_connection.range(from..).take_while(move |(id, _)| *id == connection).map(|(_, group)| group)
    }

    /// How many memberships there are.
    pub fn len(&self) -> usize {
        self.by_connection.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.by_connection.is_empty()
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), RegistrationError> {
    if name.len() > CLIENT_NAME_BYTES_MAX {
        return Err(RegistrationError::NameTooLong { what, bytes: name.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn connection(id: u64) -> ClientConnection {
        let remote = SocketAddr::from(([127, 0, 0, 1], 50_000 + id as u16));
        ClientConnection { id, remote, language: Language::JAVA, version: 513 }
    }

    fn ids(members: &GroupMembers, group: &str) -> Vec<u64> {
        members.of_group(group).map(|(connection, _)| connection).collect()
    }

    #[test]
    fn a_member_is_new_once_and_again_under_another_name() {
        let mut members = GroupMembers::new();
        assert_eq!(members.register("g", "a", &connection(1), 0), Ok(true));
        assert_eq!(members.register("g", "a", &connection(1), 1), Ok(false));
        assert_eq!(members.register("g", "b", &connection(1), 2), Ok(true));
        assert_eq!(members.len(), 1);
    }

    #[test]
    fn a_client_that_reconnects_is_there_twice_and_found_where_it_is_now() {
        let mut members = GroupMembers::new();
        members.register("g", "a", &connection(1), 0).unwrap();
        members.register("g", "a", &connection(2), 0).unwrap();
        assert_eq!(ids(&members, "g"), [1, 2]);
        assert_eq!(members.of_client("g", "a").unwrap().0, 2);
        assert!(members.of_client("g", "b").is_none());
    }

    #[test]
    fn picks_go_round() {
        let mut members = GroupMembers::new();
        for id in [3, 5, 9] {
            members.register("g", "a", &connection(id), 0).unwrap();
        }
        let picked: Vec<_> = (0..4).map(|pick| members.pick("g", pick).unwrap().0).collect();
        assert_eq!(picked, [3, 5, 9, 3]);
        assert!(members.pick("other", 0).is_none());
    }

    #[test]
    fn names_beyond_reason_are_refused() {
        let mut members = GroupMembers::new();
        let long = "x".repeat(CLIENT_NAME_BYTES_MAX + 1);
        assert!(members.register(&long, "a", &connection(1), 0).is_err());
        assert!(members.register("g", &long, &connection(1), 0).is_err());
        assert!(members.is_empty());
    }

    proptest! {
        #[test]
        fn members_are_those_seen_lately_on_open_connections(
            steps in prop::collection::vec((0..5u8, 0..4u64, 0..3usize, 0..60_000i64), 1..150)
        ) {
            const SILENCE_MS_MAX: i64 = 120_000;
            let groups = ["g0", "g1", "g2"];
            let mut members = GroupMembers::new();
            let mut model: BTreeMap<(usize, u64), i64> = BTreeMap::new();
            let mut now_ms = 0;
            for (action, id, group, later_ms) in steps {
                now_ms += later_ms;
                match action {
                    0..=2 => {
                        let new = members.register(groups[group], "c", &connection(id), now_ms).unwrap();
                        prop_assert_eq!(new, model.insert((group, id), now_ms).is_none());
                    }
                    3 => {
                        let removed = members.remove(groups[group], id).map(|member| member.seen_ms);
                        prop_assert_eq!(removed, model.remove(&(group, id)));
                    }
                    _ => {
                        let removed = members.remove_connection(id).len();
                        prop_assert_eq!(removed, model.extract_if(.., |key, _| key.1 == id).count());
                    }
                }
                let expired = std::iter::from_fn(|| members.take_expired(now_ms, SILENCE_MS_MAX)).count();
                prop_assert_eq!(expired, model.extract_if(.., |_, seen_ms| now_ms - *seen_ms > SILENCE_MS_MAX).count());
                for (number, group) in groups.iter().enumerate() {
                    let of_model: Vec<_> = model.keys().filter(|key| key.0 == number).map(|key| key.1).collect();
                    prop_assert_eq!(members.has_group(group), !of_model.is_empty());
                    prop_assert_eq!(ids(&members, group), of_model);
                }
                prop_assert_eq!((members.len(), members.by_seen.len()), (model.len(), model.len()));
            }
        }
    }
}
