//! Registration with the name servers, on the control thread: every shard with every name server over a connection of
//! its own, at start, at each change of its topics or of its part in its group, and every period.
//!
//! A closed connection makes a name server forget the broker at once, and it forgets one broker a connection, hence
//! one each. A name server that is away is tried again; the others do not notice.
//!
//! A shard whose id changes is registered under the new one over the connection that is there: a name server takes the
//! old id from the address by itself. Nothing is unregistered, nor the connection made anew, in between: Apache's
//! name server carries both out a little later than it answers, by address alone, and would take the new id away.

mod announcement;
mod name_server_link;
mod standing;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;
use tokio::sync::watch;
use tokio::time::timeout;

pub use self::announcement::{Announcement, RegistrationReceiver, RegistrationSender, channel};
pub(crate) use self::name_server_link::NameServerLink;
pub(crate) use self::name_server_link::RegistrationError;
pub use self::standing::{MASTER_ID, Replica, ReplicaRole, Standing};
use crate::config::parse::name_servers::NameServerAddress;
use crate::config::{BrokerConfig, ShardIdentity};

const RETRY: Duration = Duration::from_secs(1);
/// At the end each name server is told within this time, or not at all.
const UNREGISTER_TIMEOUT: Duration = Duration::from_millis(500);

/// Keeps one shard registered with one name server until `stop` changes. `registered` is told of each success.
pub async fn keep_registered(
    config: Arc<BrokerConfig>,
    shard: ShardIdentity,
    server: NameServerAddress,
    mut announcements: RegistrationReceiver,
    mut stop: watch::Receiver<bool>,
    registered: impl Fn(),
) {
    let mut is_away = false;
    loop {
        let stopped = tokio::select! {
            result = session(&config, &shard, &server, &mut announcements, &mut is_away, &registered) => {
                let Err(error) = result;
                if matches!(error, RegistrationError::ShardEnded) {
                    // Whoever is told of a shard that is gone would wait for it.
                    return;
                }
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(server = %format_args!("{}:{}", server.host, server.port), %error, broker = shard.broker_name,
                        "not registered with this name server; trying again every second");
                }
                false
            }
            _ = stop.changed() => true,
        };
        if stopped || *stop.borrow() {
            let standing = announcements.borrow().standing();
            if let Some(standing) = standing {
                let _ = timeout(UNREGISTER_TIMEOUT, unregister(&config, &shard, &server, standing)).await;
            }
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One connection's life. `is_away` is cleared at each success.
async fn session(
    config: &BrokerConfig,
    shard: &ShardIdentity,
    server: &NameServerAddress,
    announcements: &mut RegistrationReceiver,
    is_away: &mut bool,
    registered: &impl Fn(),
) -> Result<Infallible, RegistrationError> {
    loop {
        // A connection with nothing to say would be closed by the name server before long.
        let wait = announcements.wait_for(|announcement| announcement.standing().is_some());
        wait.await.map_err(|_| RegistrationError::ShardEnded)?;
        let patience = config.registration.timeout;
        let mut link = NameServerLink::connect(server, patience).await?;
        let mut registered_as = None;
        loop {
            let announcement = announcements.borrow_and_update().clone();
            let Some(standing) = announcement.standing() else { break };
            let body = announcement.body(config.registration.compressed);
            link.call(patience, |buffer, opaque| encode_register(config, shard, standing, body, buffer, opaque))
                .await?;
            if registered_as.replace(standing) != Some(standing) {
                let Standing { broker_id, state_version } = standing;
                tracing::info!(server = %format_args!("{}:{}", server.host, server.port), broker = shard.broker_name,
                    broker_id, state_version, "registered");
            }
            *is_away = false;
            registered();
            tokio::select! {
                changed = announcements.changed() => changed.map_err(|_| RegistrationError::ShardEnded)?,
                () = tokio::time::sleep(config.registration.period) => {}
                closed = link.wait_closed() => return Err(closed),
            }
        }
        // It serves nobody any more, and its process goes on.
        if let Some(standing) = registered_as {
            link.call(patience, |buffer, opaque| encode_unregister(config, shard, standing, buffer, opaque)).await?;
            tracing::info!(server = %format_args!("{}:{}", server.host, server.port), broker = shard.broker_name,
                "unregistered: the shard serves no more");
        }
    }
}

async fn unregister(
    config: &BrokerConfig,
    shard: &ShardIdentity,
    server: &NameServerAddress,
    standing: Standing,
) -> Result<(), RegistrationError> {
    let mut link = NameServerLink::connect(server, UNREGISTER_TIMEOUT).await?;
    link.call(UNREGISTER_TIMEOUT, |buffer, opaque| encode_unregister(config, shard, standing, buffer, opaque)).await
}

fn encode_unregister(
    config: &BrokerConfig,
    shard: &ShardIdentity,
    standing: Standing,
    buffer: &mut Vec<u8>,
    opaque: i32,
) {
    let code = RequestCode::UNREGISTER_BROKER.0;
    let mut encoder = CommandEncoder::request(buffer, HeaderEncoding::Json, code, opaque, 0);
    encoder
        .field("brokerName", shard.broker_name.as_str())
        .field("brokerAddr", shard.advertised_address.as_str())
        .field("clusterName", config.identity.cluster_name.as_str())
        .field("brokerId", standing.broker_id);
    encoder.finish();
}

fn encode_register(
    config: &BrokerConfig,
    shard: &ShardIdentity,
    standing: Standing,
    body: &[u8],
    buffer: &mut Vec<u8>,
    opaque: i32,
) {
    let code = RequestCode::REGISTER_BROKER.0;
    let mut encoder = CommandEncoder::request(buffer, HeaderEncoding::Json, code, opaque, 0);
    encoder
        .field("brokerName", shard.broker_name.as_str())
        .field("brokerAddr", shard.advertised_address.as_str())
        .field("clusterName", config.identity.cluster_name.as_str())
        .field("haServerAddr", shard.ha_advertised_address.as_str())
        .field("brokerId", standing.broker_id)
        // No slave stands in for a lost master: a group elects another. Saying so, instead of nothing, lets the slave
        // with the smallest id bring the topics where there is no master yet.
        .field("enableActingMaster", false)
        .field("compressed", config.registration.compressed)
        .field("bodyCrc32", crc32fast::hash(body) as i32 & i32::MAX);
    encoder.finish_with_body(body);
}
