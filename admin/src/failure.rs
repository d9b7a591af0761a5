//! What keeps a command from being carried out, and what the user can do about it.

use std::fmt;
use std::io;

use client::{ClientError, WithCauses};
use serde::Serialize;

/// A server that could not be asked, or refused, while others answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServerError {
    /// The server.
    pub address: String,
    /// Why, with its causes.
    pub error: String,
}

impl ServerError {
    pub(crate) fn new(address: &str, error: &ClientError) -> Self {
        Self { address: address.to_owned(), error: WithCauses(error).to_string() }
    }
}

/// Every failure of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The cluster could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No broker has the topic.
    #[error("topic {topic} does not exist{}", DidYouMean(nearest.as_deref()))]
    UnknownTopic {
        /// As it was given.
        topic: String,
        /// The existing topic that was probably meant.
        nearest: Option<String>,
    },
    /// No broker of this cluster is registered.
    #[error("cluster {cluster} does not exist; {}", Known("clusters", known))]
    UnknownCluster {
        /// As it was given.
        cluster: String,
        /// The clusters that exist.
        known: Vec<String>,
    },
    /// The topic has no queue on this broker.
    #[error("topic {topic} has no queue on broker {broker_name}; {}", Known("brokers with queues", known))]
    UnknownBroker {
        /// The topic.
        topic: String,
        /// As it was given.
        broker_name: String,
        /// The brokers that have queues of the topic.
        known: Vec<String>,
    },
    /// The topic has no such queue on this broker.
    #[error("topic {topic} has no queue {queue_id} on broker {broker_name}; its queues are 0 to {last}")]
    UnknownQueue {
        /// The topic.
        topic: String,
        /// The broker.
        broker_name: String,
        /// As it was given.
        queue_id: i32,
        /// The highest queue id.
        last: i32,
    },
    /// No broker knows the consumer group.
    #[error("consumer group {group} does not exist{}", DidYouMean(nearest.as_deref()))]
    UnknownGroup {
        /// As it was given.
        group: String,
        /// The existing group that was probably meant.
        nearest: Option<String>,
    },
    /// No broker of this name is registered.
    #[error("no broker {broker_name} is registered{}", DidYouMean(nearest.as_deref()))]
    UnregisteredBroker {
        /// As it was given.
        broker_name: String,
        /// The broker that was probably meant.
        nearest: Option<String>,
    },
    /// What was shown lacks what these servers did not say, or was not done there.
    #[error("{} of the servers failed:{}", errors.len(), Servers(errors))]
    Incomplete {
        /// Which, and why.
        errors: Vec<ServerError>,
    },
    /// A step whose conditions do not hold.
    #[error("{what}{}", Reasons(reasons))]
    Unready {
        /// The step, and what to do.
        what: String,
        /// What stands in its way.
        reasons: Vec<String>,
    },
    /// A file cannot be read or written, or holds something else.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No message has the id.
    #[error("no message has the id {id}{}", Reasons(reasons))]
    UnknownMessage {
        /// As it was given.
        id: String,
        /// What was tried, and what came of it.
        reasons: Vec<String>,
    },
    /// Options that each make sense, but not together, or not here.
    #[error("{0}")]
    Usage(String),
    /// The result could not be written.
    #[error("the result could not be written")]
    Output(#[source] io::Error),
    /// No runtime, so nothing could be asked.
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

impl Failure {
    /// The failure with its causes, and what to do about it if that is known.
    #[must_use]
    pub fn report(&self) -> String {
        let text = match self {
            Self::Client(error) => WithCauses(error).to_string(),
            other => WithCauses(other).to_string(),
        };
        match self.hint() {
            Some(hint) => format!("{text}\n{hint}"),
            None => text,
        }
    }

    /// The failure of a result that servers are missing from, if any are.
    pub(crate) fn unless_complete(errors: Vec<ServerError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self::Incomplete { errors }) }
    }

    /// The failure of a file.
    pub(crate) fn file(path: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::File { path: path.to_string(), reason: reason.to_string() }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Client(ClientError::NameServers { .. }) => {
                Some("Is a name server running there? -n or NAMESRV_ADDR says where to look.")
            }
            Self::Client(ClientError::Connect { .. }) => {
                Some("An address that a broker registered (brokerIP1 and listenPort) has to be reachable from here.")
            }
            _ => None,
        }
    }
}

struct DidYouMean<'a>(Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

struct Known<'a>(&'static str, &'a [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            [] => write!(f, "there are no {}", self.0),
            names => write!(f, "{}: {}", self.0, names.join(", ")),
        }
    }
}

struct Reasons<'a>(&'a [String]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

struct Servers<'a>(&'a [ServerError]);

impl fmt::Display for Servers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|server| write!(f, "\n  {}: {}", server.address, server.error))
    }
}
