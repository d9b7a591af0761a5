//! The broker is killed with -9 again and again while a stock producer sends. Nothing acknowledged may be lost, queue
//! offsets stay dense and are never given twice, and the producer goes on by itself.
//!
//! The moments come from a seed that is printed; `INTEROP_SEED=n` takes that one again, `INTEROP_KILLS=n` changes the
//! number of kills.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interop::clients::JavaClient;
use interop::java;
use interop::registration::wait_until_registered;
use interop::run_lock::RunLock;
use interop::scenario::Running;
use interop::scratch::Scratch;
use interop::tampering::{RingCopies, Tampering, tamper};
use interop::target::Target;
use interop::turbopump::{Flush, Settings, Turbopump};
use interop::until::until;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const KILLS: u32 = 20;
/// From the first acknowledgement after a start to the kill: at most this much later.
const UPTIME_MS_MAX: u64 = 1200;
/// One kill in four comes while the broker is still starting, this much after its start at most.
const STARTING_MS_MAX: u64 = 150;
/// A client that has lost its broker finds it again within this.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
const RUN_LIMIT: Duration = Duration::from_secs(600);

#[test]
fn acknowledged_messages_survive_kills_with_asynchronous_flush() {
    survive(Flush::Async, "async", JavaClient::V5, None);
}

#[test]
fn acknowledged_messages_survive_kills_with_asynchronous_flush_without_shared_memory() {
    survive(Flush::AsyncWithoutRing, "async-no-ring", JavaClient::V4, None);
}

#[test]
fn acknowledged_messages_survive_kills_with_synchronous_flush() {
    survive(Flush::Sync, "sync", JavaClient::V5, None);
}

/// With SYNC_FLUSH the promise does not rest on the rings, so it holds whatever happens to them.
#[test]
fn synchronously_flushed_messages_survive_lost_and_damaged_rings() {
    survive(Flush::Sync, "sync-tampered", JavaClient::V4, Some(&Tampering::ALL));
}

fn survive(flush: Flush, name: &str, client: JavaClient, tampering: Option<&[Tampering]>) {
    let _turn = RunLock::take();
    let seed = number_from("INTEROP_SEED").unwrap_or_else(fresh_seed);
    let kills = number_from("INTEROP_KILLS").map_or(KILLS, |kills| u32::try_from(kills).expect("a small number"));
    println!("{name}: {kills} kills, INTEROP_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let scratch = Scratch::new(&format!("crash-{name}"));
    let foreign = if tampering.is_some() { rings_of_another_store(&scratch) } else { RingCopies::default() };
    let mut broker = Turbopump::start(&Settings { flush, ..Settings::standalone() }, &scratch);
    wait_until_registered(broker.target());

    let mut producer = Producer::start(client, broker.target(), name, &scratch);
    let mut stale = RingCopies::default();
    for kill in 0..kills {
        let while_starting = kill > 0 && random.random_range(0..4) == 0;
        if while_starting {
            thread::sleep(Duration::from_millis(random.random_range(0..STARTING_MS_MAX)));
        } else {
            broker.wait_until_ready();
            producer.expect_more_acknowledged();
            thread::sleep(Duration::from_millis(random.random_range(0..UPTIME_MS_MAX)));
        }
        producer.running.expect_running();
        assert!(broker.is_running(), "the broker did not start after kill {kill}:\n{}", broker.output());
        broker.kill_nine();
        if let Some(kinds) = tampering {
            let copies = RingCopies::of(broker.ring_folder());
            let kind = kinds[kill as usize % kinds.len()];
            let files = tamper(broker.ring_folder(), kind, &stale, &foreign);
            println!("kill {kill}: {files} ring files {kind:?}");
            stale = copies;
        }
        broker.start_again();
    }
    broker.wait_until_ready();
    producer.expect_more_acknowledged();
    let facts = producer.stop();
    println!("{name}: {facts}");
    wait_until_registered(broker.target());
    let acks = acks_path(&scratch);
    let options = [("ack-file", acks.to_str().expect("made from text"))];
    java::start(client, "crash-consumer-verify", broker.target(), name, &options, RUN_LIMIT, &scratch).expect_pass();
    broker.terminate();
}

struct Producer {
    running: Running,
    acks: PathBuf,
}

impl Producer {
    fn start(client: JavaClient, target: &Target, name: &str, scratch: &Scratch) -> Self {
        let acks = acks_path(scratch);
        let limit = RUN_LIMIT.as_secs().to_string();
        let options = [("ack-file", acks.to_str().expect("made from text")), ("run-s", limit.as_str())];
        let running = java::start(client, "crash-producer", target, name, &options, RUN_LIMIT, scratch);
        Self { running, acks }
    }

    /// Every client thread's messages go to all queues of both shards, so the file grows again only when sends work.
    fn expect_more_acknowledged(&mut self) {
        let before = file_bytes(&self.acks);
        until("the producer to get acknowledgements again", ACKNOWLEDGED_WITHIN, || {
            self.running.expect_running();
            let now = file_bytes(&self.acks);
            if now > before { Ok(()) } else { Err(format!("{now} bytes of acknowledgements")) }
        });
    }

    fn stop(mut self) -> String {
        self.running.ask_to_stop();
        self.running.expect_pass()
    }
}

/// Another broker's rings, as they lie in its folder after a kill.
fn rings_of_another_store(scratch: &Scratch) -> RingCopies {
    let settings = Settings { name: "another".to_owned(), ..Settings::standalone() };
    let mut broker = Turbopump::start(&settings, scratch);
    wait_until_registered(broker.target());
    java::passes_on(JavaClient::V4, "send-async", broker.target(), scratch);
    broker.kill_nine();
    RingCopies::of(broker.ring_folder())
}

fn acks_path(scratch: &Scratch) -> PathBuf {
    scratch.path().join("acks.txt")
}

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn number_from(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}
