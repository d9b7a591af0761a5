use super::*;

fn unit(number: u64) -> Unit {
    Unit { physical_offset: number * 100, bytes: 100, tags_code: number as i64 }
}

/// From each queue offset on: the units side by side are those that are found one by one.
fn assert_units_are_dense(queues: &ConsumeQueues, queue: QueueIndex, until: u64) {
    for at in 0..until + 2 {
        let units = queues.units(queue, at);
        assert_eq!(units.first().copied(), queues.unit(queue, at), "at {at}");
        for (number, unit) in (at..).zip(units) {
            assert_eq!(Some(*unit), queues.unit(queue, number));
        }
    }
}

#[test]
fn units_side_by_side_are_those_that_are_found_one_by_one() {
    let mut queues = ConsumeQueues::default();
    let queue = queues.find_or_add("T", 0);
    assert!(queues.units(queue, 0).is_empty());
    let mut end = 0;
    // Checkpoints let old units go, so that the ring of the newest ones wraps.
    for pushed in [10, 3_000, 1, 2_000, 500] {
        for number in end..end + pushed {
            queues.push(queue, unit(number));
        }
        end += pushed;
        assert_units_are_dense(&queues, queue, end);
        let (unpersisted, _) = queues.begin_checkpoint();
        queues.finish_checkpoint(&unpersisted);
        assert_units_are_dense(&queues, queue, end);
    }
    let first_in_memory = (0..end).find(|at| queues.unit(queue, *at).is_some()).unwrap();
    assert!(first_in_memory > 0, "old ones have gone");
    queues.keep_window(queue, 7, (7..20).map(unit).collect());
    assert_eq!(queues.units(queue, 9), (9..20).map(unit).collect::<Vec<_>>());
    assert_units_are_dense(&queues, queue, end);
}

#[test]
fn a_first_unit_is_looked_up_once_for_as_far_as_the_log_begins_before_it() {
    let mut queues = ConsumeQueues::default();
    let (old, new) = (queues.find_or_add("T", 0), queues.find_or_add("T", 1));
    // Of the first one all units are in files, of the other none.
    queues.restore("T", 0, 0, 10);
    for number in 0..10 {
        queues.push(new, unit(number));
    }
    assert!(queues.drop_below(0).is_empty(), "nothing can lie below the beginning");
    assert_eq!(queues.drop_below(350), [old]);
    assert_eq!(queues.get(new).unwrap().first(), 4);
    queues.set_first(old, 4, 400);
    assert!(queues.drop_below(350).is_empty() && queues.drop_below(400).is_empty());
    assert_eq!(queues.drop_below(401), [old]);
    assert_eq!(queues.get(new).unwrap().first(), 5);
    queues.set_first(old, 10, 2_000);
    assert!(queues.drop_below(2_000).is_empty());
    assert_eq!(queues.get(new).unwrap().first(), 10);

    // Where a queue begins after going back is not known any more.
    let checkpoint = [("T", 0), ("T", 1)].map(|(topic, queue_id)| crate::checkpoint::QueueCheckpoint {
        topic: topic.to_owned(),
        queue_id,
        first: 0,
        end: 10,
    });
    queues.go_back(&checkpoint);
    assert_eq!(queues.drop_below(100), [old, new]);
}
