//! Processor time of a process, from `/proc/PID/stat`.

use std::fs;
use std::io::{self, ErrorKind};

use crate::error::CeilingError;

/// User plus system time of process `pid` so far, microseconds. The kernel counts it in ticks, mostly of 10 ms.
pub(crate) fn process_cpu_us(pid: u32) -> Result<u64, CeilingError> {
    let failed = |source| CeilingError::ProcessCpu { pid, source };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(failed)?;
    let ticks = ticks(&stat).ok_or_else(|| failed(io::Error::new(ErrorKind::InvalidData, "its stat is malformed")))?;
    Ok(ticks * 1_000_000 / rustix::param::clock_ticks_per_second())
}

/// Fields 14 and 15. The name, field 2, is in parentheses and may hold anything, so counting starts behind the last one.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let stat = "4242 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("4242 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_used_some_time_after_some_work() {
        let own = std::process::id();
        let before = process_cpu_us(own).unwrap();
        let mut work = 0u64;
        while process_cpu_us(own).unwrap() == before {
            work = work.wrapping_mul(31).wrapping_add(1);
            std::hint::black_box(work);
        }
    }
}
