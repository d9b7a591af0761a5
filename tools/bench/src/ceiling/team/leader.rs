//! The machine that leads the load.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use host::Machine;

use super::codec::{HELLO_BYTES_MAX, LINE_BYTES_MAX};
use super::link::{Link, LinkError};
use super::message::{Message, TEAM_VERSION};
use crate::ceiling::engine::Engine;
use crate::ceiling::error::CeilingError;
use crate::ceiling::share::share;
use crate::ceiling::stop_flag::{StopFlag, Stoppable};
use crate::error::BenchError;
use crate::observer::Observer;
use crate::plan::Plan;
use crate::report::RunReport;

/// Who connects has so long to say who it is.
const HELLO_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody connected, while others wait.
const ACCEPT_EVERY: Duration = Duration::from_millis(50);
/// Orders are on their way for so long before a step begins.
const START_IN: Duration = Duration::from_millis(200);
/// How long after a step its reports have to be there: connecting, and answers to what was sent last.
const REPORT_GRACE: Duration = Duration::from_secs(30);
/// How often the order to end is looked at while a report is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The load machines: this one, and those that joined.
#[derive(Debug, Default)]
pub struct Team {
    members: Vec<Member>,
}

/// A machine that joined.
#[derive(Debug)]
struct Member {
    link: Link,
    machine: Option<Machine>,
}

/// What a step came to, over all machines.
#[derive(Debug)]
pub struct TeamRun {
    /// What this machine ran.
    pub own_plan: Plan,
    /// Reports of the machines on which something succeeded; this machine's is the last.
    pub reports: Vec<RunReport>,
    /// What the others said.
    pub nothing_succeeded: Vec<String>,
}

impl TeamRun {
    fn take(&mut self, result: Result<RunReport, BenchError>) -> Result<(), BenchError> {
        match result {
            Ok(report) => self.reports.push(report),
            Err(BenchError::NothingSucceeded { summary }) => self.nothing_succeeded.push(summary),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Team {
    /// This machine alone.
    #[must_use]
    pub fn alone() -> Self {
        Self::default()
    }

    /// Waits at `listener` until `expected` machines have joined, at most `within`. Whoever says nothing sensible is turned away.
    ///
    /// # Errors
    /// [`CeilingError::Missing`] if too few came, [`CeilingError::Lost`] if one went again.
    pub fn gather(
        listener: &TcpListener,
        expected: usize,
        within: Duration,
        stop: &StopFlag,
        mut joined: impl FnMut(usize, std::net::SocketAddr),
    ) -> Result<Self, CeilingError> {
        let address = || listener.local_addr().map_or_else(|_| String::from("?"), |address| address.to_string());
        let failed = |source| CeilingError::Listen { address: address(), source };
        listener.set_nonblocking(true).map_err(failed)?;
        let until = Instant::now() + within;
        let mut team = Self::default();
        while team.members.len() < expected {
            if Instant::now() >= until || stop.is_set() {
                team.end(Some("not all machines joined".to_owned()));
                return Err(CeilingError::Missing { have: team.members.len(), expected, within });
            }
            if let Ok((stream, _)) = listener.accept()
                && let Some(member) = Link::new(stream, HELLO_BYTES_MAX)
                    .ok()
                    .and_then(|link| greet(link, team.members.len() + 1, expected))
            {
                joined(team.members.len() + 1, member.link.peer());
                team.members.push(member);
            }
            team.keep_together(ACCEPT_EVERY)?;
        }
        Ok(team)
    }

    /// Load machines, this one too.
    #[must_use]
    pub fn machines(&self) -> usize {
        self.members.len() + 1
    }

    /// Those that joined.
    pub fn joined(&self) -> impl Iterator<Item = (std::net::SocketAddr, Option<&Machine>)> {
        self.members.iter().map(|member| (member.link.peer(), member.machine.as_ref()))
    }

    /// Lets `pause` pass while the others hear that this machine is still there.
    ///
    /// # Errors
    /// [`CeilingError::Lost`].
    pub fn keep_together(&mut self, pause: Duration) -> Result<(), CeilingError> {
        let until = Instant::now() + pause;
        for member in &mut self.members {
            let address = member.link.peer();
            let lost = |source| CeilingError::Lost { address, during: "between two steps".into(), source };
            match member.link.receive(Duration::ZERO) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    return Err(lost(LinkError::Unexpected { got: message.name(), expected: "nothing" }));
                }
                Err(source) => return Err(lost(source)),
            }
        }
        thread::sleep(until.saturating_duration_since(Instant::now()));
        Ok(())
    }

    /// Runs `plan`, whose rate is that of all machines together, on all of them.
    ///
    /// # Errors
    /// [`CeilingError::Lost`] or [`CeilingError::Failed`] for one that joined, [`CeilingError::Bench`] for this one. The
    /// load is ended everywhere then.
    pub fn run(
        &mut self,
        step: u32,
        plan: &Plan,
        engine: &dyn Engine,
        observer: &mut dyn Observer,
        stop: &StopFlag,
    ) -> Result<TeamRun, CeilingError> {
        let machines = self.machines();
        let plans: Vec<Plan> = (0..machines).map(|index| share(plan, index, machines)).collect::<Result<_, _>>()?;
        let mut plans = plans.into_iter();
        let own_plan = plans.next().expect("there is at least this machine");
        let limit = length(plan) + START_IN + REPORT_GRACE;
        let over = StopFlag::default();
        let (own, others) = thread::scope(|scope| {
            let over = &over;
            let lead = |(member, plan)| scope.spawn(move || run_member(member, step, plan, limit, over, stop));
            let others: Vec<_> = self.members.iter_mut().zip(plans).map(lead).collect();
            if !others.is_empty() {
                thread::sleep(START_IN);
            }
            let own =
                engine.run(&own_plan, &mut Stoppable { inner: observer, flags: vec![over.clone(), stop.clone()] });
            if own.is_err() && !matches!(own, Err(BenchError::NothingSucceeded { .. })) {
                over.set();
            }
            let panicked = || CeilingError::Bench(BenchError::WorkerPanicked);
            let others: Vec<_> =
                others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(panicked()))).collect();
            (own, others)
        });
        let mut run = TeamRun { own_plan, reports: Vec::new(), nothing_succeeded: Vec::new() };
        // A machine that was lost is the cause of what follows from it, so it is reported first.
        for other in others {
            run.take(other?)?;
        }
        run.take(own)?;
        Ok(run)
    }

    /// Tells the others that it is over. Who cannot be told finds out.
    pub fn end(&mut self, reason: Option<String>) {
        for member in &mut self.members {
            let _ = member.link.send(&Message::End { reason: reason.clone() });
        }
    }
}

/// Warm-up and measured time of a plan.
fn length(plan: &Plan) -> Duration {
    Duration::from_millis(plan.warm_up_ms.saturating_add(plan.end.after_ms.unwrap_or(0)))
}

/// Hears who it is; `None` if it is nobody to work with.
fn greet(mut link: Link, number: usize, expected: usize) -> Option<Member> {
    let Ok(Some(Message::Hello { version, machine, .. })) = link.receive(HELLO_MAX) else {
        return None;
    };
    if version != TEAM_VERSION {
        let reason = format!(
            "this bench speaks version {TEAM_VERSION} with other load machines, yours {version}; use the same mqbench everywhere"
        );
        let _ = link.send(&Message::Refused { reason });
        return None;
    }
    link.send(&Message::Welcome { number, expected }).ok()?;
    link.set_bytes_max(LINE_BYTES_MAX);
    Some(Member { link, machine: machine.map(|machine| *machine) })
}

/// Orders a step and waits for its report, for at most `limit`. Sets `over` when there will be none, so that all others end too.
fn run_member(
    member: &mut Member,
    step: u32,
    plan: Plan,
    limit: Duration,
    over: &StopFlag,
    stop: &StopFlag,
) -> Result<Result<RunReport, BenchError>, CeilingError> {
    let address = member.link.peer();
    let outcome = order_and_wait(&mut member.link, step, plan, limit, over, stop);
    let lost = |source| CeilingError::Lost { address, during: format!("in step {step}"), source };
    let result = outcome.map_err(lost).and_then(|message| match message {
        Message::Report { report, .. } => Ok(Ok(*report)),
        Message::NothingSucceeded { summary, .. } => Ok(Err(BenchError::NothingSucceeded { summary })),
        Message::Failed { reason, .. } => Err(CeilingError::Failed { address, step, reason }),
        other => Err(lost(LinkError::Unexpected { got: other.name(), expected: "report" })),
    });
    if result.is_err() {
        over.set();
    }
    result
}

fn order_and_wait(
    link: &mut Link,
    step: u32,
    plan: Plan,
    limit: Duration,
    over: &StopFlag,
    stop: &StopFlag,
) -> Result<Message, LinkError> {
    link.send(&Message::Run { step, plan: Box::new(plan), start_in_ms: START_IN.as_millis() as u64 })?;
    let until = Instant::now() + limit;
    loop {
        let message = link.receive(LOOK_EVERY)?;
        match message {
            Some(
                Message::Report { step: of, .. }
                | Message::NothingSucceeded { step: of, .. }
                | Message::Failed { step: of, .. },
            ) if of != step => {}
            Some(message) => return Ok(message),
            None if over.is_set() || stop.is_set() => {
                let summary = "the load was ended before its time".to_owned();
                return Ok(Message::NothingSucceeded { step, summary });
            }
            None if Instant::now() >= until => return Err(LinkError::NoReport(REPORT_GRACE)),
            None => {}
        }
    }
}
