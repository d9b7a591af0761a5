//! Every disk call of a run in turn: once it fails, once the process or the machine dies in it.

use std::time::Instant;

use sim::machine::Honest;
use sim::plan::{Crash, CrashPoint, Failing, LifePlan, Plan, RecoveryTrouble};
use sim::scenario::run_plan;
use sim::seeds::report;
use sim::summary::Summary;
use storage::commit_log::FlushMode;
use storage::file::LogWrites;
use storage::file::sim::{Fault, Injection};

/// Steps of the life that suffers.
const STEPS: u32 = 40;

/// One plan for each way to acknowledge, of the first seed whose run goes everywhere.
fn plans() -> impl Iterator<Item = Plan> {
    let modes = [
        (FlushMode::Sync, LogWrites::Seen, None),
        (FlushMode::Sync, LogWrites::Stable, None),
        (FlushMode::Async, LogWrites::Seen, None),
        (FlushMode::Async, LogWrites::Seen, Some(128 << 10)),
    ];
    modes.into_iter().map(|(flush, log_writes, ring_bytes)| {
        let life = |steps| LifePlan { log_writes, ..LifePlan::calm(steps, Crash::Kill) };
        let lives = vec![life(STEPS), life(5)];
        let calm = Plan { ring_bytes, lives, deletes_topics: true, body_bytes_max: 8 << 10, ..Plan::calm(0, flush, 0) };
        let goes_everywhere = |plan: &Plan| {
            let done = run(plan.clone(), "without trouble");
            done.segments_removed > 1 && done.checkpoints > 2 && done.topics_deleted > 0
        };
        let mut plans = (0..).map(|seed| Plan { seed, ..calm.clone() });
        plans.find(goes_everywhere).expect("some seed does")
    })
}

fn run(plan: Plan, trouble: &str) -> Summary {
    run_plan(plan, Honest).unwrap_or_else(|violation| panic!("{trouble}: {violation}"))
}

/// Runs every plan with the trouble that `change` makes of each call number, for every choice, until the call number is
/// past the last call and the trouble does not come to pass.
fn run_each_call<C: std::fmt::Debug + Copy>(
    test: &str,
    choices: &[C],
    change: impl Fn(&mut Plan, u64, C),
    came_to_pass: impl Fn(&Summary) -> bool,
) {
    let start = Instant::now();
    let mut total = Summary::default();
    for plan in plans() {
        for nth in 1.. {
            let runs = choices.iter().map(|choice| {
                let mut changed = plan.clone();
                change(&mut changed, nth, *choice);
                let (flush, ring_bytes, writes) = (plan.options.flush, plan.ring_bytes, plan.lives[0].log_writes);
                let trouble = format!("{flush:?}, writes {writes:?}, ring {ring_bytes:?}, call {nth}, {choice:?}");
                run(changed, &trouble)
            });
            let mut came = false;
            for summary in runs {
                total.add(&summary);
                came |= came_to_pass(&summary);
            }
            if !came {
                break;
            }
        }
    }
    report(test, &total, start.elapsed());
}

#[derive(Copy, Clone, Debug)]
struct Failure {
    fault: Fault,
    lasting: bool,
    crash: Crash,
}

const FAILURES: [Failure; 4] = [
    Failure { fault: Fault::Eio, lasting: false, crash: Crash::Kill },
    Failure { fault: Fault::Eio, lasting: true, crash: Crash::PowerLoss },
    Failure { fault: Fault::Enospc, lasting: false, crash: Crash::PowerLoss },
    Failure { fault: Fault::Enospc, lasting: true, crash: Crash::Kill },
];

fn injection(nth: u64, failure: Failure) -> Injection {
    let injection = Injection::any(nth, failure.fault);
    if failure.lasting { injection.lasting() } else { injection }
}

#[test]
fn each_call_may_fail_and_nothing_acknowledged_is_lost() {
    run_each_call(
        "each call fails",
        &FAILURES,
        |plan, nth, failure| {
            plan.lives[0].failing = Failing::Exact(injection(nth, failure));
            plan.lives[0].crash = failure.crash;
        },
        |summary| summary.disk.faults_total() > 0,
    );
}

#[test]
fn each_call_may_fail_in_recovery_and_the_next_one_succeeds() {
    run_each_call(
        "each call of recovery fails",
        &FAILURES,
        |plan, nth, failure| {
            plan.lives[0].crash = failure.crash;
            plan.lives[1].recovery = vec![RecoveryTrouble::Fault(injection(nth, failure))];
        },
        |summary| summary.disk.faults_total() > 0,
    );
}

#[test]
fn a_crash_may_come_in_each_call() {
    run_each_call(
        "a crash in each call",
        &[Crash::Kill, Crash::PowerLoss],
        |plan, nth, crash| {
            plan.lives[0].point = CrashPoint::Call(nth);
            plan.lives[0].crash = crash;
        },
        |summary| summary.disk.calls_cut_off > 0,
    );
}

#[test]
fn a_crash_may_come_in_each_call_of_recovery() {
    run_each_call(
        "a crash in each call of recovery",
        &[Crash::Kill, Crash::PowerLoss],
        |plan, nth, crash| {
            plan.lives[0].point = CrashPoint::Call(300);
            plan.lives[1].recovery = vec![RecoveryTrouble::Crash(nth, crash)];
        },
        |summary| summary.crashes_in_recovery > 0,
    );
}
