//! The task that keeps a shard's key index: a turn at a time, in the background, and never more than a small part of the
//! shard's time. Whoever looks for keys wakes it and waits until it has come to where the log stood then.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use storage::key_index::KeyIndex;

use crate::env::Env;
use crate::shard::Shard;

/// How often it looks whether the log has grown.
const TICK: Duration = Duration::from_millis(250);
/// Between two turns, at least, ...
const PAUSE: Duration = Duration::from_micros(200);
/// ... and at least so many times what the last one took: sends take the rest.
const PAUSE_TURNS: u32 = 19;
/// What failed is tried again after this.
const RETRY: Duration = Duration::from_secs(10);
/// Whoever looks for keys waits for the index no longer than this.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);
/// How often it looks whether that is so.
const LOOK: Duration = Duration::from_millis(2);

/// A shard's key index and how its task is woken.
pub(crate) struct KeyIndexing {
    pub(crate) index: KeyIndex,
    waker: RefCell<Option<Waker>>,
    is_wanted: Cell<bool>,
}

impl KeyIndexing {
    pub(crate) fn new(index: KeyIndex) -> Self {
        Self { index, waker: RefCell::default(), is_wanted: Cell::new(false) }
    }

    fn want(&self) {
        self.is_wanted.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn until_wanted(&self) {
        poll_fn(|context| {
            if self.is_wanted.take() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Runs as long as the shard, unless `messageIndexEnable` is false.
pub(crate) async fn run<E: Env>(shard: Rc<Shard<E>>) {
    let Some(indexing) = &shard.key_indexing else { return };
    loop {
        let began = shard.env.instant();
        let pause = match indexing.index.advance(shard.store.log()).await {
            Ok(true) => PAUSE.max((shard.env.instant() - began) * PAUSE_TURNS),
            Ok(false) => {
                futures_lite::future::or(indexing.until_wanted(), shard.env.sleep(TICK)).await;
                continue;
            }
            Err(error) => {
                let shard = &shard.identity.broker_name;
                tracing::warn!(%error, shard, "the index of keys does not get on; messages there are not found by key");
                RETRY
            }
        };
        // Somebody waits: then it may take more.
        let pause = if indexing.is_wanted.take() { pause.min(PAUSE) } else { pause };
        shard.env.sleep(pause).await;
    }
}

/// Waits until all that may be read now is found by its keys, or time is up.
pub(crate) async fn until_caught_up<E: Env>(shard: &Shard<E>, indexing: &KeyIndexing) {
    let log = shard.store.log();
    let wanted = log.acknowledgeable();
    let mut waited = Duration::ZERO;
    while indexing.index.reached(log).0 < wanted && waited < CAUGHT_UP_WITHIN {
        indexing.want();
        shard.env.sleep(LOOK).await;
        waited += LOOK;
    }
}
