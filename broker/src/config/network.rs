//! Addresses, ports and connections.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::error::{ConfigError, ConfigWarning};
use super::machine_defaults::MachineDefaults;
use super::sources::{Mode, Origin};
use super::values::Values;

/// Addresses, ports and connections.
#[derive(Debug, Clone)]
pub struct Network {
    /// Local address of every listener. Default `0.0.0.0`, all of them. RocketMQ: `bindAddress`.
    pub bind_address: IpAddr,
    /// Main port of shard 0. Default 10911. RocketMQ: `listenPort`.
    pub listen_port: u16,
    /// Port of shard 0 for slaves, as registered. Default `listenPort` + 1. RocketMQ: `haListenPort`.
    pub ha_listen_port: u16,
    /// Host that clients are told to connect to. Default the first IPv4 address that is not loopback; `--standalone`:
    /// 127.0.0.1, which works without any network. RocketMQ: `brokerIP1`.
    pub advertised_host: String,
    /// `advertised_host` as an address: message ids and records carry it.
    pub advertised_ip: IpAddr,
    /// Host that slaves are told to connect to. Default as of `advertised_host`. RocketMQ: `brokerIP2`.
    pub ha_advertised_host: String,
    /// A connection that is silent for this long is closed. Default 120 s, four client heartbeats.
    /// RocketMQ: `serverChannelMaxIdleTimeSeconds`.
    pub idle_timeout: Duration,
    /// Open connections a shard. Default 16,384, `--standalone` 4,096: each takes a file descriptor.
    /// Own: `connectionsMax`.
    pub connections_max: u32,
    /// Port of the name server that `--standalone` starts. Default 9876. Own: `namesrvListenPort`.
    pub namesrv_listen_port: u16,
}

impl Network {
    /// Ports are checked already.
    pub(super) fn from_values(
        values: &Values,
        machine: &MachineDefaults,
        mode: Mode,
        errors: &mut Vec<ConfigError>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Self {
        let advertised_ip = check_host("brokerIP1", values, machine, errors);
        check_host("brokerIP2", values, machine, errors);
        let is_default = *values.origin("brokerIP1") == Origin::Default;
        if is_default && machine.local_ipv4.is_none() && mode == Mode::Server {
            warnings.push(ConfigWarning::OnlyLoopback);
        }
        Self {
            bind_address: values.ip_address("bindAddress"),
            listen_port: values.number("listenPort"),
            ha_listen_port: values.number("haListenPort"),
            advertised_host: values.text("brokerIP1").to_owned(),
            advertised_ip: advertised_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ha_advertised_host: values.text("brokerIP2").to_owned(),
            idle_timeout: Duration::from_secs(values.number("serverChannelMaxIdleTimeSeconds")),
            connections_max: values.number("connectionsMax"),
            namesrv_listen_port: values.number("namesrvListenPort"),
        }
    }
}

fn check_host(
    key: &'static str,
    values: &Values,
    machine: &MachineDefaults,
    errors: &mut Vec<ConfigError>,
) -> Option<IpAddr> {
    let host = values.text(key);
    let address = host.parse().ok().or_else(|| (machine.resolve)(host));
    let (host, origin) = (host.to_owned(), values.origin(key).clone());
    match address {
        None => errors.push(ConfigError::UnknownHost { key, host, origin }),
        Some(ip) if ip.is_unspecified() => errors.push(ConfigError::UnspecifiedAddress { key, host, origin }),
        Some(_) => {}
    }
    address
}
