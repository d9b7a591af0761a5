//! Log files that were opened so that a write is durable when it completes.

use super::*;

/// The file of [`disk_with_log`], opened for stable writes.
fn open_stable(disk: &SimDisk) -> Rc<SimLogFile> {
    let user = disk.clone().with_log_writes(LogWrites::Stable);
    Rc::new(run(async move { user.open_log("log").await.unwrap() }))
}

#[test]
fn a_stable_write_survives_power_loss_whole_without_a_sync() {
    for seed in 0..100 {
        let (disk, _file) = disk_with_log(seed, 3);
        let (file, user) = (open_stable(&disk), disk.clone());
        assert!(file.writes_are_stable());
        run(async move { file.write_at(BLOCK, filled(&user, 2, 2)).await.unwrap() });
        assert_eq!((disk.counts().stable_writes, disk.counts().calls(CallKind::Sync)), (1, 1));
        let content = disk.power_loss().content("log").unwrap();
        assert_eq!(content, [vec![1; BLOCK_BYTES], vec![2; 2 * BLOCK_BYTES]].concat(), "seed={seed}");
    }
}

#[test]
fn a_stable_write_makes_no_other_write_durable() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..100 {
        let (disk, plain) = disk_with_log(seed, 3);
        let (file, user) = (open_stable(&disk), disk.clone());
        run(async move {
            plain.write_at(0, filled(&user, 2, 2)).await.unwrap();
            file.write_at(BLOCK, filled(&user, 1, 3)).await.unwrap();
            plain.write_at(2 * BLOCK, filled(&user, 1, 4)).await.unwrap();
        });
        let content = disk.power_loss().content("log").unwrap();
        assert!(content[BLOCK_BYTES..2 * BLOCK_BYTES].iter().all(|byte| *byte == 3), "seed={seed}: what it covers");
        for (block, byte) in [(0, 2), (2, 4)] {
            let found = sector_bytes(&content[block * BLOCK_BYTES..][..BLOCK_BYTES]);
            assert!(found.is_subset(&BTreeSet::from([vec![1], vec![byte]])), "seed={seed}: {found:?}");
            lost += u32::from(found.contains(&vec![1]));
            kept += u32::from(found.contains(&vec![byte]));
        }
    }
    assert!(lost > 50 && kept > 50, "{lost} lost, {kept} kept");
}

#[test]
fn a_sync_takes_a_stable_write_back_to_nothing_older() {
    for seed in 0..100 {
        let (disk, plain) = disk_with_log(seed, 1);
        disk.inject(Injection::at(CallKind::Sync, 1 + seed % 2, Fault::Eio));
        let (file, user) = (open_stable(&disk), disk.clone());
        run(async move {
            plain.write_at(0, filled(&user, 1, 2)).await.unwrap();
            let _ = plain.sync_data().await;
            plain.write_at(0, filled(&user, 1, 3)).await.unwrap();
            file.write_at(0, filled(&user, 1, 4)).await.unwrap();
            let _ = plain.sync_data().await;
        });
        assert_eq!(disk.content("log").unwrap(), vec![4; BLOCK_BYTES], "seed={seed}");
        assert_eq!(disk.power_loss().content("log").unwrap(), vec![4; BLOCK_BYTES], "seed={seed}");
    }
}

#[test]
fn a_stable_write_makes_a_file_as_long_as_it_needs_to_be() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed).with_log_writes(LogWrites::Stable);
        let user = disk.clone();
        run(async move {
            let file = user.create_log("log").await.unwrap();
            user.sync_directory("").await.unwrap();
            file.allocate(4 * BLOCK).await.unwrap();
            file.write_at(BLOCK, filled(&user, 1, 2)).await.unwrap();
        });
        let content = disk.power_loss().content("log").unwrap();
        assert!([2, 4].contains(&(content.len() / BLOCK_BYTES)), "seed={seed}: {} bytes", content.len());
        assert_eq!(content[BLOCK_BYTES..2 * BLOCK_BYTES], [2; BLOCK_BYTES], "seed={seed}");
    }
}

#[test]
fn a_stable_write_under_way_at_a_power_loss_may_be_torn() {
    let mut found = BTreeSet::new();
    for seed in 0..200 {
        let (disk, _file) = disk_with_log(seed, 2);
        let file = open_stable(&disk);
        disk.stop_at(1);
        let (executor, user) = (Executor::new(seed), disk.clone());
        let written = executor.block_on(async move { file.write_at(0, filled(&user, 2, 2)).await.unwrap() });
        assert_eq!(written, None, "the call does not return");
        executor.abandon();
        found.insert(sector_bytes(&disk.power_loss().content("log").unwrap()));
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn after_a_failed_stable_write_a_sync_may_succeed_without_it() {
    let (mut lost, mut unseen) = (0, 0);
    for seed in 0..200 {
        let (disk, _file) = disk_with_log(seed, 4);
        disk.inject(Injection::at(CallKind::Write, 1, Fault::Eio));
        let (file, user) = (open_stable(&disk), disk.clone());
        run(async move {
            assert_eq!(file.write_at(0, filled(&user, 4, 2)).await.unwrap_err().raw_os_error(), Some(libc::EIO));
            file.sync_data().await.unwrap();
        });
        let seen = disk.content("log").unwrap();
        let durable = disk.power_loss().content("log").unwrap();
        assert!(sector_bytes(&durable).is_subset(&BTreeSet::from([vec![1], vec![2]])), "seed={seed}");
        lost += u32::from(seen != durable);
        unseen += u32::from(!seen.contains(&2));
    }
    assert!(lost > 20 && unseen > 20, "{lost} lost what was seen, of {unseen} nothing was seen, of 200");
}

#[test]
fn a_short_stable_write_is_durable_as_far_as_it_says() {
    for seed in 0..50 {
        let (disk, _file) = disk_with_log(seed, 2);
        disk.inject(Injection::at(CallKind::Write, 1, Fault::Short));
        let (file, user) = (open_stable(&disk), disk.clone());
        let written = run(async move { file.write_at(0, filled(&user, 2, 2)).await.unwrap() });
        let content = disk.power_loss().content("log").unwrap();
        assert!(content[..written].iter().all(|byte| *byte == 2) && content[written..].iter().all(|byte| *byte == 1));
    }
}
