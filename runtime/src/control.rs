//! The control thread: an ordinary tokio runtime for what is process-wide and never on the path of a message.

use std::future::Future;
use std::io;

/// Runs `future` on a current-thread tokio runtime until it is done.
/// # Errors
/// The runtime cannot be made.
pub fn run<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}

/// Completes at the first SIGTERM or SIGINT and names it.
/// # Errors
/// Signals cannot be watched.
pub async fn stop_signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
