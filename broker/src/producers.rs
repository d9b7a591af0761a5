//! The producers that are connected, by group: whom to ask about a transaction, whom to send a reply.

use crate::group_members::{ClientConnection, GroupMembers, Member, RegistrationError};
use protocol::body::ProducerConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The producers of one shard.
#[derive(Debug, Default)]
pub struct Producers {
    members: GroupMembers,
    /// Client id and connection of every member.
    by_client: BTreeSet<(Rc<str>, u64)>,
}

/// Body of request 328.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProducerTableBody {
    /// Producers by group.
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// One producer in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerInfo {
    /// What the client calls itself.
    pub client_id: String,
    /// What it is written in.
    pub language: &'static str,
    /// When its last heartbeat came, ms since 1970.
    pub last_update_timestamp: i64,
    /// `/ip:port`.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    /// Its version, an ordinal.
    pub version: i32,
}

impl ProducerTableBody {
    /// The JSON text.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always serialize")
    }
}

impl Producers {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a connection in a group, or notes that it is alive.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub fn register(
        &mut self,
        group: &str,
        client_id: &str,
        connection: &ClientConnection,
        now_ms: i64,
    ) -> Result<(), RegistrationError> {
        let before = self.members.get(group, connection.id).map(|member| member.client_id.clone());
        if !self.members.register(group, client_id, connection, now_ms)? {
            return Ok(());
        }
        if let Some(before) = before {
            self.forget_client(before, connection.id);
        }
        self.by_client.insert((client_id.into(), connection.id));
        Ok(())
    }

    /// A client leaves a group.
    pub fn unregister(&mut self, group: &str, connection: u64) {
        if let Some(member) = self.members.remove(group, connection) {
            self.forget_client(member.client_id, connection);
        }
    }

    /// The connection closed: it leaves all its groups.
    pub fn closed(&mut self, connection: u64) {
        for (_, member) in self.members.remove_connection(connection) {
            self.by_client.remove(&(member.client_id, connection));
        }
    }

    /// Forgets who sent no heartbeat for longer than `silence_ms_max`; adds their connections to `expired`.
    pub fn expire(&mut self, now_ms: i64, silence_ms_max: i64, expired: &mut BTreeSet<u64>) {
        while let Some((connection, _, member)) = self.members.take_expired(now_ms, silence_ms_max) {
            self.forget_client(member.client_id, connection);
            expired.insert(connection);
        }
    }

    /// One of the group's producers, to be asked about a transaction: `pick` counts through them.
    pub fn pick(&self, group: &str, pick: usize) -> Option<(u64, &Member)> {
        self.members.pick(group, pick)
    }

    /// The connection of the client that waits for a reply, of several the last to connect.
    pub fn connection_of_client(&self, client_id: &str) -> Option<u64> {
        let client_id: Rc<str> = client_id.into();
        let of_client = (client_id.clone(), u64::MIN)..=(client_id, u64::MAX);
        self.by_client.range(of_client).next_back().map(|(_, connection)| *connection)
    }

    /// Body of request 204; `None` if nobody of the group is connected.
    pub fn connections(&self, group: &str) -> Option<ProducerConnection> {
        let connection_set: Vec<_> = self.members.of_group(group).map(|(_, member)| member.connection()).collect();
        (!connection_set.is_empty()).then_some(ProducerConnection { connection_set })
    }

    /// Body of request 328.
    pub fn table(&self) -> ProducerTableBody {
        let of_group = |group: &Rc<str>| {
            let members = self.members.of_group(group).map(|(_, member)| info(member)).collect();
            (group.to_string(), members)
        };
        ProducerTableBody { data: self.members.groups().map(of_group).collect() }
    }

    /// Groups that have a member, ascending.
    pub fn groups(&self) -> impl Iterator<Item = &Rc<str>> {
        self.members.groups()
    }

    /// The group's members with their connection, in the order they connected.
    pub fn members<'a>(&'a self, group: &str) -> impl Iterator<Item = (u64, &'a Member)> + use<'a> {
        self.members.of_group(group)
    }

    /// How many memberships there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// One membership under this id is gone; the connection may have others.
    fn forget_client(&mut self, client_id: Rc<str>, connection: u64) {
        let mut others = self.members.groups_of(connection).filter_map(|group| self.members.get(group, connection));
        if !others.any(|member| member.client_id == client_id) {
            self.by_client.remove(&(client_id, connection));
        }
    }
}

fn info(member: &Member) -> ProducerInfo {
    ProducerInfo {
        client_id: member.client_id.to_string(),
        language: member.language.name(),
        last_update_timestamp: member.seen_ms,
        remote_ip: format!("/{}", member.remote),
        version: member.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Language;

    fn connection(id: u64, port: u16) -> ClientConnection {
        ClientConnection { id, remote: ([127, 0, 0, 1], port).into(), language: Language::JAVA, version: 513 }
    }

    #[test]
    fn connections_are_listed_as_the_reference_lists_them() {
        let mut producers = Producers::new();
        producers.register("tr_pg", "tr_c1", &connection(1, 52_976), 1_795).unwrap();
        let body = String::from_utf8(producers.connections("tr_pg").unwrap().encode()).unwrap();
        let expected = r#"{"connectionSet":[{"clientAddr":"127.0.0.1:52976","clientId":"tr_c1","language":"JAVA","version":513}]}"#;
        assert_eq!(body, expected);
        assert!(producers.connections("nobody").is_none());
        let body = String::from_utf8(producers.table().encode()).unwrap();
        let expected = r#"{"data":{"tr_pg":[{"clientId":"tr_c1","language":"JAVA","lastUpdateTimestamp":1795,"remoteIP":"/127.0.0.1:52976","version":513}]}}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn a_reply_goes_to_the_client_s_last_connection_while_it_is_in_any_group() {
        let mut producers = Producers::new();
        for (group, id) in [("CLIENT_INNER_PRODUCER", 1), ("jpg", 1), ("jpg", 2)] {
            producers.register(group, "192.0.2.2@20010#619", &connection(id, 1), 0).unwrap();
        }
        assert_eq!(producers.connection_of_client("192.0.2.2@20010#619"), Some(2));
        producers.closed(2);
        producers.unregister("jpg", 1);
        assert_eq!(producers.connection_of_client("192.0.2.2@20010#619"), Some(1));
        producers.unregister("CLIENT_INNER_PRODUCER", 1);
        producers.unregister("CLIENT_INNER_PRODUCER", 1);
        assert_eq!(producers.connection_of_client("192.0.2.2@20010#619"), None);
        assert!(producers.is_empty() && producers.by_client.is_empty());
    }

    #[test]
    fn a_connection_that_calls_itself_something_else_is_found_by_that() {
        let mut producers = Producers::new();
        producers.register("g", "old", &connection(1, 1), 0).unwrap();
        producers.register("g", "new", &connection(1, 1), 0).unwrap();
        assert_eq!(producers.connection_of_client("old"), None);
        assert_eq!(producers.connection_of_client("new"), Some(1));
    }

    #[test]
    fn silent_producers_expire() {
        let mut producers = Producers::new();
        producers.register("g", "a", &connection(1, 1), 0).unwrap();
        producers.register("g", "b", &connection(2, 1), 1).unwrap();
        let mut expired = BTreeSet::new();
        producers.expire(120_000, 120_000, &mut expired);
        assert!(expired.is_empty());
        producers.expire(120_001, 120_000, &mut expired);
        assert_eq!(expired, BTreeSet::from([1]));
        assert_eq!(producers.pick("g", 0).unwrap().0, 2);
        assert_eq!(producers.connection_of_client("a"), None);
    }
}
