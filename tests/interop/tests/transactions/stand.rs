//! A broker of one shard that asks soon, and a client of it.

use std::net::SocketAddr;
use std::time::Duration;

use interop::raw_client::RawClient;
use interop::registration::wait_until_registered;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::transactions::{Half, bodies, half};
use interop::turbopump::{Settings, Turbopump};

pub(crate) const TOPIC: &str = "halved";
pub(crate) const GROUP: &str = "payers";
pub(crate) const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
pub(crate) const GIVEN_UP: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// What should happen soon, and would not by itself be late on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Nobody is asked during a test.
pub(crate) const ASKS_LATE: &str = "transactionCheckInterval=3600000\n";
/// Producers are asked after 0.3 s, every 0.2 s, three times.
pub(crate) const ASKS_SOON: &str = "transactionTimeOut=300\ntransactionCheckInterval=200\ntransactionCheckMax=3\n";

pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) client: RawClient,
    pub(crate) broker: Turbopump,
    _scratch: Scratch,
    _turn: RunLock,
}

impl Stand {
    pub(crate) fn start(name: &str, properties: &'static str) -> Self {
        let turn = RunLock::beside_another();
        let scratch = Scratch::new(&format!("transactions-{name}"));
        let broker = Turbopump::start(&Settings { shards: 1, properties, ..Settings::standalone() }, &scratch);
        wait_until_registered(broker.target());
        let address = broker.target().brokers.values().next().expect("one broker").parse().expect("an address");
        let client = RawClient::connect(address);
        let mut stand = Self { address, client, broker, _scratch: scratch, _turn: turn };
        let created = stand.client.ask(requests::create_topic(TOPIC, 1));
        assert_eq!(created.code, 0, "{created:?}");
        stand
    }

    /// Stores a half message.
    pub(crate) fn half(&mut self, body: &str, properties: &[(&str, &str)]) -> Half {
        Half::of(&self.client.ask(half(TOPIC, GROUP, body.as_bytes(), properties)))
    }

    /// Ends one; answer code and remark.
    pub(crate) fn end(&mut self, half: &Half, how: i32) -> (i32, String) {
        let answer = self.client.ask(half.end(GROUP, how));
        (answer.code, answer.remark.unwrap_or_default())
    }

    /// What consumers see.
    pub(crate) fn seen(&mut self) -> Vec<String> {
        bodies(&mut self.client, TOPIC, 0)
    }

    /// Kills the broker and starts it again.
    pub(crate) fn kill_and_start(&mut self) {
        self.broker.kill_nine();
        self.broker.start_again();
        self.broker.wait_until_ready();
        self.client = RawClient::connect(self.address);
    }
}
