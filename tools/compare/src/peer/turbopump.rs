//! Turbopump: one name server, one broker with its shards.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::case::Stage;
use crate::error::CompareError;
use crate::peer::cluster::{Cluster, Launch};
use crate::ports;
use crate::programs::Programs;
use crate::settings::Settings;
use crate::side::Side;

/// Ports of shard i are those of shard 0 plus i times this.
const SHARD_PORT_STEP: i32 = 10;
/// Each shard listens here too, relative to its port, or may.
const SIDE_PORTS: [i32; 3] = [0, -2, 1];
/// Shards of the idle broker.
const IDLE_SHARDS: u16 = 2;
/// Memory for the log where a backlog is to be in memory; the peer's page cache takes whatever is free.
const DRAIN_CACHE_BYTES: u64 = 2 << 30;
/// Shared memory of the host, where the rings belong.
const SHARED_MEMORY: &str = "/dev/shm";

/// A cluster for the cases of `stage`, of ours or of ours without replicas, with its folders made and its configuration written.
/// # Errors
/// A folder or file cannot be written, or no port is free.
pub fn cluster(
    programs: &Programs,
    settings: &Settings,
    side: Side,
    stage: Stage,
    work: &Path,
    first_port: u16,
) -> Result<Cluster, CompareError> {
    let home = work.join(side.folder());
    fs::create_dir_all(&home).map_err(CompareError::file("create", &home))?;
    let shards = if stage == Stage::Idle { IDLE_SHARDS } else { settings.shards };
    let distances: Vec<i32> =
        (0..i32::from(shards)).flat_map(|shard| SIDE_PORTS.map(|side| shard * SHARD_PORT_STEP + side)).collect();
    let name_server_port = ports::free_port_with(first_port, &[0])?;
    let port = ports::free_port_with(name_server_port + 3, &distances)?;
    let rings = rings()?;
    let store = home.join("store");
    let name_server_address = format!("127.0.0.1:{name_server_port}");
    let configuration = configuration(settings, stage, port, &name_server_address, rings.path());
    let file = home.join("broker.conf");
    fs::write(&file, &configuration).map_err(CompareError::file("write", &file))?;
    let mut arguments: Vec<OsString> = vec!["--shards".into(), shards.to_string().into()];
    if stage != Stage::Idle {
        arguments.extend(["--cpus".into(), settings.turbopump_cpus.as_str().into()]);
    }
    arguments.extend(["--store".into(), (&store).into(), "-c".into(), file.into()]);
    Ok(Cluster {
        side,
        stage,
        name_server: Launch {
            name: "mqnamesrv",
            program: programs.mqnamesrv.clone(),
            arguments: vec!["--listen-port".into(), name_server_port.to_string().into()],
            home: home.clone(),
        },
        broker: Launch { name: "mqbroker", program: programs.mqbroker.clone(), arguments, home },
        name_server_address,
        broker_address: format!("127.0.0.1:{port}"),
        configuration,
        store,
        rings: Some(rings),
    })
}

/// A folder in shared memory, gone with its guard.
pub(super) fn rings() -> Result<TempDir, CompareError> {
    let rings = tempfile::Builder::new().prefix("turbopump-compare-").tempdir_in(SHARED_MEMORY);
    rings.map_err(CompareError::file("create a folder in", SHARED_MEMORY))
}

fn configuration(settings: &Settings, stage: Stage, port: u16, name_server: &str, rings: &Path) -> String {
    let flush = if stage == Stage::Sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let mut text = format!(
        "brokerClusterName=DefaultCluster\nbrokerName=broker-a\nbrokerIP1=127.0.0.1\nbindAddress=127.0.0.1\n\
         listenPort={port}\nnamesrvAddr={name_server}\nautoCreateTopicEnable=true\ndefaultTopicQueueNums=8\n\
         deleteWhen=04\nfileReservedTime=48\nflushDiskType={flush}\nshmRingDir={}\n{}",
        rings.display(),
        crate::peer::TRANSFER_LIMITS
    );
    if stage == Stage::Drain {
        let _ = writeln!(text, "logCacheBytes={DRAIN_CACHE_BYTES}");
    }
    for line in &settings.turbopump_set {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_promise_and_its_memory() {
        let settings = Settings { turbopump_set: vec!["shmRingBytes=67108864".to_owned()], ..Settings::usual(1 << 34) };
        let text = |stage| configuration(&settings, stage, 10911, "127.0.0.1:9876", Path::new("/dev/shm/r"));
        assert!(text(Stage::Sync).contains("\nflushDiskType=SYNC_FLUSH\n"));
        assert!(text(Stage::Drain).contains("\nlogCacheBytes=2147483648\n"));
        assert!(!text(Stage::LongLog).contains("logCacheBytes"), "cold reads are cold");
        assert!(text(Stage::Async).ends_with("\nshmRingBytes=67108864\n"), "later lines overrule earlier ones");
    }
}
