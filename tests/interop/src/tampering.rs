//! What can happen to the shared-memory rings between a crash and the next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One way of losing or spoiling the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// The files are gone, as after a reboot.
    Removed,
    /// The files are as they were at an earlier moment of the same store.
    Stale,
    /// The files are another store's.
    Foreign,
    /// Bytes in the middle are wrong.
    Damaged,
    /// The files end early.
    Truncated,
}

impl Tampering {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Removed, Self::Stale, Self::Foreign, Self::Damaged, Self::Truncated];
}

/// Copies of a folder's ring files, taken for [`Tampering::Stale`] and [`Tampering::Foreign`].
#[derive(Debug, Default, Clone)]
pub struct RingCopies {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl RingCopies {
    /// The files as they are now.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let copy = |path: PathBuf| fs::read(&path).map(|bytes| (path, bytes));
        let files = ring_files(folder).and_then(|paths| paths.into_iter().map(copy).collect());
        Self { files: files.unwrap_or_else(|error| panic!("cannot copy {}: {error}", folder.display())) }
    }
}

/// Does it to every ring in `folder`; returns how many files that were.
///
/// # Panics
/// When the files cannot be changed.
pub fn tamper(folder: &Path, how: Tampering, stale: &RingCopies, foreign: &RingCopies) -> usize {
    let apply = || -> io::Result<usize> {
        let paths = ring_files(folder)?;
        for (i, path) in paths.iter().enumerate() {
            match how {
                Tampering::Removed => fs::remove_file(path)?,
                Tampering::Stale => restore(path, stale.files.iter().find(|(from, _)| from == path))?,
                Tampering::Foreign => restore(path, foreign.files.get(i))?,
                Tampering::Damaged => overwrite_middle(path)?,
                Tampering::Truncated => {
                    fs::OpenOptions::new().write(true).open(path)?.set_len(fs::metadata(path)?.len() / 2)?
                }
            }
        }
        Ok(paths.len())
    };
    apply().unwrap_or_else(|error| panic!("cannot make the rings in {} {how:?}: {error}", folder.display()))
}

fn restore(path: &Path, copy: Option<&(PathBuf, Vec<u8>)>) -> io::Result<()> {
    match copy {
        Some((_, bytes)) => fs::write(path, bytes),
        None => fs::remove_file(path),
    }
}

fn overwrite_middle(path: &Path) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    let (start, end) = (bytes.len() / 4, bytes.len() * 3 / 4);
    for (i, byte) in bytes[start..end].iter_mut().enumerate() {
        *byte ^= u8::try_from(i % 255).expect("below 255") + 1;
    }
    fs::write(path, bytes)
}

/// The files below the folder, in a stable order.
fn ring_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(ring_files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
