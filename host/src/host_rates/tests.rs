use proptest::prelude::*;

use super::*;
use crate::{DiskCounters, NetCounters};

fn core(core: u32, user_us: u64, idle_us: u64, iowait_us: u64) -> CoreTimes {
    CoreTimes { core, user_us, idle_us, iowait_us, ..Default::default() }
}

fn sample(at_us: u64, cores: Vec<CoreTimes>) -> HostSample {
    let sum = |field: fn(&CoreTimes) -> u64| cores.iter().map(field).sum();
    let cpu = CoreTimes {
        user_us: sum(|core| core.user_us),
        idle_us: sum(|core| core.idle_us),
        iowait_us: sum(|core| core.iowait_us),
        ..Default::default()
    };
    HostSample { at_us, cpu, cores, ..Default::default() }
}

fn disk(name: &str, busy_ms: u64) -> DiskCounters {
    DiskCounters { name: name.into(), busy_ms, ..Default::default() }
}

fn net(name: &str, physical: bool, sent_bytes: u64) -> NetCounters {
    NetCounters { name: name.into(), physical, sent_bytes, ..Default::default() }
}

#[test]
fn the_whole_is_the_mean_of_the_cores_and_the_busiest_is_named() {
    let before = sample(0, vec![core(0, 0, 0, 0), core(1, 0, 0, 0)]);
    let after = sample(1_000_000, vec![core(0, 200_000, 600_000, 200_000), core(1, 800_000, 200_000, 0)]);
    let rates = HostRates::between(&before, &after).unwrap();
    assert_eq!((rates.cpu, rates.iowait), (0.5, 0.1));
    assert_eq!(rates.busiest_core(), Some(CoreShare { core: 1, busy: 0.8 }));
}

#[test]
fn stolen_time_is_not_there_for_more_work() {
    let mut after = sample(1_000_000, vec![core(0, 300_000, 500_000, 0)]);
    (after.cpu.steal_us, after.cores[0].steal_us) = (200_000, 200_000);
    let rates = HostRates::between(&sample(0, vec![core(0, 0, 0, 0)]), &after).unwrap();
    assert_eq!((rates.cpu, rates.steal), (0.5, 0.2));
}

#[test]
fn no_time_between_two_samples_has_no_rates() {
    let at = |at_us| sample(at_us, vec![core(0, 1, 1, 0)]);
    assert_eq!(HostRates::between(&at(5), &at(5)), None);
    assert_eq!(HostRates::between(&at(5), &at(4)), None);
}

#[test]
fn a_core_that_was_plugged_in_meanwhile_has_no_share_yet() {
    let before = sample(0, vec![core(0, 0, 0, 0)]);
    let after = sample(1_000_000, vec![core(0, 500_000, 500_000, 0), core(3, 900_000, 0, 0)]);
    let rates = HostRates::between(&before, &after).unwrap();
    assert_eq!(rates.cores, [CoreShare { core: 0, busy: 0.5 }]);
}

#[test]
fn iowait_that_went_back_did_not_pass() {
    let before = sample(0, vec![core(0, 0, 0, 500_000)]);
    let after = sample(1_000_000, vec![core(0, 250_000, 750_000, 400_000)]);
    let rates = HostRates::between(&before, &after).unwrap();
    assert_eq!((rates.iowait, rates.cpu), (0.0, 0.25));
}

#[test]
fn devices_of_one_sample_only_have_no_rate() {
    let before = HostSample { disks: vec![disk("vda", 0), disk("gone", 9)], ..sample(0, vec![]) };
    let after = HostSample { disks: vec![disk("vda", 300), disk("new", 1_000)], ..sample(1_000_000, vec![]) };
    let rates = HostRates::between(&before, &after).unwrap();
    assert_eq!(rates.disks.len(), 1);
    assert_eq!(rates.disk("vda").map(|disk| disk.busy), Some(0.3));
}

#[test]
fn the_busiest_disk_is_a_whole_one() {
    let part = DiskCounters { partition_of: Some("sda".into()), ..disk("sda1", 900) };
    let volume = DiskCounters { stacked: true, ..disk("dm-0", 950) };
    let later = vec![part, volume, disk("sda", 800), disk("sdb", 700)];
    let earlier = later.iter().map(|disk| DiskCounters { busy_ms: 0, ..disk.clone() }).collect();
    let before = HostSample { disks: earlier, ..sample(0, vec![]) };
    let after = HostSample { disks: later, ..sample(1_000_000, vec![]) };
    let rates = HostRates::between(&before, &after).unwrap();
    assert_eq!(rates.busiest_disk().map(|disk| disk.name.as_str()), Some("sda"));
}

#[test]
fn a_bridge_is_no_link_where_there_is_a_device() {
    let names = |networks: Vec<NetCounters>| {
        let before = HostSample { networks: networks.clone(), ..sample(0, vec![]) };
        let rates = HostRates::between(&before, &HostSample { at_us: 1, ..before.clone() }).unwrap();
        rates.links().map(|link| link.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(vec![net("br0", false, 0), net("eth0", true, 0), net("lo", false, 0)]), ["eth0"]);
    assert_eq!(names(vec![net("eth0", false, 0), net("lo", false, 0)]), ["eth0"]);
}

prop_compose! {
    fn any_core()(core in 0u32..4, times in prop::array::uniform6(any::<u64>())) -> CoreTimes {
        let [user_us, system_us, interrupt_us, steal_us, idle_us, iowait_us] = times;
        CoreTimes { core, user_us, system_us, interrupt_us, steal_us, idle_us, iowait_us }
    }
}

prop_compose! {
    fn any_disk()(name in "[ab]", counts in prop::array::uniform11(any::<u64>())) -> DiskCounters {
        let [reads, read_bytes, read_ms, writes, written_bytes, write_ms, flushes, flush_ms, in_flight, busy_ms, weighted_ms] = counts;
        DiskCounters { name, partition_of: None, stacked: false, reads, read_bytes, read_ms, writes, written_bytes, write_ms,
            flushes, flush_ms, in_flight, busy_ms, weighted_ms }
    }
}

prop_compose! {
    fn any_sample()(
        at_us in 0u64..10_000_000,
        cpu in any_core(),
        cores in prop::collection::vec(any_core(), 0..4),
        disks in prop::collection::vec(any_disk(), 0..3),
        counts in prop::array::uniform6(any::<u64>()),
        speed_mbit in prop::option::of(any::<u64>()),
    ) -> HostSample {
        let [received_bytes, received_packets, sent_bytes, sent_packets, drops, errors] = counts;
        let net = NetCounters { name: "eth0".into(), physical: true, received_bytes, received_packets, sent_bytes, sent_packets, drops,
            errors, speed_mbit };
        HostSample { at_us, cpu, cores, disks, networks: vec![net], ..Default::default() }
    }
}

proptest! {
    /// Samples come from other machines: whatever they hold, the rates are numbers.
    #[test]
    fn rates_of_any_two_samples_are_finite_and_shares_are_shares(before in any_sample(), after in any_sample()) {
        let Some(rates) = HostRates::between(&before, &after) else {
            prop_assert!(after.at_us <= before.at_us);
            return Ok(());
        };
        let shares = [rates.cpu, rates.iowait, rates.steal];
        let shares = shares.into_iter().chain(rates.cores.iter().map(|core| core.busy)).chain(rates.disks.iter().map(|disk| disk.busy));
        for share in shares {
            prop_assert!((0.0..=1.0).contains(&share), "{share}");
        }
        for disk in &rates.disks {
            for rate in [disk.await_ms, disk.write_await_ms, disk.queue_depth, disk.reads, disk.writes, disk.read_bytes, disk.written_bytes] {
                prop_assert!(rate.is_finite() && rate >= 0.0, "{rate}");
            }
        }
        for net in &rates.networks {
            prop_assert!(net.sent_bytes.is_finite() && net.sent_bytes >= 0.0);
            prop_assert!(net.link_share.is_none_or(|share| share.is_finite() && share >= 0.0));
        }
    }
}
