//! What is measured, its unit, and how it is written.

use serde::{Deserialize, Serialize};

use crate::number;

/// What is measured. Latencies are the case's main ones: of sends, of pulls, or end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Messages acknowledged, or received, a second.
    MessagesPerSecond,
    /// Median latency, microseconds.
    P50Us,
    /// 99th percentile, microseconds.
    P99Us,
    /// 99.9th percentile, microseconds.
    P999Us,
    /// 99.99th percentile, microseconds.
    P9999Us,
    /// The longest, microseconds.
    MaxUs,
    /// End-to-end cases: median latency of the sends alone, microseconds.
    SendP50Us,
    /// End-to-end cases: 99.9th percentile of the sends alone, microseconds.
    SendP999Us,
    /// Processor time of the broker a message, microseconds: seconds a million messages.
    BrokerCpuUs,
    /// Processor time of the load a message, microseconds.
    LoadCpuUs,
    /// Messages a second that a second reader received meanwhile.
    ReaderMessagesPerSecond,
    /// From the start of the process to the first acknowledged send, milliseconds.
    ReadyMs,
    /// Resident memory, bytes.
    ResidentBytes,
    /// The part of it that is no file: heap, stacks, buffers, bytes.
    AnonymousBytes,
    /// Processor time while nothing is asked for, percent of one core.
    IdleCpuPercent,
    /// The leader's part of [`Self::BrokerCpuUs`] of a group.
    LeaderCpuUs,
    /// The other replicas' part of it, of all of them together.
    FollowersCpuUs,
    /// Bytes on the followers' TCP connections a message, in and out, of all of them together.
    FollowersNetworkBytes,
    /// Bytes of packets on the loopback interface a message, headers and the load's own included.
    LoopbackBytes,
    /// Longest time without an acknowledged send of a stock client, milliseconds.
    OutageMs,
    /// From the death of a leader to the first send that is acknowledged to a client that asks for the route each time,
    /// milliseconds.
    ServesAgainMs,
    /// Sends of the stock client that failed for good.
    FailedSends,
    /// Log that reached an empty replica, bytes a second.
    ReplicationBytesPerSecond,
    /// What the disk takes at best, bytes a second.
    DiskWriteBytesPerSecond,
    /// What the disk takes at best while the same is read from it, bytes a second.
    DiskCopyBytesPerSecond,
    /// What one TCP connection of this machine with itself carries, bytes a second.
    LoopbackBytesPerSecond,
}

impl Figure {
    /// As a table's heading has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MessagesPerSecond => "messages/s",
            Self::P50Us => "p50",
            Self::P99Us => "p99",
            Self::P999Us => "p99.9",
            Self::P9999Us => "p99.99",
            Self::MaxUs => "max",
            Self::SendP50Us => "send p50",
            Self::SendP999Us => "send p99.9",
            Self::BrokerCpuUs => "broker CPU/message",
            Self::LoadCpuUs => "load CPU/message",
            Self::ReaderMessagesPerSecond => "cold reader, messages/s",
            Self::ReadyMs => "ready after",
            Self::ResidentBytes => "resident memory",
            Self::AnonymousBytes => "anonymous memory",
            Self::IdleCpuPercent => "idle CPU",
            Self::LeaderCpuUs => "leader's CPU/message",
            Self::FollowersCpuUs => "followers' CPU/message",
            Self::FollowersNetworkBytes => "followers' network/message",
            Self::LoopbackBytes => "loopback/message",
            Self::OutageMs => "stock client without a successful send",
            Self::ServesAgainMs => "accepts sends again after",
            Self::FailedSends => "failed sends of the stock client",
            Self::ReplicationBytesPerSecond => "log to an empty replica",
            Self::DiskWriteBytesPerSecond => "disk, writes alone",
            Self::DiskCopyBytesPerSecond => "disk, copying a file",
            Self::LoopbackBytesPerSecond => "loopback, one connection",
        }
    }

    /// A value with its unit, in three significant digits.
    #[must_use]
    pub fn format(self, value: f64) -> String {
        match self {
            Self::MessagesPerSecond | Self::ReaderMessagesPerSecond => number::count(value),
            Self::P50Us
            | Self::P99Us
            | Self::P999Us
            | Self::P9999Us
            | Self::MaxUs
            | Self::SendP50Us
            | Self::SendP999Us => format!("{} ms", number::significant(value / 1000.0)),
            Self::BrokerCpuUs | Self::LoadCpuUs | Self::LeaderCpuUs | Self::FollowersCpuUs => {
                format!("{} us", number::significant(value))
            }
            Self::FollowersNetworkBytes | Self::LoopbackBytes => format!("{} B", number::significant(value)),
            Self::FailedSends => number::significant(value),
            Self::ReplicationBytesPerSecond
            | Self::DiskWriteBytesPerSecond
            | Self::DiskCopyBytesPerSecond
            | Self::LoopbackBytesPerSecond => format!("{} MB/s", number::significant(value / 1e6)),
            Self::ReadyMs | Self::OutageMs | Self::ServesAgainMs => {
                format!("{} s", number::significant(value / 1000.0))
            }
            Self::ResidentBytes | Self::AnonymousBytes => format!("{} MB", number::significant(value / 1e6)),
            Self::IdleCpuPercent => format!("{} %", number::significant(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_the_unit_that_reads_well() {
        assert_eq!(Figure::MessagesPerSecond.format(617_345.0), "617 k");
        assert_eq!(Figure::P999Us.format(19_700.0), "19.7 ms");
        assert_eq!(Figure::P50Us.format(63.0), "0.063 ms");
        assert_eq!(Figure::BrokerCpuUs.format(3.816), "3.82 us");
        assert_eq!(Figure::ReadyMs.format(36.4), "0.0364 s");
        assert_eq!(Figure::ResidentBytes.format(430_100_000.0), "430 MB");
        assert_eq!(Figure::IdleCpuPercent.format(0.31), "0.31 %");
        assert_eq!(Figure::FollowersNetworkBytes.format(2_345.6), "2350 B");
        assert_eq!(Figure::OutageMs.format(15_900.0), "15.9 s");
        assert_eq!(Figure::ReplicationBytesPerSecond.format(812_000_000.0), "812 MB/s");
    }
}
