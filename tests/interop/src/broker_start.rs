//! Starting `mqbroker --standalone` in whatever way a test wants it, to work or to be refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::binaries;
use crate::live_broker::LiveBroker;
use crate::port_block::PortBlock;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::spawning::child_starts;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Ports of shard i are those of shard 0 plus i times this.
const SHARD_PORT_STEP: u16 = 10;
/// Where in its block of ports shard 0 listens: it also listens two below, and each shard has a port one above.
const SHARD_PORT: u16 = 4;
/// Where in the block the name server listens; there is room for three shards before it.
const NAME_SERVER_PORT: u16 = 30;
/// Where in the block metrics and health are shown.
const ENDPOINT_PORT: u16 = 31;
/// The smallest that holds a message of the default size limit with room to spare, so that starts are quick.
const SEGMENT_BYTES: u32 = 16 << 20;
const RING_BYTES: u32 = 16 << 20;

/// What a broker has on the machine while anything of it is used.
#[derive(Debug)]
pub(crate) struct Reserved {
    ports: PortBlock,
    rings: TempDir,
}

/// Everything that one start of the broker differs in from another. The store, the ports and the folder for rings stay
/// the same over all starts of one value.
#[derive(Debug)]
pub struct BrokerStart {
    home: PathBuf,
    reserved: Arc<Reserved>,
    store: PathBuf,
    properties: BTreeMap<String, String>,
    shards: u16,
    before: Vec<OsString>,
    arguments: Vec<OsString>,
}

impl BrokerStart {
    /// One shard with a store of its own below `scratch`, named `name`.
    ///
    /// # Panics
    /// When there are no ports or folders to be had.
    #[must_use]
    pub fn new(name: &str, scratch: &Scratch) -> Self {
        let home = scratch.folder(name);
        let rings = tempfile::Builder::new().prefix("turbopump-interop-").tempdir_in("/dev/shm");
        let rings = rings.unwrap_or_else(|error| panic!("no folder in /dev/shm for the rings: {error}"));
        let start = Self {
            store: home.join("store"),
            home,
            reserved: Arc::new(Reserved { ports: PortBlock::take(), rings }),
            properties: BTreeMap::new(),
            shards: 1,
            before: Vec::new(),
            arguments: Vec::new(),
        };
        let (port, name_server_port, endpoint_port) = (start.port(), start.name_server_port(), start.endpoint().port());
        let rings = start.rings().display().to_string();
        start
            .set("brokerName", name)
            .set("listenPort", port)
            .set("namesrvListenPort", name_server_port)
            .set("metricsPromExporterPort", endpoint_port)
            .set("mappedFileSizeCommitLog", SEGMENT_BYTES)
            .set("shmRingBytes", RING_BYTES)
            .set("shmRingDir", rings)
    }

    /// The same with a line in its configuration file.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.properties.insert(key.to_owned(), value.to_string());
        self
    }

    /// The same without a line in its configuration file: the property's default holds.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.properties.remove(key);
        self
    }

    /// The same with this many shards.
    #[must_use]
    pub fn shards(mut self, count: u16) -> Self {
        self.shards = count;
        self
    }

    /// The same on another store folder.
    #[must_use]
    pub fn store_at(mut self, store: &Path) -> Self {
        self.store = store.to_owned();
        self
    }

    /// The same with one more argument on the command line.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The same, started by another program: `command` comes in front of the broker's own path.
    #[must_use]
    pub fn under<S: Into<OsString>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.before = command.into_iter().map(Into::into).collect();
        self
    }

    /// The port of shard 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.reserved.ports.port(SHARD_PORT)
    }

    /// The port of the name server in the same process.
    #[must_use]
    pub fn name_server_port(&self) -> u16 {
        self.reserved.ports.port(NAME_SERVER_PORT)
    }

    /// Where metrics and health are shown.
    #[must_use]
    pub fn endpoint(&self) -> SocketAddr {
        loopback(self.reserved.ports.port(ENDPOINT_PORT))
    }

    /// The store's folder.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Folder of the shared-memory rings.
    #[must_use]
    pub fn rings(&self) -> &Path {
        self.reserved.rings.path()
    }

    /// Where shard `index` listens.
    ///
    /// # Panics
    /// For more shards than there are ports for.
    #[must_use]
    pub fn shard_address(&self, index: u16) -> SocketAddr {
        loopback(self.reserved.ports.port(SHARD_PORT + index * SHARD_PORT_STEP))
    }

    /// Starts the broker and waits until it serves.
    ///
    /// # Panics
    /// When it does not, with its output.
    #[must_use]
    pub fn ready(&self) -> LiveBroker {
        let mut process = self.spawn();
        process.wait_for_line("is ready", READY_WITHIN);
        LiveBroker {
            process,
            main: self.shard_address(0),
            fast: loopback(self.port() - 2),
            name_server: loopback(self.name_server_port()),
            store: self.store.clone(),
            _reserved: self.reserved.clone(),
        }
    }

    /// Starts the broker, which must refuse with an error and say why; returns what it says.
    ///
    /// # Panics
    /// When it serves, hangs, panics, or is silent.
    #[must_use]
    pub fn refused(&self) -> String {
        let mut process = self.spawn();
        let status = process.wait_for_end(READY_WITHIN);
        let output = process.output();
        assert_eq!(status.code(), Some(1), "a refused start ends with 1:\n{output}");
        assert!(!output.contains("panicked"), "a refused start is no panic:\n{output}");
        assert!(!output.contains("is ready"), "it served before it refused:\n{output}");
        assert!(output.lines().any(|line| line.starts_with("mqbroker: ")), "it did not say why:\n{output}");
        output
    }

    fn spawn(&self) -> Process {
        let configuration = self.home.join("broker.conf");
        let lines: String = self.properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        fs::write(&configuration, lines).unwrap_or_else(|error| panic!("cannot write {configuration:?}: {error}"));
        let mut words = self.before.clone();
        words.push(binaries::path_of("mqbroker").into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("--standalone").arg("--shards").arg(self.shards.to_string());
        command.arg("--store").arg(&self.store).arg("-c").arg(&configuration).args(&self.arguments);
        command.env("HOME", &self.home).env_remove("NAMESRV_ADDR").env_remove("RUST_LOG").current_dir(&self.home);
        let _starts = child_starts();
        Process::start("mqbroker", &mut command, &self.home.join("mqbroker.out"))
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
