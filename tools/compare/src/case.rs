//! One row of the comparison.

use crate::side::Side;
use crate::target::{Goal, Target};

/// One thing that is measured, of every side in the same way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// What `--cases` takes, and raw data are filed under.
    pub id: &'static str,
    /// What a reader is told.
    pub title: &'static str,
    /// The broker it runs on.
    pub stage: Stage,
    /// What is done.
    pub action: Action,
    /// What is to be reached.
    pub targets: &'static [Target],
}

/// A broker that is started for the cases of one stage, and how. The order of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// `ASYNC_FLUSH`.
    Async,
    /// `SYNC_FLUSH`.
    Sync,
    /// `ASYNC_FLUSH`, with as much memory for the log as the peer's page cache would take.
    Drain,
    /// `ASYNC_FLUSH` with a long log, killed and started again.
    LongLog,
    /// Nothing is asked of it; two shards, or the peer with a small heap.
    Idle,
    /// Three replicas, `ASYNC_FLUSH`; beside them one broker of ours without replicas.
    Group,
    /// Three replicas with a long log, of which one has lost its disk.
    GroupLongLog,
}

/// What is done in a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Send.
    Send(Send),
    /// Send at a rate and receive, from when each send was due.
    EndToEnd(Rate),
    /// Receive a backlog that is in memory, with pulls of so many messages.
    Drain {
        /// Messages a pull asks for.
        pull: u32,
    },
    /// Send while a backlog that is on the disk only is read from its start.
    SendBesideColdReader(Send),
    /// Send with the stock Java client: one client, so many threads.
    JavaClient {
        /// Threads that send one message at a time.
        threads: u32,
    },
    /// Start on an empty store.
    StartEmpty,
    /// Start after `kill -9` with a long log.
    StartAfterKill,
    /// Leave it alone.
    Idle,
    /// `kill -9` of a group's leader under a stock Java client at its default settings.
    Failover,
    /// Send while a replica fetches the whole log onto its empty disk.
    SendBesideEmptyReplica(Send),
}

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Send {
    /// Connections.
    pub connections: u32,
    /// Requests under way on each; at a fixed rate, at most.
    pub in_flight: u32,
    /// Messages of a request.
    pub batch: u32,
    /// Bytes of a body.
    pub body_bytes: u32,
    /// Topics the connections are spread over, each with eight queues.
    pub topics: u32,
    /// A fixed rate, or as fast as answers come.
    pub rate: Option<Rate>,
}

/// Messages a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// So many.
    Fixed(u32),
    /// A share of what the peer reached in another case's first round: the same for all sides and rounds.
    OfPeerMaximum {
        /// The case.
        case: &'static str,
        /// The share.
        share: f64,
    },
}

impl Send {
    /// Single messages of 1 KiB to one topic, as fast as the answers come.
    #[must_use]
    pub const fn closed(connections: u32, in_flight: u32) -> Self {
        Self { connections, in_flight, batch: 1, body_bytes: 1024, topics: 1, rate: None }
    }

    /// The same at a fixed rate, whatever the answers do.
    #[must_use]
    pub const fn at_rate(connections: u32, messages_per_second: u32) -> Self {
        // A window that no answer in time fills.
        Self { rate: Some(Rate::Fixed(messages_per_second)), ..Self::closed(connections, 1000) }
    }

    /// The same with other bodies.
    #[must_use]
    pub const fn of_bytes(self, body_bytes: u32) -> Self {
        Self { body_bytes, ..self }
    }

    /// The same in batches.
    #[must_use]
    pub const fn in_batches_of(self, batch: u32) -> Self {
        Self { batch, ..self }
    }

    /// The same over several topics.
    #[must_use]
    pub const fn over_topics(self, topics: u32) -> Self {
        Self { topics, ..self }
    }
}

impl Action {
    /// The case whose result of the first round this one is made from.
    #[must_use]
    pub fn rate_from(&self) -> Option<&'static str> {
        let rate = match self {
            Self::Send(send) | Self::SendBesideColdReader(send) | Self::SendBesideEmptyReplica(send) => send.rate,
            Self::EndToEnd(rate) => Some(*rate),
            _ => None,
        };
        match rate {
            Some(Rate::OfPeerMaximum { case, .. }) => Some(case),
            _ => None,
        }
    }
}

impl Case {
    /// Whether this side is measured in this case.
    #[must_use]
    pub fn measures(&self, side: Side) -> bool {
        match side {
            Side::Apache => self.stage != Stage::GroupLongLog,
            Side::Turbopump => true,
            Side::Ceiling => self.targets.iter().any(|target| matches!(target.goal, Goal::ShareOfCeiling(_))),
            Side::Alone => self.stage == Stage::Group && matches!(self.action, Action::Send(_)),
        }
    }

    /// Cases without which this one cannot be measured or judged.
    pub fn needs(&self) -> impl Iterator<Item = &'static str> {
        let judged = self.targets.iter().filter_map(|target| match target.goal {
            Goal::TimesCase(case, _) => Some(case),
            _ => None,
        });
        self.action.rate_from().into_iter().chain(judged)
    }
}

impl Stage {
    /// All, in the order of a round.
    pub const ALL: [Self; 7] =
        [Self::Async, Self::Sync, Self::Drain, Self::LongLog, Self::Idle, Self::Group, Self::GroupLongLog];

    /// Whether several brokers run that are replicas of each other; of the sides that have replicas.
    #[must_use]
    pub fn is_group(self) -> bool {
        matches!(self, Self::Group | Self::GroupLongLog)
    }

    /// As reports and progress have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Async => "ASYNC_FLUSH",
            Self::Sync => "SYNC_FLUSH",
            Self::Drain => "backlog in memory",
            Self::LongLog => "long log",
            Self::Idle => "idle",
            Self::Group => "three replicas",
            Self::GroupLongLog => "three replicas, long log",
        }
    }
}
