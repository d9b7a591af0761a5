//! The shared-memory ring of a simulated machine: it outlives a killed process, and nothing else.

use std::cell::RefCell;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{SimDisk, salted};
use crate::ring::{Ring, split};

/// What a kill in the middle of a copy leaves is a choice of these.
const CACHE_LINE_BYTES: usize = 64;

struct Memory {
    bytes: Vec<u8>,
    rng: StdRng,
    writes: u64,
    /// The process dies within this write; its disk stops with it.
    death: Option<(u64, SimDisk)>,
    /// No process holds this memory any more.
    torn: bool,
}

/// See the module's text. Clones are the same memory.
#[derive(Clone)]
pub struct SimRing {
    memory: Rc<RefCell<Memory>>,
}

impl SimRing {
    /// Zeroed memory.
    pub fn new(seed: u64, capacity: usize) -> Self {
        let rng = StdRng::seed_from_u64(salted(seed, "ring"));
        Self::holding(vec![0; capacity], rng)
    }

    fn holding(bytes: Vec<u8>, rng: StdRng) -> Self {
        Self { memory: Rc::new(RefCell::new(Memory { bytes, rng, writes: 0, death: None, torn: false })) }
    }

    /// Lets the process die in the middle of the `nth` write from now, counted from 1: part of it is copied, `disk`
    /// takes no more calls, and [`Self::is_torn`] says so. The code that runs on until its next await is a ghost; what
    /// it promises does not count.
    pub fn die_in_write(&self, nth: u64, disk: &SimDisk) {
        let mut memory = self.memory.borrow_mut();
        memory.death = Some((memory.writes + nth, disk.clone()));
    }

    /// Whether the process has died in the middle of a write.
    pub fn is_torn(&self) -> bool {
        self.memory.borrow().torn
    }

    /// The memory as the next process finds it. Handles of the dead one write no more.
    pub fn kill(&self) -> Self {
        let mut memory = self.memory.borrow_mut();
        memory.torn = true;
        let rng = StdRng::from_rng(&mut memory.rng);
        Self::holding(memory.bytes.clone(), rng)
    }

    /// Fresh memory, after a power loss.
    pub fn power_loss(&self) -> Self {
        let next = self.kill();
        next.memory.borrow_mut().bytes.fill(0);
        next
    }

    /// What it holds, to be put back as a stale ring, or into another store as a foreign one.
    pub fn snapshot(&self) -> Vec<u8> {
        self.memory.borrow().bytes.clone()
    }

    /// Replaces what it holds.
    pub fn restore(&self, snapshot: &[u8]) {
        self.memory.borrow_mut().bytes.copy_from_slice(snapshot);
    }

    /// Flips `count` random bits.
    pub fn flip_bits(&self, count: u32) {
        let memory = &mut *self.memory.borrow_mut();
        for _ in 0..count {
            let at = memory.rng.random_range(0..memory.bytes.len());
            memory.bytes[at] ^= 1 << memory.rng.random_range(0..8);
        }
    }
}

impl Memory {
    fn copy_in(&mut self, position: u64, bytes: &[u8]) {
        let (range, wrapped) = split(self.bytes.len() as u64, position, bytes.len());
        let (before_end, at_start) = bytes.split_at(range.len());
        self.bytes[range].copy_from_slice(before_end);
        self.bytes[..wrapped].copy_from_slice(at_start);
    }

    fn copy_in_part(&mut self, position: u64, bytes: &[u8]) {
        let in_order = self.rng.random_bool(0.5);
        let cut = self.rng.random_range(0..=bytes.len());
        for (line, content) in bytes.chunks(CACHE_LINE_BYTES).enumerate() {
            let at = line * CACHE_LINE_BYTES;
            let copied = if in_order { at < cut } else { self.rng.random_bool(0.5) };
            if copied {
                self.copy_in(position + at as u64, content);
            }
        }
    }
}

impl Ring for SimRing {
    fn capacity(&self) -> u64 {
        self.memory.borrow().bytes.len() as u64
    }

    fn write(&mut self, position: u64, bytes: &[u8]) {
        let memory = &mut *self.memory.borrow_mut();
        if memory.torn {
            return;
        }
        memory.writes += 1;
        match memory.death.take_if(|(nth, _)| *nth == memory.writes) {
            Some((_, disk)) => {
                memory.torn = true;
                disk.stop();
                memory.copy_in_part(position, bytes);
            }
            None => memory.copy_in(position, bytes),
        }
    }

    fn read(&self, position: u64, out: &mut [u8]) {
        let memory = self.memory.borrow();
        let (range, wrapped) = split(memory.bytes.len() as u64, position, out.len());
        let (before_end, at_start) = out.split_at_mut(range.len());
        before_end.copy_from_slice(&memory.bytes[range]);
        at_start.copy_from_slice(&memory.bytes[..wrapped]);
    }
}
