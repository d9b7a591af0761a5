use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::control_record::{ControlRecord, TransactionEnd};

const LIMITS: CheckLimits = CheckLimits { timeout_ms: 6_000, checks_max: 15, kept_ms: 72 * 3_600_000 };

fn half(stored_ms: i64) -> HalfMessage {
    HalfMessage { stored_ms, immunity_s: 0, checks: 0 }
}

#[test]
fn a_producer_is_asked_when_its_half_message_is_old_enough() {
    let half = half(1_000);
    assert_eq!(half.due(1_000, &LIMITS), Due::NotYet);
    assert_eq!(half.due(6_999, &LIMITS), Due::NotYet);
    assert_eq!(half.due(7_000, &LIMITS), Due::Check(1));
    assert_eq!(HalfMessage { checks: 14, ..half }.due(7_000, &LIMITS), Due::Check(15));
    assert_eq!(HalfMessage { checks: 15, ..half }.due(7_000, &LIMITS), Due::GiveUp);
    assert_eq!(HalfMessage { checks: 15, ..half }.due(6_999, &LIMITS), Due::NotYet);
}

#[test]
fn a_half_message_may_name_a_time_of_its_own() {
    let half = HalfMessage::new(0, b"CHECK_IMMUNITY_TIME_IN_SECONDS\x0160\x02");
    assert_eq!(half.due(59_999, &LIMITS), Due::NotYet);
    assert_eq!(half.due(60_000, &LIMITS), Due::Check(1));
    assert!(!half.immunity_is_over(60_000) && half.immunity_is_over(60_001));
    let none = HalfMessage::new(0, b"CHECK_IMMUNITY_TIME_IN_SECONDS\x01soon\x02");
    assert_eq!(none.due(6_000, &LIMITS), Due::Check(1));
    assert!(!none.immunity_is_over(i64::MAX));
}

#[test]
fn a_half_message_that_the_log_is_about_to_lose_is_given_up() {
    assert_eq!(half(0).due(LIMITS.kept_ms, &LIMITS), Due::Check(1));
    assert_eq!(half(0).due(LIMITS.kept_ms + 1, &LIMITS), Due::GiveUp);
    let immune = HalfMessage { immunity_s: u32::MAX, ..half(0) };
    assert_eq!(immune.due(LIMITS.kept_ms + 1, &LIMITS), Due::GiveUp);
    // Nothing is kept, and still a producer has its time.
    let unkept = CheckLimits { kept_ms: 0, ..LIMITS };
    assert_eq!(half(0).due(5_999, &unkept), Due::NotYet);
}

#[test]
fn a_clock_that_goes_back_a_little_hastens_nothing_and_one_that_goes_back_far_delays_nothing() {
    assert_eq!(half(10_000).due(9_000, &LIMITS), Due::NotYet);
    assert_eq!(half(10_000).due(4_000, &LIMITS), Due::Check(1));
    assert_eq!(half(i64::MIN).due(i64::MAX, &LIMITS), Due::GiveUp);
    assert_eq!(half(i64::MAX).due(i64::MIN, &LIMITS), Due::Check(1));
}

#[test]
fn turns_go_through_all_rows_once_whatever_their_size() {
    let mut halves = HalfMessages::new();
    (0..100).for_each(|at| halves.insert(at * 3, half(if at % 2 == 0 { 0 } else { 100_000 })));
    for (looked_max, due_max) in [(1, 1), (7, 100), (100, 7), (1000, 1000)] {
        for end in [0, 149, 150, 151, u64::MAX] {
            let (mut seen, mut from) = (Vec::new(), Some(0));
            while let Some(at) = from {
                let DueTurn { due, next } = halves.due_in(at..end, 100_000, &LIMITS, looked_max, due_max);
                assert!(due.len() <= due_max);
                seen.extend(due.into_iter().map(|(queue_offset, _)| queue_offset));
                from = next;
            }
            let old: Vec<u64> = (0..50).map(|at| at * 6).filter(|at| *at < end).collect();
            assert_eq!(seen, old, "{looked_max} {due_max} {end}");
        }
    }
}

/// What the documentation of [`HALF_MESSAGES_MAX`] says of memory, without the allocator's own share.
#[test]
fn a_row_takes_the_memory_that_is_stated() {
    assert_eq!(size_of::<HalfMessage>(), 16);
    // A tree node has room for 11 rows and is at least half full when rows come in ascending order.
    let row = size_of::<u64>() + size_of::<HalfMessage>();
    assert!(11 * row / 5 < 80);
    let full = HALF_MESSAGES_MAX * 80;
    assert_eq!(full, 20 << 20);
    let mut halves = HalfMessages::new();
    (0..100_000).for_each(|at| halves.insert(at, half(1)));
    let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&halves.snapshot()).unwrap();
    assert!(bytes.len() <= 100_000 * 24 + 64, "{} bytes", bytes.len());
}

#[derive(Debug, Clone)]
enum Step {
    Half(u32),
    End(usize, TransactionEnd),
    Check(usize),
    Resume(usize),
    /// The process dies; the newest checkpoint and the log behind it are all there is.
    Restart,
    Checkpoint,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..40usize;
    let how = prop_oneof![Just(TransactionEnd::Commit), Just(TransactionEnd::Rollback), Just(TransactionEnd::GivenUp)];
    prop_oneof![
        6 => (0..3u32).prop_map(|immunity| Step::Half(immunity * 10)),
        4 => (which.clone(), how).prop_map(|(which, how)| Step::End(which, how)),
        3 => which.clone().prop_map(Step::Check),
        1 => which.prop_map(Step::Resume),
        1 => Just(Step::Restart),
        1 => Just(Step::Checkpoint),
        3 => (0..20_000i64).prop_map(Step::Wait),
    ]
}

/// What a log holds: half records, and control records as bytes.
enum Logged {
    Half(u64, HalfMessage),
    Control(Vec<u8>),
}

fn apply(halves: &mut HalfMessages, logged: &Logged) {
    match logged {
        Logged::Half(queue_offset, half) => halves.insert(*queue_offset, *half),
        Logged::Control(bytes) => match ControlRecord::decode(bytes).unwrap() {
            ControlRecord::TransactionEnded(ended) => halves.apply_ended(ended),
            ControlRecord::TransactionsChecked(checked) => halves.apply_checked(&checked),
            other => panic!("{other:?}"),
        },
    }
}

proptest! {
    /// Against a model: each half message is there until its first end and never after it, whatever is restarted in between,
    /// and a replica that applies the log has the same rows.
    #[test]
    fn no_half_message_is_lost_or_ended_twice(steps in prop::collection::vec(step(), 1..200)) {
        let (mut halves, mut replica) = (HalfMessages::new(), HalfMessages::new());
        let mut log: Vec<Logged> = Vec::new();
        let (mut checkpoint, mut checkpoint_at) = (Vec::new(), 0);
        let mut waiting: BTreeMap<u64, HalfMessage> = BTreeMap::new();
        let mut ended: BTreeSet<u64> = BTreeSet::new();
        let (mut next, mut now_ms) = (0u64, 1_000_000i64);
        for step in steps {
            let before = log.len();
            let pick = |which: usize| (which as u64) % next.max(1);
            let control = |record: ControlRecord| {
                let mut bytes = Vec::new();
                record.encode(&mut bytes);
                Logged::Control(bytes)
            };
            match step {
                Step::Half(immunity_s) => {
                    let half = HalfMessage { stored_ms: now_ms, immunity_s, checks: 0 };
                    waiting.insert(next, half);
                    log.push(Logged::Half(next, half));
                    next += 1;
                }
                Step::End(which, how) => {
                    let queue_offset = pick(which);
                    // As a handler does: nothing is appended for what has no row.
                    prop_assert_eq!(halves.get(queue_offset).is_some(), waiting.contains_key(&queue_offset));
                    if halves.get(queue_offset).is_some() {
                        prop_assert!(ended.insert(queue_offset), "ended twice");
                        waiting.remove(&queue_offset);
                        log.push(control(ControlRecord::TransactionEnded(TransactionEnded { queue_offset, how })));
                    }
                }
                Step::Check(which) => {
                    if let Some(half) = waiting.get_mut(&pick(which)) {
                        let due = halves.get(pick(which)).unwrap().due(now_ms, &LIMITS);
                        prop_assert_eq!(due, half.due(now_ms, &LIMITS));
                        if let Due::Check(checks) = due {
                            half.checks = checks;
                            let halves = vec![(pick(which), checks), (u64::MAX, 7)];
                            log.push(control(ControlRecord::TransactionsChecked(TransactionsChecked { halves })));
                        }
                    }
                }
                Step::Resume(which) => {
                    if let Some(half) = waiting.get_mut(&pick(which)) {
                        half.checks = 0;
                        let halves = vec![(pick(which), 0)];
                        log.push(control(ControlRecord::TransactionsChecked(TransactionsChecked { halves })));
                    }
                }
                Step::Restart => {
                    halves = HalfMessages::restore(&checkpoint);
                    log[checkpoint_at..].iter().for_each(|logged| apply(&mut halves, logged));
                }
                Step::Checkpoint => (checkpoint, checkpoint_at) = (halves.snapshot(), log.len()),
                Step::Wait(ms) => now_ms += ms,
            }
            for logged in &log[before..] {
                apply(&mut halves, logged);
                apply(&mut replica, logged);
            }
            let rows: BTreeMap<u64, HalfMessage> = halves.rows.clone();
            prop_assert_eq!(&rows, &waiting);
            prop_assert_eq!(replica.snapshot(), halves.snapshot());
            prop_assert_eq!(halves.len(), waiting.len());
            prop_assert_eq!(halves.first(), waiting.keys().next().copied());
        }
        prop_assert_eq!(waiting.len() + ended.len(), next as usize, "each is in or out");
        // Nobody ends them: they are given up after being asked as often as is set, and not before.
        let mut asked = 0;
        while !halves.is_empty() {
            now_ms += 60_000;
            let DueTurn { due, .. } = halves.due_in(0..u64::MAX, now_ms, &LIMITS, usize::MAX, usize::MAX);
            prop_assert_eq!(due.len(), halves.len());
            for (queue_offset, due) in due {
                match due {
                    Due::Check(checks) => {
                        prop_assert!(checks <= LIMITS.checks_max);
                        halves.apply_checked(&TransactionsChecked { halves: vec![(queue_offset, checks)] });
                    }
                    Due::GiveUp => {
                        prop_assert_eq!(halves.get(queue_offset).unwrap().checks, LIMITS.checks_max);
                        halves.apply_ended(TransactionEnded { queue_offset, how: TransactionEnd::GivenUp });
                    }
                    Due::NotYet => prop_assert!(false),
                }
            }
            asked += 1;
            prop_assert!(asked <= LIMITS.checks_max + 1);
        }
    }
}
