//! Looks at all brokers' machines again and again while the load runs.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::CeilingError;
use super::host_figures::HostFigures;
use super::source::Source;
use host::BrokerSample;

/// Looks that fail one after the other until the source is given up.
const FAILURES_MAX: u32 = 5;
/// Looks that are kept of one source: an hour of seconds. Older ones go first.
const LOOKS_MAX: usize = 3_600;
/// A look may lie so far outside of the time that is asked for: half of what lies between two looks.
const EDGE: f64 = 0.5;

/// Looks at all brokers' machines, one thread each. Ends with its last owner.
#[derive(Debug)]
pub struct Sampler {
    every: Duration,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    is_here: bool,
    timeline: Arc<Mutex<Timeline>>,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Timeline {
    looks: Vec<(Instant, BrokerSample)>,
    failures: u32,
    last_failure: String,
}

impl Sampler {
    /// Begins. Every source is looked at once first, so that a wrong address is found before there is load.
    ///
    /// # Errors
    /// [`CeilingError::Sample`].
    pub fn start(sources: Vec<Box<dyn Source>>, every: Duration) -> Result<Self, CeilingError> {
        let start = |source| Watched::start(source, every);
        Ok(Self { every, watched: sources.into_iter().map(start).collect::<Result<_, _>>()? })
    }

    /// Names of the sources.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.watched.iter().map(|watched| watched.name.as_str())
    }

    /// What all machines did between two moments.
    ///
    /// # Errors
    /// [`CeilingError::Sample`] if a machine could not be looked at twice in this time.
    pub fn figures(
        &self,
        from: Instant,
        to: Instant,
        disk: Option<&str>,
        link_mbit: Option<u64>,
    ) -> Result<Vec<HostFigures>, CeilingError> {
        let edge = self.every.mul_f64(EDGE);
        let of = |watched: &Watched| {
            let samples = watched.between(from.checked_sub(edge).unwrap_or(from), to + edge)?;
            let few = || {
                watched.failed(format!("{} looks in {:.1} s, two are needed", samples.len(), (to - from).as_secs_f64()))
            };
            HostFigures::of(&watched.name, watched.is_here, disk, link_mbit, &samples).ok_or_else(few)
        };
        self.watched.iter().map(of).collect()
    }
}

impl Watched {
    fn start(mut source: Box<dyn Source>, every: Duration) -> Result<Self, CeilingError> {
        let (name, is_here) = (source.name(), source.is_here());
        source.look().map_err(|cause| CeilingError::Sample { target: name.clone(), cause })?;
        let timeline = Arc::new(Mutex::new(Timeline::default()));
        let (end, ended) = mpsc::channel::<()>();
        let kept = Arc::clone(&timeline);
        let thread = thread::spawn(move || {
            let mut due = Instant::now();
            loop {
                let result = source.look();
                lock(&kept).take(Instant::now(), result);
                // A look that took long makes the next ones no more frequent.
                due = (due + every).max(Instant::now());
                match ended.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Ok(Self { name, is_here, timeline, end: Some(end), thread: Some(thread) })
    }

    fn between(&self, from: Instant, to: Instant) -> Result<Vec<BrokerSample>, CeilingError> {
        let timeline = lock(&self.timeline);
        if timeline.failures >= FAILURES_MAX {
            return Err(self.failed(format!("{} (the last {} looks failed)", timeline.last_failure, timeline.failures)));
        }
        let within = timeline.looks.iter().filter(|(at, _)| (from..=to).contains(at));
        Ok(within.map(|(_, sample)| sample.clone()).collect())
    }

    fn failed(&self, cause: String) -> CeilingError {
        CeilingError::Sample { target: self.name.clone(), cause }
    }
}

impl Timeline {
    fn take(&mut self, at: Instant, result: Result<BrokerSample, String>) {
        match result {
            Ok(sample) => {
                self.failures = 0;
                if self.looks.len() == LOOKS_MAX {
                    self.looks.remove(0);
                }
                self.looks.push((at, sample));
            }
            Err(cause) => (self.failures, self.last_failure) = (self.failures + 1, cause),
        }
    }
}

/// Whoever panicked with it left looks behind that are whole.
fn lock(timeline: &Mutex<Timeline>) -> std::sync::MutexGuard<'_, Timeline> {
    timeline.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.watched.iter_mut().for_each(|watched| watched.end = None);
        for thread in self.watched.iter_mut().filter_map(|watched| watched.thread.take()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use host::HostSample;

    use super::*;

    /// Shows a clock that goes on by a second a look, and fails from a look on.
    struct Clock {
        look: u64,
        fails_from: u64,
    }

    impl Source for Clock {
        fn name(&self) -> String {
            "clock".into()
        }

        fn is_here(&self) -> bool {
            false
        }

        fn look(&mut self) -> Result<BrokerSample, String> {
            self.look += 1;
            if self.look >= self.fails_from {
                return Err("it stopped".into());
            }
            let host = HostSample { at_us: self.look * 1_000_000, ..Default::default() };
            Ok(BrokerSample { host, ..Default::default() })
        }
    }

    const EVERY: Duration = Duration::from_millis(2);

    fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < limit, "nothing came in 30 s");
            thread::sleep(EVERY);
        }
    }

    #[test]
    fn what_was_seen_in_a_time_is_that_times_figures() {
        let sampler = Sampler::start(vec![Box::new(Clock { look: 0, fails_from: u64::MAX })], EVERY).unwrap();
        let from = Instant::now();
        let figures = wait_for(|| {
            let figures = sampler.figures(from, Instant::now(), None, None).ok()?;
            (figures[0].points.len() >= 3).then_some(figures)
        });
        assert_eq!(figures[0].source, "clock");
        assert_eq!(figures[0].rates.seconds, figures[0].points.len() as f64);
    }

    #[test]
    fn a_time_in_which_nobody_looked_has_no_figures() {
        let sampler = Sampler::start(vec![Box::new(Clock { look: 0, fails_from: 2 })], EVERY).unwrap();
        let error = sampler.figures(Instant::now(), Instant::now(), None, None).unwrap_err();
        assert!(matches!(error, CeilingError::Sample { .. }), "{error}");
    }

    #[test]
    fn a_source_that_fails_at_once_is_found_before_there_is_load() {
        let error = Sampler::start(vec![Box::new(Clock { look: 0, fails_from: 1 })], EVERY).unwrap_err().to_string();
        assert_eq!(error, "cannot sample clock: it stopped");
    }

    #[test]
    fn a_source_that_stops_is_given_up_with_its_last_words() {
        let sampler = Sampler::start(vec![Box::new(Clock { look: 0, fails_from: 8 })], EVERY).unwrap();
        let from = Instant::now();
        let error = wait_for(|| {
            let error = sampler.figures(from, Instant::now(), None, None).err()?.to_string();
            error.contains("looks failed").then_some(error)
        });
        assert!(error.contains("it stopped"), "{error}");
    }
}
