//! Faults of a broker's process that no message shows: put where the simulation makes it, for the oracle to find out.

use broker::control_tables::ControlTables;
use broker::pop::PopTable;
use broker::timers::TimerTable;
use broker::transactions::HalfMessages;

use super::parcels::GROUPS;

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
    /// When it starts, it does not know what was popped, but how far that brought each group.
    ForgetsPops,
    /// When it starts, it does not know how far pops brought their groups, nor what is out.
    ForgetsPopsAndPositions,
    /// When it starts, it does not know how far pops brought their groups, but what is out.
    ForgetsPositions,
    /// It does everything by a clock that is ahead of that of its machine.
    Hurries,
    /// A master that was away takes itself for the master again, and asks no slave whether it was promoted.
    AsksNobody,
}

/// A process that [`ProcessMischief::Hurries`] is ahead by so much, ms.
const AHEAD_MS: i64 = 400;

fn forget_positions(tables: &mut ControlTables) {
    GROUPS.iter().for_each(|group| tables.offsets.remove_group(group.name));
}

impl ProcessMischief {
    /// What its tables become when it starts.
    pub(super) fn spoil(self, tables: &mut ControlTables) {
        match self {
            Self::None | Self::Hurries | Self::AsksNobody => {}
            Self::ForgetsHalfMessages => tables.half_messages = HalfMessages::new(),
            Self::ForgetsDeliveries => tables.timers = TimerTable::default(),
            Self::ForgetsPops => tables.pops = PopTable::new(),
            Self::ForgetsPositions => forget_positions(tables),
            Self::ForgetsPopsAndPositions => {
                tables.pops = PopTable::new();
                forget_positions(tables);
            }
        }
    }

    /// How far its clock is ahead of its machine's, ms.
    pub(super) fn ahead_ms(self) -> i64 {
        if self == Self::Hurries { AHEAD_MS } else { 0 }
    }
}
