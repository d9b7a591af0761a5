use crate::ceiling::ceiling_report::FirstLimit;
use crate::ceiling::limits::{LimitCheck, LimitKind};
use crate::ceiling::load_figures::LoadFigures;
use crate::ceiling::search::{Load, Outcome, Purpose};
use crate::ceiling::step_report::StepReport;

fn step(number: u32, purpose: Purpose, offered: f64, checks: &[(LimitKind, f64, f64)]) -> StepReport {
    let check = |(limit, bound, value): &(LimitKind, f64, f64)| LimitCheck {
        limit: *limit,
        bound: *bound,
        value: Some(*value),
        of: None,
    };
    StepReport {
        number,
        purpose,
        is_repeat: false,
        offered,
        load: LoadFigures { achieved: offered, ..LoadFigures::nothing(1, 1.0, String::new()) },
        hosts: Vec::new(),
        checks: checks.iter().map(check).collect(),
    }
}

fn safe(offered: f64) -> Outcome {
    let load = Load { offered, achieved: offered };
    Outcome { extreme: Some(load), safe: Some(load) }
}

const FAST: (LimitKind, f64, f64) = (LimitKind::P99, 10.0, 5.0);
const SLOW: (LimitKind, f64, f64) = (LimitKind::P99, 10.0, 15.0);
const HOT: (LimitKind, f64, f64) = (LimitKind::Cpu, 0.8, 0.9);

#[test]
fn it_is_the_limit_that_was_passed_furthest_at_the_lowest_load_that_broke() {
    let steps = [
        step(1, Purpose::Climb, 10_000.0, &[FAST]),
        step(2, Purpose::Climb, 20_000.0, &[(LimitKind::Achieved, 0.99, 0.5), SLOW]),
        step(3, Purpose::Bisect, 14_000.0, &[HOT, SLOW]),
        step(4, Purpose::Soak, 10_000.0, &[FAST]),
    ];
    let first = FirstLimit::of(&steps, &safe(10_000.0)).unwrap();
    assert_eq!((first.step, first.check.limit), (3, LimitKind::P99));
    assert_eq!(first.also.iter().map(|check| check.limit).collect::<Vec<_>>(), [LimitKind::Cpu]);
}

#[test]
fn of_a_load_that_broke_twice_the_later_decides() {
    let steps = [
        step(1, Purpose::Climb, 20_000.0, &[SLOW]),
        step(2, Purpose::Climb, 20_000.0, &[HOT]),
        step(3, Purpose::Soak, 10_000.0, &[FAST]),
    ];
    assert_eq!(FirstLimit::of(&steps, &safe(10_000.0)).unwrap().check.limit, LimitKind::Cpu);
}

#[test]
fn a_hiccup_below_a_load_that_held_does_not_count() {
    let steps = [
        step(1, Purpose::Climb, 10_000.0, &[SLOW]),
        step(2, Purpose::Climb, 10_000.0, &[FAST]),
        step(3, Purpose::Climb, 20_000.0, &[HOT]),
        step(4, Purpose::Soak, 10_000.0, &[FAST]),
    ];
    assert_eq!(FirstLimit::of(&steps, &safe(10_000.0)).unwrap().step, 3);
}

#[test]
fn a_soak_that_failed_counts_although_the_load_held_for_a_short_while() {
    let steps = [
        step(1, Purpose::Climb, 10_000.0, &[FAST]),
        step(2, Purpose::Climb, 20_000.0, &[HOT]),
        step(3, Purpose::Soak, 10_000.0, &[SLOW]),
        step(4, Purpose::Soak, 9_000.0, &[FAST]),
    ];
    let first = FirstLimit::of(&steps, &safe(9_000.0)).unwrap();
    assert_eq!((first.step, first.check.limit), (3, LimitKind::P99));
}

#[test]
fn where_everything_held_no_limit_was_hit() {
    let steps = [step(1, Purpose::Climb, 10_000.0, &[FAST]), step(2, Purpose::Soak, 10_000.0, &[FAST])];
    assert_eq!(FirstLimit::of(&steps, &safe(10_000.0)), None);
}

#[test]
fn the_nearest_limit_of_a_step_is_the_one_that_is_used_up_most() {
    let step = step(1, Purpose::Soak, 1.0, &[FAST, (LimitKind::Cpu, 0.8, 0.7), (LimitKind::Achieved, 0.99, 1.0)]);
    assert_eq!(step.nearest().map(|check| check.limit), Some(LimitKind::Cpu));
}
