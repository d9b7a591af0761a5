//! The name server: brokers register here, clients ask it where a topic is.
//!
//! [`NameServer`] is the whole of it without I/O: frames and points in time in, frames out. [`service`] puts it behind
//! sockets, for `mqnamesrv` and for a broker that runs a name server in its own process.

pub mod broker_liveness;
pub mod broker_registry;
pub mod cli;
pub mod config;
pub mod file_store;
pub mod kv_config;
pub mod metrics;
mod name_server;
mod not_served;
mod processor;
pub mod route_table;
pub mod service;
pub mod topic_routes;
mod unquoted_ids;

pub use config::Config;
pub use name_server::{NameServer, StartError};

/// A connection as the name server knows it: a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection(pub u64);
