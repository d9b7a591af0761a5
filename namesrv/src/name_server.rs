//! The name server without I/O.

use std::path::PathBuf;
use std::time::Duration;

use observe::RpcAnswer;
use protocol::CommandEncoder;
use protocol::code::{RequestCode, ResponseCode};
use protocol::frame::{FRAME_BYTES_MAX, Frame};
use protocol::header::{Header, HeaderError};
use runtime::listener::ListenError;
use tracing::debug;

use crate::Connection;
use crate::broker_registry::BrokerRegistry;
use crate::config::Config;
use crate::file_store::FileStore;
use crate::kv_config::{KvConfig, KvConfigFull};
use crate::not_served;
use crate::processor::{Outcome, Refusal, Request};
use crate::route_table;

/// Everything a name server knows. Time is a point on the caller's clock that never goes back.
pub struct NameServer {
    pub(crate) config: Config,
    pub(crate) registry: BrokerRegistry,
    kv: KvConfig,
    files: Box<dyn FileStore>,
    started_at: Duration,
    /// Reused by all requests.
    header: Header,
    /// What the last frame came to, for the metrics.
    answered: Option<RpcAnswer>,
}

/// Why a name server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The KV file exists and cannot be read.
    #[error("cannot read the KV table {path} (kvConfigPath)")]
    ReadKvConfig {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The KV file is damaged; starting without it would overwrite what is left of it.
    #[error("the KV table {path} (kvConfigPath) is not JSON of the form {{\"configTable\":{{…}}}}")]
    DecodeKvConfig {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        source: serde_json::Error,
    },
    /// The port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Sockets or the thread's executor cannot be made.
    #[error("the name server's thread cannot start")]
    Shard(#[source] std::io::Error),
}

/// Longest body of an answer: the frame limit less a generous header. Only lists of very many long names come near it.
const ANSWER_BODY_BYTES_MAX: usize = FRAME_BYTES_MAX as usize - (64 << 10);

/// Why a change of a file was refused; nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Full(#[from] KvConfigFull),
    #[error("cannot replace {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
}

impl NameServer {
    /// A name server that knows no broker, and the KV table of its file.
    ///
    /// # Errors
    /// The KV table is there and cannot be used.
    pub fn new(config: Config, files: Box<dyn FileStore>, now: Duration) -> Result<Self, StartError> {
        let path = &config.kv_config_path;
        let text = files.read(path).map_err(|source| StartError::ReadKvConfig { path: path.clone(), source })?;
        let kv = match text {
            Some(text) => {
                KvConfig::decode(&text).map_err(|source| StartError::DecodeKvConfig { path: path.clone(), source })?
            }
            None => KvConfig::default(),
        };
        let (registry, header) = (BrokerRegistry::default(), Header::default());
        Ok(Self { config, registry, kv, files, started_at: now, header, answered: None })
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Brokers, groups and topics.
    pub fn registry(&self) -> &BrokerRegistry {
        &self.registry
    }

    /// Takes one frame and appends its answer to `out`. Returns whether there is one: responses and one-way requests
    /// have none.
    ///
    /// # Errors
    /// The header is none; the connection that it came over cannot be understood any further.
    pub fn frame(
        &mut self,
        now: Duration,
        connection: Connection,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, HeaderError> {
        let mut header = std::mem::take(&mut self.header);
        let decoded = header.decode(frame);
        let answered = decoded.map(|()| {
            if header.is_response() {
                return false;
            }
            let outcome = self.run(&Request { now, connection, header: &header, body: frame.body });
            let code = outcome.as_ref().map_or_else(|refusal| refusal.code, |_| ResponseCode::SUCCESS);
            let number = route_table::number(RequestCode(header.code));
            let is_oneway = header.is_oneway();
            self.answered = Some(RpcAnswer { is_oneway, ..RpcAnswer::new(number, code.0) });
            if !header.is_oneway() {
                encode_answer(out, frame, &header, &outcome);
            }
            !header.is_oneway()
        });
        self.header = header;
        answered
    }

    /// What the request of the last frame came to, if it was one; once.
    pub(crate) fn take_answered(&mut self) -> Option<RpcAnswer> {
        self.answered.take()
    }

    fn run(&mut self, request: &Request<'_>) -> Outcome {
        let code = RequestCode(request.header.code);
        let Some(route) = route_table::find(code) else {
            debug!(%code, "request that a name server does not answer");
            return Err(Refusal::new(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, not_served::remark(code)));
        };
        let answer = (route.run)(self, request)?;
        let bytes = answer.body.len();
        if bytes > ANSWER_BODY_BYTES_MAX {
            return Err(Refusal::error(format!("the answer has {bytes} bytes, a frame holds {ANSWER_BODY_BYTES_MAX}")));
        }
        Ok(answer)
    }

    /// A connection is gone, and the brokers that registered over it with it.
    pub fn connection_closed(&mut self, connection: Connection) {
        self.registry.connection_closed(connection);
    }

    /// Evicts silent brokers; due every [`Config::scan_interval`]. Returns the connections to close.
    pub fn scan(&mut self, now: Duration) -> Vec<Connection> {
        self.registry.evict_silent(now)
    }

    /// Whether route queries are answered: brokers had the time to register.
    pub(crate) fn is_ready(&self, now: Duration) -> bool {
        !self.config.need_wait_for_service || now.saturating_sub(self.started_at) >= self.config.wait_for_service
    }

    /// The KV table.
    pub(crate) fn kv(&self) -> &KvConfig {
        &self.kv
    }

    /// Changes the KV table, in its file first: what is answered is also there after a restart.
    pub(crate) fn change_kv(&mut self, change: impl FnOnce(&mut KvConfig)) -> Result<(), ChangeError> {
        let mut changed = self.kv.clone();
        change(&mut changed);
        let path = &self.config.kv_config_path;
        let replaced = self.files.replace(path, &changed.encode()?);
        replaced.map_err(|source| ChangeError::Write { path: path.clone(), source })?;
        self.kv = changed;
        Ok(())
    }

    /// Changes the settings, in their file first. The address, the port and the idle time count from the next start.
    pub(crate) fn change_config(&mut self, changed: Config) -> Result<(), ChangeError> {
        let path = &changed.config_store_path;
        let replaced = self.files.replace(path, changed.to_text().as_bytes());
        replaced.map_err(|source| ChangeError::Write { path: path.clone(), source })?;
        self.config = changed;
        Ok(())
    }
}

/// Answers in the request's own encoding: every client that writes one also reads it.
fn encode_answer(out: &mut Vec<u8>, frame: &Frame<'_>, header: &Header, outcome: &Outcome) {
    match outcome {
        Ok(answer) => {
            let code = ResponseCode::SUCCESS.0;
            let mut encoder = CommandEncoder::response(out, frame.encoding, code, header.opaque, None);
            for (key, value) in &answer.fields {
                encoder.field(key, value.as_str());
            }
            encoder.finish_with_body(&answer.body);
        }
        Err(Refusal { code, remark }) => {
            CommandEncoder::response(out, frame.encoding, code.0, header.opaque, Some(remark)).finish();
        }
    }
}
