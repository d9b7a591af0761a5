//! The settings of a shard as they stand now.

use std::cell::{Cell, OnceCell};
use std::ops::Deref;
use std::sync::Arc;

use crate::config::BrokerConfig;

/// Changes of settings a shard takes between two starts. What was read under former ones may still be in use, so that none
/// of them goes; each takes some tens of KiB.
pub const CHANGES_MAX: usize = 256;

/// Settings that others may replace by new ones. Whoever holds a reference goes on with those it has read.
pub struct LiveConfig {
    versions: Box<[OnceCell<Arc<BrokerConfig>>]>,
    current: Cell<usize>,
}

/// [`CHANGES_MAX`] is reached. The text is the answer's remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("settings were changed {CHANGES_MAX} times since the start: put them into the configuration file and restart")]
pub struct ChangedTooOften;

impl LiveConfig {
    /// Those of the start.
    pub fn new(config: Arc<BrokerConfig>) -> Self {
        let mut versions = vec![OnceCell::new(); CHANGES_MAX + 1];
        versions[0] = OnceCell::from(config);
        Self { versions: versions.into(), current: Cell::new(0) }
    }

    /// From now on these hold.
    ///
    /// # Errors
    /// [`ChangedTooOften`].
    pub fn replace(&self, config: BrokerConfig) -> Result<(), ChangedTooOften> {
        let next = self.current.get() + 1;
        let free = self.versions.get(next).ok_or(ChangedTooOften)?;
        assert!(free.set(Arc::new(config)).is_ok(), "versions are used one after the other");
        self.current.set(next);
        Ok(())
    }
}

impl Deref for LiveConfig {
    type Target = BrokerConfig;

    fn deref(&self) -> &BrokerConfig {
        let current = self.versions[self.current.get()].get();
        current.expect("the current version is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    #[test]
    fn the_latest_settings_hold_and_former_ones_stay_for_whoever_reads_them() {
        let live = LiveConfig::new(Arc::new(config("")));
        let before: &BrokerConfig = &live;
        live.replace(before.update("maxMessageSize=10").unwrap().config).unwrap();
        assert_eq!((before.sends.body_bytes_max, live.sends.body_bytes_max), (4 << 20, 10));
        for _ in 1..CHANGES_MAX {
            live.replace(live.update("maxMessageSize=20").unwrap().config).unwrap();
        }
        assert_eq!(live.replace(config("")), Err(ChangedTooOften));
        assert_eq!(live.sends.body_bytes_max, 20);
    }
}
