//! A producer: sends to the queues of a broker group, several messages at a time, and sends again what is not
//! acknowledged.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use protocol::message_id::OffsetMessageId;
use protocol::topic_name::AUTO_CREATE_TOPIC;
use rand::RngExt;
use rand::rngs::StdRng;

use super::clock::Clock;
use super::network::HostId;
use super::oracle::{Oracle, Queue, Told};
use super::process::CLIENT_PORT;
use super::rpc::{Heard, Rpc};
use super::sends::{Attempt, BODY_BYTES_MAX, body};
use super::sockets::Sockets;
use crate::Violation;

/// The topic that everything goes to; the first send makes it.
pub const TOPIC: &str = "orders";
/// Its queues in each group.
pub const QUEUES: u32 = 4;
/// A dial takes this long at most.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// How a broker says that it cannot tell what became of a message.
const AMBIGUOUS_REMARK: &str = "it may or may not be stored";

/// What all clients of a run share.
#[derive(Clone)]
pub struct ClientWorld {
    /// The cluster's time.
    pub clock: Clock,
    /// Their connections.
    pub sockets: Sockets,
    /// What they tell of what they see.
    pub oracle: Rc<RefCell<Oracle>>,
    /// They are to come to an end.
    pub is_stopping: Rc<Cell<bool>>,
}

impl ClientWorld {
    /// Notes what is wrong; returns whether nothing was.
    pub fn accept<T>(&self, result: Result<T, Violation>) -> Option<T> {
        result.map_err(|violation| self.oracle.borrow_mut().note(Err(violation))).ok()
    }

    /// What a client was told in answer to what it asked at `asked`.
    pub fn told(&self, rpc: &Rpc, asked: Duration) -> Told {
        Told { by: rpc.life(), asked, heard: self.clock.now() }
    }
}

/// The hosts that serve a group: those that a route lists.
pub type Route = Vec<HostId>;

/// How a producer sends.
#[derive(Clone, Debug)]
pub struct ProducerPlan {
    /// Messages under way at once, at most.
    pub window: usize,
    /// Mean pause between two sends.
    pub pause: Duration,
    /// After this it no longer waits for an answer.
    pub timeout: Duration,
    /// How it writes headers.
    pub encoding: HeaderEncoding,
}

/// See the module's text.
pub struct Producer {
    /// What it shares with others.
    pub world: ClientWorld,
    /// Its place in the network.
    pub host: HostId,
    /// Which group it sends to.
    pub group: u16,
    /// Whom it sends to there.
    pub route: Route,
    /// How.
    pub plan: ProducerPlan,
    /// Draws the rest.
    pub rng: StdRng,
}

struct Pending {
    attempt: Attempt,
    asked: Duration,
    deadline: Duration,
}

/// Where a message is, as the answer to its send says.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stored {
    pub(super) queue_id: u32,
    pub(super) offset: u64,
    pub(super) physical_offset: u64,
    /// As safe as it was to be: where a master waits for slaves, they have it.
    pub(super) is_whole: bool,
}

/// What an answer to a send says.
pub(super) enum SendAnswer {
    Stored(Stored),
    Refused(String),
    Ambiguous,
}

/// # Errors
/// It is acknowledged, and no client would know where it is.
pub(super) fn read_answer(answer: &RemotingCommand) -> Result<SendAnswer, Violation> {
    let remark = answer.remark.clone().unwrap_or_default();
    match ResponseCode(answer.code) {
        // Stored, and less safe than it was to be: clients take it as delivered.
        ResponseCode::SUCCESS
        | ResponseCode::FLUSH_DISK_TIMEOUT
        | ResponseCode::SLAVE_NOT_AVAILABLE
        | ResponseCode::FLUSH_SLAVE_TIMEOUT => {
            let number = |key| answer.get(key).and_then(|text: &str| text.parse::<u64>().ok());
            let id = answer.get("msgId").and_then(|id| id.parse::<OffsetMessageId>().ok());
            match (number("queueId"), number("queueOffset"), id) {
                (Some(queue_id), Some(offset), Some(id)) => {
                    let (queue_id, physical_offset) = (queue_id as u32, id.physical_offset as u64);
                    let is_whole = answer.code == ResponseCode::SUCCESS.0;
                    Ok(SendAnswer::Stored(Stored { queue_id, offset, physical_offset, is_whole }))
                }
                _ => Err(Violation(format!("a send was acknowledged without its place: {answer:?}"))),
            }
        }
        _ if remark.contains(AMBIGUOUS_REMARK) => Ok(SendAnswer::Ambiguous),
        code => Ok(SendAnswer::Refused(format!("{} {remark}", code.0))),
    }
}

impl Producer {
    /// Sends until it is told to stop.
    pub async fn run(mut self) {
        let mut next = self.rng.random_range(0..self.route.len());
        while !self.world.is_stopping.get() {
            let to = (self.host, self.route[next % self.route.len()], CLIENT_PORT);
            let (clock, sockets) = (&self.world.clock, &self.world.sockets);
            match Rpc::connect(clock, sockets, to, self.plan.encoding, DIAL_TIMEOUT).await {
                Some(rpc) => {
                    let result = self.send_over(rpc).await;
                    if self.world.accept(result).is_none() {
                        return;
                    }
                }
                None => clock.sleep(Duration::from_millis(self.rng.random_range(20..300))).await,
            }
            // Another machine of the group may do better.
            next += 1;
        }
    }

    /// Until the connection is given up.
    async fn send_over(&mut self, mut rpc: Rpc) -> Result<(), Violation> {
        let mut pending: BTreeMap<i32, Pending> = BTreeMap::new();
        let mut next_send = self.world.clock.now();
        loop {
            let now = self.world.clock.now();
            let is_stopping = self.world.is_stopping.get();
            if is_stopping && pending.is_empty() {
                return Ok(());
            }
            if !is_stopping && now >= next_send && pending.len() < self.plan.window {
                let (opaque, sent) = self.send(&mut rpc);
                pending.insert(opaque, sent);
                next_send = now + self.plan.pause.mul_f64(self.rng.random_range(0.0..2.0));
                continue;
            }
            let oldest = pending.values().map(|sent| sent.deadline).min();
            let may_send = !is_stopping && pending.len() < self.plan.window;
            let wake_up = oldest.into_iter().chain(may_send.then_some(next_send)).min().unwrap_or(now);
            match rpc.hear(wake_up).await? {
                Heard::Answer(answer) => {
                    let Some(sent) = pending.remove(&answer.opaque) else { continue };
                    let is_refused = !self.answered(&rpc, &sent, &answer)?;
                    if is_refused {
                        self.world.clock.sleep(Duration::from_millis(self.rng.random_range(5..100))).await;
                        if self.route.len() > 1 || self.rng.random_bool(0.2) {
                            return Ok(());
                        }
                    }
                }
                Heard::Closed => return Ok(()),
                Heard::Nothing if oldest.is_some_and(|oldest| self.world.clock.now() >= oldest) => {
                    // An answer that comes all the same, while others are waited for, still counts.
                    if self.rng.random_bool(0.7) || pending.len() == self.plan.window || is_stopping {
                        return Ok(());
                    }
                    let deadline = self.world.clock.now() + self.plan.timeout;
                    pending.values_mut().for_each(|sent| sent.deadline = deadline);
                }
                Heard::Nothing => {}
            }
        }
    }

    fn send(&mut self, rpc: &mut Rpc) -> (i32, Pending) {
        let asked = self.world.clock.now();
        let queue = Queue { group: self.group, queue_id: self.rng.random_range(0..QUEUES) };
        let bytes = match self.rng.random_range(0..20) {
            0 => self.rng.random_range(8..BODY_BYTES_MAX),
            _ => self.rng.random_range(8..400),
        };
        let attempt = self.world.oracle.borrow_mut().sends.begin(queue, rpc.end(), asked, bytes);
        let properties = format!("UNIQ_KEY\u{1}{attempt:032X}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}t{}\u{2}", attempt % 3);
        let request = RemotingCommand::request(RequestCode::SEND_MESSAGE_V2.0, 0)
            .with_field("a", "producers")
            .with_field("b", TOPIC)
            .with_field("c", AUTO_CREATE_TOPIC)
            .with_field("d", QUEUES)
            .with_field("e", queue.queue_id)
            .with_field("f", 0)
            .with_field("g", 1_795_256_196_000i64 + asked.as_millis() as i64)
            .with_field("h", 0)
            .with_field("i", properties.as_str())
            .with_field("j", 0)
            .with_field("k", false)
            .with_field("m", false)
            .with_body(body(attempt, bytes));
        (rpc.start(request), Pending { attempt, asked, deadline: asked + self.plan.timeout })
    }

    /// Whether it was not refused.
    fn answered(&mut self, rpc: &Rpc, sent: &Pending, answer: &RemotingCommand) -> Result<bool, Violation> {
        let told = self.world.told(rpc, sent.asked);
        let answer = read_answer(answer)?;
        let mut oracle = self.world.oracle.borrow_mut();
        match answer {
            SendAnswer::Stored(stored) => {
                oracle.check(|sends, _, lives| sends.acknowledged(lives, sent.attempt, stored, told));
                Ok(true)
            }
            SendAnswer::Refused(why) => {
                oracle.check(|sends, _, _| sends.refused(sent.attempt, &why));
                Ok(false)
            }
            SendAnswer::Ambiguous => Ok(false),
        }
    }
}
