use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::{DiskCounters, HostError};

const STAT: &str = "\
cpu  300 20 130 4000 50 3 7 10 5 0
cpu0 100 10 60 2000 20 1 3 4 5 0
cpu3 200 10 70 2000 30 2 4 6 0 0
intr 20180293 0 0
ctxt 60553355
btime 1700000000
processes 12345
procs_running 3
procs_blocked 1
";

const DISKSTATS: &str = "\
   7       0 loop0 5 0 40 1 0 0 0 0 0 1 1 0 0 0 0 0 0
   1       0 ram0 0 0 0 0 0 0 0 0 0 0 0
 253       0 zram0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 100 2 800 30 200 4 1600 90 1 70 120 0 0 0 0 9 12
 259       1 nvme0n1p1 90 2 700 20 190 4 1500 80 0 60 100
 252       0 dm-0 10 0 80 5 20 0 160 9 0 7 14 0 0 0 0
";

const NET_DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
  veth9: 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0
";

const MEMINFO: &str = "\
MemTotal:       1000 kB
MemFree:         300 kB
MemAvailable:    700 kB
Buffers:          10 kB
Cached:          390 kB
SwapCached:        0 kB
Active:          100 kB
Inactive:        100 kB
SwapTotal:        50 kB
SwapFree:         20 kB
Dirty:             8 kB
Writeback:         4 kB
AnonPages:       100 kB
Mapped:           10 kB
Slab:             10 kB
Committed_AS:    100 kB
VmallocTotal:    100 kB
VmallocUsed:      10 kB
VmallocChunk:      0 kB
";

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine with two of four processors switched on, a disk with one part, a volume on it, and two interfaces.
fn machine(folder: &Path) -> HostRoots {
    let roots = HostRoots { proc: folder.join("proc"), sys: folder.join("sys") };
    let files = [("stat", STAT), ("diskstats", DISKSTATS), ("net/dev", NET_DEV), ("meminfo", MEMINFO)];
    files.iter().for_each(|(name, text)| write(&roots.proc.join(name), text));
    write(&roots.proc.join("loadavg"), "1.50 0.70 0.10 3/200 4242\n");
    write(&roots.sys.join("devices/system/cpu/online"), "0,3\n");
    let disk = roots.sys.join("devices/pci0/nvme/nvme0n1");
    write(&disk.join("nvme0n1p1/partition"), "1\n");
    write(&roots.sys.join("devices/virtual/block/dm-0/slaves/nvme0n1p1"), "");
    let class = roots.sys.join("class/block");
    fs::create_dir_all(&class).unwrap();
    symlink(&disk, class.join("nvme0n1")).unwrap();
    symlink(disk.join("nvme0n1p1"), class.join("nvme0n1p1")).unwrap();
    symlink(roots.sys.join("devices/virtual/block/dm-0"), class.join("dm-0")).unwrap();
    write(&roots.sys.join("class/net/eth0/device/vendor"), "0x1af4\n");
    write(&roots.sys.join("class/net/eth0/speed"), "25000\n");
    write(&roots.sys.join("class/net/veth9/speed"), "-1\n");
    roots
}

#[test]
fn processors_that_are_switched_off_leave_a_gap_in_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let sample = HostSample::gather_from(&machine(folder.path())).unwrap();
    assert_eq!(sample.cores.iter().map(|core| core.core).collect::<Vec<_>>(), [0, 3]);
    let tick_us = 1_000_000 / procfs::ticks_per_second();
    assert_eq!(sample.cpu.user_us, 320 * tick_us);
    assert_eq!(sample.cpu.interrupt_us, 10 * tick_us);
    assert_eq!(sample.cpu.busy_us(), (320 + 130 + 10 + 10) * tick_us);
    assert_eq!(sample.cores[1].iowait_us, 30 * tick_us);
    assert_eq!((sample.tasks_running, sample.tasks_blocked), (3, 1));
    assert_eq!(sample.load, [1.5, 0.7, 0.1]);
}

#[test]
fn disks_know_what_they_are_part_of_and_what_they_lie_on() {
    let folder = tempfile::tempdir().unwrap();
    let sample = HostSample::gather_from(&machine(folder.path())).unwrap();
    let names: Vec<&str> = sample.disks.iter().map(|disk| disk.name.as_str()).collect();
    assert_eq!(names, ["nvme0n1", "nvme0n1p1", "dm-0"], "loop, ram and zram are left out");
    assert_eq!(sample.disks[1].partition_of.as_deref(), Some("nvme0n1"));
    assert!(sample.disks[2].stacked);
    assert_eq!(sample.disks.iter().map(DiskCounters::is_whole).collect::<Vec<_>>(), [true, false, false]);
    let disk = &sample.disks[0];
    assert_eq!((disk.read_bytes, disk.written_bytes), (800 * 512, 1_600 * 512));
    assert_eq!((disk.busy_ms, disk.weighted_ms, disk.in_flight), (70, 120, 1));
    assert_eq!((disk.flushes, disk.flush_ms), (9, 12));
}

#[test]
fn a_speed_is_there_only_if_the_driver_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let sample = HostSample::gather_from(&machine(folder.path())).unwrap();
    let of = |name: &str| sample.networks.iter().find(|net| net.name == name).unwrap();
    assert_eq!((of("eth0").speed_mbit, of("eth0").physical), (Some(25_000), true));
    assert_eq!((of("veth9").speed_mbit, of("veth9").physical), (None, false));
    assert_eq!((of("lo").speed_mbit, of("lo").physical), (None, false));
    assert_eq!((of("eth0").drops, of("eth0").errors), (6, 4));
}

#[test]
fn memory_is_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let memory = HostSample::gather_from(&machine(folder.path())).unwrap().memory;
    assert_eq!((memory.total_bytes, memory.available_bytes), (1_000 * 1_024, 700 * 1_024));
    assert_eq!((memory.used_bytes(), memory.swap_used_bytes), (300 * 1_024, 30 * 1_024));
    assert_eq!((memory.dirty_bytes, memory.writeback_bytes), (8 * 1_024, 4 * 1_024));
}

#[test]
fn what_cannot_be_read_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let roots = machine(folder.path());
    fs::remove_file(roots.proc.join("diskstats")).unwrap();
    let error = HostSample::gather_from(&roots).unwrap_err();
    assert!(matches!(error, HostError::Kernel { what: "disks", .. }), "{error}");
    fs::write(roots.proc.join("diskstats"), "nonsense\n").unwrap();
    let error = HostSample::gather_from(&roots).unwrap_err().to_string();
    assert!(error.contains("proc/diskstats"), "{error}");
}

#[test]
fn this_host_can_be_sampled_and_its_sample_survives_json() {
    let sample = HostSample::gather().unwrap();
    assert!(!sample.cores.is_empty());
    assert!(sample.memory.total_bytes > 0);
    assert!(sample.networks.iter().any(|net| net.name == "lo"));
    let text = serde_json::to_string(&sample).unwrap();
    assert_eq!(serde_json::from_str::<HostSample>(&text).unwrap(), sample);
}

#[test]
fn fields_that_another_version_does_not_know_are_left_empty() {
    let sample: HostSample =
        serde_json::from_str(r#"{"at_us": 5, "of_the_future": 1, "cores": [{"user_us": 9}]}"#).unwrap();
    assert_eq!((sample.at_us, sample.cores[0].user_us, sample.disks.len()), (5, 9, 0));
}
