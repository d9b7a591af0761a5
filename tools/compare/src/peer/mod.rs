//! Brokers as processes: the peer's and ours, started, killed and stopped in the same way.

pub mod apache;
pub mod apache_group;
pub mod apache_jars;
pub mod broker;
pub mod cluster;
pub mod group;
pub mod group_plan;
pub mod group_view;
mod ready_probe;
pub mod turbopump;
pub mod turbopump_group;

/// What a pull may bring, the same for both: enough for pulls of 256 messages of 1 KiB.
const TRANSFER_LIMITS: &str = "maxTransferCountOnMessageInMemory=512
maxTransferBytesOnMessageInMemory=1048576
maxTransferCountOnMessageInDisk=512
maxTransferBytesOnMessageInDisk=1048576
";
