//! Transactions of a group: what is to become of each half message, what its sender was told, and what may be seen of it.

use super::network::End;
use super::outgoing::Sent;
use super::queue_reader::Found;
use crate::{Violation, require};

/// What is to become of a half message.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Meant {
    Commit,
    Rollback,
    StayOpen,
}

/// Queue offset in the half topic and physical offset.
pub(super) type HalfPlace = (u64, i64);

/// Where messages of payments are seen.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    /// Where consumers look.
    Committed,
    /// In the topic of those that nobody ended.
    GivenUp,
}

#[derive(Clone, Debug)]
struct Payment {
    meant: Meant,
    /// Its producer says nothing until it is asked.
    waits: bool,
    sent: Sent,
    half: Option<HalfPlace>,
    /// Somebody was asked to end it, and may have done so.
    end_was_sent: bool,
    /// It was answered that it has, to this request or an earlier one.
    has_ended: bool,
    /// Over which connection it was answered that it is ended now.
    ended_over: Option<End>,
    /// How often its producer was asked about it, and whether it was since [`Payments::audit_begins`].
    questions: u64,
    was_asked: bool,
    /// Where it stands in either topic.
    committed: Option<u64>,
    given_up: Option<u64>,
}

/// All payments of a broker group. See the module's text.
#[derive(Debug, Default)]
pub struct Payments {
    all: Vec<Payment>,
    /// Those that nobody ends are given up in the end.
    pub(super) may_be_given_up: bool,
    times_forgiven: u64,
    /// Which one could not be ended last, and why: others wait behind it.
    end_refused: Option<(u64, String)>,
}

/// How many there were of each kind.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct PaymentCounts {
    pub(super) stored: u64,
    pub(super) ended: u64,
    pub(super) questions: u64,
    pub(super) given_up: u64,
}

impl Payments {
    /// Somebody is about to send one; returns its number.
    pub(super) fn begin(&mut self, meant: Meant, waits: bool) -> u64 {
        self.all.push(Payment {
            meant,
            waits,
            sent: Sent::Unknown,
            half: None,
            end_was_sent: false,
            has_ended: false,
            ended_over: None,
            questions: 0,
            was_asked: false,
            committed: None,
            given_up: None,
        });
        self.all.len() as u64 - 1
    }

    fn payment(&mut self, number: u64) -> Result<&mut Payment, Violation> {
        self.all.get_mut(number as usize).ok_or_else(|| Violation(format!("payment {number} was never made")))
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.all.len() as u64
    }

    /// It was answered that its half message is stored.
    pub(super) fn stored(&mut self, number: u64, place: HalfPlace) -> Result<(), Violation> {
        let is_sure = self.times_forgiven == 0;
        let payment = self.payment(number)?;
        payment.sent = Sent::Stored;
        let what = || format!("payment {number} is stored at {place:?}: {payment:?}");
        require(payment.half.is_none_or(|half| half == place) || !is_sure, what)?;
        payment.half = Some(place);
        Ok(())
    }

    /// It was answered that it is not.
    pub(super) fn refused(&mut self, number: u64) -> Result<(), Violation> {
        let payment = self.payment(number)?;
        payment.sent = Sent::Refused;
        require(payment.half.is_none(), || format!("payment {number} was refused and is there: {payment:?}"))
    }

    /// Its producer was asked about it, over a connection. `in_order`: what comes over one was said by one.
    pub(super) fn asked(&mut self, number: u64, place: HalfPlace, over: End, in_order: bool) -> Result<(), Violation> {
        let is_sure = self.times_forgiven == 0;
        let payment = self.payment(number)?;
        payment.questions += 1;
        payment.was_asked = true;
        if !is_sure {
            payment.half = Some(place);
            return Ok(());
        }
        let what = |why| format!("payment {number} is asked about as that at {place:?}, {why}: {payment:?}");
        require(payment.sent != Sent::Refused, || what("and was refused"))?;
        require(payment.half.is_none_or(|half| half == place), || what("and was stored elsewhere"))?;
        require(!in_order || payment.ended_over != Some(over), || what("and has ended"))?;
        payment.half = Some(place);
        Ok(())
    }

    /// Where its half message is and how it is to end, if that is to be said.
    pub(super) fn ending(&self, number: u64) -> Option<(HalfPlace, Meant)> {
        let payment = self.all.get(number as usize)?;
        Some((payment.half?, payment.meant)).filter(|(_, meant)| *meant != Meant::StayOpen)
    }

    /// Whether nobody is to end it before it is asked about.
    pub(super) fn waits(&self, number: u64) -> bool {
        self.all.get(number as usize).is_some_and(|payment| payment.waits)
    }

    /// Whether somebody has to end it, or to ask again whether it is ended.
    pub(super) fn is_to_end(&self, number: u64) -> bool {
        let is_to_end = |payment: &Payment| !payment.has_ended && (!payment.waits || payment.end_was_sent);
        self.all.get(number as usize).is_some_and(is_to_end)
    }

    /// Somebody is about to end it. Whether that was tried before.
    pub(super) fn end_begins(&mut self, number: u64) -> bool {
        self.all.get_mut(number as usize).is_some_and(|payment| std::mem::replace(&mut payment.end_was_sent, true))
    }

    /// It was answered that it is ended by that.
    pub(super) fn ended(&mut self, number: u64, over: End, is_sure: bool) -> Result<(), Violation> {
        let payment = self.payment(number)?;
        let again = || format!("payment {number} has ended twice: {payment:?}");
        require(!payment.has_ended && payment.given_up.is_none() || !is_sure, again)?;
        (payment.has_ended, payment.ended_over) = (true, Some(over));
        Ok(())
    }

    /// It was answered that it had ended before. `was_sent`: an earlier request may have done that.
    pub(super) fn had_ended(&mut self, number: u64, was_sent: bool, is_sure: bool) -> Result<(), Violation> {
        let may_be_given_up = self.may_be_given_up;
        let payment = self.payment(number)?;
        let lost = || format!("payment {number} is said to have ended, and nobody ended it: {payment:?}");
        require(was_sent || may_be_given_up || !is_sure, lost)?;
        payment.has_ended = true;
        Ok(())
    }

    /// It was answered that it cannot be ended now.
    pub(super) fn end_refused(&mut self, number: u64, remark: String) {
        self.end_refused = Some((number, remark));
    }

    /// The group may have lost the end of its log so often.
    pub(super) fn forgiven(&mut self, times: u64) {
        if std::mem::replace(&mut self.times_forgiven, times) != times {
            self.all.iter_mut().for_each(|payment| (payment.committed, payment.given_up) = (None, None));
        }
    }

    /// Somebody read a message of one.
    pub(super) fn read(&mut self, found: &Found, seen: Seen) -> Result<(), Violation> {
        let (is_sure, may_be_given_up) = (self.times_forgiven == 0, self.may_be_given_up);
        let number = found.number;
        let payment = self.payment(number)?;
        let place = match seen {
            Seen::Committed => &mut payment.committed,
            Seen::GivenUp => &mut payment.given_up,
        };
        let is_first = place.is_none_or(|offset| offset == found.offset);
        *place = Some(found.offset);
        let what = |why| format!("payment {number} is seen, {seen:?} at {}, {why}: {payment:?}", found.offset);
        require(is_first, || what("a second time"))?;
        if !is_sure {
            // Another half message may be where one was.
            return Ok(());
        }
        require(payment.sent != Sent::Refused, || what("and was refused"))?;
        require(payment.committed.is_none() || payment.given_up.is_none(), || what("both committed and given up"))?;
        match seen {
            Seen::Committed => {
                require(payment.meant == Meant::Commit && payment.end_was_sent, || what("and nobody committed it"))
            }
            Seen::GivenUp => {
                require(may_be_given_up, || what("and is not to be given up"))?;
                require(payment.ended_over.is_none(), || what("and was ended"))
            }
        }
    }

    /// From now on it counts who is asked about.
    pub(super) fn audit_begins(&mut self) {
        self.all.iter_mut().for_each(|payment| payment.was_asked = false);
    }

    /// Everything was read: one that is not yet what it is to become.
    pub(super) fn unfinished(&self) -> Option<String> {
        let is_unfinished = |payment: &Payment| {
            let is_out = payment.committed.is_some() || payment.given_up.is_some();
            payment.sent == Sent::Stored
                && match payment.meant {
                    Meant::Commit => !is_out,
                    Meant::Rollback => !payment.has_ended && payment.given_up.is_none(),
                    Meant::StayOpen if self.may_be_given_up => payment.given_up.is_none(),
                    Meant::StayOpen => !payment.was_asked,
                }
        };
        let (number, payment) = self.all.iter().enumerate().find(|(_, payment)| is_unfinished(payment))?;
        let refused = &self.end_refused;
        Some(format!("payment {number} is not what it is to become: {payment:?}; no end was taken last of {refused:?}"))
    }

    pub(super) fn counts(&self) -> PaymentCounts {
        let count = |is: fn(&Payment) -> bool| self.all.iter().filter(|payment| is(payment)).count() as u64;
        PaymentCounts {
            stored: count(|payment| payment.sent == Sent::Stored),
            ended: count(|payment| payment.has_ended),
            questions: self.all.iter().map(|payment| payment.questions).sum(),
            given_up: count(|payment| payment.given_up.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64, offset: u64) -> Found {
        Found { offset, number, stored_ms: 0, properties: Vec::new() }
    }

    fn one(meant: Meant) -> Payments {
        let mut payments = Payments::default();
        let number = payments.begin(meant, false);
        payments.stored(number, (7, 700)).unwrap();
        payments
    }

    #[test]
    fn what_is_committed_is_seen_once_and_only_then() {
        let mut payments = one(Meant::Commit);
        assert!(one(Meant::Commit).read(&at(0, 1), Seen::Committed).is_err(), "nobody ended it");
        assert!(!payments.end_begins(0) && payments.end_begins(0));
        payments.had_ended(0, true, true).unwrap();
        assert!(payments.unfinished().is_some(), "it has not come yet");
        payments.read(&at(0, 1), Seen::Committed).unwrap();
        payments.read(&at(0, 1), Seen::Committed).unwrap();
        assert_eq!(payments.unfinished(), None);
        assert!(payments.read(&at(0, 2), Seen::Committed).is_err());
        assert!(payments.read(&at(5, 2), Seen::Committed).is_err());
    }

    #[test]
    fn a_half_message_that_is_forgotten_is_found_out() {
        assert!(one(Meant::Commit).had_ended(0, false, true).is_err());
        let open = one(Meant::StayOpen);
        assert!(open.unfinished().is_some(), "nobody was asked about it");
    }

    #[test]
    fn what_nobody_ends_is_given_up_where_that_is_set_and_not_otherwise() {
        assert!(one(Meant::StayOpen).read(&at(0, 0), Seen::GivenUp).is_err());
        let mut payments = one(Meant::StayOpen);
        payments.may_be_given_up = true;
        assert!(payments.unfinished().is_some());
        payments.read(&at(0, 0), Seen::GivenUp).unwrap();
        assert_eq!(payments.unfinished(), None);
        assert!(payments.read(&at(0, 1), Seen::GivenUp).is_err());
    }
}
