//! Compares an opened store with what was done to it.

use std::cell::RefCell;
use std::rc::Rc;

use protocol::record::decode_record;
use storage::StorageError;
use storage::consume_queue::{QueueIndex, Unit as QueueUnit};
use storage::file::Disk;
use storage::store::MessageStore;

use crate::history::{History, Stored, topic_name};
use crate::message::{QUEUES, QueueName, TOPICS, tags_code};
use crate::replay::ReplayedControls;
use crate::{Violation, require};

/// Finds which units survived, demands that they are the first ones and that nothing below `promised` is missing, and
/// cuts `history` to them. Returns how many units were cut and how many survived without a promise.
/// # Errors
/// What is missing, or there and never sent.
pub fn settle<D: Disk>(
    store: &MessageStore<D>,
    replayed: &ReplayedControls,
    history: &mut History,
    promised: u64,
) -> Result<(u64, u64), Violation> {
    if let Some(what) = &replayed.misordered {
        return Err(Violation(what.clone()));
    }
    let end = store.log().end().position;
    let units = history.units();
    let first_lost = units.iter().position(|unit| unit.messages_end().is_some_and(|at| at > end));
    let mut survivors = first_lost.unwrap_or(units.len());
    // Units of control records alone have no place of their own; the number replayed says how many of them are there.
    let controls = |count: usize| units[..count].iter().filter(|unit| unit.control.is_some()).count() as u64;
    while controls(survivors) > replayed.state.count && survivors > 0 && units[survivors - 1].messages.is_empty() {
        survivors -= 1;
    }
    let found = replayed.state.count;
    let there = controls(survivors);
    require(found == there, || format!("{found} control records were replayed, the log holds {there}"))?;
    let missing = units[survivors..].iter().find(|unit| unit.safe_at().is_some_and(|end| end <= promised));
    require(missing.is_none(), || {
        format!("lost below {promised}, where all is promised: {missing:?}; the log ends at {end}")
    })?;
    let unpromised = units[..survivors].iter().filter(|unit| unit.safe_at().is_none_or(|end| end > promised)).count();
    let cut = (units.len() - survivors) as u64;
    history.cut(survivors);
    let (expected, found) = (history.controls(), replayed.state);
    require(expected == found, || format!("state after all control records is {found:?}, not {expected:?}"))?;
    Ok((cut, unpromised as u64))
}

/// Compares everything that can be read from `store` with `history`. Returns how many messages were compared.
/// # Errors
/// The first difference.
pub async fn verify<D: Disk>(store: &MessageStore<D>, history: &Rc<RefCell<History>>) -> Result<u64, Violation> {
    let first = store.log().first();
    let removable = history.borrow().removable;
    require(first <= removable, || format!("the log begins at {first}, only below {removable} it was to be removed"))?;
    let mut compared = 0;
    for topic in 0..TOPICS.len() {
        for queue_id in 0..QUEUES {
            compared += verify_queue(store, history, (topic, queue_id), first).await?;
        }
    }
    verify_deleted(store, history, first).await?;
    let end = store.log().end().position;
    match store.read_record(end, 100, |_| ()).await {
        Err(StorageError::OutOfRange { .. }) => Ok(compared),
        other => Err(Violation(format!("reading behind the log's end {end} gave {other:?}"))),
    }
}

async fn verify_queue<D: Disk>(
    store: &MessageStore<D>,
    history: &Rc<RefCell<History>>,
    name: QueueName,
    log_first: u64,
) -> Result<u64, Violation> {
    let expected: Vec<Stored> = {
        let history = history.borrow();
        (0..history.queue_end(name)).filter_map(|at| history.message(name, at).cloned()).collect()
    };
    let found = store.queues().borrow().find(topic_name(name), name.1);
    let Some(queue) = found else {
        return require(expected.is_empty(), || format!("queue {name:?} is not there")).map(|()| 0);
    };
    let (first, end, readable) = {
        let queues = store.queues().borrow();
        queues.get(queue).map_or((0, 0, 0), |queue| (queue.first(), queue.end(), queue.readable()))
    };
    let expected_first = expected.partition_point(|stored| stored.physical_offset < log_first);
    let wanted = (expected_first as u64, expected.len() as u64, expected.len() as u64);
    let found = (first, end, readable);
    let what = || format!("queue {name:?} has first, end, readable {found:?}, not {wanted:?}: {:?}", expected.last());
    require((first, end, readable) == wanted, what)?;
    for stored in &expected[expected_first..] {
        let at = stored.queue_offset;
        let read = read_message(store, queue, at, stored).await;
        read.map_err(|error| Violation(format!("queue {name:?} at {at} cannot be read: {error}")))??;
    }
    match store.read_unit(queue, end).await {
        Err(StorageError::OutOfRange { .. }) => Ok((expected.len() - expected_first) as u64),
        other => Err(Violation(format!("queue {name:?} has {other:?} behind its end {end}"))),
    }
}

/// Messages of deleted topics are still in the log, where their offset says.
async fn verify_deleted<D: Disk>(
    store: &MessageStore<D>,
    history: &Rc<RefCell<History>>,
    log_first: u64,
) -> Result<(), Violation> {
    let deleted: Vec<Stored> = {
        let history = history.borrow();
        let units = history.units();
        let last_deletion = units.iter().rposition(|unit| unit.deleted_topic().is_some()).unwrap_or(0);
        let stored = units[..last_deletion].iter().flat_map(|unit| &unit.messages);
        stored.filter(|stored| stored.physical_offset >= log_first).cloned().collect()
    };
    for stored in deleted {
        let read = read_record(store, &stored).await;
        read.map_err(|error| Violation(format!("{stored:?} cannot be read: {error}")))??;
    }
    Ok(())
}

/// Reads a message through its queue and compares it.
/// # Errors
/// The outer one if the store does not answer, the inner one if it answers wrongly.
pub async fn read_message<D: Disk>(
    store: &MessageStore<D>,
    queue: QueueIndex,
    at: u64,
    expected: &Stored,
) -> Result<Result<(), Violation>, StorageError> {
    let unit = store.read_unit(queue, at).await?;
    let tags_code = tags_code(expected.message.fields().properties);
    let wanted = QueueUnit { physical_offset: expected.physical_offset, bytes: expected.bytes, tags_code };
    if unit != wanted {
        return Ok(Err(Violation(format!("the queue has {unit:?} at {at}, not {wanted:?}"))));
    }
    read_record(store, expected).await
}

async fn read_record<D: Disk>(
    store: &MessageStore<D>,
    expected: &Stored,
) -> Result<Result<(), Violation>, StorageError> {
    let wanted = expected.clone();
    let at = expected.physical_offset;
    store.read_record(at, expected.bytes as usize, move |bytes| compare_record(bytes, &wanted)).await
}

fn compare_record(bytes: &[u8], expected: &Stored) -> Result<(), Violation> {
    let mut fields = expected.message.fields();
    fields.queue_offset = expected.queue_offset as i64;
    fields.physical_offset = expected.physical_offset as i64;
    let wrong = |what: &str| Violation(format!("the record at {} {what}: {expected:?}", expected.physical_offset));
    let (record, used) = decode_record(bytes).map_err(|error| wrong(&error.to_string()))?;
    record.check_body_crc().map_err(|error| wrong(&error.to_string()))?;
    let mut found = record.to_fields();
    found.sys_flag = fields.sys_flag;
    require(used == bytes.len() && found == fields, || wrong("is not what was sent").0)
}
