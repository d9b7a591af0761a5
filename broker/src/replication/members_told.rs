//! Members as this replica comes to know them: from its log, or from another replica.

use std::rc::Rc;

use raft_driver::eraftpb::ConfState;

use super::members::{GroupMembers, Roles, node_name};
use super::raw_entries::RawEntries;
use super::replica::{Phase, Replica};
use super::wire::{ConnectionClass, MemberNotice, ReplicaMessage};
use crate::env::Env;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// Applies the changes of members up to `index`.
    pub(super) fn apply_members(&self, replica: &Replica, index: u64) {
        loop {
            let shard = &self.identity.broker_name;
            let (at, position, context, applied) = {
                let mut group = replica.group.borrow_mut();
                let Some(at) = group.next_membership().filter(|at| *at <= index) else { return };
                let change = group.entry(at).and_then(|entry| entry.membership.as_deref());
                let context = change.map(raft_driver::context_of).unwrap_or_default();
                let position = group.entry(at).map_or(0, |entry| entry.position);
                (at, position, context, group.apply_membership(at))
            };
            match applied {
                Ok(members) => self.members_changed(replica, (at, position), &members, &context),
                // Every replica refuses it alike.
                Err(error) => tracing::error!(%error, shard, index = at, "a change of the members was refused"),
            }
        }
    }

    fn members_changed(&self, replica: &Replica, (index, position): (u64, u64), members: &ConfState, context: &[u8]) {
        let before = replica.members.borrow().clone();
        if index > before.index {
            let unstable = &replica.changing.unstable;
            unstable.set(unstable.get().or(Some((index, position))));
            self.use_members(replica, before.after(index, members, context));
        } else {
            // Others told of it before it was applied here.
            self.hear_those_who_count(replica);
        }
    }

    /// Whoever is in the newest members, or in those that Raft goes by here, is heard.
    fn hear_those_who_count(&self, replica: &Replica) {
        let counted: Vec<u64> = Roles::from(replica.group.borrow().conf_state()).all().collect();
        replica.links.borrow_mut().set_members(&replica.members.borrow(), &counted);
    }

    /// Puts the log on stable storage and tells others the members that it has then. Before that this machine could lose the
    /// change with its power, and another that was told of it would keep members that no log knows of.
    pub(super) fn tell_applied_members(self: &Rc<Self>, replica: &Replica) {
        if replica.changing.unstable.get().is_none() || replica.changing.is_syncing.replace(true) {
            return;
        }
        let shard = self.clone();
        self.env.spawn(async move { shard.sync_and_tell().await });
    }

    async fn sync_and_tell(self: Rc<Self>) {
        let Some(replica) = self.replica.get() else { return };
        let log = self.store.log();
        loop {
            let members = replica.members.borrow().clone();
            if log.flush().await.is_err() || log.sync().await.is_err() {
                // The replica stops.
                return;
            }
            // A forgetful voter asks all others that vote how far their logs go: one of them has the change.
            if members.roles.votes(replica.node) {
                replica.links.borrow_mut().tell_members(&members, &self.outbox);
            }
            if replica.members.borrow().index == members.index {
                replica.changing.unstable.set(None);
                replica.changing.is_syncing.set(false);
                return;
            }
        }
    }

    /// From here on these are the members.
    fn use_members(&self, replica: &Replica, members: GroupMembers) {
        let was_outside = replica.is_outside();
        let (shard, index) = (&self.identity.broker_name, members.index);
        let (voters, learners) =
            (GroupMembers::names(&members.roles.voters), GroupMembers::names(&members.roles.learners));
        let leaving = GroupMembers::names(&members.roles.voters_outgoing);
        tracing::info!(shard, index, voters, learners, before = leaving, "the members of the group changed");
        replica.set_members(members);
        self.hear_those_who_count(replica);
        let node = node_name(replica.node);
        match (was_outside, replica.is_outside()) {
            (false, true) => {
                tracing::warn!(
                    shard,
                    node,
                    index,
                    "this node is no member of its group any more: it takes no part. Its store is left as it is"
                );
            }
            (true, false) => tracing::info!(shard, node, index, "this node is a member of its group from now on"),
            _ => {}
        }
        if was_outside != replica.is_outside() {
            self.announce_role(replica);
            self.resume_stalled();
        }
    }

    /// One that knows nobody asks a node for the members: a founder that has lost its disk is no guest of the others, who
    /// tell nobody of members that were never changed.
    pub(super) fn ask_for_members(&self, replica: &Replica, node: u64) {
        let members = replica.members.borrow();
        if members.roles.is_empty() {
            let list = members.encode();
            let question = ReplicaMessage::Members(MemberNotice { list: &list });
            replica.links.borrow_mut().send(node, ConnectionClass::Log, &question, &self.outbox);
        }
    }

    /// Another replica tells who the members are.
    /// # Errors
    /// What a sound replica never says.
    pub(super) fn take_members(self: &Rc<Self>, replica: &Replica, node: u64, list: &str) -> Result<(), String> {
        let told = GroupMembers::decode(list).map_err(|error| error.to_string())?;
        if told.roles.is_empty() {
            // It knows nobody, and asks.
            if !replica.members.borrow().roles.is_empty() {
                replica.links.borrow_mut().tell(node, &self.outbox);
            }
            return Ok(());
        }
        self.hear_members(replica, node, told)
    }

    /// As [`Self::take_members`].
    pub(super) fn hear_members(
        self: &Rc<Self>,
        replica: &Replica,
        node: u64,
        told: GroupMembers,
    ) -> Result<(), String> {
        if told.index == 0 && !told.contains(replica.node) && !replica.changing.said_no_member.replace(true) {
            let (shard, voters) = (&self.identity.broker_name, GroupMembers::names(&told.roles.voters));
            let (by, node) = (node_name(node), node_name(replica.node));
            tracing::warn!(
                shard,
                by,
                node,
                voters,
                "this node is no member of the group yet: mqadmin addReplica adds it"
            );
        }
        // Whoever knows nobody takes those that founded the group, too, if it is one of them: it has lost its disk.
        let is_founder = replica.members.borrow().roles.is_empty() && told.contains(replica.node);
        if told.index <= replica.members.borrow().index && !is_founder {
            return Ok(());
        }
        let (index, conf_state) = (told.index, told.roles.conf_state());
        let news = told.clone();
        raft_driver::check_members(&conf_state).map_err(|error| error.to_string())?;
        self.use_members(replica, told);
        replica.links.borrow_mut().tell_members(&news, &self.outbox);
        if replica.phase() == Phase::Installs {
            // Raft hears of them with the new log.
            return Ok(());
        }
        if !replica.group.borrow().is_writing() {
            self.drive(replica, &RawEntries::default());
        }
        self.learn_members(replica, index, conf_state);
        self.drive(replica, &RawEntries::default());
        Ok(())
    }

    /// A replica that knows nothing of its past learns from others who the members are.
    fn learn_members(&self, replica: &Replica, index: u64, conf_state: ConfState) {
        let mut group = replica.group.borrow_mut();
        if group.is_writing() {
            return;
        }
        if let Err(error) = group.learn_members(index, conf_state) {
            tracing::error!(%error, shard = self.identity.broker_name, "members that another replica told make no sense");
        }
    }

    /// With every tick: what was told while the replica wrote.
    pub(super) fn tend_told_members(&self, replica: &Replica) {
        if replica.phase() == Phase::Installs {
            return;
        }
        let members = replica.members.borrow();
        let is_news = {
            let group = replica.group.borrow();
            members.index > group.members_up_to() || group.conf_state().voters.is_empty()
        };
        if is_news && !members.roles.is_empty() {
            self.learn_members(replica, members.index, members.roles.conf_state());
        }
        // What was pulled brought the change to Raft, too.
        let counts = |id: &u64| members.contains(*id) || replica.group.borrow().counts(*id);
        let is_one_too_many = !members.roles.is_empty() && !replica.links.borrow().nodes().iter().all(counts);
        drop(members);
        if is_one_too_many {
            self.hear_those_who_count(replica);
        }
    }
}
