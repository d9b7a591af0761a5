//! Several load machines that work as one.
//!
//! One leads: it waits for the others, tells each its share of every step, runs a share itself, and adds the reports up. The
//! others join it and do as they are told. Lines of JSON over TCP; there is no authentication, so the
//! leader's address belongs into a network that is trusted.

mod codec;
mod joiner;
mod leader;
mod link;
mod message;

pub use codec::{CodecError, HELLO_BYTES_MAX, LINE_BYTES_MAX, LineDecoder, encode};
pub use joiner::{JoinProgress, join};
pub use leader::{Team, TeamRun};
pub use link::{ALIVE_EVERY, Link, LinkError, SILENCE_MAX};
pub use message::{Message, TEAM_VERSION};
