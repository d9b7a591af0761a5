//! A connection to a name server with one request at a time.
//!
//! Never two at once: Apache's name server hands the requests of one connection to several threads, and may note the
//! later of two registrations first.

use std::time::Duration;

use protocol::code::ResponseCode;
use protocol::command::RemotingCommand;
use protocol::frame::decode_frame;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::parse::name_servers::NameServerAddress;

/// Answers of a name server are short; a longer one is not one.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Longer than any connect on a network that works, two lost packets included.
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// A connection on which nothing arrives at the other end is given up after this long: left alone, TCP would try for
/// many minutes, at ever longer distances, and a new leader would stay unknown while the network is well again.
pub(super) const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(3);

/// Why a shard is not registered with a name server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
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

/// A connection and what has arrived on it.
pub(crate) struct NameServerLink {
    pub(super) stream: TcpStream,
    received: Vec<u8>,
    opaque: i32,
}

impl NameServerLink {
    pub(crate) async fn connect(server: &NameServerAddress, patience: Duration) -> Result<Self, RegistrationError> {
        let patience = patience.min(CONNECT_MAX);
        let connect = TcpStream::connect((server.host.as_str(), server.port));
        let stream = timeout(patience, connect).await.map_err(|_| RegistrationError::Timeout(patience))??;
        stream.set_nodelay(true)?;
        set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MAX.as_millis() as u32).map_err(std::io::Error::from)?;
        Ok(Self { stream, received: Vec::new(), opaque: 0 })
    }

    /// Sends what `encode` appends under the number it is given, and waits for the answer to it.
    pub(super) async fn call(
        &mut self,
        patience: Duration,
        encode: impl FnOnce(&mut Vec<u8>, i32),
    ) -> Result<(), RegistrationError> {
        self.ask(patience, encode).await.map(drop)
    }

    /// As [`Self::call`]; returns the answer.
    pub(crate) async fn ask(
        &mut self,
        patience: Duration,
        encode: impl FnOnce(&mut Vec<u8>, i32),
    ) -> Result<RemotingCommand, RegistrationError> {
        self.opaque = self.opaque.wrapping_add(1);
        let mut frame = Vec::new();
        encode(&mut frame, self.opaque);
        let answered = timeout(patience, async {
            self.stream.write_all(&frame).await?;
            self.answer().await
        });
        let answer = answered.await.map_err(|_| RegistrationError::Timeout(patience))??;
        if answer.code == ResponseCode::SUCCESS.0 {
            return Ok(answer);
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
    pub(super) async fn wait_closed(&mut self) -> RegistrationError {
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
