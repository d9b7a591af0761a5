//! A pinned thread with one executor.

use std::future::Future;
use std::io;
use std::time::Duration;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};

/// Registered memory of an executor, bytes; log buffers that do not fit are taken from the heap. glommio registers it
/// three times over against the limit of locked memory, so more would not start under Debian's default.
pub const IO_MEMORY_BYTES: usize = 1 << 20;
/// Operations that may be submitted at once.
const RING_DEPTH: usize = 256;

/// glommio 0.9 goes to sleep although tasks can run when this is over before the first of them has: its `run_task_queues`
/// says then that nothing ran. At the start, with no timer to wake it, it would sleep for ever. So this is longer than a
/// thread waits for a processor; what it is meant for, that I/O is looked at under load, the sweep sees to.
const PREEMPT: Duration = Duration::from_secs(2);

/// A running shard.
pub struct ShardHandle<T: Send + 'static>(ExecutorJoinHandle<T>);

impl<T: Send + 'static> ShardHandle<T> {
    /// Waits for its end.
    /// # Errors
    /// The executor could not be made, or the thread panicked.
    pub fn join(self) -> io::Result<T> {
        self.0.join().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Starts a thread named `name`, pinned to `cpu` if one is given, and runs what `start` makes on it.
/// # Errors
/// The executor cannot be made: io_uring is not permitted, or locked memory is short. `preflight` says which.
pub fn spawn_shard<F, T>(
    name: &str,
    cpu: Option<usize>,
    start: impl FnOnce() -> F + Send + 'static,
) -> io::Result<ShardHandle<T>>
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let placement = cpu.map_or(Placement::Unbound, Placement::Fixed);
    let builder = LocalExecutorBuilder::new(placement).name(name).io_memory(IO_MEMORY_BYTES).ring_depth(RING_DEPTH);
    let builder = builder.preempt_timer(PREEMPT);
    builder.spawn(start).map(ShardHandle).map_err(|error| io::Error::other(error.to_string()))
}
