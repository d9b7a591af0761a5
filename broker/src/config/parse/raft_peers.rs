//! The nodes of a Raft group and where each listens for the others.

use std::fmt;

use super::host_port::{HostPort, is_host};
use super::node_id::NodeId;

/// Members of a group. More make every write wait for more machines without making it safer.
pub const RAFT_PEERS_MAX: usize = 9;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftPeer {
    /// Who it is.
    pub id: NodeId,
    /// Where shard 0 of it listens for the other replicas.
    pub address: HostPort,
}

/// Property `dLegerPeers`: ascending by id, no id and no address twice. Empty if it is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RaftPeers(Vec<RaftPeer>);

/// Why a text is no list of nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RaftPeersError {
    /// One entry is wrong.
    #[error("a list as n0-10.0.0.1:40911;n1-10.0.0.2:40911; `{entry}` is not n, a number, -host:port")]
    Entry {
        /// The entry as it stands.
        entry: String,
    },
    /// Two nodes cannot be told apart.
    #[error("a list as n0-10.0.0.1:40911;n1-10.0.0.2:40911; {id} stands in it twice")]
    IdTwice {
        /// The id.
        id: NodeId,
    },
    /// Two nodes cannot listen at one address.
    #[error("a list as n0-10.0.0.1:40911;n1-10.0.0.2:40911; {one} and {other} both have {address}")]
    AddressTwice {
        /// The address.
        address: HostPort,
        /// Who has it.
        one: NodeId,
        /// Who has it too.
        other: NodeId,
    },
    /// Too many.
    #[error("a list of at most {RAFT_PEERS_MAX} nodes as n0-10.0.0.1:40911;n1-10.0.0.2:40911; it has {count}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl RaftPeers {
    /// Reads nodes separated by `;`. Empty entries are skipped, so an empty text means that there are none.
    ///
    /// # Errors
    /// [`RaftPeersError`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, RaftPeersError> {
        let mut peers: Vec<RaftPeer> = Vec::new();
        for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
            let peer = parse_peer(entry).ok_or_else(|| RaftPeersError::Entry { entry: entry.to_owned() })?;
            if peers.iter().any(|other| other.id == peer.id) {
                return Err(RaftPeersError::IdTwice { id: peer.id });
            }
            if let Some(one) = peers.iter().find(|other| is_same(&other.address, &peer.address)) {
                return Err(RaftPeersError::AddressTwice { address: peer.address, one: one.id, other: peer.id });
            }
            peers.push(peer);
        }
        if peers.len() > RAFT_PEERS_MAX {
            return Err(RaftPeersError::TooMany { count: peers.len() });
        }
        peers.sort_by_key(|peer| peer.id);
        Ok(Self(peers))
    }

    /// All nodes, ascending by id.
    pub fn iter(&self) -> std::slice::Iter<'_, RaftPeer> {
        self.0.iter()
    }

    /// The node of this id.
    pub fn get(&self, id: NodeId) -> Option<&RaftPeer> {
        self.0.iter().find(|peer| peer.id == id)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first `-` ends the id: host names may hold more of them.
fn parse_peer(entry: &str) -> Option<RaftPeer> {
    let (id, address) = entry.split_once('-')?;
    let (id, text) = (NodeId::parse(id.trim())?, address.trim());
    let address = HostPort::parse(text).filter(|address| is_host(&address.host))?;
    // Without brackets nobody can tell where an IPv6 address ends.
    let is_clear = !address.host.contains(':') || text.starts_with('[');
    is_clear.then_some(RaftPeer { id, address })
}

fn is_same(one: &HostPort, other: &HostPort) -> bool {
    one.port == other.port && one.host.eq_ignore_ascii_case(&other.host)
}

impl fmt::Display for RaftPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, RaftPeer { id, address }) in self.iter().enumerate() {
            write!(f, "{}{id}-{address}", if index == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NodeId {
        NodeId::parse(text).unwrap()
    }

    #[test]
    fn nodes_are_sorted_by_their_number() {
        let peers = RaftPeers::parse("n10-10.0.0.3:40911; n2-[::1]:40911;n0-broker-a.example.com:40911;").unwrap();
        assert_eq!(peers.to_string(), "n0-broker-a.example.com:40911;n2-[::1]:40911;n10-10.0.0.3:40911");
        assert_eq!(peers.get(id("n2")).unwrap().address.host, "::1");
        assert_eq!(peers.get(id("n1")), None);
        assert_eq!(RaftPeers::parse(&peers.to_string()).unwrap(), peers);
    }

    #[test]
    fn an_empty_text_means_that_there_are_none() {
        assert!(RaftPeers::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for entry in ["n0", "n0-", "n0-a", "n0-a:0", "n0-:1", "a-b:1", "n-b:1", "n0:b:1", "n0-::1:40911", "n0-a/b:1"] {
            let error = RaftPeers::parse(&format!("n7-ok:1;{entry}")).unwrap_err();
            assert_eq!(error, RaftPeersError::Entry { entry: entry.to_owned() });
        }
    }

    #[test]
    fn no_id_and_no_address_stands_twice() {
        assert_eq!(RaftPeers::parse("n1-a:1;n01-b:1"), Err(RaftPeersError::IdTwice { id: id("n1") }));
        let error = RaftPeers::parse("n0-a:1;n1-A:1").unwrap_err().to_string();
        assert!(error.ends_with("n0 and n1 both have A:1"), "{error}");
        assert!(RaftPeers::parse("n0-a:1;n1-a:2").is_ok());
    }

    #[test]
    fn a_group_has_nine_members_at_most() {
        let list = |count: usize| (0..count).map(|n| format!("n{n}-h{n}:1;")).collect::<String>();
        assert_eq!(RaftPeers::parse(&list(9)).unwrap().iter().count(), 9);
        assert_eq!(RaftPeers::parse(&list(10)), Err(RaftPeersError::TooMany { count: 10 }));
    }
}
