//! INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223): the members of a group are asked where they are (221), all at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::body::{ClientOffsets, ConsumerStatus};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;

use super::client_call::{self, Outcome, Waiter, ask};
use crate::env::Env;
use crate::request::{Halt, Request, Ticket};
use crate::shard::Shard;

/// Each member has this long, as with the reference.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The first version that knows this request, and resets by the client: V3_0_7_SNAPSHOT.
pub(crate) const VERSION_MIN: i32 = 28;
pub(crate) const VERSION_MIN_NAME: &str = "V3_0_7_SNAPSHOT";

/// What the members have said so far.
struct Gathered {
    ticket: Ticket,
    /// Members that have not answered.
    asked: usize,
    status: ConsumerStatus,
}

/// One member that was asked.
pub(crate) struct AskedMember {
    client_id: Rc<str>,
    gathered: Rc<RefCell<Gathered>>,
}

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let (topic, group) = (header.require_str("topic")?, header.require_str("group")?);
    let only = header.get("clientAddr");
    let members = members_to_ask(shard, group, only)?;
    if request.header.is_oneway() {
        return Ok(());
    }
    // One more than are asked: the answer is not made before all of them are.
    let ticket = Ticket { is_held: true, ..request.ticket() };
    let gathered = Gathered { ticket, asked: members.len() + 1, status: ConsumerStatus::default() };
    let gathered = Rc::new(RefCell::new(gathered));
    for (connection, client_id) in members {
        let passed = RemotingCommand::request(RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT.0, 0)
            .with_field("topic", topic)
            .with_field("group", group);
        let waiter = Waiter::Member(AskedMember { client_id, gathered: gathered.clone() });
        if let Err(refusal) = ask(shard, connection, passed, ANSWER_WITHIN, waiter) {
            tracing::debug!(group, remark = refusal.remark, "a member is not asked where it is");
            one_less(shard, &gathered);
        }
    }
    one_less(shard, &gathered);
    Ok(())
}

/// Connection and client id of those to ask; with `only`, of that client.
fn members_to_ask<E: Env>(shard: &Shard<E>, group: &str, only: Option<&str>) -> Result<Vec<(u64, Rc<str>)>, Halt> {
    let clients = shard.clients.borrow();
    if !clients.consumers.is_online(group) {
        let remark = format!("No Any Consumer online in the consumer group: [{group}]");
        return Err(Halt::refuse(ResponseCode::SYSTEM_ERROR, remark));
    }
    let mut asked = Vec::new();
    for (connection, member) in clients.consumers.members(group) {
        if member.version < VERSION_MIN {
            return Err(client_call::too_old(&member.client_id, member.version, VERSION_MIN_NAME));
        }
        if only.is_none_or(|only| *member.client_id == *only) {
            asked.push((connection, member.client_id.clone()));
        }
    }
    Ok(asked)
}

impl AskedMember {
    /// Whoever does not answer, or not in the way that is known, is left out.
    pub(crate) fn go_on<E: Env>(self, shard: &Rc<Shard<E>>, outcome: &Outcome<'_>) {
        let Self { client_id, gathered } = self;
        if let Outcome::Answered(header, frame) = outcome
            && header.code == ResponseCode::SUCCESS.0
        {
            match ConsumerStatus::decode(frame.body) {
                Ok(said) => {
                    let offsets = ClientOffsets { offsets: said.message_queue_table };
                    gathered.borrow_mut().status.consumer_table.insert(client_id.to_string(), offsets);
                }
                Err(error) => tracing::debug!(%error, %client_id, "a member's positions cannot be read"),
            }
        }
        one_less(shard, &gathered);
    }
}

fn one_less<E: Env>(shard: &Rc<Shard<E>>, gathered: &RefCell<Gathered>) {
    let mut gathered = gathered.borrow_mut();
    gathered.asked -= 1;
    if gathered.asked == 0 {
        gathered.ticket.succeed_with_body(shard, &gathered.status.encode());
    }
}
