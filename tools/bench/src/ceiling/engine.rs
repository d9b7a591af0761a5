//! What runs a plan.

use crate::error::BenchError;
use crate::observer::Observer;
use crate::plan::Plan;
use crate::report::RunReport;

/// What runs a plan; in tests something that only says so.
pub trait Engine {
    /// Runs it and reports what came of it. Blocks until it is over.
    ///
    /// # Errors
    /// As [`crate::run`].
    fn run(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<RunReport, BenchError>;
}

/// The load of this crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealEngine;

impl Engine for RealEngine {
    fn run(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<RunReport, BenchError> {
        crate::run(plan, observer)
    }
}
