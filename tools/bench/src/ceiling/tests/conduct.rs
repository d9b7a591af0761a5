use std::time::Duration;

use crate::ceiling::conduct::{Conductor, SearchObserver};
use crate::ceiling::fixture::{FakeEngine, consumers, plan, producers, settings};
use crate::ceiling::limits::LimitKind;
use crate::ceiling::search::Purpose;
use crate::ceiling::search_settings::SearchSettings;
use crate::ceiling::source::SourceChoice;
use crate::ceiling::step_report::StepReport;
use crate::ceiling::stop_flag::StopFlag;
use crate::ceiling::team::Team;
use crate::ceiling::{CeilingError, CeilingReport, CeilingSettings};
use crate::error::BenchError;
use crate::plan::{Plan, Work};

fn unsampled() -> SourceChoice {
    SourceChoice { may_be_unsampled: true, ..Default::default() }
}

fn search(
    settings: CeilingSettings,
    sources: SourceChoice,
    engine: &FakeEngine,
    observer: &mut dyn SearchObserver,
    stop: StopFlag,
) -> Result<CeilingReport, CeilingError> {
    let command_line = vec!["mqbench".to_owned(), "ceiling".to_owned()];
    Conductor { settings, command_line, sources, team: Team::alone(), engine, stop, observer }.run()
}

#[test]
fn the_safe_load_lies_at_the_knee_and_the_extreme_at_the_capacity() {
    let engine = FakeEngine::default();
    let report = search(settings(), unsampled(), &engine, &mut (), StopFlag::default()).unwrap();
    let (safe, extreme) = (report.safe.unwrap(), report.extreme.unwrap());
    assert!((57_000.0..=60_000.0).contains(&safe.achieved), "{safe:?}");
    assert_eq!(extreme.achieved, 100_000.0);
    assert_eq!(report.first_limit.as_ref().map(|first| first.check.limit), Some(LimitKind::P99));
    let soak = report.steps.last().unwrap();
    assert_eq!((soak.purpose, soak.offered, soak.held()), (Purpose::Soak, safe.offered, true));
    assert_eq!(
        report.steps.iter().map(|step| step.number as usize).collect::<Vec<_>>(),
        (1..=report.steps.len()).collect::<Vec<_>>()
    );
    assert!(report.notes.iter().any(|note| note.contains("nobody looked")), "{:?}", report.notes);
}

#[test]
fn a_report_survives_json() {
    let report = search(settings(), unsampled(), &FakeEngine::default(), &mut (), StopFlag::default()).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.starts_with(r#"{"report":"ceiling","schema":1,"#), "{}", &text[..60]);
    assert_eq!(serde_json::from_str::<CeilingReport>(&text).unwrap(), report);
}

#[test]
fn the_soak_is_measured_for_longer_than_a_step_and_topics_are_created_once() {
    let engine = FakeEngine::default();
    let mut settings = settings();
    settings.plan.create_topics = Some(8);
    search(settings, unsampled(), &engine, &mut (), StopFlag::default()).unwrap();
    let ran = engine.ran.into_inner().unwrap();
    let (first, last) = (ran.first().unwrap(), ran.last().unwrap());
    assert_eq!((first.create_topics, first.work.producers().unwrap().rate), (Some(8), Some(1_000.0)));
    assert_eq!(last.end.after_ms, Some(3_000));
    assert!(ran[1..].iter().all(|plan| plan.create_topics.is_none()));
    assert!(ran[1..ran.len() - 1].iter().all(|plan| plan.end.after_ms == Some(1_000)));
}

#[test]
fn this_machine_is_looked_at_while_a_broker_on_it_is_loaded() {
    let engine = FakeEngine { broker: "127.0.0.1:1", takes_time: true, ..Default::default() };
    let search_settings = SearchSettings { start: 1_000.0, rate_max: 1_000.0, ..Default::default() };
    let settings =
        CeilingSettings { step_ms: 1_000, soak_ms: 1_000, sample_ms: 20, search: search_settings, ..settings() };
    // A neighbour may keep this machine busy: its figures are looked at here, not held against anything.
    let limits = crate::ceiling::limits::Limits { cpu: 1.0, core: 1.0, memory: 1.0, disk_busy: 1.0, ..settings.limits };
    let report =
        search(CeilingSettings { limits, ..settings }, SourceChoice::default(), &engine, &mut (), StopFlag::default())
            .unwrap();
    assert_eq!(report.settings.sources, ["this machine"]);
    for step in &report.steps {
        let host = &step.hosts[0];
        assert!((0.5..=1.1).contains(&host.rates.seconds), "{} s", host.rates.seconds);
        assert!(host.rates.memory.total_bytes > 0);
        assert!(host.points.len() >= 2, "{} points", host.points.len());
        assert!(step.checks.iter().any(|check| check.limit == LimitKind::Core && check.value.is_some()));
    }
    assert!(report.safe.is_some());
    assert!(report.notes.iter().any(|note| note.contains("share a machine")), "{:?}", report.notes);
    assert!(report.notes.iter().any(|note| note.contains("broker queues")), "{:?}", report.notes);
    assert!(report.notes.iter().any(|note| note.contains("--max-rate")), "{:?}", report.notes);
}

#[test]
fn a_cluster_that_cannot_be_loaded_at_all_is_an_error() {
    let refuse = || BenchError::NoRoute { topic: "load".into() };
    let engine = FakeEngine { fails: Some((1, refuse)), ..Default::default() };
    let error = search(settings(), unsampled(), &engine, &mut (), StopFlag::default()).unwrap_err();
    assert!(error.to_string().contains("topic load has no route"), "{error}");
}

#[test]
fn a_step_at_which_nothing_succeeds_is_a_result() {
    let dead = || BenchError::NothingSucceeded { summary: "SYSTEM_BUSY".into() };
    let engine = FakeEngine { fails: Some((3, dead)), ..Default::default() };
    let report = search(settings(), unsampled(), &engine, &mut (), StopFlag::default()).unwrap();
    assert_eq!(report.safe, None);
    assert_eq!(report.extreme.unwrap().achieved, 10_000.0);
    let dead = &report.steps[1];
    assert_eq!((dead.load.achieved, dead.load.error_kinds[0].example.as_str()), (0.0, "SYSTEM_BUSY"));
}

#[test]
fn settings_that_make_no_sense_are_refused_before_there_is_load() {
    let engine = FakeEngine::default();
    let refused = |settings: CeilingSettings| {
        search(settings, unsampled(), &engine, &mut (), StopFlag::default()).unwrap_err().to_string()
    };
    let error = refused(CeilingSettings { step_ms: 100, ..settings() });
    assert_eq!(error, "--step is 100 ms; at least 500 ms are needed");
    let mut limits = settings().limits;
    limits.cpu = 80.0;
    let error = refused(CeilingSettings { limits, ..settings() });
    assert!(error.contains("--max-cpu is 80"), "{error}");
    let no_topic = Plan { topics: Vec::new(), ..settings().plan };
    assert!(refused(CeilingSettings { plan: no_topic, ..settings() }).contains("no topic"), "{error}");
    assert!(engine.ran.lock().unwrap().is_empty());
}

#[test]
fn with_consumers_a_growing_backlog_would_be_seen() {
    let work = Work::Mixed { producers: producers(), consumers: consumers() };
    let report = search(
        CeilingSettings { plan: plan(work), ..settings() },
        unsampled(),
        &FakeEngine::default(),
        &mut (),
        StopFlag::default(),
    )
    .unwrap();
    assert!(report.steps.iter().all(|step| step.load.received == Some(step.load.achieved)));
}

/// Wishes the end when a step is over.
struct StopAfter(usize, StopFlag);

impl SearchObserver for StopAfter {
    fn stepped(&mut self, _: &StepReport) {
        self.0 -= 1;
        if self.0 == 0 {
            self.1.set();
        }
    }
}

#[test]
fn a_search_that_is_stopped_reports_what_it_knows() {
    let stop = StopFlag::default();
    let report =
        search(settings(), unsampled(), &FakeEngine::default(), &mut StopAfter(3, stop.clone()), stop).unwrap();
    assert!(report.stopped);
    assert_eq!((report.steps.len(), report.safe), (3, None));
    assert_eq!(report.extreme.unwrap().achieved, 40_000.0);
    assert!(Duration::from_secs_f64(report.took_s) < Duration::from_secs(60));
}
