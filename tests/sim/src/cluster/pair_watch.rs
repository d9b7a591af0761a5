//! What must hold of a master and its slaves at every moment, whatever clients see: of an epoch there is one master; what a
//! slave has confirmed, it has kept, and the master's log is the same up to there; what either has kept it has after a restart;
//! a slave has nothing that no master had; consumers read nothing from it that it does not have.
//!
//! It reads the logs as they are, header by header: each header has the checksum of the one before it and of its payload, so two
//! logs that stood at the same place, checksum and all, are the same up to there.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use broker::master_slave::{MasterSlaveView, Part};
use storage::commit_log::LogPosition;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES, crc_of};

use super::clock::Clock;
use super::group_watch::LogReader;
use super::node::Node;
use super::oracle::{GroupNumber, Oracle};
use super::producer::TOPIC;
use super::sockets::LifeNumber;
use crate::machine::Machine;
use crate::{Violation, require};

/// A place in a log: where an entry or filler ends, and the checksum of its header.
type Place = (u64, u32);

/// One machine as it was seen last.
#[derive(Default)]
struct Seen {
    life: LifeNumber,
    view: Option<MasterSlaveView>,
    /// Of its log, in order: where each entry begins, and the place behind it.
    entries: Vec<(u64, Place)>,
    /// All places that it was ever seen to keep its log up to.
    kept: HashSet<Place>,
    /// How many of the entries are among those.
    kept_entries: usize,
    /// How often it may have forgotten something.
    times_forgot: u32,
    /// It was seen to take an end back or to replace its log, and may have died in that.
    may_have_changed: bool,
    /// Its disk fails, so that the end of its log may be nowhere but in its memory.
    may_miss: bool,
}

/// See the module's text.
pub struct PairWatch {
    group: GroupNumber,
    clock: Clock,
    oracle: Rc<RefCell<Oracle>>,
    hosts: usize,
    seen: Vec<Seen>,
    /// All places that the log of a master was ever seen to have.
    mastered: HashSet<Place>,
    /// Promotions so far.
    epoch: u64,
    /// Who served last after as many.
    last_master: Option<usize>,
    /// Slaves that may have forgotten what they confirmed, and have not got it back.
    weak: BTreeSet<usize>,
    /// A machine that an operator has told to be the master, in which life, and whether it has said what came of it.
    promoting: Option<(usize, LifeNumber, Rc<Cell<bool>>)>,
    /// What slaves confirmed and was compared.
    pub(super) compared: u64,
}

impl PairWatch {
    /// Of so many machines; all nodes of the cluster are its.
    pub fn new(group: GroupNumber, hosts: usize, clock: Clock, oracle: Rc<RefCell<Oracle>>) -> Self {
        oracle.borrow_mut().is_pair(group);
        let seen = (0..hosts).map(|_| Seen::default()).collect();
        let (mastered, last_master, weak, promoting) = Default::default();
        Self { group, clock, oracle, hosts, seen, mastered, epoch: 0, last_master, weak, promoting, compared: 0 }
    }

    /// Promotions so far.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The machine that is the master now; `None`: none is, or it is down.
    pub fn master(&self) -> Option<usize> {
        self.seen.iter().position(|seen| {
            seen.view.as_ref().is_some_and(|view| view.part == Part::Serves && view.epoch == self.epoch)
        })
    }

    fn is_slave(&self, number: usize) -> bool {
        self.seen[number].view.as_ref().is_some_and(|view| view.part == Part::Copies)
    }

    /// A machine may have forgotten the end of its log. True: what was acknowledged may be lost by that.
    pub(super) fn forgets(&mut self, number: usize) -> bool {
        // Whoever was master before the last promotion has no word any more.
        let is_master = self.last_master.is_none_or(|master| master == number);
        if !is_master {
            self.weak.insert(number);
        }
        is_master
    }

    /// Whether a disk may be lost: the master has all that is on it.
    pub(super) fn allows_lost_disk(&self, number: usize) -> bool {
        self.is_slave(number) && self.master().is_some() && self.promoting.is_none()
    }

    /// Whether an operator who knows what he does may promote this one now. If so, it is noted when `done` is set.
    pub(super) fn begin_promotion(&mut self, number: usize, done: Rc<Cell<bool>>) -> bool {
        // A slave that never got anything is not known to its master, which would not ask it later.
        // One that was promoted and died before it served is the next master all the same.
        let epoch = self.seen.iter().filter_map(|seen| seen.view.as_ref()).map(|view| view.epoch).max();
        let is_useful = |view: &MasterSlaveView| Some(view.epoch) == epoch && view.end.index > 0;
        let is_up_to_date = self.seen[number].view.as_ref().is_some_and(is_useful);
        let may = self.promoting.is_none() && self.is_slave(number) && is_up_to_date;
        if may {
            self.promoting = Some((number, self.seen[number].life, done));
        }
        may
    }

    /// Looks at all machines.
    /// # Errors
    /// The first thing that is wrong.
    pub fn look<M: Machine>(&mut self, nodes: &[&Node<M>]) -> Result<(), Violation> {
        let mut changed = Vec::new();
        for (number, node) in nodes.iter().enumerate().take(self.hosts) {
            let view = node.process().and_then(|process| process.shard().master_slave_view());
            let Some(view) = view else {
                if self.seen[number].life != node.life() || node.process().is_none() {
                    // What it was, is asked until it is something again: a slave that is down is one.
                    self.note_gone(number);
                }
                continue;
            };
            if self.seen[number].life == node.life() && self.seen[number].view.as_ref() == Some(&view) {
                continue;
            }
            self.seen[number].view = Some(view.clone());
            let is_new_life = std::mem::replace(&mut self.seen[number].life, node.life()) != node.life();
            self.note_part(number, &view)?;
            // While one log takes the place of the other, neither is to be looked at.
            if view.part != Part::Changes && view.stuck.is_none() {
                self.follow_log(number, node, &view, is_new_life)?;
                changed.push((number, view));
            } else {
                self.seen[number].may_have_changed = true;
            }
        }
        self.note_promotion_end(nodes);
        for (number, view) in changed {
            self.check_confirmed(number, &view)?;
            if view.part == Part::Copies {
                let readable = nodes[number].process().map_or(0, |process| process.shard().readable_end(TOPIC));
                require(readable <= view.end.position, || {
                    format!("slave {number} lets consumers read up to {readable}, its log ends before: {view:?}")
                })?;
            }
            self.note_strength(number, &view);
        }
        self.note_master(nodes);
        Ok(())
    }

    /// A master that is down serves nobody.
    fn note_gone(&mut self, number: usize) {
        if let Some(view) = &mut self.seen[number].view
            && view.part == Part::Serves
        {
            view.part = Part::Asks;
        }
    }

    fn note_part(&mut self, number: usize, view: &MasterSlaveView) -> Result<(), Violation> {
        if view.part != Part::Serves {
            return Ok(());
        }
        self.oracle.borrow_mut().waits_for_copies(self.seen[number].life, view.is_sync);
        if view.epoch > self.epoch {
            self.epoch = view.epoch;
            // One that has not got back what it had confirmed may lack it.
            let keeps_copies = !self.weak.remove(&number);
            let shared = self.last_master.map_or(0, |master| self.shared_end(master, number));
            self.oracle.borrow_mut().promoted(self.group, shared, keeps_copies);
        }
        if view.epoch == self.epoch {
            self.last_master = Some(number);
        }
        let other = self.seen.iter().enumerate().find(|(other, seen)| {
            let is_same = |view: &MasterSlaveView| view.part == Part::Serves && view.epoch == self.epoch;
            *other != number && view.epoch == self.epoch && seen.view.as_ref().is_some_and(is_same)
        });
        require(other.is_none(), || {
            let other = other.map_or(0, |(other, _)| other);
            format!("after {} promotions there are two masters, {number} and {other}", self.epoch)
        })
    }

    /// Up to where the logs of two are the same, as they were seen last.
    fn shared_end(&self, one: usize, other: usize) -> u64 {
        let (one, other) = (&self.seen[one].entries, &self.seen[other].entries);
        let is_in_both = |(start, place): &&(u64, Place)| {
            one.binary_search_by_key(start, |(start, _)| *start).is_ok_and(|found| one[found].1 == *place)
        };
        other.iter().rev().find(is_in_both).map_or(0, |(_, (end, _))| *end)
    }

    fn note_promotion_end<M: Machine>(&mut self, nodes: &[&Node<M>]) {
        let is_over = self.promoting.as_ref().is_some_and(|(number, life, done)| {
            let is_known = self.seen[*number].view.as_ref().is_some_and(|view| view.part != Part::Changes);
            let is_up = nodes[*number].process().is_some();
            is_up && is_known && (done.get() || nodes[*number].life() != *life)
        });
        if is_over {
            self.promoting = None;
        }
    }

    fn note_master<M: Machine>(&mut self, nodes: &[&Node<M>]) {
        let master = self.master().filter(|number| nodes[*number].process().is_some());
        let life = master.map(|number| nodes[number].life());
        self.oracle.borrow_mut().master_is(self.group, life, self.clock.now());
    }

    /// A slave that has all that its master has is as good as one that never forgot.
    fn note_strength(&mut self, number: usize, view: &MasterSlaveView) {
        let master = self.master().and_then(|master| self.seen[master].view.as_ref());
        let is_whole = view.part == Part::Copies && view.epoch == self.epoch && !view.lacks_log && !view.is_installing;
        if is_whole && master.is_some_and(|master| master.end == view.end) {
            self.weak.remove(&number);
        }
    }

    /// Takes back and adds what the log did since it was seen last.
    fn follow_log<M: Machine>(
        &mut self,
        number: usize,
        node: &Node<M>,
        view: &MasterSlaveView,
        is_new_life: bool,
    ) -> Result<(), Violation> {
        let may_miss = node.has_failed_sync() || node.disk_is_troubled();
        let (reader, id) = (LogReader::new(node), view.log_id);
        let seen = &mut self.seen[number];
        seen.may_miss = may_miss;
        let may_forget = std::mem::replace(&mut seen.times_forgot, node.times_forgot()) != node.times_forgot();
        let may_have_changed = std::mem::take(&mut seen.may_have_changed);
        while let Some((start, (end, crc))) = seen.entries.last().copied() {
            let is_there = start >= view.first
                && end <= view.end.position
                && reader.header(start).is_some_and(|head| crc_of(&head) == crc);
            if is_there {
                break;
            }
            seen.entries.pop();
        }
        let (left, kept) = (seen.entries.len(), seen.kept_entries);
        require(left >= kept || !is_new_life || may_forget || may_have_changed || may_miss, || {
            format!("machine {number} started with {left} of its entries, it had kept {kept}: {view:?}")
        })?;
        seen.kept_entries = kept.min(left);
        let (mut at, mut previous) = match seen.entries.last() {
            Some((_, (end, crc))) => (*end, Some(*crc)),
            None => (view.first, None),
        };
        while at < view.end.position {
            let head = reader.header(at);
            let header = head.as_ref().and_then(|head| EntryHeader::decode(id, at, head).ok());
            let (Some(head), Some(header)) = (head, header) else {
                if may_miss {
                    return Ok(());
                }
                return Err(Violation(format!("machine {number} has no entry at {at} of its log: {view:?}")));
            };
            require(previous.is_none_or(|previous| header.previous == previous), || {
                format!("machine {number} has at {at} what does not continue its log: {header:?}")
            })?;
            let crc = crc_of(&head);
            let place = (header.end(), crc);
            // One whose promotion did not come to its end has only begun its term.
            let begins_term = header.kind == EntryKind::Control && header.payload_bytes == 0;
            if view.part != Part::Copies || begins_term {
                self.mastered.insert(place);
            }
            require(self.mastered.contains(&place), || {
                format!("slave {number} has at {at} what no master had: {header:?}, {view:?}")
            })?;
            seen.entries.push((at, place));
            (at, previous) = (header.end(), Some(crc));
        }
        while let Some((_, place)) = seen.entries.get(seen.kept_entries).filter(|(_, (end, _))| *end <= view.kept) {
            seen.kept.insert(*place);
            seen.kept_entries += 1;
        }
        Ok(())
    }

    /// What slaves have confirmed to a master, they have kept, and it has too.
    fn check_confirmed(&mut self, number: usize, view: &MasterSlaveView) -> Result<(), Violation> {
        for (slave_id, confirmed) in &view.confirmed {
            let LogPosition { position, previous, .. } = *confirmed;
            if position == 0 {
                continue;
            }
            self.compared += 1;
            let place = (position, previous);
            // A slave's id may have been another's before.
            let mut others = self.seen.iter().enumerate().filter(|(other, _)| *other != number);
            require(others.any(|(_, seen)| seen.kept.contains(&place)), || {
                format!("slave {slave_id} has confirmed {confirmed:?} to {number}, and never kept its log up to there")
            })?;
            let own = &self.seen[number];
            let seen_to = own.entries.last().map_or(view.first, |(_, (end, _))| *end);
            // What retention has removed is not looked at; what was given away, and never came to an own disk that fails, cannot be.
            let is_own = position <= view.first
                || own.may_miss && (seen_to + 1..=view.end.position).contains(&position)
                || own
                    .entries
                    .binary_search_by_key(&position, |(_, (end, _))| *end)
                    .is_ok_and(|found| own.entries[found].1 == place);
            require(is_own, || {
                format!("slave {slave_id} has confirmed {confirmed:?} to {number}, whose log is another there")
            })?;
        }
        Ok(())
    }

    /// Whether everything is well: one master, and all others have what it has.
    /// # Errors
    /// Where logs that end alike are not the same.
    pub fn is_whole<M: Machine>(&self, nodes: &[&Node<M>]) -> Result<bool, Violation> {
        let views: Option<Vec<MasterSlaveView>> =
            nodes.iter().map(|node| node.process()?.shard().master_slave_view()).collect();
        let Some(views) = views else { return Ok(false) };
        let masters = views.iter().filter(|view| view.part == Part::Serves).count();
        let slaves = views.iter().filter(|view| view.part == Part::Copies && view.stuck.is_none() && !view.lacks_log);
        let ends_alike = views.iter().all(|view| view.end == views[0].end && view.epoch == views[0].epoch);
        if masters != 1 || slaves.count() + 1 != views.len() || !ends_alike {
            return Ok(false);
        }
        let first = views.iter().map(|view| view.first).max().unwrap_or(0);
        let readers: Vec<_> = nodes.iter().map(|node| LogReader::new(node)).collect();
        let of_first = &self.seen[0].entries;
        for (start, (end, _)) in of_first.iter().filter(|(start, _)| *start >= first) {
            let head = readers[0].header(*start);
            let header = head.as_ref().and_then(|head| EntryHeader::decode(views[0].log_id, *start, head).ok());
            // What a filler skips means nothing.
            let is_filler = header.is_none_or(|header| header.kind == EntryKind::Filler);
            let bytes = if is_filler { HEADER_BYTES } else { (end - start) as usize };
            let one = readers[0].bytes(*start, bytes);
            for (number, reader) in readers.iter().enumerate().skip(1) {
                let other = reader.bytes(*start, bytes);
                require(one.is_some() && one == other, || {
                    format!("the logs of machines 0 and {number} end alike and differ at {start}")
                })?;
            }
        }
        Ok(true)
    }

    /// What is seen of all, for failure messages.
    pub fn describe(&self) -> String {
        let views: Vec<_> = self.seen.iter().map(|seen| &seen.view).collect();
        format!("{views:#?}")
    }
}
