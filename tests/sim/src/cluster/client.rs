//! What every client has: its place in the network, whom it asks there and how, and the loop in which it connects to one of them
//! after the other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use protocol::frame::HeaderEncoding;
use rand::RngExt;
use rand::rngs::StdRng;

use super::clock::Clock;
use super::network::HostId;
use super::oracle::{GroupNumber, Oracle, Told};
use super::process::CLIENT_PORT;
use super::rpc::Rpc;
use super::sockets::Sockets;
use crate::Violation;

/// A dial takes this long at most, ...
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// ... and an answer to what is not held.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

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

/// Where one client stands.
pub struct ClientSeat {
    /// What it shares with others.
    pub world: ClientWorld,
    /// Its place in the network.
    pub host: HostId,
    /// Which group it speaks to.
    pub group: GroupNumber,
    /// Whom it asks there.
    pub route: Route,
    /// How it writes headers.
    pub encoding: HeaderEncoding,
    /// Draws what it does.
    pub rng: StdRng,
}

impl ClientSeat {
    /// Any one of its route, by its number there.
    pub(super) fn draw_number(&mut self) -> usize {
        self.rng.random_range(0..self.route.len())
    }

    /// Connects to the one of that number, where the route begins again behind its end; `None`: refused, or not in time.
    pub(super) async fn connect(&self, number: usize) -> Option<Rpc> {
        let to = (self.host, self.route[number % self.route.len()], CLIENT_PORT);
        Rpc::connect(&self.world.clock, &self.world.sockets, to, self.encoding, DIAL_TIMEOUT).await
    }

    /// Waits for as many milliseconds as it draws.
    pub(super) async fn pause(&mut self, ms: std::ops::Range<u64>) {
        let ms = self.rng.random_range(ms);
        self.world.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// The cluster's time.
    pub(super) fn now(&self) -> Duration {
        self.world.clock.now()
    }

    /// Whether it is to come to an end.
    pub(super) fn is_stopping(&self) -> bool {
        self.world.is_stopping.get()
    }
}

/// A client that does the same over one connection after the other.
pub(super) trait Client: Sized {
    /// Whether it waits before it connects again though it was connected.
    const PAUSES_AFTER_WORK: bool = true;

    fn seat(&mut self) -> &mut ClientSeat;

    /// All it does over one connection.
    /// # Errors
    /// What it sees is wrong, which ends it.
    async fn work_over(&mut self, rpc: &mut Rpc) -> Result<(), Violation>;

    /// Works until it is told to stop.
    async fn run(mut self) {
        let mut next = self.seat().draw_number();
        while !self.seat().is_stopping() {
            let connected = self.seat().connect(next).await;
            let pauses = connected.is_none() || Self::PAUSES_AFTER_WORK;
            if let Some(mut rpc) = connected {
                let result = self.work_over(&mut rpc).await;
                if self.seat().world.accept(result).is_none() {
                    return;
                }
            }
            if pauses {
                self.seat().pause(20..300).await;
            }
            // Another machine of the group may do better.
            next += 1;
        }
    }
}
