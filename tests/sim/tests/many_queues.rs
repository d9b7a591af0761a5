//! Fifty thousand queues in one shard: an idle one costs no call to the file system.

use protocol::record::{RecordFields, RecordView};
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::consume_queue::ConsumeQueues;
use storage::file::sim::{SimDisk, block_on};
use storage::store::{MessageStore, Replay};

const QUEUES: u32 = 50_000;
const TOPIC: &str = "many";
const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 20,
    flush: FlushMode::Async,
    cache_bytes: 1 << 20,
    is_replicated: false,
    is_copied: false,
};
/// What a checkpoint calls for itself and for one queue that grew.
const CALLS_OF_A_CHECKPOINT_MAX: u64 = 60;

/// A broker without any state of its own.
struct Stateless;

impl Replay for Stateless {
    fn restore(&mut self, _state: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn control(&mut self, _record: &[u8], _queues: &mut ConsumeQueues) -> Result<(), String> {
        Err("none was written".to_owned())
    }

    fn tags_code(&self, _record: &RecordView<'_>) -> i64 {
        0
    }
}

async fn open(disk: SimDisk) -> MessageStore<SimDisk> {
    let opened = MessageStore::open(disk, LogId(1), OPTIONS, None, &mut Stateless).await;
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

fn send(store: &MessageStore<SimDisk>, queue_id: u32) {
    let host = ([127, 0, 0, 1], 10911).into();
    let mut records = [RecordFields {
        queue_id: queue_id as i32,
        flag: 0,
        queue_offset: 0,
        physical_offset: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_timestamp: 2,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"x",
        topic: TOPIC,
        properties: b"",
    }];
    let queue = store.queues().borrow_mut().find_or_add(TOPIC, queue_id);
    let appended = store.append(queue, &mut records, |_| 0, &[]);
    assert!(appended.is_ok(), "{appended:?}");
}

#[test]
fn idle_queues_cost_a_checkpoint_nothing_and_all_of_them_come_back() {
    let disk = SimDisk::new(1);
    let used = disk.clone();
    block_on(1, async move {
        let store = open(used.clone()).await;
        (0..QUEUES).for_each(|queue_id| send(&store, queue_id));
        let made = store.checkpoint(Vec::new(), || ()).await;
        assert!(made.is_ok(), "{made:?}");
        send(&store, 7);
        let before = used.counts().calls_total();
        let made = store.checkpoint(Vec::new(), || ()).await;
        assert!(made.is_ok(), "{made:?}");
        let calls = used.counts().calls_total() - before;
        assert!(calls <= CALLS_OF_A_CHECKPOINT_MAX, "{calls} calls for one queue that grew");
    });
    let disk = disk.kill();
    block_on(2, async move {
        let store = open(disk).await;
        let queues = store.queues().borrow();
        assert_eq!(queues.count(), QUEUES as usize);
        for (queue_id, index) in queues.of_topic(TOPIC) {
            let end = queues.get(index).map(|queue| (queue.readable(), queue.end()));
            let expected = if queue_id == 7 { 2 } else { 1 };
            assert_eq!(end, Some((expected, expected)), "queue {queue_id}");
        }
    });
}
