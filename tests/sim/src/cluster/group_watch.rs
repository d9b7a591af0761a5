//! What must hold in a group of replicas at every moment, whatever clients see: a term has one leader, what is committed
//! stays and is the same everywhere, a majority has it before anybody calls it committed, nothing else is readable.
//!
//! It reads the logs as they are, in memory or in files, header by header: each header has the checksum of the one before
//! it and of its payload, so two entries with one checksum are the ends of the same log.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use broker::replication::ReplicaView;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES, crc_of};
use storage::commit_log::{self, LogId};

use super::node::Node;
use super::oracle::{GroupNumber, Oracle};
use super::producer::TOPIC;
use super::sockets::LifeNumber;
use crate::machine::Machine;
use crate::{Violation, require};

/// An entry of a log, by where it lies.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
struct Entry {
    start: u64,
    end: u64,
    term: u64,
    /// Of its header.
    crc: u32,
}

/// One replica's log as it was seen last.
#[derive(Default)]
struct Seen {
    life: LifeNumber,
    view: Option<ReplicaView>,
    /// Its voters, and those whose majority is needed too, as they were seen last and before that.
    voters: [(u64, u64); 2],
    /// By index, from 1.
    entries: Vec<Entry>,
    /// Entries that it was seen to keep.
    kept: usize,
    /// Entries that it called committed in this life.
    committed: usize,
    /// How often it may have forgotten something.
    times_forgot: u32,
    /// Up to where it said, with a damaged disk, that it keeps its log; by the term of the log's last entry. Where the damage
    /// lies, nobody can look; they are a minority, and only they know.
    said_kept: BTreeMap<u64, u64>,
}

impl Seen {
    fn note_voters(&mut self, view: &ReplicaView) {
        let now = (view.voters, view.voters_before);
        if self.voters[0] != now {
            self.voters = [now, self.voters[0]];
        }
    }

    /// Whether it said, with a damaged disk, that it keeps this, as far as place and term tell: its log reached further, in this
    /// term or a later one.
    fn said_to_keep(&self, entry: &Entry) -> bool {
        self.said_kept.range(entry.term..).any(|(_, kept)| *kept >= entry.end)
    }

    /// Whether these were enough for the members that the replica knew, or for those before: it may have called something
    /// committed and then applied a change of them in one moment.
    fn is_majority(&self, holders: u64) -> bool {
        let is_most = |voters: u64| (holders & voters).count_ones() > voters.count_ones() / 2;
        self.voters.iter().any(|(voters, before)| is_most(*voters) && (*before == 0 || is_most(*before)))
    }
}

/// See the module's text.
pub struct GroupWatch {
    group: GroupNumber,
    id: LogId,
    oracle: Rc<RefCell<Oracle>>,
    forgiven: u64,
    leaders: BTreeMap<u64, u64>,
    seen: Vec<Seen>,
    /// Which replicas were ever seen to keep an entry, a bit each; by index and checksum.
    held: HashMap<(usize, u32), u32>,
    /// What is committed, by index, from 1.
    committed: Vec<Entry>,
}

impl GroupWatch {
    /// Of a group of so many replicas. All nodes of the cluster are its.
    pub fn new(group: GroupNumber, replicas: usize, id: LogId, oracle: Rc<RefCell<Oracle>>) -> Self {
        Self {
            group,
            id,
            oracle,
            forgiven: 0,
            leaders: BTreeMap::new(),
            seen: (0..replicas).map(|_| Seen::default()).collect(),
            held: HashMap::new(),
            committed: Vec::new(),
        }
    }

    /// Looks at all replicas.
    /// # Errors
    /// The first thing that is wrong.
    pub fn look<M: Machine>(&mut self, nodes: &[&Node<M>]) -> Result<(), Violation> {
        self.forget_forgiven();
        let mut changed = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            let Some(view) = node.process().and_then(|process| process.shard().replica_view()) else { continue };
            self.oracle.borrow_mut().leads(node.life(), view.is_leader.then_some(view.term));
            // What one that has given up has in memory may never have come into its files.
            let is_as_before = self.seen[number].life == node.life() && self.seen[number].view == Some(view);
            if is_as_before || view.is_stopped || view.is_installing {
                continue;
            }
            self.check_leader(&view)?;
            self.follow_log(number, node, &view)?;
            self.seen[number].life = node.life();
            self.seen[number].view = Some(view);
            self.seen[number].note_voters(&view);
            changed.push((number, view));
        }
        // All that was kept is known before anybody is asked what a majority has.
        for (number, view) in changed {
            self.check_commit(number, &view)?;
            let readable = nodes[number].process().map_or(0, |process| process.shard().readable_end(TOPIC));
            require(readable <= view.committed, || {
                format!("node {number} lets consumers read up to {readable}, committed is {view:?}")
            })?;
        }
        Ok(())
    }

    /// What was forgiven may go: what is committed is what those call so who are left.
    fn forget_forgiven(&mut self) {
        let forgiven = self.oracle.borrow().times_forgiven(self.group);
        if std::mem::replace(&mut self.forgiven, forgiven) != forgiven {
            self.committed.clear();
            for seen in &mut self.seen {
                seen.committed = 0;
                seen.view = None;
            }
        }
    }

    fn check_leader(&mut self, view: &ReplicaView) -> Result<(), Violation> {
        if !view.is_leader {
            return Ok(());
        }
        let leader = *self.leaders.entry(view.term).or_insert(view.node);
        require(leader == view.node, || format!("term {} has two leaders: {leader} and {}", view.term, view.node))
    }

    /// Takes back and adds what the log did since it was seen last.
    fn follow_log<M: Machine>(&mut self, number: usize, node: &Node<M>, view: &ReplicaView) -> Result<(), Violation> {
        let id = self.id;
        let seen = &mut self.seen[number];
        let kept_before = (seen.life != node.life()).then_some(seen.kept);
        if kept_before.is_some() {
            seen.committed = 0;
        }
        if node.is_damaged() {
            let said = seen.said_kept.entry(view.end.term).or_default();
            *said = view.kept.max(*said);
        }
        let may_forget = seen.times_forgot != node.times_forgot() || node.is_damaged();
        seen.times_forgot = node.times_forgot();
        let reader = LogReader::new(node);
        // What was removed at the beginning cannot be looked at, and is committed: what came in the place of all of it, with a
        // checkpoint, may begin behind what was seen.
        let is_removed = |entry: &Entry| entry.start < view.first;
        if seen.entries.last().is_none_or(is_removed) {
            seen.entries = self.committed.iter().take_while(|entry| is_removed(entry)).copied().collect();
        }
        let mut gone = None;
        while let Some(last) = seen.entries.last() {
            if last.start < view.first {
                break;
            }
            let is_there = seen.entries.len() as u64 <= view.end.index
                && last.end <= view.end.position
                && reader.header(last.start).is_some_and(|head| crc_of(&head) == last.crc);
            if is_there {
                break;
            }
            gone = seen.entries.pop();
        }
        let entries = seen.entries.len();
        // What a file has lost cannot be read here either.
        let may_miss = node.is_damaged() || node.has_failed_sync();
        require(entries >= seen.committed || may_miss, || {
            format!(
                "node {number} took back entries behind {entries}, it had called {} committed: {view:?}",
                seen.committed
            )
        })?;
        // It may have taken back, in the moment in which it died, what a leader of a later term does not have.
        let was_taken_back = gone.is_some_and(|gone| gone.term < view.term);
        let kept = kept_before.filter(|_| !may_forget && !was_taken_back).unwrap_or(0);
        require(entries >= kept, || {
            format!("node {number} started with {entries} entries, it had said that it keeps {kept}: {view:?}")
        })?;
        seen.kept = seen.kept.min(entries);
        seen.committed = seen.committed.min(entries);
        let (mut at, mut previous) = seen.entries.last().map_or((0, Some(0)), |last| (last.end, Some(last.crc)));
        if at < view.first {
            // A filler was removed with the segment that it ended.
            (at, previous) = (view.first, None);
        }
        while at < view.end.position {
            let head = reader.header(at);
            // What a leader of a later term does not have is erased in the file a moment before the log's end goes back.
            let is_taken_back = at >= view.committed && !view.is_leader && view.end.term < view.term;
            let is_erased = head.as_ref().is_some_and(|head| head.iter().all(|byte| *byte == 0));
            let header = head.as_ref().and_then(|head| EntryHeader::decode(id, at, head).ok());
            let (Some(head), Some(header)) = (head, header) else {
                // After a sync that failed, a file may have forgotten what was written, and the log takes nothing any more.
                if may_miss || (is_taken_back && is_erased) {
                    return Ok(());
                }
                return Err(Violation(format!("node {number} has no entry at {at} of its log: {view:?}")));
            };
            let crc = crc_of(&head);
            let continues = previous.is_none_or(|previous| header.previous == previous)
                && (header.kind == EntryKind::Filler || header.index == seen.entries.len() as u64 + 1);
            require(continues, || format!("node {number} has at {at} what does not continue its log: {header:?}"))?;
            if header.kind != EntryKind::Filler {
                seen.entries.push(Entry { start: at, end: header.end(), term: header.term, crc });
            }
            (at, previous) = (header.end(), Some(crc));
        }
        while let Some(entry) = seen.entries.get(seen.kept).filter(|entry| entry.end <= view.kept) {
            *self.held.entry((seen.kept, entry.crc)).or_default() |= 1 << number;
            seen.kept += 1;
        }
        Ok(())
    }

    fn check_commit(&mut self, number: usize, view: &ReplicaView) -> Result<(), Violation> {
        loop {
            let seen = &self.seen[number];
            let at = seen.committed;
            let Some(entry) = seen.entries.get(at).filter(|entry| entry.end <= view.committed) else { return Ok(()) };
            match self.committed.get(at) {
                Some(known) => require(known == entry, || {
                    format!(
                        "node {number} calls {entry:?} committed as entry {}, another called {known:?} so: {view:?}",
                        at + 1
                    )
                })?,
                None => {
                    let holders = self.held.get(&(at, entry.crc)).copied().unwrap_or_default();
                    let holders = holders | bits(self.seen.iter().map(|seen| seen.said_to_keep(entry)));
                    if !self.seen[number].is_majority(u64::from(holders)) {
                        let views: Vec<_> = self.seen.iter().map(|seen| (seen.kept, seen.view)).collect();
                        return Err(Violation(format!(
                            "node {number} calls entry {} committed, {entry:?}; it was kept by {holders:#b} only: {views:#?}",
                            at + 1
                        )));
                    }
                    self.committed.push(*entry);
                }
            }
            self.seen[number].committed += 1;
        }
    }

    /// Compares the logs of all replicas, byte by byte, from where the last of them begins up to what is committed; all of them
    /// serve. Where old entries `may_rot`, a copy that does not fit its checksum is left out: nobody has read it yet. Returns the
    /// bytes of one.
    /// # Errors
    /// The first place where they differ.
    pub fn compare_logs<M: Machine>(&self, nodes: &[&Node<M>], may_rot: bool) -> Result<u64, Violation> {
        let views = nodes.iter().filter_map(|node| node.process()?.shard().replica_view());
        let kept_from = views.map(|view| view.first).max().unwrap_or(0);
        let is_sound = |entry: &Entry, bytes: &[u8]| {
            let header = EntryHeader::decode(self.id, entry.start, bytes);
            header.is_ok_and(|header| header.check_payload(&bytes[HEADER_BYTES..]).is_ok())
        };
        for (at, entry) in self.committed.iter().enumerate().filter(|(_, entry)| entry.start >= kept_from) {
            let bytes = (entry.end - entry.start) as usize;
            let copies = nodes.iter().map(|node| LogReader::new(node).bytes(entry.start, bytes)).enumerate();
            let is_rotten = |bytes: &Option<Vec<u8>>| bytes.as_ref().is_some_and(|bytes| !is_sound(entry, bytes));
            let mut copies = copies.filter(|(_, copy)| !(may_rot && is_rotten(copy)));
            let first = copies.next().and_then(|(_, bytes)| bytes).filter(|bytes| is_sound(entry, bytes));
            require(first.is_some(), || format!("entry {} is committed and cannot be read: {entry:?}", at + 1))?;
            let other = copies.find(|(_, copy)| *copy != first);
            require(other.is_none(), || {
                let other = other.map_or(0, |(number, _)| number);
                format!("node {other} has another entry {} than those before it, which is committed: {entry:?}", at + 1)
            })?;
        }
        Ok(self.committed.last().map_or(0, |entry| entry.end))
    }

    /// Entries that are committed.
    pub fn committed(&self) -> usize {
        self.committed.len()
    }

    /// Terms that had a leader.
    pub fn leaders(&self) -> usize {
        self.leaders.len()
    }
}

fn bits(set: impl Iterator<Item = bool>) -> u32 {
    set.enumerate().fold(0, |bits, (number, is_set)| bits | u32::from(is_set) << number)
}

/// Reads entries where they are: the newest in memory, the others in files.
pub(super) struct LogReader<'a, M: Machine> {
    node: &'a Node<M>,
    segment_bytes: u64,
}

impl<'a, M: Machine> LogReader<'a, M> {
    pub(super) fn new(node: &'a Node<M>) -> Self {
        Self { node, segment_bytes: node.segment_bytes() }
    }

    pub(super) fn header(&self, position: u64) -> Option<Vec<u8>> {
        self.bytes(position, HEADER_BYTES)
    }

    pub(super) fn bytes(&self, position: u64, bytes: usize) -> Option<Vec<u8>> {
        let shard = self.node.process()?.shard();
        let newest = shard.newest_bytes(position, bytes);
        if newest.is_some() || position >= shard.newest_from() {
            return newest;
        }
        let first = position / self.segment_bytes * self.segment_bytes;
        let path = format!("{}/{first:020}", commit_log::DIRECTORY);
        self.node.sim().peek(&path, position - first, bytes).ok().filter(|found| found.len() == bytes)
    }
}
