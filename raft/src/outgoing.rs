//! Messages of raft on their way out: entries are looked up in the log, messages cut to size, double ones left out.

use raft::eraftpb::{Message, MessageType};

use crate::entry::EntryInfo;
use crate::options::GroupOptions;
use crate::window::Window;
use crate::work::Outgoing;

/// Turns the messages of one ready into what leaves. An append message without entries is left out if a later one begins
/// where it ends: that tells the same and more.
pub(crate) fn outgoing(messages: Vec<Message>, window: &Window, limits: &GroupOptions) -> Vec<Outgoing> {
    let mut out = Vec::with_capacity(messages.len());
    let mut rest = messages.into_iter();
    while let Some(message) = rest.next() {
        if !(is_append(&message) && message.entries.is_empty() && rest.as_slice().iter().any(follows(&message))) {
            push_outgoing(message, window, limits, &mut out);
        }
    }
    out
}

fn is_append(message: &Message) -> bool {
    message.get_msg_type() == MessageType::MsgAppend
}

fn follows(first: &Message) -> impl Fn(&Message) -> bool {
    let key = |message: &Message| (message.to, message.term, message.index, message.log_term);
    let first = key(first);
    move |message| is_append(message) && key(message) == first
}

/// One message, or several append messages if its entries are more than the limits allow in one, or none if they are no
/// longer in the log.
fn push_outgoing(mut message: Message, window: &Window, limits: &GroupOptions, out: &mut Vec<Outgoing>) {
    let entries = message.take_entries();
    if entries.is_empty() {
        return out.push(Outgoing { message, entries: Vec::new() });
    }
    let found: Option<Vec<&EntryInfo>> =
        entries.iter().map(|entry| window.get(entry.index).filter(|info| info.term == entry.term)).collect();
    let Some(found) = found else { return };
    let mut rest = found.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(fitting(rest, limits));
        let last = now[now.len() - 1].id();
        out.push(Outgoing { message: message.clone(), entries: now.iter().map(|info| (*info).clone()).collect() });
        (message.index, message.log_term) = (last.index, last.term);
        rest = later;
    }
}

/// How many of the first entries a message takes; at least one.
fn fitting(infos: &[&EntryInfo], limits: &GroupOptions) -> usize {
    let mut bytes = 0_u64;
    let over = infos.iter().position(|info| {
        bytes = bytes.saturating_add(u64::from(info.bytes));
        bytes > limits.message_bytes_max
    });
    over.unwrap_or(infos.len()).clamp(1, limits.message_entries_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{EntryId, named};

    fn window() -> Window {
        let info = |index| EntryInfo { index, term: index, position: index * 100, bytes: 100, membership: None };
        Window::new(EntryId { term: 4, index: 4 }, (5..=9).map(info))
    }

    fn append(indexes: std::ops::RangeInclusive<u64>) -> Message {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.index, message.log_term, message.commit) = (indexes.start() - 1, indexes.start() - 1, 4);
        let info = |index| named(&EntryInfo { index, term: index, position: 0, bytes: 1, membership: None });
        message.set_entries(indexes.map(info).collect::<Vec<_>>().into());
        message
    }

    fn bytes(message_bytes_max: u64) -> GroupOptions {
        GroupOptions { message_bytes_max, ..GroupOptions::new(1, 0) }
    }

    #[test]
    fn a_large_message_is_cut_into_several_that_follow_each_other() {
        let out = outgoing(vec![append(5..=9)], &window(), &bytes(200));
        let shape: Vec<_> = out
            .iter()
            .map(|out| (out.message.index, out.message.log_term, out.message.commit, out.entries.len()))
            .collect();
        assert_eq!(shape, [(4, 4, 4, 2), (6, 6, 4, 2), (8, 8, 4, 1)]);
        assert!(out.iter().all(|out| out.message.entries.is_empty()));
    }

    #[test]
    fn a_message_of_many_small_entries_is_cut_as_well() {
        let limits = GroupOptions { message_entries_max: 3, ..bytes(1 << 20) };
        let out = outgoing(vec![append(5..=9)], &window(), &limits);
        let shape: Vec<_> =
            out.iter().map(|out| (out.message.index, out.message.log_term, out.entries.len())).collect();
        assert_eq!(shape, [(4, 4, 3), (7, 7, 2)]);
    }

    #[test]
    fn an_entry_above_the_limit_travels_alone() {
        let out = outgoing(vec![append(5..=6)], &window(), &bytes(1));
        assert_eq!(out.iter().map(|out| out.entries.len()).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_message_whose_entries_were_truncated_is_dropped() {
        let mut window = window();
        window.truncate_after(7);
        assert!(outgoing(vec![append(5..=9)], &window, &bytes(1 << 20)).is_empty());
    }

    #[test]
    fn news_about_the_commit_index_alone_are_left_out_when_entries_follow() {
        let mut commit = append(7..=7);
        commit.clear_entries();
        let elsewhere = append(8..=8);
        assert_eq!(outgoing(vec![commit.clone(), append(7..=8)], &window(), &bytes(1 << 20)).len(), 1);
        assert_eq!(outgoing(vec![commit, elsewhere], &window(), &bytes(1 << 20)).len(), 2);
    }
}
