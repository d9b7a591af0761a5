//! How shards register with name servers.

use std::time::Duration;

use super::error::ConfigWarning;
use super::parse::name_servers::NameServers;
use super::values::Values;

/// How shards register with name servers.
#[derive(Debug, Clone)]
pub struct Registration {
    /// All of them, every shard registers with each. Default: the environment variable `NAMESRV_ADDR`; `--standalone`
    /// its own first. RocketMQ: `namesrvAddr`.
    pub name_servers: NameServers,
    /// Time between registrations. Default 30 s, moved into 10 s to 60 s: name servers forget after 120 s.
    /// RocketMQ: `registerNameServerPeriod`.
    pub period: Duration,
    /// Time for an answer. Default 24 s. RocketMQ: `registerBrokerTimeoutMills`.
    pub timeout: Duration,
    /// Sends the topic table compressed. Default false. RocketMQ: `compressedRegister`.
    pub compressed: bool,
}

impl Registration {
    pub(super) fn from_values(values: &Values, warnings: &mut Vec<ConfigWarning>) -> Self {
        let name_servers = values.name_servers("namesrvAddr").clone();
        if name_servers.0.is_empty() {
            warnings.push(ConfigWarning::NoNameServer);
        }
        Self {
            name_servers,
            period: values.millis("registerNameServerPeriod"),
            timeout: values.millis("registerBrokerTimeoutMills"),
            compressed: values.bool("compressedRegister"),
        }
    }
}
