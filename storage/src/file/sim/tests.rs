use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use super::*;
use crate::file::{BLOCK_BYTES, LogFile, PlainFile};
use crate::ring::Ring;

mod stable_writes;

const BLOCK: u64 = BLOCK_BYTES as u64;

fn filled(disk: &SimDisk, blocks: usize, byte: u8) -> Rc<SimBuffer> {
    let mut buffer = disk.buffer(blocks * BLOCK_BYTES);
    buffer.as_mut().fill(byte);
    Rc::new(buffer)
}

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    block_on(1, future)
}

/// A log file with a durable name and `blocks` blocks of durable ones.
fn disk_with_log(seed: u64, blocks: usize) -> (SimDisk, Rc<SimLogFile>) {
    let disk = SimDisk::new(seed);
    let user = disk.clone();
    let file = run(async move {
        let file = user.create_log("log").await.unwrap();
        file.allocate(blocks as u64 * BLOCK).await.unwrap();
        file.write_at(0, filled(&user, blocks, 1)).await.unwrap();
        file.sync_data().await.unwrap();
        user.sync_directory("").await.unwrap();
        file
    });
    (disk, Rc::new(file))
}

fn sector_bytes(content: &[u8]) -> BTreeSet<Vec<u8>> {
    content
        .chunks(SECTOR_BYTES)
        .map(|sector| {
            let mut bytes = sector.to_vec();
            bytes.dedup();
            bytes
        })
        .collect()
}

#[test]
fn synced_writes_survive_power_loss_whole() {
    for seed in 0..100 {
        let (disk, _file) = disk_with_log(seed, 4);
        let disk = disk.power_loss();
        assert_eq!(disk.content("log").unwrap(), vec![1; 4 * BLOCK_BYTES], "seed={seed}");
    }
}

#[test]
fn each_unsynced_sector_survives_power_loss_or_not_and_is_never_mixed() {
    let (mut torn, mut kept, mut lost) = (0, 0, 0);
    for seed in 0..200 {
        let (disk, file) = disk_with_log(seed, 2);
        let user = disk.clone();
        run(async move { file.write_at(0, filled(&user, 2, 2)).await.unwrap() });
        let found = sector_bytes(&disk.power_loss().content("log").unwrap());
        assert!(found.is_subset(&BTreeSet::from([vec![1], vec![2]])), "seed={seed}");
        match (found.contains(&vec![1]), found.contains(&vec![2])) {
            (true, true) => torn += 1,
            (false, true) => kept += 1,
            _ => lost += 1,
        }
    }
    assert!(torn > 20 && kept > 20 && lost > 20, "{torn} torn, {kept} kept, {lost} lost");
}

#[test]
fn of_several_unsynced_writes_of_a_sector_any_or_none_survives() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = disk_with_log(seed, 1);
        let user = disk.clone();
        run(async move {
            for byte in 2..5 {
                file.write_at(0, filled(&user, 1, byte)).await.unwrap();
            }
        });
        seen.extend(disk.power_loss().content("log").unwrap());
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn a_killed_process_loses_no_completed_write() {
    for seed in 0..50 {
        let (disk, file) = disk_with_log(seed, 1);
        let user = disk.clone();
        run(async move { file.write_at(0, filled(&user, 1, 2)).await.unwrap() });
        let disk = disk.kill();
        assert_eq!(disk.content("log").unwrap(), vec![2; BLOCK_BYTES]);
        assert!(sector_bytes(&disk.power_loss().content("log").unwrap()).len() <= 2, "it stays un-synced");
    }
}

#[test]
fn a_write_under_way_at_a_kill_has_happened_or_not_or_in_part() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let (disk, file) = disk_with_log(seed, 2);
        disk.stop_at(1);
        let (executor, user) = (Executor::new(seed), disk.clone());
        let task = executor.block_on(async move { file.write_at(0, filled(&user, 2, 2)).await.unwrap() });
        assert_eq!(task, None, "the call does not return");
        executor.abandon();
        found.insert(sector_bytes(&disk.kill().content("log").unwrap()));
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn after_a_failed_sync_a_later_one_succeeds_without_the_data() {
    let mut lost = 0;
    for seed in 0..100 {
        let (disk, file) = disk_with_log(seed, 4);
        disk.inject(Injection::at(CallKind::Sync, 1, Fault::Eio));
        let user = disk.clone();
        run(async move {
            file.write_at(0, filled(&user, 4, 2)).await.unwrap();
            assert_eq!(file.sync_data().await.unwrap_err().raw_os_error(), Some(libc::EIO));
            file.sync_data().await.unwrap();
        });
        lost += u32::from(disk.power_loss().content("log").unwrap().contains(&1));
    }
    assert!(lost > 50, "{lost} of 100 lost data");
}

#[test]
fn a_write_after_a_failed_sync_is_durable_after_the_next() {
    for seed in 0..100 {
        let (disk, file) = disk_with_log(seed, 2);
        disk.inject(Injection::at(CallKind::Sync, 1, Fault::Eio));
        let user = disk.clone();
        run(async move {
            file.write_at(0, filled(&user, 2, 2)).await.unwrap();
            file.sync_data().await.unwrap_err();
            file.write_at(0, filled(&user, 2, 3)).await.unwrap();
            file.sync_data().await.unwrap();
        });
        assert_eq!(disk.power_loss().content("log").unwrap(), vec![3; 2 * BLOCK_BYTES], "seed={seed}");
    }
}

#[test]
fn a_sync_does_not_cover_a_write_that_completes_after_it_began() {
    let mut lost = 0;
    for seed in 0..100 {
        let (disk, file) = disk_with_log(seed, 1);
        let executor = Executor::new(seed);
        let (writer, user) = (file.clone(), disk.clone());
        executor.spawn(async move { writer.write_at(0, filled(&user, 1, 2)).await.unwrap() });
        executor.block_on(async move { file.sync_data().await.unwrap() }).unwrap();
        executor.run(|| false);
        lost += u32::from(disk.power_loss().content("log").unwrap().contains(&1));
    }
    assert!(lost > 10, "{lost} of 100");
}

#[test]
fn a_failed_write_leaves_old_and_new_sectors() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let (disk, file) = disk_with_log(seed, 2);
        disk.inject(Injection::at(CallKind::Write, 1, Fault::Enospc));
        let user = disk.clone();
        let error = run(async move { file.write_at(0, filled(&user, 2, 2)).await.unwrap_err() });
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        found.insert(sector_bytes(&disk.content("log").unwrap()));
    }
    assert_eq!(found.len(), 3);
}

#[test]
fn a_short_write_says_how_much_it_wrote() {
    let mut lengths = BTreeSet::new();
    for seed in 0..50 {
        let (disk, file) = disk_with_log(seed, 2);
        disk.inject(Injection::at(CallKind::Write, 1, Fault::Short));
        let user = disk.clone();
        let written = run(async move { file.write_at(0, filled(&user, 2, 2)).await.unwrap() });
        let content = disk.content("log").unwrap();
        assert!(content[..written].iter().all(|byte| *byte == 2) && content[written..].iter().all(|byte| *byte == 1));
        lengths.insert(written);
    }
    assert!(lengths.len() > 5 && lengths.iter().all(|written| written % SECTOR_BYTES == 0), "{lengths:?}");
}

#[test]
#[should_panic(expected = "is not a multiple of 4096")]
fn an_unaligned_offset_of_a_log_write_is_refused() {
    let (disk, file) = disk_with_log(1, 1);
    run(async move { file.write_at(512, filled(&disk, 1, 2)).await }).unwrap();
}

#[test]
#[should_panic(expected = "is under way in the same file")]
fn two_writes_of_one_block_at_once_are_refused() {
    let (disk, file) = disk_with_log(1, 1);
    let executor = Executor::new(1);
    disk.set_delay_max(9);
    for byte in 2..9 {
        let (file, disk) = (file.clone(), disk.clone());
        executor.spawn(async move { file.write_at(0, filled(&disk, 1, byte)).await.unwrap() });
    }
    executor.run(|| false);
}

#[test]
fn what_was_never_written_reads_as_zeros_and_reads_end_with_the_file() {
    let disk = SimDisk::new(1);
    let user = disk.clone();
    run(async move {
        let log = user.create_log("log").await.unwrap();
        log.allocate(2 * BLOCK).await.unwrap();
        assert_eq!(log.length().await.unwrap(), 2 * BLOCK);
        assert_eq!((*log.read_at(BLOCK, 2 * BLOCK_BYTES).await.unwrap()).as_ref(), &[0; BLOCK_BYTES]);
        let plain = user.open_plain("a/b/plain", true).await.unwrap();
        plain.write_all_at(600, b"xyz".to_vec()).await.unwrap();
        assert_eq!(plain.length().await.unwrap(), 603);
        assert_eq!(plain.read_at(598, 100).await.unwrap(), b"\0\0xyz");
        assert_eq!(plain.read_at(700, 10).await.unwrap(), b"");
        plain.close().await.unwrap();
    });
}

#[test]
fn a_plain_file_may_keep_its_length_and_lose_its_bytes() {
    let (mut zeros, mut empty, mut whole) = (0, 0, 0);
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        let user = disk.clone();
        run(async move {
            let plain = user.open_plain("plain", true).await.unwrap();
            user.sync_directory("").await.unwrap();
            plain.write_all_at(0, vec![7; 100]).await.unwrap();
        });
        match disk.power_loss().content("plain").unwrap() {
            bytes if bytes.is_empty() => empty += 1,
            bytes if bytes == [0; 100] => zeros += 1,
            bytes => whole += u32::from(bytes == [7; 100]),
        }
    }
    assert!(zeros > 5 && empty > 20 && whole > 20 && zeros + empty + whole == 200, "{zeros} {empty} {whole}");
}

#[test]
fn names_are_durable_after_a_sync_of_their_directory_only() {
    let mut survivors = BTreeSet::new();
    for seed in 0..100 {
        let disk = SimDisk::new(seed);
        let user = disk.clone();
        run(async move {
            user.create_directory("d").await.unwrap();
            user.sync_directory("").await.unwrap();
            user.create_log("d/kept").await.unwrap();
            user.sync_directory("d").await.unwrap();
            user.create_log("d/first").await.unwrap();
            user.create_log("d/second").await.unwrap();
        });
        survivors.insert(disk.power_loss().files());
    }
    let expected: BTreeSet<Vec<String>> = [&["d/kept"][..], &["d/first", "d/kept"], &["d/first", "d/kept", "d/second"]]
        .into_iter()
        .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
        .collect();
    assert_eq!(survivors, expected, "a prefix of the creations survives");
}

#[test]
fn an_unsynced_rename_is_undone_as_a_whole_or_not_at_all() {
    let mut contents = BTreeSet::new();
    for seed in 0..60 {
        let disk = SimDisk::new(seed);
        let user = disk.clone();
        run(async move {
            for (path, bytes) in [("new", b"new"), ("old", b"old")] {
                let plain = user.open_plain(path, true).await.unwrap();
                plain.write_all_at(0, bytes.to_vec()).await.unwrap();
                plain.sync_data().await.unwrap();
            }
            user.sync_directory("").await.unwrap();
            user.rename("new", "old").await.unwrap();
        });
        let disk = disk.power_loss();
        contents.insert((disk.files().len(), disk.content("old").unwrap()));
    }
    assert_eq!(contents, BTreeSet::from([(1, b"new".to_vec()), (2, b"old".to_vec())]));
}

#[test]
fn a_removed_file_may_come_back_with_its_durable_content() {
    let mut came_back = 0;
    for seed in 0..60 {
        let (disk, _file) = disk_with_log(seed, 1);
        let user = disk.clone();
        run(async move { user.remove("log").await.unwrap() });
        assert!(disk.files().is_empty());
        let disk = disk.power_loss();
        if let Ok(content) = disk.content("log") {
            assert_eq!(content, vec![1; BLOCK_BYTES]);
            came_back += 1;
        }
    }
    assert!((10..50).contains(&came_back), "{came_back} of 60");
}

#[test]
fn removing_a_folder_removes_what_it_holds_and_an_absent_one_is_fine() {
    let disk = SimDisk::new(1);
    let user = disk.clone();
    run(async move {
        for path in ["a/x", "a/b/y", "c"] {
            user.open_plain(path, true).await.unwrap();
        }
        let mut lengths = user.file_lengths("a").await.unwrap();
        lengths.sort();
        assert_eq!(lengths, [("b/y".to_owned(), 0), ("x".to_owned(), 0)]);
        user.remove("a").await.unwrap();
        user.remove("a/x").await.unwrap();
        assert_eq!(user.list("a").await.unwrap(), Vec::<String>::new());
        assert_eq!(user.list("").await.unwrap(), ["c"]);
    });
}

#[test]
fn a_full_disk_answers_with_enospc_until_something_is_removed() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(4 * BLOCK));
    let user = disk.clone();
    run(async move {
        let log = user.create_log("log").await.unwrap();
        log.allocate(3 * BLOCK).await.unwrap();
        log.write_at(0, filled(&user, 3, 1)).await.unwrap();
        let other = user.create_log("other").await.unwrap();
        assert_eq!(other.allocate(2 * BLOCK).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
        let plain = user.open_plain("plain", true).await.unwrap();
        plain.write_all_at(0, vec![1; 4096]).await.unwrap();
        let error = plain.write_all_at(4096, vec![1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        user.remove("log").await.unwrap();
        other.allocate(2 * BLOCK).await.unwrap();
    });
    assert_eq!(disk.used(), 3 * BLOCK);
    assert_eq!(disk.counts().faults(CallKind::Allocate, Fault::Enospc), 1);
}

#[test]
fn flipped_bits_are_durable() {
    let (disk, _file) = disk_with_log(1, 2);
    disk.flip_bits("log", 5000..5001, 1).unwrap();
    let changed = |disk: &SimDisk| {
        let content = disk.content("log").unwrap();
        content.iter().enumerate().filter(|(_, byte)| **byte != 1).map(|(at, _)| at).collect::<Vec<_>>()
    };
    assert_eq!(changed(&disk), [5000]);
    assert_eq!(changed(&disk.power_loss()), [5000]);
}

#[test]
fn every_call_kind_can_be_failed_at_an_exact_call() {
    let disk = SimDisk::new(1);
    for kind in CallKind::ALL {
        disk.inject(Injection::at(kind, 1, Fault::Eio));
    }
    let user = disk.clone();
    run(async move {
        let twice = async |kind: &str, call: &dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = bool>>>| {
            assert!(!call().await, "{kind} fails the first time");
            assert!(call().await, "{kind} succeeds the second time");
        };
        macro_rules! twice {
            ($name:ident, $($used:ident),+ => $call:expr) => {
                twice(stringify!($name), &|| { $(let $used = $used.clone();)+ Box::pin(async move { $call.await.is_ok() }) }).await
            };
        }
        twice!(create_directory, user => user.create_directory("d"));
        twice!(create, user => user.create_log("d/log"));
        twice!(open, user => user.open_log("d/log"));
        let log = Rc::new(user.open_log("d/log").await.unwrap());
        twice!(allocate, log => log.allocate(BLOCK));
        twice!(write, log, user => log.write_at(0, filled(&user, 1, 1)));
        twice!(read, log => log.read_at(0, BLOCK_BYTES));
        twice!(sync, log => log.sync_data());
        twice!(length, log => log.length());
        twice!(list, user => user.list("d"));
        twice!(sync_directory, user => user.sync_directory("d"));
        let plain = Rc::new(user.open_plain("p", true).await.unwrap());
        twice!(plain_write, plain => plain.write_all_at(0, vec![1]));
        twice!(plain_read, plain => plain.read_at(0, 1));
        twice!(plain_sync, plain => plain.sync_data());
        assert!(user.open_plain("p", false).await.unwrap().close().await.is_err());
        assert!(user.open_plain("p", false).await.unwrap().close().await.is_ok());
        assert!(user.rename("p", "q").await.is_err());
        assert!(user.rename("p", "q").await.is_ok());
        twice!(remove, user => user.remove("q"));
    });
    for kind in CallKind::ALL {
        assert_eq!(disk.counts().faults(kind, Fault::Eio), 1, "{kind}");
    }
    assert_eq!(disk.counts().faults_total(), CallKind::COUNT as u64);
}

#[test]
fn a_lasting_fault_never_ends_and_chances_are_drawn() {
    let (disk, file) = disk_with_log(1, 1);
    disk.inject(Injection::at(CallKind::Read, 3, Fault::Eio).lasting());
    let reads = run(async move {
        let mut results = Vec::new();
        for _ in 0..6 {
            results.push(file.read_at(0, BLOCK_BYTES).await.is_ok());
        }
        results
    });
    assert_eq!(reads, [true, true, false, false, false, false]);

    let (disk, file) = disk_with_log(2, 1);
    disk.set_faults(Faults::none().with(CallKind::Read, Fault::Eio, 0.5));
    run(async move {
        for _ in 0..100 {
            let _ = file.read_at(0, BLOCK_BYTES).await;
        }
    });
    assert!((20..80).contains(&disk.counts().faults(CallKind::Read, Fault::Eio)));
}

#[test]
fn one_seed_gives_one_history_and_another_gives_another() {
    let history = |seed: u64| {
        let (disk, file) = disk_with_log(seed, 4);
        let executor = Executor::new(seed);
        let order = Rc::new(RefCell::new(Vec::new()));
        for block in 0..4 {
            let (file, disk, order) = (file.clone(), disk.clone(), order.clone());
            executor.spawn(async move {
                for byte in 2..6 {
                    file.write_at(block * BLOCK, filled(&disk, 1, byte)).await.unwrap();
                    order.borrow_mut().push((block, byte));
                }
            });
        }
        executor.run(|| false);
        let content = disk.power_loss().content("log").unwrap();
        (order.take(), content)
    };
    assert_eq!(history(7), history(7));
    assert!((8..20).any(|seed| history(seed).0 != history(7).0));
}

#[test]
fn tasks_interleave_and_can_spawn_and_wait_for_each_other() {
    let executor = Executor::new(3);
    let inner = executor.clone();
    let sum = Rc::new(Cell::new(0));
    let total = sum.clone();
    let result = executor.block_on(async move {
        let tasks: Vec<_> = (1..=4)
            .map(|number| {
                let sum = sum.clone();
                inner.spawn(async move {
                    yield_now().await;
                    sum.set(sum.get() + number);
                    number
                })
            })
            .collect();
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.push(task.await);
        }
        numbers
    });
    assert_eq!(result, Some(vec![1, 2, 3, 4]));
    assert_eq!(total.get(), 10);
    assert_eq!(executor.block_on(std::future::pending::<()>()), None);
}

#[test]
fn the_ring_survives_a_kill_and_not_a_power_loss() {
    let ring = SimRing::new(1, 1000);
    let mut handle = ring.clone();
    handle.write(990, &[7; 20]);
    let mut found = [0; 20];
    let next = ring.kill();
    next.read(990, &mut found);
    assert_eq!(found, [7; 20]);
    handle.write(0, &[9; 20]);
    next.read(990, &mut found);
    assert_eq!(found, [7; 20], "a dead process writes no more");
    next.power_loss().read(990, &mut found);
    assert_eq!(found, [0; 20]);
}

#[test]
fn a_process_can_die_in_the_middle_of_a_ring_write() {
    let mut torn = 0;
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let ring = SimRing::new(seed, 4096);
        let mut handle = ring.clone();
        handle.write(0, &[1; 1000]);
        ring.die_in_write(1, &disk);
        handle.write(1000, &[2; 1000]);
        assert!(ring.is_torn() && disk.is_stopped());
        handle.write(2000, &[3; 1000]);
        let mut found = vec![0; 4096];
        ring.kill().read(0, &mut found);
        assert!(found[..1000].iter().all(|byte| *byte == 1) && found[2000..].iter().all(|byte| *byte == 0));
        let copied = found[1000..2000].iter().filter(|byte| **byte == 2).count();
        torn += u32::from(copied > 0 && copied < 1000);
    }
    assert!(torn > 25, "{torn} of 50");
}
