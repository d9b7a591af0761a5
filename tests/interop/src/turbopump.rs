//! Our broker as a process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::binaries;
use crate::ports;
use crate::process::Process;
use crate::registration::wait_until_registered;
use crate::scratch::Scratch;
use crate::target::Target;

/// Ports of shard i are those of shard 0 plus i times this.
const SHARD_PORT_STEP: i32 = 10;
/// Each shard listens here too, relative to its port: what clients derive for urgent requests, and the slaves' port.
const SIDE_PORTS: [i32; 2] = [-2, 1];
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Small, so that tests of a minute roll segments too.
const SEGMENT_BYTES: u32 = 64 << 20;

/// When the broker acknowledges; RocketMQ: `flushDiskType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// From memory that outlives the process.
    Async,
    /// As `Async`, on a machine that has no such memory: when the direct write is done.
    AsyncWithoutRing,
    /// When the data is on stable storage.
    Sync,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of shard 0; the others add `-1`, `-2` ….
    pub name: String,
    /// Broker groups of the process.
    pub shards: u16,
    /// Promise of an acknowledgement.
    pub flush: Flush,
    /// Name servers to register with; none: one in the same process, `--standalone`.
    pub name_servers: Option<String>,
    /// Further lines of the configuration file.
    pub properties: &'static str,
}

impl Settings {
    /// Name server and two shards in one process.
    #[must_use]
    pub fn standalone() -> Self {
        Self { name: "turbopump".to_owned(), shards: 2, flush: Flush::Async, name_servers: None, properties: "" }
    }

    /// Two shards that register with name servers given as `host:port;host:port`.
    #[must_use]
    pub fn beside(name_servers: &str) -> Self {
        Self { name_servers: Some(name_servers.to_owned()), ..Self::standalone() }
    }
}

/// A running broker of ours. Stopped for good when dropped.
#[derive(Debug)]
pub struct Turbopump {
    process: Process,
    settings: Settings,
    configuration: PathBuf,
    home: PathBuf,
    log: PathBuf,
    rings: TempDir,
    target: Target,
}

impl Drop for Turbopump {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the broker's last words:\n{}", self.process.tail());
        }
    }
}

impl Turbopump {
    /// Starts a broker on free ports with a store below `scratch`, and waits until clients can use it.
    ///
    /// # Panics
    /// When it does not get ready, with its output.
    #[must_use]
    pub fn start(settings: &Settings, scratch: &Scratch) -> Self {
        let shards = i32::from(settings.shards);
        let distances: Vec<i32> = (0..shards)
            .flat_map(|i| [0, SIDE_PORTS[0], SIDE_PORTS[1]].map(|side| i * SHARD_PORT_STEP + side))
            .collect();
        let port = ports::free_port_with(&distances);
        let name_server_port = ports::free_port();
        let home = scratch.folder(&settings.name);
        let rings = tempfile::Builder::new().prefix("turbopump-interop-").tempdir_in("/dev/shm");
        let rings = rings.unwrap_or_else(|error| panic!("no folder in /dev/shm for the rings: {error}"));
        let configuration = home.join("broker.conf");
        let text = properties(settings, port, name_server_port, rings.path());
        fs::write(&configuration, text).unwrap_or_else(|error| panic!("cannot write {configuration:?}: {error}"));

        let brokers: BTreeMap<String, String> = (0..settings.shards)
            .map(|i| {
                let name = if i == 0 { settings.name.clone() } else { format!("{}-{i}", settings.name) };
                (name, format!("127.0.0.1:{}", i32::from(port) + i32::from(i) * SHARD_PORT_STEP))
            })
            .collect();
        let own_name_server = format!("127.0.0.1:{name_server_port}");
        let target = Target { name_servers: settings.name_servers.clone().unwrap_or(own_name_server), brokers };
        let log = home.join("mqbroker.out");
        let settings = settings.clone();
        let process = spawn(&settings, &configuration, &home, &log);
        let mut broker = Self { process, settings, configuration, home, log, rings, target };
        broker.wait_until_ready();
        broker
    }

    /// Waits until the process says it serves.
    ///
    /// # Panics
    /// When it does not within a minute, with its output.
    pub fn wait_until_ready(&mut self) {
        self.process.wait_for_line("is ready", READY_WITHIN);
    }

    /// As [`Turbopump::start`] with [`Settings::standalone`], registered and all.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn standalone(scratch: &Scratch) -> Self {
        let broker = Self::start(&Settings::standalone(), scratch);
        wait_until_registered(&broker.target);
        broker
    }

    /// What to point clients at.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Number of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Folder of the shared-memory rings of this broker, and of nobody else.
    #[must_use]
    pub fn ring_folder(&self) -> &Path {
        self.rings.path()
    }

    /// SIGKILL.
    pub fn kill_nine(&mut self) {
        self.process.kill_nine();
    }

    /// SIGTERM, and its end with code 0.
    ///
    /// # Panics
    /// When it ends otherwise, or not in time.
    pub fn terminate(&mut self) {
        self.terminate_within(READY_WITHIN);
    }

    /// The same with a limit of its own: of a store with many queues the last checkpoint takes long.
    ///
    /// # Panics
    /// When it ends otherwise, or not in time.
    pub fn terminate_within(&mut self, limit: Duration) {
        let status = self.process.terminate(limit);
        assert!(status.success(), "mqbroker ended with {status} after SIGTERM\n{}", self.process.tail());
    }

    /// The same command again, on the same store and ports. Does not wait for it.
    ///
    /// # Panics
    /// When the last one still runs.
    pub fn start_again(&mut self) {
        assert!(self.process.ended().is_some(), "two brokers would share a store");
        self.process = spawn(&self.settings, &self.configuration, &self.home, &self.log);
    }

    /// Whether the process runs; a broker that refuses to start does not.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Output of the process since its last start.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn spawn(settings: &Settings, configuration: &Path, home: &Path, log: &Path) -> Process {
    let mut command = Command::new(binaries::path_of("mqbroker"));
    if settings.name_servers.is_none() {
        command.arg("--standalone");
    }
    command.arg("--shards").arg(settings.shards.to_string());
    command.arg("--store").arg(home.join("store")).arg("-c").arg(configuration);
    command.env("HOME", home).env_remove("NAMESRV_ADDR").current_dir(home);
    Process::start("mqbroker", &mut command, log)
}

/// A configuration file as RocketMQ's users write it.
fn properties(settings: &Settings, port: u16, name_server_port: u16, rings: &Path) -> String {
    let flush = if settings.flush == Flush::Sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let mut text = format!(
        "brokerClusterName=DefaultCluster\nbrokerName={}\nbrokerIP1=127.0.0.1\nlistenPort={port}\n\
         flushDiskType={flush}\nmappedFileSizeCommitLog={SEGMENT_BYTES}\nshmRingDir={}\n",
        settings.name,
        rings.display()
    );
    let last = match &settings.name_servers {
        Some(name_servers) => format!("namesrvAddr={name_servers}\n"),
        None => format!("namesrvListenPort={name_server_port}\n"),
    };
    text.push_str(&last);
    text.push_str(settings.properties);
    if settings.flush == Flush::AsyncWithoutRing {
        writeln!(text, "shmRingBytes=0").expect("a string takes all");
    }
    text
}
