//! Work on many items, some of it under way at a time, in one task: no lock, no thread, no task of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::error::StorageError;

/// Does `work` for every item, for at most `at_once` of them at a time. When one fails none is begun any more, and what is
/// under way is waited for.
/// # Errors
/// What failed: [`StorageError::Several`] where that is more than one.
pub(crate) async fn for_each<'a, T>(
    items: &'a [T],
    at_once: usize,
    work: impl AsyncFn(&'a T) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let next = Cell::new(0);
    let failures = RefCell::new(Vec::new());
    let next_item = || match failures.borrow().is_empty() {
        true => items.get(next.replace(next.get() + 1)),
        false => None,
    };
    let lane = async || {
        while let Some(item) = next_item() {
            if let Err(failure) = work(item).await {
                failures.borrow_mut().push(failure);
            }
        }
    };
    let mut lanes: Vec<_> = (0..at_once.min(items.len())).map(|_| Some(Box::pin(lane()))).collect();
    // All are asked whenever one may go on: they are few.
    poll_fn(|context| {
        for lane in &mut lanes {
            if lane.as_mut().is_some_and(|lane| Pin::new(lane).poll(context).is_ready()) {
                *lane = None;
            }
        }
        if lanes.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(lanes);
    let mut failures = failures.into_inner();
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(StorageError::Several { failures }),
    }
}
