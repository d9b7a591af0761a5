//! A producer of transactions: stores half messages, and ends some of them, now or much later, some of them again, some only
//! when it is asked. Each is meant to be committed, to be rolled back, or to stay open; what is in the topic in the end must be
//! what was meant, once.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::record::decode_record;
use protocol::sys_flag::MessageSysFlag;
use protocol::topic_name::TRANS_CHECK_MAX_TIME_TOPIC;
use rand::RngExt;

use super::client::{ANSWER_TIMEOUT, Client, ClientSeat};
use super::outgoing::{Outgoing, SendAnswer, Stored, read_answer};
use super::payments::{HalfPlace, Meant, Payments, Seen};
use super::queue_reader::read_from;
use super::rpc::{Heard, Rpc};
use crate::Violation;

/// Where its messages go, to one queue.
const TOPIC: &str = "payments";
/// Its producer group.
const GROUP: &str = "payers";
/// How a broker says that a half message has no row any more.
const HAS_ENDED: &str = "its transaction has ended";

/// See the module's text.
pub struct Payer {
    /// Whom it sends to.
    seat: ClientSeat,
    /// What it has sent; the next one of the group goes on with it.
    payments: Rc<RefCell<Payments>>,
    /// Whether a log may lose its beginning, or its bits, in this run.
    may_lose_old_records: bool,
    /// What it was asked about and has not answered.
    unanswered: Vec<u64>,
}

impl Client for Payer {
    fn seat(&mut self) -> &mut ClientSeat {
        &mut self.seat
    }

    /// Sends, ends and answers.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        self.pay_over(rpc).await?;
        self.hear_questions(rpc)
    }
}

impl Payer {
    /// See the fields.
    pub(super) fn new(seat: ClientSeat, payments: Rc<RefCell<Payments>>, may_lose_old_records: bool) -> Self {
        Self { seat, payments, may_lose_old_records, unanswered: Vec::new() }
    }

    fn is_sure(&self) -> bool {
        !self.may_lose_old_records && self.seat.world.oracle.borrow().times_forgiven(self.seat.group) == 0
    }

    /// Until something is not answered, or refused.
    async fn pay_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        if !self.register(rpc).await? {
            return Ok(());
        }
        while !self.seat.is_stopping() {
            let known = self.payments.borrow().len();
            let goes_on = match self.seat.rng.random_range(0..20) {
                0 if known > 0 => self.look(rpc).await?,
                // Old ones too, and such as have ended.
                1..10 if known > 0 => {
                    let number = self.seat.rng.random_range(0..known);
                    let waits = self.payments.borrow().waits(number);
                    waits || self.end(rpc, number, false).await?
                }
                _ => self.begin(rpc).await?,
            };
            if !goes_on || !self.answer_questions(rpc).await? {
                return Ok(());
            }
            self.seat.pause(1..60).await;
        }
        Ok(())
    }

    /// Says that it is a producer of the group, who can be asked.
    async fn register(&self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let body = format!(
            r#"{{"clientID":"payer-{}","producerDataSet":[{{"groupName":"{GROUP}"}}],"consumerDataSet":[]}}"#,
            self.seat.host.0
        );
        let request = RemotingCommand::request(RequestCode::HEART_BEAT.0, 0).with_body(body.into_bytes());
        let answer = rpc.ask(request, ANSWER_TIMEOUT).await?;
        Ok(answer.is_some_and(|answer| answer.code == ResponseCode::SUCCESS.0))
    }

    /// Stores a half message. False: nobody knows whether, or it is not.
    async fn begin(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let meant = [Meant::Commit, Meant::Commit, Meant::Rollback, Meant::StayOpen][self.seat.rng.random_range(0..4)];
        let waits = self.seat.rng.random_bool(0.3);
        let number = self.payments.borrow_mut().begin(meant, waits);
        let properties =
            format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}UNIQ_KEY\u{1}{number:032X}\u{2}WAIT\u{1}true\u{2}");
        let message = Outgoing::new(GROUP, TOPIC, properties, number.to_be_bytes().to_vec());
        let message = Outgoing { sys_flag: MessageSysFlag::TRANSACTION_PREPARED, ..message };
        let Some(answer) = rpc.ask(message.request(), ANSWER_TIMEOUT).await? else { return Ok(false) };
        match read_answer(&answer)? {
            SendAnswer::Stored(Stored { offset, physical_offset, .. }) => {
                self.payments.borrow_mut().stored(number, (offset, physical_offset as i64))?;
                Ok(true)
            }
            SendAnswer::Refused(_) => self.payments.borrow_mut().refused(number).map(|()| false),
            SendAnswer::Ambiguous => Ok(false),
        }
    }

    /// Ends a payment as it was meant. False: nobody knows whether.
    async fn end(&mut self, rpc: &mut Rpc, number: u64, was_asked: bool) -> Result<bool, Violation> {
        let ending = self.payments.borrow().ending(number);
        let Some(((queue_offset, physical_offset), meant)) = ending else { return Ok(true) };
        let how = match meant {
            Meant::Commit => MessageSysFlag::TRANSACTION_COMMIT,
            Meant::Rollback => MessageSysFlag::TRANSACTION_ROLLBACK,
            Meant::StayOpen => return Ok(true),
        };
        let was_sent = self.payments.borrow_mut().end_begins(number);
        let request = RemotingCommand::request(RequestCode::END_TRANSACTION.0, 0)
            .with_field("producerGroup", GROUP)
            .with_field("tranStateTableOffset", queue_offset)
            .with_field("commitLogOffset", physical_offset)
            .with_field("commitOrRollback", how)
            .with_field("fromTransactionCheck", was_asked)
            .with_field("msgId", "unused");
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        // What was asked before it was ended.
        self.hear_questions(rpc)?;
        let says_ended = answer.remark.as_deref().is_some_and(|remark| remark.contains(HAS_ENDED));
        let is_sure = self.is_sure();
        let mut payments = self.payments.borrow_mut();
        if answer.code == ResponseCode::SUCCESS.0 {
            payments.ended(number, rpc.end(), is_sure)?;
        } else if says_ended {
            payments.had_ended(number, was_sent, is_sure)?;
        } else {
            payments.end_refused(number, answer.remark.unwrap_or_default());
            return Ok(false);
        }
        Ok(true)
    }

    /// Answers what it was asked, or not. False: nobody knows whether that was heard.
    async fn answer_questions(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let mut questions = std::mem::take(&mut self.unanswered);
        questions.extend(self.note_questions(rpc)?);
        for number in questions {
            // Who does not know yet, or does not come to it, is asked again.
            if self.seat.rng.random_bool(0.6) && !self.end(rpc, number, true).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps what it was asked, to be answered later, over whatever connection.
    fn hear_questions(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        let questions = self.note_questions(rpc)?;
        self.unanswered.extend(questions);
        Ok(())
    }

    /// The payments that it was asked about.
    fn note_questions(&self, rpc: &mut Rpc) -> Result<Vec<u64>, Violation> {
        let mut numbers = Vec::new();
        for question in rpc.take_questions() {
            let (number, place) =
                read_question(&question).ok_or_else(|| Violation(format!("an unreadable question: {question:?}")))?;
            if self.seat.world.oracle.borrow().is_forgiven(rpc.life()) {
                continue;
            }
            self.payments.borrow_mut().asked(number, place, rpc.end(), self.seat.route.len() == 1)?;
            numbers.push(number);
        }
        Ok(numbers)
    }

    /// Looks at what has been committed and given up. False: somebody did not answer.
    async fn look(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        for (topic, seen) in [(TOPIC, Seen::Committed), (TRANS_CHECK_MAX_TIME_TOPIC, Seen::GivenUp)] {
            let Some(read) = read_from(&self.seat.world, rpc, topic, 0).await? else { return Ok(false) };
            let oracle = self.seat.world.oracle.borrow();
            if oracle.is_forgiven(rpc.life()) {
                return Ok(false);
            }
            let mut payments = self.payments.borrow_mut();
            payments.forgiven(oracle.times_forgiven(self.seat.group));
            read.found.iter().try_for_each(|found| payments.read(found, seen))?;
        }
        Ok(true)
    }

    /// At the end of a run: ends what is meant to end, and compares with what the topics hold. False: somebody did not answer, or
    /// was not asked yet. `links`: to all of the group, where questions come in.
    /// # Errors
    /// Something is there twice, or though it is not meant to be.
    pub async fn audit(&mut self, links: &mut Vec<Option<Rpc>>) -> Result<bool, Violation> {
        links.resize_with(self.seat.route.len(), || None);
        for (number, link) in links.iter_mut().enumerate() {
            if link.is_none()
                && let Some(mut rpc) = self.seat.connect(number).await
                && self.register(&mut rpc).await?
            {
                *link = Some(rpc);
            }
            if let Some(rpc) = link {
                let is_well = !matches!(rpc.hear(self.seat.now()).await?, Heard::Closed);
                if !is_well || !self.answer_questions(rpc).await? {
                    *link = None;
                }
            }
        }
        let at = self.seat.rng.random_range(0..links.len());
        let Some(rpc) = &mut links[at] else { return Ok(false) };
        let is_done = self.finish(rpc).await?;
        if !is_done {
            return Ok(false);
        }
        Ok(!self.is_sure() || self.payments.borrow().unfinished().is_none())
    }

    async fn finish(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let count = self.payments.borrow().len();
        for number in 0..count {
            let is_to_end = self.payments.borrow().is_to_end(number);
            if is_to_end && self.is_sure() && !self.end(rpc, number, false).await? {
                return Ok(false);
            }
        }
        self.look(rpc).await
    }
}

/// Which payment it is about, and where that is said to be.
fn read_question(question: &RemotingCommand) -> Option<(u64, HalfPlace)> {
    let queue_offset = question.get("tranStateTableOffset")?.parse().ok()?;
    let physical_offset = question.get("commitLogOffset")?.parse().ok()?;
    let (record, _) = decode_record(&question.body).ok()?;
    let number = u64::from_be_bytes(*record.body.first_chunk()?);
    (record.topic == TOPIC).then_some((number, (queue_offset, physical_offset)))
}
