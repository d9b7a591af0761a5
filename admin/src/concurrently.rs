//! Many questions under way at once: a cluster is asked in the time of its slowest server, not of all of them in turn.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Questions under way at once; the next waits for one of them.
const AT_ONCE_MAX: usize = 32;

/// Runs all futures and returns their outputs in the same order. `finished` hears how many are done.
pub(crate) async fn concurrently<F: Future>(
    futures: impl IntoIterator<Item = F>,
    mut finished: impl FnMut(usize),
) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().enumerate().peekable();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut outputs: Vec<(usize, F::Output)> = Vec::new();
    poll_fn(|context| {
        loop {
            while running.len() < AT_ONCE_MAX
                && let Some((index, future)) = waiting.next()
            {
                running.push((index, Box::pin(future)));
            }
            let before = outputs.len();
            running.retain_mut(|(index, future)| match future.as_mut().poll(context) {
                Poll::Ready(output) => {
                    outputs.push((*index, output));
                    false
                }
                Poll::Pending => true,
            });
            if outputs.len() > before {
                finished(outputs.len());
            }
            if running.is_empty() && waiting.peek().is_none() {
                return Poll::Ready(());
            }
            // A place that became free is taken at once; else whoever is running wakes this up.
            if outputs.len() == before || waiting.peek().is_none() {
                return Poll::Pending;
            }
        }
    })
    .await;
    outputs.sort_unstable_by_key(|(index, _)| *index);
    outputs.into_iter().map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn outputs_keep_the_order_of_the_questions_and_few_run_at_once() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let question = |number: usize| {
            let (running, most) = (&running, &most);
            async move {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                // Later ones are done earlier.
                for _ in 0..(200 - number) {
                    tokio::task::yield_now().await;
                }
                running.set(running.get() - 1);
                number
            }
        };
        let mut last = 0;
        let outputs = concurrently((0..200).map(question), |done| last = done).await;
        assert_eq!(outputs, (0..200).collect::<Vec<_>>());
        assert_eq!((most.get(), last), (AT_ONCE_MAX, 200));
    }

    #[tokio::test]
    async fn nothing_to_ask_is_done_at_once() {
        assert!(concurrently(std::iter::empty::<std::future::Ready<()>>(), |_| {}).await.is_empty());
    }
}
