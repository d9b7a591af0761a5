//! Being woken in time: what a thread that serves or sends requests asks of the kernel's scheduler.

use std::io;

/// How long the thread runs at most before others of its processor get their turn; the least that the kernel knows.
const SLICE_NS: u64 = 100_000;
/// Asks for short turns of the calling thread, which the kernel (since 6.12) rewards: a thread that wakes up and wants less
/// than the one that runs goes first. Without this a request can wait several milliseconds for a data sync that happens to
/// run on its processor. Older kernels take the call and change nothing.
/// # Errors
/// The call is not permitted. Nothing depends on it.
pub fn ask_for_short_turns() -> io::Result<()> {
    // SAFETY: all fields are integers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    attributes.size = size_of::<libc::sched_attr>() as u32;
    attributes.sched_policy = libc::SCHED_OTHER as u32;
    attributes.sched_runtime = SLICE_NS;
    // SAFETY: the kernel reads `size` bytes of a live structure and keeps nothing of it.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_the_turns_that_it_asked_for() {
        let asked = std::thread::spawn(|| {
            ask_for_short_turns().map(|()| {
                // SAFETY: all fields are integers, for which zero is a value.
                let mut now: libc::sched_attr = unsafe { std::mem::zeroed() };
                let bytes = size_of::<libc::sched_attr>();
                // SAFETY: the kernel writes at most `bytes` bytes into a live structure of that size.
                let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut now, bytes, 0) };
                (got, now.sched_policy, now.sched_runtime)
            })
        });
        let (got, policy, runtime) = asked.join().expect("it does not panic").expect("every thread may ask");
        assert_eq!((got, policy), (0, libc::SCHED_OTHER as u32));
        // Kernels before 6.12 say 0: they have no such thing.
        assert!(runtime == SLICE_NS || runtime == 0, "{runtime} ns");
    }
}
