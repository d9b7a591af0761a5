//! `queryMsgTraceById`: what clients wrote about a message's way.

use clap::Args;
use client::{IndexType, KeySearch};

use super::Context;
use crate::brokers::ask_each;
use crate::failure::Failure;
use crate::message_trace::{TraceEntry, arrange, entries_about};
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Show what clients wrote about a message's way: sent, delivered, consumed
#[derive(Debug, Args)]
pub(crate) struct QueryMsgTraceById {
    /// Message id
    #[arg(short = 'i', long = "msgId", alias = "msg-id", value_name = "ID")]
    id: String,
    /// Topic that clients write their traces to
    #[arg(short = 't', long = "traceTopic", alias = "trace-topic", value_name = "TOPIC")]
    #[arg(default_value = "RMQ_SYS_TRACE_TOPIC")]
    trace_topic: String,
    /// Only traces stored from then on, in ms since 1970
    #[arg(short = 'b', long = "beginTimestamp", alias = "begin-timestamp", value_name = "MS", default_value_t = 0)]
    begin: i64,
    /// Only traces stored up to then
    #[arg(short = 'e', long = "endTimestamp", alias = "end-timestamp", value_name = "MS", default_value_t = i64::MAX)]
    #[arg(hide_default_value = true)]
    end: i64,
    /// Traces at most
    #[arg(short = 'c', long = "maxNum", alias = "max-num", value_name = "COUNT", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    count_max: i32,
}

impl Row for TraceEntry {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("TYPE", Align::Left),
        ("GROUP", Align::Left),
        ("CLIENT HOST", Align::Left),
        ("TIME", Align::Left),
        ("COST MS", Align::Right),
        ("STATUS", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([
            &self.kind,
            &self.group,
            &self.client_host.as_deref().unwrap_or_default(),
            &self.time,
            &self.cost_ms.map(|ms| ms.to_string()).unwrap_or_default(),
            &self.status,
        ]);
    }
}

impl QueryMsgTraceById {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let route = resolve::route(admin, &self.trace_topic).await?;
        // Clients give a trace the ids of its messages as keys.
        let search = KeySearch {
            topic: &self.trace_topic,
            key: &self.id,
            index: IndexType::Key,
            count_max: self.count_max,
            begin_timestamp: self.begin,
            end_timestamp: self.end,
            last_key: None,
        };
        let ask = |address: String| async move { admin.search_messages(&address, search).await };
        let (answers, errors) = ask_each(resolve::route_brokers(route.data()), ask).await?;
        let mut entries = Vec::new();
        for message in answers.iter().flat_map(|(_, messages)| messages) {
            let body = message.body().map_err(|error| Failure::Usage(format!("a trace cannot be read: {error}")))?;
            let host = message.born_host.ip().to_string();
            entries.extend(entries_about(&String::from_utf8_lossy(&body), &self.id, &host));
        }
        context.output.show_rows(Rows::new("trace", arrange(entries)).errors(errors))
    }
}
