//! The bytes of one simulated file: what a read sees, what a power loss leaves, and the writes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use rand::RngExt;
use rand::rngs::StdRng;

use super::SECTOR_BYTES;
use super::survival::Survival;

/// Pages are shared between the states of a file, so that syncing and crashing copy nothing.
pub(super) const PAGE_BYTES: usize = 4096;
const SECTORS_PER_PAGE: usize = PAGE_BYTES / SECTOR_BYTES;
const WHOLE_PAGE: u8 = 0xFF;
const _: () = assert!(SECTORS_PER_PAGE == 8, "a sector mask is a u8");

type Page = Rc<[u8; PAGE_BYTES]>;

/// Sparse content: a page never written is absent and reads as zeros.
#[derive(Clone, Default)]
struct Pages(Vec<Option<Page>>);

impl Pages {
    fn get(&self, page: usize) -> Option<&Page> {
        self.0.get(page)?.as_ref()
    }

    fn set(&mut self, page: usize, bytes: Page) {
        if self.0.len() <= page {
            self.0.resize(page + 1, None);
        }
        self.0[page] = Some(bytes);
    }

    /// Takes over the sectors of `mask` from `bytes`.
    fn merge(&mut self, page: usize, mask: u8, bytes: &Page) {
        if mask == WHOLE_PAGE {
            return self.set(page, bytes.clone());
        }
        let mut merged = self.get(page).map_or([0; PAGE_BYTES], |old| **old);
        for sector in sectors(mask) {
            let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
            merged[range.clone()].copy_from_slice(&bytes[range]);
        }
        self.set(page, Rc::new(merged));
    }

    fn sector(&self, number: u64) -> &[u8] {
        let start = number as usize % SECTORS_PER_PAGE * SECTOR_BYTES;
        let page = self.get(number as usize / SECTORS_PER_PAGE);
        page.map_or(&[0; SECTOR_BYTES], |page| &page[start..start + SECTOR_BYTES])
    }

    fn truncate(&mut self, length: u64) {
        let pages = length.div_ceil(PAGE_BYTES as u64) as usize;
        self.0.truncate(pages);
        let kept = (length % PAGE_BYTES as u64) as usize;
        if kept > 0
            && let Some(Some(last)) = self.0.get_mut(pages - 1)
        {
            Rc::make_mut(last)[kept..].fill(0);
        }
    }

    fn flip(&mut self, at: u64, bit: u8) {
        if let Some(Some(page)) = self.0.get_mut(at as usize / PAGE_BYTES) {
            Rc::make_mut(page)[at as usize % PAGE_BYTES] ^= 1 << bit;
        }
    }
}

/// An un-synced change.
struct Version {
    /// The call that made it, numbered over the whole disk.
    sequence: u64,
    /// A sync that should have covered it failed, or it was to be stable by itself and failed: later syncs leave it
    /// alone, as Linux does.
    forsaken: bool,
    change: Change,
}

enum Change {
    Sectors { page: usize, mask: u8, bytes: Page },
    Length(u64),
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Content {
    seen: Pages,
    durable: Pages,
    length: u64,
    durable_length: u64,
    /// Un-synced changes, oldest first.
    versions: Vec<Version>,
    /// Sectors made durable after a forsaken write, and when: an older forsaken version cannot come back there.
    overtaken: BTreeMap<u64, u64>,
    /// Bytes reserved from the beginning on.
    reserved: u64,
    /// Bytes of the disk it takes.
    charged: u64,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    /// Reads at most `bytes` bytes at `offset`.
    pub(super) fn read(&self, offset: u64, bytes: usize) -> Vec<u8> {
        let end = self.length.min(offset + bytes as u64);
        let mut out = vec![0; end.saturating_sub(offset) as usize];
        for (page, inside, place) in pieces(offset, out.len()) {
            if let Some(page) = self.seen.get(page) {
                out[place].copy_from_slice(&page[inside]);
            }
        }
        out
    }

    /// Bytes of the disk that a write would newly take.
    pub(super) fn charge_of_write(&self, offset: u64, bytes: usize) -> u64 {
        let fresh = pieces(offset, bytes)
            .filter(|(page, _, _)| (page * PAGE_BYTES) as u64 >= self.reserved && self.seen.get(*page).is_none());
        (fresh.count() * PAGE_BYTES) as u64
    }

    /// Bytes of the disk that reserving would newly take.
    pub(super) fn charge_of_reserve(&self, bytes: u64) -> u64 {
        bytes.next_multiple_of(PAGE_BYTES as u64).saturating_sub(self.charged)
    }

    pub(super) fn reserve(&mut self, sequence: u64, bytes: u64) {
        self.charged += self.charge_of_reserve(bytes);
        self.reserved = self.reserved.max(bytes);
        self.grow(sequence, bytes);
    }

    /// Writes `bytes`, not durable yet.
    pub(super) fn write(&mut self, sequence: u64, offset: u64, bytes: &[u8]) {
        self.charged += self.charge_of_write(offset, bytes.len());
        for (page, inside, place) in pieces(offset, bytes.len()) {
            let mask = sector_mask(&inside);
            let mut content = self.seen.get(page).map_or([0; PAGE_BYTES], |old| **old);
            content[inside].copy_from_slice(&bytes[place]);
            let content = Rc::new(content);
            self.seen.set(page, content.clone());
            let change = Change::Sectors { page, mask, bytes: content };
            self.versions.push(Version { sequence, forsaken: false, change });
        }
        self.grow(sequence, offset + bytes.len() as u64);
    }

    /// Writes `bytes`, durable at once, and the file's length as far as they reach. What was written before stays
    /// un-synced; where they cover some of it, that cannot come back.
    pub(super) fn write_durably(&mut self, sequence: u64, offset: u64, bytes: &[u8]) {
        self.write(sequence, offset, bytes);
        self.durable_length = self.durable_length.max(offset + bytes.len() as u64);
        for (page, inside, _) in pieces(offset, bytes.len()) {
            let covered = sector_mask(&inside);
            let content = self.seen.get(page).expect("it was just written");
            self.durable.merge(page, covered, content);
            for version in &mut self.versions {
                if let Change::Sectors { page: changed, mask, .. } = &mut version.change
                    && *changed == page
                {
                    *mask &= !covered;
                }
            }
        }
        let durable_length = self.durable_length;
        self.versions.retain(|version| match version.change {
            Change::Sectors { mask, .. } => mask != 0,
            Change::Length(length) => length > durable_length,
        });
    }

    /// No later sync covers what the write numbered `sequence` wrote. `forget` as for [`Self::fail_sync`].
    pub(super) fn forsake(&mut self, sequence: u64, forget: bool) {
        for version in self.versions.iter_mut().filter(|version| version.sequence == sequence) {
            version.forsaken = matches!(version.change, Change::Sectors { .. });
        }
        if forget {
            self.forget_forsaken();
        }
    }

    fn grow(&mut self, sequence: u64, length: u64) {
        if length > self.length {
            self.length = length;
            self.versions.push(Version { sequence, forsaken: false, change: Change::Length(length) });
        }
    }

    /// Makes durable what was written before `sequence`.
    pub(super) fn sync(&mut self, sequence: u64) {
        let any_forsaken = self.versions.iter().any(|version| version.forsaken);
        let versions = std::mem::take(&mut self.versions);
        for version in versions {
            if version.forsaken || version.sequence >= sequence {
                self.versions.push(version);
            } else {
                self.make_durable(&version, any_forsaken);
            }
        }
    }

    fn make_durable(&mut self, version: &Version, overtakes: bool) {
        match &version.change {
            Change::Length(length) => self.durable_length = self.durable_length.max(*length),
            Change::Sectors { page, mask, bytes } => {
                self.durable.merge(*page, *mask, bytes);
                if overtakes {
                    let at = version.sequence;
                    self.overtaken.extend(sectors(*mask).map(|sector| (sector_number(*page, sector), at)));
                }
            }
        }
    }

    /// A sync that fails: each change becomes durable or is forsaken. With `forget`, reads too go back to what is
    /// durable, as when the page cache drops pages that it believes to be clean.
    pub(super) fn fail_sync(&mut self, sequence: u64, rng: &mut StdRng, forget: bool) {
        let versions = std::mem::take(&mut self.versions);
        for mut version in versions {
            if version.forsaken || version.sequence >= sequence {
                self.versions.push(version);
            } else if rng.random_bool(0.5) {
                self.make_durable(&version, true);
            } else {
                // Lengths are the journal's: as long as there is one, it does not forget.
                version.forsaken = matches!(version.change, Change::Sectors { .. });
                self.versions.push(version);
            }
        }
        if forget {
            self.forget_forsaken();
        }
    }

    /// What is seen becomes what is durable with the un-synced changes on top that a sync may still cover. The length
    /// stays: nothing shrinks a file that is in use.
    fn forget_forsaken(&mut self) {
        self.versions.retain(|version| !version.forsaken);
        self.seen = self.durable.clone();
        for version in &self.versions {
            if let Change::Sectors { page, mask, bytes } = &version.change {
                self.seen.merge(*page, *mask, bytes);
            }
        }
    }

    /// The calls whose changes wait for a sync.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = u64> {
        self.versions.iter().map(|version| version.sequence)
    }

    /// Loses power: `survival` decides each un-synced sector. Returns how many sectors stayed as last written, and how
    /// many did not.
    pub(super) fn lose_power(&mut self, survival: &Survival, rng: &mut StdRng) -> (u64, u64) {
        let before = std::mem::take(&mut self.seen);
        let mut written = BTreeSet::new();
        for Version { sequence, change, .. } in std::mem::take(&mut self.versions) {
            match change {
                Change::Length(length) => {
                    if survival.survives(sequence, rng) {
                        self.durable_length = self.durable_length.max(length);
                    }
                }
                Change::Sectors { page, mask, bytes } => {
                    for sector in sectors(mask) {
                        let number = sector_number(page, sector);
                        written.insert(number);
                        let overtaken = self.overtaken.get(&number).is_some_and(|at| *at > sequence);
                        if !overtaken && survival.survives(sequence, rng) {
                            self.durable.merge(page, 1 << sector, &bytes);
                        }
                    }
                }
            }
        }
        self.durable.truncate(self.durable_length);
        self.restart_from_durable();
        let kept = written.iter().filter(|sector| self.seen.sector(**sector) == before.sector(**sector)).count();
        (kept as u64, (written.len() - kept) as u64)
    }

    fn restart_from_durable(&mut self) {
        self.seen = self.durable.clone();
        self.length = self.durable_length;
        self.overtaken.clear();
        self.reserved = self.reserved.min(self.length);
        let loose = self
            .seen
            .0
            .iter()
            .enumerate()
            .filter(|(page, bytes)| bytes.is_some() && (page * PAGE_BYTES) as u64 >= self.reserved);
        let loose = (loose.count() * PAGE_BYTES) as u64;
        self.charged = self.reserved.next_multiple_of(PAGE_BYTES as u64) + loose;
    }

    /// Flips one bit in every state of the file.
    pub(super) fn flip(&mut self, at: u64, bit: u8) {
        self.seen.flip(at, bit);
        self.durable.flip(at, bit);
        for version in &mut self.versions {
            if let Change::Sectors { page, bytes, .. } = &mut version.change
                && *page == at as usize / PAGE_BYTES
            {
                Rc::make_mut(bytes)[at as usize % PAGE_BYTES] ^= 1 << bit;
            }
        }
    }
}

/// Cuts a range of a file at page boundaries: page, range inside it, range in the caller's bytes.
fn pieces(offset: u64, bytes: usize) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let at = offset as usize + done;
        let start = at % PAGE_BYTES;
        let piece = (PAGE_BYTES - start).min(bytes - done);
        done += piece;
        Some((at / PAGE_BYTES, start..start + piece, done - piece..done))
    })
}

fn sector_mask(inside: &Range<usize>) -> u8 {
    assert!(!inside.is_empty());
    let (first, last) = (inside.start / SECTOR_BYTES, (inside.end - 1) / SECTOR_BYTES);
    (first..=last).fold(0, |mask, sector| mask | (1 << sector))
}

fn sectors(mask: u8) -> impl Iterator<Item = usize> {
    (0..SECTORS_PER_PAGE).filter(move |sector| mask & (1 << sector) != 0)
}

fn sector_number(page: usize, sector: usize) -> u64 {
    (page * SECTORS_PER_PAGE + sector) as u64
}
