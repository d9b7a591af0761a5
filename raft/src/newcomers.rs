//! How a leader lets in those that have lost their disks.
//!
//! A replica that lost its disk may have given a vote, in any term and together with any members, to a candidate that still
//! counts votes. So it gives and confirms nothing until a leader lets it in: one that has heard of its new life, has then
//! appended an entry, and has seen that committed, which is done without the newcomer. From then on no candidate can win with
//! that vote: its other voters are not all without that entry, whatever members it goes by, and it does not have the entry
//! itself, as it began before. The same holds for what the newcomer once confirmed.
//!
//! That does not change any more, so the word of a leader holds however late it comes.

use std::collections::BTreeMap;

/// One that is to be let in.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
struct Newcomer {
    life: u64,
    /// Term of the leader that appended the entry.
    term: u64,
    /// Index of the entry.
    index: u64,
    is_told: bool,
}

/// What a leader knows of newcomers, by id.
#[derive(Default)]
pub(crate) struct Newcomers {
    known: BTreeMap<u64, Newcomer>,
}

impl Newcomers {
    /// Those of `heard`, replicas and their lives, for which nothing was appended in this term.
    pub(crate) fn due(&self, term: u64, heard: impl Iterator<Item = (u64, u64)>) -> impl Iterator<Item = (u64, u64)> {
        heard.filter(move |(id, life)| self.known.get(id).is_none_or(|known| (known.life, known.term) != (*life, term)))
    }

    /// Entry `index` was appended for these.
    pub(crate) fn appended(&mut self, term: u64, index: u64, newcomers: Vec<(u64, u64)>) {
        self.known.retain(|_, known| known.term == term);
        let new = |(id, life)| (id, Newcomer { life, term, index, is_told: false });
        self.known.extend(newcomers.into_iter().map(new));
    }

    /// Whether this life of a replica is let in by the leader of `term`, which has committed up to `committed`.
    pub(crate) fn is_let_in(&self, id: u64, life: u64, term: u64, committed: u64) -> bool {
        let known = self.known.get(&id).filter(|known| (known.life, known.term) == (life, term));
        known.is_some_and(|known| known.index <= committed)
    }

    /// Those that are let in and have not been named here.
    pub(crate) fn take_let_in(&mut self, term: u64, committed: u64) -> Vec<u64> {
        let is_new = |known: &Newcomer| !known.is_told && known.term == term && known.index <= committed;
        let new = self.known.iter_mut().filter(|(_, known)| is_new(known));
        new.map(|(id, known)| {
            known.is_told = true;
            *id
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(newcomers: &Newcomers, term: u64, heard: &[(u64, u64)]) -> Vec<(u64, u64)> {
        newcomers.due(term, heard.iter().copied()).collect()
    }

    #[test]
    fn who_is_heard_of_is_let_in_with_an_entry_appended_after_that() {
        let mut newcomers = Newcomers::default();
        assert_eq!(due(&newcomers, 3, &[(2, 70), (4, 90)]), [(2, 70), (4, 90)]);
        newcomers.appended(3, 8, vec![(2, 70)]);
        assert_eq!(due(&newcomers, 3, &[(2, 70), (4, 90)]), [(4, 90)], "it came later");
        assert!(!newcomers.is_let_in(2, 70, 3, 7) && newcomers.is_let_in(2, 70, 3, 8));
        assert!(!newcomers.is_let_in(2, 71, 3, 8), "another life");
        assert!(!newcomers.is_let_in(4, 90, 3, 8));
        assert!(newcomers.take_let_in(3, 7).is_empty());
        assert_eq!(newcomers.take_let_in(3, 8), [2]);
        assert!(newcomers.take_let_in(3, 8).is_empty(), "once");
    }

    #[test]
    fn another_term_and_another_life_begin_anew() {
        let mut newcomers = Newcomers::default();
        newcomers.appended(3, 8, vec![(2, 70)]);
        assert_eq!(due(&newcomers, 4, &[(2, 70)]), [(2, 70)], "the entry may be gone");
        assert!(!newcomers.is_let_in(2, 70, 4, 8));
        assert_eq!(due(&newcomers, 3, &[(2, 71)]), [(2, 71)]);
    }
}
