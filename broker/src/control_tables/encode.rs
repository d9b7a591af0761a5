//! The broker's part of a checkpoint, made in turns: of a million offsets it is 20 MB, and nobody may wait for that.

use storage::encode_fields_in_turns;
use storage::pieces::{Pieces, to_pieces};

use super::{ControlTablesSnapshot, ControlTablesSnapshotResolver, FrozenTables};

/// Rows that are freed in one go.
const ROWS_A_TURN: usize = 4096;

encode_fields_in_turns!(
    ControlTablesSnapshot,
    ControlTablesSnapshotResolver { topics, groups, offsets, schedule, half_messages, timers, pops, request_modes }
);

impl FrozenTables {
    /// What [`ControlTablesSnapshot`] is encoded to, byte for byte; `turn` is awaited between, whenever a good deal of it is done.
    pub async fn encode(self, turn: &mut impl AsyncFnMut()) -> Pieces {
        let Self { tables, offsets } = self;
        let mut tables = ControlTablesSnapshot { offsets: offsets.snapshot_in_turns(turn).await, ..tables };
        let pieces = to_pieces(&tables, turn).await;
        while !tables.offsets.committed.is_empty() {
            let kept = tables.offsets.committed.len().saturating_sub(ROWS_A_TURN);
            tables.offsets.committed.truncate(kept);
            turn().await;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures_lite::future::block_on;

    use crate::assignment::{RequestMode, StoredRequestMode};
    use crate::control_record::TimerStored;
    use crate::control_tables::ControlTables;
    use crate::pop::StoredPop;
    use crate::subscription_group_table::GroupOptions;
    use crate::topic_table::TopicOptions;
    use crate::transactions::HalfMessage;

    const GROUPS: i32 = 40;
    const QUEUES: i32 = 500;

    /// Something is in each.
    fn tables() -> ControlTables {
        let options = TopicOptions::of_broker("DefaultCluster", "broker-a");
        let mut tables = ControlTables::new(options, GroupOptions::default(), 1);
        tables.create_system_entries(1);
        for number in 0..GROUPS * QUEUES {
            commit(&mut tables, number, i64::from(number));
        }
        tables.offsets.set_reset("g3", "T1", &[(7, 70), (499, 71)]);
        tables.schedule.advance(3, 9);
        tables.half_messages.insert(5, HalfMessage { stored_ms: 6, immunity_s: 0, checks: 1 });
        tables.timers.apply_stored(&TimerStored { topic: Some("T1".to_owned()), bytes: 100, at_ms: 8 });
        let (group, topic) = ("g3".to_owned(), "T1".to_owned());
        let mode =
            StoredRequestMode { topic: topic.clone(), group: group.clone(), mode: RequestMode::Pop, share_queues: 2 };
        tables.request_modes.apply(&mode);
        let (pop_ms, due_ms, offsets) = (10, 20, vec![3, 4]);
        let popped = StoredPop { group, topic, queue_id: 2, pop_ms, due_ms, is_suspended: false, offsets };
        tables.pops.apply_taken(&[popped]);
        tables
    }

    fn commit(tables: &mut ControlTables, number: i32, offset: i64) {
        let (group, queue_id) = (number % GROUPS, number / GROUPS % QUEUES);
        tables.offsets.commit(&format!("g{group}"), &format!("T{}", queue_id % 3), queue_id, offset);
    }

    #[test]
    fn what_is_encoded_in_turns_is_as_it_was_when_it_was_frozen_and_what_happens_meanwhile_is_kept() {
        let tables = RefCell::new(tables());
        let at_once = rkyv::to_bytes::<rkyv::rancor::Error>(&tables.borrow().snapshot()).unwrap();
        let turns = Cell::new(0);
        let frozen = tables.borrow().freeze();
        let in_turns = block_on(frozen.encode(&mut async || {
            let turn = turns.replace(turns.get() + 1);
            let mut tables = tables.borrow_mut();
            for number in 0..20 {
                commit(&mut tables, turn * 997 + number, -1);
            }
            match turn {
                0 => tables.offsets.remove_group("g39"),
                1 => tables.offsets.remove_topic("T2"),
                2 => assert_eq!(tables.offsets.take_reset("g3", "T1", 7), Some(70)),
                3 => assert!(tables.offsets.clone_offsets("g1", "g2", "T0")),
                _ => {}
            }
        }));
        assert!(*in_turns.bytes() == *at_once);
        assert!(turns.get() > GROUPS * QUEUES / 4096, "{} turns", turns.get());
        let changed = tables.into_inner();
        assert_eq!(changed.offsets.query("g0", "T0", 0), Some(-1));
        assert_eq!(changed.offsets.query("g39", "T0", 0), None);
        assert!(!changed.offsets.snapshot().pending_resets.is_empty());
    }
}
