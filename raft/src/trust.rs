//! Whether a replica may vote: it must not elect, or become, a leader that lacks what the replica has confirmed.
//!
//! A replica that may have forgotten the end of its log ([`Memory::ShortLog`]) is trusted again when it has everything
//! that a leader had committed, the leader having heard before that this replica starts anew: from then on the leader
//! counts nothing that was confirmed earlier. Until then it votes only with a view over the ends of all other voters'
//! logs, each told after this replica's start: what it forgot and what is committed is in one of them. The voters are
//! those of the newest members that anybody told: it may have forgotten a change of them, or got a vote with one that it has
//! not yet. A candidate tells the members that it goes by, and has in its log the change that made them, and all before it.
//!
//! A replica that lost its disk ([`Memory::Nothing`]) may also have voted, in terms and together with members that it does not
//! know; whoever tells it of members may have been removed long ago. It takes no part until a leader lets it in
//! ([`crate::newcomers`]), whose word needs no knowledge of members; it then starts in that leader's term with its vote spent.
//! Without a leader it does so only by the word of all other voters, none of whose logs has a later change of the members, and
//! only where members were never changed, or where the other voter is the only one: without it that one leads nobody. Where
//! nobody has ever voted, enough of the founders found the group.

use std::collections::BTreeMap;

use raft::eraftpb::ConfState;

use crate::NUMBER_MAX;
use crate::entry::EntryId;
use crate::start::Memory;

/// What a replica tells a peer of itself when they connect, when it has heard the peer's, and after a catch-up.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct PeerReport {
    /// Who reports.
    pub from: u64,
    /// Its life: see [`crate::Start::life`].
    pub life: u64,
    /// The life of the receiver that the sender has heard of, 0 for none.
    pub answers: u64,
    /// Its current term.
    pub current_term: u64,
    /// The last entry of its log.
    pub end: EntryId,
    /// Whether it remembers all that it confirmed.
    pub is_trusted: bool,
    /// Whether it knows how far terms have gone. One that has lost its disk does not, and takes no part.
    pub knows_terms: bool,
    /// Index of the last change of the members that its log has, applied or not, or that it was told of; 0: none.
    pub last_change: u64,
    /// As a leader it lets the receiver in, if that has lost its disk: see [`crate::newcomers`].
    pub lets_in: bool,
}

impl PeerReport {
    /// Whether raft survives its numbers.
    pub(crate) fn is_possible(&self) -> bool {
        let numbers = [self.from, self.current_term, self.end.term, self.end.index, self.last_change];
        self.from != 0 && self.life != 0 && numbers.iter().all(|number| *number <= NUMBER_MAX)
    }
}

/// What this replica knows about its own memory, and its peers'.
pub(crate) struct Trust {
    id: u64,
    life: u64,
    memory: Memory,
    reports: BTreeMap<u64, PeerReport>,
    /// Everything that some leader had committed is in the log up to here; trust waits only for its persistence.
    reached: Option<u64>,
    /// The newest members that anybody told, and the index since which they hold, if these are not those that founded the group.
    changed: Option<(u64, ConfState)>,
}

impl Trust {
    pub(crate) fn new(id: u64, life: u64, memory: Memory) -> Self {
        Self { id, life, memory, reports: BTreeMap::new(), reached: None, changed: None }
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.memory == Memory::Whole
    }

    pub(crate) fn knows_terms(&self) -> bool {
        self.memory != Memory::Nothing
    }

    /// These are the members since an index, and were not always.
    pub(crate) fn note_changed_members(&mut self, index: u64, members: &ConfState) {
        if self.changed.as_ref().is_none_or(|(known, _)| *known < index) {
            self.changed = Some((index, members.clone()));
        }
    }

    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    pub(crate) fn life_of(&self, peer: u64) -> u64 {
        self.reports.get(&peer).map_or(0, |report| report.life)
    }

    /// Remembers a report; true if it is the first of the peer's life.
    pub(crate) fn take(&mut self, report: PeerReport) -> bool {
        let earlier = self.reports.insert(report.from, report);
        earlier.is_none_or(|earlier| earlier.life != report.life)
    }

    /// Peers that have lost their disks, by the last that they told, and their lives.
    pub(crate) fn newcomers(&self) -> impl Iterator<Item = (u64, u64)> {
        self.reports.values().filter(|report| !report.knows_terms).map(|report| (report.from, report.life))
    }

    /// Index since which the newest members hold that anybody told of, 0 for the founders.
    pub(crate) fn last_change(&self) -> u64 {
        self.changed.as_ref().map_or(0, |(index, _)| *index)
    }

    fn answer_of(&self, peer: u64) -> Option<&PeerReport> {
        self.reports.get(&peer).filter(|report| report.answers == self.life)
    }

    /// The highest end of all other voters' logs, if all are known and there are voters at all.
    fn highest_end(&self, members: &ConfState) -> Option<EntryId> {
        let voters = members.voters.iter().chain(&members.voters_outgoing);
        let mut highest = (!members.voters.is_empty()).then(EntryId::default)?;
        for voter in voters.filter(|voter| **voter != self.id) {
            highest = highest.max(self.answer_of(*voter)?.end);
        }
        Some(highest)
    }

    /// Whether this replica may vote for, or be, a candidate whose log has this end.
    pub(crate) fn allows(&self, candidate_end: EntryId, members: &ConfState) -> bool {
        // Those of its own log may be older.
        let members = self.changed.as_ref().map_or(members, |(_, newest)| newest);
        match self.memory {
            Memory::Whole => true,
            Memory::ShortLog => self.highest_end(members).is_some_and(|highest| candidate_end >= highest),
            Memory::Nothing => false,
        }
    }

    /// A leader that follows this replica's new life has said that `commit`, of its own term, is committed, and the log
    /// has it.
    pub(crate) fn note_reached(&mut self, leader: u64, commit: u64) {
        if self.memory == Memory::ShortLog && self.answer_of(leader).is_some() {
            self.reached.get_or_insert(commit);
        }
    }

    /// True once, when what was reached is persisted, or `leads_with_own_commit`.
    pub(crate) fn becomes_trusted(&mut self, persisted: u64, leads_with_own_commit: bool) -> bool {
        let is_reached = self.reached.is_some_and(|reached| reached <= persisted);
        if self.memory != Memory::ShortLog || !(is_reached || leads_with_own_commit) {
            return false;
        }
        self.memory = Memory::Whole;
        true
    }

    /// The term to go on in, once: a leader's that lets this replica in, or the founders' highest.
    pub(crate) fn learns_terms(&mut self, members: &ConfState) -> Option<u64> {
        let answers = || self.reports.values().filter(|report| report.answers == self.life);
        let may_take_part = answers().any(|report| report.lets_in) || self.is_vouched_for_by_all(members);
        if self.memory != Memory::Nothing || members.voters.is_empty() || !may_take_part {
            return None;
        }
        self.memory = Memory::ShortLog;
        self.reports.values().map(|report| report.current_term).max().or(Some(0))
    }

    /// Whether this replica founds its group, or comes back without a leader: all other voters have told their terms, so that
    /// it is known of every candidate that may have its vote. Where nobody has voted, so many are enough that every majority
    /// that this replica can have been part of has one of them.
    fn is_vouched_for_by_all(&self, members: &ConfState) -> bool {
        let others: Vec<u64> = members.voters.iter().copied().filter(|voter| *voter != self.id).collect();
        let told: Vec<&PeerReport> = others.iter().filter_map(|other| self.answer_of(*other)).collect();
        let is_fresh = |report: &&PeerReport| report.current_term == 0 && report.end == EntryId::default();
        let enough = members.voters.len() - members.voters.len() / 2;
        let is_enough = told.len() == others.len() || (told.len() >= enough && told.iter().all(is_fresh));
        let last_change = self.last_change();
        // Of a change that comes after theirs, one of two voters has the entry, unless it has forgotten that.
        let is_last =
            |report: &&PeerReport| report.last_change == last_change && (last_change == 0 || report.is_trusted);
        let is_voter = members.voters.contains(&self.id) && members.voters_outgoing.is_empty();
        is_voter && is_enough && (last_change == 0 || others.len() == 1) && told.iter().all(is_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: u64 = 70;

    fn members(voters: &[u64]) -> ConfState {
        ConfState::from((voters.to_vec(), vec![]))
    }

    fn report(from: u64, term: u64, index: u64) -> PeerReport {
        let end = EntryId { term, index };
        PeerReport {
            from,
            life: from * 10,
            answers: LIFE,
            current_term: term + 1,
            end,
            is_trusted: true,
            knows_terms: true,
            last_change: 0,
            lets_in: false,
        }
    }

    fn forgetful(memory: Memory) -> Trust {
        Trust::new(1, LIFE, memory)
    }

    fn end(term: u64, index: u64) -> EntryId {
        EntryId { term, index }
    }

    #[test]
    fn a_replica_that_remembers_votes_freely() {
        assert!(forgetful(Memory::Whole).allows(EntryId::default(), &members(&[1, 2, 3])));
    }

    #[test]
    fn a_forgetful_replica_votes_only_for_the_highest_of_all_logs() {
        let mut trust = forgetful(Memory::ShortLog);
        let members = members(&[1, 2, 3]);
        trust.take(report(2, 4, 10));
        assert!(!trust.allows(end(9, 99), &members), "replica 3 may know more");
        trust.take(report(3, 4, 12));
        assert!(!trust.allows(end(4, 11), &members) && trust.allows(end(4, 12), &members));
        assert!(trust.allows(end(5, 1), &members));
    }

    #[test]
    fn the_voters_whose_logs_count_are_the_newest_that_were_told() {
        let mut trust = forgetful(Memory::ShortLog);
        let before = members(&[2]);
        trust.take(report(2, 4, 10));
        assert!(trust.allows(end(4, 10), &before));
        trust.note_changed_members(8, &members(&[1, 2, 3]));
        trust.note_changed_members(7, &before);
        assert!(!trust.allows(end(9, 99), &before), "replica 3 may know more");
        trust.take(report(3, 4, 12));
        assert!(trust.allows(end(4, 12), &before) && !trust.allows(end(4, 11), &before));
    }

    #[test]
    fn what_was_told_before_this_life_does_not_count() {
        let mut trust = forgetful(Memory::ShortLog);
        trust.take(PeerReport { answers: LIFE - 1, ..report(2, 4, 10) });
        assert!(!trust.allows(end(9, 99), &members(&[1, 2])));
        assert!(!trust.take(report(2, 4, 10)), "the same life of replica 2");
        assert!(trust.allows(end(9, 99), &members(&[1, 2])));
    }

    #[test]
    fn a_forgetful_replica_without_members_does_not_vote() {
        assert!(!forgetful(Memory::ShortLog).allows(end(9, 99), &members(&[])));
    }

    #[test]
    fn the_only_voter_asks_nobody() {
        assert!(forgetful(Memory::ShortLog).allows(EntryId::default(), &members(&[1])));
    }

    #[test]
    fn trust_returns_with_what_the_leader_had_committed_once_it_is_persisted() {
        let mut trust = forgetful(Memory::ShortLog);
        trust.note_reached(2, 10);
        assert!(!trust.becomes_trusted(10, false), "leader 2 has not heard of this life");
        trust.take(report(2, 4, 10));
        trust.note_reached(2, 10);
        assert!(!trust.becomes_trusted(9, false));
        assert!(trust.becomes_trusted(10, false) && trust.is_trusted());
        assert!(!trust.becomes_trusted(11, true), "once");
    }

    #[test]
    fn a_lost_disk_waits_for_a_leader_s_word() {
        let mut trust = forgetful(Memory::Nothing);
        let members = members(&[1, 2, 3, 4, 5]);
        for (peer, term) in [(2, 4), (3, 8), (4, 6)] {
            trust.take(report(peer, term, 1));
            assert_eq!(trust.learns_terms(&members), None, "candidate 5 may have its vote");
        }
        assert!(!trust.becomes_trusted(100, true));
        trust.take(PeerReport { lets_in: true, answers: LIFE - 1, ..report(3, 8, 1) });
        assert_eq!(trust.learns_terms(&members), None, "an earlier life was let in");
        trust.take(PeerReport { lets_in: true, ..report(3, 8, 1) });
        assert_eq!(trust.learns_terms(&members), Some(9));
        assert_eq!(trust.learns_terms(&members), None, "once");
        assert!(!trust.is_trusted() && trust.knows_terms());
    }

    #[test]
    fn a_lost_disk_goes_by_the_word_of_all_founders_where_members_were_never_changed() {
        let told = |members: &[u64], reports: &[PeerReport]| {
            let mut trust = forgetful(Memory::Nothing);
            reports.iter().for_each(|report| _ = trust.take(*report));
            trust.learns_terms(&ConfState::from((members.to_vec(), vec![])))
        };
        let changed = |report| PeerReport { last_change: 1, ..report };
        assert_eq!(told(&[1, 2, 3], &[report(2, 4, 1), report(3, 8, 1)]), Some(9));
        assert_eq!(told(&[1, 2, 3], &[report(2, 4, 1), changed(report(3, 8, 1))]), None);
        assert_eq!(told(&[1, 2, 3], &[report(3, 8, 1)]), None);
        assert_eq!(told(&[2], &[report(2, 4, 1)]), None, "it has no vote to give");
        assert_eq!(told(&[1], &[]), Some(0), "it founds its group alone");
    }

    /// They might have been removed long ago, as this replica was: of two voters one was, voted by the other, which had lost its
    /// disk, and led a group of the two of them beside that of the present members.
    #[test]
    fn a_lost_disk_does_not_go_by_the_word_of_voters_whose_time_is_over() {
        let told = |voters: &[u64], report: PeerReport| {
            let mut trust = forgetful(Memory::Nothing);
            trust.note_changed_members(8, &members(voters));
            voters.iter().for_each(|from| _ = trust.take(PeerReport { from: *from, ..report }));
            trust.learns_terms(&members(voters))
        };
        let known = PeerReport { last_change: 8, ..report(2, 4, 10) };
        assert_eq!(told(&[1, 2], PeerReport { last_change: 9, ..known }), None, "its log says that it is removed");
        assert_eq!(told(&[1, 2], PeerReport { is_trusted: false, ..known }), None, "its log may have said so");
        assert_eq!(told(&[1, 2], known), Some(5), "the only other voter cannot lead without this one");
        assert_eq!(told(&[1, 2, 3], known), None, "two can");
    }

    #[test]
    fn a_group_is_founded_by_enough_of_its_founders_if_nobody_has_voted() {
        let fresh = |from| PeerReport { current_term: 0, end: EntryId::default(), ..report(from, 0, 0) };
        let mut trust = forgetful(Memory::Nothing);
        let members = members(&[1, 2, 3, 4, 5]);
        trust.take(fresh(2));
        trust.take(fresh(3));
        assert_eq!(trust.learns_terms(&members), None);
        trust.take(PeerReport { current_term: 1, ..fresh(4) });
        assert_eq!(trust.learns_terms(&members), None, "this replica may have voted, too");
        trust.take(fresh(4));
        assert_eq!(trust.learns_terms(&members), Some(0));
    }
}
