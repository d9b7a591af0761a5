//! Whether the store's folder can be written, and by direct I/O.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open, statvfs};

use super::facts::{DirectIo, StoreState};

/// Largest block that direct I/O asks for on the file systems it is used on.
const BLOCK_BYTES: usize = 4096;

/// Makes the folder if need be and writes a block into it, as the log will. The file is removed again.
pub(super) fn probe(root: &Path) -> StoreState {
    let failed = |step, path: &Path, error: io::Error| StoreState::NotWritable {
        step,
        path: path.to_owned(),
        cause: error.to_string(),
    };
    if let Err(error) = fs::create_dir_all(root) {
        return failed("create the folder", root, error);
    }
    let path = root.join(format!(".preflight-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let buffered = write_block(&path, OFlags::empty());
    let direct_io = match write_block(&path, OFlags::DIRECT) {
        Ok(()) => DirectIo::Works,
        Err(error) => DirectIo::Refused { cause: error.to_string() },
    };
    let free_bytes = statvfs(root).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)).unwrap_or(u64::MAX);
    let removed = fs::remove_file(&path);
    match (buffered, removed) {
        (Err(error), _) => failed("write the file", &path, error),
        (Ok(()), Err(error)) => failed("remove the file", &path, error),
        (Ok(()), Ok(())) => StoreState::Writable { direct_io, free_bytes },
    }
}

/// Some file systems take the flag and refuse the write, so only a write tells.
fn write_block(path: &Path, flags: OFlags) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | flags, Mode::RUSR | Mode::WUSR)?;
    // Direct I/O needs memory at a block's boundary.
    let memory = vec![0u8; 2 * BLOCK_BYTES];
    let start = memory.as_ptr().align_offset(BLOCK_BYTES);
    let written = rustix::io::pwrite(file.as_fd(), &memory[start..start + BLOCK_BYTES], 0)?;
    if written == BLOCK_BYTES { Ok(()) } else { Err(io::Error::other(format!("only {written} bytes were written"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_this_user_is_writable_and_left_empty() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/store");
        let state = probe(&root);
        assert!(matches!(state, StoreState::Writable { free_bytes, .. } if free_bytes > 0), "{state:?}");
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn a_store_below_a_file_cannot_be_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let root = file.path().join("store");
        let state = probe(&root);
        assert!(matches!(state, StoreState::NotWritable { step: "create the folder", .. }), "{state:?}");
    }

    #[test]
    fn a_pseudo_file_system_refuses_files() {
        let state = probe(Path::new("/proc/self"));
        assert!(matches!(state, StoreState::NotWritable { step: "write the file", .. }), "{state:?}");
    }
}
