//! Which brokers a command is for: `-b` names one by its address, `-c` all of a cluster.

use std::future::Future;

use clap::Args;
use client::{Admin, ClientError, MASTER_ID};
use protocol::body::ClusterInfo;
use serde::Serialize;

use crate::concurrently::concurrently;
use crate::failure::{Failure, ServerError};
use crate::resolve;

/// One of both has to be given.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Brokers {
    /// This broker
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: Option<String>,
    /// The masters of this cluster
    #[arg(short = 'c', long = "clusterName", aliases = ["cluster-name", "cluster"], value_name = "CLUSTER")]
    cluster: Option<String>,
}

/// Without either: the masters of every cluster.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct AnyBrokers {
    /// Only this broker
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: Option<String>,
    /// Only the masters of this cluster
    #[arg(short = 'c', long = "clusterName", aliases = ["cluster-name", "cluster"], value_name = "CLUSTER")]
    cluster: Option<String>,
}

/// A broker, and its name where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    pub(crate) broker_name: Option<String>,
    pub(crate) broker_addr: String,
}

impl Place {
    fn of_address(address: &str) -> Self {
        Self { broker_name: None, broker_addr: address.to_owned() }
    }

    pub(crate) fn name(&self) -> &str {
        self.broker_name.as_deref().unwrap_or_default()
    }
}

impl Brokers {
    /// The broker, or the masters of the cluster.
    pub(crate) async fn masters(&self, admin: &Admin) -> Result<Vec<Place>, Failure> {
        one_or_masters(self.broker_address.as_deref(), self.cluster.as_deref(), admin).await
    }

    /// The broker, or all of the cluster, slaves too.
    pub(crate) async fn replicas(&self, admin: &Admin) -> Result<Vec<Place>, Failure> {
        match (&self.broker_address, &self.cluster) {
            (None, Some(cluster)) => {
                let info = resolve::cluster_info(admin, Some(cluster)).await?;
                Ok(places(&info, Some(cluster), |_| true))
            }
            _ => self.masters(admin).await,
        }
    }

    /// The cluster, if one was given.
    pub(crate) fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
}

impl AnyBrokers {
    /// The broker, or the masters of the cluster or of all.
    pub(crate) async fn masters(&self, admin: &Admin) -> Result<Vec<Place>, Failure> {
        one_or_masters(self.broker_address.as_deref(), self.cluster.as_deref(), admin).await
    }
}

async fn one_or_masters(
    broker_address: Option<&str>,
    cluster: Option<&str>,
    admin: &Admin,
) -> Result<Vec<Place>, Failure> {
    if let Some(address) = broker_address {
        return Ok(vec![Place::of_address(address)]);
    }
    let info = resolve::cluster_info(admin, cluster).await?;
    let masters = places(&info, cluster, |id| id == MASTER_ID);
    if masters.is_empty() {
        let whose = cluster.map_or_else(|| "no cluster has".to_owned(), |cluster| format!("cluster {cluster} has no"));
        return Err(Failure::Usage(format!("{whose} master at present")));
    }
    Ok(masters)
}

/// The brokers of a cluster, or of all, in order of name and id.
pub(crate) fn places(info: &ClusterInfo, cluster: Option<&str>, is_wanted: impl Fn(i64) -> bool) -> Vec<Place> {
    let clusters = info.cluster_addr_table.iter().filter(|(name, _)| cluster.is_none_or(|wanted| wanted == *name));
    let groups = clusters.flat_map(|(_, names)| names).filter_map(|name| info.broker_addr_table.get(name));
    let replicas = groups.flat_map(|group| group.broker_addrs.iter().map(move |replica| (group, replica)));
    replicas
        .filter(|(_, (id, _))| is_wanted(**id))
        .map(|(group, (_, address))| Place {
            broker_name: Some(group.broker_name.clone()),
            broker_addr: address.clone(),
        })
        .collect()
}

/// Asks brokers at the same time. Returns the answers in the brokers' order, and who could not be asked: one that is down must not
/// hide the others. The only one of a list is an error itself.
pub(crate) async fn ask_each<T, F: Future<Output = Result<T, ClientError>>>(
    places: Vec<Place>,
    ask: impl Fn(String) -> F,
) -> Result<(Vec<(Place, T)>, Vec<ServerError>), Failure> {
    let results = concurrently(places.iter().map(|place| ask(place.broker_addr.clone())), |_| {}).await;
    let is_only = places.len() == 1;
    let (mut answers, mut errors) = (Vec::new(), Vec::new());
    for (place, result) in places.into_iter().zip(results) {
        match result {
            Ok(answer) => answers.push((place, answer)),
            Err(error) if is_only => return Err(error.into()),
            Err(error) => errors.push(ServerError::new(&place.broker_addr, &error)),
        }
    }
    Ok((answers, errors))
}
