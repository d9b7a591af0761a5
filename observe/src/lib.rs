//! The HTTP endpoint of a broker or name server: `/metrics` for Prometheus, `/health/live`, `/health/ready`, `/host`.
//!
//! A process brings a [`Source`]; [`bind()`] finds it a port and [`serve`] answers on the control thread, within limits on
//! connections, headers and time. What a shard counts on its hot path ([`Histogram`], [`RpcLatency`]) is plain memory: no
//! lock, no atomic, and no text before somebody asks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bind;
mod endpoint;
mod families;
mod histogram;
mod host_families;
mod route;
mod rpc_latency;
mod source;

pub use bind::{BindError, PortChoice, bind};
pub use endpoint::serve;
pub use families::{Families, Labels};
pub use histogram::Histogram;
pub use host::{BrokerSample, ShardSample};
pub use rpc_latency::{ReadAt, RpcAnswer, RpcLatency, RpcSeries, SERIES_MAX, write_rpc_latency};
pub use source::{Answer, Health, Source};
