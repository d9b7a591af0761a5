//! What is still to be consumed at a broker, group by group, and how fast that becomes less.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protocol::body::{ConsumeStats, MessageQueue};
use protocol::topic_name::is_retry_topic;
use serde::Serialize;

use crate::rows::Row;
use crate::table::{Align, Table};

/// How far back a rate looks.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Why a group is, or is not, waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum GroupState {
    Online,
    /// Nobody consumes: its backlog stays as it is.
    Offline,
    /// It listens to a topic with messages and has not said yet where it begins.
    Starting,
    /// Members keep their offsets themselves, so nobody else knows what is left.
    Broadcasting,
    /// The operator does not wait for it.
    Excepted,
}

impl GroupState {
    fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "OFFLINE",
            Self::Starting => "starting",
            Self::Broadcasting => "broadcasting",
            Self::Excepted => "excepted",
        }
    }
}

/// A group's backlog.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupBacklog {
    pub(super) group: String,
    pub(super) state: GroupState,
    pub(super) members: usize,
    /// Messages that it has not consumed, those of its retry topic too.
    pub(super) left: i64,
    /// Of these, in its retry topic.
    pub(super) retry_left: i64,
    /// Messages that the backlog lost a second lately.
    pub(super) rate: Option<f64>,
    /// Until nothing is left, at this rate.
    pub(super) seconds_left: Option<u64>,
}

impl Row for GroupBacklog {
    const COLUMNS: &'static [(&'static str, Align)] = &[
        ("GROUP", Align::Left),
        ("STATE", Align::Left),
        ("MEMBERS", Align::Right),
        ("LEFT", Align::Right),
        ("OF RETRIES", Align::Right),
        ("RATE /S", Align::Right),
        ("SECONDS LEFT", Align::Right),
    ];

    fn fill(&self, table: &mut Table) {
        let rate = self.rate.map(|rate| format!("{rate:.0}")).unwrap_or_default();
        let seconds = self.seconds_left.map(|seconds| seconds.to_string()).unwrap_or_default();
        table.row([&self.group, &self.state.name(), &self.members, &self.left, &self.retry_left, &rate, &seconds]);
    }
}

impl GroupBacklog {
    /// What is left of the topics that are of interest, by all that a broker says of the group.
    pub(super) fn count(group: &str, stats: &[ConsumeStats], is_of_interest: impl Fn(&MessageQueue) -> bool) -> Self {
        let (mut left, mut retry_left) = (0, 0);
        for (queue, offsets) in stats.iter().flat_map(|stats| &stats.offset_table).filter(|(of, _)| is_of_interest(of))
        {
            let diff = (offsets.broker_offset - offsets.consumer_offset.max(0)).max(0);
            left += diff;
            if is_retry_topic(&queue.topic) {
                retry_left += diff;
            }
        }
        let state = GroupState::Online;
        Self { group: group.to_owned(), state, members: 0, left, retry_left, rate: None, seconds_left: None }
    }

    /// Whether it stands between the source and its end.
    pub(super) fn is_waited_for(&self) -> bool {
        match self.state {
            GroupState::Online | GroupState::Offline => self.left > 0,
            GroupState::Starting => true,
            GroupState::Broadcasting | GroupState::Excepted => false,
        }
    }
}

/// How fast backlogs become less.
#[derive(Debug, Default)]
pub(super) struct Rates {
    looks: VecDeque<(Duration, BTreeMap<String, i64>)>,
}

impl Rates {
    /// Notes a look, at a time since the first, and fills in rates and estimates.
    pub(super) fn look(&mut self, at: Duration, groups: &mut [GroupBacklog]) {
        let now = groups.iter().map(|group| (group.group.clone(), group.left)).collect();
        self.looks.push_back((at, now));
        while self.looks.len() > 2 && self.looks.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) >= RATE_WINDOW)
        {
            self.looks.pop_front();
        }
        let Some((then, before)) = self.looks.front() else { return };
        let seconds = at.saturating_sub(*then).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        for group in groups {
            let Some(before) = before.get(&group.group) else { continue };
            let rate = ((before - group.left) as f64 / seconds).max(0.0);
            group.rate = Some(rate);
            group.seconds_left = (rate > 0.0 && group.left > 0).then(|| (group.left as f64 / rate).ceil() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::ConsumeOffsets;

    use super::*;

    fn stats(queues: &[(&str, i64, i64)]) -> ConsumeStats {
        let entry = |(topic, broker_offset, consumer_offset): &(&str, i64, i64)| {
            let offsets = ConsumeOffsets {
                broker_offset: *broker_offset,
                consumer_offset: *consumer_offset,
                ..ConsumeOffsets::default()
            };
            (MessageQueue::new(*topic, "b", 0), offsets)
        };
        ConsumeStats { offset_table: queues.iter().map(entry).collect(), ..ConsumeStats::default() }
    }

    #[test]
    fn retries_are_part_of_what_is_left() {
        let stats = [stats(&[("orders", 10, 4), ("%RETRY%g", 3, 1)]), stats(&[("other", 9, 0), ("new", 5, -1)])];
        let backlog = GroupBacklog::count("g", &stats, |queue| queue.topic != "other");
        assert_eq!((backlog.left, backlog.retry_left), (6 + 2 + 5, 2));
        assert!(backlog.is_waited_for());
    }

    #[test]
    fn an_offset_behind_the_end_hides_no_other_queue() {
        let backlog = GroupBacklog::count("g", &[stats(&[("a", 2, 7), ("b", 3, 0)])], |_| true);
        assert_eq!(backlog.left, 3);
    }

    #[test]
    fn the_estimate_goes_by_the_last_seconds() {
        let mut rates = Rates::default();
        let mut at = |second: u64, left: i64| {
            let mut groups = [GroupBacklog::count("g", &[stats(&[("a", left, 0)])], |_| true)];
            rates.look(Duration::from_secs(second), &mut groups);
            (groups[0].rate, groups[0].seconds_left)
        };
        assert_eq!(at(0, 1000), (None, None));
        assert_eq!(at(1, 900), (Some(100.0), Some(9)));
        assert_eq!(at(5, 900), (Some(20.0), Some(45)));
        // The fast first second is more than ten seconds ago.
        assert_eq!(at(15, 400), (Some(50.0), Some(8)));
        assert_eq!(at(16, 500), (Some(400.0 / 11.0), Some(14)));
    }
}
