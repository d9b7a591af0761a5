use proptest::prelude::*;

use super::*;

/// Steps that any search may take, with all repeats.
fn steps_allowed(settings: &SearchSettings) -> u32 {
    settings.steps_max + settings.soaks_max
}

/// Runs a search to its end against `system`, which answers a step with a verdict.
fn run(settings: SearchSettings, mut system: impl FnMut(Step) -> Verdict) -> (Outcome, Vec<Step>) {
    let mut search = Search::new(settings);
    let mut steps = Vec::new();
    while let Some(step) = search.next() {
        steps.push(step);
        assert!(steps.len() as u32 <= steps_allowed(&settings), "the search does not end: {steps:?}");
        search.record(system(step));
    }
    (search.outcome(), steps)
}

/// Achieves all up to `capacity`; its limits hold up to `limit`.
fn steady(limit: f64, capacity: f64) -> impl FnMut(Step) -> Verdict {
    move |step| {
        let saturated = step.rate > capacity;
        Verdict { achieved: step.rate.min(capacity), held: step.rate <= limit && !saturated, saturated }
    }
}

fn purposes(steps: &[Step]) -> Vec<Purpose> {
    let mut purposes: Vec<Purpose> = steps.iter().map(|step| step.purpose).collect();
    purposes.dedup();
    purposes
}

#[test]
fn the_extreme_is_looked_for_above_the_limit_that_broke() {
    let (outcome, steps) = run(SearchSettings::default(), steady(80_000.0, 100_000.0));
    let (safe, extreme) = (outcome.safe.unwrap(), outcome.extreme.unwrap());
    assert_eq!(extreme.achieved, 100_000.0);
    assert!((76_000.0..=80_000.0).contains(&safe.achieved), "{safe:?}");
    assert_eq!(purposes(&steps), [Purpose::Climb, Purpose::Peak, Purpose::Bisect, Purpose::Soak]);
}

#[test]
fn a_load_that_breaks_a_limit_is_measured_once_more_before_it_is_believed() {
    let mut hiccups = 0;
    let (outcome, _) = run(SearchSettings::default(), |step| {
        let verdict = steady(80_000.0, 100_000.0)(step);
        if step.rate == 20_000.0 && hiccups == 0 {
            hiccups += 1;
            return Verdict { held: false, saturated: true, achieved: 9_000.0 };
        }
        verdict
    });
    assert_eq!(hiccups, 1);
    assert!(outcome.safe.unwrap().achieved >= 76_000.0);
}

#[test]
fn a_soak_that_fails_lowers_the_load_by_a_step() {
    let mut soaks = Vec::new();
    let (outcome, _) = run(SearchSettings::default(), |step| {
        if step.purpose == Purpose::Soak {
            soaks.push(step.rate);
            return steady(70_000.0, 100_000.0)(step);
        }
        steady(80_000.0, 100_000.0)(step)
    });
    assert_eq!(soaks.len(), 3, "{soaks:?}");
    assert!(soaks.windows(2).all(|pair| (pair[1] / pair[0] - 0.9).abs() < 0.001), "{soaks:?}");
    assert_eq!(outcome.safe.unwrap().offered, soaks[2]);
}

#[test]
fn a_load_that_never_soaks_is_not_called_safe() {
    let settings = SearchSettings::default();
    let mut soaks = 0;
    let (outcome, _) = run(settings, |step| {
        soaks += u32::from(step.purpose == Purpose::Soak);
        Verdict {
            held: step.purpose != Purpose::Soak && step.rate < 1e6,
            achieved: step.rate,
            saturated: step.rate > 1e6,
        }
    });
    assert_eq!(outcome.safe, None);
    assert_eq!(soaks, settings.soaks_max);
}

#[test]
fn below_a_start_that_is_too_high_something_is_found() {
    let settings = SearchSettings { start: 50_000.0, ..Default::default() };
    let (outcome, steps) = run(settings, steady(4_000.0, 9_000.0));
    assert!((3_800.0..=4_000.0).contains(&outcome.safe.unwrap().achieved), "{outcome:?}");
    assert_eq!(outcome.extreme.unwrap().achieved, 9_000.0);
    assert!(purposes(&steps).contains(&Purpose::Descend), "{steps:?}");
}

#[test]
fn where_nothing_holds_nothing_is_safe() {
    let (outcome, steps) = run(SearchSettings::default(), |step| Verdict {
        achieved: step.rate.min(1e5),
        held: false,
        saturated: step.rate > 1e5,
    });
    assert_eq!(outcome.safe, None);
    assert_eq!(outcome.extreme.unwrap().achieved, 1e5);
    assert!(steps.iter().filter(|step| step.purpose == Purpose::Descend).count() as u32 <= 2 * DESCENTS_MAX);
}

#[test]
fn where_nothing_is_achieved_there_is_no_extreme() {
    let (outcome, _) = run(SearchSettings::default(), |_| Verdict { achieved: 0.0, held: false, saturated: true });
    assert_eq!(outcome, Outcome { extreme: None, safe: None });
}

#[test]
fn a_load_is_never_raised_above_the_maximum() {
    let settings = SearchSettings { rate_max: 50_000.0, ..Default::default() };
    let (outcome, steps) = run(settings, steady(f64::MAX, f64::MAX));
    assert!(steps.iter().all(|step| step.rate <= 50_000.0), "{steps:?}");
    assert_eq!(outcome.safe, Some(Load { offered: 50_000.0, achieved: 50_000.0 }));
}

#[test]
fn overload_that_costs_throughput_does_not_hide_the_extreme() {
    // Offered too much, this cluster gives half of what it could: what it gave is tried, and then what lies between.
    let collapse = |step: Step| {
        let saturated = step.rate > 100_000.0;
        Verdict { achieved: if saturated { 95_000.0 } else { step.rate }, held: !saturated, saturated }
    };
    let (outcome, _) = run(SearchSettings { tolerance: 0.02, ..Default::default() }, collapse);
    assert!(outcome.extreme.unwrap().achieved > 97_000.0, "{outcome:?}");
}

#[test]
fn what_is_caught_up_on_is_no_more_than_was_offered() {
    let (outcome, _) = run(SearchSettings::default(), |step| {
        let saturated = step.rate > 20_000.0;
        Verdict { achieved: if saturated { 5_000.0 } else { step.rate * 1.2 }, held: !saturated, saturated }
    });
    assert_eq!(outcome.extreme, Some(Load { offered: 20_000.0, achieved: 20_000.0 }));
    assert_eq!(outcome.safe, Some(Load { offered: 20_000.0, achieved: 20_000.0 }));
}

#[test]
fn rates_have_four_significant_digits() {
    assert_eq!(rounded(14_142.135), 14_140.0);
    assert_eq!(rounded(1_234.5), 1_235.0);
    assert_eq!(rounded(0.123_46), 0.123_5);
    assert_eq!(rounded(f64::NAN), 0.0);
}

fn any_settings() -> impl Strategy<Value = SearchSettings> {
    (1.0..1e6f64, 1.1..4.0f64, 0.005..0.3f64, 0.01..0.5f64, 1u32..80, 1u32..8).prop_map(
        |(start, growth, tolerance, soak_back_off, steps_max, soaks_max)| SearchSettings {
            start,
            rate_max: 1e9,
            growth,
            tolerance,
            soak_back_off,
            steps_max,
            soaks_max,
        },
    )
}

proptest! {
    /// Whatever a cluster answers, the search ends within its steps, and safe is no more than the extreme.
    #[test]
    fn any_answers_end_the_search_and_safe_is_at_most_extreme(
        settings in any_settings(),
        answers in prop::collection::vec((0.0..2.0f64, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let mut turn = 0;
        let (outcome, steps) = run(settings, |step| {
            let (share, held, saturated) = answers[turn % answers.len()];
            turn += 1;
            Verdict { achieved: step.rate * share, held, saturated }
        });
        prop_assert!(steps.iter().all(|step| step.rate >= 1.0 && step.rate <= settings.rate_max), "{steps:?}");
        if let Some(safe) = outcome.safe {
            let extreme = outcome.extreme.map_or(0.0, |extreme| extreme.achieved);
            prop_assert!(safe.achieved <= extreme, "{outcome:?}");
        }
    }

    /// A cluster whose limits hold up to one load and break above it is found out to the tolerance.
    #[test]
    fn a_steady_cluster_is_found_within_the_tolerance(
        start in 10.0..1e5f64,
        above in 1.0..1e4f64,
        headroom in 1.0..5.0f64,
        growth in 1.2..4.0f64,
        tolerance in 0.01..0.2f64,
    ) {
        let settings = SearchSettings { start, growth, tolerance, steps_max: 1_000, ..Default::default() };
        let limit = start * above;
        let capacity = limit * headroom;
        let (outcome, _) = run(settings, steady(limit, capacity));
        let safe = outcome.safe.expect("the start holds").achieved;
        // Rounding to four digits can take the last middle away: half a thousandth on either side.
        let lowest = limit / (1.0 + tolerance) * 0.998;
        prop_assert!(safe <= limit && (safe >= lowest || safe >= settings.rate_max), "{safe} of {limit}");
        prop_assert!(outcome.extreme.unwrap().achieved >= capacity.min(settings.rate_max) / growth);
    }

    /// With verdicts that are wrong now and then, it ends, and what it calls safe did hold through a soak.
    #[test]
    fn a_noisy_cluster_ends_with_a_load_that_held(
        settings in any_settings(),
        limit in 1_000.0..1e6f64,
        wrong in prop::collection::vec(0u32..100, 200),
    ) {
        let mut turn = 0;
        let mut held_soaks = Vec::new();
        let (outcome, _) = run(settings, |step| {
            let mut verdict = steady(limit, limit * 1.5)(step);
            if wrong[turn % wrong.len()] < 15 {
                verdict.held = !verdict.held;
            }
            turn += 1;
            if step.purpose == Purpose::Soak && verdict.held {
                held_soaks.push(step.rate);
            }
            verdict
        });
        prop_assert_eq!(outcome.safe.map(|safe| safe.offered), held_soaks.first().copied());
    }
}
