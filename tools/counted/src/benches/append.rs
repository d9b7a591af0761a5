//! From a record's fields to an entry in the log and in the ring, and to the file.

use futures_lite::future::block_on;
use protocol::record::{RecordFields, RecordView};
use storage::commit_log::{FlushMode, LogId, LogOptions};
use storage::consume_queue::{ConsumeQueues, QueueIndex};
use storage::store::{MessageStore, Replay};

use super::{CACHE_BYTES, MESSAGES, Rounds};
use crate::bench::Bench;
use crate::inputs;
use crate::world::{MemoryDisk, MemoryRing};

/// See the module's text.
pub const ALL: &[Bench] = &[
    Bench { name: "append", covers: "64 records of 1 KiB encoded into the log's tail and their queues", run: append },
    Bench { name: "seal", covers: "the entry of 64 closed: checksum, header, copy to the ring", run: seal },
    Bench { name: "confirm", covers: "64 messages made readable", run: confirm },
    Bench { name: "flush", covers: "the 64 handed over for one write, without the write", run: flush },
];

const RING_BYTES: usize = 16 << 20;

struct NothingToReplay;

impl Replay for NothingToReplay {
    fn restore(&mut self, _state: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn control(&mut self, _record: &[u8], _queues: &mut ConsumeQueues) -> Result<(), String> {
        Ok(())
    }

    fn tags_code(&self, _record: &RecordView<'_>) -> i64 {
        0
    }
}

struct Log {
    store: MessageStore<MemoryDisk>,
    queues: Vec<QueueIndex>,
    body: Vec<u8>,
    properties: Vec<String>,
}

impl Log {
    fn new() -> Self {
        let options = LogOptions {
            segment_bytes: 1 << 30,
            flush: FlushMode::Async,
            cache_bytes: CACHE_BYTES,
            is_replicated: false,
            is_copied: false,
        };
        let id = LogId(7);
        let mut replay = NothingToReplay;
        let opening = MessageStore::open(MemoryDisk::default(), id, options, None, &mut replay);
        let (store, _) = block_on(opening).expect("an empty store opens");
        store.log().replace_ring(Some(Box::new(MemoryRing::new(RING_BYTES))));
        let mut table = store.queues().borrow_mut();
        let queues = (0..inputs::QUEUES).map(|queue_id| table.find_or_add(inputs::TOPIC, queue_id)).collect();
        drop(table);
        let properties = (0..MESSAGES).map(inputs::nth_stored_properties).collect();
        Self { store, queues, body: inputs::body(), properties }
    }

    fn append(&self) {
        for (number, properties) in self.properties.iter().enumerate() {
            let queue_id = number % self.queues.len();
            let mut records = [RecordFields {
                queue_id: queue_id as i32,
                flag: 0,
                queue_offset: 0,
                physical_offset: 0,
                sys_flag: 0,
                born_timestamp: 1_795_256_196_772,
                born_host: inputs::BORN_HOST,
                store_timestamp: 1_795_256_196_773,
                store_host: inputs::STORE_HOST,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: &self.body,
                topic: inputs::TOPIC,
                properties: properties.as_bytes(),
            }];
            self.store.append(self.queues[queue_id], &mut records, |_| 2_598_919, &[]).expect("the log takes it");
        }
    }

    fn seal(&self) {
        self.store.log().seal();
    }

    fn confirm(&self) {
        self.store.confirm(|_, _, _| ());
    }

    fn flush(&self) {
        block_on(self.store.log().flush()).expect("memory takes all");
    }
}

fn append() -> u64 {
    let log = Log::new();
    let after = || {
        log.seal();
        log.confirm();
        log.flush();
    };
    Rounds::OF_SWEEPS.run(MESSAGES, || (), || log.append(), after)
}

fn seal() -> u64 {
    let log = Log::new();
    let after = || {
        log.confirm();
        log.flush();
    };
    Rounds::OF_SWEEPS.run(MESSAGES, || log.append(), || log.seal(), after)
}

fn confirm() -> u64 {
    let log = Log::new();
    let before = || {
        log.append();
        log.seal();
    };
    Rounds::OF_SWEEPS.run(MESSAGES, before, || log.confirm(), || log.flush())
}

fn flush() -> u64 {
    let log = Log::new();
    let before = || {
        log.append();
        log.seal();
        log.confirm();
    };
    Rounds::OF_SWEEPS.run(MESSAGES, before, || log.flush(), || ())
}
