//! POP: the broker gives messages out for a time, to anybody of a group, and takes back what is not acknowledged.
//!
//! Start at [`pop_table`], which says what is invisible to whom. `attempt` fills it, `processor/pop` empties it, `revive` deals with
//! what is visible again, `wake` with requests that wait.

mod answer;
mod attempt;
mod cold_queue;
mod held_pops;
mod ordered_pop;
mod pop_job;
mod pop_state;
mod pop_table;
mod revive;
mod revived_properties;
mod stored_pop;
mod wake;

pub use self::held_pops::{HeldPop, HeldPops, HeldPopsLimits};
pub use self::ordered_pop::{ATTEMPT_ID_BYTES_MAX, HandleUse, ORDERED_MESSAGES_MAX, OrderedMessage, OrderedPop};
pub(crate) use self::pop_job::{Begin, PopJob, PopKind};
pub(crate) use self::pop_state::PopState;
pub use self::pop_table::{DueMessage, INVISIBLE_MAX, Invisible, PopKey, PopTable};
pub use self::stored_pop::{PopTableSnapshot, StoredOrderedPop, StoredPop, StoredPopEnds};
