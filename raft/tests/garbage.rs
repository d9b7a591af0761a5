//! Nothing that arrives makes a replica panic: random messages with numbers near the right ones, at replicas that lead,
//! follow, campaign, write, catch up and change their members meanwhile.

use raft_driver::eraftpb::{ConfState, Message, MessageType};
use raft_driver::{
    EntryId, EntryInfo, Group, GroupOptions, Memory, NewEntry, PeerReport, SavedState, Source, Start, StateRole,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Seeds of a default run; `SIM_SEEDS=n` sets another number.
const SEEDS: u64 = 400;
const CALLS: u32 = 400;
const KINDS: [MessageType; 19] = [
    MessageType::MsgHup,
    MessageType::MsgBeat,
    MessageType::MsgPropose,
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgUnreachable,
    MessageType::MsgSnapStatus,
    MessageType::MsgCheckQuorum,
    MessageType::MsgTransferLeader,
    MessageType::MsgTimeoutNow,
    MessageType::MsgReadIndex,
    MessageType::MsgReadIndexResp,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
];
const SERVED: [MessageType; 14] = [
    MessageType::MsgAppend,
    MessageType::MsgAppend,
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgTimeoutNow,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
];
/// Encoded membership changes: leave, add 4, remove 1, 2 and 3, replace 2 by 4, and two that are none.
const CHANGES: [&[u8]; 8] = [
    &[],
    &[18, 2, 16, 4],
    &[18, 4, 8, 1, 16, 1],
    &[18, 4, 8, 1, 16, 2],
    &[18, 4, 8, 1, 16, 3],
    &[18, 2, 16, 4, 18, 4, 8, 1, 16, 2],
    &[255, 255],
    &[18, 9, 16, 255, 255, 255, 255, 255, 255, 255, 255],
];

struct Bench {
    group: Group,
    random: StdRng,
    /// The entries made for writes that are not finished.
    unfinished: Option<Vec<EntryInfo>>,
    is_dirty: bool,
    has_led: bool,
    refused: u64,
    taken: u64,
}

fn info(index: u64, term: u64, membership: Option<Vec<u8>>) -> EntryInfo {
    EntryInfo { index, term, position: index.wrapping_mul(100), bytes: 100, membership }
}

impl Bench {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let memory = [Memory::Whole, Memory::Whole, Memory::ShortLog, Memory::Nothing][random.random_range(0..4)];
        let voters = [vec![1, 2, 3], vec![2], vec![2, 3], vec![]][random.random_range(0..4)].clone();
        let start = Start {
            saved: SavedState { term: 2, ..SavedState::default() },
            memory,
            life: 1,
            conf_state: ConfState::from((voters, vec![])),
            applied: EntryId { term: 1, index: 1 },
            entries: (2..6).map(|index| info(index, 1 + index / 4, None)).collect(),
        };
        let group = Group::new(GroupOptions::new(2, seed), start).expect("a start that makes sense");
        Self { group, random, unfinished: None, is_dirty: false, has_led: false, refused: 0, taken: 0 }
    }

    /// Mostly a number near those in use, in dirty messages sometimes one that is impossible.
    fn near(&mut self, base: u64) -> u64 {
        match self.random.random_range(0..24) {
            0 if self.is_dirty => [0, u64::MAX, u64::MAX - 1, u64::MAX >> 2, 1 << 62][self.random.random_range(0..5)],
            0..18 => base,
            _ => base.saturating_add(self.random.random_range(0..6)).saturating_sub(2),
        }
    }

    fn message(&mut self) -> (Message, Vec<EntryInfo>) {
        let (term, end, committed) = (self.group.role().term, self.group.end(), self.group.committed());
        self.is_dirty = self.random.random_bool(0.4);
        let kinds = if self.is_dirty { &KINDS[..] } else { &SERVED[..] };
        let mut message = Message::default();
        message.set_msg_type(kinds[self.random.random_range(0..kinds.len())]);
        message.from = [1, 3, 4, 0, 2, 9][self.random.random_range(0..if self.is_dirty { 6 } else { 3 })];
        message.to = if self.is_dirty && self.random.random_range(0..20) == 0 { 3 } else { 2 };
        message.term = self.near(term);
        let index = if self.random.random_bool(0.7) { end.index } else { committed };
        message.index = self.near(index);
        let log_term = self.group.term_of(message.index).unwrap_or(end.term);
        message.log_term = self.near(log_term);
        message.commit = self.near(committed);
        message.commit_term = self.near(end.term);
        message.reject = self.random.random_bool(0.2);
        message.reject_hint = self.near(end.index);
        if self.is_dirty && self.random.random_range(0..20) == 0 {
            message.request_snapshot = self.near(end.index);
        }
        if self.is_dirty && self.random.random_range(0..20) == 0 {
            message.context = b"CampaignTransfer".as_slice().into();
        }
        if message.get_msg_type() == MessageType::MsgSnapshot || self.is_dirty {
            let (index, term) = (self.near(end.index), self.near(end.term));
            let metadata = message.mut_snapshot().mut_metadata();
            (metadata.index, metadata.term) = (index, term);
            metadata.set_conf_state(ConfState::from((vec![1, 1, 2], vec![2])));
        }
        let count = if message.get_msg_type() == MessageType::MsgAppend { self.random.random_range(0..4) } else { 0 };
        let mut entries = Vec::new();
        for number in 1..=count {
            let index = message.index.wrapping_add(number);
            let index = if self.is_dirty { self.near(index) } else { index };
            let term = if self.random.random_bool(0.3) { message.log_term } else { self.near(message.term) };
            let is_change = self.random.random_range(0..5) == 0;
            let change = is_change.then(|| CHANGES[self.random.random_range(0..CHANGES.len())].to_vec());
            entries.push(info(index, term, change));
        }
        (message, entries)
    }

    fn call(&mut self) {
        let is_writing = self.group.is_writing();
        match self.random.random_range(0..20) {
            0..12 => {
                let (message, entries) = self.message();
                match self.group.step(message, &entries) {
                    Ok(()) => self.taken += 1,
                    Err(_) => self.refused += 1,
                }
            }
            12 => {
                let (from, life) = (self.random.random_range(0..5), self.random.random_range(0..4));
                let (current_term, term, index) = (self.near(2), self.near(2), self.near(6));
                let end = EntryId { term, index };
                let is_trusted = self.random.random_bool(0.5);
                let [knows_terms, lets_in] = [0.7, 0.2].map(|chance| self.random.random_bool(chance));
                let last_change = self.near(4);
                let report = PeerReport {
                    from,
                    life,
                    answers: 1,
                    current_term,
                    end,
                    is_trusted,
                    knows_terms,
                    last_change,
                    lets_in,
                };
                let _ = self.group.peer_report(report);
            }
            _ if is_writing => {}
            13..16 => (0..self.random.random_range(1..25)).for_each(|_| self.group.tick()),
            16 => {
                if let Ok(next) = self.group.next_entry() {
                    self.group.propose(&info(next.index, next.term, None)).expect("it is the next entry");
                }
            }
            17 => {
                let peer = self.random.random_range(0..5);
                let is_done = self.random.random_bool(0.5);
                self.group.report_snapshot(peer, is_done);
                self.group.report_unreachable(peer);
                let _ = self.group.transfer_to(peer);
                self.group.set_available_from(self.group.committed());
            }
            18 => self.apply(),
            _ => self.catch_up(),
        }
        if self.random.random_bool(0.6) {
            self.work();
        }
    }

    fn apply(&mut self) {
        while let Some(index) = self.group.next_membership().filter(|index| *index <= self.group.committed()) {
            let _ = self.group.apply_membership(index);
        }
        self.group.applied(self.group.committed());
    }

    fn catch_up(&mut self) {
        self.work();
        if self.group.is_writing() || self.group.catch_up().is_none() {
            return;
        }
        let end = self.group.end();
        self.group.persisted(end.index);
        self.work();
        if self.group.is_writing() {
            return;
        }
        let conflict = EntryId { term: self.near(end.term), index: self.near(end.index) };
        if self.group.cut_log(conflict).is_ok() {
            self.unfinished = Some(Vec::new());
        }
    }

    /// Does all work, or leaves the replica writing.
    fn work(&mut self) {
        if let Some(made) = self.unfinished.take() {
            self.group.finish_work(made);
        }
        while let Some(work) = self.group.next_work() {
            self.has_led |= work.role.role == StateRole::Leader;
            let Some(writes) = work.writes else { continue };
            let made = made(&writes.entries);
            if self.random.random_range(0..8) == 0 {
                self.unfinished = Some(made);
                return;
            }
            self.group.finish_work(made);
        }
        if self.random.random_bool(0.7) {
            self.group.persisted(self.group.end().index);
        }
        self.group.take_messages();
    }
}

/// Makes the entries that raft asks for.
fn made(entries: &[NewEntry]) -> Vec<EntryInfo> {
    let make = |entry: &NewEntry| match &entry.source {
        Source::Membership(change) => info(entry.index, entry.term, Some(change.clone())),
        Source::Proposed(_) | Source::Received(_) | Source::Empty => info(entry.index, entry.term, None),
    };
    entries.iter().filter(|entry| entry.is_made_here()).map(make).collect()
}

#[test]
fn no_message_makes_a_replica_panic() {
    let (mut taken, mut refused, mut leaders) = (0, 0, 0);
    let seeds = std::env::var("SIM_SEEDS").map_or(SEEDS, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut bench = Bench::new(seed);
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            bench.work();
            (0..CALLS).for_each(|_| bench.call());
        }));
        assert!(played.is_ok(), "seed {seed}");
        (taken, refused, leaders) = (taken + bench.taken, refused + bench.refused, leaders + u64::from(bench.has_led));
    }
    println!("{taken} messages taken, {refused} refused, {leaders} of {seeds} replicas have led");
    assert!(taken > seeds * 40 && refused > seeds * 40 && leaders > seeds / 4, "the garbage is too clean or too dirty");
}
