//! The cases of a comparison of single brokers, in the order they run and are reported.

use crate::case::{Action, Case, Rate, Send, Stage};
use crate::figure::Figure::{
    BrokerCpuUs, IdleCpuPercent, MessagesPerSecond, P50Us, P99Us, P999Us, P9999Us, ReadyMs, ResidentBytes,
};
use crate::target::{Goal, Target};

/// What a broker of this shape is to keep of the bare ceiling.
const CEILING_SHARE: f64 = 0.45;

/// All cases.
pub const CASES: &[Case] = &[
    Case {
        id: "1x1",
        title: "send, 1 connection × 1 in flight, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::closed(1, 1)),
        targets: &[Target::share_of_peer(P50Us, 0.6), Target::share_of_peer(P999Us, 1.0 / 5.0)],
    },
    Case {
        id: "1x64",
        title: "send, 1 × 64, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::closed(1, 64)),
        targets: &[
            Target::times_peer(MessagesPerSecond, 5.0),
            Target::share_of_peer(BrokerCpuUs, 1.0 / 6.0),
            Target::share_of_peer(P999Us, 1.0 / 20.0),
            Target::share_of_ceiling(CEILING_SHARE),
        ],
    },
    Case {
        id: PEER_MAXIMUM,
        title: "send, 1 × 1,000, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::closed(1, 1000)),
        targets: &[Target::times_peer(MessagesPerSecond, 5.0), Target::share_of_peer(BrokerCpuUs, 1.0 / 6.0)],
    },
    Case {
        id: "1x1000-128b",
        title: "send, 1 × 1,000, 128 B",
        stage: Stage::Async,
        action: Action::Send(Send::closed(1, 1000).of_bytes(128)),
        targets: &[],
    },
    Case {
        id: "64x1",
        title: "send, 64 × 1, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::closed(64, 1)),
        targets: &[
            Target::times_peer(MessagesPerSecond, 2.5),
            Target::share_of_peer(BrokerCpuUs, 1.0 / 4.0),
            Target::share_of_ceiling(CEILING_SHARE),
        ],
    },
    Case {
        id: "64x1-128b",
        title: "send, 64 × 1, 128 B",
        stage: Stage::Async,
        action: Action::Send(Send::closed(64, 1).of_bytes(128)),
        targets: &[],
    },
    Case {
        id: "64x16",
        title: "send, 64 × 16, 1 KiB, 1 topic",
        stage: Stage::Async,
        action: Action::Send(Send::closed(64, 16)),
        targets: &[
            Target::times_peer(MessagesPerSecond, 6.0),
            Target::share_of_peer(BrokerCpuUs, 1.0 / 7.0),
            Target::share_of_ceiling(CEILING_SHARE),
        ],
    },
    Case {
        id: "topics-8",
        title: "send, 64 × 16, 1 KiB, 8 topics",
        stage: Stage::Async,
        action: Action::Send(Send::closed(64, 16).over_topics(8)),
        targets: &[],
    },
    Case {
        id: "topics-64",
        title: "send, 64 × 16, 1 KiB, 64 topics",
        stage: Stage::Async,
        action: Action::Send(Send::closed(64, 16).over_topics(64)),
        targets: &[],
    },
    Case {
        id: "batch-32",
        title: "send in batches of 32, 1 × 8 batches, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::closed(1, 8).in_batches_of(32)),
        targets: &[Target::times_peer(MessagesPerSecond, 5.0), Target::share_of_peer(BrokerCpuUs, 1.0 / 5.0)],
    },
    Case {
        id: "rate-10000",
        title: "send at 10,000/s over 8 connections, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::at_rate(8, 10_000)),
        targets: FIXED_RATE,
    },
    Case {
        id: "rate-27000",
        title: "send at 27,000/s over 8 connections, 1 KiB",
        stage: Stage::Async,
        action: Action::Send(Send::at_rate(8, 27_000)),
        targets: FIXED_RATE,
    },
    Case {
        id: "e2e-1000",
        title: "send to receive at 1,000/s, 1 KiB",
        stage: Stage::Async,
        action: Action::EndToEnd(Rate::Fixed(1000)),
        targets: &[
            Target::share_of_peer(P50Us, 1.0 / 2.0),
            Target::share_of_peer(P999Us, 1.0 / 10.0),
            Target::share_of_peer(BrokerCpuUs, 1.0 / 4.0),
        ],
    },
    Case {
        id: "e2e-half",
        title: "send to receive at half of Apache's 1 × 1,000, 1 KiB",
        stage: Stage::Async,
        action: Action::EndToEnd(Rate::OfPeerMaximum { case: PEER_MAXIMUM, share: 0.5 }),
        targets: &[],
    },
    Case {
        id: "java-64",
        title: "stock Java client, 64 threads, 1 connection, 1 KiB",
        stage: Stage::Async,
        action: Action::JavaClient { threads: 64 },
        targets: &[Target::share_of_peer(BrokerCpuUs, 1.0 / 8.0)],
    },
    Case {
        id: "sync-1x64",
        title: "SYNC_FLUSH: send, 1 × 64, 1 KiB",
        stage: Stage::Sync,
        action: Action::Send(Send::closed(1, 64)),
        targets: &[Target::times_peer(MessagesPerSecond, 4.0), Target::share_of_peer(BrokerCpuUs, 1.0 / 6.0)],
    },
    Case {
        id: "sync-1x256",
        title: "SYNC_FLUSH: send, 1 × 256, 1 KiB",
        stage: Stage::Sync,
        action: Action::Send(Send::closed(1, 256)),
        targets: &[],
    },
    Case {
        id: "sync-64x1",
        title: "SYNC_FLUSH: send, 64 × 1, 1 KiB",
        stage: Stage::Sync,
        action: Action::Send(Send::closed(64, 1)),
        targets: &[],
    },
    Case {
        id: "sync-64x16",
        title: "SYNC_FLUSH: send, 64 × 16, 1 KiB",
        stage: Stage::Sync,
        action: Action::Send(Send::closed(64, 16)),
        targets: &[Target::times_peer(MessagesPerSecond, 6.0), Target::share_of_peer(BrokerCpuUs, 1.0 / 7.0)],
    },
    Case {
        id: "drain-32",
        title: "drain a backlog from memory, pulls of 32, 1 KiB",
        stage: Stage::Drain,
        action: Action::Drain { pull: 32 },
        targets: &[Target::share_of_peer(BrokerCpuUs, 1.0 / 4.0)],
    },
    Case {
        id: "drain-256",
        title: "drain a backlog from memory, pulls of 256, 1 KiB",
        stage: Stage::Drain,
        action: Action::Drain { pull: 256 },
        targets: &[Target::share_of_peer(BrokerCpuUs, 1.0 / 2.0)],
    },
    Case {
        id: "start-after-kill",
        title: "start to ready after kill -9, long log",
        stage: Stage::LongLog,
        action: Action::StartAfterKill,
        targets: &[Target::at_most(ReadyMs, 2000.0)],
    },
    Case {
        id: ALONE,
        title: "send at 10,000/s over 8 connections, long log, nobody reads",
        stage: Stage::LongLog,
        action: Action::Send(Send::at_rate(8, 10_000)),
        targets: &[],
    },
    Case {
        id: "beside-cold-reader",
        title: "the same while the cold log is read from its start",
        stage: Stage::LongLog,
        action: Action::SendBesideColdReader(Send::at_rate(8, 10_000)),
        targets: &[Target { figure: P99Us, goal: Goal::TimesCase(ALONE, 1.3) }],
    },
    Case {
        id: "start-empty",
        title: "start to ready, empty store",
        stage: Stage::Idle,
        action: Action::StartEmpty,
        targets: &[Target::at_most(ReadyMs, 200.0)],
    },
    Case {
        id: "idle",
        title: "idle broker, 2 shards",
        stage: Stage::Idle,
        action: Action::Idle,
        targets: &[Target::at_most(ResidentBytes, 64e6), Target::at_most(IdleCpuPercent, 0.3)],
    },
];

/// The case whose rate is the peer's maximum for [`Rate::OfPeerMaximum`].
const PEER_MAXIMUM: &str = "1x1000";
/// What sending beside a cold reader is held against.
const ALONE: &str = "without-cold-reader";
const FIXED_RATE: &[Target] = &[
    Target::share_of_peer(P99Us, 1.0 / 10.0),
    Target::share_of_peer(P999Us, 1.0 / 10.0),
    Target { figure: P9999Us, goal: Goal::BelowPeers(P99Us) },
];
