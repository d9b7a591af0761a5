//! Ctrl-C and SIGTERM: asked for, not obeyed at once, so that no process is left behind.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::CompareError;

/// How often who waits looks whether to go on.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Whether somebody wants the end. Clones ask the same.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on, for the whole process.
    /// # Errors
    /// The signals cannot be caught.
    pub fn watch() -> io::Result<Self> {
        let interrupt = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let (mut from_keyboard, mut polite) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        let told = interrupt.clone();
        thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = from_keyboard.recv() => {}
                    _ = polite.recv() => {}
                }
            });
            told.0.store(true, Ordering::Relaxed);
        })?;
        Ok(interrupt)
    }

    /// One that was given already.
    #[cfg(test)]
    pub(crate) fn wanted() -> Self {
        let interrupt = Self::default();
        interrupt.0.store(true, Ordering::Relaxed);
        interrupt
    }

    /// # Errors
    /// [`CompareError::Interrupted`] once somebody wants the end.
    pub fn check(&self) -> Result<(), CompareError> {
        if self.0.load(Ordering::Relaxed) { Err(CompareError::Interrupted) } else { Ok(()) }
    }

    /// Waits.
    /// # Errors
    /// [`CompareError::Interrupted`], at once.
    pub fn sleep(&self, duration: Duration) -> Result<(), CompareError> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_woken_by_the_end() {
        assert!(Interrupt::default().sleep(Duration::from_millis(1)).is_ok());
        let interrupt = Interrupt::wanted();
        assert!(matches!(interrupt.sleep(Duration::from_secs(3600)), Err(CompareError::Interrupted)));
    }
}
