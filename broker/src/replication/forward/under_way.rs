//! What a follower has handed on and waits for. The clock is the replica's, in ticks.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::request::Ticket;

/// Requests handed on at one time; above it the connections of further ones are not read.
pub(crate) const REQUESTS_MAX: usize = 4096;
/// Bytes of them; a longer request is handed on alone.
pub(crate) const BYTES_MAX: usize = 16 << 20;
/// After this a client is told that nobody answered: 3 s, as long as clients wait for an answer by default.
const PATIENCE_TICKS: u64 = 60;
/// What was handed to a node that leads no more has this long to be answered still: 0.5 s.
const GRACE_TICKS: u64 = 10;

/// A client's request that another replica is to answer.
pub(crate) struct Handed {
    pub(crate) ticket: Ticket,
    pub(crate) client: SocketAddr,
    /// The whole frame as the client sent it.
    pub(crate) frame: Vec<u8>,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Place {
    At(u64),
    /// A node gave it back: it did not lead. Nothing of it is done.
    Returned,
}

struct Request {
    handed: Handed,
    place: Place,
    /// The tick at which it is given up.
    until: u64,
}

/// What a client is told whose request is given up.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum GivenUp {
    /// A node has it and did not answer: it may be done.
    Unknown,
    /// No node took it.
    NotDone,
}

/// Requests of clients on their way to another replica and back.
#[derive(Default)]
pub(crate) struct UnderWay {
    requests: BTreeMap<u64, Request>,
    returned: usize,
    bytes: usize,
}

impl UnderWay {
    /// Whether a request with a frame of so many bytes can be handed on now. What came back goes first.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let has_bytes = self.requests.is_empty() || self.bytes + bytes <= BYTES_MAX;
        self.returned == 0 && has_bytes && self.requests.len() < REQUESTS_MAX
    }

    /// Whether connections that wait for room are to be read again: not for each answer.
    pub(crate) fn has_much_room(&self) -> bool {
        self.returned == 0 && self.requests.len() <= REQUESTS_MAX / 2 && self.bytes <= BYTES_MAX / 2
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// A request was handed to `node` as `id`, a larger one than all before it.
    pub(crate) fn sent(&mut self, id: u64, node: u64, handed: Handed, now: u64) {
        self.bytes += handed.frame.len();
        let request = Request { handed, place: Place::At(node), until: now + PATIENCE_TICKS };
        let known = self.requests.insert(id, request);
        assert!(known.is_none(), "each request has an id of its own");
    }

    /// `node` answered. `None`: too late, or it was never asked.
    pub(crate) fn answered(&mut self, id: u64, node: u64) -> Option<Ticket> {
        let is_there = self.requests.get(&id).is_some_and(|request| request.place == Place::At(node));
        if is_there { self.remove(id).map(|request| request.handed.ticket) } else { None }
    }

    /// `node` gave a request back.
    pub(crate) fn returned(&mut self, id: u64, node: u64) {
        if let Some(request) = self.requests.get_mut(&id).filter(|request| request.place == Place::At(node)) {
            request.place = Place::Returned;
            self.returned += 1;
        }
    }

    /// Offers what came back to `send`, which says whether it went to `node`, oldest first until one does not.
    pub(crate) fn send_again(&mut self, node: u64, mut send: impl FnMut(u64, &Handed) -> bool) {
        if self.returned == 0 {
            return;
        }
        for (id, request) in &mut self.requests {
            if request.place == Place::Returned {
                if !send(*id, &request.handed) {
                    return;
                }
                request.place = Place::At(node);
                self.returned -= 1;
            }
        }
    }

    /// `leader` leads by now: what others have got is waited for a little longer only.
    pub(crate) fn lead_is_at(&mut self, leader: u64, now: u64) {
        for request in self.requests.values_mut() {
            if matches!(request.place, Place::At(node) if node != leader) {
                request.until = request.until.min(now + GRACE_TICKS);
            }
        }
    }

    /// The connection to `node` is gone, and with it every answer that it still had.
    pub(crate) fn lost(&mut self, node: u64) -> Vec<Ticket> {
        let lost = self.ids(|request| request.place == Place::At(node));
        lost.into_iter().filter_map(|id| Some(self.remove(id)?.handed.ticket)).collect()
    }

    /// What nobody answered in time. Where this node `leads` by now, what came back has nowhere to go: its clients are where
    /// they should be, and try again.
    pub(crate) fn given_up(&mut self, now: u64, leads: bool) -> Vec<(Ticket, GivenUp)> {
        let overdue = self.ids(|request| request.until <= now || (leads && request.place == Place::Returned));
        let give_up = |id| {
            let Request { handed, place, .. } = self.remove(id)?;
            let what = if place == Place::Returned { GivenUp::NotDone } else { GivenUp::Unknown };
            Some((handed.ticket, what))
        };
        overdue.into_iter().filter_map(give_up).collect()
    }

    fn ids(&self, is_wanted: impl Fn(&Request) -> bool) -> Vec<u64> {
        self.requests.iter().filter(|(_, request)| is_wanted(request)).map(|(id, _)| *id).collect()
    }

    fn remove(&mut self, id: u64) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        self.bytes -= request.handed.frame.len();
        self.returned -= usize::from(request.place == Place::Returned);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::forward::tests::ticket;

    fn handed(opaque: i32, bytes: usize) -> Handed {
        Handed { ticket: ticket(opaque), client: ([10, 0, 0, 1], 4000).into(), frame: vec![0; bytes] }
    }

    fn opaques(tickets: Vec<Ticket>) -> Vec<i32> {
        tickets.into_iter().map(|ticket| ticket.opaque).collect()
    }

    #[test]
    fn an_answer_counts_once_and_only_from_the_node_that_was_asked() {
        let mut under_way = UnderWay::default();
        under_way.sent(7, 2, handed(70, 10), 0);
        assert!(under_way.answered(7, 3).is_none() && under_way.answered(8, 2).is_none());
        assert_eq!(under_way.answered(7, 2).map(|ticket| ticket.opaque), Some(70));
        assert!(under_way.answered(7, 2).is_none() && under_way.is_empty());
    }

    #[test]
    fn what_a_node_gave_back_goes_to_the_next_one_in_order_and_before_anything_new() {
        let mut under_way = UnderWay::default();
        for id in 1..=3 {
            under_way.sent(id, 2, handed(id as i32, 10), 0);
        }
        under_way.returned(3, 2);
        under_way.returned(1, 2);
        assert!(!under_way.has_room(1) && !under_way.has_much_room());
        let mut went = Vec::new();
        under_way.send_again(3, |id, _| {
            went.push(id);
            went.len() < 2
        });
        assert_eq!(went, [1, 3]);
        under_way.send_again(3, |id, _| {
            went.push(id);
            true
        });
        assert_eq!(went, [1, 3, 3], "only what did not go is offered again");
        assert!(under_way.has_room(1));
        assert!(under_way.answered(1, 2).is_none(), "the node that gave it back has nothing to say any more");
        assert!(under_way.answered(1, 3).is_some());
    }

    #[test]
    fn a_connection_that_is_gone_takes_what_was_sent_over_it_and_nothing_else() {
        let mut under_way = UnderWay::default();
        under_way.sent(1, 2, handed(1, 10), 0);
        under_way.sent(2, 3, handed(2, 10), 0);
        under_way.sent(3, 2, handed(3, 10), 0);
        under_way.returned(3, 2);
        assert_eq!(opaques(under_way.lost(2)), [1]);
        assert!(under_way.answered(2, 3).is_some());
        under_way.send_again(3, |_, _| true);
        assert!(under_way.answered(3, 3).is_some());
    }

    #[test]
    fn a_client_that_is_given_up_hears_whether_its_request_may_be_done() {
        let mut under_way = UnderWay::default();
        under_way.sent(1, 2, handed(1, 10), 5);
        under_way.sent(2, 2, handed(2, 10), 5);
        under_way.sent(3, 2, handed(3, 10), 6);
        under_way.returned(2, 2);
        assert!(under_way.given_up(4 + PATIENCE_TICKS, false).is_empty());
        let given_up = under_way.given_up(5 + PATIENCE_TICKS, false);
        let given_up: Vec<_> = given_up.into_iter().map(|(ticket, what)| (ticket.opaque, what)).collect();
        assert_eq!(given_up, [(1, GivenUp::Unknown), (2, GivenUp::NotDone)]);
        assert!(under_way.has_room(1) && !under_way.is_empty());
    }

    #[test]
    fn what_came_back_to_the_node_that_leads_now_is_tried_again_by_its_client() {
        let mut under_way = UnderWay::default();
        under_way.sent(1, 2, handed(1, 10), 0);
        under_way.sent(2, 2, handed(2, 10), 0);
        under_way.returned(2, 2);
        let given_up = under_way.given_up(1, true);
        assert!(matches!(&given_up[..], [(ticket, GivenUp::NotDone)] if ticket.opaque == 2));
    }

    #[test]
    fn a_node_that_leads_no_more_is_not_waited_for_as_long() {
        let mut under_way = UnderWay::default();
        under_way.sent(1, 2, handed(1, 10), 0);
        under_way.sent(2, 3, handed(2, 10), 0);
        under_way.lead_is_at(3, 1);
        under_way.lead_is_at(3, 5);
        assert_eq!(under_way.given_up(GRACE_TICKS, false).len(), 0);
        let given_up = under_way.given_up(1 + GRACE_TICKS, false);
        assert!(matches!(&given_up[..], [(ticket, GivenUp::Unknown)] if ticket.opaque == 1));
    }

    #[test]
    fn no_more_than_so_many_are_under_way_and_a_long_one_goes_alone() {
        let mut under_way = UnderWay::default();
        assert!(under_way.has_room(BYTES_MAX + 1));
        under_way.sent(0, 2, handed(0, BYTES_MAX + 1), 0);
        assert!(!under_way.has_room(1));
        assert!(under_way.answered(0, 2).is_some());
        for id in 1..=REQUESTS_MAX as u64 {
            assert!(under_way.has_room(10));
            under_way.sent(id, 2, handed(0, 10), 0);
        }
        assert!(!under_way.has_room(10));
        assert!(under_way.answered(1, 2).is_some());
        assert!(under_way.has_room(10) && !under_way.has_much_room());
        assert_eq!(under_way.lost(2).len(), REQUESTS_MAX - 1);
        assert!(under_way.has_much_room() && under_way.bytes == 0);
    }
}
