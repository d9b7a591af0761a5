//! The stock Java client as the load: `java/JavaLoad.java`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::figure::Figure;
use crate::load::bench_command::BODY_BYTES;
use crate::load::bench_run::{Bench, Loaded};
use crate::record::Measurement;
use crate::settings::Settings;

/// The program, below the repository.
const SOURCE: &str = "tools/compare/java/JavaLoad.java";
/// As the client's users have it on a small machine; the same for both sides.
pub(super) const JVM_FLAGS: &[&str] = &["-Xms1g", "-Xmx1g", "-XX:+UseParallelGC"];
/// Beyond warm-up and window: a JVM that starts and compiles its source, and threads that end.
const SLACK: Duration = Duration::from_secs(60);

/// How the Java client is called.
#[derive(Debug, Clone)]
pub struct JavaClient {
    /// The client's jars, as `-cp` takes them; they come with the peer.
    pub class_path: String,
    /// The repository.
    pub repository: PathBuf,
}

/// What the program prints.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct JavaReport {
    messages: u64,
    seconds: f64,
    failed: u64,
    first_failure: String,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    max_us: u64,
    broker_cpu_us: f64,
    own_cpu_us: f64,
}

impl JavaClient {
    /// Runs it against a broker, and puts what it says into the measurement.
    /// # Errors
    /// It fails, takes too long, or says nothing.
    pub fn run(
        &self,
        bench: &Bench,
        threads: u32,
        loaded: Loaded<'_>,
        settings: &Settings,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        let (warmup_s, window_s) = (settings.warm_java_client_s, settings.window_s);
        let words = format!(
            "--topic {} --threads {threads} --size {BODY_BYTES} --warmup {warmup_s} --seconds {window_s}",
            measurement.case
        );
        let home = &bench.folder;
        let mut command = Command::new("java");
        command.args(JVM_FLAGS).arg(format!("-Duser.home={}", home.display()));
        command.arg("-cp").arg(&self.class_path).arg(self.repository.join(SOURCE)).args(words.split(' '));
        command.args(["--namesrv", loaded.name_servers, "--pid", &loaded.pids[0].to_string()]);
        command.env("HOME", home).env_remove("NAMESRV_ADDR").current_dir(home);
        measurement.command = format!("java {} {SOURCE} {words} --namesrv NAMESRV --pid BROKER", JVM_FLAGS.join(" "));
        let mut process =
            ChildProcess::start("java-load", &mut command, &home.join("java-load.out"), &bench.interrupt)?;
        process.wait_for_success(SLACK + Duration::from_secs((warmup_s + window_s).into()))?;
        parse(&process.output())?.put_into(measurement);
        Ok(())
    }
}

/// The last line of a program's output that is a report; empty if there is none.
pub(super) fn report_line(output: &str) -> &str {
    output.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default()
}

fn parse(output: &str) -> Result<JavaReport, CompareError> {
    let malformed = |source| CompareError::Malformed { path: SOURCE.into(), expected: "able to report", source };
    let report: JavaReport = serde_json::from_str(report_line(output)).map_err(malformed)?;
    if report.messages == 0 {
        let name = format!("the Java client ({})", report.first_failure);
        return Err(CompareError::NoFigure { name, what: "message" });
    }
    Ok(report)
}

impl JavaReport {
    fn put_into(self, measurement: &mut Measurement) {
        let messages = self.messages as f64;
        measurement.figures.extend([
            (Figure::MessagesPerSecond, messages / self.seconds),
            (Figure::P50Us, self.p50_us as f64),
            (Figure::P99Us, self.p99_us as f64),
            (Figure::P999Us, self.p999_us as f64),
            (Figure::MaxUs, self.max_us as f64),
            (Figure::BrokerCpuUs, self.broker_cpu_us / messages),
            (Figure::LoadCpuUs, self.own_cpu_us / messages),
        ]);
        measurement.failed_requests += self.failed;
        if self.failed > 0 {
            measurement.notes.push(format!("{} sends failed, the first: {}", self.failed, self.first_failure));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::Side;

    const LINE: &str = r#"{"messages":160000,"seconds":8.0,"failed":3,"first_failure":"busy","p50_us":3100,"p99_us":13100,
        "p999_us":22400,"max_us":30000,"broker_cpu_us":5888000,"own_cpu_us":8000000}"#;

    #[test]
    fn the_last_line_that_is_a_report_counts() {
        let output = format!("RocketMQLog:WARN something\n{{\"messages\":1}}\n{}\n", LINE.replace('\n', ""));
        let mut measurement = Measurement::new("java-64", Side::Apache, 1);
        parse(&output).unwrap().put_into(&mut measurement);
        assert_eq!(measurement.figures[&Figure::MessagesPerSecond], 20_000.0);
        assert_eq!(measurement.figures[&Figure::BrokerCpuUs], 36.8);
        assert_eq!(measurement.figures[&Figure::LoadCpuUs], 50.0);
        assert_eq!(measurement.notes, ["3 sends failed, the first: busy"]);
    }

    #[test]
    fn a_client_that_sent_nothing_is_an_error_with_its_reason() {
        let output = LINE.replace('\n', "").replace("160000", "0");
        assert!(parse(&output).unwrap_err().to_string().contains("busy"));
        assert!(parse("Exception in thread main").is_err());
    }
}
