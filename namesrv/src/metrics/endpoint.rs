//! The endpoint of a name server that is a process of its own.

use std::net::{SocketAddr, TcpListener};

use observe::{BindError, PortChoice};

use crate::config::Config;

/// Where metrics are shown unless somebody says so: below RocketMQ's 5557 of brokers, whose further ones go up from there.
const DEFAULT_PORT: u16 = 5556;
/// The key that moves it.
const PROPERTY: &str = "metricsPromExporterPort";

/// A listening endpoint that is not served yet.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// For [`observe::serve`].
    pub listener: TcpListener,
}

/// Listens as `config` says; `None` if there is to be no endpoint, or its default port cannot be had, which is logged.
/// # Errors
/// The port that was asked for cannot be had.
pub fn bind(config: &Config) -> Result<Option<Endpoint>, BindError> {
    if !config.shows_metrics {
        return Ok(None);
    }
    let choice = config.metrics_port.map_or(PortChoice::DefaultDown(DEFAULT_PORT), PortChoice::Exact);
    let ip = config.metrics_address.unwrap_or(config.bind_address);
    match observe::bind(ip, choice, &[config.listen_port], PROPERTY) {
        Ok(listener) => Ok(listener.local_addr().ok().map(|address| Endpoint { address, listener })),
        Err(error @ BindError::Exact { .. }) => Err(error),
        Err(error @ BindError::Default { .. }) => {
            tracing::warn!("{error}");
            Ok(None)
        }
    }
}
