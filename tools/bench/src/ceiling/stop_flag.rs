//! A wish to end, passed between threads.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::observer::{Observer, Snapshot, Start};

/// A wish to end, passed between threads.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Wishes it.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody wished it.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Passes everything on to `inner`, and ends the run when one of the flags is set.
pub(super) struct Stoppable<'a> {
    pub(super) inner: &'a mut dyn Observer,
    pub(super) flags: Vec<StopFlag>,
}

impl Observer for Stoppable<'_> {
    fn started(&mut self, start: &Start<'_>) {
        self.inner.started(start);
    }

    fn second(&mut self, snapshot: &Snapshot) -> ControlFlow<()> {
        self.inner.second(snapshot)
    }

    fn wants_end(&mut self) -> bool {
        self.flags.iter().any(StopFlag::is_set) || self.inner.wants_end()
    }
}
