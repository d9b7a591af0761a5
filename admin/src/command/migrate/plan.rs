//! `migrate plan`: what will be copied, what is there already, and what cannot be.

use std::collections::BTreeMap;

use clap::Args;
use client::Admin;
use protocol::body::{ConsumerOffsetTable, SubscriptionGroupConfig, TopicConfig};
use protocol::topic_name::TRACE_TOPIC;
use serde::Serialize;

use super::inventory::Inventory;
use super::sides::{Broker, Sides};
use crate::command::Context;
use crate::failure::Failure;
use crate::perm::Perm;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};

/// Show what a migration would copy; changes nothing
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    ends: Ends,
}

/// From where, to where, and what not.
#[derive(Debug, Args)]
pub(super) struct Ends {
    /// Broker to leave, by name or address
    #[arg(short = 'f', long, value_name = "BROKER")]
    pub(super) from: String,
    /// Brokers to move to, by name or address; each gets every topic. Shards of one process are brokers of their own
    #[arg(short = 't', long, value_name = "BROKER,…", value_delimiter = ',', required = true)]
    pub(super) to: Vec<String>,
    /// Name servers of the targets, where they are others than the source's
    #[arg(long = "to-namesrv", value_name = "LIST")]
    pub(super) to_name_servers: Option<String>,
    /// Topics and groups that stay where they are
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(super) leave: Vec<String>,
}

/// What a target has already.
pub(super) struct Target {
    pub(super) broker: Broker,
    pub(super) topics: BTreeMap<String, TopicConfig>,
    pub(super) groups: BTreeMap<String, SubscriptionGroupConfig>,
    pub(super) offsets: ConsumerOffsetTable,
}

impl Target {
    pub(super) async fn look(admin: &Admin, broker: &Broker) -> Result<Self, Failure> {
        let address = &broker.address;
        Ok(Self {
            topics: admin.topic_configs(address).await?.topic_config_table,
            groups: admin.group_configs(address).await?.subscription_group_table,
            offsets: admin.consumer_offsets(address).await?,
            broker: broker.clone(),
        })
    }

    pub(super) async fn look_at_all(sides: &Sides) -> Result<Vec<Self>, Failure> {
        let mut targets = Vec::new();
        for broker in &sides.to {
            targets.push(Self::look(&sides.to_admin, broker).await?);
        }
        Ok(targets)
    }
}

/// One thing at one target, or one that nobody can take.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    kind: &'static str,
    name: String,
    target: Option<String>,
    action: &'static str,
    note: String,
}

impl Row for Item {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("KIND", Align::Left),
        ("NAME", Align::Left),
        ("TARGET", Align::Left),
        ("ACTION", Align::Left),
        ("NOTE", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([&self.kind, &self.name, &self.target.as_deref().unwrap_or_default(), &self.action, &self.note]);
    }
}

impl Plan {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let Ends { from, to, to_name_servers, leave } = &self.ends;
        let sides = Sides::given(context, from, to, to_name_servers.as_deref()).await?;
        let left = leave.iter().cloned().collect();
        let inventory = Inventory::of(&sides.from_admin, &sides.from.address, &left).await?;
        let targets = Target::look_at_all(&sides).await?;
        let traced = sides.from_admin.topic_configs(&sides.from.address).await?;
        let mut items = items(&inventory, &targets);
        if traced.topic_config_table.contains_key(TRACE_TOPIC) {
            items.extend(traces(&targets));
        }
        let rows = Rows::new("items", items)
            .fact("from", "From", sides.from.name.as_str())
            .fact("to", "To", sides.to.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(","))
            .fact("topics", "Topics", inventory.topics.len())
            .fact("groups", "Groups", inventory.groups.len())
            .fact("consumed", "Groups × topics", inventory.consumed().len());
        context.output.show_rows(rows)
    }
}

/// What is to be done for all of a source at its targets.
pub(super) fn items(inventory: &Inventory, targets: &[Target]) -> Vec<Item> {
    let mut items = Vec::new();
    for immovable in &inventory.immovable {
        let (kind, name) = (immovable.kind, immovable.name.clone());
        let note = format!("{}: --leave {name} lets it stay", immovable.why);
        items.push(Item { kind, name, target: None, action: "REFUSED", note });
    }
    for target in targets {
        let at = Some(target.broker.name.clone());
        for (name, config) in &inventory.topics {
            let (action, note) = match target.topics.get(name) {
                None => ("create", described(config)),
                Some(there) => ("is there", difference(config, there)),
            };
            items.push(Item { kind: "topic", name: name.clone(), target: at.clone(), action, note });
        }
        for (name, config) in &inventory.groups {
            let (action, note) = match target.groups.get(name) {
                None => ("create", online(inventory, name)),
                Some(there) if there == config => ("is there", online(inventory, name)),
                Some(_) => ("is there", format!("with other settings; {}", online(inventory, name))),
            };
            items.push(Item { kind: "group", name: name.clone(), target: at.clone(), action, note });
        }
    }
    for name in &inventory.dead_letters {
        let note = "its messages stay at the source, for you to look at".to_owned();
        items.push(Item { kind: "dead letters", name: name.clone(), target: None, action: "stays", note });
    }
    items
}

fn traces(targets: &[Target]) -> impl Iterator<Item = Item> {
    let lacking = targets.iter().filter(|target| !target.topics.contains_key(TRACE_TOPIC));
    lacking.map(|target| Item {
        kind: "topic",
        name: TRACE_TOPIC.to_owned(),
        target: Some(target.broker.name.clone()),
        action: "not copied",
        note: "set traceTopicEnable=true there, or clients cannot write traces".to_owned(),
    })
}

fn described(config: &TopicConfig) -> String {
    let mut text = format!("{} queues, {}", config.write_queue_nums, Perm(config.perm));
    if config.read_queue_nums != config.write_queue_nums {
        text = format!("{} queues to read, {text}", config.read_queue_nums);
    }
    if config.order {
        text.push_str(", ordered");
    }
    if !config.attributes.is_empty() {
        let attributes: Vec<_> = config.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        text = format!("{text}, {} (if the target takes it)", attributes.join(","));
    }
    text
}

fn difference(source: &TopicConfig, there: &TopicConfig) -> String {
    if source == there {
        String::new()
    } else {
        format!("with {}; at the source {}", described(there), described(source))
    }
}

fn online(inventory: &Inventory, group: &str) -> String {
    match inventory.members.get(group).and_then(Option::as_ref) {
        None => "offline".to_owned(),
        Some(_) if inventory.is_broadcasting(group) => "broadcasting: its members keep their offsets".to_owned(),
        Some(members) => format!("{} members", members.connection_set.len()),
    }
}
