//! Processor time in nanoseconds, for processes that do almost nothing: the ticks of `/proc/PID/stat` are too coarse.

use std::io;
use std::path::PathBuf;

use crate::error::CompareError;

/// Time that all threads of process `pid` have run so far, those that ended too, nanoseconds.
/// # Errors
/// There is no such process.
pub fn process_cpu_ns(pid: u32) -> Result<u64, CompareError> {
    read(pid).map_err(CompareError::file("read the processor time of", PathBuf::from(format!("/proc/{pid}"))))
}

fn read(pid: u32) -> io::Result<u64> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is a place for one clock id.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place for one time.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Processor time is never negative.
    Ok(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn own_time_goes_on_with_work() {
        let own = std::process::id();
        let before = process_cpu_ns(own).unwrap();
        let mut work = 0u64;
        while process_cpu_ns(own).unwrap() <= before {
            work = std::hint::black_box(work.wrapping_mul(31).wrapping_add(1));
        }
    }

    #[test]
    fn another_process_can_be_read_while_it_is_there() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        let seen = process_cpu_ns(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.is_ok_and(|ns| ns < 10_000_000_000), "a sleeper does almost nothing");
        assert!(process_cpu_ns(pid).is_err(), "process {pid} has ended");
    }
}
