//! The world of a shard in the simulation.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::{Duration, Instant};

use broker::env::Env;
use rand::RngExt;
use rand::rngs::StdRng;
use storage::file::Disk;
use storage::file::sim::Executor;

use super::clock::Clock;

/// What machines' clocks show at the beginning, ms since 1970: a day in 2026.
pub const BEGAN_MS: i64 = 1_795_256_196_772;

/// What one machine's clock shows: the cluster's time, and how far this clock is off. Clones are the same clock.
#[derive(Clone)]
pub struct WallClock {
    clock: Clock,
    ahead_ms: Rc<Cell<i64>>,
    /// The most it ever was ahead.
    ahead_max_ms: Rc<Cell<i64>>,
}

impl WallClock {
    /// A clock that is right.
    pub fn new(clock: Clock) -> Self {
        Self { clock, ahead_ms: Rc::default(), ahead_max_ms: Rc::default() }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        BEGAN_MS + self.clock.now().as_millis() as i64 + self.ahead_ms.get()
    }

    /// Somebody sets the clock.
    pub fn jump(&self, by_ms: i64) {
        self.ahead_ms.set(self.ahead_ms.get() + by_ms);
        self.ahead_max_ms.set(self.ahead_max_ms.get().max(self.ahead_ms.get()));
    }

    /// How far it is ahead, ms.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms.get()
    }

    /// The most it ever was ahead, ms.
    pub fn ahead_max_ms(&self) -> i64 {
        self.ahead_max_ms.get()
    }

    /// From now on it is ahead by so much, which is no less than it ever was.
    pub fn catch_up(&self, ahead_ms: i64) {
        assert!(ahead_ms >= self.ahead_max_ms.get(), "it shows no less than it ever would have");
        self.ahead_ms.set(ahead_ms);
        self.ahead_max_ms.set(ahead_ms);
    }
}

/// See [`Env`]. Tasks run on the executor of one process and die with it.
pub struct SimEnv<D> {
    clock: Clock,
    wall_clock: WallClock,
    /// The process takes its clock for so much later, ms.
    hurries_ms: i64,
    executor: Executor,
    rng: RefCell<StdRng>,
    disk: PhantomData<D>,
}

impl<D> SimEnv<D> {
    /// The world of one process.
    pub fn new(clock: Clock, wall_clock: WallClock, executor: Executor, rng: StdRng) -> Self {
        Self { clock, wall_clock, hurries_ms: 0, executor, rng: RefCell::new(rng), disk: PhantomData }
    }

    /// One that takes its clock for so much later than it is.
    pub fn hurried(self, ahead_ms: i64) -> Self {
        Self { hurries_ms: ahead_ms, ..self }
    }
}

impl<D: Disk> Env for SimEnv<D> {
    type Disk = D;

    fn now_ms(&self) -> i64 {
        self.wall_clock.now_ms() + self.hurries_ms
    }

    fn instant(&self) -> Instant {
        self.clock.instant()
    }

    fn random_below(&self, limit: u32) -> u32 {
        self.rng.borrow_mut().random_range(0..limit)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.executor.spawn(task);
    }

    fn spawn_background(&self, task: impl Future<Output = ()> + 'static) {
        self.executor.spawn(task);
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}
