//! Where a slave's log parts from its master's: found by asking for places in between. A place names the entry before it by
//! index, term and CRC, so if the master's log has stood there, all below is the same. No I/O here.

use storage::commit_log::LogPosition;

/// A search under way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Parting {
    /// The log is shared up to here; `None`: not known to be shared at all.
    low: Option<LogPosition>,
    /// The master's log never stood here.
    high: LogPosition,
    /// Places in between, in order.
    places: Vec<LogPosition>,
    asked: LogPosition,
}

/// What a search does next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Ask the master for this place.
    Ask(LogPosition),
    /// Find places between these two, and go on with [`Parting::found`].
    Find { low: LogPosition, high: LogPosition },
    /// Nothing is shared.
    Nothing,
}

impl Parting {
    /// The log ends at `end`, where the master's never stood. `checkpoint`, at or below it, is asked for first: what lies
    /// below is more trouble to step back to.
    pub(crate) fn new(checkpoint: LogPosition, end: LogPosition) -> Self {
        Self { low: None, high: end, places: Vec::new(), asked: checkpoint }
    }

    /// The place that is asked for.
    pub(crate) fn asked(&self) -> LogPosition {
        self.asked
    }

    /// The master's answer to that.
    pub(crate) fn answered(&mut self, is_shared: bool) -> Next {
        let asked = self.asked;
        if is_shared {
            self.low = Some(asked);
            self.places.retain(|place| place.position > asked.position);
        } else {
            self.high = asked;
            self.places.retain(|place| place.position < asked.position);
        }
        self.next()
    }

    /// Places between what is shared and what is not; none: the logs part at `low`.
    pub(crate) fn found(&mut self, places: Vec<LogPosition>) -> Result<Next, LogPosition> {
        match (places.is_empty(), self.low) {
            (true, Some(low)) => Err(low),
            _ => {
                self.places = places;
                Ok(self.next())
            }
        }
    }

    fn next(&mut self) -> Next {
        let Some(low) = self.low else {
            let beginning = LogPosition::default();
            if self.asked == beginning {
                return Next::Nothing;
            }
            self.asked = beginning;
            return Next::Ask(beginning);
        };
        if self.places.is_empty() {
            return Next::Find { low, high: self.high };
        }
        self.asked = self.places[self.places.len() / 2];
        Next::Ask(self.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: u64) -> LogPosition {
        LogPosition { position: index * 100, index, term: 1, previous: index as u32 }
    }

    /// Searches in a log of `end` entries that shares `shared` of them; finds some of the places only, as in a long log.
    fn search(checkpoint: u64, end: u64, shared: u64, every: u64) -> (Option<LogPosition>, u32) {
        let mut parting =
            Parting::new(if checkpoint == 0 { LogPosition::default() } else { place(checkpoint) }, place(end));
        let mut next = Next::Ask(parting.asked());
        let mut asked = 0;
        loop {
            next = match next {
                Next::Ask(at) => {
                    asked += 1;
                    parting.answered(at.index <= shared)
                }
                Next::Find { low, high } => {
                    let between = low.index + 1..high.index;
                    let all = between.end.saturating_sub(between.start);
                    let step = if all > every { every } else { 1 };
                    let places = between.step_by(step as usize).map(place).collect();
                    match parting.found(places) {
                        Ok(next) => next,
                        Err(at) => return (Some(at), asked),
                    }
                }
                Next::Nothing => return (None, asked),
            }
        }
    }

    #[test]
    fn the_last_common_entry_is_found_wherever_it_is() {
        for shared in 0..40 {
            for checkpoint in 0..=shared.min(39) {
                let (found, asked) = search(checkpoint, 40, shared, 7);
                assert_eq!(found.map(|at| at.index), Some(shared), "checkpoint {checkpoint}");
                assert!(asked < 20, "{asked}");
            }
        }
    }

    #[test]
    fn below_a_checkpoint_that_is_not_shared_the_search_goes_on_from_the_beginning() {
        assert_eq!(search(30, 40, 11, 5).0.map(|at| at.index), Some(11));
        assert_eq!(search(30, 40, 0, 5).0, Some(LogPosition::default()));
    }

    #[test]
    fn a_log_that_shares_not_even_its_beginning_shares_nothing() {
        let mut parting = Parting::new(place(3), place(9));
        assert_eq!(parting.answered(false), Next::Ask(LogPosition::default()));
        assert_eq!(parting.answered(false), Next::Nothing);
    }
}
