//! A store's folder as a whole: who it is, how many shards it holds, and that one process at a time uses it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::commit_log::LogId;
use crate::error::StorageError;

/// Layout version of a store; another one is refused.
pub const FORMAT: u32 = 2;
const IDENTITY_FILE: &str = "store.json";
const LOCK_FILE: &str = "lock";
const SHARD_PREFIX: &str = "shard-";

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityFile {
    format: u32,
    /// Hexadecimal, so that tools that read numbers as floats keep it.
    store_id: String,
    shards: u32,
}

/// An open store folder. The lock is held as long as this lives.
#[derive(Debug)]
pub struct StoreFolder {
    root: PathBuf,
    store_id: u64,
    shards: u32,
    _lock: File,
}

impl StoreFolder {
    /// Opens the store in `root`, or makes one with the id `new_id`. `shards` may only grow.
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::Format`], [`StorageError::TooFewShards`], I/O.
    pub fn open(root: &Path, shards: u32, new_id: u64) -> Result<Self, StorageError> {
        fs::create_dir_all(root).map_err(StorageError::io("create", path_text(root)))?;
        let lock = take_lock(root)?;
        let path = root.join(IDENTITY_FILE);
        let new = IdentityFile { format: FORMAT, store_id: format!("{new_id:016x}"), shards: 0 };
        let mut identity = read_identity(root, shards)?.unwrap_or(new);
        if identity.shards < shards {
            identity.shards = shards;
            write_durably(root, &path, &identity)?;
        }
        let store_id = u64::from_str_radix(&identity.store_id, 16).map_err(|error| StorageError::Malformed {
            path: path_text(&path),
            what: format!("storeId {:?}: {error}", identity.store_id),
        })?;
        Ok(Self { root: root.to_owned(), store_id, shards, _lock: lock })
    }

    /// Whether [`Self::open`] would open what is in `root` now, if anything is. Changes nothing.
    /// # Errors
    /// Those of [`Self::open`].
    pub fn check(root: &Path, shards: u32) -> Result<(), StorageError> {
        if !root.is_dir() {
            return Ok(());
        }
        if let Ok(lock) = File::open(root.join(LOCK_FILE)) {
            lock_file(root, lock)?;
        }
        read_identity(root, shards).map(drop)
    }

    /// Shards of the store.
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// Folder of one shard.
    pub fn shard_folder(&self, shard: u32) -> PathBuf {
        self.root.join(format!("{SHARD_PREFIX}{shard}"))
    }

    /// Id that the log of one shard carries.
    pub fn log_id(&self, shard: u32) -> LogId {
        // An odd multiplier keeps the ids of the shards of all stores apart.
        LogId(self.store_id.wrapping_add(u64::from(shard).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }
}

/// The identity in `root`, if it is one for this version and at most `shards` shards; `None` if there is no store yet.
fn read_identity(root: &Path, shards: u32) -> Result<Option<IdentityFile>, StorageError> {
    let path = root.join(IDENTITY_FILE);
    let identity = match fs::read(&path) {
        Ok(bytes) => parse(&path, &bytes)?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StorageError::io("read", path_text(&path))(error));
        }
        Err(_) if has_shards(root)? => {
            let what =
                "it is missing, and there are shard folders: a new id would make their messages unreadable. Restore it";
            return Err(StorageError::Malformed { path: path_text(&path), what: what.to_owned() });
        }
        Err(_) => return Ok(None),
    };
    if identity.format != FORMAT {
        return Err(StorageError::Format { path: path_text(root), found: identity.format, expected: FORMAT });
    }
    if identity.shards > shards {
        return Err(StorageError::TooFewShards { path: path_text(root), found: identity.shards, configured: shards });
    }
    Ok(Some(identity))
}

fn has_shards(root: &Path) -> Result<bool, StorageError> {
    let list = || -> io::Result<bool> {
        for entry in fs::read_dir(root)? {
            if entry?.file_name().to_string_lossy().starts_with(SHARD_PREFIX) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    list().map_err(StorageError::io("list", path_text(root)))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<IdentityFile, StorageError> {
    let malformed =
        |error: serde_json::Error| StorageError::Malformed { path: path_text(path), what: error.to_string() };
    serde_json::from_slice(bytes).map_err(malformed)
}

fn take_lock(root: &Path) -> Result<File, StorageError> {
    let path = root.join(LOCK_FILE);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut lock = lock_file(root, opened.map_err(StorageError::io("open", path_text(&path)))?)?;
    let write = |lock: &mut File| {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())
    };
    write(&mut lock).map_err(StorageError::io("write to", path_text(&path)))?;
    Ok(lock)
}

fn lock_file(root: &Path, mut lock: File) -> Result<File, StorageError> {
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        let holder = match lock.read_to_string(&mut pid) {
            Ok(_) if !pid.trim().is_empty() => format!(" (pid {})", pid.trim()),
            _ => String::new(),
        };
        return Err(StorageError::Locked { path: path_text(root), holder });
    }
    Ok(lock)
}

fn write_durably(root: &Path, path: &Path, identity: &IdentityFile) -> Result<(), StorageError> {
    let bytes = serde_json::to_vec_pretty(identity).unwrap_or_default();
    let new = path.with_extension("json.new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(root)?.sync_all()
    };
    write().map_err(StorageError::io("write", path_text(path)))
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_keeps_its_id_and_never_loses_shards() {
        let folder = tempfile::tempdir().unwrap();
        let first = StoreFolder::open(folder.path(), 2, 0xABCD).unwrap();
        let (zero, one) = (first.log_id(0), first.log_id(1));
        assert_ne!(zero, one);
        drop(first);
        let grown = StoreFolder::open(folder.path(), 3, 0x1234).unwrap();
        assert_eq!((grown.log_id(0), grown.log_id(1)), (zero, one));
        drop(grown);
        let error = StoreFolder::open(folder.path(), 2, 1).unwrap_err();
        assert!(matches!(error, StorageError::TooFewShards { found: 3, configured: 2, .. }), "{error}");
    }

    #[test]
    fn a_second_user_of_a_store_is_refused_and_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let _held = StoreFolder::open(folder.path(), 1, 1).unwrap();
        let error = StoreFolder::open(folder.path(), 1, 1).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
    }

    #[test]
    fn checking_a_store_says_what_opening_would_say_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        StoreFolder::check(&root, 1).unwrap();
        assert!(!root.exists());
        let held = StoreFolder::open(&root, 2, 1).unwrap();
        assert!(matches!(StoreFolder::check(&root, 2), Err(StorageError::Locked { .. })));
        drop(held);
        StoreFolder::check(&root, 3).unwrap();
        assert!(matches!(StoreFolder::check(&root, 1), Err(StorageError::TooFewShards { found: 2, .. })));
        assert_eq!(StoreFolder::open(&root, 2, 1).unwrap().shards(), 2, "a check for three shards made no third");
    }

    #[test]
    fn a_store_that_lost_its_identity_is_not_given_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreFolder::open(folder.path(), 1, 1).unwrap();
        fs::create_dir(store.shard_folder(0)).unwrap();
        drop(store);
        fs::remove_file(folder.path().join("store.json")).unwrap();
        let error = StoreFolder::open(folder.path(), 1, 2).unwrap_err();
        assert!(matches!(error, StorageError::Malformed { .. }), "{error}");
    }

    #[test]
    fn a_store_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("store.json"), br#"{"format":99,"storeId":"01","shards":1}"#).unwrap();
        let error = StoreFolder::open(folder.path(), 1, 1).unwrap_err();
        assert!(matches!(error, StorageError::Format { found: 99, expected: FORMAT, .. }), "{error}");
    }
}
