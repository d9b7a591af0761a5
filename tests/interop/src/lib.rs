//! Starts real broker and name server processes, ours and the original ones, and runs stock clients against them.
//!
//! The scenarios themselves are the programs in `java/` and `go/`; see README.md. What is here panics with everything
//! a reader needs when something does not hold, because its callers are tests.

pub mod apache;
pub mod binaries;
pub mod broker_start;
pub mod clients;
pub mod cluster_view;
pub mod faults;
pub mod go;
pub mod host;
pub mod http;
pub mod java;
pub mod kept_messages;
pub mod limits;
pub mod live_broker;
pub mod log_copies;
pub mod master_slave_pair;
pub mod mqadmin;
pub mod name_server;
pub mod open_files;
pub mod our_mqadmin;
pub mod pipeline;
pub mod pops;
pub mod port_block;
pub mod ports;
pub mod process;
pub mod raw_client;
pub mod registration;
pub mod replica_group;
pub mod replica_node;
pub mod requests;
pub mod resident_memory;
pub mod run_lock;
pub mod scenario;
pub mod scratch;
pub mod send_ledger;
pub mod spawning;
pub mod tampering;
pub mod target;
pub mod timer_watch;
pub mod transactions;
pub mod turbopump;
pub mod unread;
pub mod until;
pub mod witness;
pub mod working_clients;
