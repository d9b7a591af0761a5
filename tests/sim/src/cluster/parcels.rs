//! Messages that pop groups share out: what was sent, what each group was given of it and said to be done, and whether that may be
//! so. Whatever was acknowledged to its sender comes to each group until it is done there, or is among its dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::oracle::ClockSpan;
use super::outgoing::Sent;
use super::pop_watch::{Kept, PopWatch, Window};
use crate::{Violation, require};

/// Clocks show whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

/// A consumer group that pops.
#[derive(Copy, Clone, Debug)]
pub(super) struct PopGroup {
    pub(super) name: &'static str,
    pub(super) is_ordered: bool,
    /// After so many times in vain a message is dead; `None`: as new groups have it, which nobody lives to see.
    pub(super) retries_max: Option<i32>,
}

/// All of them; elsewhere they are numbered.
pub(super) const GROUPS: [PopGroup; 3] = [
    PopGroup { name: "porters", is_ordered: false, retries_max: None },
    PopGroup { name: "porters-without-patience", is_ordered: false, retries_max: Some(1) },
    PopGroup { name: "porters-in-line", is_ordered: true, retries_max: None },
];

/// Number of a [`Given`].
pub(super) type Handle = usize;

/// A message as it was given out.
#[derive(Copy, Clone, Debug)]
pub(super) struct Popped {
    pub(super) number: u64,
    /// Where it lies, be it in a retry topic.
    pub(super) queue_id: i32,
    pub(super) offset: u64,
}

/// What became of a parcel in one group.
#[derive(Clone, Debug, Default)]
struct Fate {
    given: Vec<Handle>,
    /// When it was heard that it is done, where that cannot be otherwise.
    done: Option<Duration>,
    /// When it was seen among the dead letters.
    dead: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Parcel {
    sent: Sent,
    fates: [Fate; GROUPS.len()],
}

/// A message that somebody has, by one handle.
#[derive(Copy, Clone, Debug)]
struct Given {
    group: usize,
    popped: Popped,
    /// When it was given out, or its invisible time changed.
    window: Window,
    invisible: Duration,
    /// How often somebody said that it is done, ...
    acks: u32,
    /// ... and was told that the handle does nothing.
    acks_refused: u32,
    /// Somebody asked for another time, and was not told that it is not changed.
    may_be_changed: bool,
    /// It has this other handle since.
    next: Option<(Handle, Duration)>,
}

impl Given {
    /// Whether no clock can say at `heard` that its time is over.
    fn is_out(&self, heard: Duration, clocks_off: Duration) -> bool {
        heard + clocks_off < self.window.asked + self.invisible
    }

    /// Whether every clock says at `asked` that it is.
    fn is_over(&self, asked: Duration, clocks_off: Duration) -> bool {
        asked > self.window.heard + self.invisible + clocks_off
    }

    /// Whether nothing else can be its handle, while it is out.
    fn is_last(&self) -> bool {
        !self.may_be_changed && self.next.is_none()
    }

    fn is_untouched(&self) -> bool {
        self.is_last() && self.acks == 0
    }

    /// Whether somebody may have ended it by this handle.
    fn may_be_done(&self) -> bool {
        self.acks > self.acks_refused
    }

    fn kept(&self) -> Kept {
        kept(self.group, &self.popped)
    }
}

fn kept(group: usize, popped: &Popped) -> Kept {
    match GROUPS[group].is_ordered {
        true => Kept::Queue { group, queue_id: popped.queue_id },
        false => Kept::Message { group, number: popped.number },
    }
}

/// All of a broker group. See the module's text.
#[derive(Debug, Default)]
pub struct Parcels {
    all: Vec<Parcel>,
    given: Vec<Given>,
    watch: PopWatch,
    /// What each queue of the topic is known to hold, by offset.
    queues: BTreeMap<i32, BTreeMap<u64, u64>>,
    pops: u64,
    /// By how much clocks of the group differed at most.
    clocks_off: Duration,
    are_clocks_right: bool,
    /// Something that was said may be lost.
    is_unsure: bool,
    /// A queue may lose its beginning, and with it what is out.
    pub(super) may_lose_old: bool,
    changed: u64,
    refused: u64,
}

/// How many there were of each kind.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct ParcelCounts {
    pub(super) stored: u64,
    pub(super) given: u64,
    pub(super) again: u64,
    pub(super) done: u64,
    pub(super) changed: u64,
    pub(super) refused: u64,
    pub(super) dead: u64,
}

impl Parcels {
    /// Asked for before anything is looked at: how often the group may have lost what it said, and how far clocks were off.
    pub(super) fn note(&mut self, times_forgiven: u64, clocks: ClockSpan) {
        self.is_unsure = times_forgiven > 0;
        let off_ms = (clocks.latest_ms - clocks.earliest_ms).unsigned_abs();
        self.are_clocks_right = off_ms == 0;
        self.clocks_off = Duration::from_millis(off_ms) + ROUNDING;
    }

    /// Somebody is about to send one; returns its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.all.push(Parcel::default());
        self.all.len() as u64 - 1
    }

    /// It was answered that it is stored.
    pub(super) fn stored(&mut self, number: u64, queue_id: i32, offset: u64) {
        self.all[number as usize].sent = Sent::Stored;
        self.queues.entry(queue_id).or_default().insert(offset, number);
    }

    /// It was answered that it is not.
    pub(super) fn refused(&mut self, number: u64) -> Result<(), Violation> {
        let parcel = &mut self.all[number as usize];
        parcel.sent = Sent::Refused;
        let is_there = parcel.fates.iter().any(|fate| !fate.given.is_empty());
        require(!is_there, || format!("parcel {number} was refused and is there: {parcel:?}"))
    }

    /// A pop gave messages to a group. Returns a handle for each.
    pub(super) fn popped(
        &mut self,
        group: usize,
        window: Window,
        invisible: Duration,
        messages: &[Popped],
    ) -> Result<Vec<Handle>, Violation> {
        self.pops += 1;
        if GROUPS[group].is_ordered && !self.is_unsure && !self.may_lose_old {
            self.check_order(group, messages)?;
        }
        messages.iter().map(|popped| self.give(group, window, invisible, *popped)).collect()
    }

    fn give(&mut self, group: usize, window: Window, invisible: Duration, popped: Popped) -> Result<Handle, Violation> {
        let (handle, pop, number) = (self.given.len(), self.pops, popped.number);
        let parcel = self.all.get_mut(number as usize);
        let parcel = parcel.ok_or_else(|| Violation(format!("a parcel that nobody sent: {popped:?}")))?;
        if !self.is_unsure {
            let fate = &parcel.fates[group];
            let name = GROUPS[group].name;
            let what = |why| format!("parcel {number} is given to {name} at {window:?}, {why}: {fate:?}, {popped:?}");
            require(parcel.sent != Sent::Refused, || what("and was refused"))?;
            let is_before = |at: Option<Duration>| at.is_some_and(|at| at <= window.asked);
            require(!is_before(fate.done), || what("and was done before"))?;
            require(!is_before(fate.dead), || what("and was dead before"))?;
            self.watch.popped(kept(group, &popped), (pop, handle), window, invisible, self.clocks_off)?;
        }
        parcel.fates[group].given.push(handle);
        let (acks, acks_refused, may_be_changed, next) = Default::default();
        self.given.push(Given { group, popped, window, invisible, acks, acks_refused, may_be_changed, next });
        Ok(handle)
    }

    /// Of a queue that is popped in order, each message comes behind all before it that are not done.
    fn check_order(&self, group: usize, messages: &[Popped]) -> Result<(), Violation> {
        let mut last: BTreeMap<i32, u64> = BTreeMap::new();
        for Popped { queue_id, offset, .. } in messages {
            let before = last.insert(*queue_id, *offset);
            require(before.is_none_or(|before| before < *offset), || format!("a pop out of order: {messages:?}"))?;
        }
        for (queue_id, end) in last {
            let known = self.queues.get(&queue_id).into_iter().flat_map(|known| known.range(..end));
            for (offset, number) in known {
                let is_with_it = messages.iter().any(|other| other.queue_id == queue_id && other.offset == *offset);
                let may_be_done = self.may_be_done(&self.all[*number as usize].fates[group]);
                let what = || format!("parcel {number} at {offset} of queue {queue_id} is passed over by {messages:?}");
                require(is_with_it || may_be_done, what)?;
            }
        }
        Ok(())
    }

    /// Somebody is about to say that one is done. Whether nothing else was asked of the handle before.
    pub(super) fn ack_begins(&mut self, handle: Handle, at: Duration) -> bool {
        let is_first = self.is_first(handle);
        let given = &mut self.given[handle];
        given.acks += 1;
        let kept = given.kept();
        self.watch.ack_begins(kept, self.latest(handle), at);
        is_first
    }

    /// It was answered that it is. `says_if_not`: whoever answers so refuses what does nothing.
    pub(super) fn acked(&mut self, handle: Handle, window: Window, says_if_not: bool) -> Result<(), Violation> {
        let given = self.given[handle];
        if says_if_not {
            self.check_taken(handle, window)?;
        }
        let by_time = given.is_last() && given.is_out(window.heard, self.clocks_off);
        // In order, a handle stays good when the time is changed.
        let by_word = (given.is_last() || GROUPS[given.group].is_ordered) && says_if_not && self.are_clocks_right;
        if (by_time || by_word) && !self.is_unsure {
            let fate = &mut self.all[given.popped.number as usize].fates[given.group];
            fate.done.get_or_insert(window.heard);
        }
        Ok(())
    }

    /// A handle was taken, which is not to be where it is another's turn.
    fn check_taken(&self, handle: Handle, window: Window) -> Result<(), Violation> {
        let given = &self.given[handle];
        let stays_good = GROUPS[given.group].is_ordered && given.next.is_some();
        if self.is_unsure || stays_good {
            return Ok(());
        }
        let (number, group) = (given.popped.number, GROUPS[given.group].name);
        let what = |why| format!("a handle of parcel {number} in {group} is taken at {window:?}, and {why}: {given:?}");
        let came_again = |other: &Given| other.window.asked > given.window.heard && other.window.heard <= window.asked;
        let mut others = self.all[number as usize].fates[given.group].given.iter().map(|other| &self.given[*other]);
        let is_expired = given.is_over(window.asked, self.clocks_off) && others.any(came_again);
        require(!is_expired, || what("was expired"))?;
        let is_replaced = given.next.is_some_and(|(next, since)| {
            let next = &self.given[next];
            since <= window.asked && next.is_untouched() && next.is_out(window.heard, self.clocks_off)
        });
        require(!is_replaced, || what("was replaced"))
    }

    /// It was answered to an acknowledgement that its handle does nothing. `is_first`: of what was asked of it.
    pub(super) fn ack_refused(&mut self, handle: Handle, window: Window, is_first: bool) -> Result<(), Violation> {
        self.given[handle].acks_refused += 1;
        self.handle_refused(handle, window, is_first)
    }

    /// The same of anything that was asked of it.
    pub(super) fn handle_refused(&mut self, handle: Handle, window: Window, is_first: bool) -> Result<(), Violation> {
        self.refused += 1;
        let given = &self.given[handle];
        let is_sure = !self.is_unsure && !self.may_lose_old;
        let is_good = is_first && given.is_out(window.heard, self.clocks_off) && is_sure;
        require(!is_good, || format!("a handle is refused at {window:?} that is good: {given:?}"))
    }

    fn may_be_done(&self, fate: &Fate) -> bool {
        fate.given.iter().any(|handle| self.given[*handle].may_be_done())
    }

    /// Somebody is about to have one come at another time. Whether nothing else was asked of the handle before.
    pub(super) fn change_begins(&mut self, handle: Handle, at: Duration, invisible: Duration) -> bool {
        let is_first = self.is_first(handle);
        let given = &mut self.given[handle];
        given.may_be_changed = true;
        let kept = given.kept();
        self.watch.change_begins(kept, self.latest(handle), at, invisible);
        is_first
    }

    /// Whether nothing was asked of a handle so far, nor, in order, of another of the same message, which may be as good.
    fn is_first(&self, handle: Handle) -> bool {
        let Given { group, popped, .. } = &self.given[handle];
        let all = &self.all[popped.number as usize].fates[*group].given;
        let are_others = !GROUPS[*group].is_ordered || all.iter().all(|other| self.given[*other].is_untouched());
        self.given[handle].is_untouched() && are_others
    }

    /// The handle that took the place of this one. In order, the old one is as good.
    fn latest(&self, handle: Handle) -> Handle {
        std::iter::successors(Some(handle), |handle| self.given[*handle].next.map(|(next, _)| next))
            .last()
            .unwrap_or(handle)
    }

    /// It was answered that it will. Returns its new handle.
    pub(super) fn changed(&mut self, handle: Handle, window: Window, invisible: Duration) -> Result<Handle, Violation> {
        self.check_taken(handle, window)?;
        self.changed += 1;
        let (next, before) = (self.given.len(), self.latest(handle));
        let old = &mut self.given[before];
        old.next = Some((next, window.heard));
        let new = Given { window, invisible, acks: 0, acks_refused: 0, may_be_changed: false, next: None, ..*old };
        self.watch.changed(new.kept(), (before, next), window.asked, invisible);
        self.all[new.popped.number as usize].fates[new.group].given.push(next);
        self.given.push(new);
        Ok(next)
    }

    /// Somebody read one among the dead letters of a group.
    pub(super) fn found_dead(&mut self, group: usize, number: u64, heard: Duration) -> Result<(), Violation> {
        let parcel = self.all.get_mut(number as usize);
        let parcel = parcel.ok_or_else(|| Violation(format!("a dead parcel that nobody sent: {number}")))?;
        let fate = &mut parcel.fates[group];
        fate.dead.get_or_insert(heard);
        let is_right = fate.done.is_none() && GROUPS[group].retries_max.is_some() && parcel.sent != Sent::Refused;
        require(is_right || self.is_unsure, || {
            format!("parcel {number} is dead for {group}, and not to be: {parcel:?}")
        })
    }

    /// Nothing is left to be popped: how many parcels nobody ended in a group, and one of them.
    pub(super) fn missing(&self) -> Option<String> {
        let is_done = |fate: &Fate| self.may_be_done(fate) || fate.dead.is_some();
        let is_missing = |parcel: &Parcel, group: usize| {
            let fate = &parcel.fates[group];
            (parcel.sent == Sent::Stored || !fate.given.is_empty()) && !is_done(fate)
        };
        let each = self.all.iter().enumerate().flat_map(|of_all| (0..GROUPS.len()).map(move |group| (of_all, group)));
        let mut missing = each.filter(|((_, parcel), group)| is_missing(parcel, *group));
        let ((number, parcel), group) = missing.next()?;
        let name = GROUPS[group].name;
        let last = parcel.fates[group].given.last().map(|handle| self.given[*handle]);
        let count = missing.count() + 1;
        Some(format!("{count} parcels are not done, as {number} in {name}: {parcel:?}, given last {last:?}"))
    }

    pub(super) fn counts(&self) -> ParcelCounts {
        let fates = || self.all.iter().flat_map(|parcel| &parcel.fates);
        let popped = |fate: &Fate| fate.given.len() as u64;
        let given = fates().map(popped).sum::<u64>() - self.changed;
        let came = fates().filter(|fate| !fate.given.is_empty()).count() as u64;
        ParcelCounts {
            stored: self.all.iter().filter(|parcel| parcel.sent == Sent::Stored).count() as u64,
            given,
            again: given - came,
            done: fates().filter(|fate| self.may_be_done(fate)).count() as u64,
            changed: self.changed,
            refused: self.refused,
            dead: fates().filter(|fate| fate.dead.is_some()).count() as u64,
        }
    }
}

#[cfg(test)]
mod tests;
