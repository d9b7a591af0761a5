//! Single steps, and random ones compared with plain maps.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn stored(group: &str, topic: &str, offsets: &[(i32, i64)]) -> StoredOffsets {
    StoredOffsets { group: group.to_owned(), topic: topic.to_owned(), offsets: offsets.to_vec() }
}

fn records(offsets: &mut ConsumerOffsets) -> Vec<ControlRecord> {
    let mut records = Vec::new();
    offsets.take_records(&mut records);
    records
}

#[test]
fn a_commit_may_go_backwards_and_says_whether_it_changed_anything() {
    let mut offsets = ConsumerOffsets::new();
    assert_eq!(offsets.query("jcg", "JT", 1), None);
    assert_eq!(offsets.commit("jcg", "JT", 1, 4), CommitOutcome::Changed);
    assert_eq!(offsets.commit("jcg", "JT", 1, 4), CommitOutcome::Unchanged);
    assert_eq!(offsets.commit("jcg", "JT", 1, 2), CommitOutcome::Changed);
    assert_eq!(offsets.query("jcg", "JT", 1), Some(2));
    assert_eq!(offsets.query("jcg", "JT", 0), None);
}

#[test]
fn only_changes_are_taken_and_each_once_with_its_latest_value() {
    let mut offsets = ConsumerOffsets::new();
    offsets.commit("g2", "T", 0, 1);
    offsets.commit("g1", "T", 5, 1);
    offsets.commit("g1", "T", 3, 1);
    offsets.commit("g1", "T", 5, 2);
    assert_eq!(offsets.take_dirty(10), [stored("g1", "T", &[(3, 1), (5, 2)]), stored("g2", "T", &[(0, 1)])]);
    offsets.commit("g1", "T", 3, 1);
    assert!(offsets.take_dirty(10).is_empty(), "the same again is no change");
}

#[test]
fn no_record_is_longer_than_the_log_takes_at_once() {
    let mut offsets = ConsumerOffsets::new();
    let name = |number: usize, length: usize| format!("{number:0>length$}");
    for number in 0..3_000 {
        offsets.commit(&name(number % 7, 120), &name(number, 255), 0, 1);
    }
    for queue_id in 0..3_000 {
        offsets.commit("g", "T", queue_id, 7);
    }
    let resets: Vec<_> = (0..3_000).map(|queue_id| (queue_id, 9)).collect();
    offsets.set_reset(&name(0, 120), &name(0, 255), &resets);
    assert!(offsets.clone_offsets("g", &name(1, 120), "T"));
    let records = records(&mut offsets);
    let mut replayed = ConsumerOffsets::new();
    for record in &records {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert!(bytes.len() <= CONTROL_RECORD_BYTES_MAX, "{} bytes", bytes.len());
        match record {
            ControlRecord::Offsets(changed) => replayed.apply_offsets(changed),
            ControlRecord::OffsetReset(reset) => replayed.apply_reset(reset),
            ControlRecord::OffsetsReplaced(replaced) => replayed.replace(replaced),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(replayed.snapshot(), offsets.snapshot());
}

#[test]
fn commits_are_ignored_until_a_pull_was_told_of_a_reset() {
    let mut offsets = ConsumerOffsets::new();
    offsets.commit("tr_g", "TR1", 0, 5);
    offsets.set_reset("tr_g", "TR1", &[(0, 0), (1, 0)]);
    assert_eq!(offsets.query("tr_g", "TR1", 0), Some(0));
    assert_eq!(offsets.commit("tr_g", "TR1", 0, 5), CommitOutcome::ResetPending);
    assert_eq!(offsets.take_reset("tr_g", "TR1", 0), Some(0));
    assert_eq!(offsets.take_reset("tr_g", "TR1", 0), None, "told once");
    assert_eq!(offsets.commit("tr_g", "TR1", 0, 2), CommitOutcome::Changed);
    assert_eq!(offsets.commit("tr_g", "TR1", 1, 2), CommitOutcome::ResetPending, "each queue for itself");
    assert_eq!(
        records(&mut offsets),
        [
            ControlRecord::OffsetReset(stored("tr_g", "TR1", &[(0, 0), (1, 0)])),
            ControlRecord::OffsetResetTaken(stored("tr_g", "TR1", &[(0, 0)])),
            ControlRecord::Offsets(vec![stored("tr_g", "TR1", &[(0, 2)])]),
        ]
    );
}

#[test]
fn a_pending_reset_survives_a_restart() {
    let mut offsets = ConsumerOffsets::new();
    offsets.commit("g", "T", 1, 9);
    offsets.set_reset("g", "T", &[(0, 3)]);
    let mut restored = ConsumerOffsets::restore(&offsets.snapshot());
    assert!(records(&mut restored).is_empty());
    assert_eq!(restored.len(), 2);
    assert_eq!(restored.take_reset("g", "T", 1), None);
    assert_eq!(restored.take_reset("g", "T", 0), Some(3));
}

#[test]
fn groups_and_topics_are_forgotten_as_a_whole() {
    let mut offsets = ConsumerOffsets::new();
    for (group, topic) in [("g1", "T1"), ("g1", "T2"), ("g2", "T1"), ("g3", "T2")] {
        offsets.commit(group, topic, 0, 1);
    }
    offsets.remove_topic("T1");
    assert_eq!(offsets.topics_of_group("g1").collect::<Vec<_>>(), ["T2"]);
    assert_eq!(offsets.groups_of_topic("T2").collect::<Vec<_>>(), ["g1", "g3"]);
    assert_eq!(offsets.len(), 2);
    offsets.remove_group("g3");
    offsets.remove_group("g3");
    assert_eq!(offsets.len(), 1);
    assert_eq!(
        records(&mut offsets),
        [
            ControlRecord::OffsetsOfTopicRemoved("T1".to_owned()),
            ControlRecord::OffsetsOfGroupRemoved("g3".to_owned()),
            ControlRecord::Offsets(vec![stored("g1", "T2", &[(0, 1)])]),
        ]
    );
}

#[test]
fn a_group_can_continue_where_another_stands() {
    let mut offsets = ConsumerOffsets::new();
    offsets.commit("old", "T", 0, 4);
    offsets.commit("old", "T", 1, 5);
    offsets.commit("new", "T", 7, 9);
    assert!(offsets.clone_offsets("old", "new", "T"));
    assert!(!offsets.clone_offsets("old", "new", "Other"));
    assert_eq!(offsets.committed("new", "T").collect::<Vec<_>>(), [(0, 4), (1, 5)]);
    assert_eq!(offsets.len(), 4);
}

#[test]
fn a_group_was_sent_as_far_as_its_last_pull_unless_it_has_no_offset_or_was_reset_since() {
    let mut offsets = ConsumerOffsets::new();
    assert_eq!(offsets.query_pulled("g", "T", 0, Some(9)), None);
    offsets.commit("g", "T", 0, 4);
    assert_eq!(offsets.query_pulled("g", "T", 0, None), Some(4));
    assert_eq!(offsets.query_pulled("g", "T", 0, Some(9)), Some(9));
    offsets.set_reset("g", "T", &[(0, 2)]);
    assert_eq!(offsets.query_pulled("g", "T", 0, Some(9)), Some(2));
    offsets.take_reset("g", "T", 0);
    assert_eq!(offsets.query_pulled("g", "T", 0, Some(2)), Some(2));
}

#[test]
fn the_table_for_replicas_has_a_key_a_topic_and_group() {
    let mut offsets = ConsumerOffsets::new();
    offsets.commit("jcg", "JT", 1, 4);
    offsets.commit("jcg", "JT", 0, 2);
    let pulled =
        |group: &str, topic: &str, queue_id: i32| (group == "jcg" && topic == "JT" && queue_id == 1).then_some(6);
    let body = offsets.table(DataVersion { counter: 0, state_version: 0, timestamp: 7 }, pulled).encode();
    let expected = r#"{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":7},"groupTopicMap":{"jcg":["JT"]},"offsetTable":{"JT@jcg":{"0":2,"1":4}},"pullOffsetTable":{"JT@jcg":{"1":6}}}"#;
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

#[test]
fn a_full_table_still_takes_commits_for_what_it_has() {
    let mut offsets = ConsumerOffsets::new();
    for queue_id in 0..CONSUMER_OFFSETS_MAX as i32 {
        offsets.commit("g", "T", queue_id, 1);
    }
    assert_eq!(offsets.commit("g", "T", -1, 1), CommitOutcome::Full);
    assert_eq!(offsets.commit("g", "T", 0, 2), CommitOutcome::Changed);
    assert!(offsets.set_reset("g", "U", &[(0, 1)]).is_empty());
    assert_eq!(offsets.set_reset("g", "T", &[(0, 1), (-1, 1)]), [(0, 1)]);
    assert!(!offsets.clone_offsets("g", "h", "T"));
}

type Key = (usize, usize, i32);

#[derive(Debug, Clone)]
enum Step {
    Commit(Key, i64),
    Reset(Key, i64),
    Pull(Key),
    RemoveGroup(usize),
    RemoveTopic(usize),
    Clone(usize, usize, usize),
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let key = (0..3usize, 0..3usize, 0..3i32);
    prop_oneof![
        8 => (key.clone(), 0..9i64).prop_map(|(key, offset)| Step::Commit(key, offset)),
        2 => (key.clone(), 0..9i64).prop_map(|(key, offset)| Step::Reset(key, offset)),
        2 => key.prop_map(Step::Pull),
        1 => (0..3usize).prop_map(Step::RemoveGroup),
        1 => (0..3usize).prop_map(Step::RemoveTopic),
        1 => (0..3usize, 0..3usize, 0..3usize).prop_map(|(from, to, topic)| Step::Clone(from, to, topic)),
        2 => Just(Step::Take),
    ]
}

proptest! {
    #[test]
    fn offsets_are_what_was_last_committed_or_reset(steps in prop::collection::vec(step(), 1..200)) {
        let (groups, topics) = (["g0", "g1", "g2"], ["t0", "t1", "t2"]);
        let mut offsets = ConsumerOffsets::new();
        let mut model: BTreeMap<Key, i64> = BTreeMap::new();
        let mut pending: BTreeSet<Key> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Commit(key @ (group, topic, queue_id), offset) => {
                    let outcome = offsets.commit(groups[group], topics[topic], queue_id, offset);
                    let expected = match model.get(&key) {
                        Some(_) if pending.contains(&key) => CommitOutcome::ResetPending,
                        Some(before) if *before == offset => CommitOutcome::Unchanged,
                        _ => CommitOutcome::Changed,
                    };
                    prop_assert_eq!(outcome, expected);
                    if outcome == CommitOutcome::Changed {
                        model.insert(key, offset);
                    }
                }
                Step::Reset(key @ (group, topic, queue_id), offset) => {
                    offsets.set_reset(groups[group], topics[topic], &[(queue_id, offset)]);
                    model.insert(key, offset);
                    pending.insert(key);
                }
                Step::Pull(key @ (group, topic, queue_id)) => {
                    let told = offsets.take_reset(groups[group], topics[topic], queue_id);
                    prop_assert_eq!(told, pending.remove(&key).then(|| model[&key]));
                }
                Step::RemoveGroup(removed) => {
                    offsets.remove_group(groups[removed]);
                    model.retain(|(group, ..), _| *group != removed);
                    pending.retain(|(group, ..)| *group != removed);
                }
                Step::RemoveTopic(removed) => {
                    offsets.remove_topic(topics[removed]);
                    model.retain(|(_, topic, _), _| *topic != removed);
                    pending.retain(|(_, topic, _)| *topic != removed);
                }
                Step::Clone(from, to, topic) => {
                    let source: Vec<_> = offsets.committed(groups[from], topics[topic]).collect();
                    let cloned = offsets.clone_offsets(groups[from], groups[to], topics[topic]);
                    prop_assert_eq!(cloned, !source.is_empty());
                    if cloned {
                        model.retain(|key, _| (key.0, key.1) != (to, topic));
                        pending.retain(|key| (key.0, key.1) != (to, topic));
                        model.extend(source.into_iter().map(|(queue_id, offset)| ((to, topic, queue_id), offset)));
                    }
                }
                Step::Take => drop(records(&mut offsets)),
            }
            prop_assert_eq!(offsets.len(), model.len());
            prop_assert_eq!(offsets.pending_resets, pending.len());
            for (group, topic) in [(0, 0), (1, 2), (2, 1)] {
                let of_model = model.iter().filter(|(key, _)| (key.0, key.1) == (group, topic));
                let of_model: Vec<_> = of_model.map(|(key, offset)| (key.2, *offset)).collect();
                prop_assert_eq!(offsets.committed(groups[group], topics[topic]).collect::<Vec<_>>(), of_model);
            }
        }
    }
}
