//! A light load: real SEND_MESSAGE_V2 or PULL_MESSAGE frames at a fixed concurrency, closed loop, one thread.
//!
//! `load send|pull --topic T --connections 1 --in-flight 64 --bytes 1024 --messages 1000000 --pid BROKER_PID`
//!
//! Prints messages a second, latency percentiles and, with `--pid`, the broker's CPU seconds for a million messages.

use std::error::Error;
use std::time::Instant;

use client::{Client, ClientOptions};
use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use protocol::frame::{HeaderEncoding, decode_frame};
use protocol::header::Header;
use protocol::record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Options {
    is_pull: bool,
    namesrv: String,
    topic: String,
    connections: usize,
    in_flight: usize,
    bytes: usize,
    messages: usize,
    batch: i32,
    pid: Option<u32>,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let is_pull = match arguments.next().as_deref() {
            Some("send") => false,
            Some("pull") => true,
            _ => return Err("the first word is send or pull".into()),
        };
        let mut options = Self {
            is_pull,
            namesrv: "127.0.0.1:9876".to_owned(),
            topic: "load".to_owned(),
            connections: 1,
            in_flight: 64,
            bytes: 1024,
            messages: 1_000_000,
            batch: 32,
            pid: None,
        };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or("every flag has a value")?;
            match flag.as_str() {
                "--namesrv" => options.namesrv = value,
                "--topic" => options.topic = value,
                "--connections" => options.connections = value.parse()?,
                "--in-flight" => options.in_flight = value.parse()?,
                "--bytes" => options.bytes = value.parse()?,
                "--messages" => options.messages = value.parse()?,
                "--batch" => options.batch = value.parse()?,
                "--pid" => options.pid = Some(value.parse()?),
                _ => return Err(format!("unknown flag {flag}").into()),
            }
        }
        Ok(options)
    }
}

/// Where to send: address and queue id.
type Target = (String, i32);

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(run(options)))
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let targets = targets(&options).await?;
    let cpu = || options.pid.map_or(0.0, cpu_seconds);
    let (began, cpu_before) = (Instant::now(), cpu());
    let mut tasks = Vec::new();
    for number in 0..options.connections {
        let target = targets[number % targets.len()].clone();
        let share = options.messages / options.connections;
        let worker = Worker::new(&options, target, share);
        tasks.push(tokio::task::spawn_local(async move {
            if options.is_pull { worker.pull().await } else { worker.send().await }
        }));
    }
    let mut latencies_us = Vec::new();
    let mut messages = 0;
    for task in tasks {
        let (done, mut latencies) = task.await?.map_err(|error| error.to_string())?;
        messages += done;
        latencies_us.append(&mut latencies);
    }
    let (elapsed, cpu) = (began.elapsed().as_secs_f64(), cpu() - cpu_before);
    latencies_us.sort_unstable();
    let at = |share: f64| latencies_us[((latencies_us.len() - 1) as f64 * share) as usize];
    println!(
        "messages={messages} seconds={elapsed:.2} per_second={:.0} p50_us={} p99_us={} p999_us={} max_us={} broker_cpu_s_per_million={:.2}",
        messages as f64 / elapsed,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        cpu * 1e6 / messages as f64
    );
    Ok(())
}

async fn targets(options: &Options) -> Result<Vec<Target>, Box<dyn Error>> {
    let client = Client::new(&options.namesrv, ClientOptions::default()).await?;
    let route = client.route(&options.topic).await?;
    let mut targets = Vec::new();
    for queue in route.readable_queues() {
        let address = route.master_address(&queue.broker_name).ok_or("a broker without a master")?;
        targets.push((address.to_owned(), queue.queue_id));
    }
    Ok(targets)
}

/// CPU seconds that a process has used so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| after_name.split_whitespace().nth(field).and_then(|text| text.parse::<f64>().ok());
    // Fields 14 and 15 of the line; two are before the bracket. Ticks are a hundredth of a second on Linux.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

struct Worker {
    topic: String,
    target: Target,
    messages: usize,
    in_flight: usize,
    bytes: usize,
    batch: i32,
}

type Done = Result<(usize, Vec<u32>), Box<dyn Error>>;

impl Worker {
    fn new(options: &Options, target: Target, messages: usize) -> Self {
        let Options { in_flight, bytes, batch, ref topic, .. } = *options;
        Self { topic: topic.clone(), target, messages, in_flight, bytes, batch }
    }

    async fn send(self) -> Done {
        let mut stream = TcpStream::connect(&self.target.0).await?;
        stream.set_nodelay(true)?;
        let body = vec![b'x'; self.bytes];
        let mut latencies = Vec::with_capacity(self.messages);
        let mut sent_at = vec![Instant::now(); self.in_flight];
        let (mut sent, mut answered) = (0, 0);
        let (mut out, mut received) = (Vec::new(), Vec::with_capacity(1 << 18));
        let mut header = Header::default();
        while answered < self.messages {
            out.clear();
            let now = Instant::now();
            while sent < self.messages && sent - answered < self.in_flight {
                sent_at[sent % self.in_flight] = now;
                self.encode_send(sent, &body, &mut out);
                sent += 1;
            }
            if !out.is_empty() {
                stream.write_all(&out).await?;
            }
            stream.read_buf(&mut received).await?;
            let mut used_all = 0;
            let now = Instant::now();
            while let Some((frame, used)) = decode_frame(&received[used_all..])? {
                header.decode(&frame)?;
                if header.code != 0 {
                    return Err(format!("answer {}: {:?}", header.code, header.remark()).into());
                }
                let slot = header.opaque as usize % self.in_flight;
                latencies.push(now.duration_since(sent_at[slot]).as_micros() as u32);
                used_all += used;
                answered += 1;
            }
            received.drain(..used_all);
        }
        Ok((answered, latencies))
    }

    fn encode_send(&self, number: usize, body: &[u8], out: &mut Vec<u8>) {
        let code = RequestCode::SEND_MESSAGE_V2.0;
        let mut encoder = CommandEncoder::request(out, HeaderEncoding::Json, code, number as i32, 0);
        encoder
            .field("a", "load")
            .field("b", self.topic.as_str())
            .field("c", "TBW102")
            .field("d", 4)
            .field("e", self.target.1)
            .field("f", 0)
            .field("g", 1_700_000_000_000_i64)
            .field("h", 0)
            .field("i", "UNIQ_KEY\u{1}7F0000016A2C123456784AED61980001\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}")
            .field("j", 0)
            .field("k", false)
            .field("m", false);
        encoder.finish_with_body(body);
    }

    async fn pull(self) -> Done {
        let mut stream = TcpStream::connect(&self.target.0).await?;
        stream.set_nodelay(true)?;
        let mut latencies = Vec::new();
        let (mut offset, mut messages, mut opaque) = (0_i64, 0, 0);
        let (mut out, mut received) = (Vec::new(), Vec::with_capacity(1 << 20));
        let mut header = Header::default();
        while messages < self.messages {
            opaque += 1;
            out.clear();
            self.encode_pull(offset, opaque, &mut out);
            let began = Instant::now();
            stream.write_all(&out).await?;
            let used = loop {
                if let Some((frame, used)) = decode_frame(&received)? {
                    header.decode(&frame)?;
                    messages += record::iterate(frame.body).count();
                    break used;
                }
                stream.read_buf(&mut received).await?;
            };
            received.drain(..used);
            latencies.push(began.elapsed().as_micros() as u32);
            offset = header.require("nextBeginOffset")?;
            if header.code != 0 {
                break;
            }
        }
        Ok((messages, latencies))
    }

    fn encode_pull(&self, offset: i64, opaque: i32, out: &mut Vec<u8>) {
        let code = RequestCode::PULL_MESSAGE.0;
        let mut encoder = CommandEncoder::request(out, HeaderEncoding::Json, code, opaque, 0);
        encoder
            .field("consumerGroup", "load")
            .field("topic", self.topic.as_str())
            .field("queueId", self.target.1)
            .field("queueOffset", offset)
            .field("maxMsgNums", self.batch)
            .field("sysFlag", 4)
            .field("commitOffset", 0)
            .field("suspendTimeoutMillis", 0)
            .field("subscription", "*")
            .field("subVersion", 0)
            .field("expressionType", "TAG");
        encoder.finish();
    }
}
