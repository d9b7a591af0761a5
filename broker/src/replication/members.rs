//! Who belongs to a group, and where each listens: what a change of the members writes into the log, what the state file
//! keeps, and what replicas tell each other when they connect.
//!
//! The list is JSON in all three places: it is small, changes seldom, and whoever looks into a store can read it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use raft_driver::eraftpb::ConfState;
use serde::{Deserialize, Serialize};

use crate::config::SHARD_PORT_STEP;
use crate::config::parse::node_id::NodeId;
use crate::config::parse::raft_peers::RAFT_PEERS_MAX;

/// Voters of a group, at most.
pub(crate) const VOTERS_MAX: usize = RAFT_PEERS_MAX;
/// Longest list as text, bytes: twice as many nodes as a joint membership of the largest groups names.
pub(crate) const MEMBERS_BYTES_MAX: usize = 4096;

/// Raft ids by what they are in the group.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Roles {
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
    /// Not empty while a change of several voters at once is under way: those before it.
    pub voters_outgoing: Vec<u64>,
    pub learners_next: Vec<u64>,
    pub auto_leave: bool,
}

impl From<&ConfState> for Roles {
    fn from(members: &ConfState) -> Self {
        let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave, .. } = members.clone();
        Self { voters, learners, voters_outgoing, learners_next, auto_leave }
    }
}

impl Roles {
    /// As Raft has it.
    pub(crate) fn conf_state(&self) -> ConfState {
        let Self { voters, learners, voters_outgoing, learners_next, auto_leave } = self.clone();
        ConfState { voters, learners, voters_outgoing, learners_next, auto_leave, ..ConfState::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.voters.is_empty()
    }

    /// Whether a change of several voters is half way.
    pub(crate) fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }

    /// Whether a node has a vote now.
    pub(crate) fn votes(&self, id: u64) -> bool {
        self.voters.contains(&id) || self.voters_outgoing.contains(&id)
    }

    /// Ids of all of them, some more than once.
    pub(crate) fn all(&self) -> impl Iterator<Item = u64> {
        [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next].into_iter().flatten().copied()
    }
}

/// A node that gets the log to become a voter when it has it.
#[derive(Copy, Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Joining {
    /// Raft id of the node.
    pub node: u64,
    /// Raft id of the voter that goes at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
}

/// What travels with a change of the members: what Raft does not know of them, after the change.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberNotes {
    /// Where shard 0 of each node listens for the others, by Raft id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<u64, SocketAddr>,
    /// A change of several steps that is under way: the leader takes the next one by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joining: Option<Joining>,
}

impl MemberNotes {
    pub(crate) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.joining.is_none()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The members of a group at one point of its log.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupMembers {
    /// They hold when everything up to the entry with this index is applied; 0: from the beginning.
    pub index: u64,
    pub roles: Roles,
    pub notes: MemberNotes,
}

/// Why a text is no list of members.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembersError {
    #[error("the list of members cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("the list of members has {bytes} bytes, over the limit of {MEMBERS_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("the list of members names {id}, which is no node's id")]
    Id { id: u64 },
}

impl GroupMembers {
    /// Those that founded the group, as each is configured.
    pub(crate) fn founders(configured: &[(u64, SocketAddr)]) -> Self {
        let roles = Roles { voters: configured.iter().map(|(id, _)| *id).collect(), ..Roles::default() };
        Self { roles, ..Self::unknown(configured) }
    }

    /// Nobody is known to be a member; these are asked.
    pub(crate) fn unknown(configured: &[(u64, SocketAddr)]) -> Self {
        let notes = MemberNotes { addresses: configured.iter().copied().collect(), joining: None };
        Self { index: 0, roles: Roles::default(), notes }
    }

    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::encode`] has written. Whether the roles are possible is for Raft to say.
    pub(crate) fn decode(text: &str) -> Result<Self, MembersError> {
        if text.len() > MEMBERS_BYTES_MAX {
            return Err(MembersError::TooLong { bytes: text.len() });
        }
        let members: Self = serde_json::from_str(text)?;
        members.check()?;
        Ok(members)
    }

    /// Whether all that it names can be nodes.
    pub(crate) fn check(&self) -> Result<(), MembersError> {
        let mut named = self.roles.all().chain(self.notes.addresses.keys().copied());
        match named.find(|id| NodeId::from_raft_id(*id).is_none()) {
            Some(id) => Err(MembersError::Id { id }),
            None => Ok(()),
        }
    }

    /// The members after the change in entry `index`, with which `context` came.
    pub(crate) fn after(&self, index: u64, members: &ConfState, context: &[u8]) -> Self {
        let roles = Roles::from(members);
        let mut notes = MemberNotes::decode(context).unwrap_or_else(|| self.notes.clone());
        notes.addresses.retain(|id, _| roles.all().any(|member| member == *id));
        notes.joining = notes.joining.filter(|joining| roles.learners.contains(&joining.node));
        Self { index, roles, notes }
    }

    /// Addresses that are not known are those of the configuration.
    pub(crate) fn with_addresses_of(mut self, configured: &[(u64, SocketAddr)]) -> Self {
        for (id, address) in configured {
            let known = self.notes.addresses.get(id).is_some_and(|known| !known.ip().is_unspecified());
            if !known && self.contains(*id) {
                self.notes.addresses.insert(*id, *address);
            }
        }
        self
    }

    /// Ids of all members, some of them more than once.
    pub(crate) fn all_ids(&self) -> impl Iterator<Item = u64> {
        self.roles.all()
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.roles.all().any(|member| member == id)
    }

    /// All of them, ascending, and where shard `shard` of each listens, if that is known.
    pub(crate) fn listeners(&self, shard: u32) -> BTreeMap<u64, Option<SocketAddr>> {
        let known_only = self.roles.is_empty().then(|| self.notes.addresses.keys().copied());
        let all = self.roles.all().chain(known_only.into_iter().flatten());
        all.map(|id| (id, self.notes.addresses.get(&id).and_then(|first| of_shard(*first, shard)))).collect()
    }

    /// Names of some nodes, as an operator knows them.
    pub(crate) fn names(ids: &[u64]) -> String {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.iter().map(|id| node_name(*id)).collect::<Vec<_>>().join(", ")
    }

    /// Whether `configured` says something else than these, which the log says.
    pub(crate) fn differs_from(&self, configured: &[(u64, SocketAddr)]) -> bool {
        let configured: BTreeMap<u64, SocketAddr> = configured.iter().copied().collect();
        let is_as_configured = |id: u64| configured.get(&id) == self.notes.addresses.get(&id);
        self.roles.all().any(|id| !is_as_configured(id)) || configured.keys().any(|id| !self.contains(*id))
    }
}

/// `n0` for Raft id 1.
pub(crate) fn node_name(id: u64) -> String {
    NodeId::from_raft_id(id).map_or_else(|| id.to_string(), |id| id.to_string())
}

/// `None` while the host has no address.
fn of_shard(first: SocketAddr, shard: u32) -> Option<SocketAddr> {
    let port = u32::from(first.port()) + shard * u32::from(SHARD_PORT_STEP);
    let port = u16::try_from(port).ok()?;
    (!first.ip().is_unspecified()).then(|| SocketAddr::new(first.ip(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(id: u64) -> SocketAddr {
        format!("10.0.0.{id}:40911").parse().unwrap()
    }

    fn configured(ids: &[u64]) -> Vec<(u64, SocketAddr)> {
        ids.iter().map(|id| (*id, address(*id))).collect()
    }

    fn conf(voters: &[u64], learners: &[u64]) -> ConfState {
        ConfState::from((voters.to_vec(), learners.to_vec()))
    }

    fn notes(ids: &[u64], joining: Option<Joining>) -> Vec<u8> {
        MemberNotes { addresses: configured(ids).into_iter().collect(), joining }.encode()
    }

    #[test]
    fn a_list_reads_back_as_it_was_written() {
        let joining = Some(Joining { node: 4, replaces: Some(2) });
        let members = GroupMembers::founders(&configured(&[1, 2, 3]));
        let members = members.after(17, &conf(&[1, 2, 3], &[4]), &notes(&[1, 2, 3, 4], joining));
        let text = members.encode();
        assert!(text.len() < MEMBERS_BYTES_MAX && !text.contains(char::is_control));
        assert_eq!(GroupMembers::decode(&text).unwrap(), members);
        assert_eq!((members.index, members.notes.joining), (17, joining));
    }

    #[test]
    fn the_largest_list_fits() {
        let ids: Vec<u64> = (9_980..9_980 + 2 * VOTERS_MAX as u64 + 1).collect();
        let far = |id: &u64| (*id, "[2001:0db8:85a3:1234:5678:8a2e:0370:7334]:40911".parse().unwrap());
        let mut members = GroupMembers::founders(&ids.iter().map(far).collect::<Vec<_>>());
        members.index = u64::MAX;
        members.roles.voters_outgoing = ids[..VOTERS_MAX].to_vec();
        assert!(members.encode().len() <= MEMBERS_BYTES_MAX, "{}", members.encode().len());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let nobody = r#"{"index":1,"roles":{"voters":[0],"learners":[],"votersOutgoing":[],"learnersNext":[],"autoLeave":false},"notes":{}}"#;
        for text in ["", "{}", "[]", "7", nobody, &"x".repeat(MEMBERS_BYTES_MAX + 1)] {
            assert!(GroupMembers::decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn who_has_gone_has_no_address_any_more_and_who_votes_has_joined() {
        let joining = Some(Joining { node: 4, replaces: Some(2) });
        let all = notes(&[1, 2, 3, 4], joining);
        let before = GroupMembers::founders(&configured(&[1, 2, 3])).after(17, &conf(&[1, 2, 3], &[4]), &all);
        let after = before.after(20, &conf(&[1, 3, 4], &[]), &[]);
        assert_eq!(after.notes.addresses.keys().copied().collect::<Vec<_>>(), [1, 3, 4], "without a word about it");
        assert_eq!(after.notes.joining, None);
        assert!(!after.contains(2) && after.contains(4));
    }

    #[test]
    fn shards_listen_ten_ports_apart() {
        let members = GroupMembers::founders(&[(1, address(1)), (2, "0.0.0.0:40911".parse().unwrap())]);
        let listeners = members.listeners(2);
        assert_eq!(listeners[&1], Some("10.0.0.1:40931".parse().unwrap()));
        assert_eq!(listeners[&2], None, "its host has no address yet");
    }

    #[test]
    fn a_configuration_that_names_others_or_elsewhere_differs() {
        let members = GroupMembers::founders(&configured(&[1, 2]));
        assert!(!members.differs_from(&configured(&[1, 2])));
        for other in [configured(&[1, 2, 3]), configured(&[1]), vec![(1, address(1)), (2, address(9))]] {
            assert!(members.differs_from(&other), "{other:?}");
        }
    }
}
