//! A scenario of the stock clients' programs, and its verdict.

use std::time::{Duration, Instant};

use crate::process::Process;

/// The program's own deadline comes first; this much later it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// A scenario under way.
#[derive(Debug)]
pub struct Running {
    name: String,
    process: Process,
    deadline: Instant,
}

impl Running {
    pub(crate) fn new(name: &str, process: Process, limit: Duration) -> Self {
        Self { name: name.to_owned(), process, deadline: Instant::now() + limit + GRACE }
    }

    /// Asks a scenario that runs until told to come to its end.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn ask_to_stop(&mut self) {
        self.process.say("stop");
    }

    /// Waits for a line of output that contains `text`.
    ///
    /// # Panics
    /// When the scenario ends first, or `limit` passes.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) {
        self.process.wait_for_line(text, limit);
    }

    /// Fails early with its output when the scenario is over that should not be.
    ///
    /// # Panics
    /// When it has ended.
    pub fn expect_running(&mut self) {
        if let Some(status) = self.process.ended() {
            panic!("{} ended early with {status}\n{}", self.name, self.process.tail());
        }
    }

    /// Waits for the verdict and returns its facts.
    ///
    /// # Panics
    /// With the scenario's output, unless it passed.
    pub fn expect_pass(mut self) -> String {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let status = self.process.wait_for_end(left);
        let output = self.process.output();
        let pass = format!("PASS {} ", self.name);
        let verdict = output.lines().find_map(|line| line.strip_prefix(&pass));
        match verdict {
            Some(facts) if status.success() => {
                println!("{}: {facts}", self.name);
                facts.to_owned()
            }
            _ => panic!("scenario {} ended with {status}\n{}", self.name, self.process.tail()),
        }
    }
}
