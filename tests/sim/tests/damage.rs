//! Bits that rot and files that go missing: refused by name and place, or made up for; never served, never skipped.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sim::machine::Honest;
use sim::message::TOPICS;
use sim::plan::{Crash, CrashPoint, LifePlan, Plan};
use sim::scenario::Scenario;
use storage::commit_log::entry::{EntryHeader, EntryKind, HEADER_BYTES};
use storage::commit_log::{FlushMode, LogId};
use storage::file::sim::SimDisk;
use storage::file::{BLOCK_BYTES, LogWrites};
use storage::store::MessageStore;
use storage::{DamageReason, StorageError, checkpoint};

/// Stores that each test damages.
const STORES: u64 = 150;
/// The last bytes of an entry header mean nothing.
const HEADER_BYTES_USED: u64 = 60;

/// An entry as it lies on the disk.
struct Placed {
    file: String,
    /// Byte in that file.
    at: u64,
    header: EntryHeader,
}

/// A store that has run a while and ended in a quiet kill.
fn store(seed: u64, steps: u32) -> Scenario<Honest> {
    store_of(seed, steps, 2 << 10)
}

fn store_of(seed: u64, steps: u32, body_bytes_max: usize) -> Scenario<Honest> {
    let flush = if seed.is_multiple_of(2) { FlushMode::Sync } else { FlushMode::Async };
    let lives = vec![LifePlan::calm(steps, Crash::Kill)];
    let plan = Plan { lives, body_bytes_max, ..Plan::calm(seed, flush, 0) };
    let mut scenario = Scenario::new(plan, Honest);
    assert_eq!(scenario.run_lives(), Ok(()), "seed={seed}");
    scenario
}

fn segments(disk: &SimDisk) -> Vec<(u64, String)> {
    let names = disk.files().into_iter();
    let first = |path: &String| path.strip_prefix("commitlog/").and_then(|name| name.parse().ok());
    names.filter_map(|path| first(&path).map(|first| (first, path))).collect()
}

/// Every entry of the log, read past the store.
fn entries(disk: &SimDisk, id: LogId) -> Vec<Placed> {
    let mut entries = Vec::new();
    for (first, file) in segments(disk) {
        let content = disk.content(&file).expect("it was just listed");
        let mut at = 0;
        while let Some(Ok(header)) = content.get(at..).map(|bytes| EntryHeader::decode(id, first + at as u64, bytes)) {
            entries.push(Placed { file: file.clone(), at: at as u64, header });
            at = (header.end() - first) as usize;
        }
    }
    entries
}

/// Whether what lies in the place of an entry's header now still begins like one.
fn has_magic(scenario: &Scenario<Honest>, entry: &Placed) -> bool {
    let content = scenario.sim().content(&entry.file).expect("it was just read");
    let header = &content[entry.at as usize..];
    EntryHeader::decode(scenario.log_id(), entry.header.position, header) != Err(DamageReason::NoMagic)
}

fn newest_checkpoint(disk: &SimDisk, id: LogId) -> checkpoint::Checkpoint {
    let content = disk.content(checkpoint::PATH);
    content.ok().and_then(|bytes| checkpoint::decode(id, &bytes).ok()).unwrap_or_default()
}

#[test]
fn a_flipped_bit_is_refused_by_file_and_byte_or_was_above_the_stable_mark() {
    let (mut refused, mut cut) = (0, 0);
    for seed in 0..STORES {
        let mut scenario = store(seed, 15);
        let rng = &mut StdRng::seed_from_u64(seed);
        let id = scenario.log_id();
        let newest = newest_checkpoint(scenario.sim(), id);
        let all = entries(scenario.sim(), id);
        let replayed: Vec<&Placed> = all.iter().filter(|entry| entry.header.position >= newest.position).collect();
        if replayed.is_empty() {
            continue;
        }
        let hit = replayed[rng.random_range(0..replayed.len())];
        let is_filler = hit.header.kind == EntryKind::Filler;
        let in_payload = !is_filler && rng.random_bool(0.7);
        let from = if in_payload { hit.at + HEADER_BYTES as u64 } else { hit.at };
        let until = if in_payload { from + u64::from(hit.header.payload_bytes) } else { from + HEADER_BYTES_USED };
        scenario.sim().flip_bits(&hit.file, from..until, 1).unwrap();
        // What recovery can still know: a header behind says how far the log had been stable.
        let others = all.iter().filter(|entry| entry.header.position != hit.header.position);
        let known = others.map(|entry| entry.header.stable).max().unwrap_or(0).max(newest.stable);
        if known > hit.header.position {
            let error = scenario.open_and(async |_| ()).expect_err("a damaged middle is not skipped");
            let StorageError::Damaged { file, at, stable, .. } = &error else { panic!("seed={seed}: {error}") };
            assert_eq!((file, at, stable), (&hit.file, &hit.at, &known), "seed={seed}: {error}");
            refused += 1;
        } else if hit.header.position.is_multiple_of(BLOCK_BYTES as u64) && !in_payload && has_magic(&scenario, hit) {
            // A header that lies in one sector is never torn. Without its magic it could be anything.
            scenario.open_and(async |_| ()).expect_err("a damaged header is not skipped");
        } else {
            let compared = scenario.open_and_compare(hit.header.position);
            assert_eq!(compared, Ok(()), "seed={seed}: an entry that may be torn is cut off, those before it stay");
            cut += 1;
        }
    }
    assert!(refused > STORES / 10 && cut > STORES / 10, "{refused} refused, {cut} cut");
}

#[test]
fn a_missing_segment_in_the_middle_is_refused_by_name() {
    for seed in 0..20 {
        let mut scenario = store(seed, 40);
        let segments = segments(scenario.sim());
        if segments.len() < 3 {
            continue;
        }
        let (_, lost) = &segments[segments.len() / 2];
        scenario.sim().lose(lost).unwrap();
        let error = scenario.open_and(async |_| ()).expect_err("a hole is not skipped");
        assert!(
            matches!(&error, StorageError::MissingSegment { missing, .. } if missing == lost),
            "seed={seed}: {error}"
        );
    }
}

#[test]
fn a_lost_checkpoint_is_made_up_for_by_the_one_before_it() {
    let mut made_up = 0;
    for seed in 0..60 {
        let mut scenario = store(seed, 40);
        let length = |path| scenario.sim().content(path).map_or(0, |content| content.len() as u64);
        if length(checkpoint::PREVIOUS_PATH) == 0 {
            continue;
        }
        scenario.sim().flip_bits(checkpoint::PATH, 0..length(checkpoint::PATH), 3).unwrap();
        let promised = scenario.promised().written;
        assert_eq!(scenario.open_and_compare(promised), Ok(()), "seed={seed}");
        made_up += 1;
    }
    assert!(made_up > 10, "{made_up}");
}

#[test]
fn without_any_checkpoint_the_whole_log_is_replayed_or_the_loss_is_named() {
    let (mut replayed, mut named) = (0, 0);
    for seed in 0..60 {
        let mut scenario = store_of(seed, 60, 12 << 10);
        for path in [checkpoint::PATH, checkpoint::PREVIOUS_PATH] {
            let length = scenario.sim().content(path).map_or(0, |content| content.len() as u64);
            if length > 0 {
                scenario.sim().flip_bits(path, 0..length, 3).unwrap();
            }
        }
        if segments(scenario.sim())[0].0 == 0 {
            let promised = scenario.promised().written;
            assert_eq!(scenario.open_and_compare(promised), Ok(()), "seed={seed}");
            replayed += 1;
        } else {
            let error = scenario.open_and(async |_| ()).expect_err("the state before the log's begin is lost");
            assert!(matches!(error, StorageError::CheckpointLost { .. }), "seed={seed}: {error}");
            named += 1;
        }
    }
    assert!(replayed > 5 && named > 5, "{replayed} replayed, {named} named");
}

#[test]
fn a_rotten_body_below_the_checkpoint_is_an_error_by_file_and_offset_and_never_served() {
    let mut found = 0;
    for seed in 0..STORES {
        let mut scenario = store(seed, 30);
        let newest = newest_checkpoint(scenario.sim(), scenario.log_id());
        let below = |end: u64| end <= newest.position;
        let stored: Vec<_> = {
            let history = scenario.history().borrow();
            let messages = history.units().iter().flat_map(|unit| unit.messages.clone());
            messages.filter(|stored| below(stored.physical_offset + u64::from(stored.bytes))).collect()
        };
        let first = segments(scenario.sim())[0].0;
        let Some(hit) = stored.into_iter().rev().find(|stored| stored.physical_offset >= first) else { continue };
        let (base, file) =
            segments(scenario.sim()).into_iter().rev().find(|(base, _)| *base <= hit.physical_offset).unwrap();
        // The body is the only part of a record that has a checksum of its own.
        let body_at = hit.physical_offset - base + hit.message.body_at() as u64;
        let body_bytes = hit.message.fields().body.len() as u64;
        scenario.sim().flip_bits(&file, body_at..body_at + body_bytes, 1).unwrap();
        let (at, bytes) = (hit.physical_offset, hit.bytes as usize);
        let read =
            scenario.open_and(async move |store: MessageStore<SimDisk>| store.read_record(at, bytes, |_| ()).await);
        let error = read.unwrap().expect_err("damage is not served");
        let is_named = matches!(&error, StorageError::DamagedRecord { at: named, file: in_file, .. }
            if *named == at && *in_file == file);
        assert!(is_named, "seed={seed}: {error}");
        found += 1;
    }
    assert!(found > STORES / 4, "{found}");
}

#[test]
fn a_store_is_never_emptied_because_it_is_opened_under_another_id() {
    let mut scenario = store(2, 30);
    let id = scenario.log_id();
    scenario.set_log_id(LogId(id.0 + 1));
    let opened = scenario.open_and(async |store: MessageStore<SimDisk>| store.log().end().position);
    assert!(opened.is_err(), "{opened:?}");
    scenario.set_log_id(id);
    let promised = scenario.promised().written;
    assert_eq!(scenario.open_and_compare(promised), Ok(()));
}

/// Reads what every queue says it has; errors are fine.
async fn read_everything(store: MessageStore<SimDisk>) -> u64 {
    let mut answers = 0;
    for topic in TOPICS {
        let queues: Vec<_> = store.queues().borrow().of_topic(topic).map(|(_, index)| index).collect();
        for queue in queues {
            let range = store.queues().borrow().get(queue).map_or(0..0, |queue| queue.first()..queue.end());
            for at in range {
                let Ok(unit) = store.read_unit(queue, at).await else { continue };
                let read = store.read_record(unit.physical_offset, unit.bytes as usize, |_| ()).await;
                answers += u64::from(read.is_ok());
            }
        }
    }
    answers
}

#[test]
fn any_damage_is_answered_and_never_a_panic() {
    let (mut refused, mut answers) = (0, 0);
    for seed in 0..2 * STORES {
        let mut scenario = store(seed, 25);
        let rng = &mut StdRng::seed_from_u64(seed);
        for _ in 0..rng.random_range(1..4) {
            let files = scenario.sim().files();
            let file = &files[rng.random_range(0..files.len())];
            let length = scenario.sim().content(file).map_or(0, |content| content.len() as u64);
            match rng.random_range(0..10) {
                0 => scenario.sim().lose(file).expect("it was just listed"),
                _ if length == 0 => {}
                1..4 => scenario.sim().flip_bits(file, 0..length.min(64), 8).expect("it was just listed"),
                _ => scenario.sim().flip_bits(file, 0..length, 40).expect("it was just listed"),
            }
        }
        match scenario.open_and(read_everything) {
            Ok(read) => answers += read,
            Err(error) => refused += u64::from(!error.to_string().is_empty()),
        }
    }
    assert!(refused > 20 && answers > 1000, "{refused} refused, {answers} messages read");
}

#[test]
fn a_quiet_crash_loses_nothing_in_either_mode() {
    let modes =
        [(FlushMode::Sync, LogWrites::Seen), (FlushMode::Sync, LogWrites::Stable), (FlushMode::Async, LogWrites::Seen)];
    for (flush, log_writes) in modes {
        for crash in [Crash::Kill, Crash::PowerLoss] {
            let lives = vec![LifePlan { point: CrashPoint::Quiet, log_writes, ..LifePlan::calm(20, crash) }; 3];
            let mut scenario = Scenario::new(Plan { lives, ..Plan::calm(7, flush, 0) }, Honest);
            assert_eq!(scenario.run(), Ok(()), "{flush:?} {log_writes:?} {crash:?}");
        }
    }
}
