//! A client that pops: sends parcels, takes some for its group, and says of each that it is done, wants it later, or lets its time
//! pass and tries with the old handle.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::body::SubscriptionGroupConfig;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::topic_name::dlq_topic;
use rand::RngExt;

use super::client::{ANSWER_TIMEOUT, Client, ClientSeat};
use super::outgoing::{Outgoing, SendAnswer, Stored, read_answer};
use super::parcels::{GROUPS, Handle, Parcels, PopGroup};
use super::pop_requests::{Taken, ack, batch_ack, change, pop, read_popped};
use super::pop_watch::Window;
use super::queue_reader::read_from;
use super::rpc::Rpc;
use super::sends::body;
use crate::Violation;

/// Where parcels go.
pub(super) const TOPIC: &str = "parcels";
/// Its queues in each broker group.
const QUEUES: u32 = 2;
/// A pop waits for messages so long at most, ms.
const POLL_MS_MAX: i64 = 1_000;
/// A message is invisible for so long, ms ...
const INVISIBLE_MS: std::ops::Range<i64> = 800..5_000;
/// ... and in the last look.
const INVISIBLE_MS_LAST: i64 = 4_000;
/// Old handles that it keeps, to try them.
const SPENT_MAX: usize = 24;

/// One that it has, and the text by which brokers know it.
#[derive(Clone)]
struct InHand {
    handle: Handle,
    taken: Taken,
}

/// See the module's text.
pub struct Popper {
    /// Which group of brokers it pops from.
    seat: ClientSeat,
    /// Which group it pops for.
    pop_group: usize,
    /// What has been sent and popped; the next one of the group goes on with it.
    parcels: Rc<RefCell<Parcels>>,
    /// What it is to do something with.
    hands: Hands,
}

/// What a popper has.
#[derive(Default)]
struct Hands {
    full: Vec<InHand>,
    /// Handles that are done, were replaced, or are left to expire.
    spent: Vec<InHand>,
}

impl Client for Popper {
    fn seat(&mut self) -> &mut ClientSeat {
        &mut self.seat
    }

    /// Sends, pops and answers for what it popped until something is not answered, or refused.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation> {
        if !self.set_up(rpc, self.pop_group).await? {
            return Ok(());
        }
        while !self.seat.is_stopping() {
            let goes_on = match self.seat.rng.random_range(0..20) {
                0..5 => self.send(rpc).await?,
                5..11 => self.pop(rpc).await?,
                11..15 => self.finish_one(rpc).await?,
                15 | 16 => self.finish_some(rpc).await?,
                17 | 18 => self.want_later(rpc).await?,
                _ => self.try_spent(rpc).await?,
            };
            if !goes_on {
                return Ok(());
            }
            self.seat.pause(1..100).await;
        }
        Ok(())
    }
}

impl Popper {
    /// See the fields.
    pub(super) fn new(seat: ClientSeat, pop_group: usize, parcels: Rc<RefCell<Parcels>>) -> Self {
        Self { seat, pop_group, parcels, hands: Hands::default() }
    }

    /// The ledger, told what it has to know before anything is looked at.
    fn ledger(&self) -> std::cell::RefMut<'_, Parcels> {
        let oracle = self.seat.world.oracle.borrow();
        let mut parcels = self.parcels.borrow_mut();
        parcels.note(oracle.times_forgiven(self.seat.group), oracle.clocks(self.seat.group));
        parcels
    }

    /// Makes the group as it is to be, before anybody pops for it. False: nobody knows.
    async fn set_up(&self, rpc: &mut Rpc, group: usize) -> Result<bool, Violation> {
        let Some(retry_max_times) = GROUPS[group].retries_max else { return Ok(true) };
        let group_name = GROUPS[group].name.to_owned();
        let config = SubscriptionGroupConfig { group_name, retry_max_times, ..SubscriptionGroupConfig::default() };
        let request = RemotingCommand::request(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP.0, 0);
        let answer = rpc.ask(request.with_body(config.encode()), ANSWER_TIMEOUT).await?;
        Ok(answer.is_some_and(|answer| answer.code == ResponseCode::SUCCESS.0))
    }

    /// False: nobody knows whether it is stored, or it is not.
    async fn send(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let bytes = self.seat.rng.random_range(8..600);
        let queue_id = self.seat.rng.random_range(0..QUEUES);
        let number = self.parcels.borrow_mut().begin();
        let properties = format!("UNIQ_KEY\u{1}{number:032X}\u{2}WAIT\u{1}true\u{2}");
        let message = Outgoing::new("senders", TOPIC, properties, body(number, bytes));
        let message = Outgoing { queues: QUEUES, queue_id, ..message };
        let Some(answer) = rpc.ask(message.request(), ANSWER_TIMEOUT).await? else { return Ok(false) };
        match read_answer(&answer)? {
            SendAnswer::Stored(Stored { queue_id, offset, .. }) => {
                self.ledger().stored(number, queue_id as i32, offset);
                Ok(true)
            }
            SendAnswer::Refused(_) => self.ledger().refused(number).map(|()| false),
            SendAnswer::Ambiguous => Ok(false),
        }
    }

    async fn pop(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let queue_id = if self.seat.rng.random_bool(0.5) { -1 } else { self.seat.rng.random_range(0..QUEUES) as i32 };
        let poll_ms = if self.seat.rng.random_bool(0.5) { 0 } else { self.seat.rng.random_range(100..=POLL_MS_MAX) };
        let (messages_max, invisible_ms) =
            (self.seat.rng.random_range(1..=6), self.seat.rng.random_range(INVISIBLE_MS));
        let asks = (self.pop_group, queue_id, messages_max);
        let Some(popped) = self.take(rpc, asks, invisible_ms, poll_ms).await? else { return Ok(false) };
        // In order, who lets one pass holds all others up.
        let is_forgotten = if GROUPS[self.pop_group].is_ordered { 0.1 } else { 0.25 };
        for in_hand in popped {
            if self.seat.rng.random_bool(is_forgotten) {
                self.spend(in_hand);
            } else {
                self.hands.full.push(in_hand);
            }
        }
        Ok(true)
    }

    /// Pops; `None`: nobody knows, or not now.
    async fn take(
        &mut self,
        rpc: &mut Rpc,
        (group, queue_id, messages_max): (usize, i32, u32),
        invisible_ms: i64,
        poll_ms: i64,
    ) -> Result<Option<Vec<InHand>>, Violation> {
        let asked = self.seat.now();
        let request = pop(group, queue_id, messages_max, invisible_ms, poll_ms);
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(None) };
        match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => {}
            // Nothing was sent yet, or all of it is with somebody.
            ResponseCode::POLLING_TIMEOUT | ResponseCode::TOPIC_NOT_EXIST => return Ok(Some(Vec::new())),
            _ => return Ok(None),
        }
        let read = match read_popped(&answer, group) {
            Ok(read) => read,
            // The disk fails, and every client would notice.
            Err(_) if self.seat.world.oracle.borrow().may_read_damage(rpc.life()) => return Ok(None),
            Err(violation) => return Err(violation),
        };
        let window = Window { asked, heard: self.seat.now() };
        let messages: Vec<_> = read.iter().map(|taken| taken.popped).collect();
        let invisible = Duration::from_millis(invisible_ms as u64);
        let handles = self.ledger().popped(group, window, invisible, &messages)?;
        let in_hand = |(handle, taken)| InHand { handle, taken };
        Ok(Some(handles.into_iter().zip(read).map(in_hand).collect()))
    }

    fn draw_in_hand(&mut self) -> Option<InHand> {
        let count = self.hands.full.len();
        (count > 0).then(|| self.hands.full.swap_remove(self.seat.rng.random_range(0..count)))
    }

    /// Keeps a handle that it does not need any more.
    fn spend(&mut self, in_hand: InHand) {
        let spent = &mut self.hands.spent;
        if spent.len() < SPENT_MAX {
            spent.push(in_hand);
        } else {
            spent[self.seat.rng.random_range(0..SPENT_MAX)] = in_hand;
        }
    }

    /// False: nobody knows whether it is done.
    async fn finish_one(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let Some(in_hand) = self.draw_in_hand() else { return Ok(true) };
        let goes_on = self.finish(rpc, &in_hand).await;
        self.spend(in_hand);
        goes_on
    }

    async fn finish(&mut self, rpc: &mut Rpc, in_hand: &InHand) -> Result<bool, Violation> {
        let asked = self.seat.now();
        let is_first = self.ledger().ack_begins(in_hand.handle, asked);
        let Some(answer) = rpc.ask(ack(&in_hand.taken), ANSWER_TIMEOUT).await? else { return Ok(false) };
        let window = Window { asked, heard: self.seat.now() };
        match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => self.ledger().acked(in_hand.handle, window, true)?,
            ResponseCode::NO_MESSAGE => self.ledger().ack_refused(in_hand.handle, window, is_first)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Some that it has, at once.
    async fn finish_some(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let count = self.seat.rng.random_range(0..=self.hands.full.len());
        let some: Vec<InHand> = (0..count).filter_map(|_| self.draw_in_hand()).collect();
        let goes_on = self.finish_all(rpc, &some).await;
        some.into_iter().for_each(|in_hand| self.spend(in_hand));
        goes_on
    }

    async fn finish_all(&mut self, rpc: &mut Rpc, all: &[InHand]) -> Result<bool, Violation> {
        if all.is_empty() {
            return Ok(true);
        }
        let asked = self.seat.now();
        all.iter().for_each(|in_hand| _ = self.ledger().ack_begins(in_hand.handle, asked));
        let request = batch_ack(all.iter().map(|in_hand| &in_hand.taken));
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        let window = Window { asked, heard: self.seat.now() };
        if answer.code != ResponseCode::SUCCESS.0 {
            return Ok(false);
        }
        all.iter().try_for_each(|in_hand| self.ledger().acked(in_hand.handle, window, false))?;
        Ok(true)
    }

    /// False: nobody knows when it comes again.
    async fn want_later(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let Some(in_hand) = self.draw_in_hand() else { return Ok(true) };
        let changed = self.change(rpc, &in_hand).await?;
        // In order, both mean the same; elsewhere the old one is to do nothing.
        if !GROUPS[in_hand.taken.group].is_ordered {
            self.spend(in_hand);
        }
        Ok(changed)
    }

    async fn change(&mut self, rpc: &mut Rpc, in_hand: &InHand) -> Result<bool, Violation> {
        let asked = self.seat.now();
        let invisible_ms = self.seat.rng.random_range(INVISIBLE_MS);
        let invisible = Duration::from_millis(invisible_ms as u64);
        let is_first = self.ledger().change_begins(in_hand.handle, asked, invisible);
        let request = change(&in_hand.taken, invisible_ms, self.seat.rng.random_bool(0.3));
        let Some(answer) = rpc.ask(request, ANSWER_TIMEOUT).await? else { return Ok(false) };
        let window = Window { asked, heard: self.seat.now() };
        match ResponseCode(answer.code) {
            ResponseCode::SUCCESS => {
                let taken = in_hand.taken.changed(&answer)?;
                let handle = self.ledger().changed(in_hand.handle, window, invisible)?;
                self.hands.full.push(InHand { handle, taken });
            }
            ResponseCode::NO_MESSAGE => self.ledger().handle_refused(in_hand.handle, window, is_first)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tries a handle that is used up, as a rule.
    async fn try_spent(&mut self, rpc: &mut Rpc) -> Result<bool, Violation> {
        let count = self.hands.spent.len();
        if count == 0 {
            return Ok(true);
        }
        let in_hand = self.hands.spent[self.seat.rng.random_range(0..count)].clone();
        match self.seat.rng.random_bool(0.7) {
            true => self.finish(rpc, &in_hand).await,
            false => self.change(rpc, &in_hand).await,
        }
    }

    /// At the end of a run: pops for all groups, and says that all of it is done. Whether there was nothing to pop. False too:
    /// somebody did not answer.
    /// # Errors
    /// What came is not what is to come.
    pub async fn audit(&mut self) -> Result<bool, Violation> {
        let number = self.seat.draw_number();
        let Some(mut rpc) = self.seat.connect(number).await else { return Ok(false) };
        let mut is_all = true;
        for (group, PopGroup { retries_max, .. }) in GROUPS.iter().enumerate() {
            if !self.set_up(&mut rpc, group).await? {
                return Ok(false);
            }
            // A pop in order gives a few at a time, and the machine that serves may be one of many.
            loop {
                let popped = self.take(&mut rpc, (group, -1, 32), INVISIBLE_MS_LAST, 0).await?;
                let Some(popped) = popped else { return Ok(false) };
                if popped.is_empty() {
                    break;
                }
                is_all = false;
                let (some, others) = popped.split_at(popped.len() / 2);
                if !self.finish_all(&mut rpc, some).await? {
                    return Ok(false);
                }
                for in_hand in others {
                    if !self.finish(&mut rpc, in_hand).await? {
                        return Ok(false);
                    }
                }
            }
            if retries_max.is_some() && !self.look_at_dead(&mut rpc, group).await? {
                return Ok(false);
            }
        }
        Ok(is_all)
    }

    /// False: somebody did not answer.
    async fn look_at_dead(&mut self, rpc: &mut Rpc, group: usize) -> Result<bool, Violation> {
        let Some(read) = read_from(&self.seat.world, rpc, &dlq_topic(GROUPS[group].name), 0).await? else {
            return Ok(false);
        };
        let heard = self.seat.now();
        let mut ledger = self.ledger();
        read.found.iter().try_for_each(|found| ledger.found_dead(group, found.number, heard))?;
        Ok(true)
    }
}
