//! Name server and broker in one, with messages in memory: enough of the protocol for the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use client::{FakeServer, Reply};
use protocol::code::{RequestCode, ResponseCode};
use protocol::record::RecordFields;
use protocol::{RemotingCommand, batch, properties};
use tokio::sync::oneshot;

/// Queues of each topic.
pub(crate) const QUEUES: i32 = 4;

/// A running broker; dropping it ends it.
pub(crate) struct TestBroker {
    pub(crate) address: String,
    pub(crate) state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it holds.
#[derive(Default)]
pub(crate) struct State {
    /// Records by topic and queue id.
    pub(crate) queues: BTreeMap<(String, i32), Vec<Vec<u8>>>,
    pub(crate) unique_keys: BTreeSet<String>,
    pub(crate) sends: u64,
    /// Offsets committed by pulls and by themselves.
    pub(crate) committed: BTreeMap<(String, i32), i64>,
    pub(crate) created_topics: BTreeMap<String, i32>,
}

type Intercept = Box<dyn Fn(&RemotingCommand, &State) -> Option<Reply> + Send + Sync>;

impl TestBroker {
    pub(crate) fn start() -> Self {
        Self::start_with(|_, _| None)
    }

    /// `intercept` may answer a request in the broker's stead.
    pub(crate) fn start_with(
        intercept: impl Fn(&RemotingCommand, &State) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = mpsc::channel();
        let shared = Arc::clone(&state);
        let intercept: Intercept = Box::new(intercept);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let own_address = Arc::new(OnceLock::<String>::new());
                let known = Arc::clone(&own_address);
                let server = FakeServer::start(move |request| {
                    let mut state = shared.lock().unwrap();
                    intercept(request, &state).unwrap_or_else(|| state.answer(request, known.get().unwrap()))
                })
                .await;
                own_address.set(server.address()).unwrap();
                ready.send(server.address()).unwrap();
                let _ = stopped.await;
            });
        });
        Self { address: address.recv().unwrap(), state, stop: Some(stop), thread: Some(thread) }
    }

    /// Waits until its state is as wanted, for what arrives after the run: one-way requests.
    pub(crate) fn wait_until(&self, is_wanted: impl Fn(&State) -> bool) {
        let limit = Instant::now() + Duration::from_secs(10);
        while !is_wanted(&self.state.lock().unwrap()) {
            assert!(Instant::now() < limit, "it is not as wanted after 10 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stored(&self) -> usize {
        self.state.lock().unwrap().queues.values().map(Vec::len).sum()
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the broker's thread panicked");
    }
}

impl State {
    fn answer(&mut self, request: &RemotingCommand, address: &str) -> Reply {
        match RequestCode(request.code) {
            RequestCode::GET_ROUTEINFO_BY_TOPIC => self.route(request, address),
            RequestCode::GET_BROKER_CLUSTER_INFO => Reply::body(format!(
                r#"{{"brokerAddrTable":{{"b":{{"brokerAddrs":{{"0":"{address}"}},"brokerName":"b","cluster":"C"}}}},"clusterAddrTable":{{"C":["b"]}}}}"#
            )),
            RequestCode::UPDATE_AND_CREATE_TOPIC => {
                let queues = request.get("writeQueueNums").unwrap().parse().unwrap();
                self.created_topics.insert(request.get("topic").unwrap().to_owned(), queues);
                Reply::ok()
            }
            RequestCode::GET_MAX_OFFSET => {
                let end = self.queues.get(&queue_of(request, "topic", "queueId")).map_or(0, Vec::len);
                Reply::fields(&[("offset", &end.to_string())])
            }
            RequestCode::GET_MIN_OFFSET => Reply::fields(&[("offset", "0")]),
            RequestCode::SEND_MESSAGE_V2 | RequestCode::SEND_BATCH_MESSAGE => self.send(request),
            RequestCode::PULL_MESSAGE => self.pull(request),
            RequestCode::UPDATE_CONSUMER_OFFSET => {
                let offset = request.get("commitOffset").unwrap().parse().unwrap();
                self.committed.insert(queue_of(request, "topic", "queueId"), offset);
                Reply::ok()
            }
            code => panic!("{code} is not for this broker"),
        }
    }

    fn route(&self, request: &RemotingCommand, address: &str) -> Reply {
        let topic = request.get("topic").unwrap();
        let queues = match self.created_topics.get(topic) {
            Some(queues) => *queues,
            None if topic.starts_with("unknown") => {
                return Reply::code(ResponseCode::TOPIC_NOT_EXIST, "No topic route info in name server");
            }
            None => QUEUES,
        };
        Reply::body(format!(
            r#"{{"brokerDatas":[{{"brokerAddrs":{{"0":"{address}"}},"brokerName":"b","cluster":"C"}}],"filterServerTable":{{}},"queueDatas":[{{"brokerName":"b","perm":6,"readQueueNums":{queues},"topicSysFlag":0,"writeQueueNums":{queues}}}]}}"#
        ))
    }

    fn send(&mut self, request: &RemotingCommand) -> Reply {
        let queue = queue_of(request, "b", "e");
        self.sends += 1;
        if request.get("m") == Some("true") {
            for item in batch::iterate(&request.body) {
                let item = item.unwrap();
                self.store(&queue, item.body, item.properties);
            }
        } else {
            self.store(&queue, &request.body, request.get("i").unwrap().as_bytes());
        }
        Reply::fields(&[("msgId", "00"), ("queueId", &queue.1.to_string()), ("queueOffset", "0")])
    }

    fn store(&mut self, queue: &(String, i32), body: &[u8], text: &[u8]) {
        let key = properties::get_text(text, properties::UNIQ_KEY).unwrap().to_owned();
        assert!(self.unique_keys.insert(key.clone()), "unique key {key} was sent twice");
        let records = self.queues.entry(queue.clone()).or_default();
        let host = "127.0.0.1:1".parse().unwrap();
        let fields = RecordFields {
            queue_id: queue.1,
            flag: 0,
            queue_offset: records.len() as i64,
            physical_offset: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: host,
            store_timestamp: 0,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            topic: &queue.0,
            properties: text,
        };
        let mut record = vec![0; fields.encoded_bytes()];
        fields.encode(&mut record);
        records.push(record);
    }

    fn pull(&mut self, request: &RemotingCommand) -> Reply {
        let queue = queue_of(request, "topic", "queueId");
        let offset: usize = request.get("queueOffset").unwrap().parse().unwrap();
        let count: usize = request.get("maxMsgNums").unwrap().parse().unwrap();
        self.committed.insert(queue.clone(), request.get("commitOffset").unwrap().parse().unwrap());
        let records = self.queues.get(&queue).map_or(&[][..], Vec::as_slice);
        let found = &records[offset.min(records.len())..(offset + count).min(records.len())];
        let (code, remark) = match found.is_empty() {
            true => (ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"),
            false => (ResponseCode::SUCCESS, "FOUND"),
        };
        let next = (offset + found.len()).to_string();
        let end = records.len().to_string();
        let fields = [("nextBeginOffset", next.as_str()), ("minOffset", "0"), ("maxOffset", end.as_str())];
        Reply::code(code, remark).with_fields(&fields).with_body(found.concat())
    }
}

fn queue_of(request: &RemotingCommand, topic: &str, queue_id: &str) -> (String, i32) {
    (request.get(topic).unwrap().to_owned(), request.get(queue_id).unwrap().parse().unwrap())
}
