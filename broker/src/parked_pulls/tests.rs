//! Single steps, and random ones compared with a list that is searched from end to end.

use super::*;
use proptest::prelude::*;
use protocol::tags::tags_code;

fn pull(queue: u32, connection: u64, offset: i64, deadline_ms: i64, tags: &str, payload: u32) -> Pull<u32, u32> {
    let filter = Rc::new(SubscriptionFilter::parse("TAG", tags).unwrap());
    Pull { queue, connection, offset, deadline_ms, filter, payload }
}

fn by_tag(code: i64) -> impl Fn(&SubscriptionFilter) -> bool {
    move |filter| filter.may_match(code)
}

fn woken(run: impl FnOnce(&mut Vec<u32>)) -> Vec<u32> {
    let mut woken = Vec::new();
    run(&mut woken);
    woken
}

#[test]
fn a_message_wakes_the_pulls_of_its_queue_in_the_order_they_came() {
    let mut parked = ParkedPulls::new();
    for payload in 1..=3 {
        parked.park(pull(7, 1, 10, 15_000, "*", payload)).unwrap();
    }
    parked.park(pull(8, 1, 10, 15_000, "*", 4)).unwrap();
    assert_eq!(woken(|w| parked.wake(7, 11, by_tag(0), 0, w)), [1, 2, 3]);
    assert_eq!(woken(|w| parked.wake(7, 12, by_tag(0), 0, w)), [0; 0]);
    assert_eq!((parked.len(), parked.parked_in(7), parked.parked_in(8)), (1, 0, 1));
}

#[test]
fn a_message_below_the_wanted_offset_wakes_nobody() {
    let mut parked = ParkedPulls::new();
    parked.park(pull(7, 1, 10, 15_000, "*", 1)).unwrap();
    assert_eq!(woken(|w| parked.wake(7, 10, by_tag(0), 0, w)), [0; 0]);
    assert_eq!(parked.next_deadline_ms(), Some(15_000));
    assert_eq!(woken(|w| parked.wake(7, 11, by_tag(0), 0, w)), [1]);
}

#[test]
fn only_a_matching_message_wakes_at_once() {
    let mut parked = ParkedPulls::new();
    parked.park(pull(7, 1, 0, 15_000, "TagA || TagB", 1)).unwrap();
    parked.park(pull(7, 2, 0, 15_000, "TagC", 2)).unwrap();
    assert_eq!(woken(|w| parked.wake(7, 1, by_tag(tags_code(Some("TagC"))), 0, w)), [2]);
    assert_eq!(woken(|w| parked.wake(7, 2, by_tag(tags_code(Some("TagB"))), 0, w)), [1]);
}

#[test]
fn a_message_that_does_not_match_wakes_5_s_later_so_that_the_offset_advances() {
    let mut parked = ParkedPulls::new();
    parked.park(pull(7, 1, 0, 15_000, "TagA", 1)).unwrap();
    parked.park(pull(7, 1, 0, 3_000, "TagA", 2)).unwrap();
    assert_eq!(woken(|w| parked.wake(7, 1, by_tag(0), 1_000, w)), [0; 0]);
    assert_eq!(woken(|w| parked.wake(7, 2, by_tag(0), 4_000, w)), [0; 0], "a second one does not put it off");
    assert_eq!(woken(|w| parked.expired(3_000, w)), [2]);
    assert_eq!(woken(|w| parked.expired(5_999, w)), [0; 0]);
    assert_eq!(woken(|w| parked.expired(6_000, w)), [1]);
}

#[test]
fn pulls_expire_in_the_order_of_their_deadlines() {
    let mut parked = ParkedPulls::new();
    for (payload, deadline_ms) in [(1, 300), (2, 100), (3, 200), (4, 400)] {
        parked.park(pull(payload, 1, 0, deadline_ms, "*", payload)).unwrap();
    }
    assert_eq!(parked.next_deadline_ms(), Some(100));
    assert_eq!(woken(|w| parked.expired(300, w)), [2, 3, 1]);
    assert_eq!(parked.next_deadline_ms(), Some(400));
}

#[test]
fn a_closed_connection_takes_its_pulls_with_it() {
    let mut parked = ParkedPulls::new();
    parked.park(pull(7, 1, 0, 100, "*", 1)).unwrap();
    parked.park(pull(7, 2, 0, 100, "*", 2)).unwrap();
    parked.park(pull(8, 1, 0, 100, "*", 3)).unwrap();
    assert_eq!(parked.cancel(1), 2);
    assert_eq!(parked.cancel(1), 0);
    assert_eq!(woken(|w| parked.wake(7, 1, by_tag(0), 0, w)), [2]);
    assert!(parked.is_empty());
}

#[test]
fn a_deleted_queue_wakes_all_its_pulls_whatever_they_wait_for() {
    let mut parked = ParkedPulls::new();
    parked.park(pull(7, 1, 5, 100, "TagA", 1)).unwrap();
    parked.park(pull(7, 2, 9, 100, "*", 2)).unwrap();
    assert_eq!(woken(|w| parked.wake_all(7, w)), [1, 2]);
    assert_eq!(parked.next_deadline_ms(), None);
}

#[test]
fn a_full_table_gives_the_pull_back() {
    let mut parked = ParkedPulls::with_pulls_max(1);
    parked.park(pull(7, 1, 0, 100, "*", 1)).unwrap();
    assert_eq!(parked.park(pull(7, 1, 0, 100, "*", 2)).unwrap_err().pull.payload, 2);
    parked.cancel(1);
    parked.park(pull(7, 1, 0, 100, "*", 3)).unwrap();
}

#[test]
fn freed_slots_are_used_again() {
    let mut parked = ParkedPulls::new();
    for round in 0..1_000 {
        parked.park(pull(7, 1, round, 1_000, "*", 0)).unwrap();
        assert_eq!(woken(|w| parked.wake(7, round + 1, by_tag(0), 0, w)).len(), 1);
    }
    assert_eq!(parked.slots.len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Park { queue: u32, connection: u64, ahead: i64, wait_ms: i64, tags: &'static str },
    Arrive { queue: u32, tag: &'static str },
    Later { ms: i64 },
    Close { connection: u64 },
    Delete { queue: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let tags = prop::sample::select(vec!["*", "TagA", "TagB", "TagA || TagC"]);
    let tag = prop::sample::select(vec!["TagA", "TagB", "TagC"]);
    prop_oneof![
        4 => (0..4u32, 0..3u64, 0..3i64, 0..20_000i64, tags)
            .prop_map(|(queue, connection, ahead, wait_ms, tags)| Step::Park { queue, connection, ahead, wait_ms, tags }),
        4 => (0..4u32, tag).prop_map(|(queue, tag)| Step::Arrive { queue, tag }),
        2 => (0..8_000i64).prop_map(|ms| Step::Later { ms }),
        1 => (0..3u64).prop_map(|connection| Step::Close { connection }),
        1 => (0..4u32).prop_map(|queue| Step::Delete { queue }),
    ]
}

/// The same rules over one list.
#[derive(Default)]
struct Model {
    pulls: Vec<Pull<u32, u32>>,
    overtaken: BTreeSet<u32>,
}

impl Model {
    fn take(&mut self, mut wanted: impl FnMut(&Pull<u32, u32>) -> bool) -> Vec<u32> {
        self.pulls.extract_if(.., |pull| wanted(pull)).map(|pull| pull.payload).collect()
    }

    fn arrive(&mut self, queue: u32, end: i64, code: i64, now_ms: i64) -> Vec<u32> {
        for pull in &mut self.pulls {
            let concerned = pull.queue == queue && pull.offset < end && !pull.filter.may_match(code);
            if concerned && self.overtaken.insert(pull.payload) {
                pull.deadline_ms = pull.deadline_ms.min(now_ms + OVERTAKEN_WAIT_MS);
            }
        }
        self.take(|pull| pull.queue == queue && pull.offset < end && pull.filter.may_match(code))
    }
}

proptest! {
    #[test]
    fn parked_pulls_wake_as_a_plain_list_would(steps in prop::collection::vec(step(), 1..300)) {
        let mut parked = ParkedPulls::with_pulls_max(40);
        let mut model = Model::default();
        let mut ends = [0i64; 4];
        let (mut now_ms, mut payload) = (0, 0);
        for step in steps {
            match step {
                Step::Park { queue, connection, ahead, wait_ms, tags } => {
                    payload += 1;
                    let offset = ends[queue as usize] + ahead;
                    let parks = parked.park(pull(queue, connection, offset, now_ms + wait_ms, tags, payload)).is_ok();
                    prop_assert_eq!(parks, model.pulls.len() < 40);
                    if parks {
                        model.pulls.push(pull(queue, connection, offset, now_ms + wait_ms, tags, payload));
                    }
                }
                Step::Arrive { queue, tag } => {
                    ends[queue as usize] += 1;
                    let (end, code) = (ends[queue as usize], tags_code(Some(tag)));
                    let woken = woken(|w| parked.wake(queue, end, by_tag(code), now_ms, w));
                    prop_assert_eq!(woken, model.arrive(queue, end, code, now_ms));
                }
                Step::Later { ms } => {
                    now_ms += ms;
                    let mut woken = woken(|w| parked.expired(now_ms, w));
                    woken.sort_unstable();
                    prop_assert_eq!(woken, model.take(|pull| pull.deadline_ms <= now_ms));
                }
                Step::Close { connection } => {
                    prop_assert_eq!(parked.cancel(connection), model.take(|pull| pull.connection == connection).len());
                }
                Step::Delete { queue } => {
                    let woken = woken(|w| parked.wake_all(queue, w));
                    prop_assert_eq!(woken, model.take(|pull| pull.queue == queue));
                }
            }
            prop_assert_eq!(parked.len(), model.pulls.len());
            prop_assert_eq!(parked.is_empty(), model.pulls.is_empty());
            prop_assert_eq!(parked.next_deadline_ms(), model.pulls.iter().map(|pull| pull.deadline_ms).min());
            for queue in 0..4 {
                let waiting = model.pulls.iter().filter(|pull| pull.queue == queue).count();
                prop_assert_eq!(parked.parked_in(queue), waiting);
            }
            prop_assert_eq!(parked.by_connection.len(), model.pulls.len());
            prop_assert!(parked.slots.len() <= 40);
        }
    }
}
