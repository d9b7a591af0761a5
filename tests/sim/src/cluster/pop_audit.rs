//! How it is looked in the end at what was popped in a run.

use std::cell::Cell;
use std::rc::Rc;

use super::audit::AUDIT_PAUSE;
use super::parcels::GROUPS;
use super::run::{LIVE_WITHIN, Run};
use crate::Violation;
use crate::machine::Machine;

/// Of popping all there is for all groups.
#[derive(Copy, Clone, Debug, Default)]
struct Rounds {
    ended: u64,
    /// In the last of them.
    found_nothing: bool,
    /// Nobody wants another one.
    are_enough: bool,
}

impl<M: Machine + Clone> Run<M> {
    /// Pops all there is, until nothing comes any more and nothing is out, and looks whether all of it has come.
    pub(super) fn audit_parcels(&mut self, group: u16) -> Result<(), Violation> {
        let mut popper = self.popper(group, 0);
        let world = self.cluster.world().clone();
        let rounds = Rc::new(Cell::new(Rounds::default()));
        let told = rounds.clone();
        let task = self.cluster.spawn_client(async move {
            while !told.get().are_enough {
                let audited = popper.audit().await;
                let Some(found_nothing) = world.accept(audited) else { return };
                told.set(Rounds { ended: told.get().ended + 1, found_nothing, ..told.get() });
                world.clock.sleep(AUDIT_PAUSE).await;
            }
        });
        let until = self.cluster.clock().now() + LIVE_WITHIN;
        let mut empty_since = None;
        while self.cluster.clock().now() < until {
            self.cluster.run(AUDIT_PAUSE, || false)?;
            let Rounds { ended, found_nothing, .. } = rounds.get();
            match self.out_of(group) {
                Some(0) => _ = empty_since.get_or_insert(ended),
                _ => empty_since = None,
            }
            // A round that began when nothing was out finds what there is.
            if found_nothing && empty_since.is_some_and(|since| ended >= since + 2) {
                rounds.set(Rounds { are_enough: true, ..rounds.get() });
                self.cluster.run(LIVE_WITHIN, || task.is_done())?;
                return self.check_parcels(group);
            }
        }
        let out = self.out_of(group);
        let missing = self.ledgers(group).parcels.borrow().missing();
        Err(Violation(format!(
            "in group {group}, {LIVE_WITHIN:?} after all was well, pops do not come to an end: {out:?} are out, {missing:?}"
        )))
    }

    fn check_parcels(&self, group: u16) -> Result<(), Violation> {
        let may_miss = self.plan.retains() || self.cluster.world().oracle.borrow().times_forgiven(group) > 0;
        let missing = self.ledgers(group).parcels.borrow().missing();
        match missing.filter(|_| !may_miss) {
            Some(missing) => Err(Violation(format!("in group {group}, though there is nothing to pop: {missing}"))),
            None => Ok(()),
        }
    }

    /// How many messages are out to those that pop, by the account of who leads a group of brokers.
    fn out_of(&self, group: u16) -> Option<usize> {
        let machines = (group * self.plan.replicas..(group + 1) * self.plan.replicas).map(usize::from);
        let mut shards = machines.filter_map(|number| Some(self.cluster.node(number).process()?.shard()));
        let leader = shards.find(|shard| shard.replica_view().is_none_or(|view| view.serves))?;
        let pops = leader.tables_snapshot().pops;
        let is_ours = |name: &str| GROUPS.iter().any(|group| group.name == name);
        let out = pops.invisible.iter().filter(|pop| is_ours(&pop.group)).map(|pop| pop.offsets.len());
        Some(out.sum::<usize>() + pops.ordered.iter().filter(|pop| is_ours(&pop.group)).count())
    }
}
