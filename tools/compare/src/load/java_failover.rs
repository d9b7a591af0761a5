//! A stock Java client that sends through a fail-over: `java/JavaFailover.java`.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::figure::Figure;
use crate::interrupt::LOOK;
use crate::load::bench_command::BODY_BYTES;
use crate::load::bench_run::Bench;
use crate::load::java_client::{JVM_FLAGS, JavaClient, report_line};
use crate::record::Measurement;

/// The program, below the repository.
const SOURCE: &str = "tools/compare/java/JavaFailover.java";
const THREADS: u32 = 4;
/// A JVM that starts and compiles its source; the first send.
const SENDS_WITHIN: Duration = Duration::from_secs(60);
/// Beyond its time: sends that are retried, threads that end.
const SLACK: Duration = Duration::from_secs(60);
/// What it prints once it sends.
const SENDING: &str = "sending";

/// The client while it sends.
#[derive(Debug)]
pub struct JavaFailover {
    process: ChildProcess,
    seconds: u32,
}

/// What it prints at its end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct FailoverReport {
    acknowledged: u64,
    failed: u64,
    first_failure: String,
    longest_gap_ms: f64,
}

impl JavaFailover {
    /// Starts it for so many seconds, and waits until its first send is acknowledged.
    /// # Errors
    /// It does not start, or nothing is acknowledged.
    pub fn start(
        java: &JavaClient,
        bench: &Bench,
        name_servers: &str,
        seconds: u32,
        measurement: &mut Measurement,
    ) -> Result<Self, CompareError> {
        let words = format!("--topic {} --threads {THREADS} --size {BODY_BYTES} --seconds {seconds}", measurement.case);
        let home = &bench.folder;
        let mut command = Command::new("java");
        command.args(JVM_FLAGS).arg(format!("-Duser.home={}", home.display()));
        command.arg("-cp").arg(&java.class_path).arg(java.repository.join(SOURCE)).args(words.split(' '));
        command.args(["--namesrv", name_servers]);
        command.env("HOME", home).env_remove("NAMESRV_ADDR").current_dir(home);
        measurement.command = format!("java {} {SOURCE} {words} --namesrv NAMESRV", JVM_FLAGS.join(" "));
        let log = home.join("java-failover.out");
        let mut process = ChildProcess::start("java-failover", &mut command, &log, &bench.interrupt)?;
        let began = Instant::now();
        while !process.output().lines().any(|line| line == SENDING) {
            process.expect_running()?;
            bench.interrupt.check()?;
            if began.elapsed() > SENDS_WITHIN {
                return Err(process.late("a first send", SENDS_WITHIN));
            }
            thread::sleep(LOOK);
        }
        Ok(Self { process, seconds })
    }

    /// Waits for its end, and puts what it says into the measurement.
    /// # Errors
    /// It fails, takes too long, or says nothing.
    pub fn finish(mut self, measurement: &mut Measurement) -> Result<(), CompareError> {
        self.process.wait_for_success(SLACK + Duration::from_secs(self.seconds.into()))?;
        parse(&self.process.output())?.put_into(measurement);
        Ok(())
    }
}

fn parse(output: &str) -> Result<FailoverReport, CompareError> {
    let malformed = |source| CompareError::Malformed { path: SOURCE.into(), expected: "able to report", source };
    serde_json::from_str(report_line(output)).map_err(malformed)
}

impl FailoverReport {
    fn put_into(self, measurement: &mut Measurement) {
        measurement.figures.insert(Figure::OutageMs, self.longest_gap_ms);
        measurement.figures.insert(Figure::FailedSends, self.failed as f64);
        if self.failed > 0 {
            let Self { acknowledged, failed, first_failure, .. } = self;
            measurement.notes.push(format!(
                "{failed} sends failed after the client's own retries, {acknowledged} were acknowledged; the first: {first_failure}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::Side;

    #[test]
    fn the_longest_gap_and_the_failed_sends_are_taken() {
        let output = "sending\n{\"acknowledged\":900,\"failed\":2,\"first_failure\":\"connect\",\"longest_gap_ms\":7900.5,\
                      \"gap_began_ms\":1700000000000}\n";
        let mut measurement = Measurement::new("replicas-failover", Side::Apache, 1);
        parse(output).unwrap().put_into(&mut measurement);
        assert_eq!(measurement.figures[&Figure::OutageMs], 7900.5);
        assert_eq!(measurement.figures[&Figure::FailedSends], 2.0);
        assert!(measurement.notes[0].contains("the first: connect"), "{:?}", measurement.notes);
        assert!(parse("sending\nException in thread main").is_err());
    }
}
