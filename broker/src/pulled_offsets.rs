//! Where pulls went on to, by queue and group: what a group was sent and has not committed yet lies before it. Every pull
//! notes it, so a note costs no comparison of names; it does not outlive the process.

use storage::consume_queue::QueueIndex;

use crate::consumer_offsets::CONSUMER_OFFSETS_MAX;
use crate::metrics::GroupSlot;

/// Queues and groups with a note, 16 bytes each and 24 a queue. When full, pulls of further ones are not noted: what is
/// not known counts as consumed.
const PULLED_OFFSETS_MAX: usize = CONSUMER_OFFSETS_MAX;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct PulledOffsets {
    /// By the queue's number; the groups of one ascend.
    queues: Vec<Vec<(GroupSlot, i64)>>,
    /// All notes.
    count: usize,
}

impl PulledOffsets {
    /// A pull of this group went on to `next_offset`. Groups without a slot of their own are not told apart, nor noted.
    pub(crate) fn note(&mut self, queue: QueueIndex, group: GroupSlot, next_offset: i64) {
        let at = queue.number();
        if let Some((_, noted)) = self.queues.get_mut(at).and_then(|groups| find(groups, group)) {
            *noted = next_offset;
            return;
        }
        if group.is_of_others() || self.count >= PULLED_OFFSETS_MAX {
            return;
        }
        if self.queues.len() <= at {
            self.queues.resize_with(at + 1, Vec::new);
        }
        let groups = &mut self.queues[at];
        groups.insert(groups.partition_point(|(slot, _)| *slot < group), (group, next_offset));
        self.count += 1;
    }

    /// Where the group's last pull of the queue went on to.
    pub(crate) fn get(&self, queue: QueueIndex, group: GroupSlot) -> Option<i64> {
        let groups = self.queues.get(queue.number())?;
        groups.binary_search_by_key(&group, |(slot, _)| *slot).ok().map(|at| groups[at].1)
    }

    /// The group is gone, or continues elsewhere in this queue.
    pub(crate) fn forget(&mut self, queue: QueueIndex, group: GroupSlot) {
        if let Some(groups) = self.queues.get_mut(queue.number()) {
            self.count -= forget_in(groups, |slot| slot == group);
        }
    }

    /// The group is gone.
    pub(crate) fn forget_group(&mut self, group: GroupSlot) {
        self.forget_groups(|slot| slot == group);
    }

    /// These groups are gone.
    pub(crate) fn forget_groups(&mut self, is_gone: impl Fn(GroupSlot) -> bool) {
        self.count -= self.queues.iter_mut().map(|groups| forget_in(groups, &is_gone)).sum::<usize>();
    }

    /// Forgets queues that are there no more, by their number.
    pub(crate) fn retain(&mut self, is_there: impl Fn(usize) -> bool) {
        for (number, groups) in self.queues.iter_mut().enumerate() {
            if !groups.is_empty() && !is_there(number) {
                self.count -= std::mem::take(groups).len();
            }
        }
    }
}

fn find(groups: &mut [(GroupSlot, i64)], group: GroupSlot) -> Option<&mut (GroupSlot, i64)> {
    groups.binary_search_by_key(&group, |(slot, _)| *slot).ok().map(|at| &mut groups[at])
}

/// How many that were.
fn forget_in(groups: &mut Vec<(GroupSlot, i64)>, is_gone: impl Fn(GroupSlot) -> bool) -> usize {
    let before = groups.len();
    groups.retain(|(slot, _)| !is_gone(*slot));
    before - groups.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use storage::consume_queue::ConsumeQueues;

    use super::*;

    fn queues(count: u32) -> Vec<QueueIndex> {
        let mut queues = ConsumeQueues::default();
        (0..count).map(|queue_id| queues.find_or_add("T", queue_id)).collect()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Note(usize, u32, i64),
        Forget(usize, u32),
        ForgetGroup(u32),
        Remove(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (queue, group) = (0..4usize, 1..6u32);
        prop_oneof![
            8 => (queue.clone(), group.clone(), 0..9i64).prop_map(|(queue, group, at)| Step::Note(queue, group, at)),
            1 => (queue.clone(), group.clone()).prop_map(|(queue, group)| Step::Forget(queue, group)),
            1 => group.prop_map(Step::ForgetGroup),
            1 => queue.prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn what_is_known_is_what_was_noted_last_and_not_forgotten(steps in prop::collection::vec(step(), 1..200)) {
            let queues = queues(4);
            let (mut pulled, mut model) = (PulledOffsets::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Note(queue, group, at) => {
                        pulled.note(queues[queue], GroupSlot::numbered(group), at);
                        model.insert((queue, group), at);
                    }
                    Step::Forget(queue, group) => {
                        pulled.forget(queues[queue], GroupSlot::numbered(group));
                        model.remove(&(queue, group));
                    }
                    Step::ForgetGroup(forgotten) => {
                        pulled.forget_group(GroupSlot::numbered(forgotten));
                        model.retain(|(_, group), _| *group != forgotten);
                    }
                    Step::Remove(removed) => {
                        pulled.retain(|number| number != queues[removed].number());
                        model.retain(|(queue, _), _| *queue != removed);
                    }
                }
                prop_assert_eq!(pulled.count, model.len());
                for (queue, index) in queues.iter().enumerate() {
                    for group in 0..6 {
                        let known = pulled.get(*index, GroupSlot::numbered(group));
                        prop_assert_eq!(known, model.get(&(queue, group)).copied());
                    }
                }
            }
        }
    }

    #[test]
    fn a_full_table_still_notes_what_it_has() {
        let queues = queues(1 << 10);
        let mut pulled = PulledOffsets::default();
        for queue in &queues {
            (1..=1 << 10).for_each(|group| pulled.note(*queue, GroupSlot::numbered(group), 1));
        }
        assert_eq!(pulled.count, PULLED_OFFSETS_MAX);
        let (known, new) = (GroupSlot::numbered(7), GroupSlot::numbered(5_000));
        pulled.note(queues[3], known, 2);
        pulled.note(queues[3], new, 2);
        assert_eq!((pulled.get(queues[3], known), pulled.get(queues[3], new)), (Some(2), None));
    }

    #[test]
    fn groups_without_a_number_of_their_own_are_not_noted() {
        let mut pulled = PulledOffsets::default();
        pulled.note(queues(1)[0], GroupSlot::numbered(0), 5);
        assert_eq!(pulled.get(queues(1)[0], GroupSlot::numbered(0)), None);
    }
}
