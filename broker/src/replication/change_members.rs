//! Changes of the members by an operator's hand, as the leader makes them: one at a time, each step an entry of the log.
//!
//! A node that is added gets the log first, without a vote. That it is to become a voter, and in whose place, stands in the
//! list of members from then on: whoever leads takes the next step when the node has almost all, be the operator still there or
//! not. A request says what is wanted, so it can be repeated: it is answered with how far that is.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use protocol::body::MemberChange;
use protocol::code::ResponseCode;
use raft_driver::{MemberStep, MembershipError, membership_change};

use super::members::{GroupMembers, Joining, MemberNotes, VOTERS_MAX, node_name};
use super::raw_entries::RawEntries;
use super::replica::Replica;
use super::wire::ConnectionClass;
use crate::env::Env;
use crate::request::Halt;
use crate::shard::Shard;

/// A lead that has to go elsewhere before a change is given away again after this, in ticks: 8 s. Where nobody takes it, clients
/// wait for 3 s of them.
const HAND_OVER_TICKS: u64 = 160;

/// A leader has heard of all that are there after this, in ticks: 2 s.
const LOOK_AROUND_TICKS: u64 = 40;

/// What a replica knows of changes beside the list of members.
#[derive(Debug, Default)]
pub(crate) struct ChangingMembers {
    /// It was said once that this node is to be added.
    pub(super) said_no_member: Cell<bool>,
    /// When a leader was known last, in ticks.
    pub(super) led_tick: Cell<u64>,
    /// Index and physical offset of the first change that is applied and perhaps not on stable storage: what lies from there
    /// on is not given to those that pull, who would not know the members that hold for it.
    pub(super) unstable: Cell<Option<(u64, u64)>>,
    /// The log is being put on stable storage for it.
    pub(super) is_syncing: Cell<bool>,
    /// When it began to lead, in ticks.
    pub(super) leads_from: Cell<u64>,
    /// When the lead was last given away for a change.
    handed_tick: Cell<Option<u64>>,
}

/// What an operator wants; nodes by Raft id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MemberRequest {
    /// `node`, whose shard 0 listens at `address`, is a voter; with `replaces`, that one is none.
    Add { node: u64, address: SocketAddr, replaces: Option<u64> },
    /// `node` is no member.
    Remove { node: u64 },
}

/// What is to be done for a request.
#[derive(Debug, Eq, PartialEq)]
enum Next {
    /// It is as wanted.
    Done(String),
    /// A step was taken that is not finished.
    Wait(String),
    /// This step.
    Propose { steps: Vec<MemberStep>, notes: MemberNotes, text: String },
    /// The lead has to go to another node first.
    HandOver,
}

/// Decides; pure. `is_pending`: a change is in the log and not applied. The error is for the operator.
fn next_step(members: &GroupMembers, is_pending: bool, own: u64, request: &MemberRequest) -> Result<Next, String> {
    let (roles, notes) = (&members.roles, &members.notes);
    let (MemberRequest::Add { node, .. } | MemberRequest::Remove { node }) = *request;
    let name = node_name(node);
    if is_pending || roles.is_joint() {
        return Ok(Next::Wait("a change of the members is being agreed on".to_owned()));
    }
    if let Some(joining) = notes.joining.filter(|joining| joining.node != node) {
        return Err(format!(
            "{} is being added: one change at a time. Wait for it, or call it off with removeReplica",
            node_name(joining.node)
        ));
    }
    let is_voter = roles.voters.contains(&node);
    let changed = |change: &dyn Fn(&mut MemberNotes)| {
        let mut notes = notes.clone();
        change(&mut notes);
        notes
    };
    let MemberRequest::Add { address, replaces, .. } = *request else {
        if !members.contains(node) {
            return Ok(Next::Done(format!("{name} is no member")));
        }
        if is_voter && roles.voters.len() == 1 {
            return Err(format!("{name} is the only voter: a group of nobody keeps nothing"));
        }
        if node == own {
            return Ok(Next::HandOver);
        }
        let notes = changed(&|notes| {
            notes.addresses.remove(&node);
            notes.joining = None;
        });
        return Ok(Next::Propose {
            steps: vec![MemberStep::Out(node)],
            notes,
            text: format!("{name} is being removed"),
        });
    };
    if replaces == Some(node) {
        return Err(format!("{name} cannot take its own place; with an empty disk it comes back by itself"));
    }
    if let Some((other, _)) = notes.addresses.iter().find(|(other, known)| **known == address && **other != node) {
        return Err(format!("{address} is where {} listens", node_name(*other)));
    }
    if let Some(joining) = notes.joining {
        if joining.replaces != replaces || notes.addresses.get(&node) != Some(&address) {
            let place = joining.replaces.map(|old| format!(" in place of {}", node_name(old))).unwrap_or_default();
            let at = notes.addresses.get(&node).map(|at| format!(" at {at}")).unwrap_or_default();
            return Err(format!("{name}{at} is being added{place}: wait for it, or call it off with removeReplica"));
        }
        return Ok(Next::Wait(String::new()));
    }
    let at_address = changed(&|notes| _ = notes.addresses.insert(node, address));
    if is_voter {
        if notes.addresses.get(&node) != Some(&address) {
            let text = format!("{name} is said to listen at {address} from now on");
            return Ok(Next::Propose { steps: vec![MemberStep::Voter(node)], notes: at_address, text });
        }
        return match replaces.filter(|old| members.contains(*old)) {
            Some(old) => next_step(members, is_pending, own, &MemberRequest::Remove { node: old }),
            None => Ok(Next::Done(format!("{name} is a voter"))),
        };
    }
    if let Some(old) = replaces.filter(|old| !roles.voters.contains(old)) {
        let (old, voters) = (node_name(old), GroupMembers::names(&roles.voters));
        return Err(format!(
            "{old} is none of the voters {voters}, so nobody can take its place: addReplica adds {name}"
        ));
    }
    if roles.voters.len() - usize::from(replaces.is_some()) >= VOTERS_MAX {
        return Err(format!("a group has at most {VOTERS_MAX} voters"));
    }
    let mut notes = at_address;
    notes.joining = Some(Joining { node, replaces });
    let text = format!("{name} is being added, without a vote before it has the log");
    Ok(Next::Propose { steps: vec![MemberStep::Learner(node)], notes, text })
}

/// The voter that goes when the node that joins becomes one. The only one stays: there is nobody who could lead on, and a
/// leader does not remove itself. It goes when the request is given again, as `mqadmin` does.
fn going(members: &GroupMembers, joining: Joining) -> Option<u64> {
    let voters = &members.roles.voters;
    joining.replaces.filter(|old| voters.contains(old) && voters.len() > 1)
}

/// The voters when a node that joins has become one.
fn voters_joined(members: &GroupMembers, joining: Joining) -> Vec<u64> {
    let mut voters = members.roles.voters.clone();
    let goes = going(members, joining);
    voters.retain(|id| Some(*id) != goes && *id != joining.node);
    voters.push(joining.node);
    voters
}

/// What is to be done when a node that joins has almost all of the log; pure.
fn vote_step(members: &GroupMembers, joining: Joining, own: u64) -> Next {
    let goes = going(members, joining);
    if goes == Some(own) {
        return Next::HandOver;
    }
    let mut steps = vec![MemberStep::Voter(joining.node)];
    steps.extend(goes.map(MemberStep::Out));
    // With the address of who goes: until the joint membership is left it is one of them.
    let notes = MemberNotes { joining: None, ..members.notes.clone() };
    Next::Propose { steps, notes, text: format!("{} gets its vote", node_name(joining.node)) }
}

impl<E: Env> Shard<E> {
    /// Takes the next step of what an operator wants, and says how far it is. Only the leader is asked.
    /// # Errors
    /// What keeps it from being done, and what to do about it.
    pub(crate) fn change_members(self: &Rc<Self>, request: &MemberRequest) -> Result<MemberChange, Halt> {
        let Some(replica) = self.replica.get() else {
            let remark = "this broker has its log to itself: it is in no group (enableDLegerCommitLog)";
            return Err(Halt::refuse(ResponseCode::INVALID_PARAMETER, remark));
        };
        let refuse = |remark: String| Halt::refuse(ResponseCode::INVALID_PARAMETER, remark);
        let members = replica.members.borrow().clone();
        let is_pending = replica.group.borrow().next_membership().is_some();
        let next = next_step(&members, is_pending, replica.node, request).map_err(refuse)?;
        let under_way = |text| MemberChange { is_done: false, text, bytes_left: None };
        Ok(match next {
            Next::Done(text) => MemberChange { is_done: true, text, bytes_left: None },
            Next::Wait(text) if text.is_empty() => self.joining_so_far(replica).unwrap_or_else(|| under_way(text)),
            Next::Wait(text) => under_way(text),
            Next::HandOver => {
                self.give_lead_away(replica);
                under_way(format!("{} leads and hands its lead over first", node_name(replica.node)))
            }
            Next::Propose { steps, notes, text } => {
                if let [MemberStep::Out(node)] = steps[..]
                    && members.roles.voters.contains(&node)
                {
                    let rest: Vec<u64> = members.roles.voters.iter().copied().filter(|id| *id != node).collect();
                    match self.check_majority(replica, &rest) {
                        Ok(()) => {}
                        // Right after a lead was handed over for this very change.
                        Err(why) if replica.ticks.get() < replica.changing.leads_from.get() + LOOK_AROUND_TICKS => {
                            return Ok(under_way(why));
                        }
                        Err(why) => return Err(refuse(why)),
                    }
                }
                self.propose_members(replica, &steps, &notes)?;
                under_way(text)
            }
        })
    }

    fn propose_members(
        self: &Rc<Self>,
        replica: &Replica,
        steps: &[MemberStep],
        notes: &MemberNotes,
    ) -> Result<(), Halt> {
        self.seal_and_propose(replica);
        if !replica.group.borrow().can_propose() {
            return Err(Halt::Stall);
        }
        let change = membership_change(steps, notes.encode());
        let proposed = replica.group.borrow_mut().propose_membership(&change);
        proposed.map_err(|error| match error {
            MembershipError::NotLeader { .. } | MembershipError::TransferUnderWay => Halt::Stall,
            other => Halt::refuse(ResponseCode::INVALID_PARAMETER, other.to_string()),
        })?;
        tracing::info!(shard = self.identity.broker_name, ?steps, "a change of the members is proposed");
        self.drive(replica, &RawEntries::default());
        Ok(())
    }

    /// # Errors
    /// Unless a majority of these voters is there now: else the change would leave the group without one.
    fn check_majority(&self, replica: &Replica, voters: &[u64]) -> Result<(), String> {
        let there: Vec<u64> = voters.iter().copied().filter(|id| self.is_there(replica, *id)).collect();
        let needed = voters.len() / 2 + 1;
        if there.len() >= needed {
            return Ok(());
        }
        let (all, there) = (GroupMembers::names(voters), GroupMembers::names(&there));
        let there = if there.is_empty() { "none" } else { &there };
        Err(format!(
            "of the voters {all} that would be left {needed} have to be there, and {there} is: the group could not go on"
        ))
    }

    fn is_there(&self, replica: &Replica, node: u64) -> bool {
        // A process that died a moment ago was heard of just now, but its connection is gone.
        let is_up = || replica.links.borrow().is_up(node, ConnectionClass::Log);
        node == replica.node || (replica.watch.is_active(node, self.env.now_ms()) && is_up())
    }

    /// How far the node is that joins; `None` if none does.
    fn joining_so_far(&self, replica: &Replica) -> Option<MemberChange> {
        let members = replica.members.borrow();
        let joining = members.notes.joining?;
        let name = node_name(joining.node);
        let follower = self.follower_of(replica, joining.node);
        let bytes_left = follower.as_ref().and_then(|follower| follower.lag).map(|lag| lag.bytes.known());
        let text = match &follower {
            Some(follower) if !follower.is_active => {
                let at = members.notes.addresses.get(&joining.node).map(|at| format!(" at {at}")).unwrap_or_default();
                format!(
                    "{name} is not there: it has to run, to listen{at}, and to have dLegerJoin=true and an empty store"
                )
            }
            _ => match self.check_majority(replica, &voters_joined(&members, joining)) {
                Err(why) => format!("{name} waits for its vote: {why}"),
                Ok(()) => format!("{name} catches up"),
            },
        };
        Some(MemberChange { is_done: false, text, bytes_left })
    }

    /// What of a change is under way, in a few words.
    pub(super) fn member_change(&self, replica: &Replica) -> Option<String> {
        let members = replica.members.borrow().clone();
        if members.roles.is_joint() {
            return Some(format!("from {}", GroupMembers::names(&members.roles.voters_outgoing)));
        }
        let joining = members.notes.joining?;
        let place = joining.replaces.map(|old| format!(" in place of {}", node_name(old))).unwrap_or_default();
        let far = self.joining_so_far(replica).filter(|_| replica.leads());
        let far = far.map(|far| format!(": {}", far.text)).unwrap_or_default();
        Some(format!("{} is being added{place}{far}", node_name(joining.node)))
    }

    /// With every tick: a leader gives a node its vote that joins and has almost all of the log.
    pub(super) fn tend_members(self: &Rc<Self>, replica: &Replica) {
        let Some(joining) = replica.members.borrow().notes.joining else { return };
        let members = replica.members.borrow().clone();
        let is_idle = {
            let group = replica.group.borrow();
            replica.leads() && !group.is_writing() && group.next_membership().is_none() && !members.roles.is_joint()
        };
        if !is_idle || !self.has_almost_all(replica, joining.node) {
            return;
        }
        if self.check_majority(replica, &voters_joined(&members, joining)).is_err() {
            return;
        }
        match vote_step(&members, joining, replica.node) {
            Next::HandOver => self.give_lead_away(replica),
            Next::Propose { steps, notes, .. } => {
                if let Err(halt) = self.propose_members(replica, &steps, &notes) {
                    tracing::debug!(?halt, shard = self.identity.broker_name, "a node waits for its vote");
                }
            }
            Next::Done(_) | Next::Wait(_) => {}
        }
    }

    /// Another node is to lead before this one can be removed; where none is there that could, this one goes on.
    fn give_lead_away(self: &Rc<Self>, replica: &Replica) {
        let voters = replica.members.borrow().roles.voters.clone();
        if !voters.iter().any(|id| *id != replica.node && self.is_there(replica, *id)) {
            return;
        }
        let (now, handed) = (replica.ticks.get(), &replica.changing.handed_tick);
        if handed.get().is_some_and(|at| now < at + HAND_OVER_TICKS) {
            return;
        }
        handed.set(Some(now));
        let shard = self.clone();
        self.env.spawn(async move { shard.hand_lead_over().await });
    }
}

#[cfg(test)]
mod tests {
    use raft_driver::eraftpb::ConfState;

    use super::*;

    fn address(id: u64) -> SocketAddr {
        format!("10.0.0.{id}:40911").parse().unwrap()
    }

    fn members(voters: &[u64], learners: &[u64], joining: Option<Joining>) -> GroupMembers {
        let addresses = voters.iter().chain(learners).map(|id| (*id, address(*id))).collect();
        let conf = ConfState::from((voters.to_vec(), learners.to_vec()));
        GroupMembers::default().after(7, &conf, &MemberNotes { addresses, joining }.encode())
    }

    fn add(node: u64, replaces: Option<u64>) -> MemberRequest {
        MemberRequest::Add { node, address: address(node), replaces }
    }

    fn remove(node: u64) -> MemberRequest {
        MemberRequest::Remove { node }
    }

    fn step(members: &GroupMembers, request: &MemberRequest) -> Result<Next, String> {
        next_step(members, false, 1, request)
    }

    fn steps(members: &GroupMembers, request: &MemberRequest) -> Vec<MemberStep> {
        match step(members, request) {
            Ok(Next::Propose { steps, .. }) => steps,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_node_is_added_as_a_learner_and_everybody_learns_where_it_is() {
        let three = members(&[1, 2, 3], &[], None);
        let Ok(Next::Propose { steps, notes, .. }) = step(&three, &add(4, None)) else { panic!() };
        assert_eq!(steps, [MemberStep::Learner(4)]);
        assert_eq!((notes.addresses[&4], notes.addresses.len()), (address(4), 4));
        assert_eq!(notes.joining, Some(Joining { node: 4, replaces: None }));
    }

    #[test]
    fn what_is_so_already_is_done() {
        let three = members(&[1, 2, 3], &[], None);
        assert!(matches!(step(&three, &add(3, None)), Ok(Next::Done(_))));
        assert!(matches!(step(&three, &remove(4)), Ok(Next::Done(_))));
        assert!(matches!(step(&three, &add(3, Some(9))), Ok(Next::Done(_))), "it has taken that place before");
    }

    #[test]
    fn the_same_request_again_asks_how_far_it_is_and_another_is_refused() {
        let joining = members(&[1, 2, 3], &[4], Some(Joining { node: 4, replaces: Some(2) }));
        assert!(matches!(step(&joining, &add(4, Some(2))), Ok(Next::Wait(_))));
        for other in [add(4, None), add(5, None), remove(3), add(4, Some(3))] {
            let refused = step(&joining, &other).unwrap_err();
            assert!(refused.contains("n3"), "{other:?}: {refused}");
        }
        assert_eq!(steps(&joining, &remove(4)), [MemberStep::Out(4)], "it is called off");
        let pending = next_step(&joining, true, 1, &remove(4));
        assert!(matches!(pending, Ok(Next::Wait(_))), "one at a time");
    }

    #[test]
    fn what_a_replacement_left_half_way_is_finished() {
        let four = members(&[1, 2, 3, 4], &[], None);
        assert_eq!(steps(&four, &add(4, Some(2))), [MemberStep::Out(2)]);
        assert_eq!(step(&four, &add(4, Some(1))), Ok(Next::HandOver));
    }

    #[test]
    fn who_joins_gets_its_vote_in_the_place_of_another_and_a_leader_that_goes_hands_over_first() {
        let joining = Joining { node: 4, replaces: Some(2) };
        let group = members(&[1, 2, 3], &[4], Some(joining));
        let Next::Propose { steps, notes, .. } = vote_step(&group, joining, 1) else { panic!() };
        assert_eq!(steps, [MemberStep::Voter(4), MemberStep::Out(2)]);
        assert_eq!((notes.joining, notes.addresses.len()), (None, 4), "all of them count until the change is over");
        assert_eq!(vote_step(&group, joining, 2), Next::HandOver);
        assert_eq!(voters_joined(&group, joining), [1, 3, 4]);
    }

    /// It handed its lead over again and again, to nobody, and served no clients meanwhile.
    #[test]
    fn the_only_voter_is_replaced_in_two_steps() {
        let joining = Joining { node: 5, replaces: Some(1) };
        let alone = members(&[1], &[5], Some(joining));
        let Next::Propose { steps, .. } = vote_step(&alone, joining, 1) else { panic!() };
        assert_eq!((steps, voters_joined(&alone, joining)), (vec![MemberStep::Voter(5)], vec![1, 5]));
        let two = members(&[1, 5], &[], None);
        assert_eq!(step(&two, &add(5, Some(1))), Ok(Next::HandOver));
        assert_eq!(next_step(&two, false, 5, &add(5, Some(1))), next_step(&two, false, 5, &remove(1)));
    }

    #[test]
    fn a_leader_hands_over_before_it_goes_and_the_last_one_stays() {
        assert_eq!(step(&members(&[1, 2], &[], None), &remove(1)), Ok(Next::HandOver));
        assert!(step(&members(&[1], &[], None), &remove(1)).unwrap_err().contains("n0 is the only voter"));
    }

    #[test]
    fn a_member_can_be_said_to_listen_elsewhere() {
        let three = members(&[1, 2, 3], &[], None);
        let moved = MemberRequest::Add { node: 3, address: address(30), replaces: None };
        let Ok(Next::Propose { steps, notes, .. }) = step(&three, &moved) else { panic!() };
        assert_eq!((steps, notes.addresses[&3]), (vec![MemberStep::Voter(3)], address(30)));
        let taken = MemberRequest::Add { node: 4, address: address(2), replaces: None };
        assert!(step(&three, &taken).unwrap_err().contains("where n1 listens"));
    }

    #[test]
    fn only_a_voter_is_replaced_and_by_another_node() {
        let three = members(&[1, 2, 3], &[], None);
        assert!(step(&three, &add(4, Some(9))).unwrap_err().contains("n8 is none of the voters n0, n1, n2"));
        assert!(step(&three, &add(4, Some(4))).is_err());
    }

    #[test]
    fn a_group_does_not_grow_without_end_but_replaces_at_its_largest() {
        let nine = members(&(1..=9).collect::<Vec<_>>(), &[], None);
        assert!(step(&nine, &add(10, None)).unwrap_err().contains("at most 9"));
        assert_eq!(steps(&nine, &add(10, Some(9))), [MemberStep::Learner(10)]);
    }
}
