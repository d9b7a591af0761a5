//! State of a simulated disk: calls are submitted, take their time, and take effect when they complete.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::buffer::SimBuffer;
use super::content::Content;
use super::counts::Counts;
use super::fault::{ArmedInjection, CallKind, Fault, Faults, Injection};
use super::misdirection::{Misdirection, MissingBlocks};
use super::namespace::{Namespace, NodeId, error};
use super::survival::Survival;
use super::{SECTOR_BYTES, salted};
use crate::file::{BLOCK_BYTES, LogWrites};

/// What a call will change.
pub(super) enum Effect {
    /// Nothing: reads, opens, lists.
    Look,
    Write {
        file: NodeId,
        offset: u64,
        buffer: Rc<SimBuffer>,
        writes: LogWrites,
    },
    PlainWrite {
        file: NodeId,
        offset: u64,
        bytes: Vec<u8>,
    },
    Allocate {
        file: NodeId,
        bytes: u64,
    },
    Sync {
        file: NodeId,
    },
    CreateFile {
        path: String,
    },
    /// The directories above it too.
    CreatePlain {
        path: String,
    },
    CreateDirectories {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    SyncDirectory {
        path: String,
    },
}

impl Effect {
    fn written_range(&self) -> Option<(NodeId, Range<u64>)> {
        match self {
            Self::Write { file, offset, buffer, .. } => Some((*file, *offset..offset + buffer.bytes().len() as u64)),
            _ => None,
        }
    }
}

/// How a call ends.
#[derive(Copy, Clone)]
enum Outcome {
    Whole,
    Fault(Fault),
    /// Cut off by a crash, half way.
    CutOff,
}

/// A submitted call.
struct InFlight {
    kind: CallKind,
    effect: Effect,
    fault: Option<Fault>,
    /// Calls submitted before it: a sync covers what had completed by then.
    sequence: u64,
    /// Its future is gone. It still happens some time, as a write given to the kernel does.
    orphan: bool,
}

/// A submitted call, for the one who waits for it.
pub(super) struct Ticket {
    number: u64,
    /// How often its future yields before it completes; `None`: for ever, the process is about to die.
    pub(super) delay: Option<u32>,
}

pub(super) struct DiskState {
    pub(super) names: Namespace,
    pub(super) files: BTreeMap<NodeId, Content>,
    pub(super) counts: Counts,
    pub(super) capacity: Option<u64>,
    pub(super) delay_max: u32,
    pub(super) faults: Faults,
    pub(super) trace: bool,
    pub(super) misdirection: Option<Misdirection>,
    pub(super) missing: MissingBlocks,
    injections: Vec<ArmedInjection>,
    /// Calls until the disk stops; see `SimDisk::stop_at`.
    calls_to_stop: Option<u64>,
    stopped: bool,
    in_flight: BTreeMap<u64, InFlight>,
    /// By kind of call: most of them that were under way at once.
    pub(super) at_once_max: [usize; CallKind::COUNT],
    orphans: u32,
    /// Numbers submitted calls and completed writes alike, over all lives of the disk.
    sequence: u64,
    delay_rng: StdRng,
    fault_rng: StdRng,
    damage_rng: StdRng,
}

impl DiskState {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Namespace::new(),
            files: BTreeMap::new(),
            counts: Counts::default(),
            capacity: None,
            delay_max: 2,
            faults: Faults::none(),
            trace: false,
            misdirection: None,
            missing: MissingBlocks::default(),
            injections: Vec::new(),
            calls_to_stop: None,
            stopped: false,
            in_flight: BTreeMap::new(),
            at_once_max: [0; CallKind::COUNT],
            orphans: 0,
            sequence: 0,
            delay_rng: StdRng::seed_from_u64(salted(seed, "delay")),
            fault_rng: StdRng::seed_from_u64(salted(seed, "fault")),
            damage_rng: StdRng::seed_from_u64(salted(seed, "damage")),
        }
    }

    pub(super) fn inject(&mut self, injection: Injection) {
        self.injections.push(ArmedInjection::new(injection));
    }

    pub(super) fn stop_at(&mut self, calls: u64) {
        assert!(calls > 0, "calls are counted from 1");
        self.calls_to_stop = Some(calls);
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Content of a file that some name or handle refers to.
    pub(super) fn content(&self, file: NodeId) -> &Content {
        &self.files[&file]
    }

    fn content_mut(&mut self, file: NodeId) -> &mut Content {
        self.files.get_mut(&file).expect("files stay until a crash")
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Takes a call in.
    pub(super) fn submit(&mut self, kind: CallKind, effect: Effect) -> Ticket {
        if self.stopped {
            return Ticket { number: 0, delay: None };
        }
        self.counts.call(kind);
        self.run_orphans(&effect);
        self.check_overlap(&effect);
        let fault = self.draw_fault(kind);
        if let Some(fault) = fault {
            self.counts.fault(kind, fault);
        }
        let number = self.next_sequence();
        self.in_flight.insert(number, InFlight { kind, effect, fault, sequence: number, orphan: false });
        let at_once = self.in_flight.values().filter(|call| call.kind == kind).count();
        self.at_once_max[kind as usize] = self.at_once_max[kind as usize].max(at_once);
        if let Some(left) = &mut self.calls_to_stop {
            *left -= 1;
            self.stopped = *left == 0;
        }
        let delay = if self.delay_max == 0 { 0 } else { self.delay_rng.random_range(0..=self.delay_max) };
        Ticket { number, delay: (!self.stopped).then_some(delay) }
    }

    fn draw_fault(&mut self, kind: CallKind) -> Option<Fault> {
        let mut injected = None;
        for armed in &mut self.injections {
            injected = injected.or(armed.count(kind));
        }
        injected.or_else(|| self.faults.draw(kind, &mut self.fault_rng))
    }

    /// The order of two writes of one place under way at once is nobody's to know, so a store must not do it.
    fn check_overlap(&self, effect: &Effect) {
        let Some((file, range)) = effect.written_range() else { return };
        for other in self.in_flight.values() {
            if let Some((other_file, other_range)) = other.effect.written_range() {
                let apart = file != other_file || range.end <= other_range.start || other_range.end <= range.start;
                assert!(apart, "a write of {range:?} while one of {other_range:?} is under way in the same file");
            }
        }
    }

    /// Marks a call whose future was dropped.
    pub(super) fn orphan(&mut self, ticket: &Ticket) {
        if let Some(call) = self.in_flight.get_mut(&ticket.number)
            && !self.stopped
        {
            call.orphan = true;
            self.orphans += 1;
        }
    }

    /// Orphans complete at a time of their own choosing, but before a write of the same place is given to the device.
    fn run_orphans(&mut self, next: &Effect) {
        if self.orphans == 0 {
            return;
        }
        let orphans: Vec<u64> = self.in_flight.iter().filter(|(_, call)| call.orphan).map(|(at, _)| *at).collect();
        for number in orphans {
            let due = self.delay_rng.random_bool(0.5) || next.written_range().is_some();
            if due && let Some(call) = self.in_flight.remove(&number) {
                self.orphans -= 1;
                // Nobody is left to hear the result.
                let _ = self.finish(call.effect, call.sequence, call.fault.map_or(Outcome::Whole, Outcome::Fault));
            }
        }
    }

    /// Ends a call whose time has come.
    pub(super) fn complete(&mut self, ticket: &Ticket) -> io::Result<u64> {
        let call = self.in_flight.remove(&ticket.number).expect("a call completes once");
        self.finish(call.effect, call.sequence, call.fault.map_or(Outcome::Whole, Outcome::Fault))
    }

    fn finish(&mut self, effect: Effect, submitted: u64, outcome: Outcome) -> io::Result<u64> {
        let error = match outcome {
            Outcome::Whole => None,
            Outcome::Fault(fault) => fault.to_error(),
            Outcome::CutOff => Some(error(libc::EIO)),
        };
        match error {
            Some(error) => {
                self.fail(effect, submitted, outcome);
                Err(error)
            }
            None if matches!(outcome, Outcome::Fault(Fault::Short)) => Ok(self.write_short(effect)),
            None => self.apply(effect, submitted),
        }
    }

    fn apply(&mut self, effect: Effect, submitted: u64) -> io::Result<u64> {
        let sequence = self.next_sequence();
        match effect {
            Effect::Look => Ok(0),
            Effect::Write { file, offset, buffer, writes } => {
                self.take_space(CallKind::Write, self.content(file).charge_of_write(offset, buffer.bytes().len()))?;
                self.write_log(sequence, file, offset, buffer.bytes(), writes);
                Ok(buffer.bytes().len() as u64)
            }
            Effect::PlainWrite { file, offset, bytes } => {
                self.take_space(CallKind::PlainWrite, self.content(file).charge_of_write(offset, bytes.len()))?;
                self.content_mut(file).write(sequence, offset, &bytes);
                Ok(bytes.len() as u64)
            }
            Effect::Allocate { file, bytes } => {
                self.take_space(CallKind::Allocate, self.content(file).charge_of_reserve(bytes))?;
                self.content_mut(file).reserve(sequence, bytes);
                Ok(bytes)
            }
            Effect::Sync { file } => {
                self.content_mut(file).sync(submitted);
                Ok(0)
            }
            Effect::CreateFile { path } => {
                let node = self.names.create_file(sequence, &path)?;
                self.files.insert(node, Content::default());
                Ok(node.0)
            }
            Effect::CreatePlain { path } => {
                self.names.create_parents(sequence, &path)?;
                if let Ok(node) = self.names.find_file(&path) {
                    return Ok(node.0);
                }
                let node = self.names.create_file(sequence, &path)?;
                self.files.insert(node, Content::default());
                Ok(node.0)
            }
            Effect::CreateDirectories { path } => self.names.create_directories(sequence, &path).map(|()| 0),
            Effect::Rename { from, to } => self.names.rename(sequence, &from, &to).map(|()| 0),
            Effect::Remove { path } => self.names.remove(sequence, &path, usize::MAX).map(|()| 0),
            Effect::SyncDirectory { path } => {
                let directory = self.names.find_directory(&path)?;
                self.names.sync(directory, submitted, usize::MAX);
                Ok(0)
            }
        }
    }

    fn write_log(&mut self, sequence: u64, mut file: NodeId, mut offset: u64, bytes: &[u8], writes: LogWrites) {
        let is_whole = bytes.len().is_multiple_of(BLOCK_BYTES) && !bytes.is_empty();
        let misdirection = self.misdirection.as_ref().filter(|_| is_whole);
        if let Some(to) = misdirection.and_then(|to| to.target(bytes.len() as u64, &mut self.damage_rng))
            && self.files.contains_key(&to.0)
        {
            self.misdirection = None;
            self.counts.writes_misdirected += 1;
            self.missing.left_out(file, offset, bytes);
            (file, offset) = to;
        }
        self.missing.written(file, offset..offset + bytes.len() as u64);
        match writes {
            LogWrites::Seen => self.content_mut(file).write(sequence, offset, bytes),
            LogWrites::Stable => {
                self.counts.stable_writes += 1;
                self.content_mut(file).write_durably(sequence, offset, bytes);
            }
        }
    }

    /// See [`super::SimDisk::mend_missing`].
    pub(super) fn mend_missing(&mut self) {
        for ((file, offset), block) in self.missing.take() {
            let sequence = self.next_sequence();
            // A file that is gone misses nothing.
            if let Some(content) = self.files.get_mut(&file) {
                content.write_durably(sequence, offset, &block);
            }
        }
    }

    /// What a failed or cut off call leaves behind: anything between nothing and all of it.
    fn fail(&mut self, effect: Effect, submitted: u64, outcome: Outcome) {
        let sequence = self.next_sequence();
        match effect {
            Effect::Write { file, offset, buffer, writes } => {
                let chance = [0.0, 0.5, 1.0][self.damage_rng.random_range(0..3)];
                for (at, sector) in buffer.bytes().chunks(SECTOR_BYTES).enumerate() {
                    if self.damage_rng.random_bool(chance) {
                        self.content_mut(file).write(sequence, offset + (at * SECTOR_BYTES) as u64, sector);
                    }
                }
                // What failed may have been the sync in it.
                let is_cut_off = matches!(outcome, Outcome::CutOff);
                if writes == LogWrites::Stable && !is_cut_off && self.damage_rng.random_bool(0.5) {
                    let forget = self.damage_rng.random_bool(0.5);
                    self.content_mut(file).forsake(sequence, forget);
                }
            }
            Effect::PlainWrite { file, offset, bytes } => {
                let kept = self.damage_rng.random_range(0..=bytes.len());
                self.content_mut(file).write(sequence, offset, &bytes[..kept]);
            }
            Effect::Sync { file } => {
                let forget = self.damage_rng.random_bool(0.5);
                let content = self.files.get_mut(&file).expect("files stay until a crash");
                content.fail_sync(submitted, &mut self.damage_rng, forget);
            }
            Effect::Remove { path } => {
                let steps_max = self.damage_rng.random_range(0..4);
                // Half of a removal has no result of its own.
                let _ = self.names.remove(sequence, &path, steps_max);
            }
            Effect::SyncDirectory { path } => {
                let changes_max = self.damage_rng.random_range(0..4);
                if let Ok(directory) = self.names.find_directory(&path) {
                    self.names.sync(directory, submitted, changes_max);
                }
            }
            Effect::Look | Effect::Allocate { .. } | Effect::Rename { .. } => {}
            Effect::CreateFile { .. } | Effect::CreatePlain { .. } | Effect::CreateDirectories { .. } => {}
        }
    }

    fn write_short(&mut self, effect: Effect) -> u64 {
        let Effect::Write { file, offset, buffer, writes } = effect else { unreachable!("only writes are short") };
        let sequence = self.next_sequence();
        let written = self.damage_rng.random_range(0..buffer.bytes().len() / SECTOR_BYTES) * SECTOR_BYTES;
        self.write_log(sequence, file, offset, &buffer.bytes()[..written], writes);
        written as u64
    }

    fn take_space(&mut self, kind: CallKind, bytes: u64) -> io::Result<()> {
        if self.capacity.is_some_and(|capacity| bytes > 0 && self.used() + bytes > capacity) {
            self.counts.fault(kind, Fault::Enospc);
            return Err(error(libc::ENOSPC));
        }
        Ok(())
    }

    /// Bytes that files with a name take.
    pub(super) fn used(&self) -> u64 {
        self.names.files().iter().map(|(_, file)| self.content(*file).charged()).sum()
    }

    /// What `look` finds in a directory; an absent one is empty.
    pub(super) fn look_in<T>(&self, path: &str, look: impl Fn(&Namespace, NodeId) -> Vec<T>) -> io::Result<Vec<T>> {
        match self.names.find_directory(path) {
            Ok(directory) => Ok(look(&self.names, directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// A directory has no order.
    pub(super) fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        items.shuffle(&mut self.delay_rng);
        items
    }

    /// What a read at `offset` gets. Where a write is under way it may meet either content.
    pub(super) fn read(&mut self, file: NodeId, offset: u64, bytes: usize) -> Vec<u8> {
        let mut out = self.content(file).read(offset, bytes);
        for call in self.in_flight.values() {
            let Effect::Write { file: written_file, offset: start, buffer, .. } = &call.effect else { continue };
            if *written_file != file {
                continue;
            }
            for (at, sector) in buffer.bytes().chunks(SECTOR_BYTES).enumerate() {
                let Some(place) = (start + (at * SECTOR_BYTES) as u64).checked_sub(offset) else { continue };
                let Some(place) = out.get_mut(place as usize..place as usize + SECTOR_BYTES) else { continue };
                if self.delay_rng.random_bool(0.5) {
                    place.copy_from_slice(sector);
                }
            }
        }
        out
    }

    /// The process dies: what was under way has happened, or not, or in part.
    pub(super) fn kill(&mut self) {
        for (_, call) in std::mem::take(&mut self.in_flight) {
            self.counts.calls_cut_off += 1;
            let outcome = match self.damage_rng.random_range(0..4) {
                0 => continue,
                // Cutting a sync off does not make it fail.
                1 if matches!(call.effect, Effect::Sync { .. }) => continue,
                1 => Outcome::CutOff,
                _ => call.fault.map_or(Outcome::Whole, Outcome::Fault),
            };
            // Nobody is left to hear the result.
            let _ = self.finish(call.effect, call.sequence, outcome);
        }
        self.orphans = 0;
        self.heal();
        self.missing.take();
        self.stopped = false;
    }

    /// Ends all faults, and calls off a stop that is still to come.
    pub(super) fn heal(&mut self) {
        self.faults = Faults::none();
        self.injections.clear();
        self.misdirection = None;
        self.calls_to_stop = None;
    }

    /// The machine dies: un-synced writes and names survive or not.
    pub(super) fn lose_power(&mut self) {
        self.kill();
        let unsynced = self.files.values().flat_map(Content::unsynced);
        let survival = Survival::draw(&mut self.damage_rng, unsynced);
        for content in self.files.values_mut() {
            let (kept, lost) = content.lose_power(&survival, &mut self.damage_rng);
            self.counts.sectors_kept += kept;
            self.counts.sectors_lost += lost;
        }
        self.counts.names_lost += self.names.lose_power(&mut self.damage_rng);
        let reachable: BTreeSet<NodeId> = self.names.files().into_iter().map(|(_, file)| file).collect();
        self.files.retain(|file, _| reachable.contains(file));
    }

    pub(super) fn flip_bits(&mut self, file: NodeId, range: Range<u64>, count: u32) {
        for _ in 0..count {
            let at = self.damage_rng.random_range(range.clone());
            let bit = self.damage_rng.random_range(0..8);
            self.content_mut(file).flip(at, bit);
        }
        self.counts.bits_flipped += u64::from(count);
    }
}
