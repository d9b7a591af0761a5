//! The real `mqnamesrv` over real sockets.

mod exchange;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use exchange::{request, table_body};
use protocol::frame::{HeaderEncoding, decode_frame};
use protocol::{RemotingCommand, frame::FrameError};

const PATIENCE: Duration = Duration::from_secs(20);

fn mqnamesrv(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqnamesrv"));
    command.env("HOME", home).env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct Running {
    child: Child,
    address: SocketAddr,
    home: tempfile::TempDir,
}

impl Running {
    fn start(settings: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        Self::start_in(home, settings)
    }

    fn start_in(home: tempfile::TempDir, settings: &str) -> Self {
        let file = home.path().join("namesrv.conf");
        let settings = format!("listenPort=0\nbindAddress=127.0.0.1\n{settings}");
        std::fs::write(&file, settings).expect("settings are written");
        let mut child = mqnamesrv(home.path()).arg("-c").arg(&file).spawn().expect("mqnamesrv starts");
        let stdout = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line is read");
        let address = line.trim().strip_prefix("mqnamesrv is ready on ").expect("it says where it is ready");
        Self { address: address.parse().expect("an address"), child, home }
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Client { socket, received: Vec::new() }
    }

    /// Ends it as an init system does; returns whether it said that all went well.
    fn terminate(mut self) -> (bool, tempfile::TempDir) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(killed.success());
        let status = self.child.wait().expect("it ends");
        let home = std::mem::replace(&mut self.home, tempfile::tempdir().expect("a temporary folder"));
        (status.success(), home)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when the test has ended it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn ask(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> RemotingCommand {
        let mut frame = Vec::new();
        request(code, fields, body).encode(&mut frame, HeaderEncoding::Json);
        self.socket.write_all(&frame).expect("it is sent");
        self.answer().expect("a frame").expect("an answer")
    }

    /// `None` when the server has closed the connection.
    fn answer(&mut self) -> Result<Option<RemotingCommand>, FrameError> {
        let mut chunk = [0; 4096];
        loop {
            if let Some((frame, used)) = decode_frame(&self.received)? {
                let answer = RemotingCommand::decode(&frame).expect("a header");
                self.received.drain(..used);
                return Ok(Some(answer));
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(bytes) => self.received.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    fn register(&mut self, address: &str, more: &[(&str, &str)]) {
        let fields = [("clusterName", "C"), ("brokerName", "broker-a"), ("brokerAddr", address), ("brokerId", "0")];
        let answer = self.ask(103, &[&fields[..], more].concat(), table_body(&["T", "U"], 1).as_bytes());
        assert_eq!(answer.code, 0, "{answer:?}");
    }

    fn wait_until_gone(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(105, &[("topic", "T")], b"").code != 17 {
            assert!(Instant::now() < deadline, "the route is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_brokers_route_is_there_until_its_connection_closes() {
    let running = Running::start("");
    let (mut broker, mut client) = (running.connect(), running.connect());
    broker.register("a:1", &[]);
    assert_eq!(client.ask(105, &[("topic", "T")], b"").code, 0);
    drop(broker);
    client.wait_until_gone();
}

#[test]
fn a_silent_broker_is_evicted_and_disconnected() {
    let running = Running::start("scanNotActiveBrokerInterval=50\n");
    let (mut broker, mut client) = (running.connect(), running.connect());
    broker.register("a:1", &[("heartbeatTimeoutMillis", "100")]);
    client.wait_until_gone();
    assert_eq!(broker.answer(), Ok(None));
}

#[test]
fn many_requests_at_once_are_answered_in_order() {
    let running = Running::start("");
    let mut client = running.connect();
    client.register("a:1", &[]);
    let mut frames = Vec::new();
    for opaque in 0..500 {
        let mut command = request(if opaque % 2 == 0 { 105 } else { 106 }, &[("topic", "T")], b"");
        command.opaque = opaque;
        command.encode(&mut frames, HeaderEncoding::Json);
    }
    client.socket.write_all(&frames).expect("they are sent");
    for opaque in 0..500 {
        let answer = client.answer().expect("a frame").expect("an answer");
        assert_eq!((answer.opaque, answer.code), (opaque, 0));
    }
}

#[test]
fn bytes_that_are_no_frame_close_their_connection_only() {
    let running = Running::start("");
    let (mut good, mut bad) = (running.connect(), running.connect());
    good.register("a:1", &[]);
    bad.socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
    assert_eq!(bad.answer(), Ok(None));
    let mut bad = running.connect();
    bad.socket.write_all(&exchange::json_frame("no header", b"")).expect("it is sent");
    assert_eq!(bad.answer(), Ok(None));
    assert_eq!(good.ask(105, &[("topic", "T")], b"").code, 0);
}

#[test]
fn it_ends_on_sigterm_and_keeps_its_kv_table() {
    let running = Running::start("");
    let answer = running.connect().ask(100, &[("namespace", "N"), ("key", "k"), ("value", "v")], b"");
    assert_eq!(answer.code, 0);
    let (well, home) = running.terminate();
    assert!(well);
    let running = Running::start_in(home, "");
    assert_eq!(running.connect().ask(101, &[("namespace", "N"), ("key", "k")], b"").get("value"), Some("v"));
}

#[test]
fn changed_settings_are_there_after_a_restart() {
    let running = Running::start("");
    assert_eq!(running.connect().ask(318, &[], b"orderMessageEnable=true").code, 0);
    let shown = running.connect().ask(319, &[], b"");
    let (_, home) = running.terminate();
    let file = std::fs::read_to_string(home.path().join("namesrv.conf")).expect("the file is there");
    assert_eq!(file.as_bytes(), shown.body);
    assert!(file.contains("orderMessageEnable=true\n"));
}

fn fails(command: &mut Command) -> String {
    let output = command.output().expect("mqnamesrv starts");
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_taken_port_is_named_with_advice() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("an address");
    let file = home.path().join("namesrv.conf");
    std::fs::write(&file, "bindAddress=127.0.0.1\n").expect("settings are written");
    let error = fails(mqnamesrv(home.path()).arg("-c").arg(&file).args(["--listen-port", &address.port().to_string()]));
    assert!(error.starts_with(&format!("mqnamesrv: cannot listen on {address}: ")), "{error}");
    assert!(error.contains("ss -ltnp"), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

#[test]
fn settings_that_cannot_be_used_end_the_start_with_one_line() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let error = fails(mqnamesrv(home.path()).args(["-c", "/nowhere/namesrv.conf"]));
    assert_eq!(
        error,
        "mqnamesrv: cannot read the configuration file /nowhere/namesrv.conf: No such file or directory (os error 2)\n"
    );
    let file = home.path().join("namesrv.conf");
    std::fs::write(&file, "listenport=9876\n").expect("settings are written");
    let error = fails(mqnamesrv(home.path()).arg("-c").arg(&file));
    assert!(error.ends_with("line 1: unknown key `listenport`, the nearest known is `listenPort`\n"), "{error}");
}

#[test]
fn a_damaged_kv_table_ends_the_start() {
    let home = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(home.path().join("namesrv")).expect("a folder");
    std::fs::write(home.path().join("namesrv/kvConfig.json"), "{").expect("a file");
    let error = fails(mqnamesrv(home.path()).args(["--listen-port", "0"]));
    assert!(error.contains("kvConfig.json (kvConfigPath) is not JSON"), "{error}");
}

#[test]
fn all_settings_are_printed_on_demand() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = mqnamesrv(home.path()).arg("-p").output().expect("mqnamesrv starts");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("listenPort=9876\n"), "{text}");
    assert!(text.contains(&format!("kvConfigPath={}/namesrv/kvConfig.json\n", home.path().display())), "{text}");
}
