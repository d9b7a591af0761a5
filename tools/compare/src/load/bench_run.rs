//! One call of mqbench.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench::RunReport;

use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::interrupt::Interrupt;
use crate::load::bench_command::{BenchCommand, Place};

/// A call that has been started.
#[derive(Debug)]
pub struct BenchRun {
    process: ChildProcess,
    json: PathBuf,
}

/// Where calls run.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The program.
    pub program: PathBuf,
    /// Folder for reports and output.
    pub folder: PathBuf,
    /// Whether to go on.
    pub interrupt: Interrupt,
}

/// Whom a call loads.
#[derive(Debug, Clone, Copy)]
pub struct Loaded<'a> {
    /// Its name servers.
    pub name_servers: &'a str,
    /// The brokers' processes, at least one.
    pub pids: &'a [u32],
}

impl Bench {
    /// Runs a call to its end.
    /// # Errors
    /// It fails, takes longer than `limit`, or its report cannot be read.
    pub fn run(&self, command: &BenchCommand, loaded: Loaded<'_>, limit: Duration) -> Result<RunReport, CompareError> {
        self.start("mqbench", command, loaded, false)?.finish(limit)
    }

    /// Starts a call. `name` tells its files from those of a call beside it. A humble one gets only the processor time
    /// that nobody else wants: it is there to load the broker, not to hold up the load that is measured.
    /// # Errors
    /// It cannot be started.
    pub fn start(
        &self,
        name: &str,
        command: &BenchCommand,
        loaded: Loaded<'_>,
        is_humble: bool,
    ) -> Result<BenchRun, CompareError> {
        let json = self.folder.join(format!("{name}.json"));
        let _ = fs::remove_file(&json);
        let place = Place { name_servers: loaded.name_servers, pids: loaded.pids, json: &json.to_string_lossy() };
        let mut call = if is_humble {
            let mut call = Command::new("nice");
            call.args(["-n", "19"]).arg(&self.program);
            call
        } else {
            Command::new(&self.program)
        };
        call.args(command.at(place)).env_remove("NAMESRV_ADDR");
        let process = ChildProcess::start(name, &mut call, &self.log(name), &self.interrupt)?;
        Ok(BenchRun { process, json })
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.out"))
    }
}

impl BenchRun {
    /// Waits for its end and reads its report.
    /// # Errors
    /// As [`Bench::run`].
    pub fn finish(mut self, limit: Duration) -> Result<RunReport, CompareError> {
        self.process.wait_for_success(limit)?;
        read_report(&self.json)
    }

    /// Ends it before its time, as Ctrl-C does, and reads its report.
    /// # Errors
    /// As [`Bench::run`].
    pub fn end(mut self, limit: Duration) -> Result<RunReport, CompareError> {
        self.process.expect_running()?;
        self.process.interrupt();
        self.finish(limit)
    }
}

fn read_report(path: &Path) -> Result<RunReport, CompareError> {
    let text = fs::read(path).map_err(CompareError::file("read mqbench's report", path))?;
    let malformed = |source| CompareError::Malformed { path: path.to_owned(), expected: "a report of mqbench", source };
    serde_json::from_slice(&text).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::interrupt::LOOK;
    use crate::load::sample_report::produce;
    use crate::settings::Settings;

    const LIMIT: Duration = Duration::from_secs(30);
    const LOADED: Loaded<'_> = Loaded { name_servers: "127.0.0.1:9876", pids: &[1] };
    /// Copies the report beside it to where `--json` says.
    const REPORTS: &str = "#!/bin/sh
while [ \"$1\" != --json ]; do shift; done
cp \"$(dirname \"$0\")/prepared.json\" \"$2\"";

    /// A folder with a program that is a script.
    fn bench(script: &str) -> (tempfile::TempDir, Bench) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("mqbench");
        // Renamed into place: a file that is still open for writing cannot be run.
        let beside = folder.path().join("mqbench.new");
        fs::write(&beside, script).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&beside, &program).unwrap();
        fs::write(folder.path().join("prepared.json"), serde_json::to_vec(&produce(80_000, 8.0)).unwrap()).unwrap();
        let bench = Bench { program, folder: folder.path().to_owned(), interrupt: Interrupt::default() };
        (folder, bench)
    }

    fn fill() -> BenchCommand {
        BenchCommand::fill("backlog", 1000, &Settings::usual(1 << 34))
    }

    #[test]
    fn a_call_that_works_brings_its_report() {
        let (_folder, bench) = bench(REPORTS);
        assert_eq!(bench.run(&fill(), LOADED, LIMIT).unwrap().messages(), 80_000);
        let beside = bench.start("cold-reader", &fill(), LOADED, true).unwrap();
        assert_eq!(beside.finish(LIMIT).unwrap().messages(), 80_000);
    }

    #[test]
    fn a_call_that_fails_is_an_error_with_what_it_said() {
        let (_folder, bench) = bench("#!/bin/sh\necho 'topic backlog has no route' >&2\nexit 1");
        let error = bench.run(&fill(), LOADED, LIMIT).unwrap_err().to_string();
        assert!(error.contains("topic backlog has no route"), "{error}");
    }

    #[test]
    fn a_call_that_is_ended_brings_its_report_too() {
        // A shell takes no signal that was ignored where it was started, as SIGINT is by all that runs behind `&`.
        let waits = "#!/usr/bin/env -S --default-signal=INT sh\nhere=$(dirname \"$0\")\nwhile [ \"$1\" != --json ]; do shift; done\n\
                     trap 'cp \"$here/prepared.json\" \"$2\"; exit 0' INT\ntouch \"$here/waits\"\nwhile :; do sleep 0.01; done";
        let (folder, bench) = bench(waits);
        let run = bench.start("mqbench", &fill(), LOADED, false).unwrap();
        let began = Instant::now();
        while !folder.path().join("waits").exists() {
            assert!(began.elapsed() < LIMIT, "the script does not start");
            thread::sleep(LOOK);
        }
        assert_eq!(run.end(LIMIT).unwrap().messages(), 80_000);
    }

    #[test]
    fn a_report_of_an_earlier_call_is_never_taken_for_this_ones() {
        let (folder, bench) = bench("#!/bin/sh\nexit 0");
        fs::copy(folder.path().join("prepared.json"), folder.path().join("mqbench.json")).unwrap();
        assert!(matches!(bench.run(&fill(), LOADED, LIMIT), Err(CompareError::File { .. })));
    }
}
