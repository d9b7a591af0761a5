//! A slave's connection to its master. The clock and the sockets are the caller's.

use std::net::SocketAddr;

use runtime::{CloseReason, ConnectionId, Outbox};

use crate::replication::TransferRate;
use crate::replication::wire::{Link, ReplicaMessage};

/// A connection that failed is made again after this at first ...
const REDIAL_MS_MIN: i64 = 200;
/// ... and after twice as long each time that it fails again, up to this.
const REDIAL_MS_MAX: i64 = 5_000;
/// A master answers within half of this, if only that there is nothing new; one that does not is dialed again.
pub(crate) const MASTER_SILENCE_MS: i64 = 5_000;

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Channel {
    /// Dialed from this time on.
    Down {
        from_ms: i64,
    },
    Dialing,
    Greeting(ConnectionId),
    Up(ConnectionId),
}

/// See the module's text.
pub(crate) struct MasterLink {
    /// Where the master listens for slaves; `None`: not known yet.
    target: Option<SocketAddr>,
    /// `host:port` where it serves clients, as far as is known.
    pub(crate) address: Option<String>,
    channel: Channel,
    link: Option<Link>,
    nonce: u64,
    redial_ms: i64,
    /// Counts dials, so that an answer to an earlier one is known.
    dials: u64,
    /// Since when a request waits for its answer.
    pub(crate) asked_ms: Option<i64>,
    /// Not before this the next request.
    pub(crate) ask_from_ms: i64,
    /// When the master was last heard of.
    pub(crate) heard_ms: Option<i64>,
    /// Physical offset where its log ends, as far as it has said.
    pub(crate) end_position: Option<u64>,
    /// What was logged last of a failure: the same is not said again.
    said: String,
    pub(crate) rate: TransferRate,
}

impl Default for MasterLink {
    fn default() -> Self {
        Self {
            target: None,
            address: None,
            channel: Channel::Down { from_ms: 0 },
            link: None,
            nonce: 0,
            redial_ms: REDIAL_MS_MIN,
            dials: 0,
            asked_ms: None,
            ask_from_ms: 0,
            heard_ms: None,
            end_position: None,
            said: String::new(),
            rate: TransferRate::default(),
        }
    }
}

impl MasterLink {
    /// The master is there from now on. Whoever it was before is left.
    pub(crate) fn set_target(&mut self, target: SocketAddr, address: Option<String>, outbox: &Outbox) {
        if address.is_some() {
            self.address = address;
        }
        if self.target.replace(target) != Some(target) {
            self.leave(outbox, "replication: another one is the master");
            self.redial_ms = REDIAL_MS_MIN;
        }
    }

    pub(crate) fn has_target(&self) -> bool {
        self.target.is_some()
    }

    /// Dials if it is time.
    pub(crate) fn dial_due(&mut self, now_ms: i64, outbox: &Outbox) {
        let Some(target) = self.target else { return };
        if matches!(self.channel, Channel::Down { from_ms } if from_ms <= now_ms) {
            self.channel = Channel::Dialing;
            self.dials += 1;
            outbox.dial(target, self.dials);
        }
    }

    /// A dialed connection is there; true: it is the one that is wanted.
    pub(crate) fn connected(&mut self, ticket: u64, connection: ConnectionId, link: Link, nonce: u64) -> bool {
        let is_wanted = self.channel == Channel::Dialing && ticket == self.dials;
        if is_wanted {
            self.channel = Channel::Greeting(connection);
            (self.link, self.nonce) = (Some(link), nonce);
        }
        is_wanted
    }

    /// A connection was not made.
    pub(crate) fn dial_failed(&mut self, ticket: u64, now_ms: i64) {
        if self.channel == Channel::Dialing && ticket == self.dials {
            self.down(now_ms);
        }
    }

    /// A connection is gone; true: it was this one.
    pub(crate) fn closed(&mut self, connection: ConnectionId, now_ms: i64) -> bool {
        let is_this = matches!(self.channel, Channel::Greeting(own) | Channel::Up(own) if own == connection);
        if is_this {
            self.down(now_ms);
        }
        is_this
    }

    fn down(&mut self, now_ms: i64) {
        self.channel = Channel::Down { from_ms: now_ms + self.redial_ms };
        self.redial_ms = (2 * self.redial_ms).min(REDIAL_MS_MAX);
        (self.link, self.asked_ms) = (None, None);
    }

    /// Closes the connection, if there is one; the next is made at once.
    pub(crate) fn leave(&mut self, outbox: &Outbox, why: &'static str) {
        if let Channel::Greeting(connection) | Channel::Up(connection) = self.channel {
            outbox.close(connection, CloseReason(why.into()));
        }
        self.channel = Channel::Down { from_ms: 0 };
        (self.link, self.asked_ms) = (None, None);
    }

    /// The connection's link, to check a frame.
    pub(crate) fn link_of(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        let is_this = matches!(self.channel, Channel::Greeting(own) | Channel::Up(own) if own == connection);
        self.link.as_mut().filter(|_| is_this)
    }

    /// The master's hello. False: it is out of turn.
    pub(crate) fn greeted(&mut self, nonce: u64, address: &str) -> bool {
        let (Channel::Greeting(connection), Some(link)) = (self.channel, &mut self.link) else { return false };
        link.establish(self.nonce, nonce);
        self.channel = Channel::Up(connection);
        self.address = Some(address.to_owned());
        true
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.channel, Channel::Up(_))
    }

    /// Whether the master was heard of of late over this connection.
    pub(crate) fn is_alive(&self, now_ms: i64) -> bool {
        self.is_up() && self.heard_ms.is_some_and(|heard_ms| now_ms - heard_ms < MASTER_SILENCE_MS)
    }

    /// The master answered: what fails from here on is tried again soon.
    pub(crate) fn heard(&mut self, now_ms: i64) {
        self.heard_ms = Some(now_ms);
        self.asked_ms = None;
        self.redial_ms = REDIAL_MS_MIN;
        self.said.clear();
    }

    /// Whether this is not what was said last.
    pub(crate) fn is_news(&mut self, what: &str) -> bool {
        let is_news = self.said != what;
        if is_news {
            what.clone_into(&mut self.said);
        }
        is_news
    }

    /// Sends a message, if there is a connection.
    pub(crate) fn send(&mut self, message: &ReplicaMessage<'_>, outbox: &Outbox) -> bool {
        let (Channel::Greeting(connection) | Channel::Up(connection), Some(link)) = (self.channel, &mut self.link)
        else {
            return false;
        };
        let envelope = link.next_envelope();
        outbox.with_buffer(connection, |buffer| message.encode(&envelope, buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> SocketAddr {
        ([127, 0, 0, 1], 9).into()
    }

    #[test]
    fn a_master_that_is_away_is_dialed_at_growing_distances_up_to_a_limit() {
        let (mut master, outbox) = (MasterLink::default(), Outbox::default());
        master.set_target(target(), None, &outbox);
        let (mut now_ms, mut dialed) = (0, Vec::new());
        while now_ms < 30_000 {
            let before = master.dials;
            master.dial_due(now_ms, &outbox);
            if master.dials > before {
                dialed.push(now_ms);
                master.dial_failed(master.dials, now_ms);
            }
            now_ms += 100;
        }
        assert_eq!(dialed, [0, 200, 600, 1_400, 3_000, 6_200, 11_200, 16_200, 21_200, 26_200]);
    }

    #[test]
    fn a_dial_that_was_overtaken_is_none() {
        let (mut master, outbox) = (MasterLink::default(), Outbox::default());
        master.set_target(target(), None, &outbox);
        master.dial_due(0, &outbox);
        master.set_target(([127, 0, 0, 1], 10).into(), None, &outbox);
        master.dial_due(0, &outbox);
        assert!(!master.connected(1, ConnectionId::from_u64(1), Link::dialed(2, 1, 7), 5));
        assert!(master.connected(2, ConnectionId::from_u64(2), Link::dialed(2, 1, 7), 5));
        assert!(!master.is_up() && !master.closed(ConnectionId::from_u64(1), 0));
    }
}
