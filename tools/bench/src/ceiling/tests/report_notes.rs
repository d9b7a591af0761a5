use crate::ceiling::fixture::settings;
use crate::ceiling::load_figures::LoadFigures;
use crate::ceiling::report_notes::notes;
use crate::ceiling::search::{Outcome, Purpose};
use crate::ceiling::step_report::StepReport;

fn step(offered: f64, achieved: f64, bench_busy: f64) -> StepReport {
    let load = LoadFigures { achieved, bench_busy, ..LoadFigures::nothing(1, 1.0, String::new()) };
    let (hosts, checks) = (Vec::new(), Vec::new());
    StepReport { number: 1, purpose: Purpose::Climb, is_repeat: false, offered, load, hosts, checks }
}

#[test]
fn the_load_is_at_its_end_where_it_is_busy_and_falls_short() {
    let note = |steps: &[StepReport]| {
        let notes = notes(&settings(), steps, &Outcome { extreme: None, safe: None });
        notes.into_iter().find(|note| note.contains("the load itself was at its end"))
    };
    // A load that keeps its rate is not at its end, however busy; nor is one that waits for the cluster.
    let (kept, waiting) = (step(80_000.0, 80_000.0, 0.97), step(160_000.0, 90_000.0, 0.5));
    assert_eq!(note(&[kept.clone(), waiting.clone()]), None);
    let found = note(&[kept, waiting, step(320_000.0, 100_000.0, 0.97)]).unwrap();
    assert!(found.starts_with("at 320000 messages/s") && found.contains("97 %"), "{found}");
}
