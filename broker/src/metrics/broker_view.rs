//! The broker process as its endpoint shows it: asks the shards, makes text and JSON of what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use observe::{Answer, Families, Health, ShardSample, Source};
use runtime::MailboxSender;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout_at;

use super::group_report::GroupReport;
use super::kept_answers::{Answers, KeptAnswers};
use super::recovery::{RecoveryPhase, RecoveryProgress};
use super::shard_report::ShardReport;
use super::write_groups::write_groups;
use super::write_report::{ShardLabels, write_report};
use crate::config::{BrokerConfig, ShardIdentity};
use crate::shard_message::ShardMessage;

/// A shard that serves answers within this, or counts as stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Stores are being opened.
    Starting,
    /// All shards serve.
    Serving,
    /// It was told to end, or has to.
    Stopping,
}

/// See the module's text.
pub struct BrokerView {
    config: Arc<BrokerConfig>,
    began: Instant,
    shards: Vec<ShardView>,
    stage: watch::Sender<Stage>,
    name_server: Option<Arc<dyn Source>>,
    reports: KeptAnswers<Box<ShardReport>>,
    groups: KeptAnswers<GroupReport>,
}

struct ShardView {
    identity: ShardIdentity,
    mailbox: MailboxSender<ShardMessage>,
    recovery: Arc<RecoveryProgress>,
    is_registered: AtomicBool,
}

impl BrokerView {
    /// Shows the shards behind `mailboxes`, in the order of their numbers, and `name_server` with them if it is in the same
    /// process.
    pub fn new(
        config: Arc<BrokerConfig>,
        mailboxes: &[MailboxSender<ShardMessage>],
        name_server: Option<Arc<dyn Source>>,
        began: Instant,
    ) -> Self {
        let shard = |(identity, mailbox): (ShardIdentity, &MailboxSender<ShardMessage>)| ShardView {
            identity,
            mailbox: mailbox.clone(),
            recovery: Arc::default(),
            is_registered: AtomicBool::new(false),
        };
        let shards = config.all_shards().zip(mailboxes).map(shard).collect();
        let stage = watch::Sender::new(Stage::Starting);
        let (reports, groups) = (KeptAnswers::new(), KeptAnswers::new());
        Self { config, began, shards, stage, name_server, reports, groups }
    }

    /// Where shard `index` says how far its start is.
    pub fn recovery(&self, index: u32) -> Arc<RecoveryProgress> {
        self.shards[index as usize].recovery.clone()
    }

    /// A name server knows shard `index`.
    pub fn registered(&self, index: u32) {
        self.shards[index as usize].is_registered.store(true, Ordering::Relaxed);
    }

    /// The process goes on to `stage`.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// What the shards say now, or said a moment ago.
    async fn reports(&self) -> Answers<Box<ShardReport>> {
        self.reports.get(self.ask(ShardMessage::Report)).await
    }

    /// Asks every shard that serves; `None` for one that does not answer in time.
    async fn ask<T>(&self, question: impl Fn(oneshot::Sender<T>) -> ShardMessage) -> Vec<Option<T>> {
        let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
        let asked: Vec<_> = self.shards.iter().map(|shard| shard.ask(&question)).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for receiver in asked {
            let answer = match receiver {
                Some(receiver) => timeout_at(deadline, receiver).await.ok().and_then(Result::ok),
                None => None,
            };
            answers.push(answer);
        }
        answers
    }

    async fn write(&self, families: &mut Families) {
        let reports = self.reports().await;
        let groups = self.groups.get(self.ask(ShardMessage::Groups)).await;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        for ((shard, report), groups) in self.shards.iter().zip(&*reports).zip(&*groups) {
            let index = shard.identity.index.to_string();
            let (cluster, name) = (&self.config.identity.cluster_name, &shard.identity.broker_name);
            let labels = ShardLabels { cluster, shard: &index, name };
            let endpoint = &self.config.endpoint;
            let up = f64::from(report.is_some());
            let help = "1 when the shard answered this scrape";
            families.gauge("turbopump_shard_up", help, &labels.with(&[]), up);
            shard.write_recovery(families, &labels);
            if let Some(report) = report {
                write_report(families, &labels, report, self.config.identity.permission, endpoint);
            }
            if let Some(groups) = groups {
                write_groups(families, &labels, groups, now_ms, endpoint);
            }
        }
        self.write_disk(families);
        if let Some(name_server) = &self.name_server {
            name_server.metrics(families).await;
        }
    }

    /// The file system that all shards share.
    fn write_disk(&self, families: &mut Families) {
        let Ok(stat) = rustix::fs::statvfs(&self.config.store.root) else { return };
        let bytes = |blocks: u64| (blocks * stat.f_frsize) as f64;
        if self.config.endpoint.store {
            let identity = &self.config.identity;
            let labels = [
                ("cluster", identity.cluster_name.as_str()),
                ("node_type", "broker"),
                ("node_id", identity.broker_name.as_str()),
                ("storage_type", "local"),
                ("storage_medium", "disk"),
            ];
            let help = "Bytes in use on the file system of the store";
            families.gauge("rocketmq_storage_size_bytes", help, &labels, bytes(stat.f_blocks - stat.f_bfree));
        }
        for (kind, blocks) in [("total", stat.f_blocks), ("available", stat.f_bavail)] {
            let help = "The file system of the store";
            families.gauge("turbopump_store_disk_bytes", help, &[("kind", kind)], bytes(blocks));
        }
    }

    async fn liveness(&self) -> Health {
        let reports = self.reports().await;
        let is_stuck = |(shard, report): &(&ShardView, &Option<_>)| report.is_none() && shard.serves();
        let stuck: Vec<&str> = match self.stage() {
            // Shards on their way out do not answer any more.
            Stage::Stopping => Vec::new(),
            Stage::Starting | Stage::Serving => {
                let stuck = self.shards.iter().zip(&*reports).filter(is_stuck);
                stuck.map(|(shard, _)| shard.identity.broker_name.as_str()).collect()
            }
        };
        let own = match stuck.as_slice() {
            [] => Health { is_well: true, detail: json!({ "status": "live" }) },
            stuck => {
                let reason = format!("no answer within {} s from {}", ANSWER_WITHIN.as_secs(), stuck.join(", "));
                Health { is_well: false, detail: json!({ "status": "stuck", "reason": reason }) }
            }
        };
        match &self.name_server {
            Some(name_server) if own.is_well => name_server.live().await,
            _ => own,
        }
    }

    fn readiness(&self) -> Health {
        let needs_registration = !self.config.registration.name_servers.0.is_empty();
        let is_registered = |shard: &ShardView| shard.is_registered.load(Ordering::Relaxed);
        let (status, reason) = match self.stage() {
            Stage::Starting => ("starting", Some("stores are being opened")),
            Stage::Stopping => ("stopping", Some("the process was told to end")),
            Stage::Serving if needs_registration && !self.shards.iter().all(is_registered) => {
                ("registering", Some("no name server knows all shards yet; the log says why"))
            }
            Stage::Serving => ("ready", None),
        };
        let shard = |shard: &ShardView| json!({ "name": shard.identity.broker_name, "recovery": shard.recovery.view(), "registered": is_registered(shard) });
        let shards: Vec<Value> = self.shards.iter().map(shard).collect();
        let elapsed_ms = self.began.elapsed().as_millis() as u64;
        let detail = json!({ "status": status, "reason": reason, "since_start_ms": elapsed_ms, "shards": shards });
        Health { is_well: status == "ready", detail }
    }
}

impl ShardView {
    fn serves(&self) -> bool {
        self.recovery.phase() == RecoveryPhase::Serving
    }

    fn ask<T>(&self, question: impl Fn(oneshot::Sender<T>) -> ShardMessage) -> Option<oneshot::Receiver<T>> {
        let (sender, receiver) = oneshot::channel();
        (self.serves() && self.mailbox.send(question(sender))).then_some(receiver)
    }

    fn write_recovery(&self, families: &mut Families, labels: &ShardLabels<'_>) {
        let (view, all) = (self.recovery.view(), labels.with(&[]));
        let help = "1 once the shard's store is open and it serves";
        families.gauge("turbopump_shard_serving", help, &all, f64::from(self.serves()));
        let help = "Bytes of log that the shard read at its start";
        families.gauge("turbopump_recovery_replayed_bytes", help, &all, view.replayed_bytes as f64);
    }
}

impl Source for BrokerView {
    fn metrics<'a>(&'a self, families: &'a mut Families) -> Answer<'a, ()> {
        Box::pin(self.write(families))
    }

    fn live(&self) -> Answer<'_, Health> {
        Box::pin(self.liveness())
    }

    fn ready(&self) -> Answer<'_, Health> {
        Box::pin(async { self.readiness() })
    }

    fn shards(&self) -> Answer<'_, Vec<ShardSample>> {
        Box::pin(async { self.reports().await.iter().flatten().map(|report| report.load.clone()).collect() })
    }
}

#[cfg(test)]
mod tests;
