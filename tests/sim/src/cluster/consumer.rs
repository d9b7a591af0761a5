//! A consumer: reads all queues of a broker group, commits how far it got, and asks for that again.

use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::record::iterate;
use protocol::sys_flag::PullSysFlag;
use rand::RngExt;

use super::client::{ANSWER_TIMEOUT, Client, ClientSeat};
use super::oracle::{Queue, Told};
use super::positions::ConsumerGroup;
use super::producer::{QUEUES, TOPIC};
use super::rpc::Rpc;
use super::sends::ReadMessage;
use crate::{Violation, require};

/// A pull is held this long at most.
const HOLD: Duration = Duration::from_millis(700);
/// Messages of one pull.
const PULL_MESSAGES_MAX: u32 = 32;

/// See the module's text.
pub struct Consumer {
    /// Which broker group it reads.
    pub(super) seat: ClientSeat,
    /// For which consumer group; it is the only one in it.
    consumer_group: ConsumerGroup,
    /// Where it goes on by itself in each queue, as a consumer that lives on does.
    positions: [Option<u64>; QUEUES as usize],
}

/// What a pull brought.
enum Pulled {
    /// Go on here.
    Next(u64),
    /// The queue does not hold the position; go on here.
    Moved(u64),
    /// Nothing beyond the position yet.
    AtEnd,
    /// No answer, or a refusal.
    Nothing,
}

/// A connection on which something did not go well.
struct GiveUp;

impl Client for Consumer {
    fn seat(&mut self) -> &mut ClientSeat {
        &mut self.seat
    }

    /// Reads until something is not answered, or refused.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        if self.seat.rng.random_bool(0.3) {
            // A consumer that begins anew begins where its group is.
            self.positions.fill(None);
        }
        while !self.seat.is_stopping() {
            for queue_id in 0..QUEUES {
                if self.visit(rpc, queue_id).await?.is_err() {
                    return Ok(());
                }
            }
            self.seat.pause(5..150).await;
        }
        Ok(())
    }
}

impl Consumer {
    /// See the fields.
    pub(super) fn new(seat: ClientSeat, consumer_group: ConsumerGroup) -> Self {
        Self { seat, consumer_group, positions: [None; QUEUES as usize] }
    }

    async fn visit(&mut self, rpc: &mut Rpc, queue_id: u32) -> Result<Result<(), GiveUp>, Violation> {
        let queue = Queue { group: self.seat.group, queue_id };
        let at = match self.positions[queue_id as usize] {
            Some(at) if !self.seat.rng.random_bool(0.05) => at,
            _ => {
                let Some(found) = self.find_position(rpc, queue).await? else { return Ok(Err(GiveUp)) };
                *self.positions[queue_id as usize].get_or_insert(found)
            }
        };
        let holds = self.seat.rng.random_bool(0.1);
        let now_at = match self.pull(rpc, queue, at, holds).await? {
            Pulled::Next(next) | Pulled::Moved(next) => next,
            Pulled::AtEnd => at,
            Pulled::Nothing => return Ok(Err(GiveUp)),
        };
        self.positions[queue_id as usize] = Some(now_at);
        if now_at != at && self.seat.rng.random_bool(0.5) && !self.commit(rpc, queue, now_at).await? {
            return Ok(Err(GiveUp));
        }
        Ok(Ok(()))
    }

    /// Where the group is; 0 if nowhere yet. `None`: no answer.
    async fn find_position(&mut self, rpc: &mut Rpc, queue: Queue) -> Result<Option<u64>, Violation> {
        let asked = self.seat.now();
        let request = self.request(RequestCode::QUERY_CONSUMER_OFFSET, queue).with_field("setZeroIfNotFound", false);
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(None) };
        let found = match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => Some(number(&answer, "offset")?),
            ResponseCode::QUERY_NOT_FOUND => None,
            _ => return Ok(None),
        };
        let told = self.seat.world.told(rpc, asked);
        let of = (self.consumer_group, queue);
        self.seat.world.oracle.borrow_mut().check(|_, positions, lives| positions.found(lives, of, found, told));
        Ok(Some(found.unwrap_or(0)))
    }

    /// False: no answer, or a refusal.
    async fn commit(&mut self, rpc: &mut Rpc, queue: Queue, offset: u64) -> Result<bool, Violation> {
        let group = self.consumer_group;
        let asked = self.seat.now();
        let number = self.seat.world.oracle.borrow_mut().positions.begin(group, queue, offset);
        let request = self.request(RequestCode::UPDATE_CONSUMER_OFFSET, queue).with_field("commitOffset", offset);
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        if answer.code != ResponseCode::SUCCESS.0 {
            return Ok(false);
        }
        let told = self.seat.world.told(rpc, asked);
        let mut oracle = self.seat.world.oracle.borrow_mut();
        if oracle.counts(&told) {
            oracle.positions.answered(group, queue, number, told);
        }
        Ok(true)
    }

    async fn pull(&mut self, rpc: &mut Rpc, queue: Queue, at: u64, holds: bool) -> Result<Pulled, Violation> {
        let asked = self.seat.now();
        let flags = PullSysFlag::SUBSCRIPTION | if holds { PullSysFlag::SUSPEND } else { 0 };
        let request = self
            .request(RequestCode::PULL_MESSAGE, queue)
            .with_field("queueOffset", at)
            .with_field("maxMsgNums", PULL_MESSAGES_MAX)
            .with_field("sysFlag", flags)
            .with_field("commitOffset", 0)
            .with_field("suspendTimeoutMillis", HOLD.as_millis() as u64)
            .with_field("subscription", "*")
            .with_field("subVersion", 0);
        let within = ANSWER_TIMEOUT + if holds { HOLD } else { Duration::ZERO };
        let Some(answer) = rpc.ask(request, within).await? else { return Ok(Pulled::Nothing) };
        let told = self.seat.world.told(rpc, asked);
        match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => self.take_messages(queue, at, &answer, told),
            ResponseCode::PULL_NOT_FOUND => {
                let end = number(&answer, "maxOffset")?;
                self.ends_at(queue, end, told);
                Ok(Pulled::AtEnd)
            }
            ResponseCode::PULL_OFFSET_MOVED => {
                let end = number(&answer, "maxOffset")?;
                self.ends_at(queue, end, told);
                let next = number(&answer, "nextBeginOffset")?;
                // A replica that lags behind; clients of a group ask the one that leads.
                Ok(if self.seat.route.len() > 1 && next < at { Pulled::AtEnd } else { Pulled::Moved(next) })
            }
            // A slave corrects nobody whose place it does not have, and says where it begins.
            ResponseCode::PULL_RETRY_IMMEDIATELY => {
                let first = number(&answer, "minOffset")?;
                Ok(if at < first { Pulled::Moved(first) } else { Pulled::Nothing })
            }
            // The topic is not there before the first send, and what cannot be read now may be readable later.
            _ => Ok(Pulled::Nothing),
        }
    }

    fn ends_at(&self, queue: Queue, end: u64, told: Told) {
        self.seat.world.oracle.borrow_mut().check(|sends, _, lives| sends.ends_at(lives, queue, end, told));
    }

    fn take_messages(&self, queue: Queue, at: u64, answer: &RemotingCommand, told: Told) -> Result<Pulled, Violation> {
        let mut found = Vec::new();
        for record in iterate(&answer.body) {
            let checked = record.and_then(|record| record.check_body_crc().map(|()| record));
            let record = match checked {
                Ok(record) => record,
                // Every client notices, and asks again.
                Err(_) if self.seat.world.oracle.borrow().may_read_damage(told.by) => return Ok(Pulled::Nothing),
                Err(error) => {
                    return Err(Violation(format!("{queue:?} at {at} was answered a damaged record: {error}")));
                }
            };
            let is_of_queue = record.topic == TOPIC && record.queue_id == queue.queue_id as i32;
            if !is_of_queue && self.seat.world.oracle.borrow().may_read_around_damage(told.by) {
                return Ok(Pulled::Nothing);
            }
            require(is_of_queue, || format!("{queue:?} has a message of {} {}", record.topic, record.queue_id))?;
            let (offset, physical_offset) = (record.queue_offset as u64, record.physical_offset as u64);
            found.push(ReadMessage { offset, physical_offset, body: record.body });
        }
        let next = number(answer, "nextBeginOffset")?;
        let offsets = found.iter().map(|message| message.offset);
        let is_dense = !found.is_empty() && offsets.eq(at..next);
        if !is_dense && self.seat.world.oracle.borrow().may_read_around_damage(told.by) {
            return Ok(Pulled::Nothing);
        }
        let what = || {
            let offsets: Vec<u64> = found.iter().map(|message| message.offset).collect();
            format!("a pull of {queue:?} at {at} brought {offsets:?} and goes on at {next}")
        };
        require(is_dense, what)?;
        self.seat.world.oracle.borrow_mut().check(|sends, _, lives| sends.read(lives, queue, found, told));
        Ok(Pulled::Next(next))
    }

    fn request(&self, code: RequestCode, queue: Queue) -> RemotingCommand {
        RemotingCommand::request(code.0, 0)
            .with_field("consumerGroup", format!("consumers-{}", self.consumer_group).as_str())
            .with_field("topic", TOPIC)
            .with_field("queueId", queue.queue_id)
    }

    /// At the end of a run: reads every queue from its beginning, and asks where the group is. Returns the messages
    /// read; `None`: somebody did not answer, or the queue's end moved.
    pub async fn audit(&mut self) -> Result<Option<u64>, Violation> {
        let number = self.seat.draw_number();
        let Some(mut rpc) = self.seat.connect(number).await else { return Ok(None) };
        let mut messages = 0;
        for queue_id in 0..QUEUES {
            let queue = Queue { group: self.seat.group, queue_id };
            if self.find_position(&mut rpc, queue).await?.is_none() {
                return Ok(None);
            }
            let (mut first, mut at) = (0, 0);
            loop {
                match self.pull(&mut rpc, queue, at, false).await? {
                    Pulled::Next(next) if next > at => at = next,
                    // Retention has removed what came before.
                    Pulled::Moved(next) if at == 0 => (first, at) = (next, next),
                    Pulled::Next(_) | Pulled::Moved(_) | Pulled::Nothing => return Ok(None),
                    Pulled::AtEnd => break,
                }
            }
            messages += self.seat.world.oracle.borrow_mut().settle(queue, first, at)?;
        }
        Ok(Some(messages))
    }
}

fn number(answer: &RemotingCommand, key: &str) -> Result<u64, Violation> {
    let number = answer.get(key).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Violation(format!("an answer has no {key}: {answer:?}")))
}
