//! Registration with the name servers, on the control thread: every shard with every name server over a connection of
//! its own, at start, at each change of its topics and every period.
//!
//! A closed connection makes a name server forget the broker at once, and it forgets one broker a connection, hence
//! one each. A name server that is away is tried again; the others do not notice.

use std::sync::Arc;
use std::time::Duration;

use protocol::body::{RegisterBrokerBody, TopicConfigTable};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{CommandEncoder, RemotingCommand};
use protocol::frame::{HeaderEncoding, decode_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::parse::name_servers::NameServerAddress;
use crate::config::{BrokerConfig, ShardIdentity};

const RETRY: Duration = Duration::from_secs(1);
/// Answers of a name server are short; a longer one is not one.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// At the end each name server is told within this time, or not at all.
const UNREGISTER_TIMEOUT: Duration = Duration::from_millis(500);

/// A shard's end: what it says last is what is registered.
#[derive(Clone)]
pub struct RegistrationSender(Option<watch::Sender<Option<Arc<Vec<u8>>>>>);

/// The control thread's end.
pub type RegistrationReceiver = watch::Receiver<Option<Arc<Vec<u8>>>>;

/// Both ends of one shard's registration.
pub fn channel() -> (RegistrationSender, RegistrationReceiver) {
    let (sender, receiver) = watch::channel(None);
    (RegistrationSender(Some(sender)), receiver)
}

impl RegistrationSender {
    /// One that tells nobody, for tests.
    pub fn to_nobody() -> Self {
        Self(None)
    }

    pub(crate) fn topics_changed(&self, table: TopicConfigTable, compressed: bool) {
        let Some(sender) = &self.0 else { return };
        let body = RegisterBrokerBody { topic_config_table: table, ..RegisterBrokerBody::default() };
        let body = if compressed { body.encode_compressed() } else { body.encode() };
        sender.send_replace(Some(Arc::new(body)));
    }
}

/// Keeps one shard registered with one name server until `stop` changes. `registered` is told of each success.
pub async fn keep_registered(
    config: Arc<BrokerConfig>,
    shard: ShardIdentity,
    server: NameServerAddress,
    mut topics: RegistrationReceiver,
    mut stop: watch::Receiver<bool>,
    registered: impl Fn(),
) {
    let mut was_away = false;
    loop {
        let stopped = tokio::select! {
            result = session(&config, &shard, &server, &mut topics, &registered) => {
                let Err(error) = result;
                if matches!(error, RegistrationError::ShardEnded) {
                    // Whoever is told of a shard that is gone would wait for it.
                    return;
                }
                if !std::mem::replace(&mut was_away, true) {
                    tracing::warn!(server = %format_args!("{}:{}", server.host, server.port), %error, broker = shard.broker_name,
                        "not registered with this name server; trying again every second");
                }
                false
            }
            _ = stop.changed() => true,
        };
        if stopped || *stop.borrow() {
            let _ = timeout(UNREGISTER_TIMEOUT, unregister(&config, &shard, &server)).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One connection's life.
async fn session(
    config: &BrokerConfig,
    shard: &ShardIdentity,
    server: &NameServerAddress,
    topics: &mut RegistrationReceiver,
    registered: &impl Fn(),
) -> Result<std::convert::Infallible, RegistrationError> {
    let patience = config.registration.timeout;
    let mut link = Link::connect(server, patience).await?;
    let mut is_first = true;
    loop {
        let body = topics.borrow_and_update().clone();
        if let Some(body) = body {
            link.call(patience, |buffer, opaque| encode_register(config, shard, &body, buffer, opaque)).await?;
            if std::mem::take(&mut is_first) {
                tracing::info!(server = %format_args!("{}:{}", server.host, server.port), broker = shard.broker_name, "registered");
            }
            registered();
        }
        tokio::select! {
            changed = topics.changed() => changed.map_err(|_| RegistrationError::ShardEnded)?,
            () = tokio::time::sleep(config.registration.period) => {}
            closed = link.wait_closed() => return Err(closed),
        }
    }
}

async fn unregister(
    config: &BrokerConfig,
    shard: &ShardIdentity,
    server: &NameServerAddress,
) -> Result<(), RegistrationError> {
    let mut link = Link::connect(server, UNREGISTER_TIMEOUT).await?;
    link.call(UNREGISTER_TIMEOUT, |buffer, opaque| {
        let code = RequestCode::UNREGISTER_BROKER.0;
        let mut encoder = CommandEncoder::request(buffer, HeaderEncoding::Json, code, opaque, 0);
        encoder
            .field("brokerName", shard.broker_name.as_str())
            .field("brokerAddr", shard.advertised_address.as_str())
            .field("clusterName", config.identity.cluster_name.as_str())
            .field("brokerId", config.identity.broker_id);
        encoder.finish();
    })
    .await
}

fn encode_register(config: &BrokerConfig, shard: &ShardIdentity, body: &[u8], buffer: &mut Vec<u8>, opaque: i32) {
    let code = RequestCode::REGISTER_BROKER.0;
    let mut encoder = CommandEncoder::request(buffer, HeaderEncoding::Json, code, opaque, 0);
    encoder
        .field("brokerName", shard.broker_name.as_str())
        .field("brokerAddr", shard.advertised_address.as_str())
        .field("clusterName", config.identity.cluster_name.as_str())
        .field("haServerAddr", shard.ha_advertised_address.as_str())
        .field("brokerId", config.identity.broker_id)
        .field("enableActingMaster", false)
        .field("compressed", config.registration.compressed)
        .field("bodyCrc32", crc32fast::hash(body) as i32 & i32::MAX);
    encoder.finish_with_body(body);
}

#[derive(Debug, thiserror::Error)]
enum RegistrationError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("it closed the connection")]
    Closed,
    #[error("it answered {code}: {remark}")]
    Refused { code: ResponseCode, remark: String },
    #[error("its answer cannot be read: {0}")]
    Answer(String),
    #[error("the shard has ended")]
    ShardEnded,
}

/// A connection with one request at a time.
struct Link {
    stream: TcpStream,
    received: Vec<u8>,
    opaque: i32,
}

impl Link {
    async fn connect(server: &NameServerAddress, patience: Duration) -> Result<Self, RegistrationError> {
        let connect = TcpStream::connect((server.host.as_str(), server.port));
        let stream = timeout(patience, connect).await.map_err(|_| RegistrationError::Timeout(patience))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new(), opaque: 0 })
    }

    async fn call(
        &mut self,
        patience: Duration,
        encode: impl FnOnce(&mut Vec<u8>, i32),
    ) -> Result<(), RegistrationError> {
        self.opaque = self.opaque.wrapping_add(1);
        let mut frame = Vec::new();
        encode(&mut frame, self.opaque);
        let answered = timeout(patience, async {
            self.stream.write_all(&frame).await?;
            self.answer().await
        });
        let answer = answered.await.map_err(|_| RegistrationError::Timeout(patience))??;
        if answer.code == ResponseCode::SUCCESS.0 {
            return Ok(());
        }
        Err(RegistrationError::Refused { code: ResponseCode(answer.code), remark: answer.remark.unwrap_or_default() })
    }

    async fn answer(&mut self) -> Result<RemotingCommand, RegistrationError> {
        loop {
            let unreadable = |error: &dyn std::fmt::Display| RegistrationError::Answer(error.to_string());
            if let Some((frame, used)) = decode_frame(&self.received).map_err(|error| unreadable(&error))? {
                let command = RemotingCommand::decode(&frame).map_err(|error| unreadable(&error))?;
                self.received.drain(..used);
                if command.opaque == self.opaque && command.is_response() {
                    return Ok(command);
                }
                continue;
            }
            if self.received.len() > ANSWER_BYTES_MAX {
                return Err(RegistrationError::Answer(format!("it is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(RegistrationError::Closed);
            }
        }
    }

    /// Completes when the name server closes the connection; what it says unasked is dropped.
    async fn wait_closed(&mut self) -> RegistrationError {
        let mut dropped = [0; 1024];
        loop {
            match self.stream.read(&mut dropped).await {
                Ok(0) => return RegistrationError::Closed,
                Ok(_) => {}
                Err(error) => return RegistrationError::Io(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::TopicConfig;

    use super::*;

    #[test]
    fn a_name_server_reads_the_same_topics_from_either_form() {
        let topic = TopicConfig { topic_name: "T".to_owned(), read_queue_nums: 3, ..TopicConfig::default() };
        let table =
            TopicConfigTable { topic_config_table: [("T".to_owned(), topic)].into(), ..TopicConfigTable::default() };
        let (sender, receiver) = channel();
        let mut bodies = Vec::new();
        for compressed in [false, true] {
            sender.topics_changed(table.clone(), compressed);
            bodies.push(receiver.borrow().clone().expect("a body was sent"));
        }
        assert_ne!(bodies[0], bodies[1]);
        for body in bodies {
            assert_eq!(RegisterBrokerBody::decode(&body).unwrap().topic_config_table, table);
        }
    }
}
