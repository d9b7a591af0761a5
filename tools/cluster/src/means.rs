//! What this machine, its kernel and its tools can do. Each is tried, in a namespace that is gone at once.

use rustix::process::getuid;

use crate::error::ClusterError;
use crate::link::{Direction, Drop, rules};
use crate::run_folder::RunFolder;
use crate::small_disk::SmallDisk;
use crate::tool;

const TRIED_DISK_BYTES: u64 = 16 << 20;

/// Each is there, or why it is not.
#[derive(Debug, Clone)]
pub struct Means {
    /// Network namespaces, bridges and pairs of interfaces.
    pub namespaces: Result<(), String>,
    /// A packet filter that cuts links and loses packets.
    pub filter: Result<(), String>,
    /// Delay of packets.
    pub netem: Result<(), String>,
    /// File systems in files.
    pub small_disk: Result<(), String>,
}

impl Means {
    /// Tries all of them.
    #[must_use]
    pub fn look() -> Self {
        if !getuid().is_root() {
            let not_root = Err("only root may".to_owned());
            let [filter, netem, small_disk] = [(); 3].map(|()| not_root.clone());
            return Self { namespaces: not_root, filter, netem, small_disk };
        }
        let tried = |line: &str, input: &str| because(tool::run_with(line, &[], input).map(drop));
        let cut_and_loss = rules(Direction::Both, &Drop::From(&[])) + &rules(Direction::Both, &Drop::Percent(1));
        Self {
            namespaces: tried("unshare --net ip link add bridge type bridge", "")
                .and_then(|()| tried("unshare --net ip link add left type veth peer name right", ""))
                .and_then(|()| tried("ip netns list", "")),
            filter: tried("unshare --net nft -f -", &cut_and_loss),
            netem: tried("unshare --net tc qdisc add dev lo root netem delay 1ms", ""),
            small_disk: because(try_small_disk()),
        }
    }

    /// A line for each that is not there.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let all = [
            ("network namespaces", &self.namespaces),
            ("packet filter (nft)", &self.filter),
            ("delay of packets (tc netem)", &self.netem),
            ("disks of limited size (ext4 on loop devices)", &self.small_disk),
        ];
        all.iter().filter_map(|(what, there)| there.as_ref().err().map(|why| format!("no {what}: {why}"))).collect()
    }
}

fn because(result: Result<(), ClusterError>) -> Result<(), String> {
    result.map_err(|error| error.to_string().replace('\n', " "))
}

fn try_small_disk() -> Result<(), ClusterError> {
    let mut run = RunFolder::begin()?;
    let folder = run.path().to_owned();
    SmallDisk::make(&mut run, &folder, TRIED_DISK_BYTES).map(drop)
}
