//! The one task of a shard's timers: feeds the index, delivers, stores again, saves. Everything in small steps, with a look
//! at what is due between.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use protocol::topic_name::TIMER_TOPIC;
use storage::StorageError;
use storage::consume_queue::QueueIndex;
use storage::timer_index::{Saved, TimerIndex};

use super::deliver::Delivered;
use super::look_ahead::LookAhead;
use super::recalled_keys::RecalledKeys;
use super::roll::Roll;
use super::{deliver, feed, roll};
use crate::env::Env;
use crate::shard::Shard;

/// The clock is looked at this often, should it be set, and who leads.
const TICK_MS: i64 = 250;
/// What failed is tried again after this.
const RETRY_MS: i64 = 1_000;
/// A log that takes nothing now is asked again after this, ...
const FULL_LOG_MS: i64 = 2;
/// ... and one that may take nothing for longer, after this.
const FAILED_LOG_MS: i64 = 50;
/// Where many are due at once, this much time goes to others between [`deliver::TURN_MESSAGES_MAX`] of them.
const PAUSE_MS: i64 = 1;
/// The index is made durable this often: so much is fed again after a crash.
const SAVE: Duration = Duration::from_secs(30);

/// What the task has.
pub(super) struct Keeper<E: Env> {
    pub(super) index: TimerIndex<E::Disk>,
    pub(super) recalled: RecalledKeys,
    pub(super) look_ahead: LookAhead,
    pub(super) roll: Roll,
    /// Of the queues, when the index was made from them.
    times_gone_back: u64,
    saved_at: Instant,
    saving: Rc<Cell<Option<Saved>>>,
    is_saving: bool,
}

/// When the task has something to do.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Now,
    /// ms since 1970.
    At(i64),
}

/// Runs as long as the shard.
pub(crate) async fn run<E: Env>(shard: Rc<Shard<E>>) {
    let mut keeper = None;
    loop {
        let next = match turn(&shard, &mut keeper).await {
            Ok(Next::Now) => {
                // Where nothing had to be read, nobody else had a turn.
                futures_lite::future::yield_now().await;
                continue;
            }
            Ok(Next::At(at_ms)) => at_ms,
            Err(error) => {
                tracing::error!(%error, shard = shard.identity.broker_name, "timers wait: their index is made again from the log");
                // What is in memory may not go with the files any more.
                shard.timers.damaged.set(true);
                keeper = None;
                shard.env.now_ms() + RETRY_MS
            }
        };
        shard.timers.sleep_until(&shard.env, next).await;
    }
}

/// The timer topic's queue; `None` as long as there was no timer.
pub(super) fn timer_queue<E: Env>(shard: &Shard<E>) -> Option<QueueIndex> {
    shard.store.queues().borrow().find(TIMER_TOPIC, 0)
}

async fn turn<E: Env>(shard: &Rc<Shard<E>>, keeper: &mut Option<Keeper<E>>) -> Result<Next, StorageError> {
    let now_ms = shard.env.now_ms();
    let Some(queue) = timer_queue(shard) else { return Ok(Next::At(now_ms + TICK_MS)) };
    let keeper = match keeper {
        Some(keeper) => keeper,
        None => keeper.insert(open(shard, queue).await?),
    };
    let times_gone_back = shard.store.queues().borrow().times_gone_back();
    if keeper.times_gone_back != times_gone_back {
        // Units that it has may be of messages that are gone, and others in their place.
        keeper.times_gone_back = times_gone_back;
        keeper.recalled = RecalledKeys::default();
        keeper.end_save(shard).await;
        keeper.index.reset(feed::first(shard, queue)).await?;
    }
    keeper.save_now_and_then(shard, queue).await?;
    let is_fed = feed::some(shard, queue, keeper).await?;
    let done = shard.tables.borrow().timers.done();
    keeper.index.forget_before(done.due_ms);
    if keeper.index.should_flush() {
        keeper.index.flush_some().await?;
    }
    if !shard.may_change() {
        return Ok(if is_fed { Next::At(now_ms + TICK_MS) } else { Next::Now });
    }
    if !is_fed {
        return Ok(Next::Now);
    }
    shard.timers.note_next_due(keeper.index.first().map(|first| first.key.due_ms));
    let delivered = deliver::due(shard, queue, keeper).await;
    shard.timers.note_next_due(keeper.index.first().map(|first| first.key.due_ms));
    match delivered? {
        Delivered::All => {}
        Delivered::Some => {
            shard.env.sleep(Duration::from_millis(PAUSE_MS as u64)).await;
            return Ok(Next::Now);
        }
        Delivered::LogIsFull => return Ok(Next::At(shard.env.now_ms() + FULL_LOG_MS)),
        Delivered::Unreadable => return Ok(Next::At(shard.env.now_ms() + RETRY_MS)),
        Delivered::Failed => return Ok(Next::At(shard.env.now_ms() + FAILED_LOG_MS)),
    }
    if keeper.index.advance(shard.env.now_ms()).await? || roll::some(shard, queue, keeper).await? {
        return Ok(Next::Now);
    }
    let tick_ms = shard.env.now_ms() + TICK_MS;
    Ok(Next::At(keeper.index.first().map_or(tick_ms, |first| first.key.due_ms.min(tick_ms))))
}

async fn open<E: Env>(shard: &Rc<Shard<E>>, queue: QueueIndex) -> Result<Keeper<E>, StorageError> {
    let times_gone_back = shard.store.queues().borrow().times_gone_back();
    let (mut index, damage) = TimerIndex::open(shard.store.log().disk().clone()).await?;
    let (fed, first) = (index.fed(), feed::first(shard, queue));
    let is_of_this_queue = feed::is_of_queue(shard, queue, fed).await?;
    if let Some(what) = &damage {
        tracing::warn!(what, shard = shard.identity.broker_name, "the index of timers is made again from the log");
    }
    if shard.timers.damaged.take() || damage.is_some() || !is_of_this_queue {
        index.reset(first).await?;
    }
    let now = shard.env.instant();
    Ok(Keeper {
        index,
        recalled: RecalledKeys::default(),
        look_ahead: LookAhead::default(),
        roll: Roll::default(),
        times_gone_back,
        saved_at: now,
        saving: Rc::default(),
        is_saving: false,
    })
}

impl<E: Env> Keeper<E> {
    async fn save_now_and_then(&mut self, shard: &Rc<Shard<E>>, queue: QueueIndex) -> Result<(), StorageError> {
        self.look_at_save(shard);
        let now = shard.env.instant();
        if self.is_saving || self.index.is_saved() || now - self.saved_at < SAVE {
            return Ok(());
        }
        self.saved_at = now;
        let safe = feed::safe(shard, queue, self.index.fed()).await?;
        self.index.flush().await?;
        let (save, saving) = (self.index.begin_save(safe), self.saving.clone());
        self.is_saving = true;
        shard.env.spawn_background(async move { saving.set(Some(save.run().await)) });
        Ok(())
    }

    fn look_at_save(&mut self, shard: &Shard<E>) {
        let Some(mut saved) = self.saving.take() else { return };
        self.is_saving = false;
        if let Some(error) = saved.error.take() {
            let shard = &shard.identity.broker_name;
            tracing::warn!(%error, shard, "the index of timers could not be saved; more is read again at the next start");
        }
        self.index.finish_save(saved);
    }

    /// One that is under way would bring back what is forgotten.
    async fn end_save(&mut self, shard: &Shard<E>) {
        self.look_at_save(shard);
        while self.is_saving {
            shard.env.sleep(Duration::from_millis(FULL_LOG_MS as u64)).await;
            self.look_at_save(shard);
        }
    }
}
