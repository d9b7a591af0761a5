//! Answers of all shards, shared by everybody who asks at about the same time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Whoever asks again this soon gets the same answers: however many ask, a shard is bothered no more often.
pub(super) const ANSWERS_KEPT: Duration = Duration::from_millis(200);

/// One answer a shard; `None` is a shard that did not answer.
pub(super) type Answers<T> = Arc<Vec<Option<T>>>;

/// The last round of asking.
pub(super) struct KeptAnswers<T>(Mutex<Option<(Instant, Answers<T>)>>);

impl<T> KeptAnswers<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What was answered a moment ago, else what `ask` brings. One round of asking is under way at a time.
    pub(super) async fn get(&self, ask: impl Future<Output = Vec<Option<T>>>) -> Answers<T> {
        let mut kept = self.0.lock().await;
        if let Some((at, answers)) = &*kept
            && at.elapsed() < ANSWERS_KEPT
        {
            return answers.clone();
        }
        let answers = Arc::new(ask.await);
        *kept = Some((Instant::now(), answers.clone()));
        answers
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_together_cost_one_question() {
        let (kept, asked) = (KeptAnswers::new(), Cell::new(0));
        let ask = || async {
            asked.set(asked.get() + 1);
            tokio::time::sleep(Duration::from_secs(1)).await;
            vec![Some(asked.get())]
        };
        let (one, other) = tokio::join!(kept.get(ask()), kept.get(ask()));
        assert_eq!((one[0], other[0], asked.get()), (Some(1), Some(1), 1));
        tokio::time::advance(ANSWERS_KEPT).await;
        assert_eq!(kept.get(ask()).await[0], Some(2));
    }
}
