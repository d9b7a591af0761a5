//! A client that makes appointments: sends messages with delay levels and due times, recalls some, and looks all the time at
//! what has come.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use rand::RngExt;

use super::appointments::{Appointments, When};
use super::client::{ANSWER_TIMEOUT, Client, ClientSeat};
use super::outgoing::{Outgoing, SendAnswer, read_answer};
use super::queue_reader::read_from;
use super::rpc::Rpc;
use super::sim_env::BEGAN_MS;
use crate::Violation;

/// Where its messages go, to one queue.
const TOPIC: &str = "appointments";
const GROUP: &str = "planners";
/// Delay levels that are short enough, and how long they are, ms.
const LEVELS: [(i32, i64); 2] = [(1, 1_000), (2, 5_000)];
/// Most due times are this near, ms ...
const NEAR_MS: i64 = 2_500;
/// ... and none is farther away.
const FAR_MS: i64 = 9_000;

/// See the module's text.
pub struct Planner {
    /// Whom it sends to.
    seat: ClientSeat,
    /// What it has sent; the next one of the group goes on with it.
    appointments: Rc<RefCell<Appointments>>,
    /// Whether a log may lose its beginning, or its bits, in this run.
    may_lose_old_records: bool,
    /// It has read what has come up to here.
    read_to: u64,
}

impl Client for Planner {
    fn seat(&mut self) -> &mut ClientSeat {
        &mut self.seat
    }

    /// Sends, recalls and looks until something is not answered, or refused.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        while !self.seat.is_stopping() {
            let goes_on = match self.seat.rng.random_range(0..10) {
                0..4 => self.send(rpc).await?,
                4 | 5 => self.recall(rpc).await?,
                _ => match self.look(rpc, self.read_to).await? {
                    Some(end) => {
                        self.read_to = end;
                        true
                    }
                    None => false,
                },
            };
            if !goes_on {
                return Ok(());
            }
            self.seat.pause(1..80).await;
        }
        Ok(())
    }
}

impl Planner {
    /// See the fields.
    pub(super) fn new(seat: ClientSeat, appointments: Rc<RefCell<Appointments>>, may_lose_old_records: bool) -> Self {
        Self { seat, appointments, may_lose_old_records, read_to: 0 }
    }

    fn draw_when(&mut self) -> When {
        let far = if self.seat.rng.random_bool(0.8) { NEAR_MS } else { FAR_MS };
        let ms = match self.seat.rng.random_range(0..8) {
            0 => self.seat.rng.random_range(-5..3),
            // Many are due in one millisecond.
            1 => self.seat.rng.random_range(0..=far) / 500 * 500,
            _ => self.seat.rng.random_range(0..=far),
        };
        match self.seat.rng.random_range(0..6) {
            0 => {
                let (level, delay_ms) = LEVELS[self.seat.rng.random_range(0..LEVELS.len())];
                When::Level(level, delay_ms)
            }
            1 => When::DelaySeconds(ms / 1000),
            2 | 3 => When::DelayMs(ms),
            _ => When::DeliverMs(BEGAN_MS + self.seat.now().as_millis() as i64 + ms),
        }
    }

    /// False: nobody knows whether it is stored, or it is not.
    async fn send(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let when = self.draw_when();
        let number = self.appointments.borrow_mut().begin(when, self.seat.now());
        let properties = format!("UNIQ_KEY\u{1}{number:032X}\u{2}WAIT\u{1}true\u{2}{}", when.property());
        let message = Outgoing::new(GROUP, TOPIC, properties, number.to_be_bytes().to_vec());
        let Some(answer) = rpc.ask(message.request(), ANSWER_TIMEOUT).await? else { return Ok(false) };
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
        let number = match self.seat.rng.random_bool(0.8) {
            true => known - 1 - self.seat.rng.random_range(0..known.min(6)),
            false => self.seat.rng.random_range(0..known),
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
        self.seat.world.oracle.borrow().times_forgiven(self.seat.group) == 0
    }

    /// Reads on; returns where the queue ends. `None`: somebody did not answer.
    async fn look(&mut self, rpc: &mut Rpc, from: u64) -> Result<Option<u64>, Violation> {
        let asked = self.seat.now();
        let Some(read) = read_from(&self.seat.world, rpc, TOPIC, from).await? else { return Ok(None) };
        let heard = self.seat.now();
        let (times_forgiven, clocks) = {
            let oracle = self.seat.world.oracle.borrow();
            if oracle.is_forgiven(rpc.life()) || !oracle.counts(&self.seat.world.told(rpc, asked)) {
                // Old news, or of one that is no master: what has come by then may come again.
                return Ok(None);
            }
            (oracle.times_forgiven(self.seat.group), oracle.clocks(self.seat.group))
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
        let number = self.seat.draw_number();
        let Some(mut rpc) = self.seat.connect(number).await else { return Ok(false) };
        if self.look(&mut rpc, 0).await?.is_none() {
            return Ok(false);
        }
        let may_miss = self.may_lose_old_records || !self.is_sure();
        Ok(may_miss || self.appointments.borrow().missing().is_none())
    }
}
