use crate::ceiling::fixture::{consumers, error, plan, producers, run_report, sample};
use crate::ceiling::load_figures::LoadFigures;
use crate::plan::{End, Plan, Work};

fn ten_seconds() -> Plan {
    Plan { end: End { after_ms: Some(10_000), ..End::default() }, ..plan(Work::Produce { producers: producers() }) }
}

#[test]
fn two_machines_achieve_their_sum_and_their_latencies_are_one_distribution() {
    let plan = ten_seconds();
    let sum = LoadFigures::sum(&plan, &[run_report(&plan, 3_000.0, 1_000), run_report(&plan, 1_000.0, 9_000)]).unwrap();
    assert_eq!((sum.machines, sum.achieved, sum.messages), (2, 4_000.0, 40_000));
    assert_eq!(sum.latency.percentiles.count, 40_000);
    assert!(sum.latency.percentiles.p50_us.abs_diff(1_000) <= 1, "{:?}", sum.latency.percentiles);
    assert!(sum.latency.percentiles.p90_us.abs_diff(9_000) <= 9, "{:?}", sum.latency.percentiles);
}

#[test]
fn errors_of_one_kind_are_added_up() {
    let plan = ten_seconds();
    let mut reports = [run_report(&plan, 1_000.0, 500), run_report(&plan, 1_000.0, 500)];
    reports[0].sends.as_mut().unwrap().errors = vec![error("SYSTEM_BUSY", 3)];
    reports[1].sends.as_mut().unwrap().errors = vec![error("TIMEOUT", 1), error("SYSTEM_BUSY", 2)];
    let sum = LoadFigures::sum(&plan, &reports).unwrap();
    assert_eq!(sum.errors, 6);
    assert_eq!(
        sum.error_kinds.iter().map(|kind| (kind.name.as_str(), kind.count)).collect::<Vec<_>>(),
        [("SYSTEM_BUSY", 5), ("TIMEOUT", 1)]
    );
}

#[test]
fn a_backlog_grows_when_it_is_more_every_second() {
    let plan = Plan { work: Work::Mixed { producers: producers(), consumers: consumers() }, ..ten_seconds() };
    let mut report = run_report(&plan, 1_000.0, 500);
    report.samples = (0..10)
        .map(|second| crate::report::Sample { undelivered: i64::from(second) * 40, ..sample(second, 1_000.0) })
        .collect();
    let sum = LoadFigures::sum(&plan, std::slice::from_ref(&report)).unwrap();
    assert!((sum.backlog_growth() - 40.0).abs() < 1e-6, "{}", sum.backlog_growth());
    assert_eq!(sum.received, Some(1_000.0));
    // Below what is sent in a tenth of a second it is only on its way.
    report.samples.iter_mut().for_each(|sample| sample.undelivered /= 10);
    assert_eq!(LoadFigures::sum(&plan, &[report]).unwrap().backlog_growth(), 0.0);
}

#[test]
fn a_load_that_uses_up_its_threads_is_seen() {
    let plan = ten_seconds();
    let mut report = run_report(&plan, 1_000.0, 500);
    report.bench.cpu_s = 9.5;
    let busy = |plan: &Plan| LoadFigures::sum(plan, std::slice::from_ref(&report)).unwrap().bench_busy;
    assert!((busy(&plan) - 0.95).abs() < 1e-9);
    assert!((busy(&Plan { threads: 64, ..plan.clone() }) - 0.475).abs() < 1e-9, "there are two processors");
    assert!(
        (busy(&Plan { threads: 64, cpus: vec![1], ..plan.clone() }) - 0.95).abs() < 1e-9,
        "one of them may be used"
    );
}

#[test]
fn a_report_whose_histogram_was_changed_on_the_way_is_an_error() {
    let plan = ten_seconds();
    let mut report = run_report(&plan, 1_000.0, 500);
    report.sends.as_mut().unwrap().latency.histogram_v2_deflate_base64 = "AAAA".into();
    assert!(LoadFigures::sum(&plan, &[report]).is_err());
}
