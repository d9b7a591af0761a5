//! Runs futures that are not `Send` on one thread, in an order drawn from a seed, without a clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::salted;

/// More polls than this in one run mean that tasks wake each other without end.
const POLLS_MAX: u64 = 50_000_000;

/// A task's waker. Wakers must be `Send`, hence the atomic and the lock; everything stays on one thread.
struct Wakeup {
    task: u64,
    woken: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
        }
    }
}

struct Running {
    future: Pin<Box<dyn Future<Output = ()>>>,
    wakeup: Arc<Wakeup>,
    waker: Waker,
}

struct Inner {
    tasks: RefCell<BTreeMap<u64, Running>>,
    ready: Arc<Mutex<Vec<u64>>>,
    next_task: RefCell<u64>,
    rng: RefCell<StdRng>,
}

/// Why a run ended.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum RunEnd {
    /// The condition given holds.
    Reached,
    /// Every task is done or waits for something that no task will do.
    Idle,
}

/// See the module's text. Clones share the tasks, so that a task can spawn others. Dropping the last clone, or
/// [`Self::abandon`], drops the tasks where they stand: the process has died.
#[derive(Clone)]
pub struct Executor {
    inner: Rc<Inner>,
}

/// The result of a spawned future, once there is one.
pub struct Task<T> {
    result: Rc<RefCell<TaskResult<T>>>,
}

struct TaskResult<T> {
    value: Option<T>,
    waiter: Option<Waker>,
}

impl<T> Task<T> {
    /// Takes the result if the future has ended.
    pub fn take(&self) -> Option<T> {
        self.result.borrow_mut().value.take()
    }

    /// Whether a result waits to be taken.
    pub fn is_done(&self) -> bool {
        self.result.borrow().value.is_some()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut result = self.result.borrow_mut();
        match result.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                result.waiter = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Executor {
    /// An executor without tasks.
    pub fn new(seed: u64) -> Self {
        let rng = RefCell::new(StdRng::seed_from_u64(salted(seed, "executor")));
        let (tasks, next_task) = (RefCell::new(BTreeMap::new()), RefCell::new(0));
        Self { inner: Rc::new(Inner { tasks, ready: Arc::default(), next_task, rng }) }
    }

    /// Adds a task; it runs from the next [`Self::run`] on, or at once within one.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        let result = Rc::new(RefCell::new(TaskResult { value: None, waiter: None }));
        let place = result.clone();
        let future = Box::pin(async move {
            let value = future.await;
            let waiter = {
                let mut result = place.borrow_mut();
                result.value = Some(value);
                result.waiter.take()
            };
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        });
        let number = self.inner.next_task.replace_with(|next| *next + 1);
        let wakeup = Arc::new(Wakeup { task: number, woken: AtomicBool::new(false), ready: self.inner.ready.clone() });
        let waker = Waker::from(wakeup.clone());
        waker.wake_by_ref();
        self.inner.tasks.borrow_mut().insert(number, Running { future, wakeup, waker });
        Task { result }
    }

    /// Polls woken tasks, each time one drawn from all of them, until `reached` says so or nothing is left to poll.
    pub fn run(&self, mut reached: impl FnMut() -> bool) -> RunEnd {
        for _ in 0..POLLS_MAX {
            if reached() {
                return RunEnd::Reached;
            }
            let Some(number) = self.draw_ready() else { return RunEnd::Idle };
            // Taken out while it runs, so that it can spawn.
            let Some(mut task) = self.inner.tasks.borrow_mut().remove(&number) else { continue };
            task.wakeup.woken.store(false, Ordering::Relaxed);
            let mut context = Context::from_waker(&task.waker);
            if task.future.as_mut().poll(&mut context).is_pending() {
                self.inner.tasks.borrow_mut().insert(number, task);
            }
        }
        panic!("{POLLS_MAX} polls and no end: tasks wake each other");
    }

    fn draw_ready(&self) -> Option<u64> {
        let mut ready = self.inner.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let count = ready.len();
        (count > 0).then(|| {
            let at = if count == 1 { 0 } else { self.inner.rng.borrow_mut().random_range(0..count) };
            ready.swap_remove(at)
        })
    }

    /// Runs `future` with all other tasks until it ends.
    /// Returns `None` if nothing can go on before that: a task waits for ever, or the disk has stopped.
    pub fn block_on<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Option<T> {
        let task = self.spawn(future);
        self.run(|| task.is_done());
        task.take()
    }

    /// Drops every task where it stands.
    pub fn abandon(&self) {
        // Dropping a task may spawn or wake, so the map must not be borrowed meanwhile.
        let tasks = std::mem::take(&mut *self.inner.tasks.borrow_mut());
        drop(tasks);
        self.inner.ready.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Runs one future to its end on an executor of its own.
/// # Panics
/// If it waits for something that never happens.
pub fn block_on<T: 'static>(seed: u64, future: impl Future<Output = T> + 'static) -> T {
    Executor::new(seed).block_on(future).expect("the future waits for something that never happens")
}

/// Lets other tasks run first.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
