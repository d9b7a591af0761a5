//! The last look: all there is, compared with what was meant, once everything is well again.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use broker::replication::ReplicaView;

use super::node::Node;
use super::pair_watch::PairWatch;
use super::run::{LIVE_WITHIN, Run, only_members};
use crate::machine::Machine;
use crate::{Violation, require};

/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_millis(20);
/// What was not yet so is looked at again after this.
pub(super) const AUDIT_PAUSE: Duration = Duration::from_millis(100);

impl<M: Machine + Clone> Run<M> {
    /// Reads all there is, and compares.
    pub(super) fn audit(&mut self) -> Result<(), Violation> {
        self.wait_for_replicas()?;
        for group in 0..self.plan.groups {
            for number in 0..self.plan.consumers.max(self.plan.replicas) {
                self.audit_as(group, number)?;
            }
            if self.plan.pays && !self.plan.rots() {
                self.audit_payments(group)?;
            }
            if self.plan.plans {
                self.audit_appointments(group)?;
            }
            // What rots where nobody has it too holds its queue up.
            if self.plan.pops && !(self.plan.replicas == 1 && self.plan.rots()) {
                self.audit_parcels(group)?;
            }
        }
        Ok(())
    }

    /// Ends what is open, and compares what was meant with what is there.
    fn audit_payments(&mut self, group: u16) -> Result<(), Violation> {
        let payments = self.ledgers(group).payments.clone();
        payments.borrow_mut().audit_begins();
        let (mut payer, mut links) = (self.payer(group), Vec::new());
        if !self.comes_true(async move || payer.audit(&mut links).await)? {
            let unfinished = payments.borrow().unfinished();
            return Err(Violation(format!(
                "payments of group {group} are not what they were meant to be within {LIVE_WITHIN:?}: {unfinished:?}"
            )));
        }
        Ok(())
    }

    /// Waits until all is due, and looks whether it has come.
    fn audit_appointments(&mut self, group: u16) -> Result<(), Violation> {
        let appointments = self.ledgers(group).appointments.clone();
        let last_due = appointments.borrow().last_due().saturating_sub(self.cluster.clock().now());
        self.cluster.run(last_due, || false)?;
        let mut planner = self.planner(group);
        if !self.comes_true(async move || planner.audit().await)? {
            let missing = appointments.borrow().missing();
            return Err(Violation(format!("in group {group}, {LIVE_WITHIN:?} after they were due: {missing:?}")));
        }
        Ok(())
    }

    /// Looks again and again. False: it was never so.
    fn comes_true(
        &mut self,
        mut look: impl AsyncFnMut() -> Result<bool, Violation> + 'static,
    ) -> Result<bool, Violation> {
        let world = self.cluster.world().clone();
        let task = self.cluster.spawn_client(async move {
            while world.accept(look().await) == Some(false) {
                world.clock.sleep(AUDIT_PAUSE).await;
            }
        });
        self.cluster.run(LIVE_WITHIN, || task.is_done())
    }

    /// Waits until every replica has all that any has.
    fn wait_for_replicas(&mut self) -> Result<(), Violation> {
        if let Some(pair) = self.pair.clone() {
            return self.wait_for_slaves(&pair);
        }
        if self.plan.replicas == 1 {
            return Ok(());
        }
        let until = self.cluster.clock().now() + LIVE_WITHIN;
        while self.cluster.clock().now() < until {
            let views: Option<Vec<ReplicaView>> = self.views().into_iter().collect();
            let views = views.map(only_members);
            let is_whole = views.is_some_and(|views| {
                let end = views.iter().map(|view| view.end).max_by_key(|end| (end.term, end.index));
                let has_all = |view: &ReplicaView| Some(view.end) == end && view.applied == view.end.index;
                !views.is_empty() && views.iter().all(|view| has_all(view) && view.is_trusted && !view.is_stopped)
            });
            if is_whole && !self.nodes().iter().any(|node| node.is_damaged()) {
                self.members = self.member_machines();
                return self.compare_replicas();
            }
            self.cluster.run(LOOK, || false)?;
        }
        let views = self.views();
        Err(Violation(format!("{LIVE_WITHIN:?} after everything was healed the replicas are not the same: {views:#?}")))
    }

    /// Waits until there is one master, and every slave has what it has.
    fn wait_for_slaves(&mut self, pair: &Rc<RefCell<PairWatch>>) -> Result<(), Violation> {
        let until = self.cluster.clock().now() + LIVE_WITHIN;
        while self.cluster.clock().now() < until {
            if pair.borrow().is_whole(&self.nodes())? {
                return compare_tables(&self.nodes());
            }
            self.cluster.run(LOOK, || false)?;
        }
        let seen = pair.borrow().describe();
        Err(Violation(format!(
            "{LIVE_WITHIN:?} after everything was healed slaves do not have what the master has: {seen}"
        )))
    }

    pub(super) fn installations(&self) -> u64 {
        let views = self.nodes().into_iter().filter_map(|node| node.process()?.shard().master_slave_view());
        views.map(|view| view.installations).sum()
    }

    fn nodes(&self) -> Vec<&Node<M>> {
        (0..self.plan.machines()).map(|number| self.cluster.node(usize::from(number))).collect()
    }

    fn compare_replicas(&mut self) -> Result<(), Violation> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let may_rot = self.plan.rots();
        let members: Vec<&Node<M>> =
            self.member_machines().into_iter().map(|number| self.cluster.node(number)).collect();
        self.compared = watch.borrow().compare_logs(&members, may_rot)?;
        compare_tables(&members)
    }

    /// As a consumer group, or again as the last of them; from another machine of the broker group each.
    fn audit_as(&mut self, group: u16, number: u16) -> Result<(), Violation> {
        let consumer = number.min(self.plan.consumers - 1);
        let mut auditor = self.consumer(group, consumer);
        let members = if self.members.is_empty() { self.member_machines() } else { self.members.clone() };
        // What a slave answers is held against its master's word, but does not count itself.
        let first = self.pair.as_ref().and_then(|pair| pair.borrow().master()).unwrap_or(0);
        let machine = members[(first + usize::from(number)) % members.len()];
        auditor.seat.route = vec![auditor.seat.route[machine]];
        let (world, messages) = (self.cluster.world().clone(), Rc::<RefCell<Option<u64>>>::default());
        let found = messages.clone();
        let task = self.cluster.spawn_client(async move {
            while found.borrow().is_none() {
                let audited = auditor.audit().await;
                match world.accept(audited) {
                    Some(messages) => *found.borrow_mut() = messages,
                    None => return,
                }
                world.clock.sleep(AUDIT_PAUSE).await;
            }
        });
        if !self.cluster.run(LIVE_WITHIN, || task.is_done())? {
            return Err(Violation(format!("group {group} cannot be read within {LIVE_WITHIN:?}")));
        }
        self.audited += messages.borrow().unwrap_or(0);
        Ok(())
    }
}

/// Replicas that have applied the same hold the same timers, delays, half messages and pops, whoever leads and however they came by them.
fn compare_tables<M: Machine>(nodes: &[&Node<M>]) -> Result<(), Violation> {
    let mut first = None;
    for node in nodes {
        let Some(process) = node.process() else { continue };
        let tables = process.shard().tables_snapshot();
        let found = (tables.timers, tables.schedule, tables.half_messages, tables.pops);
        let first = first.get_or_insert_with(|| found.clone());
        require(*first == found, || format!("replicas hold {first:?} and {found:?}"))?;
    }
    Ok(())
}
