use std::path::Path;
use std::time::{Duration, Instant};

use glommio::{LocalExecutorBuilder, Placement};

use super::*;
use crate::consume_queue::{ConsumeQueues, Unit};
use crate::file::LogWrites;
use crate::file::dma::DmaDisk;
use crate::file::sim::{CallKind, Fault, Injection, SimDisk, block_on};

const QUEUES: u32 = 100;

fn unit(number: u64) -> Unit {
    Unit { physical_offset: number * 100, bytes: 100, tags_code: number as i64 }
}

/// What a checkpoint has of `count` queues of one topic, each of which has grown by one message.
fn grown(queues: &mut ConsumeQueues, count: u32) -> Vec<Unpersisted> {
    for queue_id in 0..count {
        let queue = queues.find_or_add("T", queue_id);
        let end = queues.get(queue).map_or(0, |queue| queue.end());
        queues.push(queue, unit(end));
    }
    queues.begin_checkpoint().0
}

#[test]
fn files_are_synced_many_at_a_time_and_no_more_than_the_limit() {
    let disk = SimDisk::new(7);
    disk.set_delay_max(20);
    let written = disk.clone();
    block_on(7, async move {
        let grown = grown(&mut ConsumeQueues::default(), QUEUES);
        write_out(&written, &grown).await.unwrap();
    });
    let counts = disk.counts();
    assert_eq!(counts.calls(CallKind::PlainSync), u64::from(QUEUES));
    let at_once = disk.at_once_max(CallKind::PlainSync);
    assert!(at_once > FILES_AT_ONCE / 4, "only {at_once} syncs were under way together");
    assert!(disk.at_once_max(CallKind::Create) <= FILES_AT_ONCE);
    // A folder a queue, that of the topic, that of all queues, the shard's own.
    assert_eq!(counts.calls(CallKind::SyncDirectory), u64::from(QUEUES) + 3, "each folder once");
    let after = disk.power_loss();
    for queue_id in 0..QUEUES {
        let mut bytes = Vec::new();
        unit(0).encode(&mut bytes);
        assert_eq!(after.content(&format!("consumequeue/T/{queue_id}/{:020}", 0)).unwrap(), bytes);
    }
}

#[test]
fn a_file_that_cannot_be_synced_is_named_and_nothing_more_is_begun() {
    let disk = SimDisk::new(8);
    disk.inject(Injection::at(CallKind::PlainSync, 30, Fault::Eio));
    let written = disk.clone();
    let error = block_on(8, async move {
        let grown = grown(&mut ConsumeQueues::default(), QUEUES);
        write_out(&written, &grown).await.unwrap_err()
    });
    let StorageError::Io { op: "sync", path, .. } = &error else { panic!("{error}") };
    assert!(path.starts_with("consumequeue/T/"), "{error}");
    let syncs = disk.counts().calls(CallKind::PlainSync);
    // Those beside it may have been answered first, and the next ones begun.
    assert!(syncs < 30 + 2 * FILES_AT_ONCE as u64, "{syncs} syncs");
}

/// The second try took a file that had bytes for one whose folders are synced.
#[test]
fn what_a_failed_try_has_left_is_found_after_a_power_loss_too_once_a_try_succeeds() {
    for (call, nth) in [(CallKind::PlainSync, 30), (CallKind::SyncDirectory, 10)] {
        let disk = SimDisk::new(11);
        disk.inject(Injection::at(call, nth, Fault::Eio));
        let written = disk.clone();
        block_on(11, async move {
            let grown = grown(&mut ConsumeQueues::default(), QUEUES);
            assert!(write_out(&written, &grown).await.is_err());
            write_out(&written, &grown).await.unwrap();
        });
        let after = disk.power_loss();
        for queue_id in 0..QUEUES {
            let path = format!("consumequeue/T/{queue_id}/{:020}", 0);
            assert!(after.content(&path).is_ok_and(|bytes| !bytes.is_empty()), "{call:?} failed, {path} is lost");
        }
    }
}

#[test]
fn all_files_that_fail_together_are_named() {
    let disk = SimDisk::new(9);
    disk.set_delay_max(20);
    disk.inject(Injection::at(CallKind::PlainSync, 5, Fault::Enospc).lasting());
    let written = disk.clone();
    let error = block_on(9, async move {
        let grown = grown(&mut ConsumeQueues::default(), QUEUES);
        write_out(&written, &grown).await.unwrap_err()
    });
    let StorageError::Several { failures } = &error else { panic!("{error}") };
    for failure in failures {
        assert!(error.to_string().contains(&failure.to_string()), "{error}");
    }
    assert!(error.is_disk_full());
}

/// How long it takes to write out `count` grown queues whose files are there.
fn time_on_disk(root: &Path, count: u32, at_once: usize) -> Duration {
    let disk = DmaDisk::new(root, false, LogWrites::Seen);
    let executor = LocalExecutorBuilder::new(Placement::Unbound).make().unwrap();
    executor.run(async move {
        let mut queues = ConsumeQueues::default();
        let made = grown(&mut queues, count);
        write_out(&disk, &made).await.unwrap();
        queues.finish_checkpoint(&made);
        let again = grown(&mut queues, count);
        let began = Instant::now();
        side_by_side::for_each(&again, at_once, async |queue| queue.write(&disk, New::Make).await.map(drop))
            .await
            .unwrap();
        began.elapsed()
    })
}

#[test]
#[ignore = "a measurement, of the disk that the test program lies on"]
fn many_grown_queues_are_written_out_faster_side_by_side() {
    let program = std::env::current_exe().unwrap();
    let mut alone = Duration::ZERO;
    for at_once in [1, 4, 8, 16, 32, 64] {
        let folder = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let took = time_on_disk(folder.path(), 2_000, at_once);
        alone = alone.max(took);
        let ratio = alone.as_secs_f64() / took.as_secs_f64();
        println!("2,000 grown queues, {at_once} files at once: {} ms, 1/{ratio:.1}", took.as_millis());
    }
}
