//! How long requests take, counted a sweep at a time.
//!
//! A sweep reads many requests at one moment and sends their answers at another. All requests that a sweep reads and
//! answers took equally long as far as it can tell, so they are only counted, one increment each, and enter the
//! histogram together when the answers are sent. An answer of a later sweep or task enters it at once.

use std::time::Instant;

use crate::{Families, Histogram, Labels};

/// Of the reference: 1, 3, 5, 7, 10, 100 ms and 1, 2, 3 s; more below and between, in microseconds.
const BOUNDS_US: [u64; 16] = [
    50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 20_000, 50_000, 100_000, 1_000_000, 2_000_000,
    3_000_000,
];
static BOUNDS: [u64; 16] = BOUNDS_US;

/// Combinations of request and answer that are told apart; there are some hundred at most.
pub const SERIES_MAX: usize = 512;

/// When a request was read: microseconds since its shard started, modulo 2³², which is over an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadAt(u32);

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcAnswer {
    /// Which request: its number in the route table of the process.
    pub request: u16,
    /// The response code; 0 is success.
    pub code: i32,
    /// It was held until there was something to say.
    pub is_held: bool,
    /// Nobody waits for an answer: the time is until it was done.
    pub is_oneway: bool,
}

impl RpcAnswer {
    /// An answer with a code.
    pub fn new(request: u16, code: i32) -> Self {
        Self { request, code, is_held: false, is_oneway: false }
    }
}

/// Answers of one kind and how long they took, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcSeries {
    /// Which kind.
    pub answer: RpcAnswer,
    /// How long.
    pub latency: Histogram<16>,
}

/// See the module's text.
#[derive(Debug)]
pub struct RpcLatency {
    started: Instant,
    now: ReadAt,
    in_sweep: bool,
    /// Of request `r`, `series[r]` has the successful answers; others follow in the order they came up.
    series: Vec<RpcSeries>,
    requests: u16,
    /// Answers of this sweep, by series.
    answered: Vec<u32>,
    /// Series that have any.
    touched: Vec<u16>,
    dropped: u64,
}

impl RpcLatency {
    /// Nothing counted yet, for requests numbered below `requests`.
    pub fn new(requests: u16, started: Instant) -> Self {
        assert!(usize::from(requests) < SERIES_MAX);
        let empty = |request| RpcSeries { answer: RpcAnswer::new(request, 0), latency: Histogram::new(&BOUNDS) };
        Self {
            started,
            now: ReadAt(0),
            in_sweep: false,
            series: (0..requests).map(empty).collect(),
            requests,
            answered: vec![0; usize::from(requests)],
            touched: Vec::new(),
            dropped: 0,
        }
    }

    /// A sweep begins to read requests.
    pub fn sweep_began(&mut self, now: Instant) {
        self.now = self.at(now);
        self.in_sweep = true;
    }

    /// The sweep has sent what was due. `now` is asked only if it answered requests.
    pub fn sweep_sent(&mut self, now: impl FnOnce() -> Instant) {
        self.in_sweep = false;
        if self.touched.is_empty() {
            return;
        }
        let sent = self.at(now());
        let elapsed_us = sent.since(self.now);
        self.now = sent;
        for series in self.touched.drain(..) {
            let count = std::mem::take(&mut self.answered[usize::from(series)]);
            self.series[usize::from(series)].latency.add(elapsed_us, u64::from(count));
        }
    }

    /// When a request that is read now is read.
    pub fn read_at(&self) -> ReadAt {
        self.now
    }

    /// Asks the clock unless a sweep did. Before answers that are not made by a sweep.
    pub fn refresh(&mut self, now: impl FnOnce() -> Instant) {
        if !self.in_sweep {
            self.now = self.at(now());
        }
    }

    /// A request that was read at `read_at` is answered.
    #[inline]
    pub fn answered(&mut self, answer: RpcAnswer, read_at: ReadAt) {
        let plain = RpcAnswer::new(answer.request, 0);
        let series = if answer == plain && answer.request < self.requests {
            answer.request
        } else {
            match self.other_series(answer) {
                Some(series) => series,
                None => return self.dropped += 1,
            }
        };
        let at = usize::from(series);
        if self.in_sweep && read_at == self.now {
            if self.answered[at] == 0 {
                self.touched.push(series);
            }
            self.answered[at] += 1;
        } else {
            self.series[at].latency.add(self.now.since(read_at), 1);
        }
    }

    fn other_series(&mut self, answer: RpcAnswer) -> Option<u16> {
        let first = usize::from(self.requests);
        let found = self.series[first..].iter().position(|series| series.answer == answer);
        let at = found.map_or(self.series.len(), |found| first + found);
        if at == SERIES_MAX {
            return None;
        }
        if at == self.series.len() {
            self.series.push(RpcSeries { answer, latency: Histogram::new(&BOUNDS) });
            self.answered.push(0);
        }
        u16::try_from(at).ok()
    }

    /// What was counted so far: kinds of answers that were given.
    pub fn series(&self) -> Vec<RpcSeries> {
        self.series.iter().filter(|series| series.latency.count() > 0).cloned().collect()
    }

    fn at(&self, now: Instant) -> ReadAt {
        ReadAt(now.saturating_duration_since(self.started).as_micros() as u32)
    }
}

impl ReadAt {
    fn since(self, earlier: Self) -> u64 {
        u64::from(self.0.wrapping_sub(earlier.0))
    }
}

/// Writes series of one shard. `common` stands before the labels of each; `names` gives request and response code theirs.
pub fn write_rpc_latency(
    families: &mut Families,
    common: Labels<'_>,
    series: &[RpcSeries],
    names: impl Fn(&RpcAnswer) -> (String, String),
) {
    let flag = |value: bool| if value { "true" } else { "false" };
    for RpcSeries { answer, latency } in series {
        let (request, response) = names(answer);
        let mut labels = common.to_vec();
        labels.extend([
            ("protocol_type", "remoting"),
            ("request_code", request.as_str()),
            ("response_code", response.as_str()),
            ("is_long_polling", flag(answer.is_held)),
            ("result", if answer.is_oneway { "oneway" } else { "success" }),
        ]);
        let help = "From the sweep that read a request until its answer was handed to the socket";
        families.histogram("rocketmq_rpc_latency_milliseconds", help, &labels, latency, 1_000.0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(start: Instant, us: u64) -> Instant {
        start + Duration::from_micros(us)
    }

    fn counts(latency: &RpcLatency) -> Vec<(RpcAnswer, u64, u64)> {
        latency.series().iter().map(|series| (series.answer, series.latency.count(), series.latency.sum())).collect()
    }

    #[test]
    fn answers_of_a_sweep_took_as_long_as_the_sweep() {
        let start = Instant::now();
        let mut latency = RpcLatency::new(2, start);
        latency.sweep_began(after(start, 1_000));
        for _ in 0..3 {
            latency.answered(RpcAnswer::new(1, 0), latency.read_at());
        }
        assert!(counts(&latency).is_empty(), "not before they are sent");
        latency.sweep_sent(|| after(start, 1_070));
        assert_eq!(counts(&latency), [(RpcAnswer::new(1, 0), 3, 210)]);
    }

    #[test]
    fn an_answer_that_waited_took_from_its_own_sweep_on() {
        let start = Instant::now();
        let mut latency = RpcLatency::new(1, start);
        latency.sweep_began(after(start, 100));
        let read_at = latency.read_at();
        latency.sweep_sent(|| unreachable!("nothing was answered"));
        latency.refresh(|| after(start, 4_100));
        let held = RpcAnswer { is_held: true, ..RpcAnswer::new(0, 0) };
        latency.answered(held, read_at);
        assert_eq!(counts(&latency), [(held, 1, 4_000)]);
    }

    #[test]
    fn within_a_sweep_the_clock_is_not_asked_again() {
        let start = Instant::now();
        let mut latency = RpcLatency::new(1, start);
        latency.sweep_began(start);
        latency.refresh(|| unreachable!("the sweep has the time"));
    }

    #[test]
    fn time_goes_on_when_the_counter_wraps() {
        let start = Instant::now();
        let mut latency = RpcLatency::new(1, start);
        latency.sweep_began(after(start, u64::from(u32::MAX) - 9));
        let read_at = latency.read_at();
        latency.sweep_sent(|| unreachable!("nothing was answered"));
        latency.refresh(|| after(start, u64::from(u32::MAX) + 21));
        latency.answered(RpcAnswer::new(0, 0), read_at);
        assert_eq!(counts(&latency), [(RpcAnswer::new(0, 0), 1, 30)]);
    }

    #[test]
    fn kinds_of_answers_are_told_apart_up_to_a_limit() {
        let start = Instant::now();
        let mut latency = RpcLatency::new(1, start);
        for code in 0..2 * SERIES_MAX as i32 {
            latency.answered(RpcAnswer::new(0, code), ReadAt(0));
        }
        latency.answered(RpcAnswer::new(9, 0), ReadAt(0));
        assert_eq!(latency.series().len(), SERIES_MAX);
        assert_eq!(latency.dropped, SERIES_MAX as u64 + 1);
    }

    #[test]
    fn a_series_is_labelled_as_the_reference_labels_it() {
        let start = Instant::now();
        let mut latency = RpcLatency::new(1, start);
        latency.answered(RpcAnswer { is_oneway: true, ..RpcAnswer::new(0, 0) }, ReadAt(0));
        let mut families = Families::default();
        let names = |_: &RpcAnswer| ("send_message_v2".to_owned(), "success".to_owned());
        write_rpc_latency(&mut families, &[("node_id", "a")], &latency.series(), names);
        let text = String::from_utf8(families.encode()).unwrap();
        let count = "rocketmq_rpc_latency_milliseconds_count{node_id=\"a\",protocol_type=\"remoting\",\
            request_code=\"send_message_v2\",response_code=\"success\",is_long_polling=\"false\",result=\"oneway\"} 1";
        assert!(text.lines().any(|line| line == count), "{text}");
    }
}
