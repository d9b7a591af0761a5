//! A pinned thread with one executor.

use std::future::Future;
use std::io;
use std::time::Duration;

use glommio::{CpuSet, ExecutorJoinHandle, LocalExecutorBuilder, Placement, PoolPlacement};
use host::ask_for_short_turns;

use crate::io_workers::move_io_workers_to;

/// Registered memory of an executor, bytes; log buffers that do not fit are taken from the heap. glommio registers it
/// three times over against the limit of locked memory, so more would not start under Debian's default.
pub const IO_MEMORY_BYTES: usize = 1 << 20;
/// Operations that may be submitted at once.
const RING_DEPTH: usize = 256;

/// glommio 0.9 goes to sleep although tasks can run when this is over before the first of them has: its `run_task_queues`
/// says then that nothing ran. At the start, with no timer to wake it, it would sleep for ever. So this is longer than a
/// thread waits for a processor; what it is meant for, that I/O is looked at under load, the sweep sees to.
pub(crate) const PREEMPT: Duration = Duration::from_secs(2);

/// Where a shard's threads run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardCpus {
    /// The processor that the shard itself is pinned to; `None`: any.
    pub own: Option<usize>,
    /// Processors for the thread that makes the shard's slow file system calls; empty: where the shard is.
    pub helpers: Vec<usize>,
}

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

/// Starts a thread named `name`, pinned as `cpus` says, and runs what `start` makes on it. The thread is pinned before its
/// executor and before anything of `start` allocates, so all of a shard's memory is first touched on its processor and lies
/// on that processor's memory node.
/// # Errors
/// The executor cannot be made: io_uring is not permitted, or locked memory is short. `preflight` says which.
pub fn spawn_shard<F, T>(
    name: &str,
    cpus: &ShardCpus,
    start: impl FnOnce() -> F + Send + 'static,
) -> io::Result<ShardHandle<T>>
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let placement = cpus.own.map_or(Placement::Unbound, Placement::Fixed);
    let mut builder = LocalExecutorBuilder::new(placement).name(name).io_memory(IO_MEMORY_BYTES).ring_depth(RING_DEPTH);
    if let Some(helpers) = helper_placement(&cpus.helpers)? {
        builder = builder.blocking_thread_pool_placement(helpers);
    }
    let builder = builder.preempt_timer(PREEMPT);
    let helpers = cpus.helpers.clone();
    let start = move || {
        settle(&helpers);
        start()
    };
    builder.spawn(start).map(ShardHandle).map_err(|error| io::Error::other(error.to_string()))
}

/// On the shard's own thread, once it has its executor.
fn settle(helpers: &[usize]) {
    if let Err(error) = ask_for_short_turns() {
        tracing::debug!(%error, "the kernel was not asked for short turns of this thread");
    }
    if !helpers.is_empty()
        && let Err(error) = move_io_workers_to(helpers)
    {
        tracing::debug!(%error, "data syncs run on the shard's own processor");
    }
}

/// One thread on any of `helpers`; `None` if there are none, then glommio puts it where the executor is.
fn helper_placement(helpers: &[usize]) -> io::Result<Option<PoolPlacement>> {
    if helpers.is_empty() {
        return Ok(None);
    }
    let online = CpuSet::online().map_err(|error| io::Error::other(error.to_string()))?;
    let set = online.filter(|location| helpers.contains(&location.cpu));
    Ok((!set.is_empty()).then(|| PoolPlacement::Fenced(1, set)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rustix::thread::{CpuSet as Mask, sched_getaffinity};

    use super::*;

    fn mask() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..Mask::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
    }

    #[test]
    fn a_shard_is_pinned_before_anything_of_it_is_made_and_its_helper_is_elsewhere() {
        let all = mask();
        let (own, other) = (all[0], *all.last().unwrap());
        let cpus = ShardCpus { own: Some(own), helpers: vec![other] };
        let start = || {
            let before_its_future = mask();
            async move {
                let of_helper = glommio::executor().spawn_blocking(mask).await;
                (before_its_future, mask(), of_helper)
            }
        };
        let masks = spawn_shard("pinned", &cpus, start).unwrap().join().unwrap();
        assert_eq!(masks, (vec![own], vec![own], vec![other]));
    }

    /// Where the threads run that the kernel has made for io_uring on behalf of the thread `tid`.
    fn processors_of_io_workers(tid: i32) -> Vec<String> {
        let name = format!("iou-wrk-{tid}");
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        let workers =
            tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name));
        let allowed = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            line.unwrap_or_default().trim().to_owned()
        };
        workers.filter_map(|task| std::fs::read_to_string(task.join("status")).ok()).map(allowed).collect()
    }

    #[test]
    fn what_io_uring_cannot_do_at_once_runs_beside_the_shard() {
        let all = mask();
        let other = *all.last().unwrap();
        let cpus = ShardCpus { own: Some(all[0]), helpers: vec![other] };
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let start = move || async move {
            let file = glommio::io::BufferedFile::create(&path).await.unwrap();
            file.write_at(vec![1; 4096], 0).await.unwrap();
            file.fdatasync().await.unwrap();
            file.close().await.unwrap();
            processors_of_io_workers(rustix::thread::gettid().as_raw_nonzero().get())
        };
        let workers = spawn_shard("beside", &cpus, start).unwrap().join().unwrap();
        assert!(!workers.is_empty(), "a data sync is never done at once");
        assert!(workers.iter().all(|allowed| *allowed == other.to_string()), "{workers:?}");
    }

    #[test]
    fn a_shard_without_processors_runs_where_its_starter_may() {
        let started = spawn_shard("anywhere", &ShardCpus::default(), || async { mask() });
        assert_eq!(started.unwrap().join().unwrap(), mask());
    }

    #[test]
    fn helpers_that_are_switched_off_leave_glommios_choice() {
        assert_eq!(helper_placement(&[]).unwrap(), None);
        assert_eq!(helper_placement(&[4095]).unwrap(), None);
    }
}
