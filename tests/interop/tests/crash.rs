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

const KILLS: u64 = 20;
/// From the first acknowledgement after a start to the kill: at most this much later.
const UPTIME_MS_MAX: u64 = 1200;
/// One kill in four comes while the broker is still starting, this much after its start at most.
const STARTING_MS_MAX: u64 = 150;
/// A client that has lost its broker finds it again within this.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// Acknowledged from a ring and not yet written: a write or two of what four sending threads have in flight.
const UNWRITTEN_MESSAGES_MAX: u64 = 1000;
const RUN_LIMIT: Duration = Duration::from_secs(600);

#[test]
fn acknowledged_messages_survive_kills_with_asynchronous_flush() {
    survive(Flush::Async, "async", JavaClient::V5);
}

#[test]
fn acknowledged_messages_survive_kills_with_asynchronous_flush_without_shared_memory() {
    survive(Flush::AsyncWithoutRing, "async-no-ring", JavaClient::V4);
}

#[test]
fn acknowledged_messages_survive_kills_with_synchronous_flush() {
    survive(Flush::Sync, "sync", JavaClient::V5);
}

/// What ASYNC_FLUSH acknowledged and had not written yet goes with the ring, as the page cache of a machine would; all
/// the rest stays, and nothing of the wrong ring gets into the log.
#[test]
fn a_lost_or_spoiled_ring_costs_at_most_the_unwritten_tail() {
    let _turn = RunLock::beside_another();
    let mut random = seeded("tampered rings");
    let scratch = Scratch::new("crash-tampered");
    let foreign = rings_of_another_store(&scratch);
    let mut broker = Turbopump::standalone(&scratch);
    for how in Tampering::ALL {
        let name = format!("{how:?}");
        let mut producer = Producer::start(JavaClient::V5, broker.target(), &name, &scratch);
        producer.expect_more_acknowledged();
        let stale = RingCopies::of(broker.ring_folder());
        thread::sleep(Duration::from_millis(random.random_range(0..UPTIME_MS_MAX)));
        broker.kill_nine();
        // Stopped before the restart: whatever is in its file was acknowledged before the kill.
        producer.stop();
        let files = tamper(broker.ring_folder(), how, &stale, &foreign);
        assert_eq!(files, broker.target().brokers.len(), "a ring for each shard");
        broker.start_again();
        broker.wait_until_ready();
        wait_until_registered(broker.target());
        verify(JavaClient::V5, broker.target(), &name, UNWRITTEN_MESSAGES_MAX, &scratch);
    }
    java::passes_on(JavaClient::V5, "push-concurrent", broker.target(), &scratch);
    broker.terminate();
}

fn survive(flush: Flush, name: &str, client: JavaClient) {
    let _turn = RunLock::beside_another();
    let kills = number_from("INTEROP_KILLS").unwrap_or(KILLS);
    let mut random = seeded(name);
    let scratch = Scratch::new(&format!("crash-{name}"));
    let mut broker = Turbopump::start(&Settings { flush, ..Settings::standalone() }, &scratch);
    wait_until_registered(broker.target());

    let mut producer = Producer::start(client, broker.target(), name, &scratch);
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
        broker.start_again();
    }
    broker.wait_until_ready();
    producer.expect_more_acknowledged();
    producer.stop();
    wait_until_registered(broker.target());
    verify(client, broker.target(), name, 0, &scratch);
    broker.terminate();
}

fn verify(client: JavaClient, target: &Target, name: &str, lost_tail_max: u64, scratch: &Scratch) {
    let acks = acks_path(name, scratch);
    let lost_tail_max = lost_tail_max.to_string();
    let options = [("ack-file", acks.to_str().expect("made from text")), ("lost-tail-max", lost_tail_max.as_str())];
    java::start(client, "crash-consumer-verify", target, name, &options, RUN_LIMIT, scratch).expect_pass();
}

struct Producer {
    running: Running,
    acks: PathBuf,
}

impl Producer {
    fn start(client: JavaClient, target: &Target, name: &str, scratch: &Scratch) -> Self {
        let acks = acks_path(name, scratch);
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

    fn stop(mut self) {
        self.running.ask_to_stop();
        self.running.expect_pass();
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

fn acks_path(name: &str, scratch: &Scratch) -> PathBuf {
    scratch.path().join(format!("acks-{name}.txt"))
}

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn number_from(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

fn seeded(name: &str) -> StdRng {
    let seed = number_from("INTEROP_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    println!("{name}: INTEROP_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
