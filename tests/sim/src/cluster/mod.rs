//! A whole cluster in one thread from one seed: complete brokers on simulated disks, a simulated network, clients that
//! speak the wire protocol, and one virtual clock.
//!
//! [`run`] is the way to start reading: it makes the cluster of a [`run_plan`], lets things go wrong, heals them, and has everything
//! compared.
//! [`cluster`] is the loop that does what is due next. A [`node`] is a machine, a [`process`] one life of the broker on
//! it: the shard is the real one, in the world of [`sim_env`] on a [`timed_disk`], and its sweep is played as the real
//! runtime does it. [`network`] moves bytes, or does not. [`producer`], [`consumer`], [`payer`] (transactions), [`planner`] (due times),
//! [`locker`] (queue locks) and [`popper`] are clients, with what is in [`client`] for all of them; what they see, they tell the [`oracle`], [`payments`], [`appointments`] and
//! [`parcels`], which know no machine. [`message_faults`] are what Raft has to bear. [`meddler`], [`frame_meddler`] and [`process_mischief`] make brokers err, so that the oracle can
//! show that it notices.
//!
//! A broker group is one machine, or several that are replicas of each other. `promise` says which faults may
//! come together then, and [`group_watch`] looks into all replicas at every moment. Or it is a [`pair`], a master and its slaves, with
//! [`pair_watch`] over them.

mod action;
pub mod appointments;
mod audit;
pub mod client;
mod clients;
pub mod clock;
#[expect(clippy::module_inception, reason = "the one type of it is the cluster")]
pub mod cluster;
pub mod cluster_summary;
pub mod consumer;
mod damage;
pub mod fault_plan;
pub mod frame_meddler;
pub mod group_watch;
mod lock_watch;
pub mod locker;
mod master_searcher;
mod mastership;
pub mod meddler;
mod member;
pub mod message_faults;
pub mod network;
pub mod node;
pub mod operator;
pub mod oracle;
mod outgoing;
pub mod pair;
pub mod pair_plan;
pub mod pair_watch;
pub mod parcels;
pub mod payer;
pub mod payments;
pub mod place;
pub mod planner;
mod pop_audit;
mod pop_requests;
mod pop_watch;
pub mod popper;
pub mod positions;
pub mod process;
pub mod process_mischief;
pub mod producer;
mod promise;
mod queue_reader;
pub mod rpc;
pub mod run;
pub mod run_plan;
pub mod sends;
pub mod sim_env;
pub mod sockets;
pub mod timed_disk;
pub mod workload_counts;
