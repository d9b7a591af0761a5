//! Faults of a broker's process that no message shows: put where the simulation makes it, for the oracle to find out.

use broker::control_tables::ControlTables;
use broker::timers::TimerTable;
use broker::transactions::HalfMessages;

/// What a process does wrong.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum ProcessMischief {
    /// Nothing.
    #[default]
    None,
    /// When it starts, it knows of no half message any more.
    ForgetsHalfMessages,
    /// When it starts, it does not know which timers are done.
    ForgetsDeliveries,
    /// It does everything by a clock that is ahead of that of its machine.
    Hurries,
    /// A master that was away takes itself for the master again, and asks no slave whether it was promoted.
    AsksNobody,
}

/// A process that [`ProcessMischief::Hurries`] is ahead by so much, ms.
const AHEAD_MS: i64 = 400;

impl ProcessMischief {
    /// What its tables become when it starts.
    pub(super) fn spoil(self, tables: &mut ControlTables) {
        match self {
            Self::None | Self::Hurries | Self::AsksNobody => {}
            Self::ForgetsHalfMessages => tables.half_messages = HalfMessages::new(),
            Self::ForgetsDeliveries => tables.timers = TimerTable::default(),
        }
    }

    /// How far its clock is ahead of its machine's, ms.
    pub(super) fn ahead_ms(self) -> i64 {
        if self == Self::Hurries { AHEAD_MS } else { 0 }
    }
}
