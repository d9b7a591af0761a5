//! How far a shard's start is, readable from another thread while the shard recovers.

use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use serde::Serialize;
use storage::commit_log;
use storage::store::OpenProgress;

/// What a shard is doing on its way to serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryPhase {
    /// Its thread is being started.
    Starting,
    /// Its newest checkpoint is read.
    ReadingCheckpoint,
    /// The log behind the checkpoint is read.
    ReplayingLog,
    /// ConsumeQueue files that were missing or short are written again.
    RebuildingQueues,
    /// It serves.
    Serving,
    /// It has ended.
    Ended,
}

const PHASES: [RecoveryPhase; 6] = [
    RecoveryPhase::Starting,
    RecoveryPhase::ReadingCheckpoint,
    RecoveryPhase::ReplayingLog,
    RecoveryPhase::RebuildingQueues,
    RecoveryPhase::Serving,
    RecoveryPhase::Ended,
];

/// One shard's progress. Not on the path of any message, hence the atomics.
#[derive(Debug, Default)]
pub struct RecoveryProgress {
    phase: AtomicU8,
    replayed_bytes: AtomicU64,
    to_replay_bytes_max: AtomicU64,
    /// Where the log's last file ends.
    log_files_end: AtomicU64,
}

/// What [`RecoveryProgress`] says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecoveryView {
    /// What it is doing.
    pub phase: RecoveryPhase,
    /// Bytes of the log read so far.
    pub replayed_bytes: u64,
    /// Bytes up to the end of the log's last file. The log ends there or before, and where shows only when it is read.
    pub to_replay_bytes_max: u64,
}

impl RecoveryProgress {
    /// Looks how long the log's files are: `folder` is the shard's.
    pub(crate) fn measure(&self, folder: &Path) {
        self.log_files_end.store(log_files_end(folder), Ordering::Relaxed);
    }

    /// Follows a store that opens.
    pub(crate) fn opening(&self, progress: OpenProgress) {
        match progress {
            OpenProgress::Checkpoint => self.enter(RecoveryPhase::ReadingCheckpoint),
            OpenProgress::Log { first, position } => {
                let end = self.log_files_end.load(Ordering::Relaxed).max(position);
                self.replayed_bytes.store(position - first, Ordering::Relaxed);
                self.to_replay_bytes_max.store(end - first.min(end), Ordering::Relaxed);
                self.enter(RecoveryPhase::ReplayingLog);
            }
            OpenProgress::Queues { .. } => {
                // The log ended where reading it did.
                self.to_replay_bytes_max.store(self.replayed_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
                self.enter(RecoveryPhase::RebuildingQueues);
            }
        }
    }

    pub(crate) fn enter(&self, phase: RecoveryPhase) {
        let number = PHASES.iter().position(|known| *known == phase).unwrap_or(0);
        self.phase.store(number as u8, Ordering::Release);
    }

    /// The phase now.
    pub fn phase(&self) -> RecoveryPhase {
        PHASES[usize::from(self.phase.load(Ordering::Acquire))]
    }

    /// Everything now.
    pub fn view(&self) -> RecoveryView {
        RecoveryView {
            phase: self.phase(),
            replayed_bytes: self.replayed_bytes.load(Ordering::Relaxed),
            to_replay_bytes_max: self.to_replay_bytes_max.load(Ordering::Relaxed),
        }
    }
}

/// A segment is named after the physical offset of its first byte. What cannot be read counts as nothing: this is for
/// showing only, opening the log says what is wrong with it.
fn log_files_end(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder.join(commit_log::DIRECTORY)) else { return 0 };
    let end = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let first: u64 = entry.file_name().to_str()?.parse().ok()?;
        Some(first + entry.metadata().ok()?.len())
    };
    entries.filter_map(end).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_against_the_end_of_the_last_file_until_the_log_s_own_end_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(commit_log::DIRECTORY);
        std::fs::create_dir(&log).unwrap();
        for (name, bytes) in [("00000000000000000000", 4096), ("00000000000000004096", 8192), ("spare", 1 << 20)] {
            std::fs::File::create(log.join(name)).unwrap().set_len(bytes).unwrap();
        }
        let progress = RecoveryProgress::default();
        assert_eq!(progress.phase(), RecoveryPhase::Starting);
        progress.measure(folder.path());
        progress.opening(OpenProgress::Checkpoint);
        assert_eq!(progress.phase(), RecoveryPhase::ReadingCheckpoint);
        progress.opening(OpenProgress::Log { first: 4000, position: 5000 });
        let view = progress.view();
        assert_eq!(view.phase, RecoveryPhase::ReplayingLog);
        assert_eq!((view.replayed_bytes, view.to_replay_bytes_max), (1000, 8288));
        progress.opening(OpenProgress::Queues { damaged: 0 });
        let view = progress.view();
        assert_eq!((view.replayed_bytes, view.to_replay_bytes_max), (1000, 1000));
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_log() {
        assert_eq!(log_files_end(Path::new("/nowhere")), 0);
    }
}
