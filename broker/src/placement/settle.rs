//! What the calling thread does about its own place; threads that it starts later inherit it.

use std::io;
use std::ptr;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Moves the calling thread, and with it the threads that it starts and that are not pinned themselves, to `rest`. An empty
/// `rest` changes nothing.
/// # Errors
/// The kernel allows none of them, or not to this process.
pub fn leave_shard_cpus(rest: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in rest.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    if set.count() == 0 { Ok(()) } else { Ok(sched_setaffinity(None, &set)?) }
}

/// Has the calling thread, and every thread it starts, take memory from the node it runs on, unless somebody chose a policy
/// for this process already (`numactl`, systemd's `NUMAPolicy=`). Returns whether it is so now.
///
/// Local memory is the kernel's default as well. Said explicitly, it also keeps automatic NUMA balancing
/// (`kernel.numa_balancing`) off these threads: that takes pages away for a moment to see who misses them, which tells
/// nothing new about threads that never move.
/// # Errors
/// The kernel has no memory policies, or a filter forbids the call. Memory is taken by the kernel's default then.
pub fn keep_memory_local() -> io::Result<bool> {
    match current_policy()? {
        libc::MPOL_LOCAL => Ok(true),
        libc::MPOL_DEFAULT => {
            // SAFETY: this mode takes no set of nodes, so the kernel reads no memory.
            let done =
                unsafe { libc::syscall(libc::SYS_set_mempolicy, libc::MPOL_LOCAL, ptr::null::<libc::c_ulong>(), 0) };
            if done == 0 { Ok(true) } else { Err(io::Error::last_os_error()) }
        }
        _ => Ok(false),
    }
}

fn current_policy() -> io::Result<libc::c_int> {
    let mut mode: libc::c_int = 0;
    let (no_nodes, no_address) = (ptr::null_mut::<libc::c_ulong>(), ptr::null::<libc::c_void>());
    // SAFETY: the kernel writes one c_int to `mode`, which outlives the call; the set of nodes is not asked for.
    let done = unsafe { libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, no_nodes, 0, no_address, 0) };
    if done == 0 { Ok(mode) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::thread::sched_getaffinity;

    use super::*;

    /// Processors that the calling thread may run on.
    fn mask() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
    }

    #[test]
    fn threads_started_later_stay_where_the_control_thread_went() {
        // On a thread of its own: the mask of a test thread must not change for other tests.
        thread::spawn(|| {
            let last = *mask().last().unwrap();
            leave_shard_cpus(&[last]).unwrap();
            assert_eq!(mask(), [last]);
            assert_eq!(thread::spawn(mask).join().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn no_rest_changes_nothing() {
        let before = mask();
        leave_shard_cpus(&[]).unwrap();
        assert_eq!(mask(), before);
    }

    #[test]
    fn local_memory_is_inherited_and_a_choice_of_somebody_else_stays() {
        thread::spawn(|| {
            // Kernels without NUMA and filters that forbid the call say so; then there is nothing to inherit.
            let Ok(kept) = keep_memory_local() else { return };
            assert_eq!(kept, current_policy().unwrap() == libc::MPOL_LOCAL);
            assert_eq!(thread::spawn(current_policy).join().unwrap().unwrap(), current_policy().unwrap());
            assert_eq!(keep_memory_local().unwrap(), kept, "twice is as once");
        })
        .join()
        .unwrap();
    }
}
