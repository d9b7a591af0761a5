//! How one replica of a group behaves.

/// Log bytes of an append message, by default: large enough to fill a link, small enough to be lost cheaply.
pub const MESSAGE_BYTES_MAX: u64 = 1 << 20;
/// Entries of an append message, by default: as many small ones as are far below its bytes.
pub const MESSAGE_ENTRIES_MAX: usize = 4096;
/// Append messages under way to one follower, by default.
pub const INFLIGHT_MESSAGES_MAX: usize = 256;

/// Settings of one replica. Pre-vote and check-quorum are always on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupOptions {
    /// This replica's id; never 0.
    pub id: u64,
    /// Ticks between a leader's heartbeats.
    pub heartbeat_ticks: u32,
    /// A follower that no longer hears its leader campaigns after a random number of ticks between this plus one and
    /// twice this, one that knows no leader after half of that; a leader that hears no majority within this steps down.
    pub election_ticks: u32,
    /// Log bytes ([`crate::EntryInfo::bytes`]) of an append message; one entry is sent however large it is.
    pub message_bytes_max: u64,
    /// Entries of an append message, at least 1.
    pub message_entries_max: usize,
    /// Append messages under way to one follower.
    pub inflight_messages_max: usize,
    /// Followers hear of a new commit index at once; else with the next append message or heartbeat, and if none comes
    /// within a tick or two, by an append message without entries.
    pub commit_is_told_at_once: bool,
    /// Decides the election timeouts. Every replica of a group has its own.
    pub seed: u64,
}

impl GroupOptions {
    /// Defaults for a replica: heartbeats every 2 ticks, elections after 11 to 20.
    pub fn new(id: u64, seed: u64) -> Self {
        Self {
            id,
            heartbeat_ticks: 2,
            election_ticks: 10,
            message_bytes_max: MESSAGE_BYTES_MAX,
            message_entries_max: MESSAGE_ENTRIES_MAX,
            inflight_messages_max: INFLIGHT_MESSAGES_MAX,
            commit_is_told_at_once: true,
            seed,
        }
    }
}
