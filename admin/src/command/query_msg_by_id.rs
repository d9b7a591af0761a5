//! `queryMsgById`: show a message by the id its broker gave it, or by the one its producer gave it.
//!
//! Both ids have the same length, and only context tells them apart: an offset message id holds the address of a
//! broker, so one whose address no broker has is first looked up as a unique id.

use std::fmt;
use std::net::SocketAddr;

use clap::Args;
use client::{Message, MessageQuery, Producer, ReceivedMessage, WithCauses};
use protocol::message_id::OffsetMessageId;
use protocol::properties;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Context;
use crate::failure::Failure;
use crate::message_view::{BodyFormat, MessageView};
use crate::resolve;

/// Producer group of the original mqadmin for sending a message again.
const RESEND_GROUP: &str = "ReSendMsgById";

/// Show a message by its id
#[derive(Debug, Args)]
pub(crate) struct QueryMsgById {
    /// Message id, or several separated by commas
    #[arg(short = 'i', long = "msgId", alias = "msg-id", value_name = "ID", value_delimiter = ',', required = true)]
    ids: Vec<String>,
    /// Topic; needed to find a message by the id its producer gave it
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Cluster, or parent of a light topic, by whose route the brokers are found
    #[arg(short = 'c', long, value_name = "NAME")]
    cluster: Option<String>,
    /// How to show the body
    #[arg(short = 'f', long = "bodyFormat", alias = "body-format", value_name = "FORMAT", default_value = "UTF-8")]
    body_format: BodyFormat,
    /// Have a consumer of this group consume it now
    #[arg(short = 'g', long = "consumerGroup", alias = "consumer-group", value_name = "GROUP", requires = "client_id")]
    group: Option<String>,
    /// The client id of that consumer
    #[arg(short = 'd', long = "clientId", alias = "client-id", value_name = "ID", requires = "group")]
    client_id: Option<String>,
    /// Whether to send it again
    #[arg(short = 's', long = "sendMessage", alias = "send-message", value_name = "BOOL", default_value_t = false)]
    #[arg(action = clap::ArgAction::Set)]
    resend: bool,
    /// Unit of the sender; accepted for scripts of the original, and without effect
    #[arg(short = 'u', long = "unitName", alias = "unit-name", value_name = "UNIT")]
    unit_name: Option<String>,
}

/// The messages, in order of the ids.
#[derive(Debug, Serialize)]
struct Messages {
    messages: Vec<Found>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(flatten)]
    message: MessageView,
    /// The id of the message it was sent again as.
    #[serde(skip_serializing_if = "Option::is_none")]
    resent_msg_id: Option<String>,
    /// What the consumer made of it, as its broker says.
    #[serde(skip_serializing_if = "Option::is_none")]
    consume_result: Option<Box<RawValue>>,
}

impl QueryMsgById {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let mut messages = Vec::new();
        for id in self.ids.iter().map(|id| id.trim()).filter(|id| !id.is_empty()) {
            let message = self.find(context, id).await?;
            let consume_result = self.consume(context, &message).await?;
            let resent_msg_id = if self.resend { Some(resend(context, &message).await?) } else { None };
            let message = MessageView::new(&message, self.body_format);
            messages.push(Found { message, resent_msg_id, consume_result });
        }
        context.output.show(&Messages { messages })
    }

    async fn find(&self, context: &Context<'_>, id: &str) -> Result<ReceivedMessage, Failure> {
        let unknown = |reasons| Failure::UnknownMessage { id: id.to_owned(), reasons };
        let no_offset_id = match OffsetMessageId::parse(id) {
            Ok(parsed) if is_broker(context, parsed.store_host).await? => {
                return match context.admin.view_message_by_id(&parsed, self.topic.as_deref()).await {
                    Err(error) if error.response_code().is_some() => Err(unknown(vec![WithCauses(&error).to_string()])),
                    result => Ok(result?),
                };
            }
            Ok(parsed) => format!("no broker is registered at {}", parsed.store_host),
            Err(error) => error.to_string(),
        };
        match self.find_by_unique_id(context, id).await? {
            Ok(message) => Ok(message),
            Err(no_unique_id) => Err(unknown(vec![
                format!("as an offset message id: {no_offset_id}"),
                format!("as a unique message id: {no_unique_id}"),
            ])),
        }
    }

    /// Looks the id up in the key index of every broker of the topic; the inner error says why it was not found.
    async fn find_by_unique_id(
        &self,
        context: &Context<'_>,
        id: &str,
    ) -> Result<Result<ReceivedMessage, String>, Failure> {
        let Some(topic) = &self.topic else { return Ok(Err("give its topic with -t".to_owned())) };
        let route = resolve::route(&context.admin, self.cluster.as_ref().unwrap_or(topic)).await?;
        let query = MessageQuery { topic, key: id, is_unique_id: true, count_max: 32 };
        let mut refusal = None;
        for broker in &route.data().broker_datas {
            let Some(address) = broker.broker_addrs.values().next() else { continue };
            match context.admin.query_messages(address, query).await {
                Ok(messages) => {
                    if let Some(message) = messages.into_iter().next() {
                        return Ok(Ok(message));
                    }
                }
                Err(error) if error.response_code().is_some() => refusal = Some(WithCauses(&error).to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Err(refusal.unwrap_or_else(|| format!("no broker of topic {topic} knows it"))))
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

/// Whether a broker is registered at this address.
async fn is_broker(context: &Context<'_>, address: SocketAddr) -> Result<bool, Failure> {
    let info = context.admin.cluster_info().await?;
    let mut addresses = info.broker_addr_table.values().flat_map(|broker| broker.broker_addrs.values());
    Ok(addresses.any(|known| known.parse() == Ok(address)))
}

/// Sends a copy with the user's properties; what clients and brokers add themselves is theirs to add again.
async fn resend(context: &Context<'_>, message: &ReceivedMessage) -> Result<String, Failure> {
    const NOT_COPIED: [&str; 6] = [
        properties::UNIQ_KEY,
        properties::WAIT,
        properties::MSG_REGION,
        properties::TRACE_ON,
        properties::CLUSTER,
        properties::POP_CK,
    ];
    let body = message.body().map_err(|error| Failure::Usage(format!("it cannot be sent again: {error}")))?;
    let mut copy = Message::new(&*message.topic, body);
    copy.flag = message.flag;
    for (name, value) in message.properties().filter(|(name, _)| !NOT_COPIED.contains(&name.as_ref())) {
        copy.properties.push((name.into_owned(), value.into_owned()));
    }
    Ok(Producer::new(&context.client, RESEND_GROUP).send(&copy).await?.msg_id)
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.messages.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            found.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = self.message.facts();
        if let Some(id) = &self.resent_msg_id {
            facts.fact("Sent again as", id);
        }
        if let Some(result) = &self.consume_result {
            facts.fact("Consume result", result);
        }
        facts.fmt(f)
    }
}
