//! `queryMsgByUniqueKey`: the message with the id that its producer gave it, and how far its consumers are.

use std::fmt;

use clap::Args;
use client::{IndexType, KeySearch, ReceivedMessage};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Context;
use crate::brokers::ask_each;
use crate::failure::{Failure, ServerError};
use crate::message_track::{Track, tracks};
use crate::message_view::{BodyFormat, MessageView};
use crate::resolve;
use crate::table::{Align, Table};

/// Brokers give no more for a unique id.
const COUNT_MAX: i32 = 32;

/// Show the message with the id its producer gave it, and who has consumed it
#[derive(Debug, Args)]
pub(crate) struct QueryMsgByUniqueKey {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Message id
    #[arg(short = 'i', long = "msgId", alias = "msg-id", value_name = "ID")]
    id: String,
    /// Have a consumer of this group consume it now
    #[arg(short = 'g', long = "consumerGroup", alias = "consumer-group", value_name = "GROUP", requires = "client_id")]
    group: Option<String>,
    /// The client id of that consumer
    #[arg(short = 'd', long = "clientId", alias = "client-id", value_name = "ID", requires = "group")]
    client_id: Option<String>,
    /// All messages with the id, as a repeated send leaves them; else the oldest
    #[arg(short = 'a', long = "showAll", alias = "show-all")]
    shows_all: bool,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only messages stored from then on, in ms since 1970
    #[arg(short = 's', long = "startTime", alias = "start-time", value_name = "MS", default_value_t = 0)]
    begin: i64,
    /// Only messages stored up to then
    #[arg(short = 'e', long = "endTime", alias = "end-time", value_name = "MS", default_value_t = i64::MAX)]
    #[arg(hide_default_value = true)]
    end: i64,
}

#[derive(Debug, Serialize)]
struct Messages {
    messages: Vec<Found>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    broker_name: String,
    #[serde(flatten)]
    message: MessageView,
    /// What the consumer made of it, as its broker says.
    #[serde(skip_serializing_if = "Option::is_none")]
    consume_result: Option<Box<RawValue>>,
    tracks: Vec<Track>,
}

impl QueryMsgByUniqueKey {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let admin = &context.admin;
        let route = resolve::route(admin, self.cluster.as_ref().unwrap_or(&self.topic)).await?;
        let search = KeySearch {
            topic: &self.topic,
            key: &self.id,
            index: IndexType::UniqueId,
            count_max: COUNT_MAX,
            begin_timestamp: self.begin,
            end_timestamp: self.end,
            last_key: None,
        };
        let ask = |address: String| async move { admin.search_messages(&address, search).await };
        let (answers, errors) = ask_each(resolve::route_brokers(route.data()), ask).await?;
        let named = answers.into_iter().flat_map(|(place, messages)| {
            let name = place.name().to_owned();
            messages.into_iter().map(move |message| (name.clone(), message))
        });
        let mut found: Vec<(String, ReceivedMessage)> = named.collect();
        found.sort_by_key(|(_, message)| message.store_timestamp);
        if !self.shows_all {
            found.truncate(1);
        }
        if found.is_empty() {
            let refused = errors.iter().map(|error| format!("{}: {}", error.address, error.error));
            let mut reasons: Vec<_> = refused.collect();
            reasons.push(format!("no other broker of topic {} knows it", self.topic));
            return Err(Failure::UnknownMessage { id: self.id.clone(), reasons });
        }
        let mut messages = Vec::new();
        for (broker_name, message) in found {
            messages.push(Found {
                consume_result: self.consume(context, &message).await?,
                tracks: tracks(admin, &self.topic, &broker_name, &message).await?,
                message: MessageView::new(&message, BodyFormat::default()),
                broker_name,
            });
        }
        let messages = Messages { messages, errors };
        context.output.show(&messages)?;
        Failure::unless_complete(messages.errors)
    }

    async fn consume(
        &self,
        context: &Context<'_>,
        message: &ReceivedMessage,
    ) -> Result<Option<Box<RawValue>>, Failure> {
        let (Some(group), Some(client_id)) = (&self.group, &self.client_id) else { return Ok(None) };
        let id = message.offset_message_id();
        let result = context.admin.consume_directly(&id, group, client_id, &message.topic).await?;
        let json = RawValue::from_string(result)
            .map_err(|error| Failure::Usage(format!("the broker's answer is no JSON: {error}")))?;
        Ok(Some(json))
    }
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.messages.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let mut facts = found.message.facts();
            facts.fact("Broker", &found.broker_name);
            if let Some(result) = &found.consume_result {
                facts.fact("Consume result", result);
            }
            facts.fmt(f)?;
            let mut table = Table::new(&[("GROUP", Align::Left), ("TRACK", Align::Left), ("WHY", Align::Left)]);
            for track in &found.tracks {
                table.row([&track.consumer_group, &track.track_type, &track.reason.as_deref().unwrap_or_default()]);
            }
            if !found.tracks.is_empty() {
                write!(f, "\n{table}")?;
            }
        }
        Ok(())
    }
}
