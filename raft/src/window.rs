//! The end of the log as descriptors: everything that is not applied, and what followers may still need.

use std::collections::VecDeque;

use crate::entry::{EntryId, EntryInfo};

/// Entries `first..=last` without gaps, and the name of the one before.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    before: EntryId,
    infos: VecDeque<EntryInfo>,
    /// Indexes of the entries in `infos` that change the membership.
    memberships: VecDeque<u64>,
}

impl Window {
    pub(crate) fn new(before: EntryId, entries: impl IntoIterator<Item = EntryInfo>) -> Self {
        let mut window = Self { before, infos: VecDeque::new(), memberships: VecDeque::new() };
        entries.into_iter().for_each(|info| window.push(info));
        window
    }

    /// Index of the first entry, one above `last` if there is none.
    pub(crate) fn first(&self) -> u64 {
        self.before.index + 1
    }

    /// Index of the last entry, or of the one before the window.
    pub(crate) fn last(&self) -> u64 {
        self.before.index + self.infos.len() as u64
    }

    /// Term of `index`, which may also be the entry before the window.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index == self.before.index { Some(self.before.term) } else { self.get(index).map(|info| info.term) }
    }

    pub(crate) fn get(&self, index: u64) -> Option<&EntryInfo> {
        self.infos.get(usize::try_from(index.checked_sub(self.first())?).ok()?)
    }

    /// The entries from `low` until before `high`, which lie within the window.
    pub(crate) fn range(&self, low: u64, high: u64) -> impl Iterator<Item = &EntryInfo> {
        assert!(self.first() <= low && low <= high && high <= self.last() + 1, "{low}..{high} lies in the window");
        self.infos.range((low - self.first()) as usize..(high - self.first()) as usize)
    }

    /// The first membership change above `index`.
    pub(crate) fn next_membership(&self, index: u64) -> Option<u64> {
        self.memberships.iter().copied().find(|at| *at > index)
    }

    /// The last membership change, 0 for none.
    pub(crate) fn last_membership(&self) -> u64 {
        self.memberships.back().copied().unwrap_or(0)
    }

    /// Up to here the entries are committed whatever else is known: a leader proposes a membership change only when the
    /// one before is applied.
    pub(crate) fn implied_commit(&self) -> u64 {
        let last_but_one = self.memberships.len().checked_sub(2).and_then(|at| self.memberships.get(at));
        last_but_one.copied().unwrap_or(self.before.index)
    }

    pub(crate) fn push(&mut self, info: EntryInfo) {
        assert_eq!(info.index, self.last() + 1, "entries are dense");
        assert!(Some(info.term) >= self.term(self.last()), "terms only grow");
        if info.membership.is_some() {
            self.memberships.push_back(info.index);
        }
        self.infos.push_back(info);
    }

    /// Forgets what lies above `index`.
    pub(crate) fn truncate_after(&mut self, index: u64) {
        assert!(index >= self.before.index, "what lies before the window is applied");
        self.infos.truncate((index - self.before.index) as usize);
        self.memberships.truncate(self.memberships.partition_point(|at| *at <= index));
    }

    /// Forgets what lies below `first`, which is applied.
    pub(crate) fn trim_to(&mut self, first: u64) {
        while self.first() < first {
            let Some(info) = self.infos.pop_front() else { return };
            self.before = info.id();
        }
        self.memberships.drain(..self.memberships.partition_point(|at| *at < first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(index: u64, term: u64) -> EntryInfo {
        let membership = index.is_multiple_of(3).then(Vec::new);
        EntryInfo { index, term, position: index * 100, bytes: 100, membership }
    }

    fn window() -> Window {
        Window::new(EntryId { term: 1, index: 4 }, [info(5, 1), info(6, 2), info(7, 2), info(8, 2), info(9, 3)])
    }

    #[test]
    fn the_entry_before_the_window_is_known_by_its_term() {
        let window = window();
        assert_eq!((window.first(), window.last()), (5, 9));
        assert_eq!((3..=10).map(|index| window.term(index)).collect::<Vec<_>>(), {
            [None, Some(1), Some(1), Some(2), Some(2), Some(2), Some(3), None]
        });
        assert_eq!(window.get(4), None);
        assert_eq!(window.range(6, 8).map(|info| info.index).collect::<Vec<_>>(), [6, 7]);
    }

    #[test]
    fn it_is_cut_at_both_ends() {
        let mut window = window();
        window.truncate_after(8);
        window.trim_to(7);
        assert_eq!((window.first(), window.last()), (7, 8));
        assert_eq!(window.term(6), Some(2));
        window.trim_to(20);
        assert_eq!((window.first(), window.last(), window.term(8)), (9, 8, Some(2)));
        window.push(info(9, 4));
        assert_eq!(window.last(), 9);
    }

    #[test]
    fn membership_changes_are_found_until_they_are_cut() {
        let mut window = window();
        assert_eq!((window.next_membership(4), window.next_membership(6)), (Some(6), Some(9)));
        assert_eq!(window.last_membership(), 9);
        window.truncate_after(8);
        assert_eq!((window.next_membership(6), window.last_membership()), (None, 6));
        window.trim_to(7);
        assert_eq!((window.next_membership(0), window.last_membership()), (None, 0));
    }

    #[test]
    fn a_second_membership_change_implies_that_the_first_is_committed() {
        let mut window = window();
        assert_eq!(window.implied_commit(), 6);
        window.truncate_after(8);
        assert_eq!(window.implied_commit(), 4);
    }

    #[test]
    #[should_panic(expected = "entries are dense")]
    fn a_gap_is_a_mistake_of_the_caller() {
        window().push(info(11, 3));
    }
}
