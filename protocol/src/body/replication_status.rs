//! What a replica knows of its broker group. A broker that has its log to itself has none of it. In the runtime
//! information (28) it is rows of text: see [`rows`].

pub mod rows;

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeStruct;

/// A follower that is behind by more than this does not keep up.
/// Source: Apache RocketMQ, default of `haMaxGapNotInSync`.
pub const IN_SYNC_GAP_BYTES: u64 = 256 << 20;

/// What a replica does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaRole {
    /// It leads and serves.
    Leader,
    /// It was elected and does not serve yet: an entry of its own has to be committed first.
    Elected,
    /// It follows a leader.
    Follower,
    /// It knows no leader.
    NoLeader,
    /// It leads until another one does, and takes no more messages.
    HandsOver,
    /// It led, and takes back what nobody else has.
    TakesBack,
    /// It takes no part any more; its log says why.
    Stopped,
    /// It is no member of its group: not yet, or no more.
    Outside,
}

impl ReplicaRole {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Leader,
        Self::Elected,
        Self::Follower,
        Self::NoLeader,
        Self::HandsOver,
        Self::TakesBack,
        Self::Stopped,
        Self::Outside,
    ];

    /// As it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Elected => "elected",
            Self::Follower => "follower",
            Self::NoLeader => "no_leader",
            Self::HandsOver => "hands_over",
            Self::TakesBack => "takes_back",
            Self::Stopped => "stopped",
            Self::Outside => "outside",
        }
    }

    /// Whether clients take this replica for the master.
    pub fn is_master(self) -> bool {
        matches!(self, Self::Leader | Self::HandsOver)
    }
}

impl fmt::Display for ReplicaRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place in the log: behind the entry with this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LogPlace {
    /// Index of the entry.
    pub index: u64,
    /// Physical offset behind it; `None` if it is no longer known.
    pub offset: Option<u64>,
}

/// A quantity that may be known from below only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So much.
    Exactly(u64),
    /// So much, or more.
    AtLeast(u64),
}

impl Extent {
    /// The quantity as far as it is known.
    pub fn known(self) -> u64 {
        match self {
            Self::Exactly(value) | Self::AtLeast(value) => value,
        }
    }
}

/// How far a follower is behind its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Entries that it has not confirmed.
    pub entries: u64,
    /// Bytes of the log from where it is to the end.
    pub bytes: Extent,
    /// How long ago the leader appended the first entry that it has not confirmed, ms; 0 if it has all.
    pub ms: Extent,
}

/// A follower as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerStatus {
    /// Its name in the group, `n1`.
    pub node: String,
    /// Where clients reach it, once it has said so.
    pub address: Option<String>,
    /// How far its log goes; `None` until it has told this leader.
    pub has: Option<LogPlace>,
    /// What that is short of the leader's log.
    pub lag: Option<Lag>,
    /// What it takes over, lately.
    pub bytes_per_second: u64,
    /// It was heard of just now.
    pub is_active: bool,
    /// It reads the leader's files, for what it lacks is no longer in memory.
    pub is_catching_up: bool,
    /// It does not count for a majority.
    pub is_learner: bool,
}

impl FollowerStatus {
    /// Whether it keeps up: it is there, and not behind by more than [`IN_SYNC_GAP_BYTES`].
    pub fn is_in_sync(&self) -> bool {
        let is_near = |lag: Lag| lag.bytes.known() <= IN_SYNC_GAP_BYTES;
        self.is_active && !self.is_catching_up && self.lag.is_some_and(is_near)
    }
}

/// A member, and where shard 0 of it listens for the others, if that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPlace {
    /// Its name in the group, `n1`.
    pub node: String,
    /// `ip:port`.
    pub address: Option<String>,
}

/// Who belongs to the group, as far as a replica knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MembersStatus {
    /// Since which entry of the log; 0: since the group was founded.
    pub index: u64,
    /// Who votes.
    pub voters: Vec<MemberPlace>,
    /// Who gets the log and does not vote.
    pub learners: Vec<MemberPlace>,
    /// While voters change: those before, whose majority is needed too.
    pub voters_before: Vec<MemberPlace>,
    /// A change that is under way, and how far it is.
    pub change: Option<String>,
}

/// What a replica has seen since its process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaHistory {
    /// Times that the term rose.
    pub elections: u64,
    /// Times that it began to lead.
    pub times_led: u64,
    /// When it did last, ms since 1970.
    pub last_led_ms: Option<i64>,
    /// When a leader took over last, itself or another, ms since 1970.
    pub last_failover_ms: Option<i64>,
    /// How long before that the leader before was last heard of, ms; `None` if none was.
    pub last_failover_took_ms: Option<u64>,
    /// Catch-ups that it began.
    pub catch_ups: u64,
    /// Bytes of log that came by these.
    pub caught_up_bytes: u64,
    /// Of these, those that needed a checkpoint, because the leader's log began behind this one's end.
    pub installations: u64,
    /// Places of the log that could not be read and were mended from another replica.
    pub mended: u64,
    /// Times that such a place could not be mended, because no other replica that answered had it.
    pub unmended: u64,
    /// Connections of other replicas that it closed for what they said: foreign, damaged or out of turn.
    pub refused: u64,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationStatus {
    /// What it does.
    pub role: ReplicaRole,
    /// Its name in the group, `n0`.
    pub node: String,
    /// `dLegerGroup`.
    pub group: String,
    /// Which shard of the node it belongs to, from 0: each is a group of its own.
    pub shard: u32,
    /// How many shards the node has.
    pub shards: u32,
    /// Who belongs to the group.
    pub members: MembersStatus,
    /// Name of the leader, if one is known.
    pub leader: Option<String>,
    /// Where clients reach that, once it has said so.
    pub leader_address: Option<String>,
    /// When the leader was last heard of, ms since 1970; on a leader the present.
    pub leader_heard_ms: Option<i64>,
    /// Current term.
    pub term: u64,
    /// What a majority has, as far as it knows.
    pub committed: LogPlace,
    /// What queues and tables reflect.
    pub applied: LogPlace,
    /// Where its log ends.
    pub end: LogPlace,
    /// Whether it votes without reserve: it has forgotten nothing that it confirmed.
    pub is_trusted: bool,
    /// It reads the leader's files, for what it lacks is no longer in the leader's memory.
    pub is_catching_up: bool,
    /// What its log grows by, lately.
    pub bytes_per_second: u64,
    /// Entries at the end of the log whose places it keeps in memory.
    pub entries_in_memory: u64,
    /// The other nodes, ascending; only a leader knows.
    pub followers: Vec<FollowerStatus>,
    /// What it has seen.
    #[serde(flatten)]
    pub history: ReplicaHistory,
}

impl Serialize for Lag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_at_least = |extent| matches!(extent, Extent::AtLeast(_));
        let mut lag = serializer.serialize_struct("Lag", 5)?;
        lag.serialize_field("entries", &self.entries)?;
        lag.serialize_field("bytes", &self.bytes.known())?;
        lag.serialize_field("bytesAreAtLeast", &is_at_least(self.bytes))?;
        lag.serialize_field("ms", &self.ms.known())?;
        lag.serialize_field("msAreAtLeast", &is_at_least(self.ms))?;
        lag.end()
    }
}
