//! What disk and loopback of this machine carry at best, measured right beside what is held against it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::CompareError;

/// One write.
const BLOCK_BYTES: usize = 1 << 20;
/// Of the device, for direct writes.
const ALIGNMENT: usize = 4096;
/// Writes at once: one alone leaves the device idle between two.
const WRITERS: u64 = 4;
const LOOPBACK_FOR: Duration = Duration::from_secs(2);

/// Rates of the disk below a folder, bytes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskRates {
    /// Direct writes of 1 MiB into a file that was written before, four at once.
    pub write: f64,
    /// The same while each block is read from another file just before.
    pub copy: f64,
}

/// Measures the disk with two files of so many bytes below `folder`, and deletes them.
/// # Errors
/// A file cannot be written, or the file system knows no direct access.
pub fn disk(folder: &Path, bytes: u64) -> Result<DiskRates, CompareError> {
    let (source, target) = (folder.join("disk-rate-source"), folder.join("disk-rate-target"));
    let measured = (|| {
        // The first write of a file is that of its blocks to the file system too, which a broker does ahead.
        write(&source, bytes)?;
        write(&target, bytes)?;
        Ok(DiskRates { write: write(&target, bytes)?, copy: copy(&source, &target, bytes)? })
    })();
    for path in [source, target] {
        let _ = fs::remove_file(path);
    }
    measured.map_err(CompareError::file("measure the disk of", folder))
}

/// Bytes a second that one TCP connection of this machine with itself carries.
/// # Errors
/// There is no such connection to be had.
pub fn loopback() -> Result<f64, CompareError> {
    carry().map_err(CompareError::file("measure a connection to", "127.0.0.1"))
}

fn write(path: &Path, bytes: u64) -> io::Result<f64> {
    let file = open(path)?;
    file.set_len(bytes)?;
    in_parts(bytes, |offset, block| file.write_all_at(block, offset))
}

fn copy(source: &Path, target: &Path, bytes: u64) -> io::Result<f64> {
    let (source, target) = (open(source)?, open(target)?);
    in_parts(bytes, |offset, block| {
        source.read_exact_at(block, offset)?;
        target.write_all_at(block, offset)
    })
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).custom_flags(libc::O_DIRECT).open(path)
}

/// Calls `each` for all blocks, from [`WRITERS`] threads that have a part each. Bytes a second.
fn in_parts(bytes: u64, each: impl Fn(u64, &mut [u8]) -> io::Result<()> + Sync) -> io::Result<f64> {
    let began = Instant::now();
    let part_bytes = bytes / WRITERS;
    let each = &each;
    thread::scope(|scope| {
        let work = |part: u64| {
            move || {
                let mut buffer = vec![0x5a; BLOCK_BYTES + ALIGNMENT];
                let start = buffer.as_ptr().align_offset(ALIGNMENT);
                let block = &mut buffer[start..start + BLOCK_BYTES];
                (0..part_bytes / BLOCK_BYTES as u64)
                    .try_for_each(|number| each(part * part_bytes + number * BLOCK_BYTES as u64, block))
            }
        };
        let workers: Vec<_> = (0..WRITERS).map(|part| scope.spawn(work(part))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a writer does not panic"))
    })?;
    Ok((part_bytes * WRITERS) as f64 / began.elapsed().as_secs_f64())
}

fn carry() -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    let reader = thread::spawn(move || -> io::Result<u64> {
        let mut buffer = vec![0; BLOCK_BYTES];
        let mut sum = 0;
        loop {
            match far.read(&mut buffer)? {
                0 => return Ok(sum),
                read => sum += read as u64,
            }
        }
    });
    let (began, block) = (Instant::now(), vec![0x5a; BLOCK_BYTES]);
    while began.elapsed() < LOOPBACK_FOR {
        near.write_all(&block)?;
    }
    drop(near);
    let carried = reader.join().expect("the reader does not panic")?;
    Ok(carried as f64 / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_file_once_and_what_is_copied_is_the_same() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let (source, target) = (folder.path().join("a"), folder.path().join("b"));
        let bytes = 2 * WRITERS * BLOCK_BYTES as u64;
        assert!(write(&source, bytes).unwrap() > 0.0);
        assert!(copy(&source, &target, bytes).unwrap() > 0.0);
        let (source, target) = (fs::read(source).unwrap(), fs::read(target).unwrap());
        assert_eq!(source.len() as u64, bytes);
        assert!(source.iter().all(|byte| *byte == 0x5a) && source == target);
    }

    #[test]
    fn a_measured_disk_has_no_files_left() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let rates = disk(folder.path(), WRITERS * BLOCK_BYTES as u64).unwrap();
        assert!(rates.write > 0.0 && rates.copy > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
