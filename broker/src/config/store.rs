//! Where messages are kept, how safely and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::parse::delete_hours::DeleteHours;
use super::property_table::FRAME_RESERVE_BYTES;
use super::sources::Origin;
use super::values::Values;

/// When a send is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushDiskType {
    /// When the message is in memory that outlives the process; the write follows at once.
    Async,
    /// When the message is on stable storage.
    Sync,
}

/// Where messages are kept, how safely and for how long.
#[derive(Debug, Clone)]
pub struct Store {
    /// Folder of everything that is kept, with a folder for each shard. Default `~/store`, `--standalone`
    /// `~/turbopump`. RocketMQ: `storePathRootDir`.
    pub root: PathBuf,
    /// Bytes of a log segment. Default 1 GiB: few files, and one of them is what retention gives back.
    /// RocketMQ: `mappedFileSizeCommitLog`.
    pub segment_bytes: u32,
    /// When a send is acknowledged. Default [`FlushDiskType::Async`]. RocketMQ: `flushDiskType`.
    pub flush: FlushDiskType,
    /// Hours of the day, local time, in which expired segments are deleted. Default 4 o'clock. RocketMQ: `deleteWhen`.
    pub delete_hours: DeleteHours,
    /// Age at which a segment is expired. Default 72 h. RocketMQ: `fileReservedTime`.
    pub reserved_time: Duration,
    /// Percent of the disk in use from which expired segments are deleted at any hour. Default 75.
    /// RocketMQ: `diskMaxUsedSpaceRatio`.
    pub disk_used_percent_max: u8,
    /// Percent of the disk in use from which the oldest segments are deleted, expired or not. Default 85.
    /// RocketMQ: `diskSpaceCleanForciblyRatio`.
    pub disk_clean_percent: u8,
    /// Whether that may happen. Default true. RocketMQ: `cleanFileForciblyEnable`.
    pub clean_forcibly: bool,
    /// Percent of the disk in use from which sends are refused. Default 90. RocketMQ: `diskSpaceWarningLevelRatio`.
    pub disk_full_percent: u8,
    /// Bytes of log that a shard keeps; older segments are deleted at any hour, expired or not. 0: as many as age and disk
    /// allow. Default 0. Own: `logBytesMax`.
    pub log_bytes_max: u64,
    /// Memory for the tail of the log, bytes a shard: consumers that keep up read nothing else. Default 256 MiB,
    /// `--standalone` 64 MiB. Own: `logCacheBytes`.
    pub log_cache_bytes: u64,
    /// Size of the ring in shared memory that ASYNC_FLUSH acknowledges from, bytes a shard; 0: none, every
    /// acknowledgement waits for the direct write. Default 16 MiB. Own: `shmRingBytes`.
    pub ring_bytes: u64,
    /// Folder of the rings. It has to be in memory and outlive the process. Default `/dev/shm`. Own: `shmRingDir`.
    pub ring_dir: PathBuf,
    /// Whether `ring_dir` was set by somebody, who then knows what kind of memory it is.
    pub ring_dir_is_chosen: bool,
}

impl Store {
    pub(super) fn from_values(values: &Values, errors: &mut Vec<ConfigError>) -> Self {
        let store = Self {
            root: values.path("storePathRootDir").to_owned(),
            segment_bytes: values.number("mappedFileSizeCommitLog"),
            flush: if values.text("flushDiskType") == "SYNC_FLUSH" {
                FlushDiskType::Sync
            } else {
                FlushDiskType::Async
            },
            delete_hours: values.hours("deleteWhen").clone(),
            reserved_time: Duration::from_secs(values.number::<u64>("fileReservedTime") * 3_600),
            disk_used_percent_max: values.number("diskMaxUsedSpaceRatio"),
            disk_clean_percent: values.number("diskSpaceCleanForciblyRatio"),
            clean_forcibly: values.bool("cleanFileForciblyEnable"),
            disk_full_percent: values.number("diskSpaceWarningLevelRatio"),
            log_bytes_max: values.number("logBytesMax"),
            log_cache_bytes: values.number("logCacheBytes"),
            ring_bytes: values.number("shmRingBytes"),
            ring_dir: values.path("shmRingDir").to_owned(),
            ring_dir_is_chosen: *values.origin("shmRingDir") != Origin::Default,
        };
        store.check(values, errors);
        store
    }

    fn check(&self, values: &Values, errors: &mut Vec<ConfigError>) {
        let body_bytes: u32 = values.number("maxMessageSize");
        if self.segment_bytes < body_bytes + FRAME_RESERVE_BYTES {
            let (segment_bytes, reserve_bytes) = (self.segment_bytes, FRAME_RESERVE_BYTES);
            errors.push(ConfigError::SegmentTooSmall { segment_bytes, body_bytes, reserve_bytes });
        }
        if self.ring_bytes != 0 && self.ring_bytes < 2 * u64::from(body_bytes + FRAME_RESERVE_BYTES) {
            errors.push(ConfigError::RingTooSmall { ring_bytes: self.ring_bytes, body_bytes });
        }
        let commit_log = values.path("storePathCommitLog");
        if *values.origin("storePathCommitLog") != Origin::Default && !commit_log.starts_with(&self.root) {
            errors.push(ConfigError::CommitLogOutsideRoot {
                commit_log: commit_log.display().to_string(),
                root: self.root.display().to_string(),
                origin: values.origin("storePathCommitLog").clone(),
            });
        }
    }
}
