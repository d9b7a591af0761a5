//! A load machine's part of the load.

use super::error::CeilingError;
use crate::plan::{Plan, Work};

/// What machine `index` of `machines` runs of `plan`, whose rate is that of all together.
///
/// Senders only: all topics, an equal part of the rate. With consumers each machine gets topics of its own, because whoever sends a message
/// knows when it was due: receivers elsewhere could not tell how long it took, and everybody would read everything.
///
/// # Errors
/// [`CeilingError::TooFewTopics`].
pub fn share(plan: &Plan, index: usize, machines: usize) -> Result<Plan, CeilingError> {
    assert!(index < machines, "machine {index} of {machines}");
    let mut plan = plan.clone();
    if index > 0 {
        // Whoever leads has made them before.
        plan.create_topics = None;
        // Their numbers mean something else there.
        plan.broker_pids.clear();
    }
    if let Some(producers) = plan.work.producers_mut() {
        producers.rate = producers.rate.map(|rate| rate / machines as f64);
    }
    if let Work::E2e { consumers, .. } | Work::Mixed { consumers, .. } = &mut plan.work {
        if plan.topics.len() < machines {
            return Err(CeilingError::TooFewTopics { topics: plan.topics.len(), machines });
        }
        plan.topics = plan.topics.into_iter().skip(index).step_by(machines).collect();
        if machines > 1 {
            consumers.group = format!("{}-{index}", consumers.group);
        }
    }
    Ok(plan)
}
