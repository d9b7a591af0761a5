//! Messages that must not leave before what they confirm is persisted.

use std::collections::VecDeque;

use raft::eraftpb::MessageType;

use crate::work::Outgoing;

/// The messages of one ready of raft.
struct Record {
    number: u64,
    /// Persisted up to here, the messages may leave.
    needs: u64,
    messages: Vec<Outgoing>,
}

/// Readies in order, each waiting for its own entries and all before.
#[derive(Default)]
pub(crate) struct HeldMessages {
    records: VecDeque<Record>,
}

impl HeldMessages {
    /// Holds the messages of ready `number`, whose entries end at `needs` (0: it has none).
    pub(crate) fn push(&mut self, number: u64, needs: u64, messages: Vec<Outgoing>) {
        self.records.push_back(Record { number, needs, messages });
    }

    /// Whether `message` says nothing that persistence could belie: a slow disk must not make a replica seem dead.
    pub(crate) fn is_free(message: &Outgoing) -> bool {
        message.message.get_msg_type() == MessageType::MsgHeartbeatResponse
    }

    /// Whether `message` confirms or carries entries above `index`.
    pub(crate) fn needs_above(message: &Outgoing, index: u64) -> bool {
        let Outgoing { message, entries } = message;
        let confirms = message.get_msg_type() == MessageType::MsgAppendResponse && !message.reject;
        (confirms && message.index > index) || entries.last().is_some_and(|entry| entry.index > index)
    }

    /// The log was cut after `index`: what lay above will never be persisted, so no message may confirm it.
    pub(crate) fn truncate_after(&mut self, index: u64) {
        for record in &mut self.records {
            record.needs = record.needs.min(index);
            record.messages.retain(|out| !Self::needs_above(out, index));
        }
    }

    /// Moves what may leave to `out`; the number of the last ready that is persisted, if any new one is.
    pub(crate) fn release(&mut self, persisted: u64, out: &mut Vec<Outgoing>) -> Option<u64> {
        let mut number = None;
        while let Some(record) = self.records.pop_front_if(|record| record.needs <= persisted) {
            out.extend(record.messages);
            number = Some(record.number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::eraftpb::Message;

    fn ack(index: u64) -> Vec<Outgoing> {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppendResponse);
        message.index = index;
        vec![Outgoing { message, entries: vec![] }]
    }

    fn released(held: &mut HeldMessages, persisted: u64) -> (Option<u64>, Vec<u64>) {
        let mut out = Vec::new();
        let number = held.release(persisted, &mut out);
        (number, out.iter().map(|out| out.message.index).collect())
    }

    #[test]
    fn messages_leave_in_order_when_their_entries_are_persisted() {
        let mut held = HeldMessages::default();
        held.push(1, 5, ack(5));
        held.push(2, 0, ack(4)); // says nothing new, but was made after the first
        held.push(3, 9, ack(9));
        assert_eq!(released(&mut held, 4), (None, vec![]));
        assert_eq!(released(&mut held, 8), (Some(2), vec![5, 4]));
        assert_eq!(released(&mut held, 9), (Some(3), vec![9]));
    }

    #[test]
    fn what_was_cut_before_it_was_persisted_is_never_confirmed() {
        let mut held = HeldMessages::default();
        held.push(1, 9, ack(9));
        held.push(2, 0, ack(6));
        held.truncate_after(7);
        held.push(3, 8, ack(8));
        assert_eq!(released(&mut held, 7), (Some(2), vec![6]));
        assert_eq!(released(&mut held, 8), (Some(3), vec![8]));
    }
}
