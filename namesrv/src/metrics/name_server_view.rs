//! A running name server as its endpoint shows it.

use std::net::SocketAddr;
use std::time::Duration;

use observe::{Answer, Families, Health, RpcAnswer, ShardSample, Source, write_rpc_latency};
use protocol::code::{RequestCode, ResponseCode};
use runtime::MailboxSender;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::name_server_report::{NameServerMessage, NameServerReport};
use crate::route_table;

/// A name server answers within this, or counts as stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// See the module's text.
pub struct NameServerView {
    /// Where it listens: what tells it from others on the machine.
    node_id: String,
    mailbox: MailboxSender<NameServerMessage>,
}

impl NameServerView {
    pub(crate) fn new(address: SocketAddr, mailbox: MailboxSender<NameServerMessage>) -> Self {
        Self { node_id: address.to_string(), mailbox }
    }

    async fn report(&self) -> Option<NameServerReport> {
        let (sender, receiver) = oneshot::channel();
        if !self.mailbox.send(NameServerMessage::Report(sender)) {
            return None;
        }
        timeout(ANSWER_WITHIN, receiver).await.ok()?.ok()
    }
}

/// Adds a name server's report.
fn write_report(families: &mut Families, node_id: &str, report: &NameServerReport) {
    let labels = [("node_type", "nameserver"), ("node_id", node_id)];
    let mut gauge = |name, help, value: usize| families.gauge(name, help, &labels, value as f64);
    gauge("turbopump_namesrv_brokers", "Brokers that are alive", report.brokers);
    gauge("turbopump_namesrv_broker_groups", "Broker names", report.groups);
    gauge("turbopump_namesrv_topics", "Topics that are registered", report.topics);
    gauge("turbopump_namesrv_connections", "Open connections", report.connections);
    gauge("turbopump_namesrv_outbox_bytes", "Answers that clients have not read yet", report.outbox_bytes);
    write_rpc_latency(families, &labels, &report.latency, code_names);
}

/// The reference's words, in lower case; a number that has none stands for itself.
fn code_names(answer: &RpcAnswer) -> (String, String) {
    let name = |name: Option<&str>, code: i32| name.map_or_else(|| code.to_string(), str::to_lowercase);
    let request = match route_table::code_of(answer.request) {
        Some(code) => name(RequestCode::name(code), code.0),
        None => "unsupported".to_owned(),
    };
    (request, name(ResponseCode(answer.code).name(), answer.code))
}

impl Source for NameServerView {
    fn metrics<'a>(&'a self, families: &'a mut Families) -> Answer<'a, ()> {
        Box::pin(async {
            let report = self.report().await;
            let labels = [("node_type", "nameserver"), ("node_id", self.node_id.as_str())];
            let help = "1 when the name server answered this scrape";
            families.gauge("turbopump_namesrv_up", help, &labels, f64::from(report.is_some()));
            if let Some(report) = report {
                write_report(families, &self.node_id, &report);
            }
        })
    }

    fn live(&self) -> Answer<'_, Health> {
        Box::pin(async {
            if self.report().await.is_some() {
                return Health { is_well: true, detail: json!({ "status": "live" }) };
            }
            let reason = format!("no answer within {} s from the name server", ANSWER_WITHIN.as_secs());
            Health { is_well: false, detail: json!({ "status": "stuck", "reason": reason }) }
        })
    }

    /// A name server that answers is ready: it keeps nothing that would have to be recovered.
    fn ready(&self) -> Answer<'_, Health> {
        Box::pin(async {
            let health = self.live().await;
            if health.is_well { Health { is_well: true, detail: json!({ "status": "ready" }) } } else { health }
        })
    }

    fn shards(&self) -> Answer<'_, Vec<ShardSample>> {
        Box::pin(async { Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_shown_with_the_name_server_s_address() {
        let report = NameServerReport { brokers: 3, topics: 40, ..NameServerReport::default() };
        let mut families = Families::default();
        write_report(&mut families, "0.0.0.0:9876", &report);
        let text = String::from_utf8(families.encode()).unwrap();
        let line = "turbopump_namesrv_topics{node_type=\"nameserver\",node_id=\"0.0.0.0:9876\"} 40";
        assert!(text.lines().any(|each| each == line), "{text}");
    }

    #[test]
    fn codes_have_their_names() {
        let route = route_table::number(RequestCode::GET_ROUTEINFO_BY_TOPIC);
        let names = code_names(&RpcAnswer::new(route, ResponseCode::TOPIC_NOT_EXIST.0));
        assert_eq!(names, ("get_routeinfo_by_topic".to_owned(), "topic_not_exist".to_owned()));
        let unknown = RpcAnswer::new(route_table::number(RequestCode(-7)), 3);
        assert_eq!(code_names(&unknown).0, "unsupported");
    }
}
