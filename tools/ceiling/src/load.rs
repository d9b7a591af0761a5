//! The load: closed loop on one thread with one epoll set, so that it costs little beside the server.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::connection::Connection;
use crate::epoll_set::{EpollSet, Events};
use crate::error::CeilingError;
use crate::frame;
use crate::process_cpu::process_cpu_us;
use crate::report::LoadReport;

/// How often the clock is looked at when no reply comes.
const LOOK: Duration = Duration::from_millis(20);
/// The longest latency that is told apart from longer ones.
const LATENCY_US_MAX: u64 = 120_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// What to ask of the server.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The server.
    pub address: SocketAddr,
    /// Processor the thread is pinned to; none: any.
    pub cpu: Option<usize>,
    /// Connections.
    pub connections: usize,
    /// Requests under way on each.
    pub in_flight: usize,
    /// Content of a request, bytes.
    pub body_bytes: usize,
    /// Time before the window.
    pub warmup: Duration,
    /// The window.
    pub duration: Duration,
    /// The server's process, for its processor time.
    pub server_pid: Option<u32>,
}

struct Client {
    connection: Connection,
    /// When the requests under way were sent, oldest first; replies come in this order.
    sent: VecDeque<Instant>,
}

/// Replies within the window.
struct Window {
    began: Instant,
    messages: u64,
    latency_us: Histogram<u64>,
    server_cpu_us: u64,
    load_cpu_us: u64,
}

/// Runs the load, warm-up and window.
/// # Errors
/// The server is not there, goes away, or answers something else.
pub fn run(options: &LoadOptions) -> Result<LoadReport, CeilingError> {
    if let Some(cpu) = options.cpu {
        pin(cpu)?;
    }
    let failed = |source| CeilingError::Socket { what: "the epoll set", source };
    let epoll = EpollSet::new().map_err(failed)?;
    let frame = frame::filled(options.body_bytes, 7);
    let mut clients = connect(options, &epoll)?;
    for (token, client) in clients.iter_mut().enumerate() {
        client.send(&epoll, token, &frame, options.in_flight)?;
    }
    let start = Instant::now();
    let mut window = None;
    let mut replies = 0;
    let mut events = Events::new();
    loop {
        epoll.collect(&mut events, LOOK).map_err(failed)?;
        let now = Instant::now();
        if window.is_none() && now >= start + options.warmup {
            window = Some(Window::begin(now, options.server_pid)?);
        }
        for ready in events.ready() {
            let client = &mut clients[ready.token];
            let received = if ready.readable { client.receive(now, window.as_mut())? } else { Some(0) };
            let Some(received) = received else { return Err(CeilingError::Closed { replies }) };
            replies += received as u64;
            client.send(&epoll, ready.token, &frame, received)?;
        }
        if let Some(window) = window.take_if(|window| now >= window.began + options.duration) {
            return window.end(now, options);
        }
    }
}

fn pin(cpu: usize) -> Result<(), CeilingError> {
    let failed = |source| CeilingError::Affinity { cpu, source };
    if cpu >= CpuSet::MAX_CPU {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::InvalidInput)));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| failed(error.into()))
}

fn connect(options: &LoadOptions, epoll: &EpollSet) -> Result<Vec<Client>, CeilingError> {
    let address = options.address;
    (0..options.connections)
        .map(|token| {
            let connection = TcpStream::connect(address).and_then(Connection::new);
            let connection = connection.map_err(|source| CeilingError::Connect { address, source })?;
            let added = epoll.add(&connection.socket, token);
            added.map_err(|source| CeilingError::Socket { what: "watching a connection", source })?;
            Ok(Client { connection, sent: VecDeque::with_capacity(options.in_flight) })
        })
        .collect()
}

impl Client {
    /// Replies that came; `None`: the server has closed.
    fn receive(&mut self, now: Instant, mut window: Option<&mut Window>) -> Result<Option<usize>, CeilingError> {
        let received = self.connection.receive(|_| {})?;
        for sent in self.sent.drain(..received.frames.min(self.sent.len())) {
            if let Some(window) = window.as_deref_mut() {
                window.record(now - sent);
            }
        }
        Ok(if received.is_closed { None } else { Some(received.frames) })
    }

    fn send(&mut self, epoll: &EpollSet, token: usize, frame: &[u8], count: usize) -> Result<(), CeilingError> {
        let now = Instant::now();
        self.sent.extend(std::iter::repeat_n(now, count));
        self.connection.outgoing.push(frame, count);
        let sent = self.connection.outgoing.send(&mut self.connection.socket);
        let all = sent.map_err(|source| CeilingError::Socket { what: "sending to the server", source })?;
        if self.connection.waits_to_write == all {
            self.connection.waits_to_write = !all;
            let watched = epoll.watch(&self.connection.socket, token, !all);
            watched.map_err(|source| CeilingError::Socket { what: "watching a connection", source })?;
        }
        Ok(())
    }
}

impl Window {
    fn begin(now: Instant, server: Option<u32>) -> Result<Self, CeilingError> {
        let latency_us = Histogram::new_with_max(LATENCY_US_MAX, SIGNIFICANT_DIGITS);
        Ok(Self {
            began: now,
            messages: 0,
            latency_us: latency_us.expect("the limits are good ones"),
            server_cpu_us: server.map_or(Ok(0), process_cpu_us)?,
            load_cpu_us: process_cpu_us(std::process::id())?,
        })
    }

    fn record(&mut self, latency: Duration) {
        self.messages += 1;
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    fn end(self, now: Instant, options: &LoadOptions) -> Result<LoadReport, CeilingError> {
        let seconds = (now - self.began).as_secs_f64();
        let per_message = |us: u64| us as f64 / self.messages.max(1) as f64;
        let server_cpu_us = options.server_pid.map(process_cpu_us).transpose()?;
        let at = |share| self.latency_us.value_at_quantile(share);
        Ok(LoadReport {
            connections: options.connections,
            in_flight: options.in_flight,
            body_bytes: options.body_bytes,
            seconds,
            messages: self.messages,
            messages_per_second: self.messages as f64 / seconds,
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.latency_us.max(),
            server_cpu_us_per_message: server_cpu_us.map(|us| per_message(us - self.server_cpu_us)),
            load_cpu_us_per_message: per_message(process_cpu_us(std::process::id())? - self.load_cpu_us),
        })
    }
}
