//! A producer: sends to the queues of a broker group, several messages at a time, and sends again what is not
//! acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::command::RemotingCommand;
use rand::RngExt;

use super::client::{Client, ClientSeat};
use super::oracle::Queue;
use super::outgoing::{Outgoing, SendAnswer, read_answer};
use super::rpc::{Heard, Rpc};
use super::sends::{Attempt, BODY_BYTES_MAX, body};
use super::sim_env::BEGAN_MS;
use crate::Violation;

/// The topic that everything goes to; the first send makes it.
pub const TOPIC: &str = "orders";
/// Its queues in each group.
pub const QUEUES: u32 = 4;

/// How a producer sends.
#[derive(Clone, Debug)]
pub struct ProducerPlan {
    /// Messages under way at once, at most.
    pub window: usize,
    /// Mean pause between two sends.
    pub pause: Duration,
    /// After this it no longer waits for an answer.
    pub timeout: Duration,
}

/// See the module's text.
pub struct Producer {
    /// Whom it sends to.
    pub seat: ClientSeat,
    /// How.
    pub plan: ProducerPlan,
}

struct Pending {
    attempt: Attempt,
    asked: Duration,
    deadline: Duration,
}

impl Client for Producer {
    const PAUSES_AFTER_WORK: bool = false;

    fn seat(&mut self) -> &mut ClientSeat {
        &mut self.seat
    }

    /// Until the connection is given up.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        let mut pending: BTreeMap<i32, Pending> = BTreeMap::new();
        let mut next_send = self.seat.now();
        loop {
            let now = self.seat.now();
            let is_stopping = self.seat.is_stopping();
            if is_stopping && pending.is_empty() {
                return Ok(());
            }
            if !is_stopping && now >= next_send && pending.len() < self.plan.window {
                let (opaque, sent) = self.send(rpc);
                pending.insert(opaque, sent);
                next_send = now + self.plan.pause.mul_f64(self.seat.rng.random_range(0.0..2.0));
                continue;
            }
            let oldest = pending.values().map(|sent| sent.deadline).min();
            let may_send = !is_stopping && pending.len() < self.plan.window;
            let wake_up = oldest.into_iter().chain(may_send.then_some(next_send)).min().unwrap_or(now);
            match rpc.hear(wake_up).await? {
                Heard::Answer(answer) => {
                    let Some(sent) = pending.remove(&answer.opaque) else { continue };
                    let is_refused = !self.answered(rpc, &sent, &answer)?;
                    if is_refused {
                        self.seat.pause(5..100).await;
                        if self.seat.route.len() > 1 || self.seat.rng.random_bool(0.2) {
                            return Ok(());
                        }
                    }
                }
                Heard::Closed => return Ok(()),
                Heard::Nothing if oldest.is_some_and(|oldest| self.seat.now() >= oldest) => {
                    // An answer that comes all the same, while others are waited for, still counts.
                    if self.seat.rng.random_bool(0.7) || pending.len() == self.plan.window || is_stopping {
                        return Ok(());
                    }
                    let deadline = self.seat.now() + self.plan.timeout;
                    pending.values_mut().for_each(|sent| sent.deadline = deadline);
                }
                Heard::Nothing => {}
            }
        }
    }
}

impl Producer {
    fn send(&mut self, rpc: &mut Rpc) -> (i32, Pending) {
        let asked = self.seat.now();
        let queue = Queue { group: self.seat.group, queue_id: self.seat.rng.random_range(0..QUEUES) };
        let bytes = match self.seat.rng.random_range(0..20) {
            0 => self.seat.rng.random_range(8..BODY_BYTES_MAX),
            _ => self.seat.rng.random_range(8..400),
        };
        let attempt = self.seat.world.oracle.borrow_mut().sends.begin(queue, rpc.end(), asked, bytes);
        let properties = format!("UNIQ_KEY\u{1}{attempt:032X}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}t{}\u{2}", attempt % 3);
        let message = Outgoing {
            queues: QUEUES,
            queue_id: queue.queue_id,
            born_ms: BEGAN_MS + asked.as_millis() as i64,
            ..Outgoing::new("producers", TOPIC, properties, body(attempt, bytes))
        };
        let request = message.request().with_field("j", 0).with_field("k", false).with_field("m", false);
        (rpc.start(request), Pending { attempt, asked, deadline: asked + self.plan.timeout })
    }

    /// Whether it was not refused.
    fn answered(&mut self, rpc: &Rpc, sent: &Pending, answer: &RemotingCommand) -> Result<bool, Violation> {
        let told = self.seat.world.told(rpc, sent.asked);
        let answer = read_answer(answer)?;
        let mut oracle = self.seat.world.oracle.borrow_mut();
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
