//! Connections as clients hold them: futures over the simulated network.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::clock::Clock;
use super::network::{Arrival, End, HostId, SimNetwork};

/// Numbers the lives of all processes of a cluster, from 1, in the order in which they began.
pub type LifeNumber = u32;

/// What one end has heard.
#[derive(Default)]
struct Ear {
    is_connected: bool,
    is_closed: bool,
    bytes: VecDeque<Vec<u8>>,
    life: LifeNumber,
    waker: Option<Waker>,
}

type Ears = Rc<RefCell<BTreeMap<End, Rc<RefCell<Ear>>>>>;

/// The sockets of all clients. Clones are the same sockets.
#[derive(Clone)]
pub struct Sockets {
    network: Rc<RefCell<SimNetwork>>,
    clock: Clock,
    ears: Ears,
}

impl Sockets {
    /// No connections yet.
    pub fn new(network: Rc<RefCell<SimNetwork>>, clock: Clock) -> Self {
        Self { network, clock, ears: Ears::default() }
    }

    /// Dials; see [`Socket::is_connected`].
    pub fn dial(&self, from: HostId, to: HostId, port: u16) -> Socket {
        let end = self.network.borrow_mut().dial(self.clock.now(), from, to, port);
        let ear = Rc::<RefCell<Ear>>::default();
        self.ears.borrow_mut().insert(end, ear.clone());
        Socket { end, ear, sockets: self.clone() }
    }

    /// Tells the end that dialed which life of a process has accepted it.
    pub fn served_by(&self, dialer: End, life: LifeNumber) {
        if let Some(ear) = self.ears.borrow().get(&dialer) {
            ear.borrow_mut().life = life;
        }
    }

    /// Something arrived for a client.
    pub fn arrive(&self, end: End, arrival: Arrival) {
        let Some(ear) = self.ears.borrow().get(&end).cloned() else { return };
        let mut ear = ear.borrow_mut();
        match arrival {
            Arrival::Accepted { .. } => unreachable!("clients do not listen"),
            Arrival::Connected => ear.is_connected = true,
            Arrival::Bytes(bytes) => ear.bytes.push_back(bytes),
            Arrival::Closed => ear.is_closed = true,
        }
        if let Some(waker) = ear.waker.take() {
            waker.wake();
        }
    }
}

/// One connection that a client dialed; dropping it closes it.
pub struct Socket {
    end: End,
    ear: Rc<RefCell<Ear>>,
    sockets: Sockets,
}

impl Socket {
    /// Waits until the dial has ended; false: it was refused.
    pub async fn is_connected(&self) -> bool {
        poll_fn(|context| {
            let mut ear = self.ear.borrow_mut();
            if ear.is_connected || ear.is_closed {
                return Poll::Ready(ear.is_connected);
            }
            ear.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The life that accepted it; 0 before.
    pub fn life(&self) -> LifeNumber {
        self.ear.borrow().life
    }

    /// Its end.
    pub fn end(&self) -> End {
        self.end
    }

    /// Sends; a closed connection takes it as well as any.
    pub fn send(&self, bytes: &[u8]) {
        self.sockets.network.borrow_mut().send(self.sockets.clock.now(), self.end, bytes);
    }

    /// What comes next; `None`: it was closed.
    pub async fn receive(&self) -> Option<Vec<u8>> {
        poll_fn(|context| {
            let mut ear = self.ear.borrow_mut();
            if let Some(bytes) = ear.bytes.pop_front() {
                return Poll::Ready(Some(bytes));
            }
            if ear.is_closed {
                return Poll::Ready(None);
            }
            ear.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.sockets.ears.borrow_mut().remove(&self.end);
        self.sockets.network.borrow_mut().close(self.sockets.clock.now(), self.end);
    }
}
