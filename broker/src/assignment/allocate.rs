//! Which queues are a member's share.

use protocol::body::MessageQueue;

/// How queues are shared out, by the name that clients give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// `AVG`: neighbours together, the first members get one more where it does not come out even.
    Average,
    /// `AVG_BY_CIRCLE`: dealt out one by one.
    AverageByCircle,
}

impl Strategy {
    /// The strategy of this name; the others a client may have are computed by clients alone, here as by the reference.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "AVG" => Some(Self::Average),
            "AVG_BY_CIRCLE" => Some(Self::AverageByCircle),
            _ => None,
        }
    }

    /// The share of the `member`th of `members`. Both lists are sorted, and the same on every broker.
    fn share(self, queues: &[MessageQueue], member: usize, members: usize) -> Vec<&MessageQueue> {
        match self {
            Self::Average => {
                let (each, rest) = (queues.len() / members, queues.len() % members);
                let first = member * each + member.min(rest);
                let count = each + usize::from(member < rest);
                queues[first..first + count].iter().collect()
            }
            Self::AverageByCircle => queues.iter().skip(member).step_by(members).collect(),
        }
    }
}

/// The queues of `client_id` where members pull: each queue is one member's. Nobody's but the members' are shared out, so
/// one that is not among `members` gets nothing.
pub fn pulled(
    strategy: Strategy,
    queues: &[MessageQueue],
    client_id: &str,
    members: &[impl AsRef<str>],
) -> Vec<MessageQueue> {
    let Some(member) = position(members, client_id) else { return Vec::new() };
    strategy.share(queues, member, members.len()).into_iter().cloned().collect()
}

/// The queues of `client_id` where members pop, and several may share a queue: with `share_queues` each has also what is
/// the share of that many members behind it. Where that is everybody, or the number says everybody (0, negative), all
/// queues are everybody's, and one with the id -1 stands for all that the topic has on a broker. Where there are more
/// members than queues each has one.
pub fn popped(
    strategy: Strategy,
    queues: &[MessageQueue],
    client_id: &str,
    members: &[impl AsRef<str>],
    share_queues: i32,
) -> Vec<MessageQueue> {
    let shares = usize::try_from(share_queues).unwrap_or(0);
    let mut assigned: Vec<MessageQueue> = if shares == 0 || shares + 1 >= members.len() {
        let on_broker = |queue: &MessageQueue| MessageQueue { queue_id: -1, ..queue.clone() };
        queues.iter().map(on_broker).collect()
    } else {
        let Some(member) = position(members, client_id).filter(|_| !queues.is_empty()) else { return Vec::new() };
        if members.len() <= queues.len() {
            let behind = (0..=shares).map(|step| (member + step) % members.len());
            behind.flat_map(|member| strategy.share(queues, member, members.len())).cloned().collect()
        } else {
            vec![queues[member % queues.len()].clone()]
        }
    };
    assigned.sort_unstable();
    assigned.dedup();
    assigned
}

fn position(members: &[impl AsRef<str>], client_id: &str) -> Option<usize> {
    members.iter().position(|member| member.as_ref() == client_id)
}

#[cfg(test)]
mod tests {
    use super::Strategy;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn queues(count: i32) -> Vec<MessageQueue> {
        (0..count).map(|id| MessageQueue::new("T", format!("b{}", id / 4), id % 4)).collect()
    }

    fn members(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("client-{number:03}")).collect()
    }

    fn numbers(of: &[MessageQueue], all: &[MessageQueue]) -> Vec<usize> {
        of.iter().map(|queue| all.iter().position(|other| other == queue).unwrap()).collect()
    }

    /// Worked out by hand from the rule, 10 queues and 4 members.
    #[test]
    fn ten_queues_go_to_four_members_as_each_strategy_says() {
        let (queues, members) = (queues(10), members(4));
        let shares = |strategy| -> Vec<Vec<usize>> {
            members.iter().map(|id| numbers(&pulled(strategy, &queues, id, &members), &queues)).collect()
        };
        assert_eq!(shares(Strategy::Average), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7], vec![8, 9]]);
        assert_eq!(shares(Strategy::AverageByCircle), [vec![0, 4, 8], vec![1, 5, 9], vec![2, 6], vec![3, 7]]);
    }

    #[test]
    fn whoever_is_no_member_gets_nothing() {
        assert_eq!(pulled(Strategy::Average, &queues(4), "stranger", &members(2)), []);
        assert_eq!(popped(Strategy::Average, &queues(4), "stranger", &members(4), 1), []);
    }

    #[test]
    fn members_that_pop_have_all_queues_of_each_broker_unless_few_share_one() {
        let (queues, four) = (queues(8), members(4));
        let of_brokers = [MessageQueue::new("T", "b0", -1), MessageQueue::new("T", "b1", -1)];
        for everybody in [-1, 0, 3, 4, i32::MAX, i32::MIN] {
            assert_eq!(popped(Strategy::Average, &queues, &four[1], &four, everybody), of_brokers);
        }
        let second = popped(Strategy::Average, &queues, &four[1], &four, 1);
        assert_eq!(numbers(&second, &queues), [2, 3, 4, 5]);
        let last = popped(Strategy::Average, &queues, &four[3], &four, 2);
        assert_eq!(numbers(&last, &queues), [0, 1, 2, 3, 6, 7]);
        let twelve = members(12);
        let ninth = popped(Strategy::Average, &queues, &twelve[9], &twelve, 2);
        assert_eq!(numbers(&ninth, &queues), [1]);
    }

    proptest! {
        #[test]
        fn every_queue_is_one_member_s_and_shares_differ_by_one(queue_count in 0..40i32, member_count in 1..20usize) {
            let (queues, members) = (queues(queue_count), members(member_count));
            for strategy in [Strategy::Average, Strategy::AverageByCircle] {
                let shares: Vec<_> = members.iter().map(|id| pulled(strategy, &queues, id, &members)).collect();
                let all: BTreeSet<_> = shares.iter().flatten().collect();
                prop_assert_eq!(all.len(), queues.len());
                prop_assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), queues.len());
                let sizes = || shares.iter().map(Vec::len);
                prop_assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
            }
        }

        #[test]
        fn members_that_pop_reach_every_queue(queue_count in 1..40i32, member_count in 1..50usize, share in -2..60i32) {
            let (queues, members) = (queues(queue_count), members(member_count));
            let mut reached = BTreeSet::new();
            for id in &members {
                let share = popped(Strategy::AverageByCircle, &queues, id, &members, share);
                prop_assert!(!share.is_empty());
                for queue in share {
                    let is_it = |other: &&MessageQueue| other.broker_name == queue.broker_name
                        && (queue.queue_id == -1 || other.queue_id == queue.queue_id);
                    reached.extend(queues.iter().filter(is_it));
                }
            }
            prop_assert_eq!(reached.len(), queues.len());
        }
    }
}
