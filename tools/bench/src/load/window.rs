//! The requests in flight on one connection.

/// First opaque; all of them have ten digits, so a template's place fits every one.
const OPAQUE_MIN: u32 = 1_000_000_000;
/// Opaques that there are: up to the greatest i32.
const OPAQUES: u32 = i32::MAX as u32 - OPAQUE_MIN + 1;

/// Slots for requests that wait for their answer. An opaque says which slot, and in a part that changes with every use
/// which request in it, so that a late answer to a request that was given up is not taken for its successor's.
#[derive(Debug)]
pub(crate) struct Window {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Distance between two opaques of one slot.
    stride: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The opaque of the request in it, or of the next.
    opaque: u32,
    is_taken: bool,
    due_ns: u64,
    sent_ns: u64,
}

/// A request that was answered, or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) slot: usize,
    pub(crate) due_ns: u64,
    pub(crate) sent_ns: u64,
}

impl Window {
    /// A window of so many requests.
    pub(crate) fn new(size: usize) -> Self {
        let stride = u32::try_from(size.next_power_of_two()).expect("a window has a limit far below this");
        assert!(stride < OPAQUES / 2, "an opaque has room for the slot and a part that changes");
        let slot = |slot| Slot { opaque: OPAQUE_MIN + slot, is_taken: false, due_ns: 0, sent_ns: 0 };
        Self { slots: (0..size as u32).map(slot).collect(), free: (0..size as u32).rev().collect(), stride }
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes any free slot; returns the opaque to send.
    pub(crate) fn start(&mut self, due_ns: u64, now_ns: u64) -> Option<u64> {
        let slot = self.free.pop()?;
        let slot = &mut self.slots[slot as usize];
        (slot.is_taken, slot.due_ns, slot.sent_ns) = (true, due_ns, now_ns);
        Some(u64::from(slot.opaque))
    }

    /// The slot that an opaque of this window names.
    pub(crate) fn slot_of(&self, opaque: u64) -> usize {
        ((opaque as u32 - OPAQUE_MIN) & (self.stride - 1)) as usize
    }

    /// Frees the slot of an answered request; `None` if nobody waits for this answer.
    pub(crate) fn finish(&mut self, opaque: i32) -> Option<InFlight> {
        let opaque = u32::try_from(opaque).ok()?;
        let number = opaque.checked_sub(OPAQUE_MIN)? & (self.stride - 1);
        let slot = self.slots.get(number as usize)?;
        (slot.is_taken && slot.opaque == opaque).then(|| self.release(number))
    }

    /// Gives up all requests that were sent before `sent_before_ns`; they are handed to `lost` one by one.
    pub(crate) fn give_up(&mut self, sent_before_ns: u64, mut lost: impl FnMut(InFlight)) {
        for number in 0..self.slots.len() {
            let slot = &self.slots[number];
            if slot.is_taken && slot.sent_ns < sent_before_ns {
                lost(self.release(number as u32));
            }
        }
    }

    fn release(&mut self, number: u32) -> InFlight {
        let slot = &mut self.slots[number as usize];
        let in_flight = InFlight { slot: number as usize, due_ns: slot.due_ns, sent_ns: slot.sent_ns };
        slot.is_taken = false;
        let next = slot.opaque - OPAQUE_MIN + self.stride;
        // Every slot goes round at the same place, so that the low bits stay the slot's number.
        slot.opaque = OPAQUE_MIN + if next < OPAQUES / self.stride * self.stride { next } else { number };
        self.free.push(number);
        in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_any_order_find_their_request() {
        let mut window = Window::new(3);
        let opaques: Vec<_> = (10..13).map(|due| window.start(due, due + 100).unwrap() as i32).collect();
        assert!(!window.has_room());
        assert_eq!(window.start(0, 0), None);
        assert_eq!(window.finish(opaques[1]).unwrap().due_ns, 11);
        assert_eq!(window.finish(opaques[0]).unwrap().due_ns, 10);
        assert_eq!(window.finish(opaques[2]).unwrap().sent_ns, 112);
        assert_eq!(window.in_flight(), 0);
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_none() {
        let mut window = Window::new(2);
        let opaque = window.start(1, 1).unwrap() as i32;
        for stray in [0, -1, i32::MIN, i32::MAX, opaque + 1, opaque + 2] {
            assert_eq!(window.finish(stray), None, "{stray}");
        }
        assert!(window.finish(opaque).is_some());
        assert_eq!(window.finish(opaque), None, "the second answer to the same request");
    }

    #[test]
    fn a_late_answer_does_not_count_for_the_next_request_of_its_slot() {
        let mut window = Window::new(1);
        let late = window.start(1, 1).unwrap() as i32;
        let mut lost = Vec::new();
        window.give_up(u64::MAX, |request| lost.push(request.due_ns));
        assert_eq!(lost, [1]);
        let next = window.start(2, 2).unwrap() as i32;
        assert_ne!(late, next);
        assert_eq!(window.finish(late), None);
        assert_eq!(window.finish(next).unwrap().due_ns, 2);
    }

    #[test]
    fn only_old_requests_are_given_up() {
        let mut window = Window::new(4);
        for sent in [5, 10, 15] {
            window.start(sent, sent);
        }
        let mut lost = Vec::new();
        window.give_up(10, |request| lost.push(request.sent_ns));
        assert_eq!(lost, [5]);
        assert_eq!(window.in_flight(), 2);
    }

    #[test]
    fn opaques_keep_ten_digits_when_they_go_round() {
        let mut window = Window::new(3);
        let rounds = OPAQUES / 4 + 5;
        // Far enough to go round, without walking all the way.
        window.slots[0].opaque = OPAQUE_MIN + (rounds - 8) * 4;
        window.free = vec![0];
        let mut seen = Vec::new();
        for _ in 0..10 {
            let opaque = window.start(0, 0).unwrap();
            assert!((1_000_000_000..=2_147_483_647).contains(&opaque), "{opaque}");
            seen.push(opaque);
            assert_eq!(window.finish(opaque as i32).unwrap().slot, 0);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10);
        assert!(seen.contains(&u64::from(OPAQUE_MIN)), "it went round");
    }
}
