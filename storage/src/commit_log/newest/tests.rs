use crate::commit_log::{CommitLog, FlushMode, LogId, LogOptions};
use crate::file::sim::{SimDisk, block_on};

const UNITS: usize = 60;

/// A log of several segments that keeps `cache_bytes` of what is written, and its units: position and bytes. Every
/// `flush_every` units it is flushed; the last ones lie in the open buffer.
async fn log_of(seed: u64, cache_bytes: usize, flush_every: usize) -> (CommitLog<SimDisk>, Vec<(u64, u32)>) {
    let options = LogOptions {
        segment_bytes: 64 << 10,
        flush: FlushMode::Sync,
        cache_bytes,
        is_replicated: false,
        is_copied: false,
    };
    let opened = CommitLog::open(SimDisk::new(seed), LogId(1), options, None, None, Some(0), |_, _| Ok(())).await;
    let (log, mut units) = (opened.unwrap().0, Vec::new());
    for number in 0..UNITS {
        let bytes = 100 + number * 97;
        let unit = || {
            log.append(bytes, 1, &[], |at, place| {
                place.fill(number as u8);
                at
            })
        };
        let position = match unit() {
            Ok(position) => position,
            Err(_) => {
                log.prepare_next_segment().await.unwrap();
                unit().unwrap()
            }
        };
        units.push((position, bytes as u32));
        if number % 3 == 0 {
            log.seal();
        }
        if number % flush_every == flush_every - 1 {
            log.seal();
            log.flush().await.unwrap();
        }
    }
    (log, units)
}

fn cached(log: &CommitLog<SimDisk>, unit: (u64, u32)) -> Option<Vec<u8>> {
    log.with_cached(unit.0, unit.1 as usize, <[u8]>::to_vec)
}

#[test]
fn what_lies_around_a_record_is_what_is_given_record_by_record() {
    let mut found = [0, 0];
    for (seed, cache_bytes) in [0, 20_000, 90_000, 1 << 20].into_iter().enumerate() {
        for flush_every in [1, 4, 23] {
            let found = &mut found;
            let (log, units) = block_on(1, log_of(seed as u64, cache_bytes, flush_every));
            for &(position, bytes) in &units {
                let is_in =
                    |at: u64| log.newest_around(at).is_some_and(|range| position + u64::from(bytes) <= range.end);
                let is_given = log.with_newest(position, bytes as usize, |_| ()).is_some();
                assert_eq!(is_in(position), is_given, "{position} of {cache_bytes}, {flush_every}");
                // And all of the stretch is.
                if let Some(range) = log.newest_around(position) {
                    let whole = (range.end - range.start) as usize;
                    assert!(log.with_newest(range.start, whole, |_| ()).is_some(), "{range:?}");
                }
                found[usize::from(is_given)] += 1;
            }
            let (position, bytes) = units[UNITS - 1];
            assert_eq!(log.newest_around(position + u64::from(bytes)), None, "the log ends there");
        }
    }
    assert!(found[0] > 20 && found[1] > 20, "some are in memory and some are not: {found:?}");
}

#[test]
fn records_are_copied_up_to_the_first_that_is_not_in_memory() {
    for (seed, cache_bytes) in [0, 20_000, 90_000, 1 << 20].into_iter().enumerate() {
        block_on(2, async move {
            let (log, units) = log_of(seed as u64, cache_bytes, 4).await;
            // What a read from the files has brought counts too, between records that are in no buffer.
            log.read_cold(units[2].0, units[2].1 as usize).await.unwrap();
            for first in 0..units.len() {
                let given: Vec<_> = units[first..].iter().map_while(|unit| cached(&log, *unit)).collect();
                let mut out = b"before".to_vec();
                assert_eq!(log.gather_cached(&units[first..], &mut out), given.len(), "from {first}");
                assert_eq!(out, [b"before".to_vec(), given.concat()].concat());
            }
            // Backwards, so that each is of another stretch than the reader is in.
            let mut backwards = units.clone();
            backwards.reverse();
            let given: Vec<_> = backwards.iter().map_while(|unit| cached(&log, *unit)).collect();
            let mut out = Vec::new();
            assert_eq!(log.gather_cached(&backwards, &mut out), given.len());
            assert_eq!(out, given.concat());
        });
    }
}
