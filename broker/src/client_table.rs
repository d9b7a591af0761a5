//! The clients of one shard: what heartbeats, unregistrations and closed connections do to its producers and
//! consumers together.

use crate::consumers::{ConsumerHeartbeat, Consumers};
use crate::group_members::{ClientConnection, RegistrationError};
use crate::producers::Producers;
use protocol::body::{ConsumerData, HeartbeatData};
use std::collections::BTreeSet;

/// Producers and consumers.
#[derive(Debug, Default)]
pub struct ClientTable {
    /// Who sends.
    pub producers: Producers,
    /// Who consumes.
    pub consumers: Consumers,
}

/// What the broker's settings say about a group of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may not be created: it is left out, and the client is not told.
    Refused,
    /// It has members.
    Admitted {
        /// Whether they are told when one comes or goes.
        notifies_changes: bool,
    },
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatAnswer {
    /// `IS_SUB_CHANGE`: the client should list its subscriptions next time. Always for fingerprint 0, whose client
    /// does so anyway.
    pub lists_subscriptions_next: bool,
}

impl ClientTable {
    /// No clients.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the client in its groups, or notes that it is alive. `admit` is asked for each consumer group; it
    /// creates the group and its retry topic if they are new.
    ///
    /// # Errors
    /// [`RegistrationError`] of the first group that cannot be registered; those before it are.
    pub fn heartbeat(
        &mut self,
        heartbeat: &HeartbeatData,
        connection: &ClientConnection,
        now_ms: i64,
        mut admit: impl FnMut(&ConsumerData) -> Admission,
    ) -> Result<HeartbeatAnswer, RegistrationError> {
        let HeartbeatData { client_id, heartbeat_fingerprint, without_sub, .. } = heartbeat;
        let mut lists_subscriptions_next = *heartbeat_fingerprint == 0;
        for data in &heartbeat.consumer_data_set {
            let Admission::Admitted { notifies_changes } = admit(data) else { continue };
            let of_group = ConsumerHeartbeat {
                client_id,
                connection,
                fingerprint: *heartbeat_fingerprint,
                lists_subscriptions: !without_sub,
                notifies_changes,
            };
            lists_subscriptions_next |= self.consumers.register(data, &of_group, now_ms)?;
        }
        for data in &heartbeat.producer_data_set {
            self.producers.register(&data.group_name, client_id, connection, now_ms)?;
        }
        Ok(HeartbeatAnswer { lists_subscriptions_next })
    }

    /// A client leaves these groups (35). What is not registered is no error.
    pub fn unregister(&mut self, producer_group: Option<&str>, consumer_group: Option<&str>, connection: u64) {
        if let Some(group) = producer_group {
            self.producers.unregister(group, connection);
        }
        if let Some(group) = consumer_group {
            self.consumers.unregister(group, connection);
        }
    }

    /// A connection closed.
    pub fn closed(&mut self, connection: u64) {
        self.producers.closed(connection);
        self.consumers.closed(connection);
    }

    /// Forgets memberships without a heartbeat for longer than `silence_ms_max`; to be called every 10 s. Returns their
    /// connections, which the reference then closes, ascending.
    pub fn expire(&mut self, now_ms: i64, silence_ms_max: i64) -> BTreeSet<u64> {
        let mut expired = BTreeSet::new();
        self.producers.expire(now_ms, silence_ms_max, &mut expired);
        self.consumers.expire(now_ms, silence_ms_max, &mut expired);
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Language;

    fn connection(id: u64) -> ClientConnection {
        ClientConnection { id, remote: ([127, 0, 0, 1], 52_976).into(), language: Language::JAVA, version: 513 }
    }

    fn admit_all(_: &ConsumerData) -> Admission {
        Admission::Admitted { notifies_changes: true }
    }

    /// Of the Java client, recorded.
    const CONSUMER: &str = r#"{"clientID":"192.0.2.2@20010#6191236659953","consumerDataSet":[{"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"jcg","messageModel":"CLUSTERING","subscriptionDataSet":[{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*","subVersion":1795256197003,"tagsSet":[],"topic":"JTX"},{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*","subVersion":1795256197005,"tagsSet":[],"topic":"%RETRY%jcg"},{"classFilterMode":false,"codeSet":[2598919,2598920],"expressionType":"TAG","subString":"TagA || TagB","subVersion":1795256197000,"tagsSet":["TagA","TagB"],"topic":"JT"}],"unitMode":false}],"heartbeatFingerprint":0,"producerDataSet":[{"groupName":"CLIENT_INNER_PRODUCER"}],"withoutSub":false}"#;

    fn heartbeat(json: &str) -> HeartbeatData {
        HeartbeatData::decode(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_recorded_heartbeat_registers_its_groups() {
        let mut clients = ClientTable::new();
        let answer = clients.heartbeat(&heartbeat(CONSUMER), &connection(1), 0, admit_all).unwrap();
        assert!(answer.lists_subscriptions_next, "always for fingerprint 0");
        assert_eq!(clients.consumers.ids("jcg").unwrap().consumer_id_list, ["192.0.2.2@20010#6191236659953"]);
        assert_eq!(clients.producers.connection_of_client("192.0.2.2@20010#6191236659953"), Some(1));
        let filter = clients.consumers.pull_filter("jcg", "JT", 0, true).unwrap();
        assert!(filter.may_match(2_598_920) && !filter.may_match(0));
    }

    #[test]
    fn a_refused_group_is_left_out_and_the_rest_is_registered() {
        let mut clients = ClientTable::new();
        clients.heartbeat(&heartbeat(CONSUMER), &connection(1), 0, |_| Admission::Refused).unwrap();
        assert!(!clients.consumers.is_online("jcg"));
        assert!(clients.producers.connections("CLIENT_INNER_PRODUCER").is_some());
    }

    #[test]
    fn subscriptions_are_asked_for_until_a_heartbeat_of_their_fingerprint_lists_them() {
        let mut clients = ClientTable::new();
        let full = HeartbeatData { heartbeat_fingerprint: 77, ..heartbeat(CONSUMER) };
        let mut short = HeartbeatData { without_sub: true, ..full.clone() };
        short.consumer_data_set[0].subscription_data_set.clear();
        let mut asked = |heartbeat: &HeartbeatData, id| {
            clients.heartbeat(heartbeat, &connection(id), 0, admit_all).unwrap().lists_subscriptions_next
        };
        assert!(asked(&short, 1), "a broker that was restarted knows none");
        assert!(!asked(&full, 1));
        assert!(!asked(&short, 1));
        assert!(!asked(&short, 2), "members of one fingerprint subscribe alike");
        assert!(asked(&HeartbeatData { heartbeat_fingerprint: 78, ..short.clone() }, 3));
        assert!(clients.consumers.pull_filter("jcg", "JT", 0, true).is_ok(), "a short heartbeat takes nothing away");
        assert_eq!(clients.consumers.ids("jcg").unwrap().consumer_id_list.len(), 3);
    }

    #[test]
    fn a_client_that_unregisters_or_disconnects_is_gone() {
        let mut clients = ClientTable::new();
        for id in 1..=3 {
            clients.heartbeat(&heartbeat(CONSUMER), &connection(id), 0, admit_all).unwrap();
        }
        clients.unregister(Some("CLIENT_INNER_PRODUCER"), Some("jcg"), 1);
        clients.unregister(Some("nobody"), Some("jcg"), 1);
        assert_eq!((clients.consumers.len(), clients.producers.len()), (2, 2));
        clients.closed(2);
        assert_eq!((clients.consumers.len(), clients.producers.len()), (1, 1));
        assert_eq!(clients.expire(120_001, 120_000), BTreeSet::from([3]));
        assert!(clients.consumers.is_empty() && clients.producers.is_empty());
    }
}
