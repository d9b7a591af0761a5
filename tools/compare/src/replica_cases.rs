//! The cases of a comparison of replicated brokers, in the order they run and are reported.

use crate::case::{Action, Case, Send, Stage};
use crate::figure::Figure::{
    BrokerCpuUs, DiskCopyBytesPerSecond, MessagesPerSecond, P99Us, P999Us, ReplicationBytesPerSecond, ServesAgainMs,
};
use crate::target::{Goal, Target};

/// What sending while a replica fills its disk is held against.
const BEFORE: &str = "replica-down";
/// Rate of the sends at a fixed rate, messages a second.
const RATE: u32 = 2_000;
/// Connections that they come on.
const RATE_CONNECTIONS: u32 = 8;
/// A group without a leader for longer is a fault that applications see.
const SERVES_AGAIN_MS_MAX: f64 = 1500.0;
/// Taken as "at the disk's speed".
const DISK_SHARE: f64 = 0.8;

/// All cases.
pub const REPLICA_CASES: &[Case] = &[
    Case {
        id: "replicas-1x64",
        title: "send, 1 connection × 64 in flight, 1 KiB",
        stage: Stage::Group,
        action: Action::Send(Send::closed(1, 64)),
        targets: CLOSED_LOOP,
    },
    Case {
        id: "replicas-1x1000",
        title: "send, 1 × 1,000, 1 KiB",
        stage: Stage::Group,
        action: Action::Send(Send::closed(1, 1000)),
        targets: CLOSED_LOOP,
    },
    Case {
        id: "replicas-64x16",
        title: "send, 64 × 16, 1 KiB",
        stage: Stage::Group,
        action: Action::Send(Send::closed(64, 16)),
        targets: CLOSED_LOOP,
    },
    Case {
        id: "replicas-rate-2000",
        title: "send at 2,000/s over 8 connections, 1 KiB",
        stage: Stage::Group,
        action: Action::Send(Send::at_rate(RATE_CONNECTIONS, RATE)),
        // Processor time at this rate is that of waking up; it is among the figures, and what is to be reached is said of full load.
        targets: &[Target::share_of_peer(P999Us, 1.0 / 5.0)],
    },
    Case {
        id: "replicas-failover",
        title: "kill -9 of the leader",
        stage: Stage::Group,
        action: Action::Failover,
        // How long the stock client goes without depends on its own route poll, not on who is measured; it is among the figures.
        targets: &[Target::at_most(ServesAgainMs, SERVES_AGAIN_MS_MAX)],
    },
    Case {
        id: BEFORE,
        title: "send at 2,000/s over 8 connections, long log, one replica is down",
        stage: Stage::GroupLongLog,
        action: Action::Send(Send::at_rate(RATE_CONNECTIONS, RATE)),
        targets: &[],
    },
    Case {
        id: "replica-empty",
        title: "the same while that replica fetches the long log onto an empty disk",
        stage: Stage::GroupLongLog,
        action: Action::SendBesideEmptyReplica(Send::at_rate(RATE_CONNECTIONS, RATE)),
        targets: &[
            Target { figure: ReplicationBytesPerSecond, goal: Goal::ShareOfOwn(DiskCopyBytesPerSecond, DISK_SHARE) },
            Target { figure: P99Us, goal: Goal::TimesCase(BEFORE, 2.0) },
        ],
    },
];

const CLOSED_LOOP: &[Target] = &[
    Target::times_peer(MessagesPerSecond, 10.0),
    Target::share_of_peer(BrokerCpuUs, 1.0 / 12.0),
    Target::times_alone(BrokerCpuUs, 4.0),
];
