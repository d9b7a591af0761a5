//! What clients saw of each fault, as a table in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::faults::fault::Fault;
use crate::faults::round::Outcome;

/// What is promised of the death of a leader, in ms.
pub const ACCEPTED_MS_MAX: u64 = 1_500;

/// Renders the outcomes, a line for each fault and number of groups, and what was not run and why.
#[must_use]
pub fn render(outcomes: &[Outcome], not_run: &[(Fault, String)]) -> String {
    let mut text = String::from(
        "| fault | groups | runs | a new leader accepts sends after, ms | longest without a send of a group it hit, ms | \
         longest without any send, ms | sends that failed | others cut off by a kill | acknowledged | lost or out of order |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut rows: BTreeMap<(u16, Fault), Vec<&Outcome>> = BTreeMap::new();
    outcomes.iter().for_each(|outcome| rows.entry((outcome.groups, outcome.fault)).or_default().push(outcome));
    for ((groups, fault), runs) in rows {
        let figures = |figure: fn(&Outcome) -> Option<u64>| {
            let mut figures: Vec<u64> = runs.iter().filter_map(|run| figure(run)).collect();
            figures.sort_unstable();
            match (figures.get(figures.len() / 2), figures.last()) {
                (Some(median), Some(worst)) if median != worst => format!("{median}, at worst {worst}"),
                (Some(median), _) => median.to_string(),
                _ => "–".to_owned(),
            }
        };
        let sum = |count: fn(&Outcome) -> usize| runs.iter().map(|run| count(run)).sum::<usize>();
        writeln!(
            text,
            "| {} | {groups} | {} | {} | {} | {} | {} | {} | {} | 0 |",
            fault.title(),
            runs.len(),
            figures(|run| run.accepted_ms),
            figures(|run| Some(run.group_silence_ms)),
            figures(|run| Some(run.silence_ms)),
            sum(|run| run.failed),
            sum(|run| run.cut_off),
            sum(|run| run.acknowledged),
        )
        .expect("a string takes all");
    }
    text.push_str("\nOf several runs: the median, and the worst where it differs. –: the group kept its leader, or had none to lose.\n");
    text.push_str(
        "Cut off by a kill: the send lay unread in the socket of the process that was killed, so the kernel reset the connection, which the \
         stock Java client does not notice; it fails after its 3 s.\n",
    );
    for (fault, why) in not_run {
        writeln!(text, "Not run: {}. {why}", fault.title()).expect("a string takes all");
    }
    text
}

/// A sentence for each promise that an outcome does not keep.
#[must_use]
pub fn broken_promises(outcomes: &[Outcome]) -> Vec<String> {
    let mut broken = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.fault.is_death_of_leader()) {
        let (title, groups) = (outcome.fault.title(), outcome.groups);
        if let Some(ms) = outcome.accepted_ms.filter(|ms| *ms > ACCEPTED_MS_MAX) {
            broken
                .push(format!("{title}, {groups} groups: a new leader after {ms} ms, promised are {ACCEPTED_MS_MAX}"));
        }
        if groups > 1 && outcome.failed > 0 {
            let why = outcome.failure.as_deref().unwrap_or_default();
            broken.push(format!("{title}, {groups} groups: {} failed sends, promised are none; {why}", outcome.failed));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(fault: Fault, groups: u16, accepted_ms: Option<u64>, failed: usize) -> Outcome {
        Outcome {
            fault,
            groups,
            accepted_ms,
            group_silence_ms: 700,
            silence_ms: 20,
            cut_off: 1,
            failed,
            failure: (failed > 0).then(|| "after 3000 ms: timeout".to_owned()),
            acknowledged: 1000,
        }
    }

    #[test]
    fn runs_of_a_fault_share_a_line_with_median_and_worst() {
        let runs = [600, 900, 700].map(|ms| outcome(Fault::KillLeader, 3, Some(ms), 0));
        let missing = [(Fault::DelayedLeader, "no netem".to_owned())];
        let text = render(&runs, &missing);
        assert!(
            text.contains("| kill -9 of the leader | 3 | 3 | 700, at worst 900 | 700 | 20 | 0 | 3 | 3000 | 0 |"),
            "{text}"
        );
        assert!(text.contains("Not run: leader's packets") && text.ends_with("no netem\n"), "{text}");
    }

    #[test]
    fn a_late_leader_and_a_failed_send_with_other_groups_break_promises() {
        let kept = outcome(Fault::KillLeader, 1, Some(1_400), 9);
        let late = outcome(Fault::KillLeader, 1, Some(1_501), 0);
        let failed = outcome(Fault::LeaderDiskWiped, 3, Some(600), 1);
        assert!(broken_promises(std::slice::from_ref(&kept)).is_empty());
        assert_eq!(broken_promises(&[kept, late, failed]).len(), 2);
    }
}
