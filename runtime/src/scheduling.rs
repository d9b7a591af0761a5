//! What the kernel is told about a shard's thread, so that nothing else that runs on its processor holds up a request.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io_uring::{IoringRegisterOp, io_uring_register};

/// Longest time that the shard's thread takes before others of its processor get their turn; the least that the kernel knows.
const SLICE_NS: u64 = 100_000;
/// Processors that a mask for io_uring's workers can name.
const MASK_CPUS: usize = 4096;

/// Asks for short turns, which the kernel (since 6.12) rewards: a thread that wakes up and wants less than the one that
/// runs goes first. Without this a request can wait several milliseconds for a data sync or a page write-back that happens
/// to run on the shard's processor. Older kernels take the call and change nothing.
/// # Errors
/// The call is not permitted. Nothing depends on it.
pub(crate) fn ask_for_short_turns() -> io::Result<()> {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    attributes.size = size_of::<libc::sched_attr>() as u32;
    attributes.sched_policy = libc::SCHED_OTHER as u32;
    attributes.sched_runtime = SLICE_NS;
    // SAFETY: the kernel reads `size` bytes of a live structure and keeps nothing of it.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets io_uring run what it cannot do at once, data syncs above all, on `cpus` instead of on the processor of the calling
/// thread, which they would inherit. The calling thread must have an io_uring.
/// # Errors
/// No io_uring of this thread was found, or the kernel (before 5.14) does not know the call.
pub(crate) fn move_io_workers_to(cpus: &[usize]) -> io::Result<()> {
    let mut mask = [0_u8; MASK_CPUS / 8];
    for cpu in cpus.iter().filter(|cpu| **cpu < MASK_CPUS) {
        mask[cpu / 8] |= 1 << (cpu % 8);
    }
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "this process has no io_uring"));
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let is_ring = fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == "anon_inode:[io_uring]");
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|_| is_ring) {
            // SAFETY: a descriptor of an executor, which outlives this call on its own thread; the kernel only reads the
            // mask. It counts for the calling thread, whichever ring it is asked through: other threads' rings refuse.
            let asked = unsafe {
                let ring = BorrowedFd::borrow_raw(number);
                io_uring_register(ring, IoringRegisterOp::RegisterIowqAff, mask.as_ptr().cast(), mask.len() as u32)
            };
            match asked {
                Ok(_) => return Ok(()),
                Err(error) => result = Err(error.into()),
            }
        }
    }
    result
}
