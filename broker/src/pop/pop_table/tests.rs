//! One consumer after the other pops, acknowledges, changes its mind and dies, against a model that knows what everybody holds.

use super::*;
use crate::pop::OrderedMessage;
use proptest::prelude::*;

const GROUPS: [&str; 2] = ["g", "h"];

fn key(group: usize) -> PopKey<'static> {
    PopKey { group: GROUPS[group], topic: "T", queue_id: 3 }
}

fn row(pop_ms: i64, due_ms: i64) -> Invisible {
    Invisible { pop_ms, due_ms, is_suspended: false }
}

#[derive(Debug, Clone)]
enum Step {
    /// A pop of so many messages, invisible for so long.
    Pop(usize, usize, i64),
    /// The n-th handle that was ever given out is used.
    Ack(usize),
    Change(usize, i64),
    Wait(i64),
    /// What is due is stored at the end of the queue, as a retry.
    Revive(usize),
    /// The group begins again at the first message.
    Reset(usize),
    Forget(usize),
    Log,
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2usize, 1..5usize, 1..40i64).prop_map(|(group, count, ms)| Step::Pop(group, count, ms)),
        6 => (0..60usize).prop_map(Step::Ack),
        3 => (0..60usize, 0..40i64).prop_map(|(handle, ms)| Step::Change(handle, ms)),
        4 => (1..30i64).prop_map(Step::Wait),
        4 => (1..9usize).prop_map(Step::Revive),
        1 => (0..2usize).prop_map(Step::Reset),
        1 => (0..2usize).prop_map(Step::Forget),
        4 => Just(Step::Log),
        1 => Just(Step::Checkpoint),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Handle {
    group: usize,
    offset: u64,
    row: Invisible,
}

/// What a right table does.
#[derive(Debug, Default)]
struct Model {
    now_ms: i64,
    /// How many messages the queue has for each group: its retries are a group's own.
    ends: [u64; 2],
    positions: [u64; 2],
    /// The newest handle of what is out.
    out: BTreeMap<(usize, u64), Invisible>,
    /// Acknowledged, or stored again at another offset.
    done: BTreeSet<(usize, u64)>,
    handles: Vec<Handle>,
}

impl Model {
    fn pop(&mut self, table: &mut PopTable, group: usize, count: usize, ms: i64) {
        let popped = row(self.now_ms, self.now_ms + ms);
        let mut taken = 0;
        while taken < count && self.positions[group] < self.ends[group] {
            let offset = self.positions[group];
            self.positions[group] += 1;
            if table.get(key(group), offset).is_some() {
                assert!(self.out.contains_key(&(group, offset)), "only what is out is passed over");
                continue;
            }
            assert!(!self.out.contains_key(&(group, offset)), "never given out while it is invisible");
            table.put(key(group), offset, popped);
            self.out.insert((group, offset), popped);
            self.handles.push(Handle { group, offset, row: popped });
            taken += 1;
        }
    }

    fn expected(&self, handle: &Handle) -> HandleUse {
        match self.out.get(&(handle.group, handle.offset)) {
            None => HandleUse::Gone,
            Some(row) if row.pop_ms != handle.row.pop_ms => HandleUse::Replaced,
            Some(_) => HandleUse::Done,
        }
    }

    fn ack(&mut self, table: &mut PopTable, handle: Handle) {
        let expected = self.expected(&handle);
        assert_eq!(table.ack(key(handle.group), handle.offset, handle.row.pop_ms), expected);
        if expected == HandleUse::Done {
            self.out.remove(&(handle.group, handle.offset));
            self.done.insert((handle.group, handle.offset));
        }
    }

    fn change(&mut self, table: &mut PopTable, handle: Handle, ms: i64) {
        if self.expected(&handle) != HandleUse::Done {
            return;
        }
        let pop_ms = self.now_ms.max(handle.row.pop_ms + 1);
        let changed = row(pop_ms, pop_ms + ms);
        table.put(key(handle.group), handle.offset, changed);
        self.out.insert((handle.group, handle.offset), changed);
        self.handles.push(Handle { row: changed, ..handle });
    }

    fn revive(&mut self, table: &mut PopTable, replayed: &mut PopTable, count: usize) {
        let due = table.due(self.now_ms, count);
        let mut expected: Vec<i64> = self.out.values().map(|row| row.due_ms).filter(|ms| *ms <= self.now_ms).collect();
        expected.sort_unstable();
        expected.truncate(count);
        assert_eq!(due.iter().map(|message| message.row.due_ms).collect::<Vec<_>>(), expected, "the first ones first");
        // The record that ends a row goes into the log by itself, behind all that was changed before.
        log(table, replayed);
        for message in due {
            let group = usize::from(&*message.group == GROUPS[1]);
            assert_eq!(self.out.remove(&(group, message.offset)), Some(message.row), "as it was given out last");
            self.done.insert((group, message.offset));
            self.ends[group] += 1;
            let (topic, queue_id, offsets) = ("T".to_owned(), 3, vec![message.offset]);
            replayed.apply_ended(&[StoredPopEnds { group: GROUPS[group].to_owned(), topic, queue_id, offsets }]);
            table.end_recorded(message.key(), message.offset);
        }
    }

    /// Nothing is lost: each message is before the group, or out, or done with.
    fn check(&self, table: &PopTable) {
        for group in 0..2 {
            for offset in 0..self.positions[group] {
                let place = (group, offset);
                assert!(self.out.contains_key(&place) || self.done.contains(&place), "{place:?} is lost");
            }
        }
        assert_eq!(table.len(), self.out.len());
        for ((group, offset), row) in &self.out {
            assert_eq!(table.get(key(*group), *offset), Some(*row));
        }
    }
}

fn log(table: &mut PopTable, replayed: &mut PopTable) {
    let mut records = Vec::new();
    table.take_records(&mut records);
    for record in records {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert!(bytes.len() <= CONTROL_RECORD_BYTES_MAX);
        match ControlRecord::decode(&bytes).unwrap() {
            ControlRecord::PopsTaken(taken) => replayed.apply_taken(&taken),
            ControlRecord::PopsEnded(ended) => replayed.apply_ended(&ended),
            ControlRecord::OrderedPops(ordered) => replayed.apply_ordered(&ordered),
            ControlRecord::PopsOfTopicRemoved(topic) => _ = replayed.drop_topic(&topic),
            ControlRecord::PopsOfGroupRemoved(group) => _ = replayed.drop_group(&group),
            other => panic!("{other:?} is no record of this table"),
        }
    }
    assert!(!table.is_dirty());
    assert_eq!(replayed.snapshot(), table.snapshot());
    assert_eq!(replayed.is_empty(), table.is_empty(), "nothing empty is kept");
}

proptest! {
    #[test]
    fn nothing_is_lost_nor_given_out_while_it_is_invisible_and_replay_gives_an_equal_table(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (mut table, mut replayed) = (PopTable::new(), PopTable::new());
        let mut model = Model { now_ms: 1_000, ends: [30, 30], ..Model::default() };
        for step in steps.iter().chain([&Step::Log]) {
            match *step {
                Step::Pop(group, count, ms) => model.pop(&mut table, group, count, ms),
                Step::Ack(number) => {
                    if let Some(handle) = model.handles.get(number).copied() {
                        model.ack(&mut table, handle);
                    }
                }
                Step::Change(number, ms) => {
                    if let Some(handle) = model.handles.get(number).copied() {
                        model.change(&mut table, handle, ms);
                    }
                }
                Step::Wait(ms) => model.now_ms += ms,
                Step::Revive(count) => model.revive(&mut table, &mut replayed, count),
                Step::Reset(group) => {
                    // One ms later: handles are told apart by their pop time.
                    model.now_ms += 1;
                    model.positions[group] = 0;
                }
                Step::Forget(group) => {
                    table.remove_group(GROUPS[group]);
                    let forgotten = model.out.extract_if(.., |(of, _), _| *of == group);
                    model.done.extend(forgotten.map(|(place, _)| place));
                }
                Step::Log => log(&mut table, &mut replayed),
                // What is marked is written again later, which does no harm.
                Step::Checkpoint => replayed = PopTable::restore(&table.snapshot()),
            }
            model.check(&table);
        }
    }
}

#[derive(Debug, Clone)]
enum OrderedStep {
    /// A try of one of three clients, which want so many.
    Pop(usize, usize),
    /// The n-th handle that was ever given out is used.
    Ack(usize),
    Change(usize, i64),
    Wait(i64),
    Log,
}

fn ordered_step() -> impl Strategy<Value = OrderedStep> {
    prop_oneof![
        5 => (0..3usize, 1..6usize).prop_map(|(client, count)| OrderedStep::Pop(client, count)),
        6 => (0..60usize).prop_map(OrderedStep::Ack),
        1 => (0..60usize, 0..30i64).prop_map(|(handle, ms)| OrderedStep::Change(handle, ms)),
        3 => (1..15i64).prop_map(OrderedStep::Wait),
        2 => Just(OrderedStep::Log),
    ]
}

/// Who holds a message until when.
#[derive(Debug, Clone, Copy)]
struct Hold {
    client: usize,
    visible_ms: i64,
}

proptest! {
    #[test]
    fn an_ordered_queue_is_held_by_one_try_at_a_time_and_goes_on_in_order(
        steps in prop::collection::vec(ordered_step(), 1..150),
    ) {
        let (mut table, mut replayed) = (PopTable::new(), PopTable::new());
        let (mut now_ms, mut position) = (1_000, 0);
        let mut holds: BTreeMap<u64, Hold> = BTreeMap::new();
        let mut acked: BTreeSet<u64> = BTreeSet::new();
        let mut handles: Vec<(u64, i64)> = Vec::new();
        for step in steps {
            match step {
                OrderedStep::Pop(client, count) => {
                    let attempt_id = format!("try {client}");
                    let held = table.ordered(key(0)).cloned();
                    let is_locked = held.as_ref().is_some_and(|held| held.is_locked(now_ms, &attempt_id));
                    let others = holds.iter().filter(|(_, hold)| hold.client != client && hold.visible_ms > now_ms);
                    let is_held = others.count() > 0;
                    prop_assert!(is_locked || !is_held, "what somebody holds is given to nobody else");
                    if is_locked {
                        continue;
                    }
                    now_ms += 1;
                    let mut given: Vec<u64> =
                        held.iter().flat_map(|held| held.open()).map(|message| message.offset).collect();
                    let next = held.as_ref().map_or(position, |held| held.next);
                    given.extend(next..next + count as u64);
                    prop_assert!(given.iter().all(|offset| !acked.contains(offset)), "what is done never comes again");
                    let message = |offset: &u64| OrderedMessage {
                        offset: *offset,
                        visible_ms: now_ms + 10,
                        is_acked: false,
                        times: held.as_ref().map_or(0, |held| held.times_of(*offset, &attempt_id)),
                    };
                    let messages: Vec<_> = given.iter().map(message).collect();
                    let next = next + count as u64;
                    let state = OrderedPop { attempt_id, pop_ms: now_ms, next, messages };
                    table.put_ordered(key(0), state);
                    holds = given.iter().map(|offset| (*offset, Hold { client, visible_ms: now_ms + 10 })).collect();
                    handles.extend(given.iter().map(|offset| (*offset, now_ms)));
                }
                OrderedStep::Ack(number) => {
                    let Some((offset, pop_ms)) = handles.get(number).copied() else { continue };
                    let used = table.use_ordered(key(0), |held| held.ack(offset, pop_ms));
                    if let Some((HandleUse::Done, moved)) = used {
                        prop_assert!(holds.remove(&offset).is_some() && acked.insert(offset));
                        prop_assert!(moved >= position, "positions never go back");
                        position = moved;
                    }
                }
                OrderedStep::Change(number, ms) => {
                    let Some((offset, pop_ms)) = handles.get(number).copied() else { continue };
                    let used = table.use_ordered(key(0), |held| held.change(offset, pop_ms, now_ms + ms));
                    if let Some((HandleUse::Done, _)) = used
                        && let Some(hold) = holds.get_mut(&offset)
                    {
                        hold.visible_ms = now_ms + ms;
                    }
                }
                OrderedStep::Wait(ms) => now_ms += ms,
                OrderedStep::Log => log(&mut table, &mut replayed),
            }
            prop_assert!((0..position).all(|offset| acked.contains(&offset)), "nothing is passed over");
            prop_assert_eq!(table.ordered(key(0)).is_none(), holds.is_empty());
        }
        log(&mut table, &mut replayed);
    }
}

fn ordered(pop_ms: i64, offsets: std::ops::Range<u64>) -> OrderedPop {
    let next = offsets.end;
    let message = |offset| OrderedMessage { offset, visible_ms: pop_ms + 10, is_acked: false, times: 0 };
    OrderedPop { attempt_id: String::new(), pop_ms, next, messages: offsets.map(message).collect() }
}

#[test]
fn an_ordered_pop_ends_with_its_last_acknowledgement_and_is_told_once_when_it_gives_way() {
    let (mut table, mut replayed) = (PopTable::new(), PopTable::new());
    table.put_ordered(key(0), ordered(100, 4..6));
    log(&mut table, &mut replayed);
    assert!(table.take_released(109).is_empty());
    assert_eq!(table.take_released(110), [("T".into(), 3)]);
    assert!(table.take_released(1_000).is_empty());
    assert_eq!(table.use_ordered(key(0), |held| held.ack(4, 100)), Some((HandleUse::Done, 5)));
    log(&mut table, &mut replayed);
    assert_eq!(table.use_ordered(key(0), |held| held.ack(4, 100)), Some((HandleUse::Gone, 5)));
    assert_eq!(table.use_ordered(key(0), |held| held.ack(5, 99)), Some((HandleUse::Replaced, 5)));
    assert_eq!(table.use_ordered(key(0), |held| held.ack(5, 100)), Some((HandleUse::Done, 6)));
    assert_eq!(table.use_ordered(key(0), |held| held.ack(5, 100)), None);
    log(&mut table, &mut replayed);
    assert!(table.is_empty() && replayed.is_empty());
}

#[test]
fn what_a_sweep_takes_and_acknowledges_is_one_record_each() {
    let mut table = PopTable::new();
    for offset in 0..500 {
        table.put(key(0), offset, row(1, 2));
        table.put(key(1), offset, row(1, 2));
        if offset % 2 == 0 {
            table.ack(key(0), offset, 1);
        }
    }
    let mut records = Vec::new();
    table.take_records(&mut records);
    assert_eq!(records.len(), 2, "{records:?}");
    let ControlRecord::PopsTaken(taken) = &records[0] else { panic!("{records:?}") };
    assert_eq!(taken.iter().map(|stored| stored.offsets.len()).collect::<Vec<_>>(), [250, 500]);
    let ControlRecord::PopsEnded(ended) = &records[1] else { panic!("{records:?}") };
    assert_eq!(ended[0].offsets.len(), 250);
}

#[test]
fn many_changes_are_split_into_records_that_fit_the_log() {
    let (mut table, mut replayed) = (PopTable::new(), PopTable::new());
    let topic = "t".repeat(127);
    for queue_id in 0..300 {
        let key = PopKey { group: "g", topic: &topic, queue_id };
        for offset in 0..200 {
            table.put(key, offset * 7, row(1, 2 + offset as i64 % 3));
        }
    }
    log(&mut table, &mut replayed);
    table.remove_topic(&topic);
    log(&mut table, &mut replayed);
    assert!(replayed.is_empty());
}

#[test]
fn a_topic_that_is_made_again_begins_with_nothing_invisible() {
    let (mut table, mut replayed) = (PopTable::new(), PopTable::new());
    table.put(key(0), 1, row(1, 2));
    log(&mut table, &mut replayed);
    table.put(key(0), 2, row(1, 2));
    table.remove_topic("T");
    table.put(key(0), 5, row(3, 4));
    log(&mut table, &mut replayed);
    assert_eq!((replayed.len(), replayed.get(key(0), 5)), (1, Some(row(3, 4))));
}

#[test]
fn a_full_table_says_so() {
    let mut table = PopTable::new();
    for offset in 0..INVISIBLE_MAX as u64 {
        table.put(key(0), offset, row(1, 2));
    }
    assert_eq!(table.room(), 0);
    table.ack(key(0), 7, 1);
    assert_eq!(table.room(), 1);
}
