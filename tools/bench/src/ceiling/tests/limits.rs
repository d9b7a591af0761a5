use host::{CoreTimes, HostSample, Memory};

use crate::ceiling::fixture::{plan, producers, run_report};
use crate::ceiling::host_figures::HostFigures;
use crate::ceiling::limits::{LimitCheck, LimitKind, Limits};
use crate::ceiling::load_figures::LoadFigures;
use crate::plan::{End, Work};
use host::{BrokerSample, ShardSample};

fn load(achieved: f64, us: u64) -> LoadFigures {
    let plan = plan(Work::Produce { producers: producers() });
    let plan = crate::plan::Plan { end: End { after_ms: Some(10_000), ..End::default() }, ..plan };
    LoadFigures::sum(&plan, &[run_report(&plan, achieved, us)]).unwrap()
}

/// A machine with one processor that is busy for a share of ten seconds, and a broker in which so many bytes pile up a second.
fn host(source: &str, cpu: f64, unwritten_bytes_per_second: u64) -> HostFigures {
    let look = |second: u64| {
        let busy = (cpu * second as f64 * 1e6) as u64;
        let core = CoreTimes { core: 0, user_us: busy, idle_us: second * 1_000_000 - busy, ..Default::default() };
        let memory = Memory { total_bytes: 100, available_bytes: 50, ..Default::default() };
        let host =
            HostSample { at_us: second * 1_000_000 + 1, cpu: core, cores: vec![core], memory, ..Default::default() };
        let shard = ShardSample { unwritten_bytes: second * unwritten_bytes_per_second, ..Default::default() };
        BrokerSample { host, process: None, shards: vec![shard] }
    };
    let looks: Vec<_> = (0..=10).map(look).collect();
    HostFigures::of(source, false, None, None, &looks).unwrap()
}

fn of(checks: &[LimitCheck], limit: LimitKind) -> &LimitCheck {
    checks.iter().find(|check| check.limit == limit).unwrap()
}

fn broken(checks: &[LimitCheck]) -> Vec<LimitKind> {
    checks.iter().filter(|check| !check.held()).map(|check| check.limit).collect()
}

#[test]
fn a_load_within_everything_breaks_nothing() {
    let checks = Limits::default().check(10_000.0, &load(9_950.0, 3_000), &[host("a", 0.5, 0)]);
    assert_eq!(broken(&checks), []);
    assert!((of(&checks, LimitKind::P99).used() - 0.3).abs() < 0.001);
}

#[test]
fn each_figure_breaks_its_own_limit() {
    let limits = Limits::default();
    let calm = [host("a", 0.5, 0)];
    assert_eq!(broken(&limits.check(10_000.0, &load(9_800.0, 3_000), &calm)), [LimitKind::Achieved]);
    assert_eq!(broken(&limits.check(10_000.0, &load(10_000.0, 20_000), &calm)), [LimitKind::P99]);
    assert_eq!(broken(&limits.check(10_000.0, &load(10_000.0, 60_000), &calm)), [LimitKind::P99, LimitKind::P999]);
    assert_eq!(broken(&limits.check(10_000.0, &load(10_000.0, 3_000), &[host("a", 0.85, 0)])), [LimitKind::Cpu]);
    assert_eq!(
        broken(&limits.check(10_000.0, &load(10_000.0, 3_000), &[host("a", 0.95, 0)])),
        [LimitKind::Cpu, LimitKind::Core]
    );
    let one_error = LoadFigures { errors: 1, ..load(10_000.0, 3_000) };
    assert_eq!(broken(&limits.check(10_000.0, &one_error, &calm)), [LimitKind::Errors]);
    let unread = LoadFigures { undelivered_growth: 150.0, ..load(10_000.0, 3_000) };
    assert_eq!(broken(&limits.check(10_000.0, &unread, &calm)), [LimitKind::Backlog]);
    let tight = Limits { memory: 0.4, ..limits };
    assert_eq!(broken(&tight.check(10_000.0, &load(10_000.0, 3_000), &calm)), [LimitKind::Memory]);
}

#[test]
fn bytes_that_pile_up_in_a_broker_are_a_backlog() {
    // 12 MB/s arrive; 1 MB/s of it stays.
    let checks = Limits::default().check(10_000.0, &load(10_000.0, 3_000), &[host("a", 0.5, 1_000_000)]);
    assert_eq!(broken(&checks), [LimitKind::BrokerQueues]);
    assert!((of(&checks, LimitKind::BrokerQueues).value.unwrap() - 1.0 / 12.0).abs() < 0.001);
}

#[test]
fn of_several_machines_the_worst_counts_and_is_named() {
    let hosts = [host("http://a/host", 0.3, 0), host("http://b/host", 0.93, 0)];
    let checks = Limits::default().check(10_000.0, &load(10_000.0, 3_000), &hosts);
    assert_eq!(of(&checks, LimitKind::Core).of.as_deref(), Some("core 0 of http://b/host"));
    assert_eq!(of(&checks, LimitKind::Cpu).of.as_deref(), Some("http://b/host"));
}

#[test]
fn what_cannot_be_measured_is_not_broken_and_not_used() {
    let checks = Limits::default().check(10_000.0, &load(10_000.0, 3_000), &[]);
    let network = of(&checks, LimitKind::Network);
    assert_eq!((network.value, network.held(), network.used()), (None, true, 0.0));
    assert_eq!(of(&checks, LimitKind::BrokerQueues).value, None);
}

#[test]
fn any_error_is_infinitely_more_than_none() {
    let one_error = LoadFigures { errors: 1, ..load(10_000.0, 3_000) };
    let checks = Limits::default().check(10_000.0, &one_error, &[]);
    assert_eq!(of(&checks, LimitKind::Errors).used(), f64::INFINITY);
    let checks = Limits::default().check(10_000.0, &load(0.0, 3_000), &[]);
    assert_eq!(of(&checks, LimitKind::Achieved).used(), f64::INFINITY);
}
