//! What a shard does by the clock: held pulls whose time is up, delayed messages, offsets, syncs, checkpoints, old
//! segments.

use std::rc::Rc;
use std::time::Duration;

use crate::delivery;
use crate::env::Env;
use crate::processor::{heartbeat, pull};
use crate::shard::Shard;

/// How often the clock is looked at: bounds how late a held pull or a delayed message is.
const TICK: Duration = Duration::from_millis(100);
/// The same while no client is connected, who could see the difference.
const IDLE_TICK: Duration = Duration::from_millis(250);
/// The same for what is done in the background, whose periods are longer.
const BACKGROUND_TICK: Duration = Duration::from_millis(250);
/// In ASYNC_FLUSH what is written is synced this often.
const SYNC_MS: i64 = 500;
const CLIENTS_MS: i64 = 10_000;
const RETENTION_MS: i64 = 10_000;
/// Memory that was needed once, for many half-received requests or slow readers, is given back this often: by itself the
/// allocator does it only while it is busy.
const MEMORY_MS: i64 = 5_000;
/// A checkpoint is due when the log has grown by this since the last one ...
const CHECKPOINT_BYTES: u64 = 128 << 20;
/// ... or has grown at all and the last one is this old.
const CHECKPOINT_MS: i64 = 60_000;
/// What failed is tried again after this, so that a failure that stays does not fill the log.
const RETRY_MS: i64 = 10_000;

/// Tasks by the clock, on the request side of the shard.
pub async fn run<E: Env>(shard: Rc<Shard<E>>) {
    let offsets_every_ms = shard.config.consumers.offset_flush_interval.as_millis() as i64;
    let (mut offsets_ms, mut clients_ms, mut delivery_ms) = (0, 0, 0);
    let mut woken = Vec::new();
    loop {
        let tick = if shard.metrics.connections.get() == 0 { IDLE_TICK } else { TICK };
        shard.env.sleep(tick).await;
        let now_ms = shard.env.now_ms();
        shard.statistics.borrow_mut().tick(now_ms);
        shard.register_changes();
        shard.parked.borrow_mut().expired(now_ms, &mut woken);
        woken.drain(..).for_each(|job| pull::run_again(&shard, job));
        if now_ms >= delivery_ms && !delivery::deliver_due(&shard).await {
            delivery_ms = now_ms + RETRY_MS;
        }
        if now_ms - offsets_ms >= offsets_every_ms {
            offsets_ms = now_ms;
            shard.log_offsets();
            shard.sweep_end();
        }
        if now_ms - clients_ms >= CLIENTS_MS {
            clients_ms = now_ms;
            heartbeat::expire(&shard);
            shard.locks.borrow_mut().expire(now_ms);
        }
    }
}

/// Tasks by the clock that wait for the disk: requests go first.
pub async fn run_background<E: Env>(shard: Rc<Shard<E>>) {
    let now_ms = shard.env.now_ms();
    let (mut sync_ms, mut retention_ms, mut checkpoint_ms, mut memory_ms) = (now_ms, now_ms, now_ms, now_ms);
    let mut next_checkpoint_ms = now_ms;
    loop {
        shard.env.sleep(BACKGROUND_TICK).await;
        let now_ms = shard.env.now_ms();
        if now_ms - memory_ms >= MEMORY_MS {
            memory_ms = now_ms;
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
        if now_ms - sync_ms >= SYNC_MS {
            sync_ms = now_ms;
            if let Err(error) = shard.store.log().sync().await {
                tracing::error!(%error, shard = shard.identity.broker_name, "this shard takes no more messages");
            }
            shard.confirm_and_resume();
            shard.retry_next_segment().await;
        }
        let grown = shard.store.log().end().position - shard.store.checkpoint_position();
        let is_old = grown > 0 && now_ms - checkpoint_ms >= CHECKPOINT_MS;
        if now_ms >= next_checkpoint_ms && (grown >= CHECKPOINT_BYTES || is_old) {
            checkpoint_ms = now_ms;
            let made = shard.checkpoint().await;
            next_checkpoint_ms = if made { now_ms } else { now_ms + RETRY_MS };
        }
        if now_ms - retention_ms >= RETENTION_MS {
            retention_ms = now_ms;
            crate::retention::run(&shard).await;
        }
    }
}
