//! What a shard does by the clock: held pulls whose time is up, offsets, syncs, checkpoints, old
//! segments.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::delivery;
use crate::env::Env;
use crate::key_indexing;
use crate::metrics::first_stored;
use crate::processor::{client_call, heartbeat, pull};
use crate::shard::Shard;
use crate::timers;
use crate::transactions::check_back;

/// How often the clock is looked at: bounds how late a held pull is.
const TICK: Duration = Duration::from_millis(100);
/// The same while no client is connected, who could see the difference.
const IDLE_TICK: Duration = Duration::from_millis(250);
/// The same for what is done in the background, whose periods are longer.
const BACKGROUND_TICK: Duration = Duration::from_millis(250);
/// In ASYNC_FLUSH what is written is synced this often.
const SYNC: Duration = Duration::from_millis(500);
const CLIENTS: Duration = Duration::from_secs(10);
const RETENTION: Duration = Duration::from_secs(10);
/// Memory that was needed once, for many half-received requests or slow readers, is given back this often: by itself the
/// allocator does it only while it is busy.
const MEMORY: Duration = Duration::from_secs(5);
/// A checkpoint is due when the log has grown by this since the last one ...
const CHECKPOINT_BYTES: u64 = 128 << 20;
/// ... or by this many segments, where those are small: none goes before there are two checkpoints behind it ...
const CHECKPOINT_SEGMENTS: u64 = 16;
/// ... or has grown at all and the last one is this old.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// What failed is tried again after this, so that a failure that stays does not fill the log.
const RETRY: Duration = Duration::from_secs(10);

/// Something that is due again and again. Not by the time of day, which may be set back while a shard runs.
struct Period {
    length: Duration,
    due: Instant,
}

impl Period {
    fn new(length: Duration, now: Instant) -> Self {
        Self { length, due: now + length }
    }

    /// Whether it is due; then it is again after its length.
    fn is_over(&mut self, now: Instant) -> bool {
        let is_over = now >= self.due;
        if is_over {
            self.due = now + self.length;
        }
        is_over
    }
}

/// Tasks by the clock, on the request side of the shard.
pub async fn run<E: Env>(shard: Rc<Shard<E>>) {
    let now = shard.env.instant();
    let mut offsets = Period::new(shard.config.consumers.offset_flush_interval, now);
    let mut clients = Period::new(CLIENTS, now);
    let mut checked_at = now;
    let mut woken = Vec::new();
    // By the clock too, but to the millisecond.
    shard.env.spawn(delivery::run(shard.clone()));
    shard.env.spawn(timers::run(shard.clone()));
    loop {
        let tick = if shard.metrics.connections.get() == 0 { IDLE_TICK } else { TICK };
        shard.env.sleep(tick).await;
        let (now_ms, now) = (shard.env.now_ms(), shard.env.instant());
        shard.statistics.borrow_mut().tick(now_ms);
        shard.sample_traffic();
        shard.register_changes();
        shard.tick_copies();
        shard.parked.borrow_mut().expired(now_ms, &mut woken);
        woken.drain(..).for_each(|job| pull::run_again(&shard, job));
        shard.tend_pops();
        client_call::expire(&shard);
        // By the present setting: it may change while the shard runs.
        if now.saturating_duration_since(checked_at) >= shard.config.transactions.check_interval {
            checked_at = now;
            check_back::begin(&shard);
        }
        if offsets.is_over(now) {
            if shard.may_change() {
                shard.log_offsets();
            }
            shard.sweep_end();
        }
        if clients.is_over(now) {
            heartbeat::expire(&shard);
            shard.locks.borrow_mut().expire(now_ms);
        }
    }
}

/// Tasks by the clock that wait for the disk: requests go first.
pub async fn run_background<E: Env>(shard: Rc<Shard<E>>) {
    shard.env.spawn_background(key_indexing::run(shard.clone()));
    let now = shard.env.instant();
    let (mut sync, mut retention) = (Period::new(SYNC, now), Period::new(RETENTION, now));
    let (mut checkpoint, mut memory) = (Period::new(CHECKPOINT, now), Period::new(MEMORY, now));
    let mut checkpoint_from = now;
    let checkpoint_bytes = CHECKPOINT_BYTES.min(CHECKPOINT_SEGMENTS * shard.store.log().options().segment_bytes);
    loop {
        shard.env.sleep(BACKGROUND_TICK).await;
        let now = shard.env.instant();
        if memory.is_over(now) {
            shard.env.give_back_memory();
        }
        // A shard that takes no more messages has said so; what it holds can be read and nothing else changes.
        if shard.store.log().failure().is_some() {
            continue;
        }
        if shard.store.log().give_up_lost_ring() {
            tracing::error!(
                shard = shard.identity.broker_name,
                folder = %shard.config.store.ring_dir.display(),
                "the ring in shared memory was removed while in use (systemd does that with RemoveIPC=yes): acknowledgements wait for the disk until the next start"
            );
            // An error is told where the next flush fails too.
            let _ = shard.store.log().flush().await;
            shard.confirm_and_resume();
        }
        if sync.is_over(now) {
            if let Err(error) = shard.store.log().sync().await {
                tracing::error!(%error, shard = shard.identity.broker_name, "this shard takes no more messages");
            }
            shard.confirm_and_resume();
            shard.retry_next_segment().await;
        }
        let grown = shard.store.log().end().position.saturating_sub(shard.store.checkpoint_position());
        let is_due = grown >= checkpoint_bytes || (grown > 0 && now >= checkpoint.due);
        if now >= checkpoint_from && is_due {
            checkpoint = Period::new(CHECKPOINT, now);
            if !shard.checkpoint().await {
                checkpoint_from = shard.env.instant() + RETRY;
            }
        }
        if retention.is_over(now) || shard.retention_asked.get() {
            crate::retention::run(&shard).await;
            // Told to whoever asks how far back messages go.
            first_stored(&shard).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_over_once_each_time() {
        let start = Instant::now();
        let mut period = Period::new(Duration::from_secs(2), start);
        let seconds = [0, 1, 2, 3, 4, 9, 10, 11];
        let over = seconds.map(|second| period.is_over(start + Duration::from_secs(second)));
        assert_eq!(over, [false, false, true, false, true, true, false, true]);
    }
}
