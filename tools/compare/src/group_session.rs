//! One group's life within a stage: started, brought into the state a case asks for, measured, stopped.

use std::thread;
use std::time::{Duration, Instant};

use bench::RunReport;
use host::HostSample;

use crate::case::{Action, Case, Send, Stage};
use crate::cli::repository;
use crate::error::CompareError;
use crate::figure::Figure;
use crate::interrupt::LOOK;
use crate::load::bench_command::{BODY_BYTES, BenchCommand};
use crate::load::bench_figures;
use crate::load::bench_run::Loaded;
use crate::load::java_failover::JavaFailover;
use crate::machine_rates;
use crate::peer::group::Group;
use crate::process_sockets::tcp_bytes;
use crate::record::{Measurement, Setup};
use crate::settings::Settings;
use crate::side::Side;
use crate::tools::Tools;

/// Beyond warm-up and window: routes, topics, connections, the report.
const SLACK: Duration = Duration::from_secs(60);
/// A long log at the rate of a slow disk, written several times.
const FILL_WITHIN: Duration = Duration::from_secs(3600);
/// The same to one replica, beside sends.
const REPLICATED_WITHIN: Duration = Duration::from_secs(3600);
/// After `kill -9` of the leader: many times of what is to be reached.
const SERVES_AGAIN_WITHIN: Duration = Duration::from_secs(120);
/// The replica of ours that leads once all have been there for a while; its shard is placed for that.
const PREFERRED: usize = 0;
/// It takes over some ten seconds after all are there, a minute later if that failed.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// Seconds of messages whose bytes are counted.
pub(crate) const COUNTED_S: f64 = 2.0;
/// What followers still do for the last of them: a heartbeat or two.
const TAIL: Duration = Duration::from_millis(300);
/// Sends run for so long before the empty replica is started, seconds.
const LEAD_IN_S: u32 = 1;
const LONG_LOG: &str = "long-log";
const WARM_UP: &str = "warm-up";

/// A group, and what has been done to it.
pub(crate) struct GroupSession<'a> {
    tools: &'a Tools,
    group: Group,
    is_warm: bool,
    /// Number of the replica that is down, with nothing on its disk, since the long log was made.
    empty_replica: Option<usize>,
}

impl<'a> GroupSession<'a> {
    /// A group on empty stores.
    pub(crate) fn start(tools: &'a Tools, side: Side, stage: Stage) -> Result<Self, CompareError> {
        let group = Group::start(tools.group(side, stage)?, &tools.interrupt)?;
        if side == Side::Turbopump {
            group.await_leader(PREFERRED, SETTLED_WITHIN)?;
        }
        Ok(Self { tools, group, is_warm: false, empty_replica: None })
    }

    /// How the group was started, for the report.
    pub(crate) fn setup(&self) -> Setup {
        self.group.plan().setup(&self.tools.work, repository())
    }

    /// Whether the stores have grown so large that the next case should begin with empty ones. A long log stays.
    pub(crate) fn wants_fresh_store(&self) -> Result<bool, CompareError> {
        let limit = u64::from(self.tools.settings.store_gib) << 30;
        Ok(self.empty_replica.is_none() && self.group.disk_bytes()? > limit)
    }

    /// Ends the group and deletes its stores.
    pub(crate) fn finish(self) -> Result<(), CompareError> {
        self.group.finish()
    }

    /// Measures one case. `rate` is the case's, worked out; `round` counts from 1.
    pub(crate) fn measure(
        &mut self,
        case: &Case,
        rate: Option<f64>,
        round: u32,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        self.group.expect_running()?;
        if case.stage == Stage::GroupLongLog {
            self.make_long_log()?;
        }
        self.warm()?;
        match &case.action {
            Action::Send(send) => self.send(case.id, send, rate, measurement),
            Action::Failover => self.fail_over(round, measurement),
            Action::SendBesideEmptyReplica(send) => self.fill_replica(case.id, send, rate, measurement),
            other => unreachable!("{other:?} is for single brokers, and {} is a group's", case.id),
        }
    }

    /// Sends until the code that does so is compiled, and the memory that is used again and again has been touched.
    fn warm(&mut self) -> Result<(), CompareError> {
        if std::mem::replace(&mut self.is_warm, true) {
            return Ok(());
        }
        let usual = &self.tools.settings;
        let seconds = usual.warm_group_s;
        let sending = Settings { warmup_s: 0, window_s: seconds, ..usual.clone() };
        let command = BenchCommand::send(WARM_UP, &Send::closed(8, 16), None, &sending);
        self.run(&command, SLACK + Duration::from_secs(seconds.into())).map(drop)
    }

    fn send(
        &self,
        topic: &str,
        send: &Send,
        rate: Option<f64>,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        let settings = &self.tools.settings;
        let command = BenchCommand::send(topic, send, rate, settings);
        measurement.command = command.for_reading();
        let window = Duration::from_secs((settings.warmup_s + settings.window_s).into());
        let leader = self.group.leader()?;
        if self.group.plan().side == Side::Turbopump && leader != PREFERRED {
            measurement.notes.push(format!("n{leader} leads, whose shard is not placed for it"));
        }
        let report = self.run(&command, SLACK + window)?;
        bench_figures::take(&report, measurement)?;
        self.share_cpu(leader, &report, measurement)?;
        let messages = (measurement.figures[&Figure::MessagesPerSecond] * COUNTED_S).ceil() as u64;
        self.count_bytes(
            leader,
            &BenchCommand::send_count(topic, send, rate, messages, settings),
            messages,
            measurement,
        )
    }

    /// Parts the processor time into leader's and followers'. A group that changed its leader meanwhile is no group at
    /// work.
    fn share_cpu(&self, leader: usize, report: &RunReport, measurement: &mut Measurement) -> Result<(), CompareError> {
        if self.group.leader()? != leader {
            measurement.notes.push("another replica took over the lead meanwhile".to_owned());
        }
        let pids = self.group.pids();
        let number = |pid: u32| pids.iter().find(|known| known.1 == pid).map(|known| known.0);
        for process in &report.broker_processes {
            let figure = if number(process.pid) == Some(leader) { Figure::LeaderCpuUs } else { Figure::FollowersCpuUs };
            *measurement.figures.entry(figure).or_default() += process.cpu_us_per_message;
        }
        Ok(())
    }

    /// A count of messages by itself, so that bytes can be divided by all that was sent.
    fn count_bytes(
        &self,
        leader: usize,
        command: &BenchCommand,
        messages: u64,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        let before = (self.followers_bytes(leader)?, loopback_bytes()?);
        let report = self.run(command, SLACK + Duration::from_secs(60))?;
        thread::sleep(TAIL);
        let after = (self.followers_bytes(leader)?, loopback_bytes()?);
        if report.messages() < messages {
            measurement.notes.push(format!("bytes are those of {} messages, not {messages}", report.messages()));
        }
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / report.messages() as f64;
        measurement.figures.insert(Figure::FollowersNetworkBytes, each(before.0, after.0));
        measurement.figures.insert(Figure::LoopbackBytes, each(before.1, after.1));
        Ok(())
    }

    fn followers_bytes(&self, leader: usize) -> Result<u64, CompareError> {
        self.group.pids().iter().filter(|(number, _)| *number != leader).map(|(_, pid)| tcp_bytes(*pid)).sum()
    }

    /// `kill -9` of the leader while a stock client sends, and beside it a client that asks for the route each time.
    fn fail_over(&mut self, round: u32, measurement: &mut Measurement) -> Result<(), CompareError> {
        let Tools { settings, java, bench, interrupt, .. } = self.tools;
        let phases = &settings.kill_after_s;
        let phase_s = phases[(round as usize - 1) % phases.len()];
        let name_servers = &self.group.plan().name_server_address;
        let seconds = phase_s + settings.after_kill_s;
        let stock = JavaFailover::start(java, bench, name_servers, seconds, measurement)?;
        interrupt.sleep(Duration::from_secs(phase_s.into()))?;
        let leader = self.group.leader()?;
        let killed = Instant::now();
        self.group.kill_nine(leader)?;
        while !self.group.view().accepts_sends() {
            interrupt.check()?;
            if killed.elapsed() > SERVES_AGAIN_WITHIN {
                return Err(self.group.late("accepting sends after its leader's death", SERVES_AGAIN_WITHIN));
            }
            thread::sleep(LOOK);
        }
        measurement.figures.insert(Figure::ServesAgainMs, killed.elapsed().as_secs_f64() * 1000.0);
        measurement.notes.push(format!("kill -9 came {phase_s} s after the stock client had asked for the route"));
        stock.finish(measurement)
    }

    /// One follower dies and loses its disk; the others get a long log.
    fn make_long_log(&mut self) -> Result<(), CompareError> {
        if self.empty_replica.is_some() {
            return Ok(());
        }
        let leader = self.group.leader()?;
        let follower = (leader + 1) % self.group.plan().nodes.len();
        self.group.kill_nine(follower)?;
        self.group.lose_disk(follower)?;
        let settings = &self.tools.settings;
        let messages = (u64::from(settings.long_log_gib) << 30) / BODY_BYTES;
        self.run(&BenchCommand::fill(LONG_LOG, messages, settings), FILL_WITHIN)?;
        self.empty_replica = Some(follower);
        Ok(())
    }

    /// The replica that lost its disk comes back while sends go on.
    fn fill_replica(
        &mut self,
        topic: &str,
        send: &Send,
        rate: Option<f64>,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        let Tools { settings, bench, interrupt, work, .. } = self.tools;
        let disk = machine_rates::disk(work, u64::from(settings.disk_probe_gib) << 30)?;
        measurement.figures.extend([
            (Figure::DiskWriteBytesPerSecond, disk.write),
            (Figure::DiskCopyBytesPerSecond, disk.copy),
            (Figure::LoopbackBytesPerSecond, machine_rates::loopback()?),
        ]);
        let replica = self.empty_replica.take().expect("the long log was made without it");
        let address = self.group.plan().nodes[replica].address.clone();
        let leader = self.group.leader()?;
        let leader_address = self.group.plan().nodes[leader].address.clone();
        // Ended when the replica is there; the time is only a bound.
        let bound_s = u32::try_from(REPLICATED_WITHIN.as_secs()).unwrap_or(u32::MAX);
        let lasting = Settings { warmup_s: LEAD_IN_S, window_s: bound_s, ..settings.clone() };
        let command = BenchCommand::send(topic, send, rate, &lasting);
        measurement.command = format!("{}, ended when the replica is there", command.for_reading());
        let pids: Vec<u32> = self.group.pids().into_iter().map(|(_, pid)| pid).collect();
        let loaded = Loaded { name_servers: &self.group.plan().name_server_address, pids: &pids };
        let sends = bench.start("mqbench", &command, loaded, false)?;
        interrupt.sleep(Duration::from_secs(LEAD_IN_S.into()) + TAIL)?;
        let end = self.group.view().log_end(&leader_address);
        let end = end.ok_or(CompareError::NoFigure { name: "the leader".to_owned(), what: "end of its log" })?;
        let began = Instant::now();
        self.group.start_node(replica)?;
        while !self.group.view().keeps_up(&leader_address, &address) {
            self.group.expect_running()?;
            interrupt.check()?;
            if began.elapsed() > REPLICATED_WITHIN {
                return Err(self.group.late("replication to an empty disk", REPLICATED_WITHIN));
            }
            thread::sleep(LOOK);
        }
        let took_s = began.elapsed().as_secs_f64();
        let report = sends.end(SLACK)?;
        bench_figures::take(&report, measurement)?;
        measurement.notes.retain(|note| note != bench_figures::STOPPED);
        measurement.notes.push(format!("{:.2} GiB of log in {took_s:.1} s", end as f64 / f64::from(1 << 30)));
        measurement.figures.insert(Figure::ReplicationBytesPerSecond, end as f64 / took_s);
        Ok(())
    }

    fn run(&self, command: &BenchCommand, limit: Duration) -> Result<RunReport, CompareError> {
        let pids: Vec<u32> = self.group.pids().into_iter().map(|(_, pid)| pid).collect();
        let loaded = Loaded { name_servers: &self.group.plan().name_server_address, pids: &pids };
        self.tools.bench.run(command, loaded, limit)
    }
}

/// Bytes of packets that this machine has sent itself so far.
fn loopback_bytes() -> Result<u64, CompareError> {
    const LOOPBACK: &str = "lo";
    let sample = HostSample::gather()?;
    Ok(sample.networks.iter().find(|network| network.name == LOOPBACK).map_or(0, |lo| lo.received_bytes))
}
