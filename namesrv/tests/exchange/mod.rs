//! A name server that is talked to in frames, with files and a clock of the test's own.

// Each test file uses its part of this, and a test may fail by panicking wherever it does.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use namesrv::file_store::FileStore;
use namesrv::{Config, Connection, NameServer};
use protocol::frame::{HeaderEncoding, decode_frame};
use protocol::{RemotingCommand, VERSION};
use serde_json::Value;

/// Files in memory, shared with the test.
#[derive(Default, Clone)]
pub(crate) struct MemoryFiles(Arc<Mutex<MemoryFolder>>);

#[derive(Default)]
struct MemoryFolder {
    files: BTreeMap<PathBuf, Vec<u8>>,
    is_full: bool,
}

impl MemoryFiles {
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.0.lock().unwrap().files.get(Path::new(path)).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        self.0.lock().unwrap().files.insert(path.into(), text.into());
    }

    /// From now on nothing can be written.
    pub(crate) fn fill_up(&self) {
        self.0.lock().unwrap().is_full = true;
    }
}

impl FileStore for MemoryFiles {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().files.get(path).cloned())
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut folder = self.0.lock().unwrap();
        if folder.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        folder.files.insert(path.to_owned(), bytes.to_owned());
        Ok(())
    }
}

/// The name server under test. Requests come over `connection` at `now` until the test says otherwise.
pub(crate) struct Exchange {
    pub(crate) server: NameServer,
    pub(crate) files: MemoryFiles,
    pub(crate) now: Duration,
    pub(crate) connection: Connection,
}

/// An answer, and its header as it went over the wire.
pub(crate) struct Answer {
    pub(crate) command: RemotingCommand,
    pub(crate) header: String,
}

impl std::ops::Deref for Answer {
    type Target = RemotingCommand;

    fn deref(&self) -> &RemotingCommand {
        &self.command
    }
}

pub(crate) fn config() -> Config {
    Config::with_home(Path::new("/home/mq"))
}

pub(crate) const KV_PATH: &str = "/home/mq/namesrv/kvConfig.json";

impl Exchange {
    pub(crate) fn new() -> Self {
        Self::with(config(), MemoryFiles::default())
    }

    pub(crate) fn with(config: Config, files: MemoryFiles) -> Self {
        let now = Duration::from_secs(1000);
        let server = NameServer::new(config, Box::new(files.clone()), now).unwrap();
        Self { server, files, now, connection: Connection(1) }
    }

    /// Sends a whole frame; `None` when it is not answered.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> Option<Answer> {
        let (frame, used) = decode_frame(bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len(), "exactly one frame");
        let mut out = b"earlier answer".to_vec();
        let answered = self.server.frame(self.now, self.connection, &frame, &mut out).unwrap();
        let out = out.strip_prefix(b"earlier answer").expect("answers are appended");
        assert_eq!(answered, !out.is_empty());
        if !answered {
            return None;
        }
        let (answer, used) = decode_frame(out).unwrap().unwrap();
        assert_eq!(used, out.len(), "exactly one answer");
        assert_eq!(answer.encoding, frame.encoding, "answered as asked");
        let header = String::from_utf8_lossy(answer.header).into_owned();
        Some(Answer { command: RemotingCommand::decode(&answer).unwrap(), header })
    }

    /// Sends header text and body as they stand in a transcript.
    pub(crate) fn raw(&mut self, header: &str, body: &[u8]) -> Answer {
        self.frame(&json_frame(header, body)).expect("answered")
    }

    /// Sends a request of a current Java client.
    pub(crate) fn ask(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(code, fields, body, HeaderEncoding::Json).expect("answered")
    }

    pub(crate) fn send(
        &mut self,
        code: i32,
        fields: &[(&str, &str)],
        body: &[u8],
        encoding: HeaderEncoding,
    ) -> Option<Answer> {
        let mut out = Vec::new();
        request(code, fields, body).encode(&mut out, encoding);
        self.frame(&out)
    }

    /// Registers a broker with topics of four queues; its id, version and so on may be given as more fields.
    pub(crate) fn register(
        &mut self,
        broker_name: &str,
        address: &str,
        topics: &[&str],
        more: &[(&str, &str)],
    ) -> Answer {
        let mut fields = vec![
            ("brokerName", broker_name),
            ("brokerAddr", address),
            ("clusterName", "DefaultCluster"),
            ("haServerAddr", ""),
            ("brokerId", "0"),
            ("bodyCrc32", "0"),
        ];
        fields.retain(|(key, _)| more.iter().all(|(other, _)| key != other));
        fields.extend(more);
        self.ask(103, &fields, table_body(topics, 1).as_bytes())
    }

    /// Registers a replica of `broker-a` with topics T and U in a term; its HA address is its own with a `1` behind.
    pub(crate) fn register_replica(&mut self, address: &str, broker_id: i64, term: i64) -> Answer {
        let (broker_id, ha_server) = (broker_id.to_string(), format!("{address}1"));
        let fields = [
            ("brokerName", "broker-a"),
            ("brokerAddr", address),
            ("clusterName", "DefaultCluster"),
            ("haServerAddr", &ha_server),
            ("brokerId", &broker_id),
            ("enableActingMaster", "false"),
            ("bodyCrc32", "0"),
        ];
        self.ask(103, &fields, table_body_of_term(&["T", "U"], term, 1).as_bytes())
    }

    /// Text of a topic's route body; `None` without a route.
    pub(crate) fn route(&mut self, topic: &str) -> Option<String> {
        let answer = self.ask(105, &[("topic", topic)], b"");
        assert!(matches!(answer.code, 0 | 17), "{}", answer.header);
        (answer.code == 0).then(|| text(&answer))
    }
}

pub(crate) fn request(code: i32, fields: &[(&str, &str)], body: &[u8]) -> RemotingCommand {
    RemotingCommand {
        code,
        language: protocol::Language::JAVA,
        version: VERSION,
        opaque: 7,
        flag: 0,
        remark: None,
        fields: fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        body: body.to_vec(),
    }
}

pub(crate) fn json_frame(header: &str, body: &[u8]) -> Vec<u8> {
    let mut frame = (4 + header.len() as u32 + body.len() as u32).to_be_bytes().to_vec();
    frame.extend((header.len() as u32).to_be_bytes());
    frame.extend(header.as_bytes());
    frame.extend(body);
    frame
}

/// Body of a registration with topics of four queues.
pub(crate) fn table_body(topics: &[&str], counter: i64) -> String {
    table_body_of_term(topics, 0, counter)
}

/// The same with a term as the state version.
pub(crate) fn table_body_of_term(topics: &[&str], term: i64, counter: i64) -> String {
    let configs: Vec<_> = topics
        .iter()
        .map(|topic| {
            format!(
                r#""{topic}":{{"attributes":{{}},"order":false,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"{topic}","topicSysFlag":0,"writeQueueNums":4}}"#
            )
        })
        .collect();
    let configs = configs.join(",");
    let version = format!(r#"{{"counter":{counter},"stateVersion":{term},"timestamp":1700000000000}}"#);
    format!(
        r#"{{"filterServerList":[],"topicConfigSerializeWrapper":{{"dataVersion":{version},"mappingDataVersion":{version},"topicConfigTable":{{{configs}}},"topicQueueMappingDetailMap":{{}},"topicQueueMappingInfoMap":{{}}}}}}"#
    )
}

pub(crate) fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// Compares an answer with a transcript's header line, where the order of keys and an empty `extFields` mean nothing.
pub(crate) fn assert_header(answer: &Answer, expected: &str) {
    let parse = |text: &str| {
        let mut header: Value = serde_json::from_str(text).unwrap();
        if header["extFields"].as_object().is_none_or(|fields| fields.is_empty()) {
            header.as_object_mut().unwrap().remove("extFields");
        }
        header
    };
    assert_eq!(parse(&answer.header), parse(expected));
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
