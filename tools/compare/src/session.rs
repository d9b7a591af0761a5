//! One broker's life within a stage: started, brought into the state a case asks for, measured, stopped.

use std::time::{Duration, Instant};

use host::ProcessSample;

use crate::case::{Action, Case, Send, Stage};
use crate::cli::repository;
use crate::error::CompareError;
use crate::figure::Figure;
use crate::load::bench_command::{BODY_BYTES, BenchCommand};
use crate::load::bench_figures;
use crate::load::bench_run::Loaded;
use crate::peer::broker::Broker;
use crate::process_cpu::process_cpu_ns;
use crate::record::{Measurement, Setup};
use crate::settings::Settings;
use crate::side::Side;
use crate::store_folder;
use crate::tools::Tools;

/// Beyond warm-up and window: routes, topics, connections, the report.
const SLACK: Duration = Duration::from_secs(60);
/// A backlog at the rate of a slow disk.
const FILL_WITHIN: Duration = Duration::from_secs(1800);
const DRAIN_WITHIN: Duration = Duration::from_secs(600);
/// The cold reader goes on for so long after the window's planned end.
const READER_MARGIN_S: u32 = 3;
/// Messages a pull of the cold reader asks for; the default of stock clients.
const READER_PULL: u32 = 32;
/// Rate of the receivers' part of a warm-up.
const WARM_RATE: f64 = 5_000.0;
const BACKLOG: &str = "backlog";
const LONG_LOG: &str = "long-log";
const WARM_UP: &str = "warm-up";

/// A broker, and what has been done to it.
pub(crate) struct Session<'a> {
    tools: &'a Tools,
    stage: Stage,
    broker: Broker,
    is_warm: bool,
    has_backlog: bool,
    has_long_log: bool,
    is_cold: bool,
    drains: u32,
}

impl<'a> Session<'a> {
    /// A broker on an empty store.
    pub(crate) fn start(tools: &'a Tools, side: Side, stage: Stage) -> Result<Self, CompareError> {
        let cluster = tools.cluster(side, stage)?;
        // Left over from a run that was killed.
        store_folder::remove(&cluster.store)?;
        let broker = Broker::start(cluster, &tools.interrupt)?;
        Ok(Self {
            tools,
            stage,
            broker,
            is_warm: false,
            has_backlog: false,
            has_long_log: false,
            is_cold: false,
            drains: 0,
        })
    }

    /// How the broker was started, for the report.
    pub(crate) fn setup(&self) -> Setup {
        self.broker.cluster().setup(&self.tools.work, repository())
    }

    /// Whether the store has grown so large that the next case should begin with an empty one. What other cases of the
    /// stage are made on stays.
    pub(crate) fn wants_fresh_store(&self) -> Result<bool, CompareError> {
        let limit = u64::from(self.tools.settings.store_gib) << 30;
        let may_go = matches!(self.stage, Stage::Async | Stage::Sync | Stage::Group);
        Ok(may_go && store_folder::disk_bytes(self.broker.store())? > limit)
    }

    /// Ends the broker and deletes its store.
    pub(crate) fn finish(self) -> Result<(), CompareError> {
        self.broker.finish()
    }

    /// Measures one case. `rate` is the case's, worked out.
    pub(crate) fn measure(
        &mut self,
        case: &Case,
        rate: Option<f64>,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        self.broker.expect_running()?;
        match &case.action {
            Action::Send(send) => {
                self.prepare()?;
                self.bench(BenchCommand::send(case.id, send, rate, &self.tools.settings), measurement)
            }
            Action::EndToEnd(_) => {
                self.prepare()?;
                let rate = rate.expect("an end-to-end case has a rate");
                self.bench(BenchCommand::end_to_end(case.id, rate, &self.tools.settings), measurement)
            }
            Action::Drain { pull } => {
                self.make_backlog()?;
                self.drain(*pull, measurement)
            }
            Action::SendBesideColdReader(send) => {
                self.prepare()?;
                self.send_beside_cold_reader(case.id, send, rate, measurement)
            }
            Action::JavaClient { threads } => {
                self.prepare()?;
                let Tools { java, bench, settings, .. } = self.tools;
                java.run(bench, *threads, self.loaded(), settings, measurement)
            }
            Action::StartEmpty => {
                note_ready(self.broker.ready_after(), measurement);
                Ok(())
            }
            Action::StartAfterKill => self.start_after_kill(measurement),
            Action::Idle => self.leave_alone(measurement),
            other => unreachable!("{other:?} is for groups, and {} is a single broker's", case.id),
        }
    }

    /// Warm; with a long log that is on the disk only, where the stage is about that.
    fn prepare(&mut self) -> Result<(), CompareError> {
        if self.stage == Stage::LongLog && !self.is_cold {
            self.make_long_log()?;
            // Mapped pages cannot be evicted, so nobody may have the files open.
            self.broker.stop()?;
            store_folder::evict(self.broker.store())?;
            self.broker.start_again()?;
            (self.is_cold, self.is_warm) = (true, false);
        }
        self.warm()
    }

    /// Sends and receives until the code that does so is compiled.
    fn warm(&mut self) -> Result<(), CompareError> {
        if std::mem::replace(&mut self.is_warm, true) {
            return Ok(());
        }
        let usual = &self.tools.settings;
        let seconds = match self.broker.side() {
            Side::Apache => usual.warm_apache_s,
            _ => usual.warm_turbopump_s,
        };
        // Receivers come last: what they leave to be received is little.
        let receiving_s = (seconds / 3).max(1);
        let sending = Settings { warmup_s: 0, window_s: (seconds - receiving_s).max(1), ..usual.clone() };
        self.run(&BenchCommand::send(WARM_UP, &Send::closed(8, 16), None, &sending))?;
        let receiving = Settings { warmup_s: 0, window_s: receiving_s, ..usual.clone() };
        self.run(&BenchCommand::end_to_end(WARM_UP, WARM_RATE, &receiving))
    }

    fn make_backlog(&mut self) -> Result<(), CompareError> {
        if self.has_backlog {
            return Ok(());
        }
        let settings = &self.tools.settings;
        let fill = BenchCommand::fill(BACKLOG, settings.drain_messages, settings);
        self.tools.bench.run(&fill, self.loaded(), FILL_WITHIN)?;
        self.has_backlog = true;
        // The warm-up of reading: twice, for code that runs once is not compiled yet.
        for _ in 0..2 {
            self.drain(READER_PULL, &mut Measurement::new(WARM_UP, self.broker.side(), 0))?;
        }
        Ok(())
    }

    /// With a group of its own each time, which begins at the first message.
    fn drain(&mut self, pull: u32, measurement: &mut Measurement) -> Result<(), CompareError> {
        self.drains += 1;
        let group = format!("drain-{}", self.drains);
        let command = BenchCommand::drain(BACKLOG, &group, pull, &self.tools.settings);
        measurement.command = command.for_reading();
        let report = self.tools.bench.run(&command, self.loaded(), DRAIN_WITHIN)?;
        bench_figures::take(&report, measurement)?;
        let (received, wanted) = (report.messages(), self.tools.settings.drain_messages);
        if received != wanted {
            measurement.notes.push(format!("received {received} messages of {wanted}"));
        }
        Ok(())
    }

    fn make_long_log(&mut self) -> Result<(), CompareError> {
        if self.has_long_log {
            return Ok(());
        }
        let settings = &self.tools.settings;
        let messages = (u64::from(settings.long_log_gib) << 30) / BODY_BYTES;
        self.tools.bench.run(&BenchCommand::fill(LONG_LOG, messages, settings), self.loaded(), FILL_WITHIN)?;
        self.has_long_log = true;
        Ok(())
    }

    fn start_after_kill(&mut self, measurement: &mut Measurement) -> Result<(), CompareError> {
        self.make_long_log()?;
        self.broker.kill_nine()?;
        self.broker.start_again()?;
        self.is_warm = false;
        note_ready(self.broker.ready_after(), measurement);
        let gib = store_folder::disk_bytes(self.broker.store())? as f64 / f64::from(1 << 30);
        measurement.command =
            format!("kill -9 after {} GiB of bodies; {gib:.1} GiB on the disk", self.tools.settings.long_log_gib);
        Ok(())
    }

    fn send_beside_cold_reader(
        &mut self,
        topic: &str,
        send: &Send,
        rate: Option<f64>,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        let Tools { settings, bench, .. } = self.tools;
        let seconds = settings.warmup_s + settings.window_s + READER_MARGIN_S;
        let reading = BenchCommand::drain(LONG_LOG, "cold-reader", READER_PULL, settings).for_at_most(seconds);
        let reader = bench.start("cold-reader", &reading, self.loaded(), true)?;
        let sent = self.bench(BenchCommand::send(topic, send, rate, settings), measurement);
        let read = reader.finish(SLACK + Duration::from_secs(seconds.into()))?;
        sent?;
        measurement.command = format!("{} & {}", reading.for_reading(), measurement.command);
        if let Some(receives) = &read.receives {
            measurement.figures.insert(Figure::ReaderMessagesPerSecond, receives.messages_per_second);
        }
        if read.measured_s < f64::from(settings.warmup_s + settings.window_s) {
            measurement.notes.push(format!(
                "the reader had everything after {:.1} s, before the window was over: a longer log is needed",
                read.measured_s
            ));
        }
        Ok(())
    }

    fn leave_alone(&mut self, measurement: &mut Measurement) -> Result<(), CompareError> {
        let Tools { settings, interrupt, .. } = self.tools;
        interrupt.sleep(Duration::from_secs(settings.settle_s.into()))?;
        let (began, before) = (Instant::now(), process_cpu_ns(self.broker.pid())?);
        interrupt.sleep(Duration::from_secs(settings.idle_s.into()))?;
        let used = process_cpu_ns(self.broker.pid())?.saturating_sub(before) as f64;
        let memory = ProcessSample::gather(self.broker.pid())?;
        measurement.figures.extend([
            (Figure::IdleCpuPercent, used / began.elapsed().as_nanos() as f64 * 100.0),
            (Figure::ResidentBytes, memory.rss_bytes as f64),
            (Figure::AnonymousBytes, memory.anonymous_bytes as f64),
        ]);
        measurement.command = format!("nothing for {} s, then {} s measured", settings.settle_s, settings.idle_s);
        Ok(())
    }

    fn bench(&self, command: BenchCommand, measurement: &mut Measurement) -> Result<(), CompareError> {
        measurement.command = command.for_reading();
        let report = self.tools.bench.run(&command, self.loaded(), self.limit())?;
        bench_figures::take(&report, measurement)
    }

    fn run(&self, command: &BenchCommand) -> Result<(), CompareError> {
        let limit = self.limit() + Duration::from_secs(self.tools.settings.warm_apache_s.into());
        self.tools.bench.run(command, self.loaded(), limit).map(drop)
    }

    fn limit(&self) -> Duration {
        SLACK + Duration::from_secs((self.tools.settings.warmup_s + self.tools.settings.window_s).into())
    }

    fn loaded(&self) -> Loaded<'_> {
        Loaded { name_servers: self.broker.name_servers(), pids: self.broker.pids() }
    }
}

fn note_ready(after: Duration, measurement: &mut Measurement) {
    measurement.figures.insert(Figure::ReadyMs, after.as_secs_f64() * 1000.0);
    measurement.command = "from the start of the process until a first send is acknowledged".to_owned();
}
