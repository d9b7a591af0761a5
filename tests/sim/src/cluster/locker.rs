//! A client that consumes in order: locks queues, renews, gives them back, and now and then vanishes with them.

use std::collections::BTreeSet;

use protocol::body::{LockBatchRequest, LockBatchResponse, MessageQueue};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use rand::RngExt;

use super::client::{ANSWER_TIMEOUT, Client, ClientSeat};
use super::oracle::Queue;
use super::producer::TOPIC;
use super::rpc::Rpc;
use crate::Violation;

const GROUP: &str = "in-order";
/// Few, so that all want the same.
const QUEUES: u32 = 3;

/// See the module's text.
pub struct Locker {
    /// Whom it asks.
    seat: ClientSeat,
    /// Tells it from the others of its consumer group.
    number: u16,
    /// How often it was somebody else before.
    lives: u64,
}

impl Client for Locker {
    fn seat(&mut self) -> &mut ClientSeat {
        &mut self.seat
    }

    /// Locks and gives back.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        let client = format!("{}@{}", self.number, self.lives);
        let is_answered = self.lock_over(rpc, &client).await?;
        // What was under way may be done at any time: for that, it is somebody else from now on.
        self.lives += u64::from(!is_answered || self.seat.rng.random_bool(0.1));
        Ok(())
    }
}

impl Locker {
    /// See the fields.
    pub(super) fn new(seat: ClientSeat, number: u16) -> Self {
        Self { seat, number, lives: 0 }
    }

    /// Until something is refused, or for a while. False: something was not answered.
    async fn lock_over(&mut self, rpc: &mut Rpc, client: &str) -> Result<bool, Violation> {
        while !self.seat.is_stopping() && self.seat.rng.random_bool(0.97) {
            let queues: BTreeSet<u32> = (0..QUEUES).filter(|_| self.seat.rng.random_bool(0.5)).collect();
            let code =
                if self.seat.rng.random_bool(0.75) { RequestCode::LOCK_BATCH_MQ } else { RequestCode::UNLOCK_BATCH_MQ };
            match self.ask(rpc, client, code, &queues).await? {
                Some(true) => {}
                Some(false) => return Ok(true),
                None => return Ok(false),
            }
            self.seat.pause(5..400).await;
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
        let group = self.seat.group;
        let of_group = |queue_id: u32| Queue { group, queue_id };
        let body = LockBatchRequest {
            client_id: client.to_owned(),
            consumer_group: GROUP.to_owned(),
            mq_set: queues.iter().map(|queue_id| MessageQueue::new(TOPIC, "broker", *queue_id as i32)).collect(),
            only_this_broker: false,
        };
        let asked = self.seat.now();
        let lead = {
            let mut oracle = self.seat.world.oracle.borrow_mut();
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
            let told = self.seat.world.told(rpc, asked);
            let mut oracle = self.seat.world.oracle.borrow_mut();
            let lead = lead.filter(|lead| oracle.lead_of(told.by) == Some(*lead));
            for queue_id in queues {
                let is_granted = held.iter().any(|queue| queue.queue_id == *queue_id as i32);
                oracle.locks.answered(of_group(*queue_id), client, is_granted, told, lead)?;
            }
        } else {
            let mut oracle = self.seat.world.oracle.borrow_mut();
            queues.iter().for_each(|queue_id| oracle.locks.unlock_ended(of_group(*queue_id), client));
        }
        Ok(Some(true))
    }
}
