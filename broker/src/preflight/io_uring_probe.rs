//! Whether an io_uring can be made.

use std::fs;

use rustix::io::Errno;
use rustix::io_uring::{io_uring_params, io_uring_setup};

use super::facts::IoUring;

/// Makes the smallest one and lets it go.
pub(super) fn probe() -> IoUring {
    let mut params = io_uring_params::default();
    // SAFETY: `params` asks for nothing that refers to other memory or files; the ring is closed unused.
    match unsafe { io_uring_setup(1, &mut params) } {
        Ok(_) => IoUring::Works,
        Err(errno) => classify(errno, read_sysctl()),
    }
}

fn classify(errno: Errno, disabled: Option<u32>) -> IoUring {
    match errno {
        Errno::NOSYS => IoUring::Unknown,
        Errno::PERM | Errno::ACCESS => IoUring::Forbidden { disabled },
        Errno::NOMEM => IoUring::OutOfLockedMemory,
        other => IoUring::Failed { cause: other.to_string() },
    }
}

fn read_sysctl() -> Option<u32> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_told_apart() {
        assert_eq!(classify(Errno::NOSYS, None), IoUring::Unknown);
        assert_eq!(classify(Errno::PERM, Some(2)), IoUring::Forbidden { disabled: Some(2) });
        assert_eq!(classify(Errno::NOMEM, Some(0)), IoUring::OutOfLockedMemory);
        assert!(matches!(classify(Errno::MFILE, None), IoUring::Failed { .. }));
    }

    #[test]
    fn asking_the_running_kernel_gives_an_answer() {
        let _ = probe();
    }
}
