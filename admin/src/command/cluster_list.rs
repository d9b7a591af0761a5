//! `clusterList`: every broker of every cluster, and how it is doing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use clap::Args;
use client::WithCauses;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::table::{Align, Table};
use crate::timestamp::Timestamp;

const HOUR_MS: f64 = 3_600_000.0;

/// List all brokers with their load
#[derive(Debug, Args)]
pub(crate) struct ClusterList {
    /// Only this cluster
    #[arg(short = 'c', long = "clusterName", alias = "cluster-name", value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Show the messages of yesterday and today instead of the load
    #[arg(short = 'm', long = "moreStats", alias = "more-stats")]
    more_stats: bool,
    /// Repeat every so many seconds
    #[arg(short = 'i', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    interval: Option<u64>,
}

/// The brokers, by cluster, name and id.
#[derive(Debug, Serialize)]
struct Clusters {
    brokers: Vec<Broker>,
    #[serde(skip)]
    more_stats: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Broker {
    cluster_name: String,
    broker_name: String,
    broker_id: i64,
    broker_addr: String,
    /// Absent when the broker did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<Load>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What of a broker's runtime information is shown. A value it does not send is absent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Load {
    version: Option<String>,
    active: Option<bool>,
    in_tps: Option<f64>,
    out_tps: Option<f64>,
    send_queue_size: Option<i64>,
    send_queue_wait_ms: Option<i64>,
    pull_queue_size: Option<i64>,
    pull_queue_wait_ms: Option<i64>,
    page_cache_lock_ms: Option<i64>,
    timer_read_behind: Option<i64>,
    hours_kept: Option<f64>,
    commit_log_disk_ratio: Option<f64>,
    in_yesterday: Option<i64>,
    out_yesterday: Option<i64>,
    in_today: Option<i64>,
    out_today: Option<i64>,
}

impl ClusterList {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let clusters = self.clusters(context).await?;
            context.output.show(&clusters)?;
            let Some(seconds) = self.interval else { return Ok(()) };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    async fn clusters(&self, context: &Context<'_>) -> Result<Clusters, Failure> {
        let info = context.admin.cluster_info().await?;
        if let Some(cluster) = self.cluster.as_ref().filter(|name| !info.cluster_addr_table.contains_key(*name)) {
            let known = info.cluster_addr_table.into_keys().collect();
            return Err(Failure::UnknownCluster { cluster: cluster.clone(), known });
        }
        let wanted = info.cluster_addr_table.iter();
        let wanted = wanted.filter(|(name, _)| self.cluster.as_ref().is_none_or(|cluster| cluster == *name));
        let mut brokers = Vec::new();
        for (cluster_name, broker_names) in wanted {
            let groups = broker_names.iter().filter_map(|name| info.broker_addr_table.get(name));
            let replicas = groups.flat_map(|group| group.broker_addrs.iter().map(move |replica| (group, replica)));
            for (group, (id, address)) in replicas {
                // One broker that is down must not hide the others.
                let (load, error) = match context.admin.broker_runtime_info(address).await {
                    Ok(information) => (Some(Load::new(&information.table, Timestamp::now())), None),
                    Err(error) => (None, Some(WithCauses(&error).to_string())),
                };
                brokers.push(Broker {
                    cluster_name: cluster_name.clone(),
                    broker_name: group.broker_name.clone(),
                    broker_id: *id,
                    broker_addr: address.clone(),
                    load,
                    error,
                });
            }
        }
        Ok(Clusters { brokers, more_stats: self.more_stats })
    }
}

impl Load {
    fn new(table: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let text = |key: &str| table.get(key).map(|value| value.trim());
        let count = |key: &str| text(key).and_then(|value| value.parse::<i64>().ok());
        // Three averages stand in one value, the shortest first.
        let first = |key: &str| text(key).and_then(|value| value.split(' ').next()?.parse::<f64>().ok());
        let between = |start: &str, end: &str| Some(count(end)? - count(start)?);
        let earliest = count("earliestMessageTimeStamp").filter(|at| *at > 0);
        Self {
            version: text("brokerVersionDesc").map(str::to_owned),
            active: text("brokerActive").and_then(|value| value.parse().ok()),
            in_tps: first("putTps"),
            // Brokers before 5.5 spell it with one r.
            out_tps: first("getTransferredTps").or_else(|| first("getTransferedTps")),
            send_queue_size: count("sendThreadPoolQueueSize"),
            send_queue_wait_ms: count("sendThreadPoolQueueHeadWaitTimeMills"),
            pull_queue_size: count("pullThreadPoolQueueSize"),
            pull_queue_wait_ms: count("pullThreadPoolQueueHeadWaitTimeMills"),
            page_cache_lock_ms: count("pageCacheLockTimeMills"),
            timer_read_behind: count("timerReadBehind"),
            hours_kept: earliest.map(|at| now.0.saturating_sub(at) as f64 / HOUR_MS),
            commit_log_disk_ratio: first("commitLogDiskRatio"),
            in_yesterday: between("msgPutTotalYesterdayMorning", "msgPutTotalTodayMorning"),
            out_yesterday: between("msgGetTotalYesterdayMorning", "msgGetTotalTodayMorning"),
            in_today: between("msgPutTotalTodayMorning", "msgPutTotalTodayNow"),
            out_today: between("msgGetTotalTodayMorning", "msgGetTotalTodayNow"),
        }
    }

    /// `size (wait ms)` of a queue.
    fn queue(size: Option<i64>, wait_ms: Option<i64>) -> String {
        match (size, wait_ms) {
            (Some(size), Some(wait_ms)) => format!("{size} ({wait_ms} ms)"),
            (Some(size), None) => size.to_string(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.more_stats {
            self.totals().fmt(f)?
        } else {
            self.loads().fmt(f)?
        }
        for broker in &self.brokers {
            if let Some(error) = &broker.error {
                writeln!(f, "{} {}: {error}", broker.broker_name, broker.broker_id)?;
            }
        }
        Ok(())
    }
}

impl Clusters {
    fn loads(&self) -> Table {
        let mut table = Table::new(&[
            ("CLUSTER", Align::Left),
            ("BROKER", Align::Left),
            ("ID", Align::Right),
            ("ADDRESS", Align::Left),
            ("VERSION", Align::Left),
            ("IN TPS", Align::Right),
            ("OUT TPS", Align::Right),
            ("SEND QUEUE", Align::Right),
            ("PULL QUEUE", Align::Right),
            ("TIMER BEHIND", Align::Right),
            ("PC WAIT MS", Align::Right),
            ("HOURS", Align::Right),
            ("DISK", Align::Right),
            ("ACTIVE", Align::Left),
        ]);
        for broker in &self.brokers {
            let load = broker.load.as_ref();
            table.row([
                &broker.cluster_name,
                &broker.broker_name,
                &broker.broker_id,
                &broker.broker_addr,
                &load.and_then(|load| load.version.clone()).unwrap_or_default(),
                &decimals(load.and_then(|load| load.in_tps), 2),
                &decimals(load.and_then(|load| load.out_tps), 2),
                &load.map(|load| Load::queue(load.send_queue_size, load.send_queue_wait_ms)).unwrap_or_default(),
                &load.map(|load| Load::queue(load.pull_queue_size, load.pull_queue_wait_ms)).unwrap_or_default(),
                &shown(load.and_then(|load| load.timer_read_behind)),
                &shown(load.and_then(|load| load.page_cache_lock_ms)),
                &decimals(load.and_then(|load| load.hours_kept), 2),
                &decimals(load.and_then(|load| load.commit_log_disk_ratio), 4),
                &shown(load.and_then(|load| load.active)),
            ]);
        }
        table
    }

    fn totals(&self) -> Table {
        let mut table = Table::new(&[
            ("CLUSTER", Align::Left),
            ("BROKER", Align::Left),
            ("ID", Align::Right),
            ("IN YESTERDAY", Align::Right),
            ("OUT YESTERDAY", Align::Right),
            ("IN TODAY", Align::Right),
            ("OUT TODAY", Align::Right),
        ]);
        for broker in &self.brokers {
            let load = broker.load.as_ref();
            table.row([
                &broker.cluster_name,
                &broker.broker_name,
                &broker.broker_id,
                &shown(load.and_then(|load| load.in_yesterday)),
                &shown(load.and_then(|load| load.out_yesterday)),
                &shown(load.and_then(|load| load.in_today)),
                &shown(load.and_then(|load| load.out_today)),
            ]);
        }
        table
    }
}

fn shown<T: fmt::Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn decimals(value: Option<f64>, digits: usize) -> String {
    value.map(|value| format!("{value:.digits$}")).unwrap_or_default()
}
