//! Ctrl-C and SIGTERM: asked for, not obeyed at once, so that everything is taken back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody wants the end. Clones ask the same.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on, for the whole process. A closed terminal (SIGHUP) is one of them.
    /// # Errors
    /// The signals cannot be caught.
    pub fn watch() -> io::Result<Self> {
        let interrupt = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let (mut keyboard, mut polite) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut closed = signal(SignalKind::hangup())?;
        drop(entered);
        let told = interrupt.clone();
        thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = keyboard.recv() => {}
                    _ = polite.recv() => {}
                    _ = closed.recv() => {}
                }
            });
            told.0.store(true, Ordering::Relaxed);
        })?;
        Ok(interrupt)
    }

    /// Whether the end is wanted.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
