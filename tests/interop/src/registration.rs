//! Waiting until name servers know the brokers a test started.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Client, ClientOptions};
use protocol::topic_name::AUTO_CREATE_TOPIC;

use crate::target::Target;
use crate::until::until;

const REGISTERED_WITHIN: Duration = Duration::from_secs(60);

/// Waits until each name server lists exactly the target's brokers, and has the template for new topics on each.
///
/// # Panics
/// When that is not so within a minute.
pub fn wait_until_registered(target: &Target) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    for name_server in target.name_servers.split(';') {
        let what = format!("{:?} to be registered at {name_server}", target.brokers);
        until(&what, REGISTERED_WITHIN, || {
            let seen = runtime.block_on(registered(name_server))?;
            if seen == target.brokers { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    }
}

/// Masters by name, of those brokers that have registered with their topics.
async fn registered(name_server: &str) -> Result<BTreeMap<String, String>, String> {
    let client = Client::new(name_server, ClientOptions::default()).await.map_err(|error| error.to_string())?;
    let cluster = client.admin().cluster_info().await.map_err(|error| error.to_string())?;
    let template = client.admin().topic_route(AUTO_CREATE_TOPIC).await.map_err(|error| error.to_string())?;
    let creates = |name: &String| template.queue_datas.iter().any(|queues| queues.broker_name == *name);
    Ok(cluster
        .broker_addr_table
        .into_iter()
        .filter(|(name, _)| creates(name))
        .filter_map(|(name, broker)| Some((name, broker.broker_addrs.get(&0)?.clone())))
        .collect())
}
