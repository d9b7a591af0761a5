//! Why a run could not be made.

use std::io;
use std::time::Duration;

use client::{ClientError, WithCauses};

use crate::plan::PlanError;

/// Every failure of this crate. Requests that fail while the load runs are in the report, not here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The cluster could not be asked.
    #[error("{what} failed: {}", WithCauses(source))]
    Cluster {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Box<ClientError>,
    },
    /// A topic that nobody has.
    #[error("topic {topic} has no route at the name server; create it first, or give --create-topics")]
    NoRoute {
        /// The topic.
        topic: String,
    },
    /// A topic without a queue of the right permission.
    #[error("topic {topic} has no {access} queue on a broker with a master")]
    NoQueue {
        /// The topic.
        topic: String,
        /// `writable` or `readable`.
        access: &'static str,
    },
    /// No broker is registered.
    #[error("no broker is registered at name server {name_servers}")]
    NoBroker {
        /// As given.
        name_servers: String,
    },
    /// A topic that was created but is not on all brokers.
    #[error("topic {topic} was created, but after {} s its route has {have} of {want} brokers", after.as_secs())]
    RouteIncomplete {
        /// The topic.
        topic: String,
        /// Brokers in its route.
        have: usize,
        /// Brokers of the cluster.
        want: usize,
        /// How long it was waited for.
        after: Duration,
    },
    /// A broker cannot be reached.
    #[error("cannot connect to broker {name} at {address}: {source}")]
    Connect {
        /// Its name.
        name: String,
        /// Its address in the route.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The system refused something to the load.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A worker thread ended early.
    #[error("a worker thread panicked")]
    WorkerPanicked,
    /// All of it failed.
    #[error("nothing succeeded: {summary}")]
    NothingSucceeded {
        /// The most frequent failure, or that there was no answer at all.
        summary: String,
    },
}
