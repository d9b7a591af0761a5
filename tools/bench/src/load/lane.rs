//! A connection with its role: what to do when it is readable, writable, lost, or its turn.

use std::io;

use rustix::event::epoll::EventFlags;

use super::consumer::Consumer;
use super::link::{Link, Read};
use super::poll::Poll;
use super::producer::{Producer, SendContext};
use super::tally::{Failure, Tallies};
use crate::clock::now_ns;

/// What all connections of a worker share.
#[derive(Debug)]
pub(crate) struct Desk {
    /// What producers send.
    pub(crate) send: SendContext,
    /// What was counted since the last cut.
    pub(crate) tallies: Tallies,
    /// Producers may start requests.
    pub(crate) may_send: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) link: Link,
    pub(crate) role: Role,
    /// When to try to connect again.
    reconnect_ns: Option<u64>,
    /// What the epoll set reports of the socket; nothing if it is not in it.
    watched: EventFlags,
}

/// What a connection is for.
#[derive(Debug)]
pub(crate) enum Role {
    /// Sending.
    Producer(Box<Producer>),
    /// Receiving.
    Consumer(Box<Consumer>),
}

impl Lane {
    pub(crate) fn new(link: Link, role: Role) -> Self {
        Self { link, role, reconnect_ns: None, watched: EventFlags::empty() }
    }

    /// Puts into the buffer what is to be sent now and writes it. Also what has to be done before: connecting.
    pub(crate) fn serve(&mut self, desk: &mut Desk, now_ns: u64) {
        if self.reconnect_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.reconnect_ns = None;
            if let Err(error) = self.link.connect(now_ns) {
                self.connect_failed(&error, desk, now_ns);
            }
        }
        if !self.link.is_open() {
            return;
        }
        match &mut self.role {
            Role::Producer(producer) if desk.may_send => {
                producer.fill(&mut self.link, &mut desk.send, now_ns, &mut desk.tallies.sends);
            }
            Role::Producer(_) => {}
            Role::Consumer(consumer) => consumer.fill(&mut self.link, now_ns),
        }
        self.flush(desk, now_ns);
    }

    fn flush(&mut self, desk: &mut Desk, now: u64) {
        if self.link.is_flushed() {
            return;
        }
        if let Err(error) = self.link.flush() {
            return self.lost(&error, desk, now);
        }
        if self.link.is_flushed()
            && let Role::Producer(producer) = &mut self.role
        {
            producer.flushed(now_ns, &mut desk.tallies.sends);
        }
    }

    /// The socket has something to say.
    pub(crate) fn ready(&mut self, flags: EventFlags, desk: &mut Desk, now: u64) {
        if self.link.is_connecting() {
            self.watched = EventFlags::empty();
            match self.link.finish_connect() {
                // The same socket stays in the set; it was only watched for being writable.
                Ok(()) => self.watched = EventFlags::OUT,
                Err(error) => self.connect_failed(&error, desk, now),
            }
        } else if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
            self.read(desk, now);
        }
        self.serve(desk, now_ns());
    }

    fn read(&mut self, desk: &mut Desk, now: u64) {
        let lost = match self.link.read() {
            Ok(Read::Nothing) => return,
            Ok(Read::Some) => {
                let (role, tallies) = (&mut self.role, &mut desk.tallies);
                let now = now_ns();
                let taken = self.link.take_frames(|frame, bytes| match role {
                    Role::Producer(producer) => producer.answer(frame, now, &mut tallies.sends),
                    Role::Consumer(consumer) => {
                        tallies.receives.bytes += bytes as u64;
                        consumer.answer(frame, now, &mut tallies.receives);
                    }
                });
                match taken {
                    Ok(()) => return,
                    Err(error) => io::Error::new(io::ErrorKind::InvalidData, error),
                }
            }
            Err(error) => error,
        };
        self.lost(&lost, desk, now);
    }

    fn lost(&mut self, error: &io::Error, desk: &mut Desk, now_ns: u64) {
        match &mut self.role {
            Role::Producer(producer) => producer.lost(&self.link, error, &mut desk.tallies.sends),
            Role::Consumer(consumer) => consumer.lost(&self.link, error, &mut desk.tallies.receives),
        }
        self.close(now_ns);
    }

    fn connect_failed(&mut self, error: &io::Error, desk: &mut Desk, now_ns: u64) {
        let failures = match &self.role {
            Role::Producer(_) => &mut desk.tallies.sends.failures,
            Role::Consumer(_) => &mut desk.tallies.receives.failures,
        };
        failures.count(Failure::ConnectFailed, 1, || format!("{}: {error}", self.link.address()));
        self.close(now_ns);
    }

    fn close(&mut self, now_ns: u64) {
        // Closing the socket takes it out of the epoll set.
        self.watched = EventFlags::empty();
        self.reconnect_ns = Some(now_ns + self.link.close());
    }

    /// Gives up what takes too long: requests sent before this time, attempts to connect.
    pub(crate) fn give_up(&mut self, sent_before_ns: u64, desk: &mut Desk, now_ns: u64) {
        match &mut self.role {
            Role::Producer(producer) => producer.give_up(sent_before_ns, &self.link, &mut desk.tallies.sends),
            Role::Consumer(consumer) => consumer.give_up(sent_before_ns, &self.link, &mut desk.tallies.receives),
        }
        if self.link.is_connect_overdue(now_ns) {
            let error = io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
            self.connect_failed(&error, desk, now_ns);
        }
    }

    /// Has the epoll set report what this connection waits for now.
    pub(crate) fn watch(&mut self, poll: &Poll, number: u64) -> io::Result<()> {
        let Some(socket) = self.link.socket() else { return Ok(()) };
        let wanted = if self.link.is_connecting() {
            EventFlags::OUT
        } else if self.link.is_flushed() {
            EventFlags::IN
        } else {
            EventFlags::IN | EventFlags::OUT
        };
        if wanted == self.watched {
            return Ok(());
        }
        if self.watched.is_empty() {
            poll.add(socket, number, wanted)?;
        } else {
            poll.modify(socket, number, wanted)?;
        }
        self.watched = wanted;
        Ok(())
    }

    /// Whether it can go on at once, without anything happening before.
    pub(crate) fn wants_turn(&self, desk: &Desk) -> bool {
        match &self.role {
            Role::Producer(producer) => desk.may_send && self.link.takes_more() && producer.wants_turn(&desk.send),
            Role::Consumer(_) => false,
        }
    }

    /// When it has something to do of its own accord.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let resting = match &self.role {
            Role::Consumer(consumer) if self.link.is_open() => consumer.next_ns(),
            _ => None,
        };
        match (self.reconnect_ns, resting) {
            (Some(reconnect), Some(resting)) => Some(reconnect.min(resting)),
            (reconnect, resting) => reconnect.or(resting),
        }
    }

    /// The producer, if it is one.
    pub(crate) fn producer(&self) -> Option<&Producer> {
        match &self.role {
            Role::Producer(producer) => Some(producer),
            Role::Consumer(_) => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn producer_mut(&mut self) -> Option<&mut Producer> {
        match &mut self.role {
            Role::Producer(producer) => Some(producer),
            Role::Consumer(_) => None,
        }
    }

    /// Whether nothing is left to drain here.
    pub(crate) fn has_drained(&self) -> bool {
        match &self.role {
            Role::Producer(_) => true,
            Role::Consumer(consumer) => consumer.has_drained(),
        }
    }
}
