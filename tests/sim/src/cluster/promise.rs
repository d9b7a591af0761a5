//! What a group of replicas promises while machines of it forget, and so which faults may come together in a run.
//!
//! - A killed process forgets nothing: what it had confirmed is in the ring, or in the files.
//! - In SYNC_FLUSH a machine without power forgets nothing either, be it all of them at once.
//! - In ASYNC_FLUSH a machine without power may forget the end of its log. As long as a minority of the replicas has
//!   forgotten something, and has not got it back from the others, nothing acknowledged is lost. Beyond that the end of
//!   what the group acknowledged may be lost, and is forgiven: the run goes on, for the group has to come back.
//! - A lost disk is a forgetful replica in both modes. A majority of them at once would lose everything, and there is no
//!   promise left that could be checked: such a fault is left out.
//! - A disk that fails or is full stops its replica; what it had confirmed it still knows. A majority of those, or of
//!   machines that are down, paused or cut off, stops the group, which loses nothing by that.
//!
//! - A disk that flips bits, or writes where it should not, is that of a replica that may have forgotten something, until
//!   its process was started anew, found that out, and has everything again. A minority at a time is damaged. What can
//!   hide is left out: damage at the very end of a log looks like a write that never ended, see [`super::damage`].
//!
//! - Where members come and go, a minority is one of every set of voters that any replica goes by. More than that do not
//!   forget: what the group would be forgiven could be a change of its members that others were told of. A disk is lost only
//!   while no change is under way: whoever has lost it cannot know whom it voted for together with others, and learns from
//!   them who the members are. Nor do disks rot there: that is found out when it may be too late for it.
//!
//! A replica has got back what it forgot when it says that it can be trusted again. Where a group stands alone on one
//! machine, ASYNC_FLUSH promises nothing beyond the power, and a lost disk is left out.

use std::collections::BTreeSet;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    replicas: usize,
    forgetful: BTreeSet<usize>,
    damaged: BTreeSet<usize>,
    /// Where members come and go: who votes, by the account of each replica, a bit for each number.
    electorates: Option<BTreeSet<u64>>,
}

impl Promise {
    /// Whether it speaks of replicas.
    pub(super) fn is_of_replicas(&self) -> bool {
        self.replicas > 1
    }

    /// Of a group of so many replicas, which all remember.
    pub(super) fn new(replicas: usize) -> Self {
        Self { replicas, forgetful: BTreeSet::new(), damaged: BTreeSet::new(), electorates: None }
    }

    /// Whether members come and go.
    pub(super) fn is_of_changing_members(&self) -> bool {
        self.electorates.is_some()
    }

    /// Members come and go, and these vote at present.
    pub(super) fn note_electorates(&mut self, electorates: BTreeSet<u64>) {
        self.electorates = Some(electorates);
    }

    fn minority(&self) -> usize {
        (self.replicas - 1) / 2
    }

    /// Whether this one could forget something, beside those who have, without harm.
    pub(super) fn allows_forgetting(&self, node: usize) -> bool {
        let weak = self.forgetful.union(&self.damaged).copied().chain([node]).collect::<BTreeSet<usize>>();
        let Some(electorates) = &self.electorates else { return weak.len() <= self.minority() };
        electorates.iter().filter(|electorate| *electorate >> node & 1 == 1).all(|electorate| {
            let weak = weak.iter().filter(|weak| electorate >> **weak & 1 == 1).count();
            weak <= (electorate.count_ones() as usize - 1) / 2
        })
    }

    /// Whether a node may lose its disk now.
    pub(super) fn allows_lost_disk(&self, node: usize) -> bool {
        let is_settled = self.electorates.as_ref().is_none_or(|electorates| electorates.len() == 1);
        is_settled && self.allows_forgetting(node)
    }

    /// Whether a node's disk may be damaged now.
    pub(super) fn allows_damage(&self, node: usize) -> bool {
        self.allows_lost_disk(node)
    }

    /// A node's disk is damaged.
    pub(super) fn is_damaged(&mut self, node: usize) {
        self.damaged.insert(node);
    }

    /// A node's disk is sound again.
    pub(super) fn is_sound(&mut self, node: usize) {
        self.damaged.remove(&node);
    }

    /// A node may have forgotten the end of its log. True: the group may have, too.
    pub(super) fn forgets(&mut self, node: usize) -> bool {
        self.forgetful.insert(node);
        !self.allows_forgetting(node)
    }

    /// A node has everything again.
    pub(super) fn remembers(&mut self, node: usize) {
        self.forgetful.remove(&node);
    }

    /// Whether somebody has not got back what it forgot, or what its disk damaged.
    pub(super) fn is_weak(&self) -> bool {
        !self.forgetful.is_empty() || !self.damaged.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minority_may_forget_at_a_time() {
        let mut promise = Promise::new(3);
        assert!(!promise.forgets(0) && !promise.forgets(0));
        assert!(promise.forgets(2));
        promise.remembers(0);
        promise.remembers(2);
        assert!(!promise.forgets(1));
    }

    #[test]
    fn a_disk_may_be_lost_while_a_majority_remembers() {
        let mut promise = Promise::new(5);
        assert!(promise.allows_lost_disk(0) && !promise.forgets(0));
        assert!(promise.allows_lost_disk(0) && promise.allows_lost_disk(1));
        assert!(!promise.forgets(1));
        assert!(!promise.allows_lost_disk(2) && promise.allows_lost_disk(1));
        assert!(!Promise::new(1).allows_lost_disk(0));
    }

    #[test]
    fn where_members_change_a_minority_of_all_that_vote_by_anybody_s_account_may_forget() {
        let mut promise = Promise::new(5);
        promise.note_electorates([0b0111, 0b1111].into());
        assert!(!promise.forgets(1) && !promise.allows_forgetting(0));
        assert!(promise.allows_forgetting(4), "it has no vote");
        assert!(!promise.allows_lost_disk(1), "a change is under way");
        promise.note_electorates([0b1111].into());
        assert!(promise.allows_lost_disk(1) && !promise.allows_lost_disk(2));
        promise.note_electorates([0b0001].into());
        assert!(!promise.allows_forgetting(0));
    }

    #[test]
    fn a_damaged_disk_counts_as_one_that_forgets_until_it_is_sound() {
        let mut promise = Promise::new(3);
        assert!(promise.allows_damage(0));
        promise.is_damaged(0);
        assert!(promise.allows_damage(0) && !promise.allows_damage(1) && !promise.allows_lost_disk(1));
        assert!(!promise.forgets(0) && promise.forgets(1));
        promise.is_sound(0);
        promise.remembers(0);
        assert!(!promise.forgets(1) && promise.allows_damage(1) && !promise.allows_damage(0));
    }
}
