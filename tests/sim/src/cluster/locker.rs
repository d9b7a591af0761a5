//! A client that consumes in order: locks queues, renews, gives them back, and now and then vanishes with them.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::body::{LockBatchRequest, LockBatchResponse, MessageQueue};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use rand::RngExt;
use rand::rngs::StdRng;

use super::network::HostId;
use super::oracle::{GroupNumber, Queue};
use super::process::CLIENT_PORT;
use super::producer::{ClientWorld, DIAL_TIMEOUT, Route, TOPIC};
use super::rpc::Rpc;
use crate::Violation;

const GROUP: &str = "in-order";
/// Few, so that all want the same.
const QUEUES: u32 = 3;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module's text.
pub struct Locker {
    /// What it shares with other clients.
    pub world: ClientWorld,
    /// Its place in the network.
    pub host: HostId,
    /// Which group it asks.
    pub group: GroupNumber,
    /// Whom it asks there.
    pub route: Route,
    /// Tells it from the others of its consumer group.
    pub number: u16,
    /// How it writes headers.
    pub encoding: HeaderEncoding,
    /// Draws the rest.
    pub rng: StdRng,
}

impl Locker {
    /// Locks and gives back until it is told to stop.
    pub async fn run(mut self) {
        let mut next = self.rng.random_range(0..self.route.len());
        let mut lives = 0;
        while !self.world.is_stopping.get() {
            let to = (self.host, self.route[next % self.route.len()], CLIENT_PORT);
            let connected = Rpc::connect(&self.world.clock, &self.world.sockets, to, self.encoding, DIAL_TIMEOUT).await;
            if let Some(mut rpc) = connected {
                let client = format!("{}@{lives}", self.number);
                let result = self.lock_over(&mut rpc, &client).await;
                match self.world.accept(result) {
                    // What was under way may be done at any time: for that, it is somebody else from now on.
                    Some(false) => lives += 1,
                    Some(true) => lives += u64::from(self.rng.random_bool(0.1)),
                    None => return,
                }
            }
            self.world.clock.sleep(Duration::from_millis(self.rng.random_range(20..300))).await;
            next += 1;
        }
    }

    /// Until something is refused, or for a while. False: something was not answered.
    async fn lock_over(&mut self, rpc: &mut Rpc, client: &str) -> Result<bool, Violation> {
        while !self.world.is_stopping.get() && self.rng.random_bool(0.97) {
            let queues: BTreeSet<u32> = (0..QUEUES).filter(|_| self.rng.random_bool(0.5)).collect();
            let code =
                if self.rng.random_bool(0.75) { RequestCode::LOCK_BATCH_MQ } else { RequestCode::UNLOCK_BATCH_MQ };
            match self.ask(rpc, client, code, &queues).await? {
                Some(true) => {}
                Some(false) => return Ok(true),
                None => return Ok(false),
            }
            self.world.clock.sleep(Duration::from_millis(self.rng.random_range(5..400))).await;
        }
        Ok(true)
    }

    /// Whether it was done; `None`: nobody knows.
    async fn ask(
        &mut self,
        rpc: &mut Rpc,
        client: &str,
        code: RequestCode,
        queues: &BTreeSet<u32>,
    ) -> Result<Option<bool>, Violation> {
        let group = self.group;
        let of_group = |queue_id: u32| Queue { group, queue_id };
        let body = LockBatchRequest {
            client_id: client.to_owned(),
            consumer_group: GROUP.to_owned(),
            mq_set: queues.iter().map(|queue_id| MessageQueue::new(TOPIC, "broker", *queue_id as i32)).collect(),
            only_this_broker: false,
        };
        let asked = self.world.clock.now();
        let lead = {
            let mut oracle = self.world.oracle.borrow_mut();
            if code == RequestCode::UNLOCK_BATCH_MQ {
                queues.iter().for_each(|queue_id| oracle.locks.unlock_begins(of_group(*queue_id), client));
            }
            oracle.lead_of(rpc.life())
        };
        let request = RemotingCommand::request(code.0, 0).with_body(body.encode());
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(None) };
        if answer.code != ResponseCode::SUCCESS.0 {
            return Ok(Some(false));
        }
        if code == RequestCode::LOCK_BATCH_MQ {
            let unread = |error| Violation(format!("a lock was answered what cannot be read: {error}"));
            let held = LockBatchResponse::decode(&answer.body).map_err(unread)?.lock_ok_mq_set;
            let told = self.world.told(rpc, asked);
            let mut oracle = self.world.oracle.borrow_mut();
            let lead = lead.filter(|lead| oracle.lead_of(told.by) == Some(*lead));
            for queue_id in queues {
                let is_granted = held.iter().any(|queue| queue.queue_id == *queue_id as i32);
                oracle.locks.answered(of_group(*queue_id), client, is_granted, told, lead)?;
            }
        } else {
            let mut oracle = self.world.oracle.borrow_mut();
            queues.iter().for_each(|queue_id| oracle.locks.unlock_ended(of_group(*queue_id), client));
        }
        Ok(Some(true))
    }
}
