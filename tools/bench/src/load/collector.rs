//! Puts together what the workers report: a sample when all of them have ended a second, the sums at the end.

use std::collections::BTreeMap;

use super::probes::{Probe, UseSum};
use super::tally::{Tallies, Tally};
use super::worker::{Finished, Slice};
use crate::clock::{MILLISECOND_NS, SECOND_NS};
use crate::observer::Snapshot;
use crate::report::{EndedBy, Percentiles, Sample, SideSample};

/// See the module.
#[derive(Debug)]
pub(crate) struct Collector {
    workers: usize,
    sides: Sides,
    /// Messages of one request.
    batch: u64,
    start_ns: u64,
    measure_ns: u64,
    broker_pids: Vec<u32>,
    /// Seconds that not all workers have ended.
    open: BTreeMap<u32, Second>,
    finished: Vec<Finished>,
    /// The look at the end of the second before.
    before: Probe,
    /// Looks at the ends of seconds, taken on time.
    probes: BTreeMap<u32, Probe>,
    pub(crate) measured: Tallies,
    pub(crate) late: Tallies,
    pub(crate) samples: Vec<Sample>,
    pub(crate) own_use: UseSum,
    pub(crate) broker_use: Vec<UseSum>,
}

/// Which sides a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) sends: bool,
    pub(crate) receives: bool,
}

#[derive(Debug)]
struct Second {
    workers: usize,
    begin_ns: u64,
    end_ns: u64,
    is_warm_up: bool,
    tallies: Tallies,
    owed: u64,
}

impl Collector {
    pub(crate) fn new(
        workers: usize,
        sides: Sides,
        batch: u64,
        (start_ns, measure_ns): (u64, u64),
        broker_pids: &[u32],
    ) -> Self {
        Self {
            workers,
            sides,
            batch,
            start_ns,
            measure_ns,
            broker_pids: broker_pids.to_vec(),
            open: BTreeMap::new(),
            finished: Vec::new(),
            before: Probe::take(broker_pids),
            probes: BTreeMap::new(),
            measured: Tallies::new(),
            late: Tallies::new(),
            samples: Vec::new(),
            own_use: UseSum::default(),
            broker_use: vec![UseSum::default(); broker_pids.len()],
        }
    }

    /// Looks at the processes, at the end of second `number`.
    pub(crate) fn probe(&mut self, number: u32) {
        self.probes.insert(number, Probe::take(&self.broker_pids));
    }

    pub(crate) fn add_slice(&mut self, slice: &Slice) {
        let second = self.open.entry(slice.number).or_insert_with(|| Second {
            workers: 0,
            begin_ns: slice.begin_ns,
            end_ns: slice.end_ns,
            is_warm_up: slice.is_warm_up,
            tallies: Tallies::new(),
            owed: 0,
        });
        second.workers += 1;
        second.end_ns = second.end_ns.max(slice.end_ns);
        second.tallies.add(&slice.tallies);
        second.owed += slice.owed;
    }

    pub(crate) fn add_finished(&mut self, finished: Finished) {
        self.late.add(&finished.late);
        self.finished.push(finished);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.len() == self.workers
    }

    /// The next second that all workers have ended.
    pub(crate) fn take_second(&mut self, undelivered: i64) -> Option<Snapshot> {
        let (number, second) = self.open.first_key_value()?;
        let gone = self.finished.iter().filter(|finished| finished.last_slice < *number).count();
        if second.workers + gone < self.workers {
            return None;
        }
        let (number, second) = self.open.pop_first()?;
        Some(self.close(number, &second, undelivered))
    }

    fn close(&mut self, number: u32, second: &Second, undelivered: i64) -> Snapshot {
        let probe = self.probes.remove(&number).unwrap_or_else(|| Probe::take(&self.broker_pids));
        let from_ns = if second.is_warm_up { self.start_ns } else { self.measure_ns };
        let sample = Sample {
            // Half a second is added so that a shorter first second does not shift the others.
            second: ((second.begin_ns - from_ns + SECOND_NS / 2) / SECOND_NS) as u32,
            length_ms: ((second.end_ns - second.begin_ns) / MILLISECOND_NS) as u32,
            sends: self.sides.sends.then(|| side(&second.tallies.sends)),
            receives: self.sides.receives.then(|| side(&second.tallies.receives)),
            owed: second.owed * self.batch,
            undelivered,
            bench_cpu_us: probe.own_cpu_us_since(&self.before),
            brokers: probe.brokers_since(&self.before, &self.broker_pids),
            host: probe.host_since(&self.before),
        };
        if !second.is_warm_up {
            self.measured.add(&second.tallies);
            self.own_use.add(sample.bench_cpu_us, probe.own_rss_bytes());
            for (sum, point) in self.broker_use.iter_mut().zip(&sample.brokers) {
                sum.add(point.cpu_us, point.rss_bytes);
            }
            // A run that ends just behind a cut leaves an empty rest.
            if sample.length_ms > 0 {
                self.samples.push(sample.clone());
            }
        }
        self.before = probe;
        let elapsed_s = (second.end_ns - self.start_ns) as f64 / SECOND_NS as f64;
        Snapshot { elapsed_s, is_warm_up: second.is_warm_up, sample }
    }

    pub(crate) fn measure_ns(&self) -> u64 {
        self.measure_ns
    }

    /// When the last worker stopped measuring.
    pub(crate) fn ended_ns(&self) -> u64 {
        self.finished.iter().map(|finished| finished.ended_ns).max().unwrap_or(self.measure_ns)
    }

    /// Why: the reason of the worker that was last.
    pub(crate) fn ended_by(&self) -> EndedBy {
        let last = self.finished.iter().max_by_key(|finished| finished.ended_ns);
        last.map_or(EndedBy::Stopped, |finished| finished.ended_by)
    }
}

fn side(tally: &Tally) -> SideSample {
    SideSample {
        messages: tally.messages,
        requests: tally.requests,
        errors: tally.failures.total(),
        bytes: tally.bytes,
        latency: Percentiles::of(&tally.latency),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(number: u32, messages: u64) -> Slice {
        let mut tallies = Tallies::new();
        tallies.sends.messages = messages;
        tallies.sends.record_ns(messages * 1_000);
        let begin_ns = u64::from(number) * SECOND_NS;
        Slice { number, begin_ns, end_ns: begin_ns + SECOND_NS, is_warm_up: number < 2, tallies, owed: 3 }
    }

    fn finished(last_slice: u32, ended_by: EndedBy) -> Finished {
        let ended_ns = u64::from(last_slice + 1) * SECOND_NS;
        Finished { last_slice, ended_ns, ended_by, late: Tallies::new() }
    }

    fn collector(workers: usize) -> Collector {
        let sides = Sides { sends: true, receives: false };
        Collector::new(workers, sides, 2, (0, 2 * SECOND_NS), &[])
    }

    #[test]
    fn a_second_is_there_when_all_workers_have_ended_it() {
        let mut collector = collector(2);
        collector.add_slice(&slice(0, 5));
        collector.add_slice(&slice(1, 6));
        assert_eq!(collector.take_second(0), None);
        collector.add_slice(&slice(0, 10));
        let snapshot = collector.take_second(7).unwrap();
        assert!(snapshot.is_warm_up);
        let sample = snapshot.sample;
        assert_eq!((sample.sends.unwrap().messages, sample.owed, sample.undelivered), (15, 12, 7));
        assert_eq!((sample.receives, sample.sends.unwrap().latency.count), (None, 2));
        assert_eq!(collector.take_second(0), None);
    }

    #[test]
    fn the_warm_up_is_in_no_sum() {
        let mut collector = collector(1);
        (0..4).for_each(|number| collector.add_slice(&slice(number, 10 + u64::from(number))));
        let mut seconds = Vec::new();
        while let Some(snapshot) = collector.take_second(0) {
            seconds.push((snapshot.is_warm_up, snapshot.sample.second));
        }
        assert_eq!(seconds, [(true, 0), (true, 1), (false, 0), (false, 1)]);
        assert_eq!(collector.measured.sends.messages, 12 + 13);
        assert_eq!(collector.measured.sends.latency.len(), 2);
        assert_eq!(collector.samples.len(), 2);
    }

    #[test]
    fn a_worker_that_ended_early_is_not_waited_for() {
        let mut collector = collector(2);
        for number in 0..3 {
            collector.add_slice(&slice(number, 1));
        }
        collector.add_slice(&slice(0, 1));
        collector.add_finished(finished(0, EndedBy::Drained));
        let taken = std::iter::from_fn(|| collector.take_second(0)).count();
        assert_eq!(taken, 3);
        assert!(!collector.is_finished());
        collector.add_finished(finished(2, EndedBy::Stopped));
        assert!(collector.is_finished());
        assert_eq!((collector.ended_ns(), collector.ended_by()), (3 * SECOND_NS, EndedBy::Stopped));
    }
}
