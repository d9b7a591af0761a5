//! Which connection goes to which broker, has which queues, and belongs to which worker.

use super::cluster::{Cluster, Queue, ReadQueue};

/// A connection that sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendPlace {
    /// Its number among all connections that send; the schedule goes by it.
    pub(crate) number: usize,
    pub(crate) master: usize,
    /// Indices among the cluster's queues to send to.
    pub(crate) queues: Vec<usize>,
    /// Which of them comes first.
    pub(crate) first_queue: usize,
}

/// A connection that receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivePlace {
    pub(crate) master: usize,
    pub(crate) queues: Vec<ReadQueue>,
}

/// Spreads connections that send over the masters in turn. Masters without a queue get none.
pub(crate) fn place_senders(cluster: &Cluster, connections: usize) -> Vec<SendPlace> {
    let masters = masters_of(cluster.write_queues.iter());
    let mut places = Vec::new();
    for number in 0..connections {
        let (master, turn) = (masters[number % masters.len()], number / masters.len());
        let of_master = |(_, queue): &(usize, &Queue)| queue.master == master;
        let queues: Vec<_> =
            cluster.write_queues.iter().enumerate().filter(of_master).map(|(index, _)| index).collect();
        // The connections of a master begin far from each other, so that they do not walk its queues in step.
        let of_this_master = connections.div_ceil(masters.len());
        let first_queue = turn * queues.len() / of_this_master;
        places.push(SendPlace { number, master, queues, first_queue });
    }
    places
}

/// Spreads the queues to read over connections: at least one a master, never more than a master has queues.
pub(crate) fn place_receivers(cluster: &Cluster, connections: usize) -> Vec<ReceivePlace> {
    let masters = masters_of(cluster.read_queues.iter().map(|read| &read.queue));
    let mut places = Vec::new();
    for (index, master) in masters.iter().enumerate() {
        let queues: Vec<_> = cluster.read_queues.iter().filter(|read| read.queue.master == *master).collect();
        let share = connections / masters.len() + usize::from(index < connections % masters.len());
        let share = share.clamp(1, queues.len());
        for turn in 0..share {
            let queues = queues.iter().skip(turn).step_by(share).map(|read| (*read).clone()).collect();
            places.push(ReceivePlace { master: *master, queues });
        }
    }
    places
}

fn masters_of<'a>(queues: impl Iterator<Item = &'a Queue>) -> Vec<usize> {
    let mut masters: Vec<_> = queues.map(|queue| queue.master).collect();
    masters.sort_unstable();
    masters.dedup();
    masters
}

/// What a reader should know of a placement that is not what it looks like.
pub(crate) fn notes(cluster: &Cluster, senders: &[SendPlace], asked: usize, receivers: &[ReceivePlace]) -> Vec<String> {
    let mut notes = Vec::new();
    let masters = masters_of(cluster.write_queues.iter()).len();
    if senders.len() < masters && !senders.is_empty() {
        let idle = masters - senders.len();
        let connections = senders.len();
        notes.push(format!(
            "{idle} of {masters} brokers get no messages: there are only {connections} connections that send"
        ));
    }
    if !receivers.is_empty() && receivers.len() < asked {
        notes.push(format!("{} connections receive instead of {asked}: there are no more queues", receivers.len()));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::cluster::Master;
    use super::*;

    fn cluster(masters: usize, topics: usize, queue_ids: i32) -> Cluster {
        let master = |number| Master { name: format!("b{number}"), address: format!("h:{number}") };
        let mut write_queues = Vec::new();
        for queue_id in 0..queue_ids {
            for topic in 0..topics {
                write_queues.extend((0..masters).map(|master| Queue { topic, master, queue_id }));
            }
        }
        let read_queues = write_queues.iter().map(|queue| ReadQueue { queue: queue.clone(), offset: 0, end: 0 });
        Cluster { masters: (0..masters).map(master).collect(), read_queues: read_queues.collect(), write_queues }
    }

    #[test]
    fn connections_that_send_take_the_masters_in_turn_and_all_their_queues() {
        let cluster = cluster(2, 2, 4);
        let places = place_senders(&cluster, 4);
        let masters: Vec<_> = places.iter().map(|place| place.master).collect();
        assert_eq!(masters, [0, 1, 0, 1]);
        for place in &places {
            assert_eq!(place.queues.len(), 8);
            assert!(place.queues.iter().all(|queue| cluster.write_queues[*queue].master == place.master));
        }
        let first: Vec<_> = places.iter().map(|place| place.first_queue).collect();
        assert_eq!(first, [0, 0, 4, 4]);
    }

    #[test]
    fn neighbours_of_a_connection_s_queues_are_of_different_topics() {
        let cluster = cluster(1, 3, 2);
        let place = &place_senders(&cluster, 1)[0];
        let topics: Vec<_> = place.queues.iter().map(|queue| cluster.write_queues[*queue].topic).collect();
        assert_eq!(topics, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn every_queue_is_read_by_exactly_one_connection() {
        for (masters, connections) in [(1, 1), (1, 3), (2, 1), (2, 5), (3, 100)] {
            let cluster = cluster(masters, 2, 4);
            let places = place_receivers(&cluster, connections);
            let mut read: Vec<_> = places.iter().flat_map(|place| &place.queues).collect();
            assert!(places.iter().all(|place| place.queues.iter().all(|read| read.queue.master == place.master)));
            read.sort_by_key(|read| (read.queue.queue_id, read.queue.topic, read.queue.master));
            assert!(read.iter().map(|read| &read.queue).eq(cluster.write_queues.iter()));
            assert_eq!(places.len(), connections.clamp(masters, masters * 8), "{masters} {connections}");
        }
    }

    #[test]
    fn too_few_and_too_many_connections_are_noted() {
        let cluster = cluster(3, 1, 1);
        let (senders, receivers) = (place_senders(&cluster, 2), place_receivers(&cluster, 4));
        let notes = notes(&cluster, &senders, 4, &receivers);
        assert_eq!(
            notes,
            [
                "1 of 3 brokers get no messages: there are only 2 connections that send",
                "3 connections receive instead of 4: there are no more queues"
            ]
        );
    }
}
