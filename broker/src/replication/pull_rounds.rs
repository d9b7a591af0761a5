//! What a leader is giving to replicas that catch up: to each the pieces of one round of pulls, one behind the other, as far
//! as the round's last pull gives leave. Who makes and sends the pieces is somebody else's.

use std::collections::BTreeMap;

use storage::commit_log::LogPosition;

use super::wire::Pull;

/// What one pull gives leave for at most, whatever is asked for.
const LEAVE_BYTES_MAX: u32 = 8 << 20;

/// Where the next piece of a round begins.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum From {
    /// Where a pull says; it has to be looked whether this log has been there.
    Asked { end: LogPosition, applied: LogPosition },
    /// Behind the piece before.
    Position(u64),
}

impl From {
    fn position(&self) -> u64 {
        match self {
            Self::Asked { end, .. } => end.position,
            Self::Position(position) => *position,
        }
    }
}

#[derive(Copy, Clone, Debug)]
struct Round {
    number: u64,
    from: From,
    until: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct PullRounds {
    of_nodes: BTreeMap<u64, Round>,
    /// Nodes whose pieces somebody makes.
    served: Vec<u64>,
}

impl PullRounds {
    /// A node asks. True: nobody makes its pieces yet, the caller does from here on.
    pub(crate) fn ask(&mut self, node: u64, pull: &Pull) -> bool {
        let until = pull.end.position.saturating_add(u64::from(pull.bytes_wanted.clamp(1, LEAVE_BYTES_MAX)));
        let asked = From::Asked { end: pull.end, applied: pull.applied };
        match self.of_nodes.get_mut(&node) {
            Some(round) if round.number == pull.round => round.until = round.until.max(until),
            // It has waited for the very next piece too long: that is still the right one.
            Some(round) if round.from == asked || round.from == From::Position(pull.end.position) => {
                (round.number, round.until) = (pull.round, until);
            }
            _ => {
                self.of_nodes.insert(node, Round { number: pull.round, from: asked, until });
            }
        }
        let is_new = !self.served.contains(&node);
        if is_new {
            self.served.push(node);
        }
        is_new
    }

    /// What the next piece for a node begins with, and how long it may be. `None`: it gets no more for now, and whoever made
    /// its pieces is free.
    pub(crate) fn next(&mut self, node: u64) -> Option<(From, usize)> {
        let due = self.of_nodes.get(&node).filter(|round| round.from.position() < round.until);
        let due = due.map(|round| (round.from, (round.until - round.from.position()) as usize));
        if due.is_none() {
            self.served.retain(|served| *served != node);
        }
        due
    }

    /// The number of the round that a piece which begins there is one of; `None`: no more.
    pub(crate) fn number(&self, node: u64, from: From) -> Option<u64> {
        self.of_nodes.get(&node).filter(|round| round.from == from).map(|round| round.number)
    }

    /// A piece that ends there was sent.
    pub(crate) fn gave(&mut self, node: u64, end: u64) {
        if let Some(round) = self.of_nodes.get_mut(&node) {
            round.from = From::Position(end);
        }
    }

    /// The node's round is over.
    pub(crate) fn forget(&mut self, node: u64) {
        self.of_nodes.remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(round: u64, position: u64, bytes_wanted: u32) -> Pull {
        let end = LogPosition { position, index: position, term: 1, previous: 0 };
        Pull { round, end, applied: LogPosition::default(), bytes_wanted }
    }

    fn asked(round: u64, position: u64) -> From {
        let Pull { end, applied, .. } = pull(round, position, 1);
        From::Asked { end, applied }
    }

    #[test]
    fn pieces_follow_one_another_as_far_as_there_is_leave() {
        let mut rounds = PullRounds::default();
        assert!(rounds.ask(2, &pull(1, 100, 50)));
        assert_eq!(rounds.next(2), Some((asked(1, 100), 50)));
        rounds.gave(2, 130);
        assert_eq!(rounds.next(2), Some((From::Position(130), 20)));
        assert!(!rounds.ask(2, &pull(1, 130, 50)), "it is being served");
        rounds.gave(2, 150);
        assert_eq!(rounds.next(2), Some((From::Position(150), 30)));
        rounds.gave(2, 190);
        assert_eq!(rounds.next(2), None, "an entry is given whole");
        assert!(rounds.ask(2, &pull(1, 190, 50)), "whoever made the pieces has gone");
        assert_eq!(rounds.next(2), Some((From::Position(190), 50)));
    }

    #[test]
    fn a_new_round_begins_where_it_says_and_pieces_of_the_old_one_are_none() {
        let mut rounds = PullRounds::default();
        rounds.ask(2, &pull(1, 100, 50));
        rounds.gave(2, 130);
        rounds.ask(2, &pull(2, 100, 50));
        assert_eq!(rounds.next(2), Some((asked(2, 100), 50)));
        assert_eq!(rounds.number(2, From::Position(130)), None);
        assert_eq!(rounds.number(2, asked(2, 100)), Some(2));
    }

    #[test]
    fn a_piece_that_takes_long_is_given_under_the_number_that_was_asked_for_last() {
        let mut rounds = PullRounds::default();
        rounds.ask(2, &pull(1, 100, 50));
        rounds.ask(2, &pull(2, 100, 50));
        assert_eq!(rounds.number(2, asked(1, 100)), Some(2));
        rounds.gave(2, 130);
        rounds.ask(2, &pull(3, 130, 50));
        assert_eq!(rounds.number(2, From::Position(130)), Some(3));
        assert_eq!(rounds.next(2), Some((From::Position(130), 50)));
    }

    #[test]
    fn each_node_has_a_round_of_its_own_and_leave_is_bounded() {
        let mut rounds = PullRounds::default();
        assert!(rounds.ask(2, &pull(1, 0, u32::MAX)));
        assert!(rounds.ask(3, &pull(1, 7, 0)));
        assert_eq!(rounds.next(2), Some((asked(1, 0), LEAVE_BYTES_MAX as usize)));
        assert_eq!(rounds.next(3), Some((asked(1, 7), 1)));
        rounds.forget(2);
        assert_eq!(rounds.next(2), None);
        assert!(rounds.next(3).is_some());
    }
}
