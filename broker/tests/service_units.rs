//! The systemd units and limits below `tuning/` against what the broker asks of a machine, so that they cannot drift apart.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use broker::cli::Args;
use broker::config::{BrokerConfig, MachineDefaults};
use broker::preflight::{
    DirectIo, HostFacts, IoUring, KernelVersion, PreflightReport, PreflightWarning, Requirements, StoreState, decide,
};
use clap::Parser;
use runtime::shard::IO_MEMORY_BYTES;

/// Connections that a name server takes, and room for its other files.
const NAME_SERVER_FILES: u64 = 51_000;

fn tuning() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tuning")
}

/// Settings of a unit's `[Service]` section; those given several times with all their values.
fn service(name: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(tuning().join("systemd").join(name)).unwrap();
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut section = "";
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            section = line;
        } else if section == "[Service]" {
            let (key, value) = line.split_once('=').unwrap();
            settings.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    settings
}

fn only(settings: &BTreeMap<String, Vec<String>>, key: &str) -> String {
    let values = settings.get(key).unwrap_or_else(|| panic!("{key} is missing"));
    assert_eq!(values.len(), 1, "{key}");
    values[0].clone()
}

/// `1G` and `1000000` as systemd reads them.
fn number(text: &str) -> u64 {
    let units = [('K', 10), ('M', 20), ('G', 30)];
    match units.iter().find_map(|(unit, shift)| Some(text.strip_suffix(*unit)?.parse::<u64>().unwrap() << shift)) {
        Some(bytes) => bytes,
        None => text.parse().unwrap(),
    }
}

/// What the broker says about a start with default settings, `shards` shards and these limits.
fn start(shards: u32, open_files: u64, locked_memory: u64) -> PreflightReport {
    let args = Args::parse_from(["mqbroker", "--cpus", "any", "--shards", &shards.to_string()]);
    let (config, _) = BrokerConfig::load(&args.sources(None).unwrap(), MachineDefaults::gather()).unwrap();
    let requirements = Requirements { ring: None, ..Requirements::of(&config, IO_MEMORY_BYTES as u64) };
    let facts = HostFacts {
        kernel: KernelVersion { major: 6, minor: 1 },
        in_container: false,
        seccomp_filter: true,
        may_lock_memory: false,
        locked_memory: Some(locked_memory),
        open_files: Some(open_files),
        memory_bytes: None,
        io_uring: IoUring::Works,
        ports: Vec::new(),
        store: StoreState::Writable { direct_io: DirectIo::Works, free_bytes: u64::MAX },
        shared_memory: None,
    };
    decide(&requirements, &facts)
}

fn is_short_of_files(report: &PreflightReport) -> bool {
    report.warnings.iter().any(|warning| matches!(warning, PreflightWarning::OpenFilesLow { .. }))
}

#[test]
fn the_brokers_limits_are_enough_for_as_many_shards_as_they_say() {
    let unit = service("mqbroker.service");
    let files = number(&only(&unit, "LimitNOFILE"));
    let memory = number(&only(&unit, "LimitMEMLOCK"));
    let sixty = start(60, files, memory);
    assert_eq!((sixty.errors.len(), sixty.warnings), (0, vec![]));
    assert!(is_short_of_files(&start(61, files, memory)), "the comments say 60");
    let most = start(256, u64::MAX, memory);
    assert_eq!(most.warnings, [], "locked memory for as many shards as a process can have");
    let text = fs::read_to_string(tuning().join("systemd/mqbroker.service")).unwrap();
    assert!(text.contains("60 shards with the default connectionsMax"));
}

#[test]
fn the_name_servers_limits_are_enough_for_its_connections_and_its_one_thread() {
    let unit = service("mqnamesrv.service");
    assert!(number(&only(&unit, "LimitNOFILE")) >= NAME_SERVER_FILES);
    assert!(number(&only(&unit, "LimitMEMLOCK")) >= 3 * IO_MEMORY_BYTES as u64);
}

#[test]
fn logins_get_the_limits_that_the_broker_gets_as_a_service() {
    let unit = service("mqbroker.service");
    let text = fs::read_to_string(tuning().join("limits.d/90-turbopump.conf")).unwrap();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    for who in ["*", "root"] {
        let limit = |what: &str| {
            let line = lines.iter().find(|line| line[0] == who && line[1] == "-" && line[2] == what).unwrap();
            line[3].parse::<u64>().unwrap()
        };
        assert_eq!(limit("nofile"), number(&only(&unit, "LimitNOFILE")));
        assert_eq!(limit("memlock") * 1024, number(&only(&unit, "LimitMEMLOCK")));
    }
}

#[test]
fn nothing_in_the_units_takes_the_ring_away() {
    for name in ["mqbroker.service", "mqnamesrv.service"] {
        let unit = service(name);
        assert_eq!(only(&unit, "RemoveIPC"), "no", "{name}: it removes the user's files in /dev/shm");
        assert_eq!(only(&unit, "User"), "turbopump", "the two services share a user, so either could remove the ring");
        for forbidden in
            ["DynamicUser", "TemporaryFileSystem", "InaccessiblePaths", "ReadOnlyPaths", "RootDirectory", "RootImage"]
        {
            assert!(!unit.contains_key(forbidden), "{name}: {forbidden}");
        }
    }
}

#[test]
fn both_units_are_hardened_alike_and_let_io_uring_through() {
    let (broker, name_server) = (service("mqbroker.service"), service("mqnamesrv.service"));
    let own = ["ExecStart", "Environment", "StateDirectory", "TimeoutStopSec", "LimitNOFILE", "LimitMEMLOCK"];
    for (key, values) in &broker {
        if !own.contains(&key.as_str()) {
            assert_eq!(Some(values), name_server.get(key), "{key}");
        }
    }
    for (key, value) in [
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("Restart", "on-failure"),
    ] {
        assert_eq!(only(&broker, key), value);
    }
    let allowed = broker["SystemCallFilter"].join(" ");
    let names: Vec<&str> = allowed.split_whitespace().collect();
    for call in ["@system-service", "io_uring_setup", "io_uring_enter", "io_uring_register"] {
        assert!(names.contains(&call), "{call}");
    }
    assert!(!allowed.contains('~'), "a filter that takes away: {allowed}");
    assert!(
        !broker.contains_key("CPUQuota") && !broker.contains_key("ProcSubset"),
        "the broker reads /proc and pins itself"
    );
}

#[test]
fn the_broker_is_told_to_keep_its_store_where_it_may_write() {
    let unit = service("mqbroker.service");
    let start = only(&unit, "ExecStart");
    let folder = format!("/var/lib/{}", only(&unit, "StateDirectory"));
    let mut words = start.split_whitespace();
    let args = Args::try_parse_from(&mut words).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(args.store, Some(folder));
    assert_eq!(args.config_file, Some("/etc/turbopump/broker.conf".into()));
}

/// systemd's own opinion, where it is installed: unknown settings and misspelt values are warnings that nobody reads later.
#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command.arg("verify");
    for name in ["mqbroker.service", "mqnamesrv.service"] {
        let text = fs::read_to_string(tuning().join("systemd").join(name)).unwrap();
        // The programs need not be installed here.
        let with_any_program = |line: &str| {
            if line.starts_with("ExecStart=") { "ExecStart=/bin/true".to_owned() } else { line.to_owned() }
        };
        let text: Vec<String> = text.lines().map(with_any_program).collect();
        fs::write(folder.path().join(name), text.join("\n") + "\n").unwrap();
        command.arg(folder.path().join(name));
    }
    let Ok(output) = command.output() else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    let about_us: Vec<&str> =
        said.lines().filter(|line| line.contains("mqbroker.service") || line.contains("mqnamesrv.service")).collect();
    assert!(about_us.is_empty(), "{about_us:#?}");
}

#[test]
fn a_broker_that_is_stopped_has_time_to_hand_its_leads_over() {
    let broker = service("mqbroker.service");
    let seconds: u64 = only(&broker, "TimeoutStopSec").parse().unwrap();
    // 3 s to hand over, 31 s for clients with an old route, and what a broker that stands alone gets.
    assert!(seconds >= 3 + 31 + 90, "{seconds}");
}
