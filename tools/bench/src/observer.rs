//! Who looks on while a run goes.

use std::ops::ControlFlow;

use crate::report::{Broker, Sample};

/// Gets told what happens, and may end the run.
pub trait Observer {
    /// Everything is connected and the load begins.
    fn started(&mut self, start: &Start<'_>) {
        let _ = start;
    }

    /// Another second is over, of the warm-up or of the measured time. `Break` ends the run as if its time were over.
    fn second(&mut self, snapshot: &Snapshot) -> ControlFlow<()> {
        let _ = snapshot;
        ControlFlow::Continue(())
    }

    /// Asked many times a second: `true` ends the run, its report is made all the same.
    fn wants_end(&mut self) -> bool {
        false
    }
}

/// Nobody looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// What is known when the load begins.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The brokers that are loaded.
    pub brokers: &'a [Broker],
    /// Connections that are open.
    pub connections: usize,
    /// What a reader should know before believing the figures.
    pub notes: &'a [String],
}

/// One second, as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Seconds since the load began.
    pub elapsed_s: f64,
    /// This second belongs to the warm-up: it is in no figure. Its sample counts seconds from the load's beginning.
    pub is_warm_up: bool,
    /// The figures.
    pub sample: Sample,
}
