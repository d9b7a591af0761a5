//! When a group takes sends: asked of every node that still stands, again and again.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use protocol::code::ResponseCode;

use crate::raw_client::{RawClient, Received};
use crate::requests;

/// Any replica that lives takes a send and hands it to the leader, if it knows one.
const EVERY: Duration = Duration::from_millis(10);
/// Of probes, apart from the topics of clients that are looked at.
pub const TOPIC: &str = "probe";

/// Sends to all `nodes` of a shard until one of them acknowledges a send that began after this call; returns how long that
/// took.
///
/// # Panics
/// When none does within `limit`; with the last refusal.
#[must_use]
pub fn first_accepted(nodes: &[SocketAddr], limit: Duration) -> Duration {
    let start = Instant::now();
    let (accepted, refusals) = (Mutex::new(None), Mutex::new(String::new()));
    let is_over = || start.elapsed() > limit || accepted.lock().expect("no probe panics").is_some();
    thread::scope(|scope| {
        for node in nodes {
            scope.spawn(|| {
                while !is_over() {
                    match try_on_one_connection(*node, is_over) {
                        Ok(true) => *accepted.lock().expect("no probe panics") = Some(start.elapsed()),
                        Ok(false) => {}
                        Err(refusal) => *refusals.lock().expect("no probe panics") = refusal,
                    }
                    thread::sleep(EVERY);
                }
            });
        }
    });
    let refusal = refusals.into_inner().expect("no probe panics");
    let accepted = accepted.into_inner().expect("no probe panics");
    accepted.unwrap_or_else(|| panic!("{nodes:?} took no send within {limit:?}; the last refusal: {refusal}"))
}

/// Sends every few milliseconds, whether or not the sends before are answered: one may be on its way to a leader that is
/// gone. Whether one was acknowledged, or the last refusal.
fn try_on_one_connection(node: SocketAddr, is_over: impl Fn() -> bool) -> Result<bool, String> {
    let mut client = RawClient::try_connect(node).map_err(|error| format!("{node}: {error}"))?;
    let mut refusal = String::new();
    while !is_over() {
        client.try_start(requests::send(TOPIC, 0, b"is there a leader")).map_err(|error| format!("{node}: {error}"))?;
        let next = Instant::now() + EVERY;
        while let Some(received) = client.receive_before(next) {
            match received {
                Received::Command(answer) if answer.code == ResponseCode::SUCCESS.0 => return Ok(true),
                Received::Command(answer) => refusal = format!("{node}: {} {:?}", answer.code, answer.remark),
                Received::Closed => return Err(format!("{node}: closed; before that {refusal}")),
            }
        }
    }
    if refusal.is_empty() { Ok(false) } else { Err(refusal) }
}
