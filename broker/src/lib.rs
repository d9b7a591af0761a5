//! The broker: what RocketMQ clients and tools ask for, on top of one store a core.
//!
//! Start reading at [`shard`] for a request's way, [`process`] for what a process is made of. The tables
//! (`topic_table`, `consumers`, `parked_pulls`, …) do no I/O and know no clock; processors join them with the store.

mod arrivals;
pub mod attribute_changes;
pub mod cli;
pub mod client_calls;
pub mod client_table;
mod committer;
pub mod config;
pub mod consumer_offsets;
pub mod consumers;
pub mod control_record;
pub mod control_tables;
pub mod delay_levels;
mod delivery;
pub mod env;
mod group_commit;
pub mod group_members;
pub mod inline_filters;
mod key_indexing;
pub mod live_config;
mod local_time;
pub mod maintenance;
pub mod master_slave;
pub mod metrics;
pub mod parked_pulls;
pub mod placement;
pub mod pop;
pub mod preflight;
pub mod process;
mod processor;
pub mod producers;
pub mod queue_id_check;
pub mod queue_locks;
mod queue_turns;
pub mod real_env;
pub mod registration;
pub mod replay;
pub mod replication;
mod request;
mod retention;
pub mod route_table;
pub mod schedule_progress;
pub mod send_properties;
pub mod service;
pub mod shard;
pub mod shard_message;
mod shard_thread;
mod statistics;
mod stored_tags;
pub mod subscription_filter;
pub mod subscription_group_table;
pub mod timers;
pub mod topic_table;
pub mod transactions;
