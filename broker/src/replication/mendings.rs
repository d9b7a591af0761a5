//! Which places of the log are being mended, and whose answers are waited for. No I/O and no clock of its own.

use std::collections::{BTreeMap, BTreeSet};

/// Places that are mended at once; further readers are told to come again.
const UNDER_WAY_MAX: usize = 16;
/// Entries that are given to others at once; who wants another one asks another replica.
const GIVING_MAX: usize = 32;
/// A place that could not be mended is not tried again before this.
const PAUSE_MS: i64 = 5_000;
/// Places that are remembered as told of; beyond, some are told of twice.
const TOLD_MAX: usize = 1024;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Mendings {
    under_way: BTreeMap<u64, Asked>,
    /// Places that could not be mended, and when they may be tried again.
    pauses: BTreeMap<u64, i64>,
    told: BTreeSet<u64>,
    /// Places that every other replica was asked for, and has nothing sound there.
    hopeless: BTreeSet<u64>,
    giving: usize,
    /// Places mended so far.
    pub(super) mended: u64,
    /// Tries that led to nothing.
    pub(super) failed: u64,
}

#[derive(Debug, Default)]
struct Asked {
    node: u64,
    answer: Option<Vec<u8>>,
}

/// What becomes of a reader's wish.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Begun {
    /// It is the reader's to mend.
    Own,
    /// Somebody else does already.
    Others,
    /// Not now, because.
    NotNow(&'static str),
}

impl Mendings {
    /// A read at `position` found damage.
    pub(super) fn begin(&mut self, position: u64, now_ms: i64) -> Begun {
        self.pauses.retain(|_, until_ms| *until_ms > now_ms);
        if self.under_way.contains_key(&position) {
            return Begun::Others;
        }
        if self.pauses.contains_key(&position) {
            return Begun::NotNow("no other replica could give it a moment ago; come again");
        }
        if self.under_way.len() >= UNDER_WAY_MAX {
            return Begun::NotNow("many places of the log are being mended; come again");
        }
        self.under_way.insert(position, Asked::default());
        Begun::Own
    }

    pub(super) fn is_under_way(&self, position: u64) -> bool {
        self.under_way.contains_key(&position)
    }

    /// From here on the answer of `node` counts.
    pub(super) fn asks(&mut self, position: u64, node: u64) {
        self.under_way.insert(position, Asked { node, answer: None });
    }

    /// An answer has come; one that nobody waits for is left.
    pub(super) fn answered(&mut self, position: u64, node: u64, entry: &[u8]) {
        if let Some(asked) = self.under_way.get_mut(&position).filter(|asked| asked.node == node) {
            asked.answer = Some(entry.to_vec());
        }
    }

    pub(super) fn take_answer(&mut self, position: u64) -> Option<Vec<u8>> {
        self.under_way.get_mut(&position)?.answer.take()
    }

    /// Every other replica has answered that it has nothing sound there; or somebody has not answered, and may have.
    pub(super) fn set_hopeless(&mut self, position: u64, is_hopeless: bool) {
        if !is_hopeless {
            self.hopeless.remove(&position);
        } else if self.hopeless.len() < TOLD_MAX {
            self.hopeless.insert(position);
        }
    }

    pub(super) fn is_hopeless(&self, position: u64) -> bool {
        self.hopeless.contains(&position)
    }

    /// There was nothing to mend.
    pub(super) fn leave(&mut self, position: u64) {
        self.under_way.remove(&position);
    }

    /// Another replica wants an entry. False: too many are being given.
    pub(super) fn begin_giving(&mut self) -> bool {
        let has_room = self.giving < GIVING_MAX;
        self.giving += usize::from(has_room);
        has_room
    }

    /// An entry is given.
    pub(super) fn end_giving(&mut self) {
        self.giving -= 1;
    }

    /// It is mended, or cannot be. Returns whether nobody was told of this place before.
    pub(super) fn end(&mut self, position: u64, is_mended: bool, now_ms: i64) -> bool {
        self.under_way.remove(&position);
        if is_mended {
            self.mended += 1;
        } else {
            self.failed += 1;
            if self.pauses.len() < TOLD_MAX {
                self.pauses.insert(position, now_ms + PAUSE_MS);
            }
        }
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reader_mends_and_the_others_wait() {
        let mut mendings = Mendings::default();
        assert_eq!(
            (mendings.begin(7, 0), mendings.begin(7, 0), mendings.begin(8, 0)),
            (Begun::Own, Begun::Others, Begun::Own)
        );
        assert!(mendings.end(7, true, 0) && !mendings.is_under_way(7) && mendings.is_under_way(8));
        assert_eq!(mendings.begin(7, 0), Begun::Own);
        assert!(!mendings.end(7, true, 0), "it was told of before");
        assert_eq!((mendings.mended, mendings.failed), (2, 0));
    }

    #[test]
    fn only_the_node_that_is_asked_is_heard() {
        let mut mendings = Mendings::default();
        mendings.answered(7, 2, b"unasked");
        mendings.begin(7, 0);
        mendings.asks(7, 2);
        mendings.answered(7, 3, b"late");
        assert_eq!(mendings.take_answer(7), None);
        mendings.answered(7, 2, b"entry");
        assert_eq!(mendings.take_answer(7).as_deref(), Some(&b"entry"[..]));
        assert_eq!(mendings.take_answer(7), None);
    }

    #[test]
    fn a_place_that_nobody_has_is_left_alone_for_a_while() {
        let mut mendings = Mendings::default();
        mendings.begin(7, 0);
        mendings.end(7, false, 1_000);
        assert!(matches!(mendings.begin(7, 1_000 + PAUSE_MS - 1), Begun::NotNow(_)));
        assert_eq!(mendings.begin(7, 1_000 + PAUSE_MS), Begun::Own);
    }

    #[test]
    fn a_place_is_given_up_only_while_all_others_say_that_they_do_not_have_it() {
        let mut mendings = Mendings::default();
        assert!(!mendings.is_hopeless(7));
        mendings.set_hopeless(7, true);
        assert!(mendings.is_hopeless(7) && !mendings.is_hopeless(8));
        mendings.set_hopeless(7, false);
        assert!(!mendings.is_hopeless(7));
    }

    #[test]
    fn so_many_places_at_once_and_no_more() {
        let mut mendings = Mendings::default();
        for position in 0..UNDER_WAY_MAX as u64 {
            assert_eq!(mendings.begin(position, 0), Begun::Own);
        }
        assert!(matches!(mendings.begin(999, 0), Begun::NotNow(_)));
        mendings.end(3, true, 0);
        assert_eq!(mendings.begin(999, 0), Begun::Own);
    }
}
