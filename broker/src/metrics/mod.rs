//! What the broker shows at its endpoint.
//!
//! A shard counts into plain fields ([`ShardMetrics`]). Somebody who scrapes makes the control thread ([`BrokerView`]) ask each
//! shard by a message; the shard answers with a [`ShardReport`], which is bounded, and [`GroupReport`], which it gathers in
//! the background. Text is made on the control thread.

mod answer_times;
mod broker_view;
mod group_report;
mod history;
mod kept_answers;
mod later_metrics;
mod recovery;
mod shard_metrics;
mod shard_report;
mod topic_counts;
mod traffic;
mod write_groups;
mod write_later;
mod write_replication;
mod write_report;

pub(crate) use answer_times::AnswerTimes;
pub use broker_view::{BrokerView, Stage};
pub use group_report::GroupReport;
pub(crate) use group_report::first_stored;
pub(crate) use history::{Rates, Span};
pub use recovery::{RecoveryPhase, RecoveryProgress};
pub(crate) use shard_metrics::ShardMetrics;
pub use shard_report::ShardReport;
pub(crate) use traffic::{GroupSlot, What};
