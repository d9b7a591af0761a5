//! The open loop: when each request is due, whether or not the ones before it are answered.

use crate::clock::SECOND_NS;

/// Due times of one worker's connections. All connections of the run take turns, so the requests are evenly spread over
/// time and over connections, however these are shared out among workers: request `n` of the run is due at
/// `n / rate` after its start, on connection `n % connections`.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    start_ns: u64,
    interval_ns: f64,
    connections: u64,
    /// Numbers of this worker's connections in the run, ascending.
    own: Vec<u64>,
    round: u64,
    next: usize,
}

impl Schedule {
    /// `requests_per_second` over all `connections`, of which `own` are this worker's.
    pub(crate) fn new(start_ns: u64, requests_per_second: f64, connections: u64, own: Vec<u64>) -> Self {
        assert!(own.is_sorted() && own.iter().all(|number| *number < connections));
        let interval_ns = SECOND_NS as f64 / requests_per_second;
        Self { start_ns, interval_ns, connections, own, round: 0, next: 0 }
    }

    /// When the next request is due; `None` without connections.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        Some(self.due_ns(self.round, *self.own.get(self.next)?))
    }

    /// Moves on; returns the place in `own` of the connection that owes the request that was next.
    pub(crate) fn advance(&mut self) -> usize {
        let place = self.next;
        self.next += 1;
        if self.next == self.own.len() {
            (self.round, self.next) = (self.round + 1, 0);
        }
        place
    }

    /// The due times of the connection at `place` in `own`, from its first request on.
    pub(crate) fn of_connection(&self, place: usize) -> ConnectionSchedule {
        ConnectionSchedule { schedule: Self { own: Vec::new(), ..self.clone() }, number: self.own[place], round: 0 }
    }

    fn due_ns(&self, round: u64, connection: u64) -> u64 {
        // Multiplied anew for every request: summing up intervals would sum up their rounding too.
        let number = round * self.connections + connection;
        self.start_ns + (number as f64 * self.interval_ns) as u64
    }
}

/// Due times of one connection, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSchedule {
    schedule: Schedule,
    number: u64,
    round: u64,
}

impl ConnectionSchedule {
    pub(crate) fn take_ns(&mut self) -> u64 {
        let due = self.schedule.due_ns(self.round, self.number);
        self.round += 1;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(schedule: &mut Schedule, count: usize) -> Vec<(u64, usize)> {
        (0..count).map(|_| (schedule.next_due_ns().unwrap(), schedule.advance())).collect()
    }

    #[test]
    fn requests_are_evenly_spread_over_time_and_connections() {
        let mut schedule = Schedule::new(1_000, 1e6, 3, vec![0, 1, 2]);
        let expected = [(1_000, 0), (2_000, 1), (3_000, 2), (4_000, 0), (5_000, 1)];
        assert_eq!(take(&mut schedule, 5), expected);
    }

    #[test]
    fn the_workers_together_have_every_request_once() {
        let mut all = Vec::new();
        for own in [vec![0, 2, 4], vec![1, 3]] {
            let mut schedule = Schedule::new(0, 1e6, 5, own.clone());
            let count = own.len() * 4;
            all.extend(take(&mut schedule, count).into_iter().map(|(due, place)| (due, own[place])));
        }
        all.sort_unstable();
        let expected: Vec<_> = (0..20).map(|number| (number * 1_000, number % 5)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_connection_has_the_times_that_the_worker_gave_it() {
        let mut schedule = Schedule::new(7, 3_000.0, 4, vec![1, 3]);
        let mut own = [schedule.of_connection(0), schedule.of_connection(1)];
        for (due, place) in take(&mut schedule, 100) {
            assert_eq!(own[place].take_ns(), due);
        }
    }

    #[test]
    fn an_odd_rate_does_not_drift() {
        let mut schedule = Schedule::new(0, 27_000.0, 8, (0..8).collect());
        for _ in 0..27_000 * 60 {
            schedule.advance();
        }
        assert_eq!(schedule.next_due_ns(), Some(60 * SECOND_NS));
    }

    #[test]
    fn a_worker_without_connections_owes_nothing() {
        assert_eq!(Schedule::new(0, 1.0, 4, Vec::new()).next_due_ns(), None);
    }
}
