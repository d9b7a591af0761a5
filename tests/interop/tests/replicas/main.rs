//! A broker of three nodes, each a process, whatever happens to one, two or all of them. Nothing acknowledged may be lost,
//! and the nodes' logs stay the same byte for byte.

mod absence;
mod bad_input;
mod chaos;
mod failover;
mod hung_leader;
mod installation;
mod lost_majority;
mod members;
mod pops;
mod stock_clients;
mod timers;
mod transactions;

use std::time::Duration;

/// From the death of a leader to the next: what users are promised.
const NEW_LEADER_WITHIN: Duration = Duration::from_millis(1500);
/// What is not promised but would be a hang.
const LIMIT: Duration = Duration::from_secs(30);
