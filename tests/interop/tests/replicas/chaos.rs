//! One fault after the other, drawn from a seed, as long as somebody wants to watch.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interop::cluster_view::ClusterView;
use interop::log_copies::{expect_identical, wait_until_all_have_it};
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::send_ledger::SendLedger;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SECONDS: u64 = 120;
const UNDER_WAY: usize = 8;
/// Between two looks whether to go on, so that what has to be read at the end stays little.
const BREATH: Duration = Duration::from_millis(2);
const AWAY_MS_MAX: u64 = 2500;

/// What happens to nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// They die one after the other and come back.
    Kill { nodes: Vec<usize>, away_ms: u64 },
    /// One stands still.
    Pause { node: usize, away_ms: u64 },
    /// One dies, and its machine's memory with it.
    Crash { node: usize, away_ms: u64 },
    /// One dies and gets a new disk.
    Wipe { node: usize, away_ms: u64 },
    /// One ends in order.
    Terminate { node: usize },
}

impl Fault {
    fn draw(random: &mut StdRng) -> Self {
        let (node, away_ms) = (random.random_range(0..3), random.random_range(0..AWAY_MS_MAX));
        match random.random_range(0..10) {
            0..=2 => Self::Kill { nodes: vec![node], away_ms },
            3 => Self::Kill { nodes: vec![node, (node + random.random_range(1..3)) % 3], away_ms },
            4 => Self::Kill { nodes: vec![0, 1, 2], away_ms },
            5 | 6 => Self::Pause { node, away_ms },
            7 => Self::Crash { node, away_ms },
            8 => Self::Wipe { node, away_ms },
            _ => Self::Terminate { node },
        }
    }

    /// Whether a node forgets something by it.
    fn forgets(&self) -> bool {
        matches!(self, Self::Crash { .. } | Self::Wipe { .. })
    }

    fn happen(&self, group: &mut ReplicaGroup) {
        let wait = |away_ms| thread::sleep(Duration::from_millis(away_ms));
        match self {
            Self::Kill { nodes, away_ms } => {
                nodes.iter().for_each(|node| group.node(*node).kill_nine());
                wait(*away_ms);
                nodes.iter().for_each(|node| group.node(*node).start());
            }
            Self::Pause { node, away_ms } => {
                group.node(*node).pause();
                wait(*away_ms);
                group.node(*node).resume();
            }
            Self::Crash { node, away_ms } => {
                group.node(*node).kill_nine();
                wait(*away_ms);
                group.node(*node).lose_memory();
                group.node(*node).start();
            }
            Self::Wipe { node, away_ms } => {
                group.node(*node).kill_nine();
                wait(*away_ms);
                group.node(*node).lose_memory();
                group.node(*node).lose_disk();
                group.node(*node).start();
            }
            Self::Terminate { node } => {
                group.node(*node).terminate();
                group.node(*node).start();
            }
        }
    }
}

/// `INTEROP_SECONDS=n` changes how long, `INTEROP_SEED=n` takes the same faults again.
#[test]
#[ignore = "runs for minutes"]
fn nothing_acknowledged_is_lost_whatever_happens() {
    let _turn = RunLock::alone();
    let seconds = number_from("INTEROP_SECONDS").unwrap_or(SECONDS);
    let seed = number_from("INTEROP_SEED").unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
    });
    println!("INTEROP_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let scratch = Scratch::new("replicas-chaos");
    let flush = if random.random_range(0..3) == 0 { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let mut group = ReplicaGroup::start(&GroupSettings::new("trio").set("flushDiskType", flush), &scratch);
    println!("{flush}");
    let (mut view, mut ledger, is_over) = (group.view(), SendLedger::new("chaos"), AtomicBool::new(false));
    let (start, mut faults) = (Instant::now(), 0);
    thread::scope(|scope| {
        let over = Over(&is_over);
        scope.spawn(|| send_until(&is_over, &mut view, &mut ledger));
        while start.elapsed() < Duration::from_secs(seconds) {
            thread::sleep(Duration::from_millis(random.random_range(0..1500)));
            let fault = Fault::draw(&mut random);
            if fault.forgets() {
                // One that lacks something may be the only other that has it.
                group.wait_until_complete();
                wait_until_all_have_it(&mut group, 0);
            }
            println!("{:6.1} s {fault:?}", start.elapsed().as_secs_f64());
            fault.happen(&mut group);
            if random.random_range(0..2) == 0 {
                group.wait_until_complete();
            }
            faults += 1;
        }
        group.wait_until_complete();
        drop(over);
    });
    let leader = group.leader(0);
    ledger.send_when_led(group.node(leader).address(0));
    expect_identical(&mut group, 0);
    for node in group.nodes() {
        println!("{}: {:?}, sent {}", node.peer(), ledger.expect_stored(node.address(0)), ledger.sent());
    }
    println!("{faults} faults, errors {:?}", ledger.errors());
    group.expect_sound();
}

/// The sender stops when the faults do, be it that one of them failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn send_until(is_over: &AtomicBool, view: &mut ClusterView, ledger: &mut SendLedger) {
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(BREATH);
        if let Some(leader) = view.leader("trio") {
            ledger.send_pipelined(leader, UNDER_WAY, |_| {
                thread::sleep(BREATH);
                is_over.load(Ordering::Relaxed)
            });
        }
    }
}

fn number_from(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
