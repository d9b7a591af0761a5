//! Which processors a broker's threads run on.
//!
//! [`Topology`] is how the machine's processors are made up, [`one_per_core`] and [`Placement`] decide, asking nobody, and
//! `settle` does for the control thread what `runtime` does for shards. `docs/cpu-placement.md` shows the outcome on
//! machines of several sizes.

mod decide;
mod settle;
mod topology;

pub use self::decide::{Placement, one_per_core};
pub use self::settle::{keep_memory_local, leave_shard_cpus};
pub use self::topology::{CpuPlace, Topology};
