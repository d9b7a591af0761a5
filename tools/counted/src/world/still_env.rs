//! A shard's world in which time stands still and tasks run when they are told to.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use broker::env::Env;

use super::MemoryDisk;

/// A day in 2026, ms.
const NOW_MS: i64 = 1_795_256_196_772;

type Tasks = Rc<RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>>;

/// See the module's text. Clones are the same world.
#[derive(Clone)]
pub struct StillEnv {
    began: Instant,
    tasks: Tasks,
}

impl Default for StillEnv {
    fn default() -> Self {
        Self { began: Instant::now(), tasks: Tasks::default() }
    }
}

impl StillEnv {
    /// Polls every task once.
    pub fn run_tasks(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        self.tasks.borrow_mut().append(&mut tasks);
    }
}

impl Env for StillEnv {
    type Disk = MemoryDisk;

    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    fn instant(&self) -> Instant {
        self.began
    }

    fn random_below(&self, _limit: u32) -> u32 {
        0
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(Box::pin(task));
    }

    fn spawn_background(&self, task: impl Future<Output = ()> + 'static) {
        self.spawn(task);
    }

    /// Over at once: what is counted is the work, not the waiting for it.
    async fn sleep(&self, _duration: Duration) {}
}
