//! A client that makes appointments: sends messages with delay levels and due times, recalls some, and looks all the time at
//! what has come.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use protocol::topic_name::AUTO_CREATE_TOPIC;
use rand::RngExt;
use rand::rngs::StdRng;

use super::appointments::{Appointments, When};
use super::network::HostId;
use super::oracle::GroupNumber;
use super::process::CLIENT_PORT;
use super::producer::{ClientWorld, DIAL_TIMEOUT, Route, SendAnswer, read_answer};
use super::queue_reader::read_from;
use super::rpc::Rpc;
use super::sim_env::BEGAN_MS;
use crate::Violation;

/// Where its messages go, to one queue.
const TOPIC: &str = "appointments";
const GROUP: &str = "planners";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Delay levels that are short enough, and how long they are, ms.
const LEVELS: [(i32, i64); 2] = [(1, 1_000), (2, 5_000)];
/// Most due times are this near, ms ...
const NEAR_MS: i64 = 2_500;
/// ... and none is farther away.
const FAR_MS: i64 = 9_000;

/// See the module's text.
pub struct Planner {
    /// What it shares with other clients.
    pub world: ClientWorld,
    /// Its place in the network.
    pub host: HostId,
    /// Which group it sends to.
    pub group: GroupNumber,
    /// Whom it sends to there.
    pub route: Route,
    /// How it writes headers.
    pub encoding: HeaderEncoding,
    /// What it has sent; the next one of the group goes on with it.
    pub appointments: Rc<RefCell<Appointments>>,
    /// Whether a log may lose its beginning, or its bits, in this run.
    pub may_lose_old_records: bool,
    /// Draws the rest.
    pub rng: StdRng,
}

impl Planner {
    /// Sends, recalls and looks until it is told to stop.
    pub async fn run(mut self) {
        let mut next = self.rng.random_range(0..self.route.len());
        let mut read_to = 0;
        while !self.world.is_stopping.get() {
            if let Some(mut rpc) = self.connect(next).await {
                let result = self.plan_over(&mut rpc, &mut read_to).await;
                if self.world.accept(result).is_none() {
                    return;
                }
            }
            self.world.clock.sleep(Duration::from_millis(self.rng.random_range(20..300))).await;
            next += 1;
        }
    }

    async fn connect(&self, number: usize) -> Option<Rpc> {
        let to = (self.host, self.route[number % self.route.len()], CLIENT_PORT);
        Rpc::connect(&self.world.clock, &self.world.sockets, to, self.encoding, DIAL_TIMEOUT).await
    }

    /// Until something is not answered, or refused.
    async fn plan_over(&mut self, rpc: &mut Rpc, read_to: &mut u64) -> Result<(), Violation> {
        while !self.world.is_stopping.get() {
            let goes_on = match self.rng.random_range(0..10) {
                0..4 => self.send(rpc).await?,
                4 | 5 => self.recall(rpc).await?,
                _ => match self.look(rpc, *read_to).await? {
                    Some(end) => {
                        *read_to = end;
                        true
                    }
                    None => false,
                },
            };
            if !goes_on {
                return Ok(());
            }
            self.world.clock.sleep(Duration::from_millis(self.rng.random_range(1..80))).await;
        }
        Ok(())
    }

    fn draw_when(&mut self) -> When {
        let far = if self.rng.random_bool(0.8) { NEAR_MS } else { FAR_MS };
        let ms = match self.rng.random_range(0..8) {
            0 => self.rng.random_range(-5..3),
            // Many are due in one millisecond.
            1 => self.rng.random_range(0..=far) / 500 * 500,
            _ => self.rng.random_range(0..=far),
        };
        match self.rng.random_range(0..6) {
            0 => {
                let (level, delay_ms) = LEVELS[self.rng.random_range(0..LEVELS.len())];
                When::Level(level, delay_ms)
            }
            1 => When::DelaySeconds(ms / 1000),
            2 | 3 => When::DelayMs(ms),
            _ => When::DeliverMs(BEGAN_MS + self.world.clock.now().as_millis() as i64 + ms),
        }
    }

    /// False: nobody knows whether it is stored, or it is not.
    async fn send(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let when = self.draw_when();
        let number = self.appointments.borrow_mut().begin(when, self.world.clock.now());
        let properties = format!("UNIQ_KEY\u{1}{number:032X}\u{2}WAIT\u{1}true\u{2}{}", when.property());
        let request = RemotingCommand::request(RequestCode::SEND_MESSAGE_V2.0, 0)
            .with_field("a", GROUP)
            .with_field("b", TOPIC)
            .with_field("c", AUTO_CREATE_TOPIC)
            .with_field("d", 1)
            .with_field("e", 0)
            .with_field("f", 0)
            .with_field("g", BEGAN_MS)
            .with_field("h", 0)
            .with_field("i", properties.as_str())
            .with_body(number.to_be_bytes());
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        let mut appointments = self.appointments.borrow_mut();
        match read_answer(&answer)? {
            SendAnswer::Stored(_) => {
                appointments.stored(number, answer.get("recallHandle"));
                Ok(true)
            }
            SendAnswer::Refused(_) => appointments.refused(number).map(|()| false),
            SendAnswer::Ambiguous => Ok(false),
        }
    }

    /// Wants one back, old or new, also one that has come or was recalled. False: nobody knows.
    async fn recall(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let known = self.appointments.borrow().len();
        if known == 0 {
            return Ok(true);
        }
        // As a rule one of the last few: others have come.
        let number = match self.rng.random_bool(0.8) {
            true => known - 1 - self.rng.random_range(0..known.min(6)),
            false => self.rng.random_range(0..known),
        } as u64;
        let Some(handle) = self.appointments.borrow().handle(number) else { return Ok(true) };
        self.appointments.borrow_mut().recall_begins(number);
        let request = RemotingCommand::request(RequestCode::RECALL_MESSAGE.0, 0)
            .with_field("producerGroup", GROUP)
            .with_field("topic", TOPIC)
            .with_field("recallHandle", handle.as_str());
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        let is_sure = self.is_sure();
        match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => self.appointments.borrow_mut().recalled(number, is_sure).map(|()| true),
            // Too late, as a rule; then it stays open whether an earlier try did it.
            ResponseCode::ILLEGAL_OPERATION => Ok(true),
            _ => Ok(false),
        }
    }

    fn is_sure(&self) -> bool {
        self.world.oracle.borrow().times_forgiven(self.group) == 0
    }

    /// Reads on; returns where the queue ends. `None`: somebody did not answer.
    async fn look(&mut self, rpc: &mut Rpc, from: u64) -> Result<Option<u64>, Violation> {
        let asked = self.world.clock.now();
        let Some(read) = read_from(&self.world, rpc, TOPIC, from).await? else { return Ok(None) };
        let heard = self.world.clock.now();
        let (times_forgiven, clocks) = {
            let oracle = self.world.oracle.borrow();
            if oracle.is_forgiven(rpc.life()) || !oracle.counts(&self.world.told(rpc, asked)) {
                // Old news, or of one that is no master: what has come by then may come again.
                return Ok(None);
            }
            (oracle.times_forgiven(self.group), oracle.clocks(self.group))
        };
        let mut appointments = self.appointments.borrow_mut();
        appointments.forgiven(times_forgiven);
        read.found.iter().try_for_each(|found| appointments.read(found, heard, clocks))?;
        // What was lost is not read again, and something else may be there.
        Ok(Some(if times_forgiven == 0 { read.end } else { 0 }))
    }

    /// At the end of a run: whether everything has come that is due by now. False: somebody did not answer, or not yet.
    /// # Errors
    /// What has come is not what was meant.
    pub async fn audit(&mut self) -> Result<bool, Violation> {
        let number = self.rng.random_range(0..self.route.len());
        let Some(mut rpc) = self.connect(number).await else { return Ok(false) };
        if self.look(&mut rpc, 0).await?.is_none() {
            return Ok(false);
        }
        let may_miss = self.may_lose_old_records || !self.is_sure();
        Ok(may_miss || self.appointments.borrow().missing().is_none())
    }
}
