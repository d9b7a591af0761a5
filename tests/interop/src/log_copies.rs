//! Whether the replicas of a shard hold the same log, byte for byte.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::body::KvTable;
use protocol::code::RequestCode;

use crate::raw_client::RawClient;
use crate::replica_group::ReplicaGroup;
use crate::requests;
use crate::until::until;

const EQUAL_WITHIN: Duration = Duration::from_secs(30);
/// How long a segment that is being removed may lie there without its bytes.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of an entry's header. Layout: `storage/src/commit_log/entry.rs`.
const HEADER_BYTES: usize = 64;
const MAGIC: &[u8] = b"TPLE";
const KIND_AT: usize = 4;
/// Reaches to the end of its segment; what it holds means nothing and is not replicated.
const FILLER: u8 = 3;
const PAYLOAD_BYTES_AT: usize = 40;

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Entries, fillers among them.
    pub entries: u64,
    /// Where the logs end.
    pub end: u64,
}

/// Waits until all replicas of a shard have written the same length of log, and compares them.
///
/// # Panics
/// When they do not get equally long, or differ; with where.
pub fn expect_identical(group: &mut ReplicaGroup, shard: u16) -> Compared {
    let end = wait_until_equally_long(group, shard);
    let logs = logs_of_members(group, shard);
    let (mut at, mut entries) = (0, 0);
    while at < end {
        let (next, first) = logs[0].entry(at);
        for (number, log) in logs.iter().enumerate().skip(1) {
            let (_, other) = log.entry(at);
            assert!(first == other, "n{number} has another entry at {at} than n0: {other:?} instead of {first:?}");
        }
        (at, entries) = (next, entries + 1);
    }
    Compared { entries, end }
}

/// As [`expect_identical`] of logs whose beginnings were removed, of each at its own time: compares what all have.
///
/// # Panics
/// As [`expect_identical`].
pub fn expect_identical_where_kept(group: &mut ReplicaGroup, shard: u16) -> Compared {
    let end = wait_until_equally_long(group, shard);
    let logs = logs_of_members(group, shard);
    'again: loop {
        let (mut at, mut entries) = (logs.iter().map(|log| oldest_kept(&log.folder)).max().unwrap_or_default(), 0);
        while at < end {
            let mut seen: Option<(u64, Vec<u8>)> = None;
            for (number, log) in logs.iter().enumerate() {
                if oldest_kept(&log.folder) > at {
                    // Another segment was removed meanwhile.
                    continue 'again;
                }
                let entry = match log.try_entry(at) {
                    Ok(entry) => entry,
                    Err(reason) => {
                        let gone = || if oldest_kept(&log.folder) > at { Ok(()) } else { Err(reason.clone()) };
                        until(
                            "an entry that cannot be read to be one of a segment that is being removed",
                            REMOVED_WITHIN,
                            gone,
                        );
                        continue 'again;
                    }
                };
                if let Some(first) = &seen {
                    assert!(*first == entry, "n{number} has another entry at {at} than n0");
                } else {
                    seen = Some(entry);
                }
            }
            (at, entries) = (seen.map_or(end, |(next, _)| next), entries + 1);
        }
        return Compared { entries, end };
    }
}

/// First physical offset of the log in a folder.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn oldest_kept(folder: &Path) -> u64 {
    let names = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let firsts = names.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    firsts.min().unwrap_or_else(|| panic!("no segments in {}", folder.display()))
}

/// Compares the files of two logs that both end at `end`, all of it written, from where the later one begins.
///
/// # Panics
/// When they differ; with where.
pub fn expect_same_files(folders: &[PathBuf; 2], end: u64) {
    let mut at = folders.iter().map(|folder| oldest_kept(folder)).max().unwrap_or_default();
    let [one, other] = folders.each_ref().map(|folder| LogFiles::in_folder(folder.clone()));
    while at < end {
        let (next, entry) = one.entry(at);
        assert!(
            other.entry(at).1 == entry,
            "another entry at {at} in {} than in {}",
            folders[1].display(),
            folders[0].display()
        );
        at = next;
    }
}

/// Waits until every replica of a shard has what the longest log has now.
///
/// # Panics
/// When that does not come.
pub fn wait_until_all_have_it(group: &mut ReplicaGroup, shard: u16) {
    let mut clients: Vec<_> = group.member_nodes().map(|node| RawClient::connect(node.address(shard))).collect();
    let now = clients.iter_mut().map(|client| written(client).0).max();
    until(&format!("every log of shard {shard} to reach {now:?}"), EQUAL_WITHIN, || {
        let ends: Vec<u64> = clients.iter_mut().map(|client| written(client).0).collect();
        if ends.iter().all(|end| Some(*end) >= now) { Ok(()) } else { Err(format!("{ends:?}\n{}", group.outputs())) }
    });
}

fn logs_of_members(group: &ReplicaGroup, shard: u16) -> Vec<LogFiles> {
    group.member_nodes().map(|node| LogFiles::in_folder(node.log_folder(shard))).collect()
}

fn wait_until_equally_long(group: &mut ReplicaGroup, shard: u16) -> u64 {
    let addresses: Vec<_> = group.member_nodes().map(|node| node.address(shard)).collect();
    let mut clients: Vec<RawClient> = addresses.iter().map(|address| RawClient::connect(*address)).collect();
    let what = format!("the logs of shard {shard} to be of equal length and written");
    until(&what, EQUAL_WITHIN, || {
        let ends: Vec<(u64, String)> = clients.iter_mut().map(written).collect();
        let is_equal = ends.iter().all(|(end, unwritten)| *end == ends[0].0 && unwritten == "0 B");
        if is_equal { Ok(ends[0].0) } else { Err(format!("{ends:?}\n{}", group.outputs())) }
    })
}

/// Where a replica's log ends, and how much of it is not in its files yet.
fn written(client: &mut RawClient) -> (u64, String) {
    let answer = client.ask(requests::with_body(RequestCode::GET_BROKER_RUNTIME_INFO, &[]));
    let table = KvTable::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}")).table;
    let end = table.get("commitLogMaxOffset").and_then(|end| end.parse().ok());
    let end = end.unwrap_or_else(|| panic!("no commitLogMaxOffset in {table:?}"));
    (end, table.get("remainHowManyDataToFlush").cloned().unwrap_or_default())
}

struct LogFiles {
    folder: PathBuf,
    segment_bytes: u64,
}

impl LogFiles {
    fn in_folder(folder: PathBuf) -> Self {
        let first = folder.join(format!("{:020}", oldest_kept(&folder)));
        let segment_bytes = first.metadata().map(|metadata| metadata.len());
        let segment_bytes = segment_bytes.unwrap_or_else(|error| panic!("{}: {error}", first.display()));
        Self { folder, segment_bytes }
    }

    fn entry(&self, at: u64) -> (u64, Vec<u8>) {
        self.try_entry(at).unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Where the entry at a physical offset ends, and its bytes; of a filler its header only.
    fn try_entry(&self, at: u64) -> Result<(u64, Vec<u8>), String> {
        let mut bytes = self.read(at, HEADER_BYTES)?;
        if !bytes.starts_with(MAGIC) {
            return Err(format!("no entry at {at} in {}: {bytes:?}", self.folder.display()));
        }
        if bytes[KIND_AT] == FILLER {
            return Ok(((at / self.segment_bytes + 1) * self.segment_bytes, bytes));
        }
        let payload_bytes = bytes[PAYLOAD_BYTES_AT..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let payload_bytes = payload_bytes.expect("a header is longer") as usize;
        bytes.extend(self.read(at + HEADER_BYTES as u64, payload_bytes)?);
        Ok((at + bytes.len() as u64, bytes))
    }

    fn read(&self, at: u64, count: usize) -> Result<Vec<u8>, String> {
        let first = at / self.segment_bytes * self.segment_bytes;
        let path = self.folder.join(format!("{first:020}"));
        let mut bytes = vec![0; count];
        match File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, at - first)) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(format!("an entry of {count} bytes at {at} does not fit into {}", path.display()))
            }
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }
}
