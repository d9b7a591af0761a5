//! Round trips, and bytes that are no records.

use super::*;
use crate::pop::{OrderedMessage, OrderedPop};
use proptest::prelude::*;

fn offsets() -> StoredOffsets {
    StoredOffsets { group: "jcg".to_owned(), topic: "JT".to_owned(), offsets: vec![(0, 2), (1, -1), (7, i64::MAX)] }
}

fn version() -> StoredVersion {
    StoredVersion { state_version: 0, timestamp_ms: 1_795_256_531_784, counter: 3 }
}

fn popped() -> StoredPop {
    StoredPop {
        group: "g".to_owned(),
        topic: "T".to_owned(),
        queue_id: 3,
        pop_ms: 1_795_256_531_784,
        due_ms: 1_795_256_591_784,
        is_suspended: true,
        offsets: vec![0, 1, 5],
    }
}

fn ordered_pop() -> StoredOrderedPop {
    let message = OrderedMessage { offset: 7, visible_ms: 1_795_256_591_784, is_acked: false, times: 2 };
    let state = OrderedPop {
        attempt_id: "a try".to_owned(),
        pop_ms: 1_795_256_531_784,
        next: 9,
        messages: vec![message, OrderedMessage { offset: 8, is_acked: true, ..message }],
    };
    StoredOrderedPop { group: "g".to_owned(), topic: "T".to_owned(), queue_id: 3, state: Some(state) }
}

fn one_of_each() -> Vec<ControlRecord> {
    let topic = StoredTopic {
        name: "%RETRY%jcg".to_owned(),
        read_queue_nums: 1,
        write_queue_nums: 2,
        perm: 6,
        filter_type: "SINGLE_TAG".to_owned(),
        topic_sys_flag: 0,
        order: true,
        attributes: vec![("message.type".to_owned(), "FIFO".to_owned())],
    };
    let group = protocol::body::SubscriptionGroupConfig { group_name: "jcg".to_owned(), ..Default::default() };
    vec![
        ControlRecord::TopicPut(TopicPut { topic, version: version() }),
        ControlRecord::TopicDelete(TopicDelete { topic: "T".to_owned(), version: version() }),
        ControlRecord::GroupPut(GroupPut { group: (&group).into(), version: version() }),
        ControlRecord::GroupDelete(GroupDelete { group: "g".to_owned(), version: version() }),
        ControlRecord::Offsets(vec![offsets(), offsets()]),
        ControlRecord::OffsetsReplaced(offsets()),
        ControlRecord::OffsetReset(offsets()),
        ControlRecord::OffsetResetTaken(offsets()),
        ControlRecord::OffsetsOfGroupRemoved("g".to_owned()),
        ControlRecord::OffsetsOfTopicRemoved("a topic name that is not stored in line".to_owned()),
        ControlRecord::ScheduleProgressed(ScheduleProgressed { level: 3, queue_offset: 10 }),
        ControlRecord::TransactionEnded(TransactionEnded { queue_offset: 7, how: TransactionEnd::Rollback }),
        ControlRecord::TransactionsChecked(TransactionsChecked { halves: vec![(7, 1), (u64::MAX, 15)] }),
        ControlRecord::TimerStored(TimerStored { topic: Some("T".to_owned()), bytes: 300, at_ms: 1_795_256_531_784 }),
        ControlRecord::TimerDone(TimerDone {
            due_ms: 1_795_256_531_784,
            order: 1 << 63 | 5,
            topic: None,
            bytes: 300,
            at_ms: 1_795_256_531_785,
        }),
        ControlRecord::TimersRolled(TimersRolled { queue_offset: 10 }),
        ControlRecord::PopsTaken(vec![popped()]),
        ControlRecord::PopsEnded(vec![StoredPopEnds {
            group: "g".to_owned(),
            topic: "%RETRY%g_T".to_owned(),
            queue_id: 0,
            offsets: vec![7, u64::MAX],
        }]),
        ControlRecord::OrderedPops(vec![ordered_pop(), StoredOrderedPop { state: None, ..ordered_pop() }]),
        ControlRecord::PopsOfTopicRemoved("T".to_owned()),
        ControlRecord::PopsOfGroupRemoved("g".to_owned()),
        ControlRecord::RequestModePut(StoredRequestMode {
            topic: "a topic name that is not stored in line".to_owned(),
            group: "jcg".to_owned(),
            mode: crate::assignment::RequestMode::Pop,
            share_queues: -1,
        }),
    ]
}

fn encode(record: &ControlRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

#[test]
fn every_kind_reads_back_wherever_it_stands_in_memory() {
    for record in one_of_each() {
        let bytes = encode(&record);
        for shift in 0..8 {
            let shifted = [vec![0xAA; shift], bytes.clone()].concat();
            assert_eq!(ControlRecord::decode(&shifted[shift..]).unwrap(), record);
        }
    }
}

/// Logs hold these bytes; kind, length and checksum stand for them. If this fails, the struct of a kind was changed: give the new one a new kind instead.
#[test]
fn every_kind_is_written_as_the_first_release_wrote_it() {
    let written: Vec<_> = one_of_each()
        .iter()
        .map(|record| {
            let bytes = encode(record);
            (bytes[1], bytes.len(), protocol::record::body_crc(&bytes))
        })
        .collect();
    let first_release = [
        (1, 122, 681_438_773),
        (2, 34, 1_431_353_453),
        (3, 130, 1_178_025_146),
        (4, 34, 227_238_339),
        (5, 154, 416_842_380),
        (6, 74, 1_736_643_866),
        (7, 74, 273_631_508),
        (8, 74, 1_763_651_209),
        (9, 10, 417_864_226),
        (10, 50, 191_309_685),
        (11, 18, 97_240_460),
        (20, 18, 1_564_688_373),
        (21, 42, 1_566_196_058),
        (22, 26, 52_131_619),
        (23, 42, 1_275_455_846),
        (24, 10, 177_274_857),
        (30, 90, 925_786_273),
        (31, 70, 374_687_273),
        (32, 186, 488_154_655),
        (33, 10, 713_256_455),
        (34, 10, 407_635_548),
        (40, 66, 360_219_600),
    ];
    assert_eq!(written, first_release);
    let hex: String = encode(&one_of_each()[10]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "010b03000000000000000a00000000000000");
}

#[test]
fn what_is_no_record_is_an_error() {
    assert!(matches!(ControlRecord::decode(&[]), Err(ControlRecordError::TooShort { bytes: 0 })));
    assert!(matches!(ControlRecord::decode(&[1]), Err(ControlRecordError::TooShort { bytes: 1 })));
    assert!(matches!(ControlRecord::decode(&[2, 1]), Err(ControlRecordError::UnknownVersion { version: 2 })));
    assert!(matches!(ControlRecord::decode(&[1, 0]), Err(ControlRecordError::UnknownKind { kind: 0 })));
    assert!(matches!(ControlRecord::decode(&[1, 12]), Err(ControlRecordError::UnknownKind { kind: 12 })));
    for record in one_of_each() {
        let bytes = encode(&record);
        assert!(matches!(ControlRecord::decode(&bytes[..2]), Err(ControlRecordError::Damaged { .. })), "{record:?}");
    }
}

proptest! {
    #[test]
    fn damaged_records_never_panic(
        kind in 0..14usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&one_of_each()[kind]);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = ControlRecord::decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = ControlRecord::decode(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200), kind in 0..13u8) {
        let bytes = [vec![CONTROL_RECORD_VERSION, kind], payload].concat();
        let _ = ControlRecord::decode(&bytes);
    }
}
