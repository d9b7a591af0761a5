//! The load itself: worker threads with plain sockets, and the thread that starts them and puts their figures together.
//!
//! A worker is one epoll loop ([`worker`]) over connections ([`lane`], [`link`]) with a role: [`producer`] or
//! [`consumer`]. Requests are templates that are written over in place ([`send_template`], [`pull_template`]), answers
//! are looked at no further than needed ([`response_scan`], [`record_walk`]).

mod assembly;
mod bodies;
mod cluster;
mod collector;
mod consumer;
mod digits;
mod lane;
mod link;
mod placement;
mod poll;
mod probes;
mod producer;
mod pull_template;
mod record_walk;
mod response_scan;
mod result;
mod schedule;
mod send_template;
mod stamp;
mod tally;
mod timeline;
mod window;
mod worker;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::assembly::Crew;
use self::cluster::Cluster;
use self::collector::{Collector, Sides};
use self::timeline::{Cuts, Timeline};
use self::worker::{Message, Shared, Worker};
use crate::clock::{MILLISECOND_NS, now_ns};
use crate::error::BenchError;
use crate::observer::{Observer, Start};
use crate::plan::{Plan, Work};
use crate::report::{Broker, RunReport};

/// Time between the start of the worker threads and the beginning of the load, so that all are there.
const LINE_UP_NS: u64 = 20 * MILLISECOND_NS;
/// The observer is asked this often whether to end, and processes are looked at not later than this after a second's
/// end.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a plan and reports what came of it. Blocks until it is over; must not be called from within a tokio runtime.
///
/// # Errors
/// [`BenchError`] when the load could not be started, or when not one request succeeded. Failed requests are no error:
/// they are in the report.
pub fn run(plan: &Plan, observer: &mut dyn Observer) -> Result<RunReport, BenchError> {
    plan.check()?;
    let started_at = jiff::Timestamp::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| system("starting the client's runtime", source))?;
    let cluster = runtime.block_on(Cluster::look_up(plan))?;
    drop(runtime);
    let run_id = rand::random::<u64>();
    let crew = Crew::connect(plan, &cluster, run_id)?;
    let (brokers, notes) = (brokers(&cluster), crew.notes.clone());
    observer.started(&Start { brokers: &brokers, connections: crew.connections(), notes: &notes });

    let timeline = timeline(plan);
    let shared = Arc::new(Shared::default());
    let (sender, reports) = mpsc::channel();
    let workers = crew.into_workers(timeline, &shared, &sender);
    drop(sender);
    let sides = Sides { sends: plan.work.producers().is_some(), receives: plan.work.consumers().is_some() };
    let batch = plan.work.producers().map_or(1, |producers| producers.batch as u64);
    let times = (timeline.start_ns, timeline.measure_ns);
    let mut collector = Collector::new(workers.len(), sides, batch, times, &plan.broker_pids);
    let threads = start(workers)?;
    let foreman = Foreman { plan, timeline, shared: &shared, reports };
    foreman.watch(&mut collector, observer);
    for thread in threads {
        match thread.join() {
            Ok(ended) => ended.map_err(|source| system("running a worker thread", source))?,
            Err(_) => return Err(BenchError::WorkerPanicked),
        }
    }
    let undelivered = foreman.undelivered();
    result::report(plan, brokers, notes, started_at, &collector, undelivered)
}

fn timeline(plan: &Plan) -> Timeline {
    let start_ns = now_ns() + LINE_UP_NS;
    let measure_ns = start_ns + plan.warm_up_ms * MILLISECOND_NS;
    Timeline { start_ns, measure_ns, end_ns: plan.end.after_ms.map(|ms| measure_ns + ms * MILLISECOND_NS) }
}

fn brokers(cluster: &Cluster) -> Vec<Broker> {
    let queues_of = |master: usize| {
        let writes = cluster.write_queues.iter().filter(|queue| queue.master == master).count();
        let reads = cluster.read_queues.iter().filter(|read| read.queue.master == master).count();
        writes.max(reads)
    };
    let masters = cluster.masters.iter().enumerate();
    let broker = |(index, master): (usize, &cluster::Master)| Broker {
        name: master.name.clone(),
        address: master.address.clone(),
        queues: queues_of(index),
    };
    masters.map(broker).collect()
}

fn start(workers: Vec<Worker>) -> Result<Vec<JoinHandle<std::io::Result<()>>>, BenchError> {
    let start = |(index, worker): (usize, Worker)| {
        let thread = std::thread::Builder::new().name(format!("load-{index}"));
        thread.spawn(move || worker.run()).map_err(|source| system("starting a worker thread", source))
    };
    workers.into_iter().enumerate().map(start).collect()
}

fn system(what: &str, source: std::io::Error) -> BenchError {
    BenchError::System { what: what.to_owned(), source }
}

/// Watches the workers from outside.
struct Foreman<'a> {
    plan: &'a Plan,
    timeline: Timeline,
    shared: &'a Shared,
    reports: Receiver<Message>,
}

impl Foreman<'_> {
    /// Collects reports until all workers are done, or gone.
    fn watch(&self, collector: &mut Collector, observer: &mut dyn Observer) {
        let mut cuts = Cuts::new(self.timeline);
        while !collector.is_finished() {
            while now_ns() >= cuts.end_ns {
                collector.probe(cuts.number);
                cuts.advance();
            }
            match self.reports.recv_timeout(LOOK) {
                Ok(Message::Slice(slice)) => collector.add_slice(&slice),
                Ok(Message::Finished(finished)) => collector.add_finished(*finished),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some(snapshot) = collector.take_second(self.undelivered().unwrap_or(0)) {
                if observer.second(&snapshot) == ControlFlow::Break(()) {
                    self.shared.is_stopped.store(true, Ordering::Relaxed);
                }
            }
            if observer.wants_end() {
                self.shared.is_stopped.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Messages acknowledged and not received, where those who send and those who receive belong together.
    fn undelivered(&self) -> Option<i64> {
        let acknowledged = self.shared.acknowledged.load(Ordering::Acquire);
        let received = self.shared.received.load(Ordering::Acquire);
        let is_both = matches!(self.plan.work, Work::E2e { .. } | Work::Mixed { .. });
        is_both.then(|| acknowledged as i64 - received as i64)
    }
}
