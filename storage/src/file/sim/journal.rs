//! Changes of names that no directory sync has covered, in the order in which they are to become durable.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::namespace::{Entry, NodeId};

/// An un-synced change of names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Change {
    pub(super) sequence: u64,
    /// The directories whose journal order it is part of.
    pub(super) directories: Vec<NodeId>,
    /// Names it takes away, and the one it gives.
    pub(super) removed: Vec<(NodeId, String)>,
    pub(super) added: Option<(NodeId, String, Entry)>,
}

/// Where a change stands among all: the sequence of its call, and how many changes came before it.
type Position = (u64, u64);

/// See the module's text. What a sync covers is found by directory: it costs what it reaches, however many changes wait elsewhere.
#[derive(Default)]
pub(super) struct Journal {
    changes: BTreeMap<Position, Change>,
    by_directory: BTreeSet<(NodeId, Position)>,
    /// Changes that there ever were.
    count: u64,
}

impl Journal {
    /// Adds the newest change.
    pub(super) fn push(&mut self, change: Change) {
        let at = (change.sequence, self.count);
        assert!(self.changes.last_key_value().is_none_or(|(last, _)| *last < at), "changes come in the order of calls");
        self.count += 1;
        self.by_directory.extend(change.directories.iter().map(|directory| (*directory, at)));
        self.changes.insert(at, change);
    }

    /// Takes out, oldest first, what a sync of `directory` makes durable: its changes before `sequence`, and those in other
    /// directories that come before them in a journal. At most `changes_max`.
    pub(super) fn take_synced(&mut self, directory: NodeId, sequence: u64, changes_max: usize) -> Vec<Change> {
        let mut reached = BTreeSet::from([directory]);
        let mut chosen = BTreeSet::new();
        // Of each directory reached, the newest change that was not looked at: all of them are older than those that were.
        let mut ahead = BinaryHeap::from_iter(self.newest_before(directory, (sequence, 0)));
        while let Some((at, directory)) = ahead.pop() {
            ahead.extend(self.newest_before(directory, at));
            if !chosen.insert(at) {
                continue;
            }
            for touched in &self.changes[&at].directories {
                if reached.insert(*touched) {
                    ahead.extend(self.newest_before(*touched, at));
                }
            }
        }
        chosen.into_iter().take(changes_max).map(|at| self.remove(at)).collect()
    }

    fn newest_before(&self, directory: NodeId, end: Position) -> Option<(Position, NodeId)> {
        let newest = self.by_directory.range((directory, Position::default())..(directory, end)).next_back();
        newest.map(|(directory, at)| (*at, *directory))
    }

    fn remove(&mut self, at: Position) -> Change {
        let change = self.changes.remove(&at).expect("it was found in here");
        for directory in &change.directories {
            self.by_directory.remove(&(*directory, at));
        }
        change
    }

    /// Drops the changes that would name `entry`.
    pub(super) fn drop_names_of(&mut self, entry: Entry) {
        let names = |change: &Change| matches!(&change.added, Some((_, _, added)) if *added == entry);
        let dropped: Vec<Position> =
            self.changes.iter().filter(|(_, change)| names(change)).map(|(at, _)| *at).collect();
        for at in dropped {
            self.remove(at);
        }
    }

    /// Takes out all that is left, oldest first.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Change> + use<> {
        self.by_directory.clear();
        std::mem::take(&mut self.changes).into_values()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIRECTORIES: u64 = 6;

    #[derive(Clone, Debug)]
    enum Step {
        /// The sequence grows by the first, the rest are directories.
        Push(u64, Vec<u64>),
        Sync {
            directory: u64,
            /// How much older than the newest change it was called.
            age: u64,
            changes_max: usize,
        },
        DropNames(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let directory = 0..DIRECTORIES;
        let directories = prop_oneof![
            2 => prop::collection::vec(directory.clone(), 1),
            1 => prop::collection::vec(directory.clone(), 2),
        ];
        let changes_max = prop_oneof![3 => Just(usize::MAX), 1 => 0..4usize];
        prop_oneof![
            8 => (0..2u64, directories).prop_map(|(later, directories)| Step::Push(later, directories)),
            2 => (directory, 0..6u64, changes_max)
                .prop_map(|(directory, age, changes_max)| Step::Sync { directory, age, changes_max }),
            1 => (0..40u64).prop_map(Step::DropNames),
        ]
    }

    fn change(sequence: u64, directories: &[u64], number: u64) -> Change {
        let directories: Vec<NodeId> = directories.iter().copied().map(NodeId).collect();
        let added = Some((directories[0], format!("name {number}"), Entry::File(NodeId(DIRECTORIES + number))));
        Change { sequence, directories, removed: Vec::new(), added }
    }

    /// The rule as it is said: back from the newest change, whatever touches a directory that was reached.
    fn take_synced(pending: &mut Vec<Change>, directory: NodeId, sequence: u64, changes_max: usize) -> Vec<Change> {
        let mut reached = BTreeSet::from([directory]);
        let mut chosen = vec![false; pending.len()];
        for (change, chosen) in pending.iter().zip(&mut chosen).rev() {
            if change.sequence < sequence && change.directories.iter().any(|touched| reached.contains(touched)) {
                *chosen = true;
                reached.extend(&change.directories);
            }
        }
        let mut synced = Vec::new();
        for (change, chosen) in std::mem::take(pending).into_iter().zip(chosen) {
            let taken = chosen && synced.len() < changes_max;
            let side = if taken { &mut synced } else { &mut *pending };
            side.push(change);
        }
        synced
    }

    proptest! {
        #[test]
        fn a_sync_takes_what_a_walk_back_over_all_changes_reaches(steps in prop::collection::vec(step(), 1..120)) {
            let (mut journal, mut model) = (Journal::default(), Vec::new());
            let (mut sequence, mut pushed) = (1, 0);
            for step in steps {
                match step {
                    Step::Push(later, directories) => {
                        sequence += later;
                        let change = change(sequence, &directories, pushed);
                        pushed += 1;
                        journal.push(change.clone());
                        model.push(change);
                    }
                    Step::Sync { directory, age, changes_max } => {
                        let (directory, sequence) = (NodeId(directory), (sequence + 1).saturating_sub(age));
                        let synced = journal.take_synced(directory, sequence, changes_max);
                        prop_assert_eq!(synced, take_synced(&mut model, directory, sequence, changes_max));
                    }
                    Step::DropNames(number) => {
                        let entry = Entry::File(NodeId(DIRECTORIES + number));
                        journal.drop_names_of(entry);
                        model.retain(|change| change.added.as_ref().is_none_or(|(_, _, added)| *added != entry));
                    }
                }
            }
            prop_assert_eq!(journal.take_all().collect::<Vec<_>>(), model);
            prop_assert!(journal.by_directory.is_empty());
        }
    }
}
