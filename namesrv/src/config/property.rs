//! The table of keys: how each is read, shown, or why it does nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;

/// One key of the properties text.
pub(super) struct Property {
    pub(super) key: &'static str,
    pub(super) get: fn(&Config) -> String,
    /// The error says what the key takes.
    pub(super) set: fn(&mut Config, &str) -> Result<(), &'static str>,
}

/// A row for a field whose text form one of the functions below reads and shows.
macro_rules! property {
    ($key:literal, $field:ident, $show:ident, $read:ident) => {
        Property {
            key: $key,
            get: |config| $show(&config.$field),
            set: |config, value| {
                config.$field = $read(value)?;
                Ok(())
            },
        }
    };
}

pub(super) const PROPERTIES: &[Property] = &[
    property!("bindAddress", bind_address, show, read_address),
    property!("configBlackList", config_black_list, show, read_list),
    property!("configStorePath", config_store_path, show_path, read_path),
    property!("deleteTopicWithBrokerRegistration", delete_topic_with_broker_registration, show, read_bool),
    property!("enableAllTopicList", enable_all_topic_list, show, read_bool),
    property!("enableTopicList", enable_topic_list, show, read_bool),
    property!("kvConfigPath", kv_config_path, show_path, read_path),
    property!("listenPort", listen_port, show, read_port),
    property!("metricsExporterType", shows_metrics, show_exporter, read_exporter),
    property!("metricsPromExporterHost", metrics_address, show_optional, read_optional_address),
    property!("metricsPromExporterPort", metrics_port, show_auto, read_auto_port),
    property!("needWaitForService", need_wait_for_service, show, read_bool),
    property!("orderMessageEnable", order_message_enable, show, read_bool),
    property!("returnOrderTopicConfigToBroker", return_order_topic_config_to_broker, show, read_bool),
    property!("scanNotActiveBrokerInterval", scan_interval, show_millis, read_millis),
    property!("serverChannelMaxIdleTimeSeconds", idle_max, show_seconds, read_seconds),
    property!("supportActingMaster", support_acting_master, show, read_bool),
    property!("waitSecondsForService", wait_for_service, show_seconds, read_seconds),
];

const ONE_THREAD: &str = "one thread serves all connections";
const NO_QUEUE: &str = "requests are answered as they arrive, there is no queue before them";
const SOCKETS: &str = "the sockets' buffers and limits are the kernel's and the runtime's";
const NO_CONTROLLER: &str = "there is no controller; brokers elect leaders among themselves in Raft mode";
const NO_OUTGOING: &str = "this name server opens no connections";

/// Keys of RocketMQ's name server that do nothing here, and why.
pub(super) const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("clientAsyncSemaphoreValue", NO_OUTGOING),
    ("clientCallbackExecutorThreads", NO_OUTGOING),
    ("clientChannelMaxIdleTimeSeconds", NO_OUTGOING),
    ("clientOnewaySemaphoreValue", NO_OUTGOING),
    ("clientRequestThreadPoolNums", ONE_THREAD),
    ("clientRequestThreadPoolQueueCapacity", NO_QUEUE),
    ("clientWorkerThreads", NO_OUTGOING),
    ("clusterTest", "routes of another cluster are never asked for"),
    ("connectTimeoutMillis", NO_OUTGOING),
    ("controllerDLegerGroup", NO_CONTROLLER),
    ("controllerDLegerPeers", NO_CONTROLLER),
    ("controllerDLegerSelfId", NO_CONTROLLER),
    ("controllerRequestThreadPoolQueueCapacity", NO_CONTROLLER),
    ("controllerStorePath", NO_CONTROLLER),
    ("controllerThreadPoolNums", NO_CONTROLLER),
    ("controllerType", NO_CONTROLLER),
    ("defaultThreadPoolNums", ONE_THREAD),
    ("defaultThreadPoolQueueCapacity", NO_QUEUE),
    ("elasticController", NO_CONTROLLER),
    ("enableControllerInNamesrv", NO_CONTROLLER),
    ("enableElectUncleanMaster", NO_CONTROLLER),
    ("enableShutdownGracefully", "a stopping name server answers what has arrived and closes"),
    ("isProcessReadEvent", NO_CONTROLLER),
    ("mappedFileSize", NO_CONTROLLER),
    ("notifyBrokerRoleChanged", NO_CONTROLLER),
    ("notifyMinBrokerIdChanged", "a broker learns of a changed group from its next registration or 901"),
    ("productEnvName", "it only matters to clusterTest"),
    ("rocketmqHome", "nothing is read from an installation folder"),
    ("scanInactiveMasterInterval", NO_CONTROLLER),
    ("serverAsyncSemaphoreValue", NO_QUEUE),
    ("serverCallbackExecutorThreads", ONE_THREAD),
    ("serverNettyWorkerGroupEnable", ONE_THREAD),
    ("serverOnewaySemaphoreValue", NO_QUEUE),
    ("serverPooledByteBufAllocatorEnable", SOCKETS),
    ("serverSelectorThreads", ONE_THREAD),
    ("serverSocketBacklog", SOCKETS),
    ("serverSocketRcvBufSize", SOCKETS),
    ("serverSocketSndBufSize", SOCKETS),
    ("serverWorkerThreads", ONE_THREAD),
    ("shutdownWaitTimeSeconds", "a stopping name server does not wait"),
    ("unRegisterBrokerQueueCapacity", NO_QUEUE),
    ("useEpollNativeSelector", SOCKETS),
    ("writeBufferHighWaterMark", SOCKETS),
    ("writeBufferLowWaterMark", SOCKETS),
];

/// The known key that takes the fewest edits.
pub(super) fn nearest_key(key: &str) -> &'static str {
    let lower = key.to_lowercase();
    let with_meaning = PROPERTIES.iter().map(|property| property.key);
    let all = with_meaning.chain(WITHOUT_MEANING.iter().map(|(key, _)| *key));
    all.min_by_key(|known| strsim::damerau_levenshtein(&known.to_lowercase(), &lower)).expect("the table is not empty")
}

fn show(value: &impl ToString) -> String {
    value.to_string()
}

fn show_path(path: &std::path::Path) -> String {
    path.display().to_string()
}

fn show_millis(time: &Duration) -> String {
    time.as_millis().to_string()
}

fn show_seconds(time: &Duration) -> String {
    time.as_secs().to_string()
}

fn read_address(value: &str) -> Result<IpAddr, &'static str> {
    value.parse().map_err(|_| "an IP address")
}

fn read_port(value: &str) -> Result<u16, &'static str> {
    value.parse().map_err(|_| "a port, 0 to 65535")
}

fn show_exporter(is_on: &bool) -> String {
    if *is_on { "PROM" } else { "DISABLE" }.to_owned()
}

fn read_exporter(value: &str) -> Result<bool, &'static str> {
    match value {
        "PROM" => Ok(true),
        "DISABLE" => Ok(false),
        _ => Err("PROM or DISABLE"),
    }
}

fn show_optional(value: &Option<IpAddr>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn read_optional_address(value: &str) -> Result<Option<IpAddr>, &'static str> {
    if value.is_empty() { Ok(None) } else { read_address(value).map(Some) }
}

const AUTO: &str = "auto";

fn show_auto(port: &Option<u16>) -> String {
    port.map_or_else(|| AUTO.to_owned(), |port| port.to_string())
}

fn read_auto_port(value: &str) -> Result<Option<u16>, &'static str> {
    if value == AUTO {
        return Ok(None);
    }
    value.parse().ok().filter(|port| *port > 0).map(Some).ok_or("a port, 1 to 65535, or auto")
}

fn read_list(value: &str) -> Result<String, &'static str> {
    Ok(value.to_owned())
}

fn read_path(value: &str) -> Result<PathBuf, &'static str> {
    if value.is_empty() { Err("a path") } else { Ok(PathBuf::from(value)) }
}

fn read_bool(value: &str) -> Result<bool, &'static str> {
    if value.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err("true or false")
    }
}

fn read_millis(value: &str) -> Result<Duration, &'static str> {
    let millis = value.parse::<u32>().ok().filter(|millis| *millis > 0);
    millis.map(|millis| Duration::from_millis(u64::from(millis))).ok_or("a number of milliseconds, at least 1")
}

fn read_seconds(value: &str) -> Result<Duration, &'static str> {
    let seconds = value.parse::<u32>().ok().filter(|seconds| *seconds > 0);
    seconds.map(|seconds| Duration::from_secs(u64::from(seconds))).ok_or("a number of seconds, at least 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once() {
        let with_meaning = PROPERTIES.iter().map(|property| property.key);
        let all: Vec<_> = with_meaning.chain(WITHOUT_MEANING.iter().map(|(key, _)| *key)).collect();
        let once: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), once.len());
    }
}
