//! A cluster that runs.

use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::interrupt::Interrupt;
use crate::peer::cluster::Cluster;
use crate::peer::ready_probe;
use crate::side::Side;
use crate::store_folder;

const NAME_SERVER_LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// With a long log, too.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// Apache's broker flushes everything before it ends.
const STOPS_WITHIN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);

/// A running broker with its name server. Dropping it kills both and deletes the store.
#[derive(Debug)]
pub struct Broker {
    cluster: Cluster,
    // Before the name server: what is dropped first must not log that it lost the other.
    process: ChildProcess,
    pids: [u32; 1],
    _name_server: ChildProcess,
    interrupt: Interrupt,
    ready_after: Duration,
}

impl Broker {
    /// Starts both, and waits until a client's send is acknowledged.
    /// # Errors
    /// One of them does not start, ends, or takes too long.
    pub fn start(cluster: Cluster, interrupt: &Interrupt) -> Result<Self, CompareError> {
        let mut name_server = cluster.name_server.start(interrupt)?;
        wait_until_listening(&mut name_server, &cluster.name_server_address, interrupt)?;
        let (process, ready_after) = start(&cluster, interrupt)?;
        let pids = [process.pid()];
        Ok(Self { cluster, process, pids, _name_server: name_server, interrupt: interrupt.clone(), ready_after })
    }

    /// From the start of the process to the first acknowledged send.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// How it was started.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Whose it is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.cluster.side
    }

    /// What clients are pointed at, as `host:port`.
    #[must_use]
    pub fn name_servers(&self) -> &str {
        &self.cluster.name_server_address
    }

    /// The broker's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pids[0]
    }

    /// All processes whose work is the broker's: one.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// The folder of its messages.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.cluster.store
    }

    /// # Errors
    /// The broker has ended.
    pub fn expect_running(&mut self) -> Result<(), CompareError> {
        self.process.expect_running()
    }

    /// SIGKILL to the broker, and its end. The name server stays.
    /// # Errors
    /// It cannot be waited for.
    pub fn kill_nine(&mut self) -> Result<(), CompareError> {
        self.process.kill_nine()
    }

    /// SIGTERM to the broker, and its end. The name server stays.
    /// # Errors
    /// It does not end in time.
    pub fn stop(&mut self) -> Result<(), CompareError> {
        self.process.terminate(STOPS_WITHIN)
    }

    /// Starts the broker that was killed or stopped again, on the same store, and waits until it is ready.
    /// # Errors
    /// It does not get ready.
    pub fn start_again(&mut self) -> Result<(), CompareError> {
        let (process, ready_after) = start(&self.cluster, &self.interrupt)?;
        (self.pids, self.process, self.ready_after) = ([process.pid()], process, ready_after);
        Ok(())
    }

    /// Kills both, and deletes the store: nothing is left that a polite end would be for.
    /// # Errors
    /// The store cannot be deleted.
    pub fn finish(mut self) -> Result<(), CompareError> {
        self.kill_nine()?;
        store_folder::remove(&self.cluster.store)
    }
}

impl Drop for Broker {
    /// After a failure or an interrupt too, no store of many gigabytes stays behind.
    fn drop(&mut self) {
        let _ = self.kill_nine();
        let _ = store_folder::remove(&self.cluster.store);
    }
}

fn start(cluster: &Cluster, interrupt: &Interrupt) -> Result<(ChildProcess, Duration), CompareError> {
    let began = Instant::now();
    let mut process = cluster.broker.start(interrupt)?;
    ready_probe::wait_until_ready(&mut process, cluster, interrupt, READY_WITHIN)?;
    Ok((process, began.elapsed()))
}

pub(super) fn wait_until_listening(
    name_server: &mut ChildProcess,
    address: &str,
    interrupt: &Interrupt,
) -> Result<(), CompareError> {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        name_server.expect_running()?;
        interrupt.check()?;
        if began.elapsed() > NAME_SERVER_LISTENS_WITHIN {
            return Err(name_server.late("listening", NAME_SERVER_LISTENS_WITHIN));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
