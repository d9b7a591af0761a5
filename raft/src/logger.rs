//! raft-rs's own log lines, passed to `tracing`.

use slog::{Drain, Level, Logger, OwnedKVList, Record, o};

/// Elections and role changes at debug level, each message at trace level; nothing is formatted that nobody reads.
pub(crate) fn logger() -> Logger {
    Logger::root(TracingDrain, o!())
}

struct TracingDrain;

impl Drain for TracingDrain {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), slog::Never> {
        if record.level().is_at_least(Level::Info) {
            tracing::debug!(target: "raft", "{}", record.msg());
        } else {
            tracing::trace!(target: "raft", "{}", record.msg());
        }
        Ok(())
    }
}
