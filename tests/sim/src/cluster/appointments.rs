//! Messages that are to come at a time of their own: what was sent and recalled, and what may be seen of it when.

use std::time::Duration;

use protocol::properties::{self, TIMER_DEQUEUE_MS, TIMER_ENQUEUE_MS, TIMER_OUT_MS, TIMER_ROLL_TIMES};
use protocol::recall_handle;

use super::oracle::ClockSpan;
use super::outgoing::Sent;
use super::queue_reader::Found;
use super::sim_env::BEGAN_MS;
use crate::{Violation, require};

/// Clocks show whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// When a message is to come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum When {
    /// A delay level, and how long it is, ms.
    Level(i32, i64),
    /// `TIMER_DELAY_MS`.
    DelayMs(i64),
    /// `TIMER_DELAY_SEC`.
    DelaySeconds(i64),
    /// `TIMER_DELIVER_MS`, ms since 1970.
    DeliverMs(i64),
}

impl When {
    /// As a message's properties say it.
    pub(super) fn property(self) -> String {
        match self {
            Self::Level(level, _) => format!("{}\u{1}{level}\u{2}", properties::DELAY),
            Self::DelayMs(ms) => format!("{}\u{1}{ms}\u{2}", properties::TIMER_DELAY_MS),
            Self::DelaySeconds(seconds) => format!("{}\u{1}{seconds}\u{2}", properties::TIMER_DELAY_SEC),
            Self::DeliverMs(at_ms) => format!("{}\u{1}{at_ms}\u{2}", properties::TIMER_DELIVER_MS),
        }
    }

    fn delay_ms(self) -> Option<i64> {
        match self {
            Self::Level(_, ms) | Self::DelayMs(ms) => Some(ms),
            Self::DelaySeconds(seconds) => Some(seconds * 1000),
            Self::DeliverMs(_) => None,
        }
    }
}

/// Whether somebody wants it back.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
enum Recall {
    #[default]
    Never,
    /// Nobody knows whether it is.
    Asked,
    /// It was answered that it is.
    Done,
}

#[derive(Clone, Debug)]
struct Appointment {
    when: When,
    asked: Duration,
    sent: Sent,
    /// By it, it can be recalled.
    handle: Option<String>,
    recall: Recall,
    /// Where it was seen in its queue.
    seen: Option<u64>,
}

/// All of a broker group. See the module's text.
#[derive(Debug, Default)]
pub struct Appointments {
    all: Vec<Appointment>,
    /// How often the group may have lost what it said, when this was looked at last.
    times_forgiven: u64,
}

/// How many there were of each kind.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct AppointmentCounts {
    pub(super) stored: u64,
    pub(super) seen: u64,
    pub(super) recalled: u64,
}

impl Appointments {
    /// Somebody is about to send one; returns its number.
    pub(super) fn begin(&mut self, when: When, asked: Duration) -> u64 {
        let (sent, recall) = Default::default();
        self.all.push(Appointment { when, asked, sent, handle: None, recall, seen: None });
        self.all.len() as u64 - 1
    }

    /// It was answered that it is stored.
    pub(super) fn stored(&mut self, number: u64, handle: Option<&str>) {
        let appointment = &mut self.all[number as usize];
        appointment.sent = Sent::Stored;
        appointment.handle = handle.map(str::to_owned);
    }

    /// It was answered that it is not.
    pub(super) fn refused(&mut self, number: u64) -> Result<(), Violation> {
        let appointment = &mut self.all[number as usize];
        appointment.sent = Sent::Refused;
        require(appointment.seen.is_none(), || format!("appointment {number} was refused and came: {appointment:?}"))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// When the last one is due that is known to be stored, at the latest, as long as clocks are right.
    pub(super) fn last_due(&self) -> Duration {
        let due = |appointment: &Appointment| match appointment.when {
            When::DeliverMs(at_ms) => Duration::from_millis((at_ms - BEGAN_MS).max(0) as u64),
            when => appointment.asked + Duration::from_millis(when.delay_ms().unwrap_or(0).max(0) as u64),
        };
        self.all.iter().map(due).max().unwrap_or_default()
    }

    /// The handle of one that can be recalled.
    pub(super) fn handle(&self, number: u64) -> Option<String> {
        self.all[number as usize].handle.clone()
    }

    /// Somebody is about to recall it.
    pub(super) fn recall_begins(&mut self, number: u64) {
        let recall = &mut self.all[number as usize].recall;
        if *recall == Recall::Never {
            *recall = Recall::Asked;
        }
    }

    /// It was answered that it is recalled.
    pub(super) fn recalled(&mut self, number: u64, is_sure: bool) -> Result<(), Violation> {
        let appointment = &mut self.all[number as usize];
        appointment.recall = Recall::Done;
        let what = || format!("appointment {number} was recalled after it had come: {appointment:?}");
        require(appointment.seen.is_none() || !is_sure, what)
    }

    /// The group may have lost the end of its log so often: what was seen there may come again, and what was answered is not so.
    pub(super) fn forgiven(&mut self, times: u64) {
        if std::mem::replace(&mut self.times_forgiven, times) != times {
            self.all.iter_mut().for_each(|appointment| appointment.seen = None);
        }
    }

    /// Somebody read one.
    pub(super) fn read(&mut self, found: &Found, heard: Duration, clocks: ClockSpan) -> Result<(), Violation> {
        let number = found.number;
        let is_sure = self.times_forgiven == 0;
        let Some(appointment) = self.all.get_mut(number as usize) else {
            return Err(Violation(format!("an appointment that nobody made: {found:?}")));
        };
        let what = |why: &str| format!("appointment {number} {why}: {appointment:?}, {found:?}");
        require(appointment.seen.is_none_or(|offset| offset == found.offset), || what("came twice"))?;
        require(appointment.recall != Recall::Done || !is_sure, || what("was recalled and came"))?;
        require(appointment.sent != Sent::Refused, || what("was refused and came"))?;
        check_times(appointment, found).map_err(|why| Violation(what(why)))?;
        check_clock(appointment, heard, clocks).map_err(|why| Violation(what(why)))?;
        appointment.seen = Some(found.offset);
        Ok(())
    }

    /// Everything was read: how many are missing, and one of them.
    pub(super) fn missing(&self) -> Option<String> {
        let is_missing = |it: &Appointment| it.sent == Sent::Stored && it.recall == Recall::Never && it.seen.is_none();
        let mut missing = self.all.iter().enumerate().filter(|(_, appointment)| is_missing(appointment));
        let (number, first) = missing.next()?;
        Some(format!("{} appointments did not come, as {number}: {first:?}", missing.count() + 1))
    }

    pub(super) fn counts(&self) -> AppointmentCounts {
        let count = |is: fn(&Appointment) -> bool| self.all.iter().filter(|appointment| is(appointment)).count() as u64;
        AppointmentCounts {
            stored: count(|appointment| appointment.sent == Sent::Stored),
            seen: count(|appointment| appointment.seen.is_some()),
            recalled: count(|appointment| appointment.recall == Recall::Done),
        }
    }
}

/// By what the broker says itself.
fn check_times(appointment: &Appointment, found: &Found) -> Result<(), &'static str> {
    let number = |name| properties::get_number::<i64>(&found.properties, name);
    let wanted = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
    let Some(due_ms) = number(TIMER_OUT_MS) else {
        let was_due = match appointment.when {
            When::Level(..) => true,
            When::DeliverMs(at_ms) => found.stored_ms >= at_ms,
            When::DelayMs(ms) => ms <= 0,
            When::DelaySeconds(seconds) => seconds <= 0,
        };
        return wanted(was_due, "came early, as if it had been due already");
    };
    wanted(found.stored_ms >= due_ms, "came early, by its due time")?;
    wanted(number(TIMER_DEQUEUE_MS).is_some_and(|out_ms| out_ms >= due_ms), "came early, by when it was let out")?;
    if let Some(handle) = appointment.handle.as_deref().and_then(recall_handle::decode) {
        wanted(handle.due_ms() == Some(due_ms), "has another due time than its sender was told")?;
    }
    if let When::DeliverMs(at_ms) = appointment.when {
        wanted(due_ms >= at_ms, "came early, its due time is before what was asked for")?;
    }
    if let (Some(delay_ms), Some(in_ms), None) =
        (appointment.when.delay_ms(), number(TIMER_ENQUEUE_MS), number(TIMER_ROLL_TIMES))
    {
        wanted(due_ms - in_ms >= delay_ms, "came early, its due time is before its delay is over")?;
    }
    Ok(())
}

/// By the clocks themselves. A delay is measured by two of them, which may be off by as much as any ever was.
fn check_clock(appointment: &Appointment, heard: Duration, clocks: ClockSpan) -> Result<(), &'static str> {
    let heard_ms = (heard + ROUNDING).as_millis() as i64;
    let asked_ms = appointment.asked.as_millis() as i64;
    let is_time = match appointment.when {
        When::DeliverMs(at_ms) => at_ms <= BEGAN_MS + heard_ms + clocks.latest_ms,
        when => {
            let span_ms = clocks.latest_ms - clocks.earliest_ms;
            asked_ms + when.delay_ms().unwrap_or(0) <= heard_ms + span_ms
        }
    };
    if is_time { Ok(()) } else { Err("came early, by all clocks of its group") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: ClockSpan = ClockSpan { earliest_ms: 0, latest_ms: 0 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn found(number: u64, offset: u64, due_ms: i64) -> Found {
        let properties = format!("TIMER_OUT_MS\u{1}{due_ms}\u{2}TIMER_DEQUEUE_MS\u{1}{due_ms}\u{2}");
        Found { offset, number, stored_ms: due_ms, properties: properties.into_bytes() }
    }

    fn refuses<T: std::fmt::Debug>(result: Result<T, Violation>, words: &str) {
        let Violation(why) = result.unwrap_err();
        assert!(why.contains(words), "{why}");
    }

    #[test]
    fn what_comes_in_time_once_is_fine_and_nothing_else_is() {
        let mut all = Appointments::default();
        let number = all.begin(When::DelayMs(500), ms(100));
        all.stored(number, None);
        assert!(all.missing().is_some());
        refuses(all.read(&found(number, 0, BEGAN_MS + 600), ms(590), EXACT), "early, by all clocks");
        all.read(&found(number, 0, BEGAN_MS + 600), ms(600), EXACT).unwrap();
        all.read(&found(number, 0, BEGAN_MS + 600), ms(900), EXACT).unwrap();
        assert_eq!(all.missing(), None);
        refuses(all.read(&found(number, 1, BEGAN_MS + 600), ms(900), EXACT), "came twice");
        refuses(all.read(&found(9, 1, BEGAN_MS), ms(900), EXACT), "nobody made");
    }

    #[test]
    fn a_time_that_was_asked_for_is_kept_by_the_message_itself_too() {
        let mut all = Appointments::default();
        let number = all.begin(When::DeliverMs(BEGAN_MS + 700), ms(0));
        all.stored(number, None);
        refuses(all.read(&found(number, 0, BEGAN_MS + 699), ms(800), EXACT), "before what was asked for");
        let ahead = ClockSpan { earliest_ms: 0, latest_ms: 300 };
        refuses(all.read(&found(number, 0, BEGAN_MS + 700), ms(398), ahead), "early, by all clocks");
        all.read(&found(number, 0, BEGAN_MS + 700), ms(400), ahead).unwrap();
    }

    #[test]
    fn what_was_recalled_never_comes_unless_the_group_may_have_lost_that() {
        let mut all = Appointments::default();
        let number = all.begin(When::DelayMs(10), ms(0));
        all.stored(number, None);
        all.recall_begins(number);
        all.recalled(number, true).unwrap();
        assert_eq!(all.missing(), None);
        refuses(all.read(&found(number, 0, BEGAN_MS + 10), ms(20), EXACT), "was recalled and came");
        all.forgiven(1);
        all.read(&found(number, 0, BEGAN_MS + 10), ms(20), EXACT).unwrap();
    }

    #[test]
    fn what_was_refused_never_comes() {
        let mut all = Appointments::default();
        let number = all.begin(When::Level(1, 1000), ms(0));
        all.refused(number).unwrap();
        let came = Found { properties: Vec::new(), ..found(number, 0, BEGAN_MS + 1000) };
        refuses(all.read(&came, ms(2000), EXACT), "was refused and came");
    }
}
