//! Which calls fail, and how: chances for every call kind, and exact injections by call number.

use std::fmt;
use std::io;

use rand::RngExt;
use rand::rngs::StdRng;

/// The calls a store makes of its disk, told apart for counting and for failing them.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum CallKind {
    /// `LogFile::write_at`
    Write,
    /// `LogFile::read_at`
    Read,
    /// `LogFile::sync_data`
    Sync,
    /// `LogFile::allocate`
    Allocate,
    /// `Disk::open_log`, and `Disk::open_plain` of a file that exists
    Open,
    /// `Disk::create_log`, and `Disk::open_plain` of a file that is made
    Create,
    /// `Disk::rename`
    Rename,
    /// `Disk::remove`
    Remove,
    /// `Disk::list`
    List,
    /// `Disk::create_directory`
    CreateDirectory,
    /// `Disk::sync_directory`
    SyncDirectory,
    /// `PlainFile::write_all_at`
    PlainWrite,
    /// `PlainFile::read_at`
    PlainRead,
    /// `PlainFile::sync_data`
    PlainSync,
    /// `PlainFile::close`
    Close,
    /// `length` of either file
    Length,
}

impl CallKind {
    /// Number of kinds.
    pub const COUNT: usize = Self::ALL.len();
    /// Every kind, in the order of their values.
    pub const ALL: [Self; 16] = [
        Self::Write,
        Self::Read,
        Self::Sync,
        Self::Allocate,
        Self::Open,
        Self::Create,
        Self::Rename,
        Self::Remove,
        Self::List,
        Self::CreateDirectory,
        Self::SyncDirectory,
        Self::PlainWrite,
        Self::PlainRead,
        Self::PlainSync,
        Self::Close,
        Self::Length,
    ];

    /// Whether a real disk can answer this call with `fault`.
    pub fn can_fail_with(self, fault: Fault) -> bool {
        match fault {
            Fault::Eio => true,
            Fault::Short => self == Self::Write,
            Fault::Enospc => match self {
                Self::Write | Self::Sync | Self::Allocate | Self::Create | Self::Rename => true,
                Self::CreateDirectory | Self::PlainWrite | Self::PlainSync => true,
                Self::Read | Self::Open | Self::Remove | Self::List | Self::SyncDirectory => false,
                Self::PlainRead | Self::Close | Self::Length => false,
            },
        }
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Sync => "sync",
            Self::Allocate => "allocate",
            Self::Open => "open",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::CreateDirectory => "create_directory",
            Self::SyncDirectory => "sync_directory",
            Self::PlainWrite => "plain_write",
            Self::PlainRead => "plain_read",
            Self::PlainSync => "plain_sync",
            Self::Close => "close",
            Self::Length => "length",
        };
        f.pad(name)
    }
}

/// How a call fails.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Fault {
    /// An I/O error.
    Eio,
    /// No space left.
    Enospc,
    /// Fewer bytes are written than were given, and the call succeeds.
    Short,
}

impl Fault {
    /// Every fault, in the order of their values.
    pub const ALL: [Self; 3] = [Self::Eio, Self::Enospc, Self::Short];

    /// The error a caller sees; a short write is no error.
    pub(super) fn to_error(self) -> Option<io::Error> {
        match self {
            Self::Eio => Some(io::Error::from_raw_os_error(libc::EIO)),
            Self::Enospc => Some(io::Error::from_raw_os_error(libc::ENOSPC)),
            Self::Short => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Eio => "EIO",
            Self::Enospc => "ENOSPC",
            Self::Short => "short",
        })
    }
}

/// Chances of faults, per call kind.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    chances: [[f64; Fault::ALL.len()]; CallKind::COUNT],
}

impl Faults {
    /// Nothing fails.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a chance, 0 to 1, that a call of `kind` ends in `fault`; nothing where `kind` cannot.
    pub fn with(mut self, kind: CallKind, fault: Fault, chance: f64) -> Self {
        if kind.can_fail_with(fault) {
            self.chances[kind as usize][fault as usize] = chance;
        }
        self
    }

    /// Gives every call kind that can end in `fault` the same chance.
    pub fn with_all(self, fault: Fault, chance: f64) -> Self {
        CallKind::ALL.into_iter().fold(self, |faults, kind| faults.with(kind, fault, chance))
    }

    pub(super) fn draw(&self, kind: CallKind, rng: &mut StdRng) -> Option<Fault> {
        let chances = self.chances[kind as usize];
        Fault::ALL.into_iter().find(|fault| {
            let chance = chances[*fault as usize];
            chance > 0.0 && rng.random_bool(chance)
        })
    }
}

/// A fault at an exact call.
#[derive(Copy, Clone, Debug)]
pub struct Injection {
    /// Only calls of this kind are counted; `None` counts all.
    pub kind: Option<CallKind>,
    /// Which call fails, counted from 1 at the time of [`inject`](super::SimDisk::inject).
    pub nth: u64,
    /// How; a call that cannot end so fails with `EIO` instead.
    pub fault: Fault,
    /// The counted calls after it fail too, as on a device that is gone.
    pub lasting: bool,
}

impl Injection {
    /// The `nth` call of any kind fails once.
    pub fn any(nth: u64, fault: Fault) -> Self {
        Self { kind: None, nth, fault, lasting: false }
    }

    /// The `nth` call of `kind` fails once.
    pub fn at(kind: CallKind, nth: u64, fault: Fault) -> Self {
        Self { kind: Some(kind), nth, fault, lasting: false }
    }

    /// All calls from this one on fail too.
    pub fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }
}

/// An injection and how many calls it has counted.
#[derive(Copy, Clone, Debug)]
pub(super) struct ArmedInjection {
    injection: Injection,
    counted: u64,
}

impl ArmedInjection {
    pub(super) fn new(injection: Injection) -> Self {
        assert!(injection.nth > 0, "calls are counted from 1");
        Self { injection, counted: 0 }
    }

    pub(super) fn count(&mut self, kind: CallKind) -> Option<Fault> {
        if self.injection.kind.is_some_and(|only| only != kind) {
            return None;
        }
        self.counted += 1;
        let hit = self.counted == self.injection.nth || (self.injection.lasting && self.counted > self.injection.nth);
        let fault = if kind.can_fail_with(self.injection.fault) { self.injection.fault } else { Fault::Eio };
        hit.then_some(fault)
    }
}
