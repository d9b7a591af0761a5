//! `setConsumeMode`: whether a group pulls a topic or pops it.

use clap::{Args, ValueEnum};
use protocol::body::MessageRequestMode;

use super::Context;
use super::changed::Changed;
use crate::brokers::{Brokers, ask_each};
use crate::failure::Failure;

/// Set whether a group pulls a topic or pops it
#[derive(Debug, Args)]
pub(crate) struct SetConsumeMode {
    #[command(flatten)]
    brokers: Brokers,
    /// Topic
    #[arg(short = 't', long = "topicName", alias = "topic-name", value_name = "TOPIC")]
    topic: String,
    /// Consumer group
    #[arg(short = 'g', long = "groupName", alias = "group-name", value_name = "GROUP")]
    group: String,
    /// How it gets messages
    #[arg(short = 'm', long, value_name = "MODE", ignore_case = true)]
    mode: Mode,
    /// In POP mode, of how many members each queue is; -1 is all
    #[arg(short = 'q', long = "popShareQueueNum", alias = "pop-share-queue-num", value_name = "COUNT")]
    #[arg(default_value_t = 0, allow_negative_numbers = true)]
    pop_share_queue_num: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Mode {
    Pull,
    Pop,
}

impl SetConsumeMode {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let mode = &MessageRequestMode {
            consumer_group: self.group.clone(),
            mode: match self.mode {
                Mode::Pull => "PULL".to_owned(),
                Mode::Pop => "POP".to_owned(),
            },
            pop_share_queue_num: self.pop_share_queue_num,
            topic: self.topic.clone(),
        };
        let admin = &context.admin;
        let places = self.brokers.masters(admin).await?;
        let set = |address: String| async move { admin.set_request_mode(&address, mode).await };
        let (answers, errors) = ask_each(places, set).await?;
        let what = format!("{} of {}: {}", self.topic, self.group, mode.mode);
        context.output.show_rows(Changed::at(what, answers).errors(errors))
    }
}
