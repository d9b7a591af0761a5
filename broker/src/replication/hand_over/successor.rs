//! Who leads next, by what a leader knows of the others.

use raft_driver::PeerProgress;

/// The voter that is furthest among those that are there and were not `tried`; of several the one with the lowest id.
pub(crate) fn successor(progress: &[PeerProgress], tried: &[u64]) -> Option<u64> {
    let can_lead =
        |peer: &&PeerProgress| peer.is_active && !peer.is_catching_up && !peer.is_learner && !tried.contains(&peer.id);
    let furthest = progress.iter().filter(can_lead).max_by_key(|peer| (peer.matched, std::cmp::Reverse(peer.id)));
    furthest.map(|peer| peer.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: u64, matched: u64) -> PeerProgress {
        PeerProgress { id, matched, is_active: true, is_catching_up: false, is_learner: false }
    }

    #[test]
    fn the_furthest_that_was_not_tried_leads_next() {
        let progress = [peer(1, 7), peer(2, 9), peer(3, 9), peer(4, 8)];
        assert_eq!(successor(&progress, &[]), Some(2));
        assert_eq!(successor(&progress, &[2]), Some(3));
        assert_eq!(successor(&progress, &[2, 3, 4]), Some(1));
        assert_eq!(successor(&progress, &[1, 2, 3, 4]), None);
    }

    #[test]
    fn nobody_leads_who_is_away_catches_up_or_has_no_vote() {
        let away = PeerProgress { is_active: false, ..peer(1, 9) };
        let behind = PeerProgress { is_catching_up: true, ..peer(2, 9) };
        let learner = PeerProgress { is_learner: true, ..peer(3, 9) };
        assert_eq!(successor(&[away, behind, learner], &[]), None);
        assert_eq!(successor(&[away, behind, learner, peer(4, 1)], &[]), Some(4));
    }
}
