//! A broker of one shard and a client that pops.

use std::net::SocketAddr;
use std::time::Duration;

use interop::pops::{self, Popped};
use interop::raw_client::RawClient;
use interop::registration::wait_until_registered;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};
use interop::until::until;
use protocol::command::RemotingCommand;

pub(crate) const TOPIC: &str = "popped";
pub(crate) const GROUP: &str = "poppers";
/// Longer than any test.
pub(crate) const LONG_MS: i64 = 120_000;
/// What should happen soon, and would not by itself be late on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const SOON_MS: i64 = 20_000;

pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) client: RawClient,
    pub(crate) broker: Turbopump,
    pub(crate) broker_name: String,
    _scratch: Scratch,
    _turn: RunLock,
}

impl Stand {
    pub(crate) fn start(name: &str, queues: i32, properties: &'static str) -> Self {
        let turn = RunLock::beside_another();
        let scratch = Scratch::new(&format!("pop-{name}"));
        let broker = Turbopump::start(&Settings { shards: 1, properties, ..Settings::standalone() }, &scratch);
        wait_until_registered(broker.target());
        let (broker_name, address) = broker.target().brokers.iter().next().expect("one broker");
        let (broker_name, address) = (broker_name.clone(), address.parse().expect("an address"));
        let client = RawClient::connect(address);
        let mut stand = Self { address, client, broker, broker_name, _scratch: scratch, _turn: turn };
        let created = stand.client.ask(requests::create_topic(TOPIC, queues));
        assert_eq!(created.code, 0, "{created:?}");
        stand
    }

    /// Another connection.
    pub(crate) fn connect(&self) -> RawClient {
        RawClient::connect(self.address)
    }

    pub(crate) fn send(&mut self, queue_id: i32, body: &str) {
        self.send_with(queue_id, body, "WAIT\u{1}true\u{2}");
    }

    pub(crate) fn send_with(&mut self, queue_id: i32, body: &str, properties: &str) {
        let request = requests::with(requests::send(TOPIC, queue_id, body.as_bytes()), "i", properties);
        let answer = self.client.ask(request);
        assert_eq!(answer.code, 0, "{answer:?}");
    }

    /// Messages of an answer.
    pub(crate) fn messages(&self, answer: &RemotingCommand) -> Vec<Popped> {
        pops::messages(answer, &self.broker_name)
    }

    /// Pops whatever there is now.
    pub(crate) fn pop(&mut self, invisible_ms: i64) -> Vec<Popped> {
        self.ask(pops::pop(GROUP, TOPIC, invisible_ms, 0))
    }

    /// Waits until there is something to pop.
    pub(crate) fn pop_next(&mut self, invisible_ms: i64) -> Vec<Popped> {
        let found = self.ask(pops::pop(GROUP, TOPIC, invisible_ms, SOON_MS));
        assert!(!found.is_empty(), "nothing came within {SOON_MS} ms");
        found
    }

    pub(crate) fn ask(&mut self, pop: RemotingCommand) -> Vec<Popped> {
        let answer = self.client.ask(pop);
        assert!([0, 210].contains(&answer.code), "{answer:?}");
        self.messages(&answer)
    }

    /// Acknowledges, and says what the answer is.
    pub(crate) fn ack(&mut self, message: &Popped) -> i32 {
        self.client.ask(pops::ack(GROUP, message)).code
    }

    /// The position of the group.
    pub(crate) fn position(&mut self, queue_id: i32) -> i64 {
        let request = requests::with(requests::query_offset(GROUP, TOPIC, queue_id), "setZeroIfNotFound", "false");
        let answer = self.client.ask(request);
        answer.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(-1)
    }

    /// Kills the broker and starts it again.
    pub(crate) fn kill_and_start(&mut self) {
        self.broker.kill_nine();
        self.broker.start_again();
        self.broker.wait_until_ready();
        self.client = RawClient::connect(self.address);
    }

    /// Waits until so many requests are held for any queue.
    pub(crate) fn wait_until_held(&mut self, wanted: i64) {
        let request = pops::of_queue(protocol::RequestCode::POLLING_INFO, GROUP, TOPIC, -1);
        until("requests to be held", SOON, || {
            let answer = self.client.ask(request.clone());
            let held: i64 = answer.get("pollingNum").and_then(|held| held.parse().ok()).unwrap_or(-1);
            if held == wanted { Ok(()) } else { Err(format!("{held} held, {answer:?}")) }
        });
    }
}
