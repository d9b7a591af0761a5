//! Running a bench under callgrind and reading what it collected.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use crate::region;

/// Callgrind counts each byte of a `rep movsb` as an instruction, so the C library is told to copy and fill without.
const TUNABLES: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM";
/// The line of a bench's output that says how many messages it ran.
const MESSAGES_PREFIX: &str = "messages ";
/// The line of callgrind's file that has the sum.
const TOTALS_PREFIX: &str = "totals: ";

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum CallgrindError {
    /// There is no valgrind, or it cannot be run.
    #[error("valgrind cannot be run ({source}); install it, on Debian with: apt-get install valgrind")]
    NoValgrind {
        /// The cause.
        source: io::Error,
    },
    /// The bench did not run to its end.
    #[error("{bench} ended with {status} under valgrind:\n{output}")]
    Ended {
        /// Which.
        bench: &'static str,
        /// How.
        status: std::process::ExitStatus,
        /// What it and valgrind said.
        output: String,
    },
    /// A file that is needed cannot be had.
    #[error("{op} {path} failed: {source}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// There is no count in what came out.
    #[error("{bench}: {path} has no line `{prefix}…` with a number above 0: is the counted region a function still?")]
    NoCount {
        /// Which.
        bench: &'static str,
        /// Where the count should be.
        path: String,
        /// How its line begins.
        prefix: &'static str,
    },
}

/// What was counted, and where the details lie.
#[derive(Clone, Debug)]
pub struct Run {
    /// Instructions.
    pub instructions: u64,
    /// Of so many messages.
    pub messages: u64,
    /// Callgrind's file, for `callgrind_annotate`.
    pub file: PathBuf,
}

impl Run {
    /// Instructions a message, rounded.
    pub fn a_message(&self) -> u64 {
        (self.instructions + self.messages / 2) / self.messages
    }
}

/// Counts one bench, in a process of its own.
/// # Errors
/// [`CallgrindError`].
pub fn count(bench: &Bench) -> Result<Run, CallgrindError> {
    let program = env::current_exe().map_err(io_error("finding", Path::new("this program")))?;
    let file = output_file(&program, bench)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--toggle-collect={}", region::PATTERN))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(&program)
        .args(["--inside", bench.name])
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .map_err(|source| CallgrindError::NoValgrind { source })?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let output_text = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        return Err(CallgrindError::Ended { bench: bench.name, status: output.status, output: output_text });
    }
    let no_count = |path: &str, prefix| CallgrindError::NoCount { bench: bench.name, path: path.to_owned(), prefix };
    let messages = number_after(&said, MESSAGES_PREFIX).ok_or_else(|| no_count("its output", MESSAGES_PREFIX))?;
    let details = fs::read_to_string(&file).map_err(io_error("reading", &file))?;
    let totals = number_after(&details, TOTALS_PREFIX);
    let instructions = totals.ok_or_else(|| no_count(&file.display().to_string(), TOTALS_PREFIX))?;
    Ok(Run { instructions, messages, file })
}

/// What a bench prints when it has run.
pub fn report_messages(messages: u64) -> String {
    format!("{MESSAGES_PREFIX}{messages}")
}

/// Whether this machine runs the code that was counted for the table: copies, searches and checksums are chosen by what
/// the processor can do.
pub fn counts_are_comparable() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// `target/counted/BENCH.out` beside the profile that this program was built in.
fn output_file(program: &Path, bench: &Bench) -> Result<PathBuf, CallgrindError> {
    let target = program.ancestors().nth(2).unwrap_or(Path::new("."));
    let folder = target.join("counted");
    fs::create_dir_all(&folder).map_err(io_error("making", &folder))?;
    Ok(folder.join(format!("{}.out", bench.name)))
}

fn io_error(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CallgrindError {
    let path = path.display().to_string();
    move |source| CallgrindError::Io { op, path, source }
}

/// The number on the line that begins with `prefix`, if it is above 0.
fn number_after(text: &str, prefix: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(prefix))?;
    rest.trim().parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_in_what_callgrind_writes() {
        let file = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 9\n\nfn=(1) main\n12 4\n\ntotals: 1307987\n";
        assert_eq!(number_after(file, TOTALS_PREFIX), Some(1_307_987));
    }

    #[test]
    fn a_count_of_nothing_is_no_count() {
        assert_eq!(number_after("totals: 0\n", TOTALS_PREFIX), None);
        assert_eq!(number_after("events: Ir\n", TOTALS_PREFIX), None);
    }

    #[test]
    fn messages_are_read_as_they_are_said() {
        assert_eq!(number_after(&report_messages(64), MESSAGES_PREFIX), Some(64));
    }
}
