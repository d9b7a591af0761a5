//! Flags of who sends.

use clap::{Args, ValueEnum};

use crate::plan::{BodySize, OPEN_LOOP_IN_FLIGHT, Producers, SendMode};

/// Connections without `--connections`.
const CONNECTIONS: usize = 8;
/// Requests in flight a connection without `--in-flight`, for all modes but sync.
const IN_FLIGHT: usize = 64;
/// The same for batches: each is many messages.
const BATCHES_IN_FLIGHT: usize = 4;
/// Messages of a batch without `--batch`.
const BATCH: usize = 32;
/// Size of bodies without `--size`.
const BODY_BYTES: usize = 1_024;

/// The senders.
#[derive(Debug, Clone, Args)]
pub struct ProducerArgs {
    /// How to send
    #[arg(long, value_enum, default_value_t = ModeArg::Async)]
    pub mode: ModeArg,
    /// Connections that send, over all brokers
    #[arg(long, value_name = "C", default_value_t = CONNECTIONS)]
    pub connections: usize,
    /// Requests in flight on each of them [default: sync 1, async 64, batch 4; with --rate 1000]
    #[arg(long, value_name = "W")]
    pub in_flight: Option<usize>,
    /// Messages of a batch [default: 32; only with --mode batch]
    #[arg(long, value_name = "B")]
    pub batch: Option<usize>,
    /// Size of bodies in bytes, as 1024 or 4k [default: 1024]
    #[arg(long, value_name = "BYTES", conflicts_with = "size_dist", value_parser = fixed)]
    pub size: Option<BodySize>,
    /// Sizes of bodies drawn from a range, as uniform:128-4k
    #[arg(long, value_name = "DISTRIBUTION")]
    pub size_dist: Option<BodySize>,
    /// Give each message a key of its own, which brokers index
    #[arg(long)]
    pub keys: bool,
    /// Another property of each message; may be repeated
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property)]
    pub properties: Vec<(String, String)>,
    /// Messages a second over all connections (open loop); without it as fast as the answers come (closed loop)
    #[arg(long, value_name = "MESSAGES")]
    pub rate: Option<f64>,
}

/// `--mode` of senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// One request in flight a connection
    Sync,
    /// A window of requests in flight a connection
    Async,
    /// No answers
    Oneway,
    /// Several messages a request
    Batch,
}

impl ProducerArgs {
    /// The senders with all defaults filled in.
    #[must_use]
    pub fn producers(&self) -> Producers {
        let mode = match self.mode {
            ModeArg::Sync => SendMode::Sync,
            ModeArg::Async => SendMode::Async,
            ModeArg::Oneway => SendMode::Oneway,
            ModeArg::Batch => SendMode::Batch,
        };
        let in_flight = match (mode, self.rate) {
            (SendMode::Sync, _) => 1,
            (_, Some(_)) => OPEN_LOOP_IN_FLIGHT,
            (SendMode::Batch, None) => BATCHES_IN_FLIGHT,
            (SendMode::Async | SendMode::Oneway, None) => IN_FLIGHT,
        };
        Producers {
            mode,
            connections: self.connections,
            in_flight: self.in_flight.unwrap_or(in_flight),
            batch: self.batch.unwrap_or(if mode == SendMode::Batch { BATCH } else { 1 }),
            body_size: self.size.or(self.size_dist).unwrap_or(BodySize::Fixed(BODY_BYTES)),
            keys: self.keys,
            properties: self.properties.clone(),
            rate: self.rate,
        }
    }
}

fn fixed(text: &str) -> Result<BodySize, String> {
    match text.parse() {
        Ok(BodySize::Uniform { .. }) => Err("a range goes to --size-dist".to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(error.to_string()),
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "it has no =, as in TAGS=new".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
