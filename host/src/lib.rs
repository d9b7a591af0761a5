//! Figures of a Linux host and of its processes, and the rates between two looks at them.
//!
//! A *sample* ([`HostSample`], [`ProcessSample`]) is what the kernel has counted so far. *Rates* ([`HostRates`],
//! [`ProcessRates`]) are pure functions of two samples, so that they can be taken on one machine and
//! evaluated on another. [`Machine`] describes what does not change, for reports. [`ask_for_short_turns`] is the one thing
//! that is asked of the host.

mod broker_sample;
mod core_times;
mod counter;
mod disk_counters;
mod disk_rates;
mod error;
mod host_rates;
mod host_sample;
mod listening_process;
mod machine;
mod memory;
mod net_counters;
mod net_rates;
mod process_rates;
mod process_sample;
mod processor_topology;
mod roots;
mod short_turns;
mod store_device;
mod sys_file;

pub use broker_sample::{BrokerSample, ShardSample};
pub use core_times::CoreTimes;
pub use disk_counters::DiskCounters;
pub use disk_rates::DiskRates;
pub use error::HostError;
pub use host_rates::{CoreShare, HostRates};
pub use host_sample::HostSample;
pub use listening_process::listening_process;
pub use machine::{Link, Machine};
pub use memory::Memory;
pub use net_counters::NetCounters;
pub use net_rates::NetRates;
pub use process_rates::ProcessRates;
pub use process_sample::ProcessSample;
pub use processor_topology::ProcessorTopology;
pub use roots::HostRoots;
pub use short_turns::ask_for_short_turns;
pub use store_device::{StoreDevice, disk_of};
