//! Replay: the records of any changes, encoded and decoded again, rebuild equal tables.

use super::*;
use crate::assignment::RequestMode;
use crate::attribute_changes::AttributeChanges;
use proptest::prelude::*;
use protocol::body::{SubscriptionGroupConfig, TopicConfig};

const TOPICS: [&str; 3] = ["T0", "T1", "%RETRY%g0"];
const GROUPS: [&str; 3] = ["g0", "g1", "g2"];

fn options() -> TopicOptions {
    TopicOptions::of_broker("DefaultCluster", "broker-v")
}

#[derive(Debug, Clone)]
enum Step {
    AutoCreateTopic(usize, i32),
    UpdateTopic(usize, i32),
    DeleteTopic(usize),
    AutoCreateGroup(usize),
    UpdateGroup(usize, i32),
    DeleteGroup(usize),
    Commit(usize, usize, i32, i64),
    Reset(usize, usize, i32, i64),
    TakeReset(usize, usize, i32),
    CloneOffsets(usize, usize, usize),
    Deliver(i32, i64),
    SetMode(usize, usize, i32),
    Log,
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    let (topic, group, queue_id, offset) = (0..3usize, 0..3usize, 0..3i32, 0..50i64);
    let (topic_of_mode, group_of_mode) = (topic.clone(), group.clone());
    prop_oneof![
        2 => (topic.clone(), 0..6i32).prop_map(|(topic, nums)| Step::AutoCreateTopic(topic, nums)),
        2 => (topic.clone(), 0..6i32).prop_map(|(topic, nums)| Step::UpdateTopic(topic, nums)),
        1 => topic.clone().prop_map(Step::DeleteTopic),
        2 => group.clone().prop_map(Step::AutoCreateGroup),
        2 => (group.clone(), 0..6i32).prop_map(|(group, times)| Step::UpdateGroup(group, times)),
        1 => group.clone().prop_map(Step::DeleteGroup),
        8 => (group.clone(), topic.clone(), queue_id.clone(), offset.clone())
            .prop_map(|(group, topic, queue_id, offset)| Step::Commit(group, topic, queue_id, offset)),
        3 => (group.clone(), topic.clone(), queue_id.clone(), offset.clone())
            .prop_map(|(group, topic, queue_id, offset)| Step::Reset(group, topic, queue_id, offset)),
        2 => (group.clone(), topic.clone(), queue_id)
            .prop_map(|(group, topic, queue_id)| Step::TakeReset(group, topic, queue_id)),
        1 => (group.clone(), group, topic).prop_map(|(from, to, topic)| Step::CloneOffsets(from, to, topic)),
        2 => (1..4i32, 0..9i64).prop_map(|(level, count)| Step::Deliver(level, count)),
        2 => (topic_of_mode, group_of_mode, -1..2i32)
            .prop_map(|(topic, group, share)| Step::SetMode(topic, group, share)),
        4 => Just(Step::Log),
        1 => Just(Step::Checkpoint),
    ]
}

fn run(tables: &mut ControlTables, step: &Step, now_ms: i64) {
    let ControlTables { topics, groups, offsets, schedule, request_modes, .. } = tables;
    match *step {
        Step::AutoCreateTopic(topic, nums) => _ = topics.auto_create(TOPICS[topic], "TBW102", nums, now_ms),
        Step::UpdateTopic(topic, nums) => {
            let config =
                TopicConfig { topic_name: TOPICS[topic].to_owned(), write_queue_nums: nums, ..Default::default() };
            let changes = AttributeChanges::parse("+message.type=FIFO").unwrap();
            topics.update(config, &changes, now_ms).unwrap();
        }
        Step::DeleteTopic(topic) => {
            if topics.delete(TOPICS[topic], now_ms).unwrap() {
                request_modes.drop_topic(TOPICS[topic]);
            }
            offsets.remove_topic(TOPICS[topic]);
        }
        Step::AutoCreateGroup(group) => _ = groups.auto_create(GROUPS[group], now_ms),
        Step::UpdateGroup(group, times) => {
            let group_name = GROUPS[group].to_owned();
            let config = SubscriptionGroupConfig { group_name, retry_max_times: times, ..Default::default() };
            groups.update(config, now_ms).unwrap();
        }
        Step::DeleteGroup(group) => {
            if groups.delete(GROUPS[group], now_ms) {
                request_modes.drop_group(GROUPS[group]);
            }
            offsets.remove_group(GROUPS[group]);
        }
        Step::Commit(group, topic, queue_id, offset) => {
            offsets.commit(GROUPS[group], TOPICS[topic], queue_id, offset);
        }
        Step::Reset(group, topic, queue_id, offset) => {
            offsets.set_reset(GROUPS[group], TOPICS[topic], &[(queue_id, offset)]);
        }
        Step::TakeReset(group, topic, queue_id) => _ = offsets.take_reset(GROUPS[group], TOPICS[topic], queue_id),
        Step::CloneOffsets(from, to, topic) => _ = offsets.clone_offsets(GROUPS[from], GROUPS[to], TOPICS[topic]),
        Step::Deliver(level, count) => schedule.advance(level, schedule.next_offset(level) + count),
        Step::SetMode(topic, group, share_queues) => {
            let (topic, group) = (TOPICS[topic].to_owned(), GROUPS[group].to_owned());
            request_modes.set(StoredRequestMode { topic, group, mode: RequestMode::Pop, share_queues }).unwrap();
        }
        Step::Log | Step::Checkpoint => {}
    }
}

fn log(tables: &mut ControlTables) -> Vec<ControlRecord> {
    let mut records = Vec::new();
    tables.take_records(&mut records);
    let through_bytes = |record: &ControlRecord| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        ControlRecord::decode(&bytes).unwrap()
    };
    records.iter().map(through_bytes).collect()
}

proptest! {
    #[test]
    fn applying_the_recorded_changes_rebuilds_equal_tables(steps in prop::collection::vec(step(), 1..120)) {
        let mut tables = ControlTables::new(options(), GroupOptions::default(), 1);
        let mut replayed = ControlTables::new(options(), GroupOptions::default(), 1);
        tables.create_system_entries(1);
        for (now_ms, step) in (2..).zip(steps.iter().chain([&Step::Log])) {
            run(&mut tables, step, now_ms);
            match step {
                Step::Log => {
                    log(&mut tables).iter().for_each(|record| replayed.apply(record));
                    prop_assert_eq!(replayed.snapshot(), tables.snapshot());
                    prop_assert_eq!(replayed.offsets.len(), tables.offsets.len());
                    prop_assert_eq!(replayed.offsets.has_pending_resets(), tables.offsets.has_pending_resets());
                }
                // Taken in the middle: what was not logged yet is applied again later.
                Step::Checkpoint => {
                    let snapshot = tables.snapshot();
                    replayed = ControlTables::restore(options(), GroupOptions::default(), &snapshot);
                    prop_assert_eq!(replayed.snapshot(), snapshot);
                }
                _ => {}
            }
        }
        prop_assert!(log(&mut replayed).is_empty(), "replay records nothing");
    }

    #[test]
    fn a_snapshot_reads_back_from_its_bytes(steps in prop::collection::vec(step(), 1..60)) {
        let mut tables = ControlTables::new(options(), GroupOptions::default(), 1);
        steps.iter().for_each(|step| run(&mut tables, step, 2));
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&tables.snapshot()).unwrap();
        let read = rkyv::from_bytes::<ControlTablesSnapshot, rkyv::rancor::Error>(&bytes).unwrap();
        prop_assert_eq!(read, tables.snapshot());
    }
}
