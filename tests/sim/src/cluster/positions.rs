//! Where consumer groups said they are, and what a broker may answer when asked.

use std::collections::BTreeMap;
use std::time::Duration;

use super::oracle::{GroupNumber, Lives, Queue, Told};
use super::sockets::LifeNumber;
use crate::{Violation, require};

/// A consumer group, from 0.
pub type ConsumerGroup = u16;

#[derive(Copy, Clone, Debug)]
struct Commit {
    offset: u64,
    /// Who answered it, and when.
    answered: Option<(LifeNumber, Duration)>,
    /// Who told of it first when asked, and when.
    told: Option<(LifeNumber, Duration)>,
}

/// All commits, in the order in which they were sent.
#[derive(Default)]
pub struct Positions {
    commits: BTreeMap<(ConsumerGroup, Queue), Vec<Commit>>,
    /// Positions asked for and compared.
    pub(super) compared: u64,
    /// Of those, how many had to be there.
    pub(super) required: u64,
}

impl Positions {
    /// A consumer is about to commit; returns the commit's number.
    pub(super) fn begin(&mut self, group: ConsumerGroup, queue: Queue, offset: u64) -> usize {
        let commits = self.commits.entry((group, queue)).or_default();
        commits.push(Commit { offset, answered: None, told: None });
        commits.len() - 1
    }

    /// Of what was said of a group nothing has to be so any more.
    pub(super) fn forget(&mut self, group: GroupNumber) {
        for (_, commits) in self.commits.iter_mut().filter(|((_, queue), _)| queue.group == group) {
            commits.iter_mut().for_each(|commit| (commit.answered, commit.told) = (None, None));
        }
    }

    /// It was answered.
    pub(super) fn answered(&mut self, group: ConsumerGroup, queue: Queue, number: usize, told: Told) {
        if let Some(commits) = self.commits.get_mut(&(group, queue)) {
            commits[number].answered = Some((told.by, told.heard));
        }
    }

    /// A consumer was told where its group is; `None`: nowhere yet. That has to be where the last commit put it which
    /// must be kept, or a later one, or one that nobody answered and that may have been done at any time.
    pub(super) fn found(
        &mut self,
        lives: &Lives,
        (group, queue): (ConsumerGroup, Queue),
        offset: Option<u64>,
        told: Told,
    ) -> Result<(), Violation> {
        if !lives.counts(&told) {
            return Ok(());
        }
        let commits = self.commits.entry((group, queue)).or_default();
        let is_known = |(by, heard)| heard <= told.asked && lives.keeps_commit(by, heard, told.by);
        let is_kept = |commit: &Commit| commit.answered.is_some_and(is_known) || commit.told.is_some_and(is_known);
        let kept = commits.iter().rposition(is_kept);
        self.compared += 1;
        self.required += u64::from(kept.is_some());
        let is_one_of = |offset: u64| {
            commits.iter().enumerate().any(|(number, commit)| {
                commit.offset == offset && (commit.answered.is_none() || kept.is_none_or(|kept| number >= kept))
            })
        };
        // A group without a position begins at 0 on a young queue.
        let may_be = match offset {
            None | Some(0) if kept.is_none() => true,
            None => false,
            Some(offset) => is_one_of(offset),
        };
        let kept = kept.map(|kept| commits[kept]);
        require(may_be, || {
            format!("group {group} is said to be at {offset:?} of {queue:?}, it committed {kept:?} for good: {told:?}")
        })?;
        // Nobody who asks later is told of less, though the commit itself was never answered.
        if let Some(commit) = commits.iter_mut().find(|commit| Some(commit.offset) == offset) {
            commit.told.get_or_insert((told.by, told.heard));
        }
        Ok(())
    }
}
