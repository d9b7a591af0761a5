//! The world of a real shard: io_uring files, the machine's clock, glommio tasks.

use std::cell::RefCell;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use storage::file::dma::DmaDisk;

use crate::env::Env;

/// See [`Env`].
pub struct RealEnv {
    random: RefCell<SmallRng>,
}

impl RealEnv {
    /// A world whose chance begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { random: RefCell::new(SmallRng::seed_from_u64(seed)) }
    }
}

impl Env for RealEnv {
    type Disk = DmaDisk;

    fn now_ms(&self) -> i64 {
        // A clock before 1970 is a machine that is being set up; 0 keeps it going.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }

    fn cpu_time(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap_or_default()
    }

    fn random_below(&self, limit: u32) -> u32 {
        self.random.borrow_mut().random_range(0..limit)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        runtime::time::spawn(task);
    }

    fn spawn_background(&self, task: impl Future<Output = ()> + 'static) {
        runtime::time::spawn_background(task);
    }

    fn give_back_memory(&self) {
        // SAFETY: may be called at any time; it looks at memory of this thread and at what no thread uses. Where the process
        // has another allocator it finds nothing.
        unsafe { libmimalloc_sys::mi_collect(false) };
    }

    async fn sleep(&self, duration: Duration) {
        runtime::time::sleep(duration).await;
    }
}
