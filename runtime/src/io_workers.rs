//! Where io_uring's own threads run: not where they would hold up a shard's requests.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io_uring::{IoringRegisterOp, io_uring_register};

/// Processors that a mask for io_uring's workers can name.
const MASK_CPUS: usize = 4096;

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
