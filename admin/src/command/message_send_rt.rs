//! `checkMsgSendRT`, `sendMsgStatus` and `clusterRT`: how long sends take.

use std::time::{Duration, Instant};

use clap::Args;
use client::{Message, MessageQueue, Producer, WithCauses};
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::resolve;
use crate::rows::{Row, Rows};
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

/// Producer group of these messages.
const GROUP: &str = "mqadmin-send-rt";

/// Send messages to the queues of a topic in turn, and show how long each takes
#[derive(Debug, Args)]
pub(crate) struct CheckMsgSendRt {
    /// Topic
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: String,
    /// Messages
    #[arg(short = 'a', long, value_name = "COUNT", default_value_t = 100)]
    amount: u32,
    /// Bytes of a body
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 128)]
    size: usize,
}

/// Send messages to the topic that a broker has for itself, and show how long each takes
#[derive(Debug, Args)]
pub(crate) struct SendMsgStatus {
    /// Broker, by name
    #[arg(short = 'b', long = "brokerName", alias = "broker-name", value_name = "BROKER")]
    broker_name: String,
    /// Bytes of a body
    #[arg(short = 's', long = "messageSize", alias = "message-size", value_name = "BYTES", default_value_t = 128)]
    size: usize,
    /// Messages
    #[arg(short = 'c', long, value_name = "COUNT", default_value_t = 50)]
    count: u32,
}

/// Show again and again how long sends to every broker take
#[derive(Debug, Args)]
pub(crate) struct ClusterRt {
    /// Messages to each broker
    #[arg(short = 'a', long, value_name = "COUNT", default_value_t = 100)]
    amount: u32,
    /// Bytes of a body
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 128)]
    size: usize,
    /// Only this cluster
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Seconds between two rounds; 0 is one round
    #[arg(short = 'i', long, value_name = "SECONDS", default_value_t = 10)]
    interval: u64,
    /// Where this machine is, for the log line
    #[arg(short = 'm', long = "machineRoom", aliases = ["machine-room", "machine room"], value_name = "NAME")]
    #[arg(default_value = "noname")]
    room: String,
    /// Whether to print a line a broker, divided by |, instead of a table
    #[arg(short = 'p', long = "printLog", aliases = ["print-log", "print log"], value_name = "BOOL")]
    #[arg(default_value_t = false, action = clap::ArgAction::Set)]
    prints_log: bool,
}

/// One send.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    broker_name: String,
    queue_id: i32,
    result: String,
    rt_ms: f64,
}

impl Row for Sent {
    const COLUMNS: &'static [(&'static str, Align)] =
        &[("BROKER", Align::Left), ("QID", Align::Right), ("RESULT", Align::Left), ("RT MS", Align::Right)];

    fn fill(&self, table: &mut Table) {
        table.row([&self.broker_name, &self.queue_id, &self.result, &format!("{:.3}", self.rt_ms)]);
    }
}

/// All sends to one broker.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerRt {
    cluster_name: String,
    broker_name: String,
    rt_ms: f64,
    succeeded: usize,
    failed: usize,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row for BrokerRt {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("CLUSTER", Align::Left),
        ("BROKER", Align::Left),
        ("RT MS", Align::Right),
        ("SUCCEEDED", Align::Right),
        ("FAILED", Align::Right),
        ("WHY", Align::Left),
    ];

    fn fill(&self, table: &mut Table) {
        table.row([
            &self.cluster_name,
            &self.broker_name,
            &format!("{:.3}", self.rt_ms),
            &self.succeeded,
            &self.failed,
            &self.error.as_deref().unwrap_or_default(),
        ]);
    }
}

impl CheckMsgSendRt {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        send_and_show(context, &self.topic, self.amount, self.size).await
    }
}

impl SendMsgStatus {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let info = context.admin.cluster_info().await?;
        if !info.broker_addr_table.contains_key(&self.broker_name) {
            return Err(resolve::unregistered_broker(&info, &self.broker_name));
        }
        send_and_show(context, &self.broker_name, self.count, self.size).await
    }
}

impl ClusterRt {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let rows = self.round(context).await?;
            if self.prints_log && !context.output.is_json() {
                context.output.show(&LogLines { room: &self.room, rows })?;
            } else {
                context.output.show_rows(Rows::new("brokers", rows))?;
            }
            if self.interval == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(self.interval)).await;
        }
    }

    async fn round(&self, context: &Context<'_>) -> Result<Vec<BrokerRt>, Failure> {
        let info = resolve::cluster_info(&context.admin, self.cluster.as_deref()).await?;
        let wanted = |name: &String| self.cluster.as_ref().is_none_or(|cluster| cluster == name);
        let mut rows = Vec::new();
        for (cluster_name, brokers) in info.cluster_addr_table.iter().filter(|(name, _)| wanted(name)) {
            for broker_name in brokers {
                let (cluster_name, broker_name) = (cluster_name.clone(), broker_name.clone());
                // One broker that is down must not end the watch over the others.
                let row = match send(context, &broker_name, self.amount, self.size).await {
                    Ok(sends) => BrokerRt::new(cluster_name, broker_name, &sends),
                    Err(failure) => {
                        let error = Some(failure.report());
                        let failed = self.amount as usize;
                        BrokerRt { cluster_name, broker_name, rt_ms: 0.0, succeeded: 0, failed, error }
                    }
                };
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

impl BrokerRt {
    fn new(cluster_name: String, broker_name: String, sends: &[Sent]) -> Self {
        let ok: Vec<_> = sends.iter().filter(|sent| sent.result == "SEND_OK").collect();
        let error = sends.iter().rfind(|sent| sent.result != "SEND_OK").map(|sent| sent.result.clone());
        let failed = sends.len() - ok.len();
        Self { cluster_name, broker_name, rt_ms: average(sends), succeeded: ok.len(), failed, error }
    }
}

async fn send_and_show(context: &mut Context<'_>, topic: &str, count: u32, bytes: usize) -> Result<(), Failure> {
    let sends = send(context, topic, count, bytes).await?;
    let average_ms = average(&sends);
    context.output.show_rows(Rows::new("sends", sends).fact("averageRtMs", "Average RT ms", average_ms))
}

/// Sends one message after the other, the queues in turn. The first only opens the connection.
async fn send(context: &Context<'_>, topic: &str, count: u32, bytes: usize) -> Result<Vec<Sent>, Failure> {
    let producer = Producer::new(&context.client, GROUP);
    let route = resolve::route(&context.admin, topic).await?;
    let queues: &[MessageQueue] = route.writable_queues();
    if queues.is_empty() {
        return Err(Failure::Usage(format!("topic {topic} has no writable queue on any broker")));
    }
    let message = Message::new(topic, vec![b'a'; bytes.max(1)]);
    let mut sends = Vec::new();
    for queue in queues.iter().cycle().take(count as usize + 1) {
        let start = Instant::now();
        let result = match producer.send_to(&message, queue).await {
            Ok(result) => result.status.name().to_owned(),
            Err(error) => WithCauses(&error).to_string(),
        };
        let rt_ms = start.elapsed().as_secs_f64() * 1_000.0;
        sends.push(Sent { broker_name: queue.broker_name.clone(), queue_id: queue.queue_id, result, rt_ms });
    }
    sends.remove(0);
    Ok(sends)
}

fn average(sends: &[Sent]) -> f64 {
    let sum: f64 = sends.iter().map(|sent| sent.rt_ms).sum();
    // To the microsecond: more digits than that are noise.
    (sum * 1_000.0 / sends.len().max(1) as f64).round() / 1_000.0
}

/// The form that log collectors of the original read.
#[derive(Debug, Serialize)]
struct LogLines<'a> {
    room: &'a str,
    rows: Vec<BrokerRt>,
}

impl std::fmt::Display for LogLines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.rows.iter().try_for_each(|row| {
            writeln!(f, "{}|{}|{}|{}|{:.0}", Timestamp::now(), self.room, row.cluster_name, row.broker_name, row.rt_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(result: &str, rt_ms: f64) -> Sent {
        Sent { broker_name: "b".to_owned(), queue_id: 0, result: result.to_owned(), rt_ms }
    }

    #[test]
    fn a_broker_s_sends_are_summed_up() {
        let sends = [sent("SEND_OK", 1.0), sent("no", 5.0), sent("SEND_OK", 3.0)];
        let row = BrokerRt::new("c".to_owned(), "b".to_owned(), &sends);
        assert_eq!((row.rt_ms, row.succeeded, row.failed, row.error.as_deref()), (3.0, 2, 1, Some("no")));
        let none = BrokerRt::new("c".to_owned(), "b".to_owned(), &[]);
        assert_eq!((none.rt_ms, none.succeeded, none.error), (0.0, 0, None));
    }
}
