//! One replica of a group.

mod catch_up;
mod peers;
pub(crate) mod propose;
mod receive;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use raft::eraftpb::{ConfState, HardState};
use raft::{Config, Progress, ProgressState, RawNode, StateRole};
use slog::Logger;

use crate::election_timer::{ElectionTimer, NEVER};
use crate::entry::{EntryId, EntryInfo};
use crate::held_messages::HeldMessages;
use crate::log_view::LogView;
use crate::logger::logger;
use crate::newcomers::Newcomers;
use crate::options::GroupOptions;
use crate::start::{SavedState, Start, StartError};
use crate::trust::Trust;
use crate::window::Window;
use crate::work::{CatchUp, CatchUpNews, Outgoing, PeerProgress, RoleView};
use write::Writing;

/// A leader repeats a snapshot message after this many election timeouts without an answer: it may have been lost.
const SNAPSHOT_PATIENCE: u32 = 2;

/// One replica of a group. It is either idle or writing: [`Group::next_work`] with [`crate::Writes`] makes it writing,
/// [`Group::finish_work`] idle again. While it writes, [`Group::step`] answers [`crate::Refusal::WorkUnderWay`],
/// [`Group::persisted`] and [`Group::peer_report`] are kept for later, [`Group::report_unreachable`] and
/// [`Group::report_snapshot`] do nothing, reading methods, [`Group::take_messages`] and [`Group::set_available_from`] work;
/// everything else is a mistake of the caller, which panics.
pub struct Group {
    options: GroupOptions,
    logger: Logger,
    node: RawNode<LogView>,
    timer: ElectionTimer,
    trust: Trust,
    held: HeldMessages,
    newcomers: Newcomers,
    outbox: Vec<Outgoing>,
    writing: Option<Writing>,
    /// What the state file says.
    saved: SavedState,
    /// Last index in the caller's log, proposals that raft has not given back yet included.
    log_last: u64,
    /// Last index that the caller has persisted.
    log_persisted: u64,
    /// Up to here the log's membership changes are applied, be it more than was told to be applied.
    members_index: u64,
    /// A membership change was applied or learned that the state file does not have, be the members the same as before it:
    /// with them go things that only the caller knows.
    has_members_news: bool,
    catch_up: Option<CatchUp>,
    /// How long each follower has been waited for after a snapshot message, in ticks.
    snapshot_ticks: BTreeMap<u64, u32>,
    /// What was committed at the last tick.
    committed_a_tick_ago: u64,
    /// What the last [`crate::Work`] said, and what the next one has to.
    told: (u64, RoleView),
    catch_up_news: Option<CatchUpNews>,
    trust_news: bool,
}

impl Group {
    /// A replica as it starts.
    /// # Errors
    /// [`StartError`] if the options or what was read from disk make no sense.
    pub fn new(options: GroupOptions, start: Start) -> Result<Self, StartError> {
        start.check()?;
        check_options(&options)?;
        let window = Window::new(start.applied, start.entries);
        let (applied, last) = (start.applied.index, window.last());
        let saved = start.saved;
        let (members_index, conf_state) = if saved.members_index > applied {
            (saved.members_index, saved.members.clone())
        } else {
            (applied, start.conf_state)
        };
        let view = LogView {
            hard_state: hard_state(saved.term, saved.vote, applied, &window),
            window,
            conf_state,
            applied,
            available_from: 0,
        };
        let logger = logger();
        let node = new_node(&options, view, applied, &logger)?;
        let trust = Trust::new(options.id, start.life, start.memory);
        let role = RoleView { role: StateRole::Follower, term: node.raft.term, leader: 0 };
        let mut group = Self {
            timer: ElectionTimer::new(options.election_ticks, options.seed),
            options,
            logger,
            node,
            trust,
            held: HeldMessages::default(),
            newcomers: Newcomers::default(),
            outbox: Vec::new(),
            writing: None,
            saved,
            log_last: last,
            log_persisted: last,
            members_index,
            has_members_news: false,
            catch_up: None,
            snapshot_ticks: BTreeMap::new(),
            committed_a_tick_ago: 0,
            told: (applied, role), // so that the first work tells what is known to be committed above that
            catch_up_news: None,
            trust_news: false,
        };
        group.learn_terms(); // the only voter asks nobody
        Ok(group)
    }

    /// One tick of the group's clock has passed.
    /// # Panics
    /// While the replica writes: a tick that falls into it is left out.
    pub fn tick(&mut self) {
        self.assert_idle();
        self.node.tick();
        self.repeat_snapshots();
        self.tell_commit();
        self.tend_newcomers();
        let raft = &self.node.raft;
        let is_due = raft.state != StateRole::Leader && raft.election_elapsed >= self.timer.timeout();
        if is_due && raft.promotable() && self.may_campaign() {
            self.node.raft.election_elapsed = 0;
            self.timer.draw();
            self.node.campaign().unwrap_or_else(|error| unreachable!("a campaign has no input to refuse: {error}"));
        }
        self.after_call();
    }

    /// Everything up to `index` is in the caller's log in a way that a crash does not undo. Allowed at any time; while the
    /// replica writes, it counts for the log as it was before: what the writes append is told after
    /// [`Group::finish_work`].
    /// # Panics
    /// If the log does not reach so far.
    pub fn persisted(&mut self, index: u64) {
        assert!(index <= self.log_last, "entry {index} persisted, the log ends at {}", self.log_last);
        if let Some(writing) = &mut self.writing {
            writing.persisted = writing.persisted.max(index);
            return;
        }
        self.log_persisted = self.log_persisted.max(index);
        self.release();
        self.after_call();
    }

    /// Everything up to `index` is applied, its membership changes by [`Group::apply_membership`].
    /// # Panics
    /// If `index` is not committed, or a membership change was passed over.
    pub fn applied(&mut self, index: u64) {
        self.assert_idle();
        let (before, committed) = (self.applied_index(), self.committed());
        assert!(before <= index && index <= committed, "entry {index} applied, {before}..={committed} is possible");
        let passed_over = self.next_membership().filter(|at| *at <= index);
        assert_eq!(passed_over, None, "a membership change is applied before what follows it");
        self.node.mut_store().applied = index;
        self.push_applied();
        self.after_call();
    }

    /// Entries below `index` are no longer in memory: a follower that needs one has to catch up. Only grows; what is not
    /// applied counts as available whatever is said here.
    pub fn set_available_from(&mut self, index: u64) {
        let view = self.node.mut_store();
        view.available_from = view.available_from.max(index);
    }

    /// Messages that may leave now, in order. To be asked after every batch of calls, and whenever work is finished.
    pub fn take_messages(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outbox)
    }

    /// This replica's id.
    pub fn id(&self) -> u64 {
        self.options.id
    }

    /// What this replica is, and whom it follows.
    pub fn role(&self) -> RoleView {
        let raft = &self.node.raft;
        RoleView { role: raft.state, term: raft.term, leader: raft.leader_id }
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// Whether a leader has committed an entry of its own term: when that is applied, so is all that earlier leaders
    /// committed, and it may serve.
    pub fn has_own_commit(&self) -> bool {
        self.is_leader() && self.node.raft.commit_to_current_term()
    }

    /// Last index known to be committed.
    pub fn committed(&self) -> u64 {
        self.node.raft.raft_log.committed
    }

    /// Of what is committed, the last index whose entry the caller knows by [`Group::entry`]: what is committed above may be
    /// new, and come with the next [`Group::next_work`], in the place of another that is still in the log.
    pub fn applicable(&self) -> u64 {
        let log = &self.node.raft.raft_log;
        let known = log.unstable_entries().first().map_or(log.last_index(), |entry| entry.index - 1);
        log.committed.min(known)
    }

    /// Last index that the caller has applied.
    pub fn applied_index(&self) -> u64 {
        self.node.store().applied
    }

    /// The last entry of the log as raft has it, persisted or not.
    pub fn end(&self) -> EntryId {
        let log = &self.node.raft.raft_log;
        EntryId { term: log.last_term(), index: log.last_index() }
    }

    /// Term of the entry at `index`, as far back as the group remembers.
    pub fn term_of(&self, index: u64) -> Option<u64> {
        self.node.store().window.term(index)
    }

    /// The entry at `index`, as far back as the group remembers.
    pub fn entry(&self, index: u64) -> Option<&EntryInfo> {
        self.node.store().window.get(index)
    }

    /// The members, as far as membership changes are applied.
    pub fn conf_state(&self) -> &ConfState {
        &self.node.store().conf_state
    }

    /// Whether a node is one of them, in whatever part.
    pub fn counts(&self, id: u64) -> bool {
        let members = self.conf_state();
        let lists = [&members.voters, &members.learners, &members.voters_outgoing, &members.learners_next];
        lists.iter().any(|list| list.contains(&id))
    }

    /// Up to here membership changes are applied; those after it that are in the log are not.
    pub fn members_up_to(&self) -> u64 {
        self.applied_index().max(self.members_index)
    }

    /// Whether the state file lacks a membership change that is applied.
    pub fn has_unsaved_members(&self) -> bool {
        self.has_members_news || !write::is_same(self.conf_state(), &self.saved.members)
    }

    /// The first membership change of the log that is not applied: due when it is committed and everything before it is
    /// applied.
    pub fn next_membership(&self) -> Option<u64> {
        self.node.store().window.next_membership(self.members_up_to())
    }

    /// Whether this replica votes without reserve.
    pub fn is_trusted(&self) -> bool {
        self.trust.is_trusted()
    }

    /// Whether this replica knows how far terms have gone: it was let in, founded its group, or has not lost its disk. From the
    /// first [`SavedState`] after that on, a next start is one with [`crate::Memory::ShortLog`] at most.
    pub fn knows_terms(&self) -> bool {
        self.trust.knows_terms()
    }

    /// Whether writes are under way.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// The catch-up that is under way.
    pub fn catch_up(&self) -> Option<CatchUp> {
        self.catch_up
    }

    /// What a leader knows of the others, by id; nothing if this replica does not lead.
    pub fn progress(&self) -> Vec<PeerProgress> {
        let raft = &self.node.raft;
        let others = raft.prs().iter().filter(|(id, _)| self.is_leader() && **id != raft.id);
        let mut progress: Vec<_> = others
            .map(|(id, progress)| PeerProgress {
                id: *id,
                matched: progress.matched,
                is_active: progress.recent_active,
                is_catching_up: progress.state == ProgressState::Snapshot,
                is_learner: raft.prs().conf().learners().contains(id),
            })
            .collect();
        progress.sort_unstable_by_key(|progress| progress.id);
        progress
    }

    /// Whether this replica leads, and a follower that takes its entries as they come has some to confirm.
    pub fn awaits_followers(&self) -> bool {
        let raft = &self.node.raft;
        let last = raft.raft_log.last_index();
        let is_late = |(id, progress): (&u64, &Progress)| {
            *id != raft.id && progress.state == ProgressState::Replicate && progress.matched < last
        };
        self.is_leader() && raft.prs().iter().any(is_late)
    }

    /// A replica with unpersisted entries must not campaign: raft-rs takes a new leader's log for persisted.
    fn may_campaign(&self) -> bool {
        let log = &self.node.raft.raft_log;
        log.persisted == log.last_index() && self.trust.allows(self.end(), self.conf_state())
    }

    /// Tells raft what is applied, as far as it can take it: for raft nothing is applied before it is persisted.
    fn push_applied(&mut self) {
        let log = &self.node.raft.raft_log;
        let index = self.node.store().applied.min(log.committed).min(log.persisted);
        if index > log.applied {
            self.node.advance_apply_to(index);
        }
    }

    /// Lets go what persistence has freed.
    fn release(&mut self) {
        if let Some(number) = self.held.release(self.log_persisted, &mut self.outbox) {
            self.node.on_persist_ready(number);
            self.push_applied();
        }
    }

    /// What any call can have changed.
    fn after_call(&mut self) {
        let raft = &self.node.raft;
        self.timer.observe(raft.state, raft.term, raft.leader_id);
        let leads_with_own_commit = self.has_own_commit();
        if self.trust.becomes_trusted(self.node.raft.raft_log.persisted, leads_with_own_commit) {
            self.trust_news = true;
        }
    }

    fn assert_idle(&self) {
        assert!(self.writing.is_none(), "the replica writes: finish_work comes first");
    }
}

/// What a raft node starts with. A catch-up can have brought entries of a term that no message has told this replica of:
/// it has not voted in that. And what was known of the commit index may be lost, but not so far that the replica would
/// ask members for votes who are two changes behind. The index since which the members hold says nothing of it: they may be
/// those that another replica told, and below that index this log may still end in what a leader wrote whom nobody followed.
fn hard_state(term: u64, vote: u64, commit: u64, window: &Window) -> HardState {
    let last_term = window.term(window.last()).unwrap_or(0);
    let mut hard_state = HardState::default();
    (hard_state.term, hard_state.vote) = if last_term > term { (last_term, 0) } else { (term, vote) };
    hard_state.commit = commit.max(window.implied_commit());
    hard_state
}

fn setting_error(setting: &'static str, error: &raft::Error) -> StartError {
    StartError::Setting { setting, reason: error.to_string() }
}

fn new_node(
    options: &GroupOptions,
    view: LogView,
    applied: u64,
    logger: &Logger,
) -> Result<RawNode<LogView>, StartError> {
    let config = Config {
        id: options.id,
        election_tick: options.election_ticks as usize,
        heartbeat_tick: options.heartbeat_ticks as usize,
        applied,
        max_size_per_msg: options.message_bytes_max,
        max_inflight_msgs: options.inflight_messages_max,
        check_quorum: true,
        pre_vote: true,
        min_election_tick: NEVER,
        max_election_tick: NEVER + 1,
        skip_bcast_commit: !options.commit_is_told_at_once,
        batch_append: false, // it merges entries into messages that end elsewhere; outgoing.rs leaves out what is double
        ..Config::default()
    };
    RawNode::new(&config, view, logger).map_err(|error| setting_error("of the whole", &error))
}

fn check_options(options: &GroupOptions) -> Result<(), StartError> {
    let refuse = |setting, reason: &str| Err(StartError::Setting { setting, reason: reason.into() });
    if options.id == 0 || options.id > crate::NUMBER_MAX {
        return refuse("id", "0 stands for nobody, and very large numbers for damage");
    }
    if options.heartbeat_ticks == 0 || options.election_ticks <= options.heartbeat_ticks {
        return refuse("heartbeat_ticks", "heartbeats come at least once a tick and more often than elections");
    }
    if options.message_entries_max == 0 {
        return refuse("message_entries_max", "without an entry a message replicates nothing");
    }
    if options.inflight_messages_max == 0 {
        return refuse("inflight_messages_max", "without a message nothing is replicated");
    }
    Ok(())
}
