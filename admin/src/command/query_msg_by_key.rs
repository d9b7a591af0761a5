//! `queryMsgByKey`: messages with a key, or with a tag.

use clap::{Args, ValueEnum};
use client::{IndexType, KeySearch, ReceivedMessage};
use serde::Serialize;

use super::Context;
use crate::brokers::{Place, ask_each};
use crate::failure::Failure;
use crate::message_view::{BodyFormat, MESSAGE_COLUMNS, MessageView};
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Show the messages with a key, oldest first
#[derive(Debug, Args)]
pub(crate) struct QueryMsgByKey {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Key
    #[arg(short = 'k', long = "msgKey", alias = "msg-key", value_name = "KEY")]
    key: String,
    /// Only messages stored from then on, in ms since 1970
    #[arg(short = 'b', long = "beginTimestamp", alias = "begin-timestamp", value_name = "MS", default_value_t = 0)]
    begin: i64,
    /// Only messages stored up to then
    #[arg(short = 'e', long = "endTimestamp", alias = "end-timestamp", value_name = "MS", default_value_t = i64::MAX)]
    #[arg(hide_default_value = true)]
    end: i64,
    /// Messages at most
    #[arg(short = 'm', long = "maxNum", alias = "max-num", value_name = "COUNT", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    count_max: i32,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME")]
    cluster: Option<String>,
    /// What the key is: K one of the message's keys, T its tag
    #[arg(short = 'p', long = "keyType", alias = "key-type", value_name = "TYPE", default_value = "K")]
    #[arg(ignore_case = true)]
    key_type: KeyType,
    /// Where the answer before ended
    #[arg(short = 'l', long = "lastKey", alias = "last-key", value_name = "KEY")]
    last_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum KeyType {
    K,
    T,
}

/// A message that was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    broker_name: String,
    #[serde(flatten)]
    message: MessageView,
}

impl Row for Found {
    const COLUMNS: &'static [(&'static str, Align)] = MESSAGE_COLUMNS;

    fn fill(&self, table: &mut Table) {
        self.message.fill(&self.broker_name, table);
    }
}

impl QueryMsgByKey {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        if self.begin > self.end {
            return Err(Failure::Usage("-b is later than -e: no message can be between them".to_owned()));
        }
        let admin = &context.admin;
        let route = resolve::route(admin, self.cluster.as_ref().unwrap_or(&self.topic)).await?;
        let search = KeySearch {
            topic: &self.topic,
            key: &self.key,
            index: match self.key_type {
                KeyType::K => IndexType::Key,
                KeyType::T => IndexType::Tag,
            },
            count_max: self.count_max,
            begin_timestamp: self.begin,
            end_timestamp: self.end,
            last_key: self.last_key.as_deref(),
        };
        let ask = |address: String| async move { admin.search_messages(&address, search).await };
        let (answers, errors) = ask_each(resolve::route_brokers(route.data()), ask).await?;
        let mut found: Vec<_> = answers.into_iter().flat_map(of_broker).collect();
        found.sort_by_key(|found| found.message.store_timestamp);
        found.truncate(usize::try_from(self.count_max).unwrap_or(usize::MAX));
        context.output.show_rows(Rows::new("messages", found).errors(errors))
    }
}

fn of_broker((place, messages): (Place, Vec<ReceivedMessage>)) -> impl Iterator<Item = Found> {
    messages.into_iter().map(move |message| Found {
        broker_name: place.name().to_owned(),
        message: MessageView::new(&message, BodyFormat::default()),
    })
}
