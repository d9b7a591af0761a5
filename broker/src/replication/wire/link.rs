//! What one connection between two replicas demands of the frames on it.

use super::envelope::Envelope;
use super::error::WireError;

/// One end of a connection: makes the envelopes of what it says, and checks those of what it hears.
///
/// A frame has to be of this log, from the node at the other end and for this one, and the next in order. Both ends draw
/// a nonce for every connection and say it in their hello; together they are the connection's *session*, which all
/// later frames carry. So what was recorded from another connection, or comes twice, is refused: Raft could bear it, but
/// a forwarded send would be stored again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    own: u64,
    peer: u64,
    log_id: u64,
    session: u64,
    sent: u64,
    received: u64,
}

impl Link {
    /// Of a connection that node `own` dialed to reach node `peer`; Raft ids.
    pub fn dialed(own: u64, peer: u64, log_id: u64) -> Self {
        Self { own, peer, log_id, session: 0, sent: 0, received: 0 }
    }

    /// Of a connection that node `own` accepted, whose first frame, a hello, has the envelope `first`.
    /// # Errors
    /// As of [`Self::accept`]. Whether the sender is a member of the group is for the caller to say.
    pub fn accepted(own: u64, log_id: u64, first: &Envelope) -> Result<Self, WireError> {
        let mut link = Self::dialed(own, first.from, log_id);
        link.accept(first).map(|()| link)
    }

    /// The Raft id of the node at the other end.
    pub fn peer(&self) -> u64 {
        self.peer
    }

    /// Both have said hello, with these nonces. The dialer sends nothing between its hello and the other's.
    pub fn establish(&mut self, dialer_nonce: u64, listener_nonce: u64) {
        assert_eq!(self.session, 0, "said hello twice");
        // Rotated, so that two equal nonces do not cancel out.
        self.session = dialer_nonce ^ listener_nonce.rotate_left(32);
    }

    /// The envelope of the next frame to send. Every one that is made has to be sent, in this order.
    pub fn next_envelope(&mut self) -> Envelope {
        let Self { own, peer, log_id, session, sent, .. } = *self;
        self.sent += 1;
        Envelope { from: own, to: peer, log_id, session, sequence: sent }
    }

    /// Checks the envelope of a frame that arrived.
    /// # Errors
    /// [`WireError::ForeignLog`], `WrongSender`, `WrongReceiver`, `OtherSession` or `OutOfSequence`.
    pub fn accept(&mut self, envelope: &Envelope) -> Result<(), WireError> {
        let Envelope { from, to, log_id, session, sequence } = *envelope;
        if log_id != self.log_id {
            return Err(WireError::ForeignLog { found: log_id, expected: self.log_id });
        }
        if from != self.peer {
            return Err(WireError::WrongSender { found: from, expected: self.peer });
        }
        if to != self.own {
            return Err(WireError::WrongReceiver { found: to, expected: self.own });
        }
        if session != self.session {
            return Err(WireError::OtherSession { found: session, expected: self.session });
        }
        if sequence != self.received {
            return Err(WireError::OutOfSequence { found: sequence, expected: self.received });
        }
        self.received += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: u64 = 0xABCD;

    /// Node 3 dials node 1; both have said hello.
    fn connected(dialer_nonce: u64, listener_nonce: u64) -> (Link, Link) {
        let mut dialer = Link::dialed(3, 1, LOG);
        let mut listener = Link::accepted(1, LOG, &dialer.next_envelope()).unwrap();
        dialer.accept(&listener.next_envelope()).unwrap();
        dialer.establish(dialer_nonce, listener_nonce);
        listener.establish(dialer_nonce, listener_nonce);
        (dialer, listener)
    }

    #[test]
    fn two_ends_that_said_hello_take_what_the_other_says() {
        let (mut dialer, mut listener) = connected(5, 6);
        assert_eq!((dialer.peer(), listener.peer()), (1, 3));
        for _ in 0..3 {
            listener.accept(&dialer.next_envelope()).unwrap();
            dialer.accept(&listener.next_envelope()).unwrap();
            dialer.accept(&listener.next_envelope()).unwrap();
        }
    }

    #[test]
    fn a_foreign_log_or_node_is_refused() {
        let (mut dialer, mut listener) = connected(5, 6);
        let right = dialer.next_envelope();
        let foreign = Envelope { log_id: 1, ..right };
        assert_eq!(listener.accept(&foreign), Err(WireError::ForeignLog { found: 1, expected: LOG }));
        let other = Envelope { from: 2, ..right };
        assert_eq!(listener.accept(&other), Err(WireError::WrongSender { found: 2, expected: 3 }));
        let elsewhere = Envelope { to: 2, ..right };
        assert_eq!(listener.accept(&elsewhere), Err(WireError::WrongReceiver { found: 2, expected: 1 }));
        assert_eq!(listener.accept(&right), Ok(()), "what was refused counts for nothing");
        assert!(Link::accepted(2, LOG, &Link::dialed(3, 1, LOG).next_envelope()).is_err(), "a hello for another node");
    }

    #[test]
    fn a_frame_that_comes_twice_or_too_early_is_refused() {
        let (mut dialer, mut listener) = connected(5, 6);
        let (first, second) = (dialer.next_envelope(), dialer.next_envelope());
        assert_eq!(listener.accept(&second), Err(WireError::OutOfSequence { found: 2, expected: 1 }));
        listener.accept(&first).unwrap();
        assert_eq!(listener.accept(&first), Err(WireError::OutOfSequence { found: 1, expected: 2 }));
    }

    #[test]
    fn a_recorded_conversation_cannot_be_played_again() {
        let (mut dialer, _) = connected(5, 6);
        let recorded = dialer.next_envelope();
        let (_, mut later) = connected(5, 7);
        assert!(matches!(later.accept(&recorded), Err(WireError::OtherSession { .. })));
        let (_, mut same) = connected(9, 9);
        assert!(same.accept(&recorded).is_err());
        assert_ne!(same.next_envelope().session, 0, "equal nonces are a session too");
    }

    #[test]
    fn a_second_hello_within_a_session_is_refused() {
        let (_, mut listener) = connected(5, 6);
        let hello = Link::dialed(3, 1, LOG).next_envelope();
        assert!(matches!(listener.accept(&hello), Err(WireError::OtherSession { found: 0, .. })));
    }
}
