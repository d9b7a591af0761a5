//! A machine that joins a load.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use host::Machine;

use super::codec::LINE_BYTES_MAX;
use super::link::{Link, LinkError};
use super::message::{Message, TEAM_VERSION};
use crate::ceiling::engine::Engine;
use crate::ceiling::error::CeilingError;
use crate::ceiling::stop_flag::{StopFlag, Stoppable};
use crate::error::BenchError;
use crate::observer::Unobserved;
use crate::plan::Plan;
use crate::report::RunReport;

/// One try to connect takes at most so long.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Between two tries.
const CONNECT_AGAIN: Duration = Duration::from_millis(200);
/// The leader has so long to answer the first word.
const WELCOME_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the load is over, or the leader has something to say.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a machine that joined tells its user.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinProgress {
    /// The leader took it.
    Joined {
        /// Its number, from 1.
        number: usize,
        /// How many are expected.
        expected: usize,
    },
    /// A step begins.
    Step {
        /// Its number.
        step: u32,
        /// This machine's share of the rate.
        rate: f64,
    },
}

/// Joins the leader at `address`, which may still have to start (for `patience`), and runs what it says until it says that it is over.
///
/// # Errors
/// [`CeilingError::Leader`] if it cannot be reached, refuses, breaks off or is gone.
pub fn join(
    address: &str,
    patience: Duration,
    engine: &(dyn Engine + Sync),
    stop: &StopFlag,
    progress: &mut dyn FnMut(JoinProgress),
) -> Result<(), CeilingError> {
    let failed =
        |what: &str, source| CeilingError::Leader { address: address.to_owned(), what: what.to_owned(), source };
    let lost = |source| failed("was lost", Some(source));
    let stream = connect(address, patience, stop)?;
    let mut link = Link::new(stream, LINE_BYTES_MAX).map_err(|error| lost(error.into()))?;
    let machine = Machine::describe(None).ok().map(Box::new);
    let hello = Message::Hello { version: TEAM_VERSION, bench_version: env!("CARGO_PKG_VERSION").to_owned(), machine };
    link.send(&hello).map_err(lost)?;
    match link.receive(WELCOME_MAX).map_err(lost)? {
        Some(Message::Welcome { number, expected }) => progress(JoinProgress::Joined { number, expected }),
        Some(Message::Refused { reason }) => return Err(failed(&format!("refused this machine: {reason}"), None)),
        Some(other) => return Err(lost(LinkError::Unexpected { got: other.name(), expected: "welcome" })),
        None => return Err(failed("took the connection and said nothing; is it `mqbench ceiling --lead`?", None)),
    }
    let mut heard = None;
    while !stop.is_set() {
        let message = match heard.take() {
            Some(message) => Some(message),
            None => link.receive(LOOK_EVERY).map_err(lost)?,
        };
        match message {
            None => {}
            Some(Message::End { reason: None }) => return Ok(()),
            Some(Message::End { reason: Some(reason) }) => return Err(failed(&format!("gave up: {reason}"), None)),
            Some(Message::Run { step, plan, start_in_ms }) => {
                let rate = plan.work.producers().and_then(|producers| producers.rate).unwrap_or(0.0);
                progress(JoinProgress::Step { step, rate });
                let start_in = Duration::from_millis(start_in_ms);
                match run_step(&mut link, &plan, start_in, engine, stop).map_err(lost)? {
                    StepEnd::Ran(result) => link.send(&answer(step, *result)).map_err(lost)?,
                    StepEnd::Heard(message) => heard = Some(message),
                }
            }
            Some(other) => return Err(lost(LinkError::Unexpected { got: other.name(), expected: "run" })),
        }
    }
    Ok(())
}

fn answer(step: u32, result: Result<RunReport, BenchError>) -> Message {
    match result {
        Ok(report) => Message::Report { step, report: Box::new(report) },
        Err(BenchError::NothingSucceeded { summary }) => Message::NothingSucceeded { step, summary },
        Err(error) => Message::Failed { step, reason: error.to_string() },
    }
}

/// Tries again until somebody listens there.
fn connect(address: &str, patience: Duration, stop: &StopFlag) -> Result<TcpStream, CeilingError> {
    let failed = |what: String| CeilingError::Leader { address: address.to_owned(), what, source: None };
    let targets: Vec<_> = address
        .to_socket_addrs()
        .map_err(|error| failed(format!("has no address ({error}); HOST:PORT is needed")))?
        .collect();
    let until = Instant::now() + patience;
    loop {
        let mut last = "no address".to_owned();
        for target in &targets {
            match TcpStream::connect_timeout(target, CONNECT_MAX) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.to_string(),
            }
        }
        if Instant::now() >= until || stop.is_set() {
            return Err(failed(format!(
                "could not be reached for {} s ({last}); start it with --lead",
                patience.as_secs()
            )));
        }
        thread::sleep(CONNECT_AGAIN);
    }
}

/// How a step went.
enum StepEnd {
    /// To its end.
    Ran(Box<Result<RunReport, BenchError>>),
    /// The leader said something meanwhile, so its report is not wanted any more.
    Heard(Message),
}

/// Runs a share of a step; ends it early when the leader says something or is lost.
fn run_step(
    link: &mut Link,
    plan: &Plan,
    start_in: Duration,
    engine: &(dyn Engine + Sync),
    stop: &StopFlag,
) -> Result<StepEnd, LinkError> {
    let over = StopFlag::default();
    thread::scope(|scope| {
        let (done, result) = mpsc::channel();
        let flags = vec![over.clone(), stop.clone()];
        scope.spawn(move || {
            thread::sleep(start_in);
            let _ = done.send(engine.run(plan, &mut Stoppable { inner: &mut Unobserved, flags }));
        });
        loop {
            match result.recv_timeout(LOOK_EVERY) {
                Ok(result) => return Ok(StepEnd::Ran(Box::new(result))),
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(StepEnd::Ran(Box::new(Err(BenchError::WorkerPanicked))));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Leaving the scope waits for the load, so it has to be told before.
            let heard = link.receive(Duration::ZERO).inspect_err(|_| over.set())?;
            if let Some(message) = heard {
                over.set();
                return Ok(StepEnd::Heard(message));
            }
        }
    })
}
