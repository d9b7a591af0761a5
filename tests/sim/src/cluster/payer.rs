//! A producer of transactions: stores half messages, and ends some of them, now or much later, some of them again. Each is meant to
//! be committed, to be rolled back, or to stay open; what is in the topic in the end must be what was meant, once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use protocol::message_id::OffsetMessageId;
use protocol::record::iterate;
use protocol::sys_flag::{MessageSysFlag, PullSysFlag};
use protocol::topic_name::AUTO_CREATE_TOPIC;
use rand::RngExt;
use rand::rngs::StdRng;

use super::network::HostId;
use super::oracle::GroupNumber;
use super::process::CLIENT_PORT;
use super::producer::{ClientWorld, DIAL_TIMEOUT, Route};
use super::rpc::Rpc;
use crate::{Violation, require};

/// Where its messages go, to one queue.
const TOPIC: &str = "payments";
/// Its producer group.
const GROUP: &str = "payers";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How a broker says that a half message has no row any more.
const HAS_ENDED: &str = "its transaction has ended";

/// What is to become of a half message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Meant {
    Commit,
    Rollback,
    StayOpen,
}

#[derive(Clone, Debug)]
struct Payment {
    meant: Meant,
    /// Queue offset in the half topic and physical offset, once it is acknowledged.
    half: Option<(u64, i64)>,
    /// Somebody was asked to end it, and may have done so.
    end_was_sent: bool,
    /// It was answered that it has.
    has_ended: bool,
}

/// All payments of a broker group.
#[derive(Debug, Default)]
pub struct Payments {
    all: Vec<Payment>,
}

/// See the module's text.
pub struct Payer {
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
    pub payments: Rc<RefCell<Payments>>,
    /// Whether a log may lose its beginning, or its bits, in this run.
    pub may_lose_old_records: bool,
    /// Draws the rest.
    pub rng: StdRng,
}

impl Payer {
    /// Sends and ends until it is told to stop.
    pub async fn run(mut self) {
        let mut next = self.rng.random_range(0..self.route.len());
        while !self.world.is_stopping.get() {
            if let Some(mut rpc) = self.connect(next).await {
                let result = self.pay_over(&mut rpc).await;
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
    async fn pay_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        while !self.world.is_stopping.get() {
            let known = self.payments.borrow().all.len();
            let goes_on = if known == 0 || self.rng.random_bool(0.5) {
                self.begin(rpc).await?
            } else {
                // Old ones too, and such as have ended.
                let number = self.rng.random_range(0..known);
                self.end(rpc, number).await?
            };
            if !goes_on {
                return Ok(());
            }
            self.world.clock.sleep(Duration::from_millis(self.rng.random_range(1..60))).await;
        }
        Ok(())
    }

    /// Stores a half message. False: nobody knows whether.
    async fn begin(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let meant = [Meant::Commit, Meant::Commit, Meant::Rollback, Meant::StayOpen][self.rng.random_range(0..4)];
        let number = self.payments.borrow().all.len();
        self.payments.borrow_mut().all.push(Payment { meant, half: None, end_was_sent: false, has_ended: false });
        let properties = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}WAIT\u{1}true\u{2}");
        let request = RemotingCommand::request(RequestCode::SEND_MESSAGE_V2.0, 0)
            .with_field("a", GROUP)
            .with_field("b", TOPIC)
            .with_field("c", AUTO_CREATE_TOPIC)
            .with_field("d", 1)
            .with_field("e", 0)
            .with_field("f", MessageSysFlag::TRANSACTION_PREPARED)
            .with_field("g", 1_795_256_196_000i64)
            .with_field("h", 0)
            .with_field("i", properties.as_str())
            .with_body((number as u64).to_be_bytes());
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        if answer.code != ResponseCode::SUCCESS.0 {
            return Ok(false);
        }
        let id = answer.get("msgId").and_then(|id| id.parse::<OffsetMessageId>().ok());
        let offset = answer.get("queueOffset").and_then(|offset| offset.parse().ok());
        let (Some(id), Some(offset)) = (id, offset) else {
            return Err(Violation(format!("a half message was acknowledged without its place: {answer:?}")));
        };
        self.payments.borrow_mut().all[number].half = Some((offset, id.physical_offset));
        Ok(true)
    }

    /// Ends a payment as it was meant. False: nobody knows whether.
    async fn end(&mut self, rpc: &mut Rpc, number: usize) -> Result<bool, Violation> {
        let payment = self.payments.borrow().all[number].clone();
        let how = match payment.meant {
            Meant::Commit => MessageSysFlag::TRANSACTION_COMMIT,
            Meant::Rollback => MessageSysFlag::TRANSACTION_ROLLBACK,
            Meant::StayOpen => return Ok(true),
        };
        let Some((queue_offset, physical_offset)) = payment.half else { return Ok(true) };
        self.payments.borrow_mut().all[number].end_was_sent = true;
        let request = RemotingCommand::request(RequestCode::END_TRANSACTION.0, 0)
            .with_field("producerGroup", GROUP)
            .with_field("tranStateTableOffset", queue_offset)
            .with_field("commitLogOffset", physical_offset)
            .with_field("commitOrRollback", how)
            .with_field("msgId", "unused");
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        let says_ended = answer.remark.as_deref().is_some_and(|remark| remark.contains(HAS_ENDED));
        let is_sure = !self.may_lose_old_records && self.world.oracle.borrow().times_forgiven(self.group) == 0;
        if answer.code == ResponseCode::SUCCESS.0 {
            let again = || format!("payment {number} has ended twice: {payment:?}");
            require(!payment.has_ended || !is_sure, again)?;
        } else if !says_ended {
            return Ok(false);
        } else {
            let lost = || format!("payment {number} is said to have ended, and nobody ended it: {payment:?}");
            require(payment.end_was_sent || !is_sure, lost)?;
        }
        self.payments.borrow_mut().all[number].has_ended = true;
        Ok(true)
    }

    /// At the end of a run: ends what is meant to end, and compares with what the topic holds. `None`: somebody did not answer.
    /// # Errors
    /// A message is there twice, or though it is not meant to be.
    pub async fn audit(&mut self) -> Result<Option<u64>, Violation> {
        let number = self.rng.random_range(0..self.route.len());
        let Some(mut rpc) = self.connect(number).await else { return Ok(None) };
        let is_sure = !self.may_lose_old_records && self.world.oracle.borrow().times_forgiven(self.group) == 0;
        let count = self.payments.borrow().all.len();
        for number in 0..count {
            let payment = self.payments.borrow().all[number].clone();
            if is_sure && !payment.has_ended && !self.end(&mut rpc, number).await? {
                return Ok(None);
            }
        }
        let Some(found) = self.read(&mut rpc).await? else { return Ok(None) };
        // Where logs may lose what they promised to keep, another half message may be where one was.
        if self.world.oracle.borrow().times_forgiven(self.group) > 0 {
            return Ok(Some(0));
        }
        for (number, payment) in self.payments.borrow().all.iter().enumerate() {
            let times = found.get(&(number as u64)).copied().unwrap_or_default();
            let times_max = u64::from(payment.meant == Meant::Commit && payment.half.is_some());
            require(times <= times_max, || format!("payment {number} is there {times} times: {payment:?}"))?;
            if is_sure && times < times_max {
                // A replica may not know yet what another one has just committed.
                return Ok(None);
            }
        }
        let known = self.payments.borrow().all.len() as u64;
        require(found.keys().all(|number| *number < known), || "a payment that nobody sent".to_owned())?;
        Ok(Some(known))
    }

    /// How often each payment is in the topic.
    async fn read(&mut self, rpc: &mut Rpc) -> Result<Option<BTreeMap<u64, u64>>, Violation> {
        let (mut found, mut at) = (BTreeMap::new(), 0u64);
        loop {
            let request = RemotingCommand::request(RequestCode::PULL_MESSAGE.0, 0)
                .with_field("consumerGroup", "auditors")
                .with_field("topic", TOPIC)
                .with_field("queueId", 0)
                .with_field("queueOffset", at)
                .with_field("maxMsgNums", 32)
                .with_field("sysFlag", PullSysFlag::SUBSCRIPTION)
                .with_field("commitOffset", 0)
                .with_field("suspendTimeoutMillis", 0)
                .with_field("subscription", "*")
                .with_field("subVersion", 0);
            let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(None) };
            let next = answer.get("nextBeginOffset").and_then(|next| next.parse().ok());
            match ResponseCode(answer.code) {
                ResponseCode::SUCCESS => {
                    for record in iterate(&answer.body) {
                        let record = record.map_err(|error| Violation(format!("a damaged payment: {error}")))?;
                        let number = record.body.first_chunk().map(|number| u64::from_be_bytes(*number));
                        let number = number.ok_or_else(|| Violation("a payment without a number".to_owned()))?;
                        *found.entry(number).or_default() += 1;
                    }
                    at = next.ok_or_else(|| Violation(format!("a pull without an end: {answer:?}")))?;
                }
                ResponseCode::PULL_OFFSET_MOVED if next.is_some_and(|next| next > at) => at = next.unwrap_or(at),
                ResponseCode::PULL_NOT_FOUND | ResponseCode::PULL_OFFSET_MOVED => return Ok(Some(found)),
                // Nothing was ever committed or even sent.
                ResponseCode::TOPIC_NOT_EXIST => return Ok(Some(found)),
                _ => return Ok(None),
            }
        }
    }
}
