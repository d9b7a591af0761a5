//! Messages that are out, as those were told who popped them: until its invisible time is over, nobody else of a group is given
//! the same message, and in a group that pops in order nobody is given anything of its queue.
//!
//! When a broker gave something out is not known, but between question and answer. So only what cannot have been otherwise counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Violation, require};

/// When a client asked for something, and when it heard that it is done. It was done in between.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct Window {
    pub(super) asked: Duration,
    pub(super) heard: Duration,
}

/// What one pop keeps from all others. Groups are numbered.
#[derive(Copy, Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kept {
    /// A message, by its number.
    Message { group: usize, number: u64 },
    /// A queue that is popped in order.
    Queue { group: usize, queue_id: i32 },
}

/// A message that was given out.
#[derive(Copy, Clone, Debug)]
struct Out {
    handle: usize,
    /// Messages of one pop are out together.
    pop: u64,
    window: Window,
    invisible: Duration,
    /// Until then nobody else has it, for certain.
    until: Duration,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct PopWatch {
    out: BTreeMap<Kept, Vec<Out>>,
}

impl PopWatch {
    /// A pop gave a message out, by a handle. `clocks_off`: what clocks of those who give out may differ by.
    pub(super) fn popped(
        &mut self,
        kept: Kept,
        (pop, handle): (u64, usize),
        window: Window,
        invisible: Duration,
        clocks_off: Duration,
    ) -> Result<(), Violation> {
        let out = self.out.entry(kept).or_default();
        // Others that were given out before it was asked for, and are over, say nothing of it any more.
        out.retain(|other| other.until > window.asked);
        let new = Out { handle, pop, window, invisible, until: window.asked + invisible };
        let other = out.iter().find(|other| other.pop != pop && are_out_at_once(other, &new, clocks_off));
        require(other.is_none(), || format!("{kept:?} is given out by {new:?} while it is out by {other:?}"))?;
        out.push(new);
        Ok(())
    }

    /// Somebody is about to say that it is done, which lets others of its queue go.
    pub(super) fn ack_begins(&mut self, kept: Kept, handle: usize, at: Duration) {
        if let (Some(out), Kept::Queue { .. }) = (self.out_by(kept, handle), kept) {
            out.until = out.until.min(at);
        }
    }

    /// Somebody is about to have it come at another time from then on.
    pub(super) fn change_begins(&mut self, kept: Kept, handle: usize, at: Duration, invisible: Duration) {
        if let Some(out) = self.out_by(kept, handle) {
            out.until = out.until.min(at + invisible);
        }
    }

    /// That is done: it is out by another handle.
    pub(super) fn changed(&mut self, kept: Kept, (old, new): (usize, usize), at: Duration, invisible: Duration) {
        if let Some(out) = self.out_by(kept, old) {
            (out.handle, out.until) = (new, at + invisible);
        }
    }

    fn out_by(&mut self, kept: Kept, handle: usize) -> Option<&mut Out> {
        self.out.get_mut(&kept)?.iter_mut().find(|out| out.handle == handle)
    }
}

/// Whether, whichever of them was first, the other one came before that was over. `new` was heard of last.
fn are_out_at_once(old: &Out, new: &Out, clocks_off: Duration) -> bool {
    let too_early = new.window.heard + clocks_off < old.until;
    let was_new_first = new.window.asked <= old.window.heard;
    too_early && (!was_new_first || old.window.heard + clocks_off < new.window.asked + new.invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Kept = Kept::Message { group: 0, number: 7 };
    const QUEUE: Kept = Kept::Queue { group: 2, queue_id: 1 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn window(asked: u64, heard: u64) -> Window {
        Window { asked: ms(asked), heard: ms(heard) }
    }

    fn watch(kept: Kept) -> PopWatch {
        let mut watch = PopWatch::default();
        watch.popped(kept, (1, 1), window(100, 150), ms(1000), ms(2)).unwrap();
        watch
    }

    #[test]
    fn what_is_out_is_nobody_elses_until_its_time_is_over_by_all_clocks() {
        let again = |watch: &mut PopWatch, heard, off| {
            watch.popped(MESSAGE, (2, 2), window(heard - 10, heard), ms(500), ms(off))
        };
        assert!(again(&mut watch(MESSAGE), 1000, 2).is_err());
        again(&mut watch(MESSAGE), 1000, 100).unwrap();
        again(&mut watch(MESSAGE), 1099, 2).unwrap();
        let mut acked = watch(MESSAGE);
        acked.ack_begins(MESSAGE, 1, ms(200));
        assert!(again(&mut acked, 1000, 2).is_err(), "it is done, if anything, and does not come again");
    }

    #[test]
    fn of_answers_that_overtake_each_other_either_may_be_the_first() {
        let mut watch = watch(MESSAGE);
        // It may have been given out first, for so short that it was over before.
        watch.popped(MESSAGE, (2, 2), window(50, 160), ms(60), ms(2)).unwrap();
        assert!(watch.popped(MESSAGE, (3, 3), window(50, 170), ms(500), ms(2)).is_err());
    }

    #[test]
    fn a_changed_time_counts_from_when_it_was_asked_for_and_may_be_shorter_until_that_is_answered() {
        let mut asked = watch(MESSAGE);
        asked.change_begins(MESSAGE, 1, ms(300), ms(200));
        asked.popped(MESSAGE, (2, 2), window(490, 505), ms(10), ms(2)).unwrap();
        let mut changed = watch(MESSAGE);
        changed.change_begins(MESSAGE, 1, ms(300), ms(2000));
        changed.changed(MESSAGE, (1, 2), ms(300), ms(2000));
        assert!(changed.popped(MESSAGE, (2, 3), window(2000, 2010), ms(10), ms(2)).is_err());
        changed.popped(MESSAGE, (2, 3), window(2290, 2299), ms(10), ms(2)).unwrap();
    }

    #[test]
    fn an_acknowledgement_lets_a_queue_go_that_is_popped_in_order() {
        let next = |watch: &mut PopWatch| watch.popped(QUEUE, (2, 3), window(300, 310), ms(10), ms(2));
        assert!(next(&mut watch(QUEUE)).is_err());
        let mut acked = watch(QUEUE);
        acked.popped(QUEUE, (1, 2), window(100, 150), ms(1000), ms(2)).unwrap();
        acked.ack_begins(QUEUE, 1, ms(200));
        assert!(next(&mut acked).is_err(), "another of the same pop is out");
        acked.ack_begins(QUEUE, 2, ms(220));
        next(&mut acked).unwrap();
    }
}
