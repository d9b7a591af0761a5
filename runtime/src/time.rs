//! Time as a shard's tasks see it.

use std::future::Future;
use std::time::Duration;

/// Waits without holding the shard.
pub async fn sleep(duration: Duration) {
    glommio::timer::sleep(duration).await;
}

/// Runs a future on the present shard beside what it does already.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    glommio::spawn_local(future).detach();
}

/// Lets the shard's other tasks run.
pub async fn yield_now() {
    glommio::executor().yield_now().await;
}

thread_local! {
    static BACKGROUND: std::cell::OnceCell<glommio::TaskQueueHandle> = const { std::cell::OnceCell::new() };
}

/// As [`spawn`], with a small share of the shard's time while requests want it.
pub fn spawn_background(future: impl Future<Output = ()> + 'static) {
    let queue = BACKGROUND.with(|queue| {
        *queue.get_or_init(|| {
            let (shares, latency) = (glommio::Shares::Static(BACKGROUND_SHARES), glommio::Latency::NotImportant);
            glommio::executor().create_task_queue(shares, latency, "background")
        })
    });
    match glommio::spawn_local_into(future, queue) {
        Ok(task) => drop(task.detach()),
        Err(_) => unreachable!("the queue lives as long as its executor"),
    }
}

/// Requests run with 1000.
const BACKGROUND_SHARES: usize = 50;
