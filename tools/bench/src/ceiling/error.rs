//! Why a search could not be made.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::search_settings::SearchSettingsError;
use super::team::{CodecError, LinkError};
use crate::error::BenchError;
use crate::report::latency::HistogramError;

/// Every failure of a search. Loads that a cluster does not stand are results, not failures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeilingError {
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SearchSettingsError),
    /// A limit that cannot be one.
    #[error("{flag} is {given}; {possible} is possible")]
    Limit {
        /// The flag.
        flag: &'static str,
        /// As given.
        given: f64,
        /// What would do.
        possible: &'static str,
    },
    /// A time that is too short to measure anything in.
    #[error("{flag} is {given_ms} ms; at least {least_ms} ms are needed")]
    TooShort {
        /// The flag.
        flag: &'static str,
        /// As given.
        given_ms: u64,
        /// The least.
        least_ms: u64,
    },
    /// The load could not be started at all.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// Nobody looks at the brokers' machines.
    #[error(
        "broker {name} at {address} is on another machine, so its CPU, disk and network cannot be seen from here; give \
         --sample http://BROKER:PORT/host once for each broker's machine, or --unsampled to search by latency and errors alone"
    )]
    Unsampled {
        /// The broker.
        name: String,
        /// Its address in the route.
        address: String,
    },
    /// A broker's machine cannot be looked at (any more).
    #[error("cannot sample {target}: {cause}")]
    Sample {
        /// `this machine` or the endpoint.
        target: String,
        /// Why, and what to look at.
        cause: String,
    },
    /// More machines than topics.
    #[error(
        "with consumers each load machine needs topics of its own, and there are {topics} for {machines} machines; name more with -t"
    )]
    TooFewTopics {
        /// Topics given.
        topics: usize,
        /// Load machines.
        machines: usize,
    },
    /// The leader's address cannot be listened on.
    #[error("cannot wait for load machines at {address}: {source}")]
    Listen {
        /// As given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Not everybody came.
    #[error("{have} of {expected} load machines joined within {} s; start `mqbench ceiling --join` on the others", within.as_secs())]
    Missing {
        /// Machines that joined.
        have: usize,
        /// Machines expected.
        expected: usize,
        /// How long it was waited for them.
        within: Duration,
    },
    /// A load machine is gone: its share of the load with it, so nothing more can be said.
    #[error("load machine {address} was lost {during}: {source}")]
    Lost {
        /// Its address.
        address: SocketAddr,
        /// As in `in step 3`.
        during: String,
        /// What happened.
        source: LinkError,
    },
    /// A load machine could not run its share.
    #[error("load machine {address} could not run step {step}: {reason}")]
    Failed {
        /// Its address.
        address: SocketAddr,
        /// The step.
        step: u32,
        /// In its words.
        reason: String,
    },
    /// A joined machine's report is not one.
    #[error("a load machine's latencies cannot be read")]
    Histogram(#[from] HistogramError),
    /// The leader cannot be reached, or is gone.
    #[error("the leader at {address} {what}")]
    Leader {
        /// As given with `--join`.
        address: String,
        /// What happened, and what to do.
        what: String,
        /// The cause, if there is one.
        source: Option<LinkError>,
    },
    /// Something to be sent is too long.
    #[error("a message to a load machine cannot be sent")]
    Codec(#[from] CodecError),
}
