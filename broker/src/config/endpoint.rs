//! The HTTP endpoint for metrics and health.

use std::net::IpAddr;

use observe::PortChoice;

use super::error::{ConfigError, ConfigWarning};
use super::machine_defaults::MachineDefaults;
use super::sources::Origin;
use super::values::Values;

/// The property that moves the endpoint.
pub const ENDPOINT_PORT: &str = "metricsPromExporterPort";

const ONLY_PROMETHEUS: &str = "metrics are not sent anywhere; Prometheus fetches them, as with PROM";

/// The HTTP endpoint for metrics and health.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Whether there is one. Default true (RocketMQ: off). RocketMQ: `metricsExporterType`, `DISABLE` switches it off.
    pub enabled: bool,
    /// Local address it listens on. Default `bindAddress`. RocketMQ: `metricsPromExporterHost`.
    pub address: IpAddr,
    /// Where it listens. Default 5557 or the next free port above it. RocketMQ: `metricsPromExporterPort`.
    pub port: PortChoice,
    /// Shows connected clients. Default true. RocketMQ: `enableConnectionMetrics`.
    pub connections: bool,
    /// Shows lags and dead letters. Default true. RocketMQ: `enableLagAndDlqMetrics`.
    pub lag_and_dlq: bool,
    /// Shows the store. Default true. RocketMQ: `enableMessageStoreMetrics`.
    pub store: bool,
    /// Shows latencies of requests. Default true. RocketMQ: `enableRemotingMetrics`.
    pub remoting: bool,
    /// Shows messages in and out. Default true. RocketMQ: `enableRequestMetrics`.
    pub requests: bool,
    /// Shows numbers of topics and groups, and work waiting. Default true. RocketMQ: `enableStatsMetrics`.
    pub stats: bool,
    /// Shows half messages and their ends. Default true (RocketMQ: false). RocketMQ: `enableTransactionMetrics`.
    pub transactions: bool,
}

impl EndpointConfig {
    pub(super) fn from_values(
        values: &Values,
        machine: &MachineDefaults,
        errors: &mut Vec<ConfigError>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Self {
        let (key, host) = ("metricsPromExporterHost", values.text("metricsPromExporterHost"));
        let address = host.parse().ok().or_else(|| (machine.resolve)(host));
        if address.is_none() {
            let (host, origin) = (host.to_owned(), values.origin(key).clone());
            errors.push(ConfigError::UnknownHost { key, host, origin });
        }
        let (key, value) = ("metricsExporterType", values.text("metricsExporterType"));
        if value == "OTLP_GRPC" || value == "LOG" {
            let (value, origin) = (value.to_owned(), values.origin(key).clone());
            warnings.push(ConfigWarning::NotYet { key, value, reason: ONLY_PROMETHEUS, origin });
        }
        Self {
            enabled: is_enabled(values),
            address: address.unwrap_or_else(|| values.ip_address("bindAddress")),
            port: match chosen_port(values) {
                Some(port) => PortChoice::Exact(port),
                None => PortChoice::DefaultUp(values.number(ENDPOINT_PORT)),
            },
            connections: values.bool("enableConnectionMetrics"),
            lag_and_dlq: values.bool("enableLagAndDlqMetrics"),
            store: values.bool("enableMessageStoreMetrics"),
            remoting: values.bool("enableRemotingMetrics"),
            requests: values.bool("enableRequestMetrics"),
            stats: values.bool("enableStatsMetrics"),
            transactions: values.bool("enableTransactionMetrics"),
        }
    }
}

fn is_enabled(values: &Values) -> bool {
    values.text("metricsExporterType") != "DISABLE"
}

/// The port that somebody asked for.
pub(super) fn chosen_port(values: &Values) -> Option<u16> {
    let is_default = *values.origin(ENDPOINT_PORT) == Origin::Default;
    (is_enabled(values) && !is_default).then(|| values.number(ENDPOINT_PORT))
}
