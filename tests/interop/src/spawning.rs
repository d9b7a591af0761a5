//! A child has copies of all open files from its fork to its exec, those that close on exec too. A listener that a test
//! drops lives on meanwhile in a child that another thread of the test is just starting.

use std::process::{Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static CHILDREN_START: RwLock<()> = RwLock::new(());

/// To be held while a child is started.
pub fn child_starts() -> RwLockReadGuard<'static, ()> {
    CHILDREN_START.read().unwrap_or_else(PoisonError::into_inner)
}

/// While this is held no child is starting: what is closed is closed.
pub fn no_child_starts() -> RwLockWriteGuard<'static, ()> {
    CHILDREN_START.write().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a program that ends by itself.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn output_of(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let starts = child_starts();
    let started = command.spawn();
    drop(starts);
    let output = started.and_then(|child| child.wait_with_output());
    output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}
