//! Values that are more than a word or a number, each with its text form.

pub mod cpu_choice;
pub mod delete_hours;
pub mod host_port;
pub mod name_servers;
pub mod node_id;
pub mod raft_peers;
