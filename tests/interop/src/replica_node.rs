//! One node of a replicated broker as a process.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::binaries;
use crate::host::Host;
use crate::port_block::PortBlock;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::unread::unread_bytes;

/// Ports of shard i are those of shard 0 plus i times this.
const SHARD_PORT_STEP: u16 = 10;
/// Where in the node's block of ports shard 0 listens for clients; it also listens two below, and its slaves' port is one
/// above.
const CLIENT_PORT: u16 = 4;
/// Where shard 0 listens for the other replicas.
const REPLICA_PORT: u16 = 7;
/// Where metrics are shown.
const ENDPOINT_PORT: u16 = 31;
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The smallest, so that tests of seconds roll segments too.
const SEGMENT_BYTES: u32 = 1 << 20;
const MESSAGE_BYTES_MAX: u32 = 1 << 19;
const RING_BYTES: u32 = 16 << 20;

/// A node: its ports, its store and its rings stay the same over all its processes. Killed for good when dropped.
#[derive(Debug)]
pub struct ReplicaNode {
    /// Its number `i` in `dLegerSelfId=n<i>`.
    number: u16,
    host: Host,
    ports: PortBlock,
    home: PathBuf,
    store: PathBuf,
    rings: TempDir,
    shards: u16,
    process: Option<Process>,
}

impl ReplicaNode {
    /// A node that does not run yet.
    ///
    /// # Panics
    /// When there are no ports or folders to be had.
    #[must_use]
    pub fn new(name: &str, number: u16, shards: u16, scratch: &Scratch) -> Self {
        let rings = tempfile::Builder::new().prefix("turbopump-interop-").tempdir_in("/dev/shm");
        let rings = rings.unwrap_or_else(|error| panic!("no folder in /dev/shm for the rings: {error}"));
        let home = scratch.folder(&format!("{name}-n{number}"));
        let store = home.join("store");
        Self { number, host: Host::loopback(), ports: PortBlock::take(), home, store, rings, shards, process: None }
    }

    /// The same on another host.
    #[must_use]
    pub fn on(self, host: Host) -> Self {
        Self { host, ..self }
    }

    /// The same with its store on a disk that is mounted in [`Self::home`] or anywhere else.
    #[must_use]
    pub fn storing_in(self, store: PathBuf) -> Self {
        Self { store, ..self }
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Folder of everything that it writes.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Folder of its rings.
    #[must_use]
    pub fn rings(&self) -> &Path {
        self.rings.path()
    }

    /// Writes its configuration: what tells it from the others of its group, and `further`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn configure(&self, further: &BTreeMap<String, String>) {
        let own = [
            ("brokerIP1", self.host.ip().to_string()),
            ("listenPort", self.ports.port(CLIENT_PORT).to_string()),
            ("enableDLegerCommitLog", "true".to_owned()),
            ("dLegerSelfId", format!("n{}", self.number)),
            ("metricsPromExporterPort", self.ports.port(ENDPOINT_PORT).to_string()),
            ("mappedFileSizeCommitLog", SEGMENT_BYTES.to_string()),
            ("maxMessageSize", MESSAGE_BYTES_MAX.to_string()),
            ("shmRingBytes", RING_BYTES.to_string()),
            ("shmRingDir", self.rings.path().display().to_string()),
        ];
        let mut properties: BTreeMap<&str, &str> = own.iter().map(|(key, value)| (*key, value.as_str())).collect();
        properties.extend(further.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        // An empty value: as if it were not there.
        properties.retain(|_, value| !value.is_empty());
        let lines: String = properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let path = self.configuration();
        fs::write(&path, lines).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Its entry in `dLegerPeers`.
    #[must_use]
    pub fn peer(&self) -> String {
        format!("n{}-{}", self.number, self.replica_address(0))
    }

    /// Where shard `shard` serves clients.
    #[must_use]
    pub fn address(&self, shard: u16) -> SocketAddr {
        self.host.at(self.ports.port(CLIENT_PORT + shard * SHARD_PORT_STEP))
    }

    /// Where shard `shard` listens for the other replicas.
    #[must_use]
    pub fn replica_address(&self, shard: u16) -> SocketAddr {
        self.host.at(self.ports.port(REPLICA_PORT + shard * SHARD_PORT_STEP))
    }

    /// Where its metrics are shown.
    #[must_use]
    pub fn endpoint(&self) -> SocketAddr {
        self.host.at(self.ports.port(ENDPOINT_PORT))
    }

    /// `brokerId` while it does not lead.
    #[must_use]
    pub fn slave_id(&self) -> i64 {
        i64::from(self.number) + 1
    }

    /// Folder of a shard's log segments.
    #[must_use]
    pub fn log_folder(&self, shard: u16) -> PathBuf {
        self.store.join(format!("shard-{shard}")).join("commitlog")
    }

    /// Starts a process. Does not wait for it.
    ///
    /// # Panics
    /// When the last one still runs.
    pub fn start(&mut self) {
        assert!(!self.is_running(), "two processes would share a store");
        let mut command = self.host.command(&binaries::path_of("mqbroker"));
        command.arg("--shards").arg(self.shards.to_string()).arg("--store").arg(&self.store);
        command.arg("-c").arg(self.configuration()).current_dir(&self.home);
        command.env("HOME", &self.home).env_remove("NAMESRV_ADDR").env_remove("RUST_LOG");
        self.process = Some(Process::start(&format!("n{}", self.number), &mut command, &self.output_path()));
    }

    /// Waits until the process says it serves.
    ///
    /// # Panics
    /// When it does not within a minute, with its output.
    pub fn wait_until_ready(&mut self) {
        self.process_mut().wait_for_line("is ready", READY_WITHIN);
    }

    /// Whether a process runs, be it stopped.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// What others have sent to it that it has not read yet.
    pub fn unread_bytes(&mut self) -> u64 {
        unread_bytes(self.process_mut().pid())
    }

    /// SIGKILL, and its end.
    pub fn kill_nine(&mut self) {
        self.process_mut().kill_nine();
    }

    /// SIGSTOP.
    pub fn pause(&mut self) {
        self.process_mut().pause();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.process_mut().resume();
    }

    /// SIGTERM, and its end with code 0.
    ///
    /// # Panics
    /// When it ends otherwise, or not in time.
    pub fn terminate(&mut self) {
        let number = self.number;
        let process = self.process_mut();
        let status = process.terminate(READY_WITHIN);
        assert!(status.success(), "n{number} ended with {status} after SIGTERM\n{}", process.tail());
    }

    /// A machine's crash takes what its memory held: the rings are gone.
    ///
    /// # Panics
    /// When its process runs, or a file cannot be removed.
    pub fn lose_memory(&mut self) {
        assert!(!self.is_running(), "the machine of a process that runs has not crashed");
        let removed = fs::read_dir(self.rings.path())
            .and_then(|mut rings| rings.try_for_each(|ring| ring.and_then(|ring| fs::remove_file(ring.path()))));
        removed.unwrap_or_else(|error| panic!("cannot remove the rings of n{}: {error}", self.number));
    }

    /// The store is gone, as with a new disk.
    ///
    /// # Panics
    /// When its process runs, or the store cannot be removed.
    pub fn lose_disk(&mut self) {
        assert!(!self.is_running(), "a disk that is in use is not replaced");
        let removed = fs::remove_dir_all(&self.store);
        removed.unwrap_or_else(|error| panic!("cannot remove {}: {error}", self.store.display()));
    }

    /// What all its processes have written so far.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output_path()).unwrap_or_default()).into_owned()
    }

    fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().unwrap_or_else(|| panic!("n{} was never started", self.number))
    }

    fn configuration(&self) -> PathBuf {
        self.home.join("broker.conf")
    }

    fn output_path(&self) -> PathBuf {
        Path::new(&self.home).join("mqbroker.out")
    }
}
