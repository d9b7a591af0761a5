//! How far an installation is, for the process that goes on with it.

use serde::{Deserialize, Serialize};

use crate::commit_log::{LogId, LogPosition};
use crate::error::StorageError;
use crate::file::{Disk, read_file, replace_file};

const PATH: &str = "progress";

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProgressFile {
    log_id: u64,
    segment_bytes: u64,
    position: u64,
    index: u64,
    term: u64,
    previous: u32,
}

/// Where the log stands, all of it on stable storage; `None` if nothing says so, or it is another log.
/// # Errors
/// I/O.
pub(super) async fn load<D: Disk>(
    disk: &D,
    id: LogId,
    segment_bytes: u64,
) -> Result<Option<LogPosition>, StorageError> {
    let bytes = read_file(disk, PATH).await.map_err(StorageError::io("read", PATH))?;
    // One that does not decode costs no more than to begin anew.
    let file = bytes.and_then(|bytes| serde_json::from_slice::<ProgressFile>(&bytes).ok());
    let file = file.filter(|file| file.log_id == id.0 && file.segment_bytes == segment_bytes);
    Ok(file.map(|ProgressFile { position, index, term, previous, .. }| LogPosition { position, index, term, previous }))
}

/// Notes it, durably.
/// # Errors
/// I/O; what was noted before still holds.
pub(super) async fn save<D: Disk>(
    disk: &D,
    id: LogId,
    segment_bytes: u64,
    at: LogPosition,
) -> Result<(), StorageError> {
    let LogPosition { position, index, term, previous } = at;
    let file = ProgressFile { log_id: id.0, segment_bytes, position, index, term, previous };
    let bytes = serde_json::to_vec(&file).unwrap_or_default();
    replace_file(disk, PATH, bytes).await.map_err(StorageError::io("write", PATH))
}
