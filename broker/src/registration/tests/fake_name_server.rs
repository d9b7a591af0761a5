//! A name server that notes what it is told and answers when the test says so.

use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use protocol::body::RegisterBrokerBody;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{CommandEncoder, RemotingCommand};
use protocol::frame::{HeaderEncoding, decode_frame};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far above what anything takes, far below the period of registrations.
const LIMIT: Duration = Duration::from_secs(15);

/// What comes of `future`, which has to come within the limit.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("{what} did not come within {LIMIT:?}"))
}

/// One request, with what counts about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Registered { broker_id: i64, state_version: i64, topics: Vec<String>, counter: i64 },
    Unregistered { broker_id: i64 },
}

pub(super) struct FakeNameServer(TcpListener);

impl FakeNameServer {
    pub(super) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Link {
        let (stream, _) = within("a connection", self.0.accept()).await.unwrap();
        Link { stream, received: Vec::new(), opaque: 0 }
    }
}

/// One connection of a broker.
pub(super) struct Link {
    stream: TcpStream,
    received: Vec<u8>,
    opaque: i32,
}

impl Link {
    pub(super) async fn hear_and_answer(&mut self) -> Heard {
        let heard = self.hear().await;
        self.answer(ResponseCode::SUCCESS).await;
        heard
    }

    pub(super) async fn hear(&mut self) -> Heard {
        let command = within("a request", self.request()).await;
        self.opaque = command.opaque;
        assert_eq!(command.get("brokerName"), Some("g"));
        assert_eq!(command.get("brokerAddr"), Some("127.0.0.1:40911"));
        assert_eq!(command.get("clusterName"), Some("DefaultCluster"));
        let broker_id = command.get("brokerId").unwrap().parse().unwrap();
        match RequestCode(command.code) {
            RequestCode::UNREGISTER_BROKER => Heard::Unregistered { broker_id },
            RequestCode::REGISTER_BROKER => {
                assert_eq!(command.get("haServerAddr"), Some("127.0.0.1:40912"));
                assert_eq!(command.get("enableActingMaster"), Some("false"));
                let crc = command.get("bodyCrc32").unwrap().parse::<u32>().unwrap();
                assert_eq!(crc, crc32fast::hash(&command.body) & 0x7FFF_FFFF);
                let is_json = command.body.first() == Some(&b'{');
                assert_eq!(command.get("compressed"), Some(if is_json { "false" } else { "true" }));
                let table = RegisterBrokerBody::decode(&command.body).unwrap().topic_config_table;
                let topics = table.topic_config_table.into_keys().collect();
                let version = table.data_version;
                Heard::Registered { broker_id, state_version: version.state_version, topics, counter: version.counter }
            }
            other => panic!("a broker asks {other:?}"),
        }
    }

    async fn request(&mut self) -> RemotingCommand {
        loop {
            if let Some((frame, used)) = decode_frame(&self.received).unwrap() {
                let command = RemotingCommand::decode(&frame).unwrap();
                self.received.drain(..used);
                return command;
            }
            assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0, "closed instead of asking");
        }
    }

    /// Answers what was heard last.
    pub(super) async fn answer(&mut self, code: ResponseCode) {
        let mut frame = Vec::new();
        CommandEncoder::response(&mut frame, HeaderEncoding::Json, code.0, self.opaque, None).finish();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Whether nothing has arrived that was not heard yet.
    pub(super) fn is_silent(&self) -> bool {
        // Of the kernel: the runtime may not have noticed yet what is there.
        let arrived = recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        self.received.is_empty() && arrived.err() == Some(Errno::AGAIN)
    }

    /// The broker's end of the connection; by a reset if it had not read the last answer.
    pub(super) async fn closed(&mut self) {
        match self.stream.read(&mut [0; 1]).await {
            Ok(read) => assert_eq!(read, 0, "a request instead of the end"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}
