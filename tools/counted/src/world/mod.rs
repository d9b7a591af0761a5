//! What a shard runs on while it is counted: memory that answers at once, so that no system call is in the counts.

mod memory_disk;
mod memory_ring;
mod stand;
mod still_env;

pub use memory_disk::MemoryDisk;
pub use memory_ring::MemoryRing;
pub use stand::Stand;
pub use still_env::StillEnv;
