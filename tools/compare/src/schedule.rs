//! What runs when.

use crate::case::{Case, Stage};
use crate::error::CompareError;
use crate::scope::Scope;
use crate::side::Side;

/// One broker's life: started, measured in some cases, stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Counted from 1.
    pub round: u32,
    /// How the broker is started.
    pub stage: Stage,
    /// Whose.
    pub side: Side,
    /// What is measured, in order.
    pub cases: Vec<&'static Case>,
}

/// The cases of a comparison that are named, or all; with those that they need, in the table's order.
/// # Errors
/// [`CompareError::NoSuchCase`].
pub fn select(scope: Scope, names: &[String]) -> Result<Vec<&'static Case>, CompareError> {
    let mut wanted: Vec<&str> = Vec::new();
    for name in names {
        let found = scope.cases().iter().filter(|case| matches(name, case.id)).map(|case| case.id);
        let before = wanted.len();
        wanted.extend(found);
        if wanted.len() == before {
            return Err(CompareError::NoSuchCase { name: name.clone() });
        }
    }
    // Needed cases stand in front of those that need them, so one pass from the end finds all.
    let mut selected = Vec::new();
    for case in scope.cases().iter().rev() {
        if names.is_empty() || wanted.contains(&case.id) {
            wanted.extend(case.needs());
            selected.push(case);
        }
    }
    selected.reverse();
    Ok(selected)
}

/// `sync-*` names all that begin with `sync-`.
fn matches(name: &str, id: &str) -> bool {
    name.strip_suffix('*').map_or(name == id, |start| id.starts_with(start))
}

/// Sides take turns within each stage, so that none has the machine's better hour. The first round begins with the
/// peer, whose maximum later cases need; the others begin with the one that came second before.
#[must_use]
pub fn schedule(cases: &[&'static Case], rounds: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 1..=rounds {
        let sides = if round % 2 == 1 {
            [Side::Apache, Side::Turbopump, Side::Alone, Side::Ceiling]
        } else {
            [Side::Ceiling, Side::Alone, Side::Turbopump, Side::Apache]
        };
        for stage in Stage::ALL {
            for side in sides {
                let own = |case: &&&Case| case.stage == stage && case.measures(side);
                let cases: Vec<&'static Case> = cases.iter().filter(own).copied().collect();
                if !cases.is_empty() {
                    steps.push(Step { round, stage, side, cases });
                }
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(cases: &[&Case]) -> Vec<&'static str> {
        cases.iter().map(|case| case.id).collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn nothing_named_is_everything() {
        for scope in Scope::ALL {
            assert_eq!(select(scope, &[]).unwrap().len(), scope.cases().len());
        }
    }

    #[test]
    fn needed_cases_come_along_in_the_tables_order() {
        assert_eq!(ids(&select(Scope::Broker, &names(&["e2e-half", "1x1"])).unwrap()), ["1x1", "1x1000", "e2e-half"]);
        let cold = select(Scope::Broker, &names(&["beside-cold-reader"])).unwrap();
        assert_eq!(ids(&cold), ["without-cold-reader", "beside-cold-reader"]);
    }

    #[test]
    fn a_star_names_all_that_begin_so_and_a_name_of_nothing_is_refused() {
        assert_eq!(ids(&select(Scope::Broker, &names(&["drain-*"])).unwrap()), ["drain-32", "drain-256"]);
        assert!(matches!(select(Scope::Broker, &names(&["drian-*"])), Err(CompareError::NoSuchCase { .. })));
    }

    #[test]
    fn sides_take_turns_and_change_places_from_round_to_round() {
        let cases = select(Scope::Broker, &names(&["1x64", "sync-1x64"])).unwrap();
        let steps = schedule(&cases, 2);
        let order: Vec<_> = steps.iter().map(|step| (step.round, step.stage, step.side)).collect();
        assert_eq!(
            order,
            [
                (1, Stage::Async, Side::Apache),
                (1, Stage::Async, Side::Turbopump),
                (1, Stage::Async, Side::Ceiling),
                (1, Stage::Sync, Side::Apache),
                (1, Stage::Sync, Side::Turbopump),
                (2, Stage::Async, Side::Ceiling),
                (2, Stage::Async, Side::Turbopump),
                (2, Stage::Async, Side::Apache),
                (2, Stage::Sync, Side::Turbopump),
                (2, Stage::Sync, Side::Apache),
            ]
        );
    }

    #[test]
    fn the_ceiling_is_measured_only_where_it_is_a_target() {
        let steps = schedule(&select(Scope::Broker, &[]).unwrap(), 1);
        let ceiling: Vec<_> = steps.iter().filter(|step| step.side == Side::Ceiling).collect();
        assert_eq!(ceiling.len(), 1);
        assert_eq!(ids(&ceiling[0].cases), ["1x64", "64x1", "64x16"]);
    }

    #[test]
    fn the_peers_maximum_is_known_before_anybody_needs_it() {
        let steps = schedule(&select(Scope::Broker, &[]).unwrap(), 3);
        assert_eq!((steps[0].side, steps[0].stage), (Side::Apache, Stage::Async));
        assert!(steps[0].cases.iter().any(|case| case.id == "1x1000"));
    }

    #[test]
    fn replicas_are_measured_beside_a_broker_without_and_a_long_log_of_theirs_only_with_ours() {
        let steps = schedule(&select(Scope::Replicas, &[]).unwrap(), 1);
        let order: Vec<_> = steps.iter().map(|step| (step.stage, step.side)).collect();
        assert_eq!(
            order,
            [
                (Stage::Group, Side::Apache),
                (Stage::Group, Side::Turbopump),
                (Stage::Group, Side::Alone),
                (Stage::GroupLongLog, Side::Turbopump),
            ]
        );
        assert_eq!(ids(&steps[0].cases), ids(&steps[1].cases));
        let alone = ["replicas-1x64", "replicas-1x1000", "replicas-64x16", "replicas-rate-2000"];
        assert_eq!(ids(&steps[2].cases), alone);
    }
}
