//! Asking a client something and going on when it answers, or does not. Nothing waits in between but a row of
//! [`ClientCalls`](crate::client_calls::ClientCalls).

use std::rc::Rc;
use std::time::Duration;

use protocol::code::ResponseCode;
use protocol::command::RemotingCommand;
use protocol::frame::{Frame, HeaderEncoding};
use protocol::header::Header;
use runtime::{ConnectionId, Peer};

use super::consumer_status::AskedMember;
use super::relay::Relayed;
use super::reply::PushedReply;
use crate::env::Env;
use crate::request::{Halt, Refusal};
use crate::shard::Shard;

/// Who goes on with a client's answer.
pub(crate) enum Waiter {
    /// A request of somebody else that was passed on.
    Relayed(Relayed),
    /// Members of a group are asked where they are.
    Member(AskedMember),
    /// A reply was pushed to the client that waits for it.
    Reply(PushedReply),
}

/// What came of a call.
pub(crate) enum Outcome<'a> {
    /// The client's answer, whatever it says.
    Answered(&'a Header, &'a Frame<'a>),
    /// It will not come: the connection is gone.
    Closed,
    /// It did not come in time.
    Overdue,
}

/// Asks the client at `connection`; its answer is waited for no longer than `limit`. The request's number is given here.
/// # Errors
/// It was not asked: its connection is gone or full, or too much is waited for already.
pub(crate) fn ask<E: Env>(
    shard: &Shard<E>,
    connection: u64,
    mut request: RemotingCommand,
    limit: Duration,
    waiter: Waiter,
) -> Result<(), Refusal> {
    let busy = |remark: String| Refusal::new(ResponseCode::SYSTEM_BUSY, remark);
    let mut calls = shard.calls.borrow_mut();
    calls.admit(connection).map_err(|full| busy(full.to_string()))?;
    let to = ConnectionId::from_u64(connection);
    if shard.outbox.is_congested(to) {
        return Err(busy("the client does not read what it is sent".to_owned()));
    }
    request.opaque = next_opaque(shard);
    while calls.is_waiting(connection, request.opaque) {
        request.opaque = next_opaque(shard);
    }
    if !shard.outbox.with_buffer(to, |buffer| request.encode(buffer, HeaderEncoding::Json)) {
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "the client's connection is closed"));
    }
    let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    calls.begin(connection, request.opaque, shard.uptime_ms().saturating_add(limit_ms), waiter);
    Ok(())
}

/// The number of this shard's next request to a client.
pub(crate) fn next_opaque<E: Env>(shard: &Shard<E>) -> i32 {
    let opaque = shard.next_opaque.get();
    shard.next_opaque.set(opaque.wrapping_add(1));
    opaque
}

/// An answer arrived. One that nobody waits for is dropped: it came too late, or to a request that is one-way.
pub(crate) fn answered<E: Env>(shard: &Rc<Shard<E>>, peer: &Peer, frame: &Frame<'_>, header: &Header) {
    let waiter = shard.calls.borrow_mut().take_answered(peer.id.to_u64(), header.opaque);
    if let Some(waiter) = waiter {
        go_on(shard, waiter, &Outcome::Answered(header, frame));
    }
}

/// A connection is gone.
pub(crate) fn closed<E: Env>(shard: &Rc<Shard<E>>, connection: ConnectionId) {
    let waiters = shard.calls.borrow_mut().take_closed(connection.to_u64());
    waiters.into_iter().for_each(|waiter| go_on(shard, waiter, &Outcome::Closed));
}

/// By the clock: tells those who have waited long enough.
pub(crate) fn expire<E: Env>(shard: &Rc<Shard<E>>) {
    let waiters = shard.calls.borrow_mut().take_overdue(shard.uptime_ms());
    waiters.into_iter().for_each(|waiter| go_on(shard, waiter, &Outcome::Overdue));
}

fn go_on<E: Env>(shard: &Rc<Shard<E>>, waiter: Waiter, outcome: &Outcome<'_>) {
    match waiter {
        Waiter::Relayed(relayed) => relayed.go_on(shard, outcome),
        Waiter::Member(member) => member.go_on(shard, outcome),
        Waiter::Reply(pushed) => pushed.go_on(shard, outcome),
    }
}

/// The refusal of what a client of this version does not know. Versions are ordinals; `needed` is the name of the first
/// that knows it.
pub(crate) fn too_old(client_id: &str, version: i32, needed: &str) -> Halt {
    let remark =
        format!("The Consumer <{client_id}> Version <{version}> too low to finish, please upgrade it to {needed}");
    Halt::refuse(ResponseCode::SYSTEM_ERROR, remark)
}
