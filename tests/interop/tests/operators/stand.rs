//! A broker of one shard with a topic of two queues, and whoever asks it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use interop::raw_client::{RawClient, Received};
use interop::registration::wait_until_registered;
use interop::requests;
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use interop::turbopump::{Settings, Turbopump};
use protocol::body::{ConsumerData, HeartbeatData, MessageQueue, ProducerData, SubscriptionData};
use protocol::{HeaderEncoding, RemotingCommand, RequestCode, ResponseCode};

pub(crate) const TOPIC: &str = "operated";
pub(crate) const QUEUES: i32 = 2;
/// What is asked of a client comes within this.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) operator: RawClient,
    pub(crate) broker: Turbopump,
    _scratch: Scratch,
    _turn: RunLock,
}

impl Stand {
    pub(crate) fn start(name: &str) -> Self {
        let turn = RunLock::beside_another();
        let scratch = Scratch::new(&format!("operators-{name}"));
        let broker = Turbopump::start(&Settings { shards: 1, ..Settings::standalone() }, &scratch);
        wait_until_registered(broker.target());
        let address = broker.target().brokers.values().next().expect("one broker").parse().expect("an address");
        let operator = RawClient::connect(address);
        let mut stand = Self { address, operator, broker, _scratch: scratch, _turn: turn };
        let created = stand.operator.ask(requests::create_topic(TOPIC, QUEUES));
        assert_eq!(created.code, 0, "{created:?}");
        stand
    }

    pub(crate) fn name(&self) -> &str {
        self.broker.target().brokers.keys().next().expect("one broker")
    }

    pub(crate) fn queue(&self, queue_id: i32) -> MessageQueue {
        MessageQueue::new(TOPIC, self.name(), queue_id)
    }

    pub(crate) fn ask(&mut self, code: RequestCode, fields: &[(&str, &str)], body: &[u8]) -> RemotingCommand {
        self.operator.ask(request(code, fields).with_body(body))
    }

    pub(crate) fn done(&mut self, code: RequestCode, fields: &[(&str, &str)], body: &[u8]) -> RemotingCommand {
        let answer = self.ask(code, fields, body);
        assert_eq!(answer.code, ResponseCode::SUCCESS.0, "{code:?} {fields:?}: {answer:?}");
        answer
    }

    pub(crate) fn refused(
        &mut self,
        code: RequestCode,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> (ResponseCode, String) {
        let answer = self.ask(code, fields, body);
        assert_ne!(answer.code, ResponseCode::SUCCESS.0, "{code:?} {fields:?}: {answer:?}");
        (ResponseCode(answer.code), answer.remark.unwrap_or_default())
    }

    pub(crate) fn send(&mut self, queue_id: i32, messages: usize) {
        for number in 0..messages {
            let sent = self.operator.ask(requests::send(TOPIC, queue_id, format!("body {number}").as_bytes()));
            assert_eq!(sent.code, 0, "{sent:?}");
        }
    }

    pub(crate) fn commit(&mut self, group: &str, queue_id: i32, offset: i64) {
        let (queue_id, offset) = (queue_id.to_string(), offset.to_string());
        let fields = [
            ("consumerGroup", group),
            ("topic", TOPIC),
            ("queueId", queue_id.as_str()),
            ("commitOffset", offset.as_str()),
        ];
        self.done(RequestCode::UPDATE_CONSUMER_OFFSET, &fields, &[]);
    }

    /// The group's offset as the broker has it; `None` if it has none.
    pub(crate) fn committed(&mut self, group: &str, queue_id: i32) -> Option<i64> {
        self.committed_in(group, TOPIC, queue_id)
    }

    pub(crate) fn committed_in(&mut self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let queue_id = queue_id.to_string();
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", queue_id.as_str()),
            ("setZeroIfNotFound", "false"),
        ];
        let answer = self.ask(RequestCode::QUERY_CONSUMER_OFFSET, &fields, &[]);
        answer.get("offset").map(|offset| offset.parse().expect("a number"))
    }

    pub(crate) fn make_group(&mut self, group: &str) {
        self.done(RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, &[("group", group)], &[]);
    }

    /// A client that is a consumer of `group` and a producer.
    pub(crate) fn join(&self, group: &str, client_id: &str, version: i32) -> RawClient {
        let mut client = RawClient::connect(self.address);
        let subscription =
            SubscriptionData { sub_string: "*".to_owned(), topic: TOPIC.to_owned(), ..SubscriptionData::default() };
        let consumer = ConsumerData {
            group_name: group.to_owned(),
            subscription_data_set: vec![subscription],
            ..ConsumerData::default()
        };
        let heartbeat = HeartbeatData {
            client_id: client_id.to_owned(),
            consumer_data_set: vec![consumer],
            producer_data_set: vec![ProducerData { group_name: "writers".to_owned() }],
            ..HeartbeatData::default()
        };
        let opaque = client
            .start(RemotingCommand { version, ..request(RequestCode::HEART_BEAT, &[]).with_body(heartbeat.encode()) });
        // The group's members are told of it, itself too.
        while next(&mut client).opaque != opaque {}
        client
    }
}

pub(crate) fn request(code: RequestCode, fields: &[(&str, &str)]) -> RemotingCommand {
    let empty = RemotingCommand::request(code.0, 0);
    fields.iter().fold(empty, |command, (key, value)| command.with_field(key, *value))
}

fn next(client: &mut RawClient) -> RemotingCommand {
    match client.receive() {
        Received::Command(command) => command,
        Received::Closed => panic!("the broker closed a connection"),
    }
}

/// What the broker asks this client for, whatever else it says before.
pub(crate) fn asked(client: &mut RawClient, code: RequestCode) -> RemotingCommand {
    let deadline = Instant::now() + ASKED_WITHIN;
    loop {
        match client.receive_before(deadline) {
            Some(Received::Command(command)) if !command.is_response() && command.code == code.0 => return command,
            Some(Received::Command(_)) => {}
            other => panic!("{code:?} was to be asked of a client, and {other:?} came"),
        }
    }
}

/// The answer to what `client` has asked, whatever else it is told before.
pub(crate) fn answer_to(client: &mut RawClient, opaque: i32) -> RemotingCommand {
    loop {
        let command = next(client);
        if command.is_response() && command.opaque == opaque {
            return command;
        }
    }
}

/// Another operator, whose tool writes binary headers.
pub(crate) fn binary_operator(stand: &Stand) -> RawClient {
    RawClient::connect(stand.address).speaking(HeaderEncoding::RocketMq)
}
