//! What a shard needs from outside: files, clock, chance and tasks. The real one is [`crate::real_env`]; tests bring
//! simulated ones.

use std::future::Future;
use std::time::{Duration, Instant};

use storage::file::Disk;

/// The world a shard runs in.
#[expect(async_fn_in_trait, reason = "a shard is one thread, its futures are never Send")]
pub trait Env: 'static {
    /// The shard's files.
    type Disk: Disk;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// A moment on a clock that never goes back, to measure how long something takes.
    fn instant(&self) -> Instant {
        Instant::now()
    }
    /// Processor time that this thread has taken since its start; zero where that is not known.
    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }
    /// A number below `limit`, which is not 0.
    fn random_below(&self, limit: u32) -> u32;
    /// Runs `task` beside the shard's requests.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
    /// As [`Env::spawn`], but requests go first: reads of old messages, checkpoints, removals.
    fn spawn_background(&self, task: impl Future<Output = ()> + 'static);
    /// Gives memory back to the machine that has been free for a while.
    fn give_back_memory(&self) {}
    /// Waits.
    async fn sleep(&self, duration: Duration);
}
