//! Defaults that the table cannot hold, because they depend on the machine, the mode or other values.

use std::path::PathBuf;

use super::machine_defaults::MachineDefaults;
use super::parse::cpu_choice::CpuChoice;
use super::parse::name_servers::{NameServerAddress, NameServers};
use super::property::{Kind, Value};
use super::property_table::{self, SHARDS_MAX};
use super::sources::{Mode, Origin};
use super::values::Entry;
use crate::placement::one_per_core;

/// Folder of the store; the `~` is the user's home.
const STORE_FOLDER: &str = "~/store";
/// Not `~/store`: a trial must not touch the store of a RocketMQ or Turbopump broker of the same user.
const STORE_FOLDER_STANDALONE: &str = "~/turbopump";
/// A trial leaves processors to what it is tried with.
const SHARDS_STANDALONE_MAX: usize = 2;
const LOG_CACHE_BYTES: i64 = 256 << 20;
const LOG_CACHE_BYTES_STANDALONE: i64 = 64 << 20;
const CONNECTIONS_MAX: i64 = 16_384;
const CONNECTIONS_MAX_STANDALONE: i64 = 4_096;

/// In this order: `shards` looks at a list of `cpus` that somebody gave, the default of `cpus` at `shards`.
const DERIVED: [&str; 12] = [
    "brokerIP1",
    "brokerIP2",
    "brokerName",
    "connectionsMax",
    "haListenPort",
    "logCacheBytes",
    "metricsPromExporterHost",
    "namesrvAddr",
    "shards",
    "cpus",
    "storePathRootDir",
    "storePathCommitLog",
];

/// Gives a value to every derived row that nobody set. All other rows have theirs already.
pub(super) fn fill(set: &mut [Option<Entry>], mode: Mode, machine: &MachineDefaults) {
    for name in DERIVED {
        let index = row(name);
        // RocketMQ's own files say 0 for "the default".
        let asks_for_default = name == "haListenPort" && int(set, name) == Some(0);
        if set[index].is_none() || asks_for_default {
            set[index] = Some(Entry { value: derive(name, set, mode, machine), origin: Origin::Default });
        }
    }
    if mode == Mode::Standalone {
        add_own_name_server(set);
    }
}

fn derive(name: &str, set: &[Option<Entry>], mode: Mode, machine: &MachineDefaults) -> Value {
    let standalone = mode == Mode::Standalone;
    let by_mode = |server: i64, alone: i64| Value::Int(if standalone { alone } else { server });
    match name {
        "brokerIP1" | "brokerIP2" => {
            let reachable = machine.local_ipv4.filter(|_| !standalone);
            Value::Text(reachable.map_or_else(|| "127.0.0.1".to_owned(), |address| address.to_string()))
        }
        "brokerName" => Value::Text(raft_group(set).unwrap_or_else(|| name_from(&machine.host_name))),
        "connectionsMax" => by_mode(CONNECTIONS_MAX, CONNECTIONS_MAX_STANDALONE),
        "cpus" => Value::Cpus(cpus(set, mode, machine)),
        "haListenPort" => Value::Int(int(set, "listenPort").map_or(0, |port| port + 1)),
        "logCacheBytes" => by_mode(LOG_CACHE_BYTES, LOG_CACHE_BYTES_STANDALONE),
        "metricsPromExporterHost" => Value::Text(bind_address(set)),
        "namesrvAddr" => Value::NameServers(NameServers(Vec::new())),
        "shards" => Value::Int(shards(set, mode, machine)),
        "storePathCommitLog" => Value::Path(root(set).join("commitlog")),
        "storePathRootDir" => Value::Path(if standalone { STORE_FOLDER_STANDALONE } else { STORE_FOLDER }.into()),
        _ => unreachable!("{name} is no derived row"),
    }
}

/// The group's name is the broker name of all its nodes, as RocketMQ's users write it into their files twice.
fn raft_group(set: &[Option<Entry>]) -> Option<String> {
    let value = |name: &str| set[row(name)].as_ref().map(|entry| &entry.value);
    let Some(Value::Bool(true)) = value("enableDLegerCommitLog") else { return None };
    let Some(Value::Text(group)) = value("dLegerGroup") else { return None };
    (!group.is_empty()).then(|| group.clone())
}

/// A host name as broker name; what a name cannot hold becomes `-`.
fn name_from(host_name: &str) -> String {
    const HOST_NAME_CHARS_MAX: usize = 30; // of up to four bytes: within the bound of a name
    let fitting = |c: char| if Kind::Name.parse(&c.to_string()).is_ok() { c } else { '-' };
    host_name.chars().map(fitting).take(HOST_NAME_CHARS_MAX).collect()
}

/// Pinned, one processor of each physical core of the mask, unless that would be wrong: under a CPU quota several
/// containers share the same processors and would all meet on the first ones, and so would several brokers that somebody
/// tries out.
fn cpus(set: &[Option<Entry>], mode: Mode, machine: &MachineDefaults) -> CpuChoice {
    let under_quota = machine.cpus_usable < machine.cpus.len();
    if mode == Mode::Standalone || under_quota {
        return CpuChoice::Any;
    }
    let shards = int(set, "shards").and_then(|shards| usize::try_from(shards).ok());
    let cores = one_per_core(&machine.topology, &machine.cpus);
    CpuChoice::List(cores.iter().copied().take(shards.unwrap_or(cores.len())).collect())
}

/// As many as there are physical cores: a hyper-thread sibling adds little to a core that a shard keeps busy.
fn shards(set: &[Option<Entry>], mode: Mode, machine: &MachineDefaults) -> i64 {
    let usable = one_per_core(&machine.topology, &machine.cpus).len().min(machine.cpus_usable);
    let shards = match set[row("cpus")].as_ref().map(|entry| &entry.value) {
        Some(Value::Cpus(CpuChoice::List(cpus))) => cpus.len(),
        _ if mode == Mode::Standalone => usable.min(SHARDS_STANDALONE_MAX),
        _ => usable,
    };
    i64::try_from(shards).unwrap_or(i64::MAX).clamp(1, i64::from(SHARDS_MAX))
}

/// `--standalone` registers at its own name server first, then at those that somebody named.
fn add_own_name_server(set: &mut [Option<Entry>]) {
    let port = int(set, "namesrvListenPort").and_then(|port| u16::try_from(port).ok());
    let (Some(port), Some(entry)) = (port, set[row("namesrvAddr")].as_mut()) else { return };
    if let Value::NameServers(named) = &mut entry.value {
        let mut servers = NameServers(vec![NameServerAddress { host: "127.0.0.1".to_owned(), port }]);
        named.0.drain(..).for_each(|address| servers.add(address));
        *named = servers;
    }
}

fn row(name: &str) -> usize {
    property_table::position(name).unwrap_or_else(|| unreachable!("{name} is a row of the table"))
}

fn int(set: &[Option<Entry>], name: &str) -> Option<i64> {
    let entry = set[row(name)].as_ref()?;
    if let Value::Int(value) = entry.value { Some(value) } else { None }
}

fn bind_address(set: &[Option<Entry>]) -> String {
    set[row("bindAddress")].as_ref().map_or_else(String::new, |entry| entry.value.to_string())
}

fn root(set: &[Option<Entry>]) -> PathBuf {
    let Some(Entry { value: Value::Path(root), .. }) = &set[row("storePathRootDir")] else {
        unreachable!("the root is derived before what lies below it")
    };
    root.clone()
}
