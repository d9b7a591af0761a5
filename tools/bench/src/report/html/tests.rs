use host::{CoreShare, DiskRates, HostRates};

use super::*;
use crate::ceiling::fixture::{ceiling_report, consumers, plan, producers, run_report};
use crate::plan::Work;
use crate::report::ErrorCount;

fn mixed() -> RunReport {
    let mut report = run_report(&plan(Work::Mixed { producers: producers(), consumers: consumers() }), 12_345.0, 2_000);
    report.sends.as_mut().unwrap().errors =
        vec![ErrorCount { code: Some(2), name: "SYSTEM_BUSY".into(), count: 7, example: "queue full".into() }];
    let disk = DiskRates { name: "nvme7n1".into(), busy: 0.5, ..Default::default() };
    let host = HostRates {
        seconds: 1.0,
        cpu: 0.4,
        cores: vec![CoreShare { core: 0, busy: 0.7 }],
        disks: vec![disk],
        ..Default::default()
    };
    report.samples.iter_mut().for_each(|sample| sample.host = Some(host.clone()));
    report
}

/// Everything by which a page could load or run something.
fn fetches(page: &str) -> Vec<&'static str> {
    let ways = [
        "<script",
        "<link",
        "<img",
        "<iframe",
        "<object",
        "<embed",
        "<base",
        "src=",
        "href=",
        "url(",
        "@import",
        "javascript:",
        "onload=",
    ];
    ways.into_iter().filter(|way| page.contains(way)).collect()
}

/// Every tag that is opened is closed, in order. Of what the pages use, only these have no end.
fn unbalanced(page: &str) -> Option<String> {
    const EMPTY: &[&str] = &["meta", "!DOCTYPE"];
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let name: String = tag.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        match name.strip_prefix('/') {
            Some(name) if open.last().map(String::as_str) == Some(name) => drop(open.pop()),
            Some(name) => return Some(format!("</{name}> closes {:?}", open.last())),
            None if EMPTY.contains(&name.as_str()) => {}
            None => open.push(name),
        }
    }
    open.pop()
}

#[test]
fn the_page_of_a_run_has_its_figures_charts_and_settings() {
    let page = run_html(&mixed());
    for part in [
        "12,345/s",
        "p99.9",
        "SYSTEM_BUSY",
        "queue full",
        "Disk nvme7n1: busy",
        "busiest core",
        "Latency by percentile",
        "99 %",
        "work.producers.connections",
        "2026-05-04T12:00:00Z",
        "commit abc",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.matches("<svg").count() >= 8, "{} charts", page.matches("<svg").count());
    assert_eq!(unbalanced(&page), None);
}

#[test]
fn the_page_of_a_search_has_its_result_curve_and_limits() {
    let report = ceiling_report();
    let page = ceiling_html(&report);
    let safe = quantity::Quantity::PerSecond.format(report.safe.unwrap().achieved);
    for part in [
        format!("safe {safe}").as_str(),
        "extreme 100,000/s",
        "first limit hit",
        "p99 latency",
        "messages a second offered",
        "limit of p99.9",
        "--max-disk-busy",
        "not checked",
        "limits.backlog_growth",
        "soak",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.matches("<svg").count() >= 4, "{} charts", page.matches("<svg").count());
    assert_eq!(unbalanced(&page), None);
}

#[test]
fn the_pages_fetch_nothing_and_forbid_it() {
    for page in [run_html(&mixed()), ceiling_html(&ceiling_report())] {
        assert_eq!(fetches(&page), [""; 0]);
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    }
}

#[test]
fn text_from_outside_is_escaped_everywhere() {
    const BAD: &str = "\"><script>alert('x')</script>";
    let mut run = mixed();
    run.notes = vec![BAD.into()];
    run.command_line = vec![BAD.into()];
    run.started_at = BAD.into();
    run.commit = Some(BAD.into());
    run.brokers[0].name = BAD.into();
    run.plan.topics = vec![BAD.into()];
    run.sends.as_mut().unwrap().errors[0].example = BAD.into();
    run.machine.as_mut().unwrap().host_name = BAD.into();
    for sample in &mut run.samples {
        sample.host.as_mut().unwrap().disks[0].name = BAD.into();
    }
    let mut ceiling = ceiling_report();
    ceiling.notes = vec![BAD.into()];
    ceiling.brokers[0].address = BAD.into();
    ceiling.settings.sources = vec![BAD.into()];
    ceiling.steps[0].checks[0].of = Some(BAD.into());
    for page in [run_html(&run), ceiling_html(&ceiling)] {
        assert!(page.contains("&lt;script&gt;"), "the text is not there at all");
        assert_eq!(fetches(&page), [""; 0]);
        assert_eq!(unbalanced(&page), None);
    }
}

#[test]
fn a_report_without_anything_is_still_a_page() {
    let mut run = run_report(&plan(Work::Produce { producers: producers() }), 0.0, 1);
    (run.samples, run.sends, run.machine) = (Vec::new(), None, None);
    let mut ceiling = ceiling_report();
    (ceiling.steps, ceiling.safe, ceiling.extreme, ceiling.first_limit) = (Vec::new(), None, None, None);
    for page in [run_html(&run), ceiling_html(&ceiling)] {
        assert!(page.ends_with("</html>"));
        assert_eq!(unbalanced(&page), None);
    }
}

#[test]
fn a_file_of_either_kind_is_recognised() {
    let run = serde_json::to_vec(&mixed()).unwrap();
    assert!(matches!(ReportFile::read(&run).unwrap(), ReportFile::Run(_)));
    let report = ceiling_report();
    let ceiling = serde_json::to_vec(&report).unwrap();
    assert_eq!(ReportFile::read(&ceiling).unwrap(), ReportFile::Ceiling(Box::new(report)));
}

#[test]
fn what_is_no_report_is_an_error() {
    assert!(matches!(ReportFile::read(b"{}"), Err(ReportFileError::Form(_))));
    assert!(matches!(ReportFile::read(b"not json"), Err(ReportFileError::Form(_))));
    let newer = ReportFile::read(br#"{"schema": 99}"#).unwrap_err().to_string();
    assert!(newer.contains("version 99"), "{newer}");
}
