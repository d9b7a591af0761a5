//! `cleanExpiredCQ`, `cleanUnusedTopic` and `deleteExpiredCommitLog`: brokers clear away what nobody needs.

use clap::Args;
use client::Cleaning;

use super::Context;
use super::changed::Changed;
use crate::brokers::{AnyBrokers, ask_each};
use crate::failure::Failure;

/// Remove ConsumeQueue files whose messages are gone
#[derive(Debug, Args)]
pub(crate) struct CleanExpiredCq {
    #[command(flatten)]
    brokers: AnyBrokers,
}

/// Remove ConsumeQueues of topics that were deleted
#[derive(Debug, Args)]
pub(crate) struct CleanUnusedTopic {
    #[command(flatten)]
    brokers: AnyBrokers,
}

/// Remove CommitLog files that are kept longer than necessary
#[derive(Debug, Args)]
pub(crate) struct DeleteExpiredCommitLog {
    #[command(flatten)]
    brokers: AnyBrokers,
}

impl CleanExpiredCq {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        clean(context, &self.brokers, Cleaning::ExpiredQueues, "expired ConsumeQueues").await
    }
}

impl CleanUnusedTopic {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        clean(context, &self.brokers, Cleaning::UnusedTopics, "unused topics").await
    }
}

impl DeleteExpiredCommitLog {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        clean(context, &self.brokers, Cleaning::ExpiredCommitLog, "expired CommitLog").await
    }
}

async fn clean(
    context: &mut Context<'_>,
    brokers: &AnyBrokers,
    what: Cleaning,
    shown: &'static str,
) -> Result<(), Failure> {
    let admin = &context.admin;
    let places = brokers.masters(admin).await?;
    let ask = |address: String| async move { admin.clean(&address, what).await };
    let (answers, errors) = ask_each(places, ask).await?;
    context.output.show_rows(Changed::at(shown, answers).errors(errors))
}
