//! Lets requests go on while one answer goes through very many queues.

use std::time::Duration;

use crate::env::Env;
use crate::shard::Shard;

/// Queues that are looked at in one go: what is in memory is looked at within a microsecond or a few.
const QUEUES_A_TURN: u32 = 128;
const PAUSE: Duration = Duration::from_micros(200);
/// Queues that one answer may go through; more are refused before any is looked at. Each takes about 150 bytes of it.
pub(crate) const QUEUES_MAX: usize = 65_536;

/// Counts queues.
#[derive(Default)]
pub(crate) struct QueueTurns {
    looked_at: u32,
}

impl QueueTurns {
    /// Before each queue.
    pub(crate) async fn next<E: Env>(&mut self, shard: &Shard<E>) {
        self.looked_at += 1;
        if self.looked_at.is_multiple_of(QUEUES_A_TURN) {
            shard.env.sleep(PAUSE).await;
        }
    }
}
