//! Builds the workers of a run: connects, and hands every worker its share.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::bodies::Bodies;
use super::cluster::{Cluster, Master, ReadQueue};
use super::consumer::{ConsumedQueue, Consumer, Look};
use super::lane::{Desk, Lane, Role};
use super::link::Link;
use super::placement::{self, ReceivePlace, SendPlace};
use super::producer::{Pace, Producer, SendContext};
use super::pull_template::PullTemplate;
use super::schedule::Schedule;
use super::send_template::{MessageForm, SendTemplate};
use super::tally::Tallies;
use super::timeline::Timeline;
use super::worker::{Message, Shared, Worker};
use crate::error::BenchError;
use crate::plan::{BodySize, Consumers, Plan, Producers, SendMode, Work};

/// How long the first connection to a broker may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// About what the answer to a send takes.
const ANSWER_BYTES: usize = 512;
/// Most that a sending connection reads at once.
const ANSWERS_BYTES_MAX: usize = 256 << 10;
/// What a receiving connection reads at once.
const PULLED_BYTES: usize = 256 << 10;
/// The part of a message's number that counts; above it stands the worker's.
const COUNT_BITS: u32 = 48;

/// Everything is connected; what is missing is the time of the start.
pub(crate) struct Crew<'a> {
    plan: &'a Plan,
    cluster: &'a Cluster,
    run_id: u64,
    senders: Vec<(SendPlace, Link)>,
    receivers: Vec<(ReceivePlace, Link)>,
    pub(crate) notes: Vec<String>,
}

impl<'a> Crew<'a> {
    /// Connects to all brokers.
    pub(crate) fn connect(plan: &'a Plan, cluster: &'a Cluster, run_id: u64) -> Result<Self, BenchError> {
        let (producers, consumers) = (plan.work.producers(), plan.work.consumers());
        let senders = producers.map_or_else(Vec::new, |each| placement::place_senders(cluster, each.connections));
        let receivers = consumers.map_or_else(Vec::new, |each| placement::place_receivers(cluster, each.connections));
        let asked = consumers.map_or(0, |each| each.connections);
        let notes = placement::notes(cluster, &senders, asked, &receivers);
        let in_flight = producers.map_or(0, |each| each.in_flight);
        let answers_bytes = (in_flight * ANSWER_BYTES).min(ANSWERS_BYTES_MAX);
        let connect = |master: usize, bytes| connect(&cluster.masters[master], bytes);
        let senders = senders
            .into_iter()
            .map(|place| connect(place.master, answers_bytes).map(|link| (place, link)))
            .collect::<Result<_, _>>()?;
        let receivers = receivers
            .into_iter()
            .map(|place| connect(place.master, PULLED_BYTES).map(|link| (place, link)))
            .collect::<Result<_, _>>()?;
        Ok(Self { plan, cluster, run_id, senders, receivers, notes })
    }

    pub(crate) fn connections(&self) -> usize {
        self.senders.len() + self.receivers.len()
    }

    /// Shares the connections out among the workers.
    pub(crate) fn into_workers(
        self,
        timeline: Timeline,
        shared: &Arc<Shared>,
        reports: &Sender<Message>,
    ) -> Vec<Worker> {
        let plan = self.plan;
        let threads = plan.threads.min(self.connections()).max(1);
        let mut workers: Vec<_> =
            (0..threads).map(|index| self.empty_worker(index, timeline, shared, reports)).collect();
        let (plan, cluster) = (self.plan, self.cluster);
        if let Some(producers) = plan.work.producers() {
            share_senders(&mut workers, self.senders, producers, timeline);
            limit_requests(&mut workers, plan, producers);
        }
        if let Some(consumers) = plan.work.consumers() {
            let look = look(&plan.work, consumers, self.run_id);
            for (number, (place, link)) in self.receivers.into_iter().enumerate() {
                let drains = plan.end.drained;
                let queues = place.queues.iter().map(|read| consumed(plan, cluster, consumers, read, drains)).collect();
                let lane = Lane::new(link, Role::Consumer(Box::new(Consumer::new(queues, look))));
                workers[number % threads].lanes.push(lane);
            }
        }
        let producing = workers.iter().filter(|worker| !worker.producers.is_empty()).count();
        shared.producing.store(producing, std::sync::atomic::Ordering::Release);
        workers
    }

    fn empty_worker(
        &self,
        index: usize,
        timeline: Timeline,
        shared: &Arc<Shared>,
        reports: &Sender<Message>,
    ) -> Worker {
        let plan = self.plan;
        let is_received_here = matches!(plan.work, Work::E2e { .. } | Work::Mixed { .. });
        let body_size = plan.work.producers().map_or(BodySize::Fixed(1), |producers| producers.body_size);
        let templates = plan.work.producers().map_or_else(Vec::new, |producers| {
            let form = MessageForm::new(producers, self.run_id, is_received_here);
            let template =
                |queue: &super::cluster::Queue| SendTemplate::new(&form, &plan.topics[queue.topic], queue.queue_id);
            self.cluster.write_queues.iter().map(template).collect()
        });
        let send = SendContext {
            templates,
            bodies: Bodies::new(body_size, self.run_id ^ index as u64),
            next_number: (index as u64) << COUNT_BITS,
            born_ms: 0,
            requests_left: None,
        };
        let cpu = (!plan.cpus.is_empty()).then(|| plan.cpus[index % plan.cpus.len()]);
        Worker {
            cpu,
            spin: plan.spin,
            lanes: Vec::new(),
            producers: Vec::new(),
            schedule: None,
            desk: Desk { send, tallies: Tallies::new(), may_send: true },
            timeline,
            requests_max: None,
            receive_max: if plan.work.producers().is_none() { plan.end.after_messages } else { None },
            drains: plan.end.drained,
            is_received_here,
            shared: Arc::clone(shared),
            reports: reports.clone(),
        }
    }
}

fn share_senders(workers: &mut [Worker], senders: Vec<(SendPlace, Link)>, producers: &Producers, timeline: Timeline) {
    let (threads, connections) = (workers.len(), senders.len());
    if let Some(rate) = producers.rate {
        let requests_per_second = rate / producers.batch as f64;
        for (index, worker) in workers.iter_mut().enumerate() {
            let own = (index as u64..connections as u64).step_by(threads).collect();
            worker.schedule = Some(Schedule::new(timeline.start_ns, requests_per_second, connections as u64, own));
        }
    }
    for (place, link) in senders {
        let worker = &mut workers[place.number % threads];
        let pace = match &worker.schedule {
            None => Pace::Closed,
            Some(schedule) => Pace::Open { schedule: schedule.of_connection(worker.producers.len()), owed: 0 },
        };
        let is_oneway = producers.mode == SendMode::Oneway;
        let producer =
            Producer::new(place.queues, place.first_queue, producers.in_flight, producers.batch, is_oneway, pace);
        worker.producers.push(worker.lanes.len());
        worker.lanes.push(Lane::new(link, Role::Producer(Box::new(producer))));
    }
}

/// Shares the requests to send out as the schedule does: request `n` belongs to connection `n % connections`.
fn limit_requests(workers: &mut [Worker], plan: &Plan, producers: &Producers) {
    let Some(messages) = plan.end.after_messages else { return };
    let requests = messages.div_ceil(producers.batch as u64);
    let connections = producers.connections as u64;
    let threads = workers.len();
    for (index, worker) in workers.iter_mut().enumerate() {
        let own = (index as u64..connections).step_by(threads);
        let share = own.map(|number| requests / connections + u64::from(number < requests % connections)).sum();
        worker.requests_max = Some(share);
    }
}

fn look(work: &Work, consumers: &Consumers, run_id: u64) -> Look {
    match work {
        Work::E2e { .. } | Work::Mixed { .. } => Look::Stamps { run_id },
        Work::Consume { .. } | Work::Produce { .. } if consumers.verify => Look::Verify,
        Work::Consume { .. } | Work::Produce { .. } => Look::Count,
    }
}

fn consumed(plan: &Plan, cluster: &Cluster, consumers: &Consumers, read: &ReadQueue, drains: bool) -> ConsumedQueue {
    debug_assert!(read.queue.master < cluster.masters.len());
    let template = PullTemplate::new(consumers, &plan.topics[read.queue.topic], read.queue.queue_id);
    ConsumedQueue { template, offset: read.offset, end: drains.then_some(read.end) }
}

fn connect(master: &Master, input_bytes: usize) -> Result<Link, BenchError> {
    let failed =
        |source: io::Error| BenchError::Connect { name: master.name.clone(), address: master.address.clone(), source };
    let (address, socket) = first_connection(&master.address).map_err(failed)?;
    Link::open(address, socket.into(), input_bytes).map_err(failed)
}

/// Tries all addresses that the name stands for, and keeps the one that works.
fn first_connection(name: &str) -> io::Result<(SocketAddr, TcpStream)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in name.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(socket) => return Ok((address, socket)),
            Err(error) => last = error,
        }
    }
    Err(last)
}
