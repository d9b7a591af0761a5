//! The glue around one driver: its log, its disk, and the order of calls.

use std::collections::BTreeMap;

use raft_driver::eraftpb::{ConfState, Message, MessageType};
use raft_driver::{
    CatchUpNews, EntryId, Group, GroupOptions, Memory, Refusal, SavedState, Source, Start, StateRole, Writes,
};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::log::{LogEntry, Payload, id_at};
use crate::network::{Body, Envelope};
use crate::oracle::Oracle;

/// Entries of one answer to a pull.
const CHUNK_ENTRIES: usize = 20;
/// Ticks between two pulls that are not answered, and between two reports.
const PATIENCE_TICKS: u64 = 3;

/// What the glue does wrong, to show that the oracle notices.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mutation {
    None,
    /// Entries are said to be persisted as soon as they are appended.
    PersistedTooEarly,
    /// A replica that lost the end of its log says that it remembers everything.
    TrustsItselfBlindly,
    /// Entries that have to go stay in the log until they are overwritten.
    TruncationIgnored,
    /// The state file is never written.
    StateNotSaved,
    /// The state file has term and vote, but not the members.
    MembersNotSaved,
}

/// What a turn of a replica wants of the world around it.
pub(crate) struct Turn<'a> {
    pub(crate) now: u64,
    pub(crate) is_traced: bool,
    pub(crate) oracle: &'a mut Oracle,
    pub(crate) random: &'a mut StdRng,
    pub(crate) out: Vec<Envelope>,
    /// When the entries up to an index will be persisted, and which truncation that belongs to.
    pub(crate) persists: Vec<(u64, u64, u64)>,
    /// When the writes under way will be done.
    pub(crate) writes_done: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) applied: EntryId,
    pub(crate) conf_state: ConfState,
}

#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) catch_ups: u64,
    pub(crate) cuts: u64,
    pub(crate) void_catch_ups: u64,
    pub(crate) membership_changes: u64,
    pub(crate) votes_withheld: u64,
}

pub(crate) struct Replica {
    pub(crate) id: u64,
    seed: u64,
    pub(crate) mutation: Mutation,
    // On disk.
    pub(crate) log: Vec<LogEntry>,
    pub(crate) persisted: u64,
    saved: SavedState,
    pub(crate) checkpoint: Checkpoint,
    /// What has been lost; kept until the replica is trusted again.
    memory: Memory,
    pub(crate) life: u64,
    /// Counts processes, so that what was meant for an earlier one is recognized.
    pub(crate) starts: u64,
    /// How long a write takes at most, in units of time.
    pub(crate) disk_delay: u64,
    /// Entries kept in memory behind the end.
    pub(crate) memory_entries: u64,
    pub(crate) counts: Counts,
    pub(crate) live: Option<Live>,
}

/// The memory of a running process.
pub(crate) struct Live {
    pub(crate) group: Group,
    received: BTreeMap<EntryId, LogEntry>,
    /// The newest life heard of each peer.
    lives: BTreeMap<u64, u64>,
    writes: Option<Writes>,
    /// Removals of entries from the log; a persist of before one says nothing.
    pub(crate) truncations: u64,
    is_persisting: bool,
    observed: u64,
    /// Proposed here, not acknowledged yet: index and term.
    unacknowledged: BTreeMap<u64, u64>,
    ticks: u64,
    /// The tick from which on to pull again: one pull is under way at a time.
    pull_at: u64,
    pulled: Vec<LogEntry>,
    /// Where the applied state of the leader stands, with what was pulled.
    pulled_state: Option<Checkpoint>,
    vote_requests: BTreeMap<u64, EntryId>,
}

impl Replica {
    pub(crate) fn new(id: u64, seed: u64, members: ConfState, mutation: Mutation) -> Self {
        let checkpoint = Checkpoint { applied: EntryId::default(), conf_state: members };
        Self {
            id,
            seed,
            mutation,
            log: Vec::new(),
            persisted: 0,
            saved: SavedState::default(),
            checkpoint,
            memory: Memory::Whole,
            life: 0,
            starts: 0,
            disk_delay: 3,
            memory_entries: 1_000,
            counts: Counts::default(),
            live: None,
        }
    }

    /// Starts a process on what the disk has.
    pub(crate) fn start(&mut self, life: u64) {
        self.life = life;
        self.starts += 1;
        let memory = if self.mutation == Mutation::TrustsItselfBlindly { Memory::Whole } else { self.memory };
        let applied = self.checkpoint.applied;
        let start = Start {
            saved: self.saved.clone(),
            memory,
            life,
            conf_state: self.checkpoint.conf_state.clone(),
            applied,
            entries: self.log.iter().skip(applied.index as usize).map(LogEntry::info).collect(),
        };
        let mut options = GroupOptions::new(self.id, self.seed ^ (self.starts << 32) ^ self.id);
        options.message_bytes_max = 600;
        options.message_entries_max = 5;
        options.inflight_messages_max = 8;
        options.commit_is_told_at_once = !self.seed.is_multiple_of(3);
        let group = Group::new(options, start).unwrap_or_else(|error| panic!("replica {}: {error}", self.id));
        self.live = Some(Live {
            group,
            received: BTreeMap::new(),
            lives: BTreeMap::new(),
            writes: None,
            truncations: 0,
            is_persisting: false,
            observed: applied.index,
            unacknowledged: BTreeMap::new(),
            ticks: 0,
            pull_at: 0,
            pulled: Vec::new(),
            pulled_state: None,
            vote_requests: BTreeMap::new(),
        });
    }

    /// What the disk has, for a trace.
    pub(crate) fn disk(&self) -> String {
        let end = id_at(&self.log, self.persisted);
        format!("{:?}, {:?}, {:?}, log until {end}", self.memory, self.saved, self.checkpoint)
    }

    /// The process ends; what was not persisted is gone. Writes under way may have happened or not.
    pub(crate) fn crash(&mut self, random: &mut StdRng) {
        let Some(live) = self.live.take() else { return };
        if let Some(state) = live.writes.and_then(|writes| writes.save_state)
            && random.random_bool(0.5)
        {
            self.save(state);
        }
        self.log.truncate(self.persisted as usize);
    }

    /// The machine loses up to `count` entries that it had persisted.
    pub(crate) fn forget(&mut self, count: u64) {
        let kept = self.persisted.saturating_sub(count).max(self.checkpoint.applied.index);
        self.persisted = kept;
        self.log.truncate(kept as usize);
        if self.memory == Memory::Whole {
            self.memory = Memory::ShortLog;
        }
    }

    /// The disk is replaced by an empty one.
    pub(crate) fn wipe(&mut self, members: ConfState) {
        self.log.clear();
        self.persisted = 0;
        self.saved = SavedState::default();
        self.checkpoint = Checkpoint { applied: EntryId::default(), conf_state: members };
        self.memory = Memory::Nothing;
    }

    /// Whether nothing is lost that it confirmed.
    pub(crate) fn remembers(&self) -> bool {
        self.memory == Memory::Whole
    }

    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        live.ticks += 1;
        if !live.group.is_writing() {
            live.group.tick();
        }
        self.turn(turn);
    }

    /// First on every connection, and until the peer is known to have heard it.
    pub(crate) fn report(&mut self, peers: &[u64], turn: &mut Turn<'_>) {
        let Some(live) = &self.live else { return };
        if !live.ticks.is_multiple_of(PATIENCE_TICKS) {
            return;
        }
        for peer in peers.iter().filter(|peer| **peer != self.id) {
            let report = live.group.report_to(*peer);
            turn.out.push(self.envelope(*peer, Body::Report(report)));
        }
    }

    fn envelope(&self, to: u64, body: Body) -> Envelope {
        let to_life = self.live.as_ref().and_then(|live| live.lives.get(&to)).copied().unwrap_or(0);
        Envelope { from: self.id, to, from_life: self.life, to_life, body }
    }

    /// Appends a message to the log and proposes it, if this replica leads.
    pub(crate) fn propose(&mut self, number: u64, turn: &mut Turn<'_>) -> bool {
        let Some(live) = &mut self.live else { return false };
        let Ok(next) = live.group.next_entry() else { return false };
        let entry = LogEntry::next(&self.log, next.term, Payload::Message(number));
        assert_eq!(entry.id(), next, "replica {}: log and raft agree on the next entry", self.id);
        let term_before = self.log.last().map_or(0, |last| last.term);
        turn.oracle.appended(self.id, &entry, term_before);
        live.unacknowledged.insert(entry.index, entry.term);
        let proposed = live.group.propose(&entry.info());
        assert_eq!(proposed, Ok(()));
        self.log.push(entry);
        true
    }

    /// Entries up to `index` are persisted, if none was removed since that was begun.
    pub(crate) fn persist_done(&mut self, index: u64, truncations: u64, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        live.is_persisting = false;
        if live.truncations == truncations {
            self.persisted = self.persisted.max(index);
            live.group.persisted(index);
        }
        self.turn(turn);
    }

    pub(crate) fn writes_done(&mut self, turn: &mut Turn<'_>) {
        let Some(writes) = self.live.as_mut().and_then(|live| live.writes.take()) else { return };
        self.write(writes, turn);
        self.turn(turn);
    }

    pub(crate) fn receive(&mut self, envelope: Envelope, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        let Envelope { from, from_life, to_life, body, .. } = envelope;
        let known = live.lives.get(&from).copied().unwrap_or(0);
        let is_current = from_life == known && to_life == self.life;
        match body {
            Body::Report(report) if from_life >= known => {
                live.lives.insert(from, from_life);
                assert_eq!(live.group.peer_report(report), Ok(()));
            }
            Body::Raft(message, entries) if is_current => self.step(message, entries),
            Body::Pull { leader_term, terms } if is_current => self.answer(from, leader_term, &terms, turn),
            Body::Chunk { leader_term, after, entries, applied, conf_state } if is_current => {
                let state = conf_state.map(|conf_state| Checkpoint { applied, conf_state });
                self.take_chunk(leader_term, after, entries, state, turn);
            }
            _ => return,
        }
        // Several messages may be taken before their work is done.
        if turn.random.random_range(0..3) > 0 {
            self.turn(turn);
        }
    }

    fn step(&mut self, message: Message, entries: Vec<LogEntry>) {
        let Some(live) = &mut self.live else { return };
        if message.get_msg_type() == MessageType::MsgRequestVote {
            live.vote_requests.insert(message.from, EntryId { term: message.log_term, index: message.index });
        }
        let infos: Vec<_> = entries.iter().map(LogEntry::info).collect();
        let what = format!("{message:?}");
        match live.group.step(message, &infos) {
            Ok(()) => live.received.extend(entries.into_iter().map(|entry| (entry.id(), entry))),
            Err(Refusal::NotTrusted { .. }) => self.counts.votes_withheld += 1,
            Err(Refusal::WorkUnderWay | Refusal::NotReady | Refusal::TermsUnknown) => {}
            // From one that is a member no more, or not yet here; or a doubled one of an earlier handover.
            Err(Refusal::Stranger { .. }) => {}
            // Glue that breaks a rule makes replicas contradict each other; the oracle has to see what comes of it.
            Err(_) if self.mutation != Mutation::None => {}
            Err(refusal) => panic!("replica {} refuses an honest message: {refusal}: {what}", self.id),
        }
    }

    /// The leader's side of a catch-up.
    fn answer(&self, to: u64, leader_term: u64, terms: &[u64], turn: &mut Turn<'_>) {
        let Some(live) = &self.live else { return };
        if !live.group.is_leader() || live.group.role().term != leader_term || live.group.is_writing() {
            return;
        }
        let shared = self.log.iter().zip(terms).take_while(|(own, term)| own.term == **term).count();
        let applied_index = live.group.applied_index() as usize;
        let entries: Vec<_> = self.log[..applied_index].iter().skip(shared).take(CHUNK_ENTRIES).cloned().collect();
        let applied = id_at(&self.log, applied_index as u64);
        let holds_there = live.group.members_up_to() <= applied.index;
        let conf_state = holds_there.then(|| live.group.conf_state().clone());
        let body = Body::Chunk { leader_term, after: id_at(&self.log, shared as u64), entries, applied, conf_state };
        turn.out.push(self.envelope(to, body));
    }

    /// The follower's side: pulled entries stay aside until they reach the target.
    fn take_chunk(
        &mut self,
        leader_term: u64,
        after: EntryId,
        entries: Vec<LogEntry>,
        state: Option<Checkpoint>,
        turn: &mut Turn<'_>,
    ) {
        self.turn(turn);
        let Some(live) = &mut self.live else { return };
        let Some(catch_up) = live.group.catch_up().filter(|due| due.leader_term == leader_term) else { return };
        let is_persisted = self.persisted == self.log.len() as u64;
        let Some(first) = entries.first().filter(|_| is_persisted && !live.group.is_writing()) else { return };
        if live.pulled.is_empty() && after == id_at(&self.log, after.index) && after.index < self.log.len() as u64 {
            if live.group.cut_log(first.id()).is_err() {
                return; // the answer to an earlier state of the log
            }
            live.group.finish_work(Vec::new());
            self.counts.cuts += 1;
            self.truncate(after.index, turn);
        }
        let Some(live) = &mut self.live else { return };
        let end = live.pulled.last().map_or(id_at(&self.log, self.log.len() as u64), LogEntry::id);
        if after != end {
            return;
        }
        live.pull_at = live.ticks;
        live.pulled.extend(entries);
        live.pulled_state = state;
        if live.pulled.last().is_some_and(|last| last.index >= catch_up.target.index) {
            self.finish_catch_up(catch_up.leader, turn);
        }
    }

    fn finish_catch_up(&mut self, leader: u64, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        let mut term_before = self.log.last().map_or(0, |last| last.term);
        for entry in live.pulled.drain(..) {
            turn.oracle.appended(self.id, &entry, term_before);
            term_before = entry.term;
            self.log.push(entry);
        }
        let end = self.log.len() as u64;
        self.persisted = end;
        // Half of the time the leader's state comes along, as from a checkpoint.
        let applied = id_at(&self.log, live.group.applied_index());
        let fits = |state: &Checkpoint| (applied.index..=end).contains(&state.applied.index);
        let state = live.pulled_state.take().filter(fits).filter(|_| turn.random.random_bool(0.5));
        let state = state.unwrap_or_else(|| Checkpoint { applied, conf_state: live.group.conf_state().clone() });
        self.checkpoint = state.clone();
        let entries = self.log.iter().skip(state.applied.index as usize).map(LogEntry::info).collect();
        let reset = live.group.reset_log(state.conf_state, state.applied, entries);
        reset.unwrap_or_else(|error| panic!("replica {}: {error}", self.id));
        self.counts.catch_ups += 1;
        let (report, committed) = (live.group.report_to(leader), live.group.committed());
        self.observe_commits(committed, turn);
        turn.out.push(self.envelope(leader, Body::Report(report)));
    }

    /// Everything that follows from the calls before.
    pub(crate) fn turn(&mut self, turn: &mut Turn<'_>) {
        loop {
            let Some(live) = &mut self.live else { return };
            if live.writes.is_some() {
                return;
            }
            let Some(work) = live.group.next_work() else { break };
            if turn.is_traced {
                eprintln!("{:6} replica {} {work:?}", turn.now, self.id);
            }
            if work.role.role == StateRole::Leader {
                turn.oracle.leads(self.id, work.role.term, &self.log);
            }
            if work.became_trusted {
                self.memory = Memory::Whole;
            }
            match work.catch_up {
                Some(CatchUpNews::Void) => {
                    live.pulled.clear();
                    self.counts.void_catch_ups += 1;
                }
                Some(CatchUpNews::Due(_)) | None => {}
            }
            if let Some(writes) = work.writes {
                self.check_vote(&writes, turn);
                let is_slow = writes.save_state.is_some() || writes.truncate_after.is_some();
                let delay = if is_slow { turn.random.random_range(0..=self.disk_delay) } else { 0 };
                if delay > 0 {
                    let Some(live) = &mut self.live else { return };
                    live.writes = Some(writes);
                    turn.writes_done = Some(turn.now + delay);
                    return;
                }
                self.write(writes, turn);
            }
            self.observe_commits(work.committed, turn);
            self.apply(turn);
        }
        self.apply(turn);
        let Some(live) = &mut self.live else { return };
        live.received.clear();
        live.group.set_available_from((self.log.len() as u64).saturating_sub(self.memory_entries));
        self.pull(turn);
        self.persist(turn);
        self.send(turn);
    }

    fn check_vote(&self, writes: &Writes, turn: &mut Turn<'_>) {
        let Some(live) = &self.live else { return };
        let Some(state) = writes.save_state.as_ref().filter(|state| state.vote != 0 && state.vote != self.id) else {
            return;
        };
        if !live.group.is_trusted() && self.mutation == Mutation::None {
            let end = live.vote_requests.get(&state.vote).copied().unwrap_or_default();
            turn.oracle.voted_without_trust(self.id, state.term, state.vote, end);
        }
    }

    fn save(&mut self, state: SavedState) {
        match self.mutation {
            Mutation::StateNotSaved => {}
            Mutation::MembersNotSaved => {
                self.saved = SavedState { term: state.term, vote: state.vote, ..SavedState::default() };
            }
            _ => self.saved = state,
        }
    }

    /// Does writes in their order.
    fn write(&mut self, writes: Writes, turn: &mut Turn<'_>) {
        if let Some(state) = writes.save_state {
            self.save(state);
        }
        if let Some(index) = writes.truncate_after {
            self.truncate(index, turn);
        }
        let mut made = Vec::new();
        for new in writes.entries {
            let payload = match new.source {
                Source::Proposed(info) => {
                    let own = self.log.get(info.index as usize - 1).map(LogEntry::info);
                    assert_eq!(own.as_ref(), Some(&info), "replica {}: a proposal is in the log", self.id);
                    continue;
                }
                Source::Received(info) => {
                    let Some(live) = &mut self.live else { return };
                    let entry = live.received.get(&info.id()).cloned();
                    let entry = entry.unwrap_or_else(|| panic!("replica {}: {info:?} never came", self.id));
                    self.append(entry, turn);
                    continue;
                }
                Source::Empty => Payload::Empty,
                Source::Membership(change) => Payload::Membership(change),
            };
            let entry = LogEntry::next(&self.log, new.term, payload);
            made.push(entry.info());
            self.append(entry, turn);
        }
        let Some(live) = &mut self.live else { return };
        live.group.finish_work(made);
    }

    fn append(&mut self, entry: LogEntry, turn: &mut Turn<'_>) {
        let at = entry.index as usize - 1;
        let term_before = at.checked_sub(1).and_then(|before| self.log.get(before)).map_or(0, |before| before.term);
        turn.oracle.appended(self.id, &entry, term_before);
        match self.log.get_mut(at) {
            Some(left) if self.mutation == Mutation::TruncationIgnored => *left = entry,
            _ => {
                assert_eq!(self.log.len(), at, "replica {}: entries are dense", self.id);
                self.log.push(entry);
            }
        }
    }

    fn truncate(&mut self, index: u64, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        live.truncations += 1;
        live.unacknowledged.retain(|at, _| *at <= index);
        if self.mutation == Mutation::TruncationIgnored {
            return;
        }
        for entry in self.log.drain(index as usize..) {
            turn.oracle.truncated(self.id, &entry);
        }
        self.persisted = self.persisted.min(index);
    }

    fn observe_commits(&mut self, committed: u64, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        let term = live.group.role().term;
        for index in live.observed + 1..=committed {
            let entry = &self.log[index as usize - 1];
            turn.oracle.committed(self.id, term, entry);
            if live.unacknowledged.remove(&index) == Some(entry.term) {
                turn.oracle.acknowledged(entry);
            }
        }
        live.observed = live.observed.max(committed);
    }

    /// Applies what is committed, and sometimes makes a checkpoint of it.
    fn apply(&mut self, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        if live.writes.is_some() || live.group.applied_index() == live.observed {
            return;
        }
        for index in live.group.applied_index() + 1..=live.observed {
            if live.group.next_membership() == Some(index) {
                live.group.apply_membership(index).unwrap_or_else(|error| panic!("replica {}: {error}", self.id));
                self.counts.membership_changes += 1;
            }
        }
        live.group.applied(live.observed);
        if live.observed <= self.persisted && turn.random.random_range(0..8) == 0 {
            let applied = self.log[live.observed as usize - 1].id();
            self.checkpoint = Checkpoint { applied, conf_state: live.group.conf_state().clone() };
        }
    }

    fn pull(&mut self, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        let Some(due) = live.group.catch_up() else { return };
        if live.ticks >= live.pull_at {
            live.pull_at = live.ticks + PATIENCE_TICKS;
            let terms = self.log.iter().chain(&live.pulled).map(|entry| entry.term).collect();
            let body = Body::Pull { leader_term: due.leader_term, terms };
            turn.out.push(self.envelope(due.leader, body));
        }
    }

    /// One write at a time, which takes all that has come meanwhile.
    fn persist(&mut self, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        let end = self.log.len() as u64;
        if end > self.persisted && !live.is_persisting {
            live.is_persisting = true;
            let done = turn.now + turn.random.random_range(1..=self.disk_delay.max(1));
            turn.persists.push((done, end, live.truncations));
        }
        if self.mutation == Mutation::PersistedTooEarly {
            live.group.persisted(live.group.end().index);
        }
    }

    /// Sends what may leave, and checks that it may.
    fn send(&mut self, turn: &mut Turn<'_>) {
        let Some(live) = &mut self.live else { return };
        for outgoing in live.group.take_messages() {
            let message = outgoing.message;
            if self.mutation == Mutation::None {
                check_promise(&message, self.persisted, &self.saved);
            }
            let entries: Vec<_> =
                outgoing.entries.iter().map(|info| self.log[info.index as usize - 1].clone()).collect();
            for (info, entry) in outgoing.entries.iter().zip(&entries) {
                assert!(self.mutation != Mutation::None || *info == entry.info(), "{info:?} names {entry:?}");
            }
            let to = message.to;
            let to_life = live.lives.get(&to).copied().unwrap_or(0);
            let body = Body::Raft(message, entries);
            turn.out.push(Envelope { from: self.id, to, from_life: self.life, to_life, body });
        }
    }
}

/// A message must not promise what a crash could undo.
fn check_promise(message: &Message, persisted: u64, saved: &SavedState) {
    let kind = message.get_msg_type();
    let is_pre_vote = matches!(kind, MessageType::MsgRequestPreVote | MessageType::MsgRequestPreVoteResponse);
    assert!(is_pre_vote || message.term <= saved.term, "{message:?} leaves, but {saved:?} is saved");
    match kind {
        MessageType::MsgAppendResponse if !message.reject => {
            assert!(message.index <= persisted, "{message:?} leaves, but only {persisted} is persisted");
        }
        MessageType::MsgRequestVoteResponse if !message.reject => {
            let kept = message.term < saved.term || saved.vote == message.to;
            assert!(kept, "{message:?} leaves, but {saved:?} is saved");
        }
        MessageType::MsgRequestVote => {
            let kept = message.term < saved.term || saved.vote == message.from;
            assert!(kept, "{message:?} leaves, but {saved:?} is saved");
        }
        _ => {}
    }
}
