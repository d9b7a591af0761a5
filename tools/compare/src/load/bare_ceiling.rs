//! The program without protocol work, as server and as load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bare_ceiling::report::LoadReport;

use crate::case::Send;
use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::figure::Figure;
use crate::interrupt::{Interrupt, LOOK};
use crate::record::Measurement;
use crate::settings::Settings;
use crate::store_folder;

/// It writes its log of 1 GiB once before it serves.
const READY_WITHIN: Duration = Duration::from_secs(120);
const SLACK: Duration = Duration::from_secs(30);
/// What the server prints once it serves: `bare-ceiling at 127.0.0.1:7777 is ready`.
const READY: (&str, &str) = ("bare-ceiling at ", " is ready");

/// A running server. The promise is that of `ASYNC_FLUSH`: answered from memory, written behind.
#[derive(Debug)]
pub struct CeilingServer {
    process: ChildProcess,
    program: PathBuf,
    address: String,
    folder: PathBuf,
    interrupt: Interrupt,
}

impl CeilingServer {
    /// Starts it on a free port, on the processor of Turbopump's first shard.
    /// # Errors
    /// It does not start.
    pub fn start(
        program: &Path,
        folder: &Path,
        settings: &Settings,
        interrupt: &Interrupt,
    ) -> Result<Self, CompareError> {
        fs::create_dir_all(folder).map_err(CompareError::file("create", folder))?;
        let mut command = Command::new(program);
        command.args(["server", "--address", "127.0.0.1:0", "--commit", "behind", "--cpu"]);
        command.arg(first_processor(&settings.turbopump_cpus)).arg("--file").arg(folder.join("log"));
        let mut process = ChildProcess::start("bare-ceiling", &mut command, &folder.join("server.out"), interrupt)?;
        let began = Instant::now();
        let address = loop {
            if let Some(address) = address(&process.output()) {
                break address;
            }
            process.expect_running()?;
            interrupt.check()?;
            if began.elapsed() > READY_WITHIN {
                return Err(process.late("getting ready", READY_WITHIN));
            }
            thread::sleep(LOOK);
        };
        let (program, folder, interrupt) = (program.to_owned(), folder.to_owned(), interrupt.clone());
        Ok(Self { process, program, address, folder, interrupt })
    }

    /// Loads it, and puts what comes out into the measurement.
    /// # Errors
    /// The load fails.
    pub fn measure(
        &mut self,
        send: &Send,
        settings: &Settings,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        self.process.expect_running()?;
        let words = words(send, settings);
        measurement.command = format!("bare-ceiling {}", words.join(" "));
        let mut command = Command::new(&self.program);
        command.args(&words).args(["--address", &self.address, "--pid", &self.process.pid().to_string()]);
        let log = self.folder.join("load.out");
        let mut load = ChildProcess::start("bare-ceiling load", &mut command, &log, &self.interrupt)?;
        load.wait_for_success(SLACK + Duration::from_secs((settings.warmup_s + settings.window_s).into()))?;
        let output = load.output();
        let line = output.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default();
        let report = serde_json::from_str(line);
        let malformed = |source| CompareError::Malformed { path: log, expected: "a report of bare-ceiling", source };
        put_into(measurement, &report.map_err(malformed)?);
        Ok(())
    }

    /// Ends it, and deletes its log.
    /// # Errors
    /// The log cannot be deleted.
    pub fn finish(self) -> Result<(), CompareError> {
        let folder = self.folder.clone();
        drop(self);
        store_folder::remove(&folder)
    }
}

fn words(send: &Send, settings: &Settings) -> Vec<String> {
    let mut words = vec!["load".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(cpu) = settings.load_cpus.first() {
        flag("--cpu", cpu.to_string());
    }
    flag("--connections", send.connections.to_string());
    flag("--in-flight", send.in_flight.to_string());
    flag("--size", send.body_bytes.to_string());
    flag("--warmup", settings.warmup_s.to_string());
    flag("--duration", settings.window_s.to_string());
    words
}

/// Of a list as Turbopump's `--cpus` takes it; `any` has none, and 0 is there on every machine.
fn first_processor(list: &str) -> &str {
    let first = list.split([',', '-']).next().unwrap_or_default().trim();
    if first.parse::<usize>().is_ok() { first } else { "0" }
}

fn address(output: &str) -> Option<String> {
    let (before, behind) = READY;
    output.lines().find_map(|line| Some(line.strip_prefix(before)?.strip_suffix(behind)?.to_owned()))
}

fn put_into(measurement: &mut Measurement, report: &LoadReport) {
    measurement.figures.extend([
        (Figure::MessagesPerSecond, report.messages_per_second),
        (Figure::P50Us, report.p50_us as f64),
        (Figure::P99Us, report.p99_us as f64),
        (Figure::P999Us, report.p999_us as f64),
        (Figure::MaxUs, report.max_us as f64),
        (Figure::LoadCpuUs, report.load_cpu_us_per_message),
    ]);
    if let Some(cpu_us) = report.server_cpu_us_per_message {
        measurement.figures.insert(Figure::BrokerCpuUs, cpu_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_the_line_that_says_it_is_ready() {
        assert_eq!(address("bare-ceiling at 127.0.0.1:4711 is ready\n").as_deref(), Some("127.0.0.1:4711"));
        assert_eq!(address("bare-ceiling at 127.0.0.1:47"), None, "half a line");
    }

    #[test]
    fn the_load_is_that_of_the_case() {
        let settings = Settings { load_cpus: vec![1], ..Settings::usual(1 << 34) };
        let words = words(&Send::closed(64, 16), &settings).join(" ");
        assert_eq!(words, "load --cpu 1 --connections 64 --in-flight 16 --size 1024 --warmup 3 --duration 8");
    }

    #[test]
    fn the_server_gets_the_first_shards_processor() {
        assert_eq!(first_processor("2-5,8"), "2");
        assert_eq!(first_processor("3"), "3");
        assert_eq!(first_processor("any"), "0");
    }
}
